/** Ends a run that gets no better. */
import { checkOptions, rule } from '@deepend/core';
import { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { Callback, RunInfo } from '../types';

const WHERE = '[trainer] earlyStopping';

const rules = rule.object({
  ...monitorRules,
  patience: rule.positiveInteger().optional(),
  minDelta: rule.nonNegativeNumber().optional(),
});

export interface EarlyStoppingOptions {
  /** @default 'testAcc' */
  monitor?: Monitor;
  /** Epochs in a row without a better one after which the run ends. @default 5 */
  patience?: number;
  /** By how much more than this a value must be better to count. @default 0 */
  minDelta?: number;
  /** Which way is better. @default as the monitor goes: losses fall, accuracies rise */
  mode?: MonitorMode;
}

/**
 * The best epoch so far; its weights, statistics of batch normalization included, and their moving
 * averages where the run keeps them.
 */
interface Best {
  readonly value: number;
  readonly epoch: number;
  readonly weights: readonly tf.Tensor[];
  readonly averages: readonly tf.Tensor[] | undefined;
}

/**
 * Ends the run when the monitor has got no better for `patience` epochs. Whichever way a run ends,
 * but by an error, the net has the weights
 * and statistics of its best epoch afterwards; until then they are held beside its own. Prechelt
 * 1998, "Early Stopping - But When?".
 * A run that is resumed begins to count anew.
 * @throws Error after the first epoch when the run does not measure what is watched
 */
export function earlyStopping(settings: EarlyStoppingOptions = {}): Callback {
  const {
    monitor = 'testAcc',
    patience = 5,
    minDelta = 0,
    mode = modeOf(monitor),
  } = checkOptions(WHERE, rules, settings);
  const sign = mode === 'max' ? 1 : -1;
  let run: RunInfo | undefined;
  let best: Best | undefined;
  let badEpochs = 0;
  const forget = () => {
    if (best) tf.dispose([...best.weights, ...(best.averages ?? [])]);
    best = undefined;
  };
  const restore = () => {
    if (best && run) giveBack(run, best);
    forget();
  };
  /**
   * Of a run that something else ended: there is no more to be done with it than to use the net.
   */
  const restoreNet = () => {
    if (best) run?.model.setWeights([...(best.averages ?? best.weights)]);
    forget();
  };
  return {
    onTrainBegin(info) {
      forget();
      run = info;
      badEpochs = 0;
    },
    onEpochEnd(record) {
      if (!run) return;
      const value = monitored(WHERE, record, monitor);
      const isBetter = !Number.isNaN(value) && (!best || sign * (value - best.value) > minDelta);
      if (isBetter) {
        forget();
        best = { value, epoch: record.epoch, ...keep(run) };
      }
      badEpochs = isBetter ? 0 : badEpochs + 1;
      const isOver = badEpochs >= patience;
      if (isOver) {
        const reached = best ? `, which was ${best.value} in epoch ${best.epoch}` : '';
        run.control.stop(`${monitor} got no better for ${patience} epochs${reached}`);
      }
      // Now rather than at the run's end, so that whoever saves the net then has the best one, in
      // whatever order callbacks stand.
      if (isOver || record.epoch === run.numEpochs) restore();
    },
    onTrainEnd: restoreNet,
    onFailure: forget,
  };
}

const weightsOf = ({ model: net }: RunInfo) => net.getWeights().map((weight) => weight.clone());

function keep(run: RunInfo): Pick<Best, 'weights' | 'averages'> {
  return withOwnWeights(run, () => {
    const weights = weightsOf(run);
    return { weights, averages: inAverages(run, () => weightsOf(run)) };
  });
}

function giveBack(run: RunInfo, { weights, averages }: Best): void {
  withOwnWeights(run, () => {
    inAverages(run, () => run.model.setWeights([...(averages ?? [])]));
    run.model.setWeights([...weights]);
  });
}

/**
 * Does `work` while the net has the averages for its weights; not at all where the run keeps none.
 */
function inAverages<T>({ control: { ema: average } }: RunInfo, work: () => T): T | undefined {
  if (!average) return undefined;
  average.swap();
  try {
    return work();
  } finally {
    average.swap();
  }
}

/** Does `work` while the net has its own weights, and leaves it with what it had. */
function withOwnWeights<T>({ control: { ema: average } }: RunInfo, work: () => T): T {
  if (!average?.swapped) return work();
  average.swap();
  try {
    return work();
  } finally {
    average.swap();
  }
}
