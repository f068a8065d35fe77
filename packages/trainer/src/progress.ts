/**
 * The progress of a run for people: what it is about to do, how long that takes, one bar per epoch
 * on a terminal or in a notebook, lines elsewhere, and the book's two lines at the end.
 */

import {
  backendTraits,
  type EpochRecord,
  notebook,
  releaseLiveOutput,
  type StepRecord,
} from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { adviceFor } from './advice';
import { type Callback, PROGRESS, type RunInfo, type TrainResult } from './callbacks/callback';
import { Estimate, formatDuration, workOf } from './estimate';
import type { AnyLoader } from './loader';
import { openingLines, originalSizeOf } from './opening';
import { ProgressBar } from './progress-bar';
import { notebookBars } from './progress-notebook';

const formatFraction = (fraction: number) => fraction.toFixed(3);

type Measured = Pick<EpochRecord, 'loss' | 'trainAcc' | 'testAcc'> &
  Partial<Pick<EpochRecord, 'testLoss' | 'metrics'>> & {
    /** Of a language model: the exponential of its loss. */
    readonly perplexity?: number;
  };

/** Options of a cross-entropy with which it is not the logarithm of the perplexity. */
const NO_PERPLEXITY = ['labelSmoothing', 'classWeights', 'reduction'];

/** What a line says of an epoch besides its record: the perplexity of a language model. */
function perplexities(loader: AnyLoader, info: RunInfo | undefined) {
  const { name, ...options } = { ...info?.control.loss.config } as Record<string, unknown>;
  const isLanguageModel =
    loader.tokensPerSample !== undefined &&
    name === 'crossEntropy' &&
    !NO_PERPLEXITY.some((option) => options[option]);
  return <T extends { loss: number } & Pick<Measured, 'testLoss' | 'metrics'>>(record: T) => {
    if (!isLanguageModel) return record;
    const { loss, testLoss, metrics } = record;
    const ofTest = typeof testLoss === 'number' && { perplexity: Math.exp(testLoss) };
    return { ...record, perplexity: Math.exp(loss), metrics: { ...ofTest, ...metrics } };
  };
}

/**
 * `loss 0.411, train acc 0.853, test acc 0.838, test top5 0.991`, with metrics that are numbers;
 * for a loss without correct answers `loss 0.411, test loss 0.420, test perplexity 1.522`; with a
 * perplexity `loss 0.411, perplexity 1.508, train acc 0.853`.
 */
export function metricsLine(record: Measured): string {
  const { loss, trainAcc, testAcc, testLoss, metrics = {}, perplexity } = record;
  const isWithoutAnswers = Number.isNaN(trainAcc) && !Number.isNaN(loss);
  const figures = {
    loss: isWithoutAnswers ? testLoss : null,
    acc: isWithoutAnswers ? null : testAcc,
    ...metrics,
  };
  const tested = Object.entries(figures).filter(
    (figure): figure is [string, number] => typeof figure[1] === 'number',
  );
  const train = isWithoutAnswers ? '' : `, train acc ${formatFraction(trainAcc)}`;
  const test = tested.map(([name, value]) => `, test ${name} ${formatFraction(value)}`);
  const exponential = perplexity === undefined ? '' : `, perplexity ${perplexity.toFixed(3)}`;
  return `loss ${loss.toFixed(3)}${exponential}${train}${test.join('')}`;
}

/**
 * `312.4 examples/sec on cpu`, `5032.7 examples/sec on [cuda:0, cuda:1]`
 * @param tokensPerSample of text: `10934.0 tokens/sec on cpu`
 */
export function throughputLine(
  {
    samplesPerSecond,
    device,
    devices,
  }: Pick<TrainResult, 'samplesPerSecond' | 'device' | 'devices'>,
  tokensPerSample?: number,
): string {
  const where = devices ? `[${devices.map(({ name }) => name).join(', ')}]` : device.name;
  const unit = tokensPerSample === undefined ? 'examples' : 'tokens';
  return `${(samplesPerSecond * (tokensPerSample ?? 1)).toFixed(1)} ${unit}/sec on ${where}`;
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
  /** After a step, with what is left of the run: `7 min to go`, or nothing before it is known. */
  step(record: StepRecord, about: { numEpochs: number; toGo: string }): void;
  /** After the last step of an epoch, before its evaluation. */
  evaluate?(about: { epoch: number; numEpochs: number }): void;
  /** After an epoch, with its line. */
  epoch(line: string): void;
  /** After the run, or when it failed. */
  close(): void;
}

const MIN_ESTIMATE_SECONDS = 10; // shorter runs are over before an estimate is read

/**
 * The progress display, as a callback.
 * @param callbacks the run's own: epochs have no lines when one of them draws live
 */
