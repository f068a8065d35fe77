/** `Module`: a differentiable function with parameters, as `torch.nn.Module`. */
import { MODULE, type ModelWeight, type ModuleLike } from '@deepend/compiler';
import { closest, formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Found, unique, walk } from './module-walk';
import { fromState, isTensor, stateShape, toState } from './weight-traits';

/** What the next constructor of a module fills in, instead of a new object. */
let target: Module | undefined;

/** Modules whose parameters are made by their first `forward`. */
const unsized = new WeakSet<object>();
export const markUnsized = (module: Module): void => void unsized.add(module);

/**
 * Makes `module` one of `Class`: the constructor runs on it, so that the net that holds it has the
 * parameters, and its prototype changes. PyTorch's lazy modules change their class likewise.
 */
export function construct<Args extends unknown[]>(
  Class: new (...args: Args) => Module,
  args: Args,
  module: Module,
): void {
  const { training } = module;
  target = module;
  try {
    new Class(...args);
  } finally {
    target = undefined;
  }
  Object.setPrototypeOf(module, Class.prototype);
  module.training = training;
  unsized.delete(module);
}

/** Tensors by PyTorch's names, in PyTorch's layouts. */
export type StateDict = Record<string, tf.Tensor>;

/**
 * A differentiable function with parameters. Parameters are properties that `nn.parameter` made,
 * buffers those that `nn.buffer` made, and children properties that are modules; all three also in
 * arrays, maps and plain objects, where they are named `layers.0.weight`. A walk does not see
 * `#private` fields, so keep there what is no part of the module.
 *
 * `forward` may do anything. What it computes by TensorFlow.js is differentiated by the tape, so
 * `train` and `optim` need no more than `forward`.
 * @example
 * class Perceptron extends nn.Module {
 *   readonly hidden = new nn.Linear(784, 256);
 *   readonly output = new nn.Linear(256, 10);
 *
 *   forward(x: tf.Tensor): tf.Tensor { // [batch, 784] → logits [batch, 10]
 *     return this.output.forward(tf.relu(this.hidden.forward(x)));
 *   }
 * }
 */
export abstract class Module implements ModuleLike {
  declare readonly [MODULE]: true;
  /** Whether dropout drops and batch normalization uses the batch's statistics. */
  training = true;
  #name: string | undefined;
  #found: Found | undefined;

  constructor() {
    if (!target) return;
    const filled = target;
    target = undefined;
    // biome-ignore lint/correctness/noConstructorReturn: fields of the class go to this object
    return filled;
  }

  /** The class's name, unless set. */
  get name(): string {
    return this.#name ?? this.constructor.name;
  }

  set name(name: string) {
    this.#name = name;
  }

  /**
   * Computes the outputs: tensors, a list or a record of them. In a training step the tape records
   * what it does.
   */
  // biome-ignore lint/suspicious/noExplicitAny: every module has other inputs and outputs
  abstract forward(...inputs: any[]): any;

  /**
   * The constructor's arguments, where they are JSON values: `new Class(...module.config())` makes
   * a module of the same kind, which then loads the state dict. A module that declares none is
   * saved as its state only.
   */
  config(): readonly unknown[] | undefined {
    return undefined;
  }

