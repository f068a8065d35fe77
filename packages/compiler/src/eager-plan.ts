/** Computes an `nn.Module` as it is written, with gradients from TensorFlow.js's tape. */
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { CarriedState, type FlatState, type ModuleState } from './carried-state';
import { areFinite, type NonFinite, NonFiniteDetector } from './execution';
import { withPatches } from './layer-walk';
import { lossOnTape } from './loss-on-tape';
import { argumentsOf, inMode, type ModuleLike } from './module-contract';
import { checkPlacement } from './placement';
import type { AnyLoss, AnyStepOptions, Parameter, ParameterGradient } from './program';
import { withSeed } from './random-seeds';
import { StepMemory } from './step-memory';
import { disposeStep, keepingValues, measureOnTape, stepOnTape } from './tape';
import { areTensors, describeTensors, listTensors, mapTensors, type Tensors } from './tensors';
import type { Measured } from './training-plan';

type Correct = tf.Scalar | null;

/** One pass after the other over a module, with its parameters as they are at that moment. */
export class EagerPlan {
  readonly inputShape = undefined;
  readonly numClasses = undefined;
  readonly finalActivation = undefined;
  readonly #module: ModuleLike;
  readonly #known = new WeakMap<tf.Variable, Parameter>();
  /** Names of parameters that a warning has named, since the loss does not depend on them. */
  readonly #unused = new Set<string>();
  readonly #memory = new StepMemory();
  /** Undefined for modules whose `forward` takes no state. */
  readonly #carried: CarriedState | undefined;

  /**
   * @param options.carryState whether `forward(features, state)` returns `[outputs, state]`, and
   *   each batch gets the state of the one before, through which no gradient flows @default false
   */
  constructor(module: ModuleLike, { carryState = false }: { carryState?: boolean } = {}) {
    this.#module = module;
    if (carryState) this.#carried = new CarriedState();
  }

  /** Begins new sequences: the next batch gets no state, or the given one, which is copied. */
  beginSequence(state?: FlatState): void {
    this.#carried?.set(state);
  }

  /** The state after the last batch; undefined where sequences begin, and for other modules. */
  get carriedState(): FlatState | undefined {
    return this.#carried?.flat;
  }

  get parameters(): readonly Parameter[] {
    return this.#all().filter(({ trainable }) => trainable);
  }

  get statistics(): readonly Parameter[] {
    return this.#module.namedBuffers().map(([name, variable]) => this.#parameter(name, variable));
  }

  /** Outputs in inference mode. The caller disposes them. */
  logits(features: Tensors): Tensors {
    this.checkPlacement();
    return this.#carrying(() =>
      inMode(this.#module, false, () => keepAll(() => this.#forward(features))),
    );
  }

  outputs(logits: Tensors): Tensors {
    return mapTensors(logits, (tensor) => tensor.clone());
  }

  /** Outputs in inference mode, as `forward` gives them. The caller disposes them. */
  predict(features: Tensors): Tensors {
    return this.logits(features);
  }

  measure<C extends Correct>(loss: AnyLoss<C>, logits: Tensors, labels: Tensors): Measured<C> {
    return measureOnTape(() => lossOnTape(loss, logits, labels));
  }

