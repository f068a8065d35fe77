/** Optimizers over any variables, without `train`: PyTorch's `torch.optim`. */
import { gradientsOf, isModule, type ModuleLike, type Parameter } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { createOptimizer, type Optimizer, type OptimizerState } from './optimizer';
import type { OptimizerName, OptimizerOptions } from './options';

/** What an optimizer updates: a module's parameters, a list of variables, or variables by name. */
export type Parameters =
  | ModuleLike
  | readonly tf.Variable[]
  | Readonly<Record<string, tf.Variable>>;

/** The options of the optimizer, and its learning rate, which may be changed at any time. */
export type VariableOptimizerOptions = Omit<OptimizerOptions, 'name'> & {
  /** Learning rate, at least 0. @example 0.01 */
  lr: number;
};

/** A gradient for each variable, in the order of the parameters; null where there is none. */
type Gradients = readonly (tf.Tensor | null | undefined)[];

/**
 * Updates variables by the gradients of a loss.
 * @example
 * const optimizer = optim.adam(net.parameters(), { lr: 0.01 });
 * for (const { x, y } of batches) {
 *   const loss = optimizer.step(() => tf.losses.meanSquaredError(y, net.forward(x)));
 *   loss.dispose();
 * }
 */
export class VariableOptimizer {
  /** The learning rate of the next step. */
  lr: number;
  readonly #where: string;
  readonly #source: Parameters;
  readonly #optimizer: Optimizer;
  readonly #unused = new Set<string>();
  readonly #parameters = new WeakMap<tf.Variable, Parameter>();

  /** @throws TypeError or RangeError when the parameters or an option are wrong */
  constructor(name: OptimizerName, parameters: Parameters, options: VariableOptimizerOptions) {
    const { lr, ...rest } = options ?? {};
    this.#where = `[optim] ${name}`;
    this.#source = parameters;
    this.lr = lr;
    this.#optimizer = createOptimizer({ ...rest, name });
    if (!(typeof lr === 'number' && lr >= 0 && Number.isFinite(lr))) {
      throw new RangeError(
        `${this.#where}: option "lr" must be a number of at least 0, got ${formatValue(lr)}`,
      );
    }
    this.#find();
  }

  /**
   * Computes a loss and its gradients on TensorFlow.js's tape, and updates the parameters.
   * @param loss computes a scalar from the parameters; what it makes on the way is disposed
   * @returns the loss before the update, which the caller disposes
   * @throws RangeError when the loss is no scalar, or depends on none of the parameters
   */
  step(loss: () => tf.Scalar): tf.Scalar;
  /** Updates the parameters by gradients, one for each in their order, which stay the caller's. */
  step(gradients: Gradients): void;
  step(what: (() => tf.Scalar) | Gradients): tf.Scalar | undefined {
    const parameters = this.#find();
    if (typeof what !== 'function') return this.#update(parameters, what);
    const run = () => this.#requireScalar(what());
    const variables = parameters.map(({ variable }) => variable);
    const { value, gradients } = gradientsOf(run, variables);
    try {
      this.#requireUse(parameters, gradients);
      this.#update(parameters, gradients);
      return value;
    } catch (error) {
      value.dispose();
      throw error;
    } finally {
      tf.dispose(gradients.filter((gradient) => gradient !== undefined));
    }
  }

  /** Number of updates and slots by name: `weight/mean`. The tensors stay the optimizer's. */
  state(): OptimizerState {
    return this.#optimizer.state();
  }

  /** Continues from a state of an optimizer of the same kind. The tensors stay the caller's. */
  restore(state: OptimizerState): void {
    this.#optimizer.restore(state);
  }

  /** Frees the slots. */
  dispose(): void {
    this.#optimizer.dispose();
  }

