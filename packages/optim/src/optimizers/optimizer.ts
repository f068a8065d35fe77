import type { Parameter, ParameterGradient } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { ParameterNames } from '../parameter-names';
import { checkGroups, type Settings, settingsOf } from './groups';
import {
  type CheckedOptions,
  checkOptimizerOptions,
  type OptimizerOptions,
  ruleOf,
} from './options';
import { ruleNamed } from './rules';
import { type RuleEntry, update } from './update';

/** The state of an optimizer. */
export interface OptimizerState {
  /** Number of updates so far. */
  readonly updates: number;
  /** Tensors by `parameter/slot`: `conv1/kernel/momentum`. */
  readonly slots: Record<string, tf.Tensor>;
}

/**
 * Updates weights by their gradients. It has slots for the parameters that it has seen.
 */
export interface Optimizer {
  /** The options with their defaults. */
  readonly options: Readonly<OptimizerOptions>;
  /**
   * One update of every parameter that has a gradient, in place. The gradients stay the caller's.
   * @param options.lr learning rate, at least 0; a group's parameters have it times `lrScale`
   * @throws RangeError when the learning rate is not a number of at least 0, or a group has no
   *   parameter
   */
  step(gradients: readonly ParameterGradient[], options: { lr: number }): void;
  /** The current state. The tensors stay the optimizer's: the next step writes to them. */
  state(): OptimizerState;
  /**
   * Continues from the state of an optimizer with the same rule. The tensors stay the caller's.
   * @throws RangeError when the state is of another rule, and nothing changes; the next step throws
   *   when it is of another model
   */
  restore(state: OptimizerState): void;
  /** Frees the slots. */
  dispose(): void;
}

const WHERE = '[optim] optimizer';
/**
 * A scalar slot of parameters that had no gradient in some updates: the number of those. Adam's
 * corrections depend on the updates that a parameter took part in.
 */
const MISSED = 'missed';
const COUNTING: readonly string[] = ['adam', 'yogi', 'adamax', 'nadam'];

/** A parameter that has been seen. */
interface Seen extends Settings {
  readonly name: string;
  readonly slots: readonly tf.Variable[];
  missed: number;
}

const keptCopy = (tensor: tf.Tensor): tf.Variable => tf.tidy(() => tf.variable(tensor, false));

class RuleOptimizer implements Optimizer {
  readonly options: CheckedOptions;
  readonly #rule: ReturnType<typeof ruleOf>;
  readonly #slots = new Map<string, tf.Variable>();
  #names = new ParameterNames();
  #seen = new Map<number, Seen>(); // by variable
  #updates = 0;
  /** nadam: the products of its momenta up to each update. */
  readonly #products = [1];

  constructor(options: OptimizerOptions) {
    this.options = checkOptimizerOptions('[optim] createOptimizer', options);
    this.#rule = ruleOf(this.options);
  }