export function progressDisplay(
  callbacks: readonly Callback[],
  { trainLoader, testLoader }: { trainLoader: AnyLoader; testLoader: AnyLoader | null },
): Callback & { close(): void } {
  const drawsLive = callbacks.some((callback) => callback.drawsLive);
  const bars = makeBars(drawsLive);
  let run: RunInfo | undefined;
  let estimate: Estimate | undefined;
  let isAnnounced = false;
  let withPerplexity = perplexities(trainLoader, undefined);
  const toGo = (record: { epoch: number; step: number }) => {
    const seconds = estimate?.secondsLeft(record);
    return seconds === undefined ? '' : `${formatDuration(seconds)} to go`;
  };
  /** Prints once how long the run takes. */
  const announce = (record: { epoch: number }) => {
    const seconds = estimate?.secondsLeft({ ...record, step: 0 }); // of whole epochs
    if (isAnnounced || seconds === undefined || !run) return;
    isAnnounced = true;
    if (seconds < MIN_ESTIMATE_SECONDS) return;
    releaseLiveOutput();
    console.log(estimateLine(run, { seconds, record, trainLoader }));
  };
  return {
    name: PROGRESS,
    onTrainBegin: (info) => {
      run = info;
      withPerplexity = perplexities(trainLoader, info);
      estimate = new Estimate(workOf(trainLoader, testLoader, info));
      for (const line of openingLines(info, { trainLoader, testLoader })) console.log(line);
    },
    onEpochBegin: () => estimate?.beginEpoch(),
    onStep: (record) => {
      estimate?.step(record, { waits: !backendTraits(tf.getBackend()).isAsynchronous });
      announce(record);
      bars.step(withPerplexity(record), {
        numEpochs: run?.numEpochs ?? record.epoch,
        toGo: toGo(record),
      });
    },
    onEvaluationBegin: ({ epoch }) =>
      bars.evaluate?.({ epoch, numEpochs: run?.numEpochs ?? epoch }),
    onEpochEnd: (record) => {
      const numEpochs = run?.numEpochs ?? record.epoch;
      const number = String(record.epoch).padStart(String(numEpochs).length);
      const seconds = record.seconds.toFixed(1);
      bars.epoch(
        `epoch ${number}/${numEpochs}  ${metricsLine(withPerplexity(record))}  (${seconds} s)`,
      );
      estimate?.endEpoch(record);
      if (record.epoch < numEpochs) announce({ epoch: record.epoch + 1 });
    },
    onTrainEnd: (result) => {
      const last = result.history.at(-1);
      if (last) {
        console.log(metricsLine(withPerplexity(last)));
        console.log(throughputLine(result, trainLoader.tokensPerSample));
      } else console.log(partialLine(result, run?.numBatches ?? 0));
    },
    close: bars.close,
  };
}

/** `about 1 h 50 min for 10 epochs; \`resize: 28\` would take about 7 min` */
function estimateLine(
  { model, numEpochs }: RunInfo,
  about: { seconds: number; record: { epoch: number }; trainLoader: AnyLoader },
): string {
  const { seconds, record, trainLoader } = about;
  const epochs = numEpochs - record.epoch + 1;
  const advice = adviceFor({
    model,
    seconds,
    numEpochs: epochs,
    inputShape: trainLoader.inputShape ?? [],
    originalSize: originalSizeOf(trainLoader),
  });
  const what = `${epochs} ${epochs === 1 ? 'epoch' : 'epochs'}`;
  return `about ${formatDuration(seconds)} for ${what}${advice ? `; ${advice}` : ''}`;
}

/** A live chart leaves no room for lines; where it cannot be drawn, there are lines. */
function makeBars(drawsLive: boolean): Bars {
  if (notebook()) return notebookBars({ quietEpochs: drawsLive });
  const quietEpochs = drawsLive && process.stdout.isTTY === true;
  return process.stderr.isTTY ? terminalBars({ quietEpochs }) : plainLines({ quietEpochs });
}

/** A bar on stderr that disappears at the end of its epoch; lines go to stdout. */
function terminalBars({ quietEpochs }: { quietEpochs: boolean }): Bars {
  const bar = new ProgressBar(process.stderr);
  return {
    step: (record, about) => bar.update({ ...record, ...about }),
    epoch: (line) => {
      bar.clear();
      if (!quietEpochs) console.log(line);
    },
    close: () => bar.clear(),
  };
}

const LINE_INTERVAL_MS = 30_000;

/** A line for each epoch, and within long epochs one every 30 s. */
function plainLines({ quietEpochs }: { quietEpochs: boolean }): Bars {
  let printedAt = performance.now();
  const print = (line: string) => {
    if (!quietEpochs) console.log(line);
    printedAt = performance.now();
  };
  const isDue = () => performance.now() - printedAt >= LINE_INTERVAL_MS;
  return {
    step: (record, { numEpochs, toGo }) => {
      const { epoch, step, numBatches } = record;
      if (!isDue() || step === numBatches) return;
      const left = toGo === '' ? '' : `  (about ${toGo})`;
      const place = `epoch ${epoch}/${numEpochs}  step ${step}/${numBatches}`;
      print(`${place}  ${metricsLine({ ...record, testAcc: null })}${left}`);
    },
    evaluate: ({ epoch, numEpochs }) => {
      if (isDue()) print(`epoch ${epoch}/${numEpochs}  all steps are done; evaluating`);
    },
    epoch: print,
    close: () => {},
  };
}