  #update(parameters: readonly Parameter[], gradients: Gradients): undefined {
    if (gradients.length !== parameters.length) {
      throw new RangeError(
        `${this.#where}.step: expected ${parameters.length} gradients, one for each trainable ` +
          `parameter, got ${gradients.length}`,
      );
    }
    const present = parameters.flatMap((parameter, i) => {
      const gradient = gradients[i];
      if (!gradient) return [];
      if (gradient.shape.join() === parameter.shape.join()) return [{ parameter, gradient }];
      throw new RangeError(
        `${this.#where}.step: expected a gradient of [${parameter.shape.join(', ')}] for ` +
          `${parameter.name}, got [${gradient.shape.join(', ')}]`,
      );
    });
    this.#optimizer.step(present, { lr: this.lr });
  }

  /** The trainable parameters as they are now. @throws TypeError or RangeError for a wrong one */
  #find(): Parameter[] {
    const named = entriesOf(this.#where, this.#source);
    const seen = new Map<tf.Variable, string>();
    for (const [name, variable] of named) {
      if (!(variable instanceof tf.Variable)) {
        throw new TypeError(
          `${this.#where}: expected parameter ${name} to be a tf.Variable, got ` +
            `${formatValue(variable)}; make it by tf.variable or nn.parameter`,
        );
      }
      const before = seen.get(variable);
      if (before !== undefined)
        throw new RangeError(`${this.#where}: parameters ${before} and ${name} are one variable`);
      if (variable.isDisposed)
        throw new RangeError(`${this.#where}: parameter ${name} is disposed`);
      seen.set(variable, name);
    }
    return named
      .filter(([, { trainable }]) => trainable)
      .map(([name, variable]) => this.#parameter(name, variable));
  }

  #parameter(name: string, variable: tf.Variable): Parameter {
    const known = this.#parameters.get(variable);
    if (known) return known;
    const parameter = { name, shape: variable.shape, trainable: true, variable };
    this.#parameters.set(variable, parameter);
    return parameter;
  }

  #requireScalar(value: tf.Scalar): tf.Scalar {
    if (value instanceof tf.Tensor && value.size === 1 && value.rank === 0) return value;
    const got =
      (value as unknown) instanceof tf.Tensor ? `[${value.shape.join(', ')}]` : formatValue(value);
    throw new RangeError(
      `${this.#where}.step: expected a loss that is a scalar, got ${got}; return tf.mean(loss)`,
    );
  }

  #requireUse(parameters: readonly Parameter[], gradients: Gradients): void {
    const unused = parameters.filter((_, i) => !gradients[i]).map(({ name }) => name);
    if (unused.length === parameters.length) {
      throw new RangeError(
        `${this.#where}.step: the loss depends on none of the parameters ${unused.join(', ')}; ` +
          'compute it from them within the function',
      );
    }
    const fresh = unused.filter((name) => !this.#unused.has(name));
    if (fresh.length === 0) return;
    for (const name of fresh) this.#unused.add(name);
    console.warn(
      `${this.#where}: the loss does not depend on ${fresh.join(', ')}, which will not change`,
    );
  }
}

function entriesOf(where: string, source: Parameters): [name: string, variable: tf.Variable][] {
  if (isModule(source)) return source.namedParameters();
  const isObject = typeof source === 'object' && source !== null;
  const entries = isObject && !(source instanceof tf.Tensor) ? Object.entries(source) : [];
  if (entries.length > 0) return entries as [string, tf.Variable][];
  throw new TypeError(
    `${where}: expected a module, a list of variables or variables by name, got ` +
      `${formatValue(source)}`,
  );
}

type Factory = (parameters: Parameters, options: VariableOptimizerOptions) => VariableOptimizer;
const factory =
  (name: OptimizerName): Factory =>
  (parameters, options) =>
    new VariableOptimizer(name, parameters, options);

/** Stochastic gradient descent, with momentum and Nesterov's: `torch.optim.SGD`. */
export const sgd = factory('sgd');
/** Kingma & Ba 2014, https://arxiv.org/abs/1412.6980: `torch.optim.Adam`. */
export const adam = factory('adam');
/** Adam with decoupled weight decay, https://arxiv.org/abs/1711.05101: `torch.optim.AdamW`. */
export const adamw = factory('adamw');
/** Tieleman & Hinton 2012, with momentum and centering: `torch.optim.RMSprop`. */
export const rmsprop = factory('rmsprop');
/** Duchi et al. 2011: `torch.optim.Adagrad`. */
export const adagrad = factory('adagrad');
/** Zeiler 2012, https://arxiv.org/abs/1212.5701: `torch.optim.Adadelta`. */
export const adadelta = factory('adadelta');
/** Chen et al. 2023, https://arxiv.org/abs/2302.06675. */
export const lion = factory('lion');
/** Zaheer et al. 2018, the book's section 12.10. */
export const yogi = factory('yogi');
/** Adam with the largest gradient for the mean square: `torch.optim.Adamax`. */
export const adamax = factory('adamax');
/** Adam with Nesterov's momentum (Dozat 2016): `torch.optim.NAdam`. */
export const nadam = factory('nadam');