  step(gradients: readonly ParameterGradient[], { lr }: { lr: number }): void {
    if (!(lr >= 0 && Number.isFinite(lr))) {
      throw new RangeError(
        `${WHERE}.step: option "lr" must be a number of at least 0, got ${formatValue(lr)}`,
      );
    }
    if (this.#seen.size === 0 && gradients.length > 0) this.#checkFirst(gradients);
    const seen = gradients.map(({ parameter }) => this.#see(parameter));
    const entries = gradients.map((gradient, i) => this.#entry(gradient, seen[i] as Seen, lr));
    update(this.#rule.rule, entries, this.#rule.coefficients);
    this.#updates++;
    if (gradients.length < this.#seen.size) this.#countMissed(new Set(seen));
  }

  #checkFirst(gradients: readonly ParameterGradient[]): void {
    checkGroups(WHERE, this.options, gradients);
    const [restored] = this.#slots.keys();
    const names = gradients.map(({ parameter }) => this.#names.of(parameter));
    const slots = ruleNamed(this.#rule.rule).slots;
    if (!restored || names.some((name) => slots.some((slot) => this.#slots.has(`${name}/${slot}`))))
      return;
    throw new RangeError(
      `${WHERE}.step: the restored state is of another model: ` +
        `it has ${restored}, ... and none for ${names[0]}, ...; restore a state of this model`,
    );
  }

  #entry(
    { parameter, gradient }: ParameterGradient,
    { slots, lrScale, weightDecay, missed }: Seen,
    lr: number,
  ): RuleEntry {
    const rate = lr * lrScale;
    const { decoupled } = this.options;
    const decay = decoupled ? { shrink: 1 - rate * weightDecay } : { decay: weightDecay };
    const common = { weight: parameter.variable, gradient, slots, ...decay };
    if (!this.#counts) return { ...common, lr: rate };
    const { beta1 = 0, beta2 = 0 } = this.#rule.coefficients;
    const t = this.#updates + 1 - missed;
    const corrected = { ...common, correction: Math.sqrt(1 - beta2 ** t) };
    if (this.#rule.rule === 'nadam') return { ...corrected, lr: rate, factors: this.#factors(t) };
    return { ...corrected, lr: rate / (1 - beta1 ** t) };
  }

  /** Whether the rule counts a parameter's updates. */
  get #counts(): boolean {
    return COUNTING.includes(this.#rule.rule);
  }

  /**
   * nadam's factors of gradient and mean at update `t`, from 1: (1 − μₜ)/(1 − Πμ) and
   * μₜ₊₁/(1 − Πμ·μₜ₊₁).
   */
  #factors(t: number): [gradient: number, mean: number] {
    const { beta1 = 0.9, momentumDecay = 0.004 } = this.options;
    const at = (step: number) => beta1 * (1 - 0.5 * 0.96 ** (step * momentumDecay));
    for (let step = this.#products.length; step <= t; step++)
      this.#products.push((this.#products.at(-1) as number) * at(step));
    const product = this.#products[t] as number;
    return [(1 - at(t)) / (1 - product), at(t + 1) / (1 - product * at(t + 1))];
  }

  #see(parameter: Parameter): Seen {
    const known = this.#seen.get(parameter.variable.id);
    if (known) return known;
    const name = this.#names.of(parameter);
    const names = ruleNamed(this.#rule.rule).slots;
    const isNew = names.every((slot) => !this.#slots.has(`${name}/${slot}`));
    const slots = names.map((slot) => this.#slot(`${name}/${slot}`, parameter.shape));
    const missed = this.#slots.get(`${name}/${MISSED}`)?.dataSync()[0] ?? 0;
    const seen: Seen = { name, slots, missed, ...settingsOf(this.options, parameter) };
    this.#seen.set(parameter.variable.id, seen);
    if (isNew && this.#updates > 0) this.#miss(seen, this.#updates);
    return seen;
  }

  /** A restored slot, or zeros. */
  #slot(name: string, shape: readonly number[]): tf.Variable {
    const restored = this.#slots.get(name);
    if (restored && restored.shape.join() !== shape.join()) {
      throw new RangeError(
        `${WHERE}.step: expected a slot ${name} of [${shape.join(', ')}], got ` +
          `[${restored.shape.join(', ')}]; restore a state of this model`,
      );
    }
    const slot = restored ?? tf.tidy(() => tf.variable(tf.zeros([...shape]), false));
    this.#slots.set(name, slot);
    return slot;
  }

  #countMissed(now: ReadonlySet<Seen>): void {
    for (const seen of this.#seen.values()) if (!now.has(seen)) this.#miss(seen, seen.missed + 1);
  }

  #miss(seen: Seen, missed: number): void {
    if (!this.#counts) return;
    seen.missed = missed;
    const name = `${seen.name}/${MISSED}`;
    this.#slots.get(name)?.dispose();
    this.#slots.set(
      name,
      tf.tidy(() => tf.variable(tf.scalar(missed), false)),
    );
  }

  state(): OptimizerState {
    return { updates: this.#updates, slots: Object.fromEntries(this.#slots) };
  }

  restore({ updates, slots }: OptimizerState): void {
    if (!Number.isInteger(updates) || updates < 0) {
      throw new RangeError(
        `${WHERE}.restore: expected a state whose updates are an integer of at least 0, got ` +
          `${formatValue(updates)}`,
      );
    }
    const known: string[] = [...ruleNamed(this.#rule.rule).slots, MISSED];
    const other = Object.keys(slots).find(
      (name) => !known.includes(name.slice(name.lastIndexOf('/') + 1)),
    );
    if (other) {
      throw new RangeError(
        `${WHERE}.restore: expected slots ${known.join(', ')} of '${this.options.name}', got ` +
          `${other}; restore the state of an optimizer with the same options`,
      );
    }
    // Copy before disposing the old slots: they may be the state that is restored.
    const copies = Object.entries(slots).map(([name, tensor]) => [name, keptCopy(tensor)] as const);
    this.dispose();
    for (const [name, slot] of copies) this.#slots.set(name, slot);
    this.#updates = updates;
  }

  dispose(): void {
    tf.dispose([...this.#slots.values()]);
    this.#slots.clear();
    this.#seen = new Map();
    this.#names = new ParameterNames();
    this.#updates = 0;
  }
}

/**
 * Makes an optimizer: plain SGD, momentum, Nesterov, Adam, AdamW, Adamax, NAdam, Yogi, RMSprop,
 * Adagrad, Adadelta or Lion, with PyTorch's formulas and defaults; Yogi and Lion are their papers'.
 * Adadelta, Yogi, Adamax and NAdam are computed in core ops on every backend, the others in a fused
 * kernel where the backend has one.
 * @throws TypeError or RangeError when an option is wrong, or the optimizer does not have it
 * @example
 * const optimizer = createOptimizer({ name: 'sgd', momentum: 0.9, weightDecay: 5e-4 });
 * optimizer.step(gradients, { lr: 0.1 });
 */
export function createOptimizer(options: OptimizerOptions): Optimizer {
  return new RuleOptimizer(options);
}