  #walk(): Found {
    this.#found = walk(this, this.#found);
    return this.#found;
  }

  /** @throws Error when a module inside does not know its number of inputs yet */
  #sized(): Found {
    const found = this.#walk();
    const missing = found.modules.find(([, module]) => unsized.has(module));
    if (!missing) return found;
    const [name, module] = missing;
    throw new Error(
      `[nn] ${this.name}: ${name ? `"${name}", a ${module.name},` : 'it'} has no ` +
        'parameters before its first inputs; call forward once with an example, such as the ' +
        'features of one batch',
    );
  }

  /** Each parameter once, under its first name: `layers.0.weight`. Trainable or frozen. */
  namedParameters(): [name: string, variable: tf.Variable][] {
    return unique(this.#sized().parameters);
  }

  /** Each parameter once. */
  parameters(): tf.Variable[] {
    return this.namedParameters().map(([, variable]) => variable);
  }

  /** Each buffer once, under its first name: `norm.running_mean`. */
  namedBuffers(): [name: string, variable: tf.Variable][] {
    return unique(this.#sized().buffers);
  }

  /** Each buffer once. */
  buffers(): tf.Variable[] {
    return this.namedBuffers().map(([, variable]) => variable);
  }

  /** The modules directly inside, each once. */
  namedChildren(): [name: string, module: Module][] {
    return unique(this.#walk().children) as [string, Module][];
  }

  /** The modules directly inside, each once. */
  children(): Module[] {
    return this.namedChildren().map(([, module]) => module);
  }

  /** This module, named '', and all modules inside, each once. */
  namedModules(): [name: string, module: Module][] {
    return unique(this.#walk().modules) as [string, Module][];
  }

  /** This module and all modules inside, each once. */
  modules(): Module[] {
    return this.namedModules().map(([, module]) => module);
  }

  /** Parameters and buffers, each once, in the order of the state dict. */
  get weights(): ModelWeight[] {
    return unique(this.#sized().weights).map(([name, variable]) => ({
      name,
      originalName: name,
      shape: variable.shape,
      read: () => variable,
      write: (value: tf.Tensor) => variable.assign(value),
    }));
  }

  /** The variables of `weights`. They are the module's own: do not dispose them. */
  getWeights(): tf.Tensor[] {
    return unique(this.#sized().weights).map(([, variable]) => variable);
  }

  /**
   * Copies values into `weights`.
   * @throws RangeError when their number or a shape differs; nothing is copied then
   */
  setWeights(values: tf.Tensor[]): void {
    const weights = unique(this.#sized().weights);
    if (values.length !== weights.length) {
      throw new RangeError(
        `[nn] ${this.name}.setWeights: expected ${weights.length} tensors, one for each of ` +
          `\`weights\`, got ${values.length}`,
      );
    }
    for (const [i, [name, { shape }]] of weights.entries())
      checkValue(`[nn] ${this.name}.setWeights`, name, { shape, value: values[i] });
    weights.forEach(([, variable], i) => {
      tf.tidy(() => variable.assign(tf.cast(values[i] as tf.Tensor, variable.dtype)));
    });
  }

  /**
   * Parameters and buffers by PyTorch's names and in PyTorch's layouts, each under all of its
   * names. The tensors are copies; the caller disposes them (`tf.dispose(state)`).
   */
  stateDict(): StateDict {
    return Object.fromEntries(
      this.#sized().weights.map(([name, variable]) => [name, toState(variable)]),
    );
  }

  /**
   * Copies values by PyTorch's names and in PyTorch's layouts. Nothing changes when it throws.
   * @param state tensors by name. They stay the caller's
   * @param options `strict`: whether a name that only the module or only `state` has is an error.
   *   @default true
   * @returns the names that the state lacks, and those that the module has not
   * @throws RangeError for such names, or a tensor of another shape
   */
  loadStateDict(
    state: Readonly<StateDict>,
    { strict = true }: { strict?: boolean } = {},
  ): { missing: string[]; unexpected: string[] } {
    const where = `[nn] ${this.name}.loadStateDict`;
    const { weights } = this.#sized();
    const names = new Set(weights.map(([name]) => name));
    const missing = [...names].filter((name) => !Object.hasOwn(state, name));
    const unexpected = Object.keys(state).filter((name) => !names.has(name));
    if (strict && missing.length + unexpected.length > 0)
      throw unfitting(where, { missing, unexpected });
    const present = weights.filter(([name]) => Object.hasOwn(state, name));
    for (const [name, variable] of present)
      checkValue(where, name, { shape: stateShape(variable), value: state[name] });
    for (const [name, variable] of present) fromState(variable, state[name] as tf.Tensor);
    return { missing, unexpected };
  }

  /** Sets `training` here and in all modules inside. */
  train(training = true): this {
    for (const module of this.modules()) module.training = training;
    return this;
  }

  /** Sets `training` to false here and in all modules inside: no dropout, running statistics. */
  eval(): this {
    return this.train(false);
  }

  /** Freezes all parameters, or makes them trainable again. */
  requiresGrad(trainable = true): this {
    for (const variable of this.parameters()) variable.trainable = trainable;
    return this;
  }

  /** Calls `change` with each module inside, children before parents, this one last. */
  apply(change: (module: Module) => void): this {
    for (const child of this.children()) child.apply(change);
    change(this);
    return this;
  }

  /** Frees all parameters and buffers. The module cannot be used afterwards. */
  dispose(): void {
    for (const [, variable] of this.#walk().weights) if (!variable.isDisposed) variable.dispose();
  }
}

// On the prototype: a walk looks at each module's own properties.
Object.defineProperty(Module.prototype, MODULE, { value: true });

function checkValue(
  where: string,
  name: string,
  { shape, value }: { shape: readonly number[]; value: unknown },
): void {
  if (!isTensor(value)) {
    throw new TypeError(`${where}: expected a tensor for "${name}", got ${formatValue(value)}`);
  }
  if (tf.util.arraysEqual([...shape], value.shape)) return;
  throw new RangeError(
    `${where}: "${name}" has the shape [${shape.join(', ')}], got a tensor of shape ` +
      `[${value.shape.join(', ')}]; load a state of the same architecture`,
  );
}

const SHOWN = 5;

const listed = (names: readonly string[]) =>
  names.slice(0, SHOWN).join(', ') +
  (names.length > SHOWN ? ` and ${names.length - SHOWN} more` : '');

function unfitting(
  where: string,
  { missing, unexpected }: { missing: string[]; unexpected: string[] },
): RangeError {
  const parts = [
    missing.length > 0 && `the state lacks ${listed(missing)}`,
    unexpected.length > 0 && `the module has no ${listed(unexpected)}`,
  ].filter(Boolean);
  const [lacking = ''] = missing;
  const near = closest(lacking, unexpected);
  return new RangeError(
    `${where}: ${parts.join(', and ')}${near ? ` (is "${near}" meant for "${lacking}"?)` : ''}; ` +
      'rename them, or give { strict: false } to copy what fits',
  );
}