  forwardBackward<C extends Correct = tf.Scalar>(
    features: Tensors,
    labels: Tensors,
    options: AnyStepOptions<C>,
  ): Measured<C> & { readonly gradients: readonly ParameterGradient[] } {
    this.checkPlacement();
    return this.#memory.step({
      features,
      labels,
      compute: (x, y) => this.#step(x, y, options),
      keepingState: (trial) => this.#keepingState(() => disposeStep(trial())),
    });
  }

  /**
   * The most bytes that a training step over a batch holds, weights not included: measured in the
   * first step of a batch size, and for other sizes in proportion.
   * @param batch number of samples
   * @throws Error before the first step
   */
  peakBytes(batch: number): number {
    return this.#memory.peakBytes(`[compiler] module '${this.#module.name}'`, batch);
  }

  /** @throws Error when another backend than the current one holds a weight */
  checkPlacement(): void {
    checkPlacement(this.#module.name, [...this.#all(), ...this.statistics]);
  }

  #step<C extends Correct>(
    features: Tensors,
    labels: Tensors,
    { seed = 0, loss }: AnyStepOptions<C>,
  ): Measured<C> & { readonly gradients: readonly ParameterGradient[] } {
    const parameters = this.parameters;
    if (parameters.length === 0) {
      throw new Error(
        `[compiler] module '${this.#module.name}': expected parameters to train, got none; ` +
          'make them by nn.parameter and keep them in properties',
      );
    }
    const compute = () => {
      const outputs = withSeed(seed, () => this.#forward(features));
      return lossOnTape(loss, outputs, labels);
    };
    const result = this.#carrying(() =>
      inMode(this.#module, true, () => stepOnTape<C>(parameters, compute)),
    );
    const used = new Set(result.gradients.map(({ parameter }) => parameter));
    try {
      this.#requireNoNewParameters(parameters);
    } catch (error) {
      disposeStep(result);
      throw error;
    }
    this.#warnUnused(parameters.filter((parameter) => !used.has(parameter)));
    return result;
  }

  /**
   * Finds the first NaN or infinity of a step: parameters, features, the outputs of modules in the
   * order of computation, the loss, gradients. It changes no buffers.
   */
  firstNonFinite(
    features: Tensors,
    labels: Tensors,
    { seed = 0, loss }: AnyStepOptions<Correct>,
  ): NonFinite | undefined {
    const detector = new NonFiniteDetector();
    for (const { name, variable } of this.#all()) detector.check('weight', [name], [variable]);
    detector.check('output', ['features'], listTensors(features));
    if (detector.first) return detector.first;
    return this.#keepingState(() =>
      this.#watching(detector, () => {
        const result = this.#step(features, labels, { seed, loss });
        if (!detector.first && !areFinite(result.loss))
          detector.first = { what: 'loss', layers: [] };
        for (const { parameter, gradient } of [...result.gradients].reverse())
          detector.check('gradient', [parameter.name], [gradient]);
        disposeStep(result);
        return detector.first;
      }),
    );
  }

  /** One line per module, with its parameters. */
  describe(): string {
    return this.#all()
      .map(({ name, shape }) => `${name}  [${shape.join(', ')}]`)
      .join('\n');
  }

  #all(): Parameter[] {
    return this.#module
      .namedParameters()
      .map(([name, variable]) => this.#parameter(name, variable));
  }

  #parameter(name: string, variable: tf.Variable): Parameter {
    const known = this.#known.get(variable);
    if (known && known.name === name && known.trainable === variable.trainable) return known;
    const { shape, trainable } = variable;
    const parameter: Parameter = { name, shape, trainable, variable };
    this.#known.set(variable, parameter);
    return parameter;
  }

  #forward(features: Tensors): Tensors {
    const module = this.#module;
    const where = `[compiler] module '${module.name}': forward`;
    const carried = this.#carried;
    const given = argumentsOf(features);
    const result = module.forward(...given, ...(carried ? [carried.value] : [])) as unknown;
    const outputs = carried ? takeState(where, carried, result) : result;
    if (!areTensors(outputs)) {
      throw new TypeError(
        `${where}: expected a tensor, a list or a record of tensors, got ` +
          describeTensors(outputs),
      );
    }
    if (listTensors(outputs).some(({ isDisposed }) => isDisposed)) {
      throw new Error(
        `${where}: it returned a tensor that is disposed; return it from tf.tidy, or tf.keep it`,
      );
    }
    return outputs;
  }

  #requireNoNewParameters(before: readonly Parameter[]): void {
    const known = new Set(before.map(({ variable }) => variable));
    const added = this.parameters.find(({ variable }) => !known.has(variable));
    if (!added) return;
    throw new Error(
      `[compiler] module '${this.#module.name}': forward made a new parameter, ${added.name}, ` +
        'which no optimizer knows; make parameters in the constructor',
    );
  }

  #warnUnused(unused: readonly Parameter[]): void {
    const names = unused.map(({ name }) => name).filter((name) => !this.#unused.has(name));
    if (names.length === 0) return;
    for (const name of names) this.#unused.add(name);
    console.warn(
      `[compiler] module '${this.#module.name}': the loss does not depend on ` +
        `${names.join(', ')}, which will not be trained; freeze them (trainable = ` +
        'false) or use them in forward',
    );
  }

  /** Takes the state on that `work` computed, unless it fails. */
  #carrying<T>(work: () => T): T {
    try {
      const result = work();
      this.#carried?.accept();
      return result;
    } finally {
      this.#carried?.discard();
    }
  }

  /** Restores the buffers and the carried state after `work`. */
  #keepingState<T>(work: () => T): T {
    const before = this.#carried && new CarriedState();
    before?.set(this.#carried?.flat);
    const buffers = this.statistics.map(({ variable }) => variable);
    try {
      return keepingValues(buffers, work);
    } finally {
      this.#carried?.set(before?.flat);
      before?.set();
    }
  }

  /** Checks what each module inside gives, while `work` runs. */
  #watching<T>(detector: NonFiniteDetector, work: () => T): T {
    const patches = this.#module.namedModules().map(([name, module]) => {
      const forward = module.forward.bind(module);
      const value = (...inputs: unknown[]) => {
        const outputs = forward(...inputs) as unknown;
        const tensors = tf.tensor_util.getTensorsInContainer([outputs] as tf.TensorContainer);
        detector.check('output', [name || this.#module.name], tensors);
        return outputs;
      };
      return { object: module, field: 'forward', value };
    });
    return withPatches(patches, work);
  }
}

/** Splits `[outputs, state]`, what a forward that takes a state returns. */
function takeState(where: string, carried: CarriedState, result: unknown): unknown {
  if (!Array.isArray(result) || result.length !== 2) {
    throw new TypeError(
      `${where}: expected [outputs, state], since the state is carried from batch to batch, got ` +
        formatValue(result),
    );
  }
  carried.propose(where, result[1] as ModuleState);
  return result[0];
}

/** Runs `work` in a tidy, and keeps the tensors that it returns. */
function keepAll(work: () => Tensors): Tensors {
  let outputs: Tensors | undefined;
  tf.tidy(() => {
    outputs = mapTensors(work(), (tensor) => tf.keep(tensor.clone()));
  });
  return outputs as Tensors;
}
