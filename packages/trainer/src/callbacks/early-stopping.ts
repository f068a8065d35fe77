/** A callback that ends a run when it stops improving. */
import { checkOptions, rule } from '@deepend/core';
import { type Monitor, type MonitorMode, modeOf, monitored, monitorRules } from '@deepend/optim';
import * as tf from '@tensorflow/tfjs-core';
import type { Callback, RunInfo } from './callback';

const WHERE = '[trainer] earlyStopping';

const rules = rule.object({
  ...monitorRules,
  patience: rule.positiveInteger().optional(),
  minDelta: rule.nonNegativeNumber().optional(),
});

export interface EarlyStoppingOptions {
  /** The quantity of each epoch that is watched. @default 'testAcc' */
  monitor?: Monitor;
  /** Number of epochs in a row without improvement after which the run ends. @default 5 */
  patience?: number;
  /** A value must be better than the best one by more than this to count. @default 0 */
  minDelta?: number;
  /**
   * Whether smaller or larger values are better. @default 'min' for losses, 'max' for accuracies
   */
  mode?: MonitorMode;
}

/** What a checkpoint saves besides the weights. */
interface SavedState {
  readonly monitor: Monitor;
  readonly badEpochs: number;
  readonly best?: Pick<BestEpoch, 'value' | 'epoch'>;
}

/** The best epoch so far, with copies of the model's weights and statistics. */
interface BestEpoch {
  readonly value: number;
  readonly epoch: number;
  readonly weights: readonly tf.Tensor[];
  /** The averaged weights, if the run keeps an EMA. */
  readonly emaWeights: readonly tf.Tensor[] | undefined;
}

/**
 * Ends the run when the monitored quantity has not improved for `patience` epochs. However the run
 * ends, except by an error or to be resumed later, the model then has the weights and statistics of
 * its best epoch. Until then a second copy of the weights is kept. Prechelt 1998, "Early Stopping -
 * But When?". Checkpoints save the count, the best value and its weights: a run that resumes stops
 * where it would have stopped, and one that early stopping has ended trains no more.
 * @throws Error after the first epoch when the run does not measure the monitored quantity
 * @example
 * await train(net, trainIter, testIter, {
 *   numEpochs: 100,
 *   lr: 0.1,
 *   callbacks: [earlyStopping({ monitor: 'testLoss', patience: 10 })],
 * });
 */
export function earlyStopping(settings: EarlyStoppingOptions = {}): Callback {
  const checked = checkOptions(WHERE, rules, settings);
  const { monitor = 'testAcc', patience = 5, minDelta = 0 } = checked;
  const sign = (checked.mode ?? modeOf(monitor)) === 'max' ? 1 : -1;
  let run: RunInfo | undefined;
  let best: BestEpoch | undefined;
  let badEpochs = 0;
  const forget = () => {
    if (best) tf.dispose([...best.weights, ...(best.emaWeights ?? [])]);
    best = undefined;
  };
  const stopIfOver = () => {
    if (badEpochs < patience) return;
    const reached = best ? `, which was ${best.value} in epoch ${best.epoch}` : '';
    run?.control.stop(`${monitor} did not improve for ${patience} epochs${reached}`);
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
      const isBetter = Number.isFinite(value) && (!best || sign * (value - best.value) > minDelta);
      if (isBetter) {
        forget();
        best = { value, epoch: record.epoch, ...copyWeights(run) };
      }
      badEpochs = isBetter ? 0 : badEpochs + 1;
      stopIfOver();
    },
    // No more updates will follow, so it is enough to restore the weights that the model is used
    // with. A run that is resumed continues from its last weights, not from the best ones.
    onTrainEnd() {
      if (best && !run?.control.resumable)
        run?.model.setWeights([...(best.emaWeights ?? best.weights)]);
      forget();
    },
    onFailure: forget,
    name: 'earlyStopping',
    config: checked,
    state: () => ({
      data: {
        monitor,
        badEpochs,
        ...(best && { best: { value: best.value, epoch: best.epoch } }),
      },
      tensors: Object.fromEntries([
        ...(best?.weights ?? []).map((weight, i) => [`weight-${i}`, weight]),
        ...(best?.emaWeights ?? []).map((weight, i) => [`ema-${i}`, weight]),
      ]),
    }),
    restore({ data, tensors = {} }) {
      const saved = data as SavedState;
      if (saved.monitor !== monitor) {
        throw new Error(
          `${WHERE}: resume: the run watched "${saved.monitor}" before, "${monitor}" now; watch ` +
            'the same quantity, or begin another run',
        );
      }
      forget();
      badEpochs = saved.badEpochs;
      if (saved.best) {
        const weights = copiesNamed('weight', tensors);
        const emaWeights = copiesNamed('ema', tensors);
        best = {
          ...saved.best,
          weights,
          emaWeights: emaWeights.length > 0 ? emaWeights : undefined,
        };
      }
      stopIfOver();
    },
  };
}

const cloneWeights = ({ model }: RunInfo) => model.getWeights().map((weight) => weight.clone());

function copyWeights(run: RunInfo): Pick<BestEpoch, 'weights' | 'emaWeights'> {
  return withOwnWeights(run, () => {
    const weights = cloneWeights(run);
    return { weights, emaWeights: withEmaWeights(run, () => cloneWeights(run)) };
  });
}

/** Copies of the tensors `prefix-0`, `prefix-1`, .... */
function copiesNamed(prefix: string, tensors: Readonly<Record<string, tf.Tensor>>): tf.Tensor[] {
  const names = Object.keys(tensors).filter((name) => name.startsWith(`${prefix}-`));
  return names.map((_, i) => tf.clone(tensors[`${prefix}-${i}`] as tf.Tensor));
}

/** Runs `work` while the model has its averaged weights; not at all when the run keeps no EMA. */
function withEmaWeights<T>({ control: { ema } }: RunInfo, work: () => T): T | undefined {
  if (!ema) return undefined;
  ema.swap();
  try {
    return work();
  } finally {
    ema.swap();
  }
}

/** Runs `work` while the model has its own weights, and leaves it with those that it had. */
function withOwnWeights<T>({ control: { ema } }: RunInfo, work: () => T): T {
  if (!ema?.swapped) return work();
  ema.swap();
  try {
    return work();
  } finally {
    ema.swap();
  }
}
