/**
 * A run's progress in a notebook: one output below the cell that changes, however long the run is.
 */

import type { StepRecord } from '@deepend/core';
import { type NotebookOutput, notebook } from '@deepend/core';
import type { Bars } from './progress';
import type { TrainResult } from './types';

const LINES = 20; // of epochs that have ended; what came before them is counted
const PAUSE = 250; // ms between two looks at an epoch
const WIDTH = 24; // characters of a bar

/** Bars and lines as text that is shown in place of itself. */
export function notebookBars({ quietEpochs }: { quietEpochs: boolean }): Bars {
  const output: NotebookOutput | undefined = notebook()?.newOutput();
  let lines: string[] = [];
  let begun: { epoch: number; step: number; at: number } | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;
  const show = (bar?: string) => {
    output?.show({
      'text/plain': [...lastOf(lines), ...(bar === undefined ? [] : [bar])].join('\n'),
    });
    shownAt = performance.now();
  };
  return {
    step: (record, { numEpochs, metrics }) => {
      const now = performance.now();
      if (begun?.epoch !== record.epoch)
        begun = { epoch: record.epoch, step: record.step, at: now };
      if (now - shownAt < PAUSE) return;
      const place = `epoch ${record.epoch}/${numEpochs}`;
      show(
        `${place} ${drawBar(record)} | ${timeLeft(record, { steps: record.step - begun.step, milliseconds: now - begun.at })}${metrics}`,
      );
    },
    epoch: (line) => {
      lines = quietEpochs ? [line] : [...lines, line];
      show();
    },
    close: () => {},
  };
}

function lastOf(lines: readonly string[]): readonly string[] {
  if (lines.length <= LINES) return lines;
  return [`(${lines.length - LINES} epochs before)`, ...lines.slice(-LINES)];
}

function drawBar({ step, numBatches }: StepRecord): string {
  const done = Math.round((WIDTH * step) / numBatches);
  return `${'█'.repeat(done)}${'░'.repeat(WIDTH - done)} ${step}/${numBatches}`;
}

/** `12s to go | `, once there is a step to go by. */
function timeLeft(
  { step, numBatches }: StepRecord,
  taken: { steps: number; milliseconds: number },
): string {
  if (taken.steps === 0) return '';
  const seconds = Math.round((taken.milliseconds / taken.steps / 1000) * (numBatches - step));
  return `${seconds < 60 ? `${seconds}s` : `${Math.floor(seconds / 60)}m${seconds % 60}s`} to go | `;
}

/**
 * A result as it is, but for how it is printed in a notebook, which prints what ends a cell: an
 * epoch's record would take ten lines.
 */
export function briefInNotebooks(result: TrainResult): TrainResult {
  if (!notebook()) return result;
  const { history, device, samplesPerSecond } = result;
  const brief = `{ history: [${history.length} records], device: ${device.name}, samplesPerSecond: ${samplesPerSecond.toFixed(1)} }`;
  return Object.defineProperty(result, Symbol.for('nodejs.util.inspect.custom'), {
    value: () => brief,
  });
}
