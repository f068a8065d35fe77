/** What a run reports: plain records that trainer, plots and exporters share. */

/** What an epoch came to. */
export interface EpochRecord {
  /** From 1. */
  readonly epoch: number;
  /** Mean training loss over the epoch's samples, each measured before its step. */
  readonly loss: number;
  /** Share of right answers in training, 0 to 1; NaN where the loss knows no right answer. */
  readonly trainAcc: number;
  /** Share of right answers on the test set after the epoch; null without one. */
  readonly testAcc: number | null;
  /** Mean loss on the test set after the epoch; null without one. */
  readonly testLoss: number | null;
  /** Of the epoch's last step. */
  readonly lr: number;
  /** What the metrics that were asked for came to on the test set, by their names. */
  readonly metrics?: Readonly<Record<string, unknown>>;
  /** Seconds that the epoch took in all, evaluation included. */
  readonly seconds: number;
  /** Training throughput, counting only the time of the steps. */
  readonly samplesPerSecond: number;
  /** Training throughput, with waiting for the loader. */
  readonly samplesPerSecondWithLoading: number;
}

/** A part of an epoch, as callbacks see it. */
export interface StepRecord {
  readonly epoch: number;
  /** In this epoch, from 1. */
  readonly step: number;
  /** In the whole run, from 1. */
  readonly globalStep: number;
  readonly numBatches: number;
  readonly lr: number;
  /**
   * Training so far in this epoch; read from the device some five times an epoch, the same in
   * between.
   */
  readonly loss: number;
  readonly trainAcc: number;
}
