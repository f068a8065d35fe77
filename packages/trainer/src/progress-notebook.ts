/** A run's progress in a notebook: one output below the cell, updated in place. */

import { type NotebookOutput, notebook } from '@deepend/core';
import type { TrainResult } from './callbacks/callback';
import { type Bars, metricsLine } from './progress';
import { drawBar } from './progress-bar';

const MAX_LINES = 20; // lines of finished epochs that are shown; earlier ones are counted
const UPDATE_INTERVAL_MS = 250;
const BAR_WIDTH = 24; // characters

/** Bars and lines as text that replaces what was shown before. */
export function notebookBars({ quietEpochs }: { quietEpochs: boolean }): Bars {
  const output: NotebookOutput | undefined = notebook()?.newOutput();
  let lines: string[] = [];
  let shownAt = Number.NEGATIVE_INFINITY;
  const show = (bar?: string) => {
    output?.show({
      'text/plain': [...lastLines(lines), ...(bar === undefined ? [] : [bar])].join('\n'),
    });
    shownAt = performance.now();
  };
  return {
    step: (record, { numEpochs, toGo }) => {
      if (performance.now() - shownAt < UPDATE_INTERVAL_MS) return;
      const { epoch, step, numBatches } = record;
      const bar = `${drawBar(record, BAR_WIDTH)} ${step}/${numBatches}`;
      const left = toGo === '' ? '' : `${toGo} | `;
      const metrics = metricsLine({ ...record, testAcc: null });
      show(`epoch ${epoch}/${numEpochs} ${bar} | ${left}${metrics}`);
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
