/** `compile`: a module whose steps replay kernels instead of running its code. */
import { CompiledForward, isModule, type ModelWeight, type Tensors } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import type * as tf from '@tensorflow/tfjs-core';
import { Module, type StateDict } from './module';

/**
 * A module that `compile` made: `train`, `evaluate`, `predict`, optimizers and `saveModel` take it
 * in place of the module, whose parameters, buffers and names it has.
 */
export class CompiledModule<M extends Module = Module> extends Module {
  /** The module as it was written. */
  readonly module: M;
  readonly #compiled: CompiledForward;

  /** @param exampleInputs as of `compile` */
  constructor(module: M, exampleInputs: Tensors) {
    super();
    this.module = module;
    this.#compiled = new CompiledForward(module, exampleInputs);
    this.training = module.training;
  }

  /** What plans of this module replay. */
  get compiled(): CompiledForward {
    return this.#compiled;
  }

  override get name(): string {
    return this.module.name;
  }

  /** Computes as the module does, in JavaScript: for gradients of a loss of your own. */
  // biome-ignore lint/suspicious/noExplicitAny: every module has other inputs and outputs
  override forward(...inputs: any[]): any {
    return this.module.forward(...inputs);
  }

  override config(): readonly unknown[] | undefined {
    return this.module.config();
  }

  override namedParameters(): [name: string, variable: tf.Variable][] {
    return this.module.namedParameters();
  }

  override namedBuffers(): [name: string, variable: tf.Variable][] {
    return this.module.namedBuffers();
  }

  override namedChildren(): [name: string, module: Module][] {
    return this.module.namedChildren();
  }

  override namedModules(): [name: string, module: Module][] {
    return this.module.namedModules();
  }

  override get weights(): ModelWeight[] {
    return this.module.weights;
  }

  override getWeights(): tf.Tensor[] {
    return this.module.getWeights();
  }

  override setWeights(values: tf.Tensor[]): void {
    this.module.setWeights(values);
  }

  override stateDict(): StateDict {
    return this.module.stateDict();
  }

  override loadStateDict(
    state: Readonly<StateDict>,
    options: { strict?: boolean } = {},
  ): { missing: string[]; unexpected: string[] } {
    return this.module.loadStateDict(state, options);
  }

  override train(training = true): this {
    this.training = training;
    this.module.train(training);
    return this;
  }

  override apply(change: (module: Module) => void): this {
    this.module.apply(change);
    return this;
  }

  /** Frees what recordings keep, and the module. */
  override dispose(): void {
    this.#compiled.recordings.dispose();
    this.module.dispose();
  }
}

/**
 * Compiles a module: the first two steps with inputs of a shape run its code and record the kernels
 * that it launches, of forward pass, loss and gradient; all later ones replay them, without the
 * code, TensorFlow.js's tape or tensors that nobody reads. The results have the same bits.
 *
 * A replay sees inputs, labels, parameters, buffers, seeds and variables, and nothing else: a
 * number in JavaScript on which `forward` or the loss depends has the value that it had when
 * recorded.
 * What is found to be different from step to step is refused. For PyTorch's users: `torch.compile`
 * with a graph for each shape, and no graph breaks.
 * @param exampleInputs what `forward` takes: one tensor, a list of arguments or a record. Later
 *   inputs may have other sizes, but the same ranks. They stay yours
 * @throws Error that says by name what cannot be compiled: an operation without a gradient, code
 *   that reads the values of tensors, draws random numbers without a seed of the step, makes
 *   variables, or changes variables that are no buffers
 * @example
 * const net = nn.compile(new Perceptron(), tf.zeros([256, 784]));
 * await train(net, trainIter, testIter, { numEpochs: 10, lr: 0.1 });
 */
export function compile<M extends Module>(module: M, exampleInputs: Tensors): CompiledModule<M> {
  if (!isModule(module)) {
    throw new TypeError(
      `[nn] compile: expected an nn.Module, got ${formatValue(module)}; a tf.LayersModel is ` +
        'compiled by train itself',
    );
  }
  if (module instanceof CompiledModule) {
    throw new TypeError(
      `[nn] compile: '${module.name}' is compiled already; compile its \`module\` for another ` +
        'example',
    );
  }
  return new CompiledModule(module, exampleInputs);
}
