import type { Parameter } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { update } from './optimizers/update';
import { ParameterNames } from './parameter-names';

export interface ModelEmaOptions {
  /** Fraction of the average that each update keeps, from 0 to below 1. @default 0.999 */
  decay?: number;
}

export interface ModelEmaState {
  /** Number of updates so far. */
  readonly updates: number;
  /** The averages by the parameters' names: `conv1/kernel`. */
  readonly weights: Record<string, tf.Tensor>;
}

const averageOptions = rule.object({
  decay: rule
    .custom<number>(
      (value) => typeof value === 'number' && value >= 0 && value < 1,
      'a number from 0 to below 1',
    )
    .optional(),
});

const WHERE = '[optim] ModelEma';

/** Counters, such as a module's number of batches, are integers and have no average. */
const averaged = (plan: Weights): Parameter[] =>
  [...plan.parameters, ...plan.statistics].filter(({ variable }) => variable.dtype === 'float32');

interface Weights {
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Parameter[];
}

/** A weight and its average. */
interface Pair {
  readonly weight: tf.Variable;
  readonly average: tf.Variable;
}

/**
 * An exponential moving average of a model's weights, and of the moving statistics of its batch
 * normalization (Polyak & Juditsky 1992; PyTorch's `swa_utils.AveragedModel` with
 * `get_ema_multi_avg_fn` and `use_buffers`). The first update copies the weights.
 * @example
 * const ema = new ModelEma(plan, { decay: 0.999 });
 * ema.update(); // after each step
 * ema.swap(); // the model has the averages now, to be evaluated or saved
 * ema.swap(); // and its own weights again
 */
export class ModelEma {
  readonly decay: number;
  readonly #pairs: ReadonlyMap<string, Pair>;
  #updates = 0;
  #isSwapped = false;

  /**
   * @param plan whose weights are averaged
   * @param plan.parameters those that the optimizer updates
   * @param plan.statistics moving means and variances, which are averaged too
   * @throws TypeError or RangeError when an option is wrong
   * @example
   * const ema = new ModelEma(compile(net), { decay: 0.999 });
   */
  constructor(plan: Weights, options: ModelEmaOptions = {}) {
    this.decay = checkOptions(WHERE, averageOptions, options).decay ?? 0.999;
    const names = new ParameterNames();
    this.#pairs = new Map(
      averaged(plan).map((parameter) => {
        const weight = parameter.variable;
        return [
          names.of(parameter),
          { weight, average: tf.tidy(() => tf.variable(weight, false)) },
        ];
      }),
    );
  }

  /** Whether the model has the averages, and its own weights are kept here. */
  get swapped(): boolean {
    return this.#isSwapped;
  }

  /** average ← decay·average + (1 − decay)·weight, after a step. */
  update(): void {
    if (this.#isSwapped)
      throw new Error(
        `${WHERE}.update: the model has the averages for its weights; swap them back first`,
      );
    const decay = this.#updates++ === 0 ? 0 : this.decay;
    const pairs = [...this.#pairs.values()];
    update(
      'sgd',
      pairs.map(({ weight, average }) => ({
        weight: average,
        gradient: weight,
        shrink: decay,
        lr: decay - 1,
      })),
    );
  }

  /** Exchanges the model's weights and the averages. A second call exchanges them back. */
  swap(): void {
    tf.tidy(() => {
      for (const { weight, average } of this.#pairs.values()) {
        const kept = tf.clone(weight);
        weight.assign(average);
        average.assign(kept);
      }
    });
    this.#isSwapped = !this.#isSwapped;
  }

  /**
   * The averages, also while the model has them. The tensors stay this object's: the next update
   * writes to them.
   */
  state(): ModelEmaState {
    const now = [...this.#pairs].map(
      ([name, { weight, average }]) => [name, this.#isSwapped ? weight : average] as const,
    );
    return { updates: this.#updates, weights: Object.fromEntries(now) };
  }

  /**
   * Continues from a state. The tensors stay the caller's.
   * @throws Error while swapped; RangeError when the state is of another model, and nothing changes
   */
  restore({ updates, weights }: ModelEmaState): void {
    if (this.#isSwapped)
      throw new Error(
        `${WHERE}.restore: the model has the averages for its weights; swap them back first`,
      );
    if (!Number.isInteger(updates) || updates < 0) {
      throw new RangeError(
        `${WHERE}.restore: expected a state whose updates are an integer of at least 0, got ` +
          `${formatValue(updates)}`,
      );
    }
    const unknown = Object.keys(weights).find((name) => !this.#pairs.has(name));
    if (unknown)
      throw new RangeError(
        `${WHERE}.restore: the model has no ${unknown}; restore a state of this model`,
      );
    for (const [name, { average }] of this.#pairs) {
      if (weights[name]?.shape.join() === average.shape.join()) continue;
      const got = weights[name] ? `[${weights[name].shape.join(', ')}]` : 'nothing';
      throw new RangeError(
        `${WHERE}.restore: expected ${name} of [${average.shape.join(', ')}], got ${got}; ` +
          'restore a state of this model',
      );
    }
    for (const [name, { average }] of this.#pairs) average.assign(weights[name] as tf.Tensor);
    this.#updates = updates;
  }

  /** Frees the averages. If swapped, it first restores the model's own weights. */
  dispose(): void {
    if (this.#isSwapped) this.swap();
    tf.dispose([...this.#pairs.values()].map(({ average }) => average));
  }
}
