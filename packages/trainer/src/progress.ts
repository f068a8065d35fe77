/**
 * The progress of a run for people: one bar per epoch on a terminal or in a notebook, one line per
 * epoch elsewhere, and the book's two lines at the end.
 */

import type { EpochRecord, StepRecord } from '@deepend/core';
import { notebook } from '@deepend/core';
import cliProgress from 'cli-progress';
import type { Callback, RunInfo, TrainResult } from './callbacks/callback';
import { notebookBars } from './progress-notebook';

const formatFraction = (fraction: number) => fraction.toFixed(3);

/** `loss 0.411, train acc 0.853, test acc 0.838` */
export function metricsLine({
  loss,
  trainAcc,
  testAcc,
}: Pick<EpochRecord, 'loss' | 'trainAcc' | 'testAcc'>): string {
  const test = testAcc === null ? '' : `, test acc ${formatFraction(testAcc)}`;
  return `loss ${loss.toFixed(3)}, train acc ${formatFraction(trainAcc)}${test}`;
}

/** `312.4 examples/sec on cpu`, `5032.7 examples/sec on [cuda:0, cuda:1]` */
export function throughputLine({
  samplesPerSecond,
  device,
  devices,
}: Pick<TrainResult, 'samplesPerSecond' | 'device' | 'devices'>): string {
  const where = devices ? `[${devices.map(({ name }) => name).join(', ')}]` : device.name;
  return `${samplesPerSecond.toFixed(1)} examples/sec on ${where}`;
}

/** `stopped after 3 of 20 steps of epoch 1: the time limit of 60 s is over` */
function partialLine(
  { steps = 0, stopped }: Pick<TrainResult, 'steps' | 'stopped'>,
  numBatches: number,
): string {
  const reason = stopped === undefined ? '' : `: ${stopped}`;
  return `stopped after ${steps} of ${numBatches} steps of epoch 1${reason}`;
}

/** Shows the progress of epochs. */
export interface Bars {
  /** After a step. `metrics` is the epoch's line so far. */
  step(record: StepRecord, about: { numEpochs: number; metrics: string }): void;
  /** After an epoch, with its line. */
  epoch(line: string): void;
  /** After the run, or when it failed. */
  close(): void;
}

/**
 * The progress display, as a callback.
 * @param callbacks the run's own: epochs have no lines when one of them draws live
 */
export function progressDisplay(callbacks: readonly Callback[]): Callback & { close(): void } {
  const quietEpochs = callbacks.some(({ drawsLive }) => drawsLive);
  const bars = notebook() ? notebookBars({ quietEpochs }) : terminalBars({ quietEpochs });
  let run: RunInfo | undefined;
  return {
    onTrainBegin: (info) => {
      run = info;
    },
    onStep: (record) => {
      bars.step(record, {
        numEpochs: run?.numEpochs ?? record.epoch,
        metrics: metricsLine({ ...record, testAcc: null }),
      });
    },
    onEpochEnd: (record) => {
      const numEpochs = run?.numEpochs ?? record.epoch;
      const number = String(record.epoch).padStart(String(numEpochs).length);
      const seconds = record.seconds.toFixed(1);
      bars.epoch(`epoch ${number}/${numEpochs}  ${metricsLine(record)}  (${seconds} s)`);
    },
    onTrainEnd: (result) => {
      const last = result.history.at(-1);
      if (last) {
        console.log(metricsLine(last));
        console.log(throughputLine(result));
      } else console.log(partialLine(result, run?.numBatches ?? 0));
    },
    close: bars.close,
  };
}

/** Bars go to stderr and disappear at the end of their epoch; lines go to stdout. */
function terminalBars({ quietEpochs }: { quietEpochs: boolean }): Bars {
  let bar: cliProgress.SingleBar | undefined;
  const close = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    step: (record, { numEpochs, metrics }) => {
      if (!process.stderr.isTTY) return;
      bar ??= startBar(record, numEpochs);
      bar.update(record.step, { metrics });
    },
    epoch: (line) => {
      close();
      if (!quietEpochs) console.log(line);
    },
    close,
  };
}

function startBar({ epoch, numBatches }: StepRecord, numEpochs: number): cliProgress.SingleBar {
  const bar = new cliProgress.SingleBar(
    {
      format:
        `epoch ${epoch}/${numEpochs} {bar} {value}/{total} | {eta_formatted} to go | ` +
        '{metrics}',
      stream: process.stderr,
      hideCursor: null, // otherwise an interrupted run leaves the terminal without a cursor
      clearOnComplete: true,
      barsize: 24,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(numBatches, 0, { metrics: '' });
  return bar;
}
