/** A run's progress in a notebook: one output below the cell, updated in place. */

import type { StepRecord } from '@deepend/core';
import { type NotebookOutput, notebook } from '@deepend/core';
import type { TrainResult } from './callbacks/callback';
import type { Bars } from './progress';

const MAX_LINES = 20; // lines of finished epochs that are shown; earlier ones are counted
const UPDATE_INTERVAL_MS = 250;
const BAR_WIDTH = 24; // characters

/** Bars and lines as text that replaces what was shown before. */
export function notebookBars({ quietEpochs }: { quietEpochs: boolean }): Bars {
  const output: NotebookOutput | undefined = notebook()?.newOutput();
  let lines: string[] = [];
  let epochStart: { epoch: number; step: number; at: number } | undefined;
  let shownAt = Number.NEGATIVE_INFINITY;
  const show = (bar?: string) => {
    output?.show({
      'text/plain': [...lastLines(lines), ...(bar === undefined ? [] : [bar])].join('\n'),
    });
    shownAt = performance.now();
  };
  return {
    step: (record, { numEpochs, metrics }) => {
      const now = performance.now();
      if (epochStart?.epoch !== record.epoch)
        epochStart = { epoch: record.epoch, step: record.step, at: now };
      if (now - shownAt < UPDATE_INTERVAL_MS) return;
      const place = `epoch ${record.epoch}/${numEpochs}`;
      const taken = { steps: record.step - epochStart.step, milliseconds: now - epochStart.at };
      show(`${place} ${drawBar(record)} | ${timeLeft(record, taken)}${metrics}`);
    },
    epoch: (line) => {
      lines = quietEpochs ? [line] : [...lines, line];
      show();
    },
    close: () => {},
  };
}

function lastLines(lines: readonly string[]): readonly string[] {
  if (lines.length <= MAX_LINES) return lines;
  return [`(${lines.length - MAX_LINES} epochs before)`, ...lines.slice(-MAX_LINES)];
}

function drawBar({ step, numBatches }: StepRecord): string {
  const done = Math.round((BAR_WIDTH * step) / numBatches);
  return `${'█'.repeat(done)}${'░'.repeat(BAR_WIDTH - done)} ${step}/${numBatches}`;
}

/** `12s to go | `, once there is a step to estimate from. */
function timeLeft(
  { step, numBatches }: StepRecord,
  taken: { steps: number; milliseconds: number },
): string {
  if (taken.steps === 0) return '';
  const seconds = Math.round((taken.milliseconds / taken.steps / 1000) * (numBatches - step));
  const short = `${seconds}s`;
  const long = `${Math.floor(seconds / 60)}m${seconds % 60}s`;
  return `${seconds < 60 ? short : long} to go | `;
}

/**
 * The same result, with a one-line form for notebooks, which print the value of a cell's last
 * expression: the history by itself would take ten lines per epoch.
 */
export function summarizeInNotebooks(result: TrainResult): TrainResult {
  if (!notebook()) return result;
  const { history, device, samplesPerSecond } = result;
  const summary =
    `{ history: [${history.length} records], device: ` +
    `${device.name}, samplesPerSecond: ${samplesPerSecond.toFixed(1)} }`;
  return Object.defineProperty(result, Symbol.for('nodejs.util.inspect.custom'), {
    value: () => summary,
  });
}
