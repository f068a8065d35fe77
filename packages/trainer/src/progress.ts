/**
 * What a person sees of a run: a bar an epoch on a terminal or in a notebook, a line an epoch
 * elsewhere, the book's two lines at the end.
 */

import type { EpochRecord, StepRecord } from '@deepend/core';
import { notebook } from '@deepend/core';
import cliProgress from 'cli-progress';
import { notebookBars } from './progress-notebook';
import type { Callback, RunInfo, TrainResult } from './types';

const percent = (share: number) => share.toFixed(3);

/** `loss 0.411, train acc 0.853, test acc 0.838` */
export function metricsLine({
  loss,
  trainAcc,
  testAcc,
}: Pick<EpochRecord, 'loss' | 'trainAcc' | 'testAcc'>): string {
  const test = testAcc === null ? '' : `, test acc ${percent(testAcc)}`;
  return `loss ${loss.toFixed(3)}, train acc ${percent(trainAcc)}${test}`;
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

/** Where an epoch's progress is seen. */
export interface Bars {
  /** The epoch goes on. `metrics` is its line so far. */
  step(record: StepRecord, about: { numEpochs: number; metrics: string }): void;
  /**
   * The epoch has ended; `line` tells what it came to, and is not to stay where the curves are
   * drawn anyway.
   */
  epoch(line: string): void;
  /** No more comes. */
  close(): void;
}

/** The display as a callback of its own. */
export function progressDisplay({
  quietEpochs,
}: {
  quietEpochs: boolean;
}): Callback & { close(): void } {
  let run: RunInfo | undefined;
  const bars = notebook() ? notebookBars({ quietEpochs }) : terminalBars({ quietEpochs });
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
      const epochs = run?.numEpochs ?? record.epoch;
      const place = `epoch ${String(record.epoch).padStart(String(epochs).length)}/${epochs}`;
      bars.epoch(`${place}  ${metricsLine(record)}  (${record.seconds.toFixed(1)} s)`);
    },
    onTrainEnd: (result) => {
      const last = result.history.at(-1);
      if (last) console.log(metricsLine(last));
      console.log(throughputLine(result));
    },
    close: bars.close,
  };
}

/** Bars go to stderr and are gone with their epoch; lines go to stdout. */
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
      format: `epoch ${epoch}/${numEpochs} {bar} {value}/{total} | {eta_formatted} to go | {metrics}`,
      stream: process.stderr,
      hideCursor: null, // an interrupted run would leave the terminal without one
      clearOnComplete: true,
      barsize: 24,
    },
    cliProgress.Presets.shades_classic,
  );
  bar.start(numBatches, 0, { metrics: '' });
  return bar;
}
