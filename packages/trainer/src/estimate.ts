/** How long a run takes, estimated from its first steps. */
import type { StepRecord } from '@deepend/core';
import type { AnyLoader } from './loader';

const MIN_SECONDS = 2;
/** A forward pass is about a third of a training step: the backward pass is two such passes. */
const FORWARD_SHARE = 1 / 3;

export interface Work {
  readonly numEpochs: number;
  readonly numBatches: number;
  readonly batchSize: number;
  /** 0 without evaluation. */
  readonly numTestSamples: number;
}

/** Steps of training that one epoch's evaluation takes as long as. */
export const evaluationSteps = ({ batchSize, numTestSamples }: Work): number =>
  (numTestSamples / batchSize) * FORWARD_SHARE;

export const workOf = (
  { numBatches, batchSize }: AnyLoader,
  test: AnyLoader | null,
  { numEpochs }: { numEpochs: number },
): Work => ({ numEpochs, numBatches, batchSize, numTestSamples: test?.numSamples ?? 0 });

/**
 * Measures the seconds per step. The first step is left out, since it allocates and compiles. A
 * step counts only once its loss was read: asynchronous backends are behind before that.
 */
export class Estimate {
  readonly #work: Work;
  #from: { at: number; globalStep: number } | undefined;
  #lastLoss = Number.NaN;
  #secondsPerStep: number | undefined;

  constructor(work: Work) {
    this.#work = work;
  }

  /** Leaves out the time between epochs. */
  beginEpoch(): void {
    this.#from = undefined;
  }

  /** @param waits whether the backend has finished a step when `train` reports it */
  step({ globalStep, loss }: StepRecord, { waits }: { waits: boolean }): void {
    const now = performance.now();
    const isRead = waits || loss !== this.#lastLoss;
    this.#lastLoss = loss;
    if (!isRead) return;
    if (!this.#from) {
      this.#from = { at: now, globalStep };
      return;
    }
    const seconds = (now - this.#from.at) / 1000;
    const steps = globalStep - this.#from.globalStep;
    if (seconds >= MIN_SECONDS && steps >= 1) this.#secondsPerStep = seconds / steps;
  }

  /** After an epoch, which measures runs whose epochs are short. */
  endEpoch({ seconds }: { seconds: number }): void {
    const steps = this.#work.numBatches + evaluationSteps(this.#work);
    this.#secondsPerStep ??= seconds / steps;
  }

  /** Seconds of the epochs that are left, or of all; undefined before there is a measurement. */
  secondsLeft({ epoch, step }: { epoch: number; step: number }): number | undefined {
    if (this.#secondsPerStep === undefined) return undefined;
    const { numEpochs, numBatches } = this.#work;
    const perEpoch = numBatches + evaluationSteps(this.#work);
    return this.#secondsPerStep * (perEpoch * (numEpochs - epoch + 1) - step);
  }
}

const HOUR = 3600;
const DAY = 24 * HOUR;

/** `40 s`, `7 min`, `1 h 50 min`, `3 days`: rounded, since it is an estimate. */
export function formatDuration(seconds: number): string {
  if (seconds < 10) return `${Math.max(1, Math.round(seconds))} s`;
  if (seconds < 90) return `${5 * Math.round(seconds / 5)} s`;
  const minutes = Math.round(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  if (seconds >= 2 * DAY) return `${Math.round(seconds / DAY)} days`;
  const rounded = 10 * Math.round(seconds / 600); // minutes
  const rest = rounded % 60;
  return `${Math.floor(rounded / 60)} h${rest === 0 ? '' : ` ${rest} min`}`;
}
