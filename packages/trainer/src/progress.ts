/** What a person sees of a run: a bar an epoch on a terminal, a line an epoch elsewhere, the book's two lines at the end. */
import cliProgress from 'cli-progress';
import type { Callback, EpochRecord, RunInfo, StepRecord, TrainResult } from './types';

const percent = (share: number) => share.toFixed(3);

/** `loss 0.411, train acc 0.853, test acc 0.838` */
export function metricsLine({ loss, trainAcc, testAcc }: Pick<EpochRecord, 'loss' | 'trainAcc' | 'testAcc'>): string {
  const test = testAcc === null ? '' : `, test acc ${percent(testAcc)}`;
  return `loss ${loss.toFixed(3)}, train acc ${percent(trainAcc)}${test}`;
}

/** `312.4 examples/sec on cpu` */
export function throughputLine({ samplesPerSecond, device }: Pick<TrainResult, 'samplesPerSecond' | 'device'>): string {
  return `${samplesPerSecond.toFixed(1)} examples/sec on ${device.name}`;
}

/** The display as a callback of its own. Bars go to stderr, lines to stdout. */
export function progressDisplay({ quietEpochs }: { quietEpochs: boolean }): Callback & { close(): void } {
  let run: RunInfo | undefined;
  let bar: cliProgress.SingleBar | undefined;
  const close = () => {
    bar?.stop();
    bar = undefined;
  };
  return {
    onTrainBegin: (info) => {
      run = info;
    },
    onStep: (record) => {
      if (!process.stderr.isTTY) return;
      bar ??= startBar(record, run?.numEpochs ?? record.epoch);
      bar.update(record.step, { metrics: metricsLine({ ...record, testAcc: null }) });
    },
    onEpochEnd: (record) => {
      close();
      const epochs = run?.numEpochs ?? record.epoch;
      const place = `epoch ${String(record.epoch).padStart(String(epochs).length)}/${epochs}`;
      if (!quietEpochs) console.log(`${place}  ${metricsLine(record)}  (${record.seconds.toFixed(1)} s)`);
    },
    onTrainEnd: (result) => {
      const last = result.history.at(-1);
      if (last) console.log(metricsLine(last));
      console.log(throughputLine(result));
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
