/** Computes a `tf.LayersModel` layer by layer, with gradients from TensorFlow.js's tape. */
import { mixSeed } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import type { FlatState } from './carried-state';
import { areFinite, type NonFinite, NonFiniteDetector } from './execution';
import { activate } from './final-activation';
import { isContainer, type Layer, layersInside, type Patch, withPatches } from './layer-walk';
import { lossOnTape } from './loss-on-tape';
import { type Ending, findEnding } from './model-endings';
import {
  checkIds,
  inputNames,
  nameLabels,
  nameOutputs,
  orderInputs,
  outputNames,
} from './model-inputs';
import { syncedNorm } from './norm-parts';
import { checkPlacement } from './placement';
import type {
  AnyLoss,
  AnyStepOptions,
  FinalActivation,
  Parameter,
  ParameterGradient,
} from './program';
import {
  keepingStates,
  presentStates,
  releaseOldStates,
  resetStates,
  restoreStates,
} from './recurrent-states';
import { refuseUntrainable } from './refusals';
import { StepMemory } from './step-memory';
import { normSync } from './synced-norm';
import { disposeStep, keepingValues, measureOnTape, stepOnTape } from './tape';
import { listTensors, mapTensors, type Tensors } from './tensors';
import type { Measured } from './training-plan';

type Correct = tf.Scalar | null;

/** A weight of a layer; tfjs hides that it holds a variable and a constraint. */
interface Weight {
  readonly originalName: string;
  readonly shape: (number | null)[];
  readonly constraint?: { apply(value: tf.Tensor): tf.Tensor } | null;
  read(): tf.Variable;
}

/**
 * The plan of a model that `Plan` does not compile: several inputs or outputs, outputs of any rank,
 * integer inputs, masks, states, random layers, regularizers, constraints. Forward passes are those
 * of `model.predict` and `model.fit`.
 */
export class TapePlan {
  readonly parameters: readonly Parameter[];
  readonly statistics: readonly Parameter[];
  readonly inputShape = undefined;
  readonly numClasses: number | undefined;
  readonly #model: tfl.LayersModel;
  readonly #layers: readonly Layer[];
  readonly #endings: readonly (Ending | undefined)[];
  readonly #memory = new StepMemory();

  /** @throws Error for a layer that TensorFlow.js's own training computes wrongly */
  constructor(model: tfl.LayersModel) {
    this.#model = model;
    this.#layers = [...layersInside(model)];
    for (const layer of this.#layers) refuseUntrainable(layer);
    this.#endings = model.outputs.map(findEnding);
    this.parameters = parametersOf(model.trainableWeights as unknown as Weight[], true);
    this.statistics = parametersOf(
      learningNorms(this.#layers).flatMap(
        (layer) => layer.nonTrainableWeights as unknown as Weight[],
      ),
      false,
    );
    const [shape = []] = model.outputs.map((output) => output.shape);
    const isClassifier = model.outputs.length === 1 && shape.length === 2;
    this.numClasses = isClassifier ? (shape[1] ?? undefined) : undefined;
  }

  /**
   * The outputs in inference mode before their final softmax or sigmoid: one tensor for one output,
   * else a record by the output layers' names. The caller disposes them.
   * @throws RangeError when the features do not fit the inputs
   */
  logits(features: Tensors): Tensors {
    this.#checkPlacement();
    const inputs = this.#inputs(features);
    return nameOutputs(
      this.#model,
      tf.tidy(() => this.#run(inputs, { training: false })),
    );
  }

  outputs(logits: Tensors): Tensors {
    const { activations } = this;
    return mapTensors(logits, (tensor, i) => {
      const name = activations[i];
      return name ? activate(name, tensor) : tf.clone(tensor);
    });
  }

  /** What `model.predict` gives. The caller disposes it. */
  predict(features: Tensors): Tensors {
    const logits = this.logits(features);
    const outputs = this.outputs(logits);
    tf.dispose(logits as tf.TensorContainer);
    return outputs;
  }

  /** The activations that `logits` leaves out, by output. */
  get activations(): readonly (FinalActivation | undefined)[] {
    return this.#endings.map((ending) => (ending?.patch ? ending.activation : undefined));
  }

  measure<C extends Correct>(loss: AnyLoss<C>, logits: Tensors, labels: Tensors): Measured<C> {
    return measureOnTape(() => this.#lossOf(loss, logits, labels));
  }

  /** A step's loss includes the regularizers', as in `model.fit`. It updates no weights. */
  forwardBackward<C extends Correct = tf.Scalar>(
    features: Tensors,
    labels: Tensors,
    options: AnyStepOptions<C>,
  ): Measured<C> & { readonly gradients: readonly ParameterGradient[] } {
    this.#checkPlacement();
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
    return this.#memory.peakBytes(`[compiler] model '${this.#model.name}'`, batch);
  }

  #checkPlacement(): void {
    checkPlacement(this.#model.name, [...this.parameters, ...this.statistics]);
  }

  #step<C extends Correct>(
    features: Tensors,
    labels: Tensors,
    { seed = 0, loss }: AnyStepOptions<C>,
  ): Measured<C> & { readonly gradients: readonly ParameterGradient[] } {
    const inputs = this.#inputs(features);
    const compute = () => {
      const logits = nameOutputs(this.#model, this.#run(inputs, { training: true, seed }));
      const found = this.#lossOf(loss, logits, labels);
      const penalties = this.#penalties();
      const whole = penalties.reduce((sum, penalty) => tf.add(sum, penalty), found.loss);
      return { loss: whole, correct: found.correct };
    };
    try {
      return stepOnTape<C>(this.parameters, compute);
    } finally {
      releaseOldStates(this.#layers);
    }
  }

  /** Applies the weights' constraints, in place; call it after each update. */
  applyConstraints(): void {
    for (const { constraint, ...weight } of uniqueWeights(this.#model)) {
      if (!constraint) continue;
      const { variable } = weight;
      tf.tidy(() => variable.assign(constraint.apply(variable)));
    }
  }

  /** @throws TypeError for batch normalization over another axis than the last */
  requireSyncableNorms(where: string): void {
    for (const layer of learningNorms(this.#layers)) {
      const { axis } = layer as unknown as NormLayer;
      const { length } = [layer.outputShape].flat(1) as number[];
      if (axis === -1 || axis === length - 1) continue;
      throw new TypeError(
        `${where}: "syncBatchNorm" is for batch normalization over the last axis, got axis ` +
          `${axis} in layer '${layer.name}'; leave the option out, or put channels last`,
      );
    }
  }

  /** Sets the states of `stateful` layers to zero, or to copies of the given ones. */
  beginSequence(state?: FlatState): void {
    resetStates(this.#layers);
    if (state) restoreStates(this.#layers, state);
  }

  /** The states of `stateful` layers, which stay theirs; undefined before the first batch. */
  get carriedState(): FlatState | undefined {
    return presentStates(this.#layers);
  }

  firstNonFinite(
    features: Tensors,
    labels: Tensors,
    { seed = 0, loss }: AnyStepOptions<Correct>,
  ): NonFinite | undefined {
    const detector = new NonFiniteDetector();
    for (const { name, variable } of [...this.parameters, ...this.statistics])
      detector.check('weight', [name], [variable]);
    this.#inputs(features).forEach((tensor, i) => {
      detector.check('output', [inputNames(this.#model)[i] as string], [tensor]);
    });
    if (detector.first) return detector.first;
    return this.#keepingState(() =>
      withPatches(watching(this.#model, detector), () => {
        const result = this.#step(features, labels, { seed, loss });
        if (!areFinite(result.loss)) detector.first ??= { what: 'loss', layers: [] };
        for (const { parameter, gradient } of [...result.gradients].reverse())
          detector.check('gradient', [parameter.name], [gradient]);
        disposeStep(result);
        return detector.first;
      }),
    );
  }

  /** One line per layer: its class, output shape and name. */
  describe(): string {
    return this.#model.layers
      .map((layer) => {
        const shape = JSON.stringify(layer.outputShape).replaceAll('null', 'batch');
        return `${layer.getClassName()}  ${shape}  ${layer.name}`;
      })
      .join('\n');
  }

  #inputs(features: Tensors): tf.Tensor[] {
    const inputs = orderInputs(this.#model, features);
    checkIds(this.#model, inputs);
    return inputs;
  }

  /** The outputs before their endings, in order; call it inside `tf.tidy`. */
  #run(inputs: tf.Tensor[], { training, seed = 0 }: { training: boolean; seed?: number }) {
    const endings = this.#endings.flatMap((ending) => ending?.patch ?? []);
    const patches = training ? [...endings, ...trainingPatches(this.#layers, seed)] : endings;
    const result = withPatches(patches, () => this.#model.call(inputs, { training }));
    return Array.isArray(result) ? result : [result];
  }

  /** Applies what `logits` left out, for losses that do not look through it themselves. */
  #lossOf(loss: AnyLoss<Correct>, logits: Tensors, labels: Tensors) {
    const names = outputNames(this.#model);
    const { appliesActivation, appliesActivations = {} } = loss;
    const applied = names.map((name) => appliesActivations[name] ?? appliesActivation);
    this.#endings.forEach((ending, i) => {
      if (!ending || ending.patch || ending.activation !== applied[i]) return;
      throw new Error(
        `[compiler] model '${this.#model.name}': output '${names[i]}' ends with a ` +
          `${ending.activation} inside another model or a shared layer, and the loss applies one ` +
          'too; end it with a layer of its own, or take a loss of probabilities',
      );
    });
    const seen = mapTensors(logits, (tensor, i) => {
      const name = this.activations[i];
      if (!name || name === applied[i]) return tensor;
      return name === 'softmax' ? tf.softmax(tensor) : tf.sigmoid(tensor);
    });
    return lossOnTape(loss, seen, nameLabels(this.#model, labels));
  }

  /** What each regularizer adds to the loss, once per weight, inside wrappers and cells too. */
  #penalties(): tf.Scalar[] {
    return this.#layers.flatMap((layer) =>
      (layer as unknown as { _losses: (() => tf.Scalar)[] })._losses.map((penalty) => penalty()),
    );
  }

  #keepingState<T>(work: () => T): T {
    const variables = this.statistics.map(({ variable }) => variable);
    return keepingValues(variables, () => keepingStates(this.#layers, work));
  }
}

const isNorm = (layer: Layer) => layer.getClassName() === 'BatchNormalization';

/** Batch normalization that sees the batch's statistics in training. */
const learningNorms = (layers: readonly Layer[]): readonly Layer[] =>
  layers.filter((layer) => isNorm(layer) && layer.trainable);

/** Each weight once, with its variable. */
function uniqueWeights(model: tfl.LayersModel) {
  const weights = model.trainableWeights as unknown as Weight[];
  const entries = weights.map((weight) => {
    const variable = weight.read();
    return [variable.id, { constraint: weight.constraint, variable }] as const;
  });
  return [...new Map(entries).values()];
}

function parametersOf(weights: readonly Weight[], trainable: boolean): Parameter[] {
  const entries = weights.map((weight): [number, Parameter] => {
    const variable = weight.read();
    const { originalName: name } = weight;
    return [variable.id, { name, shape: variable.shape, trainable, variable }];
  });
  return [...new Map(entries).values()];
}

/** Batch normalization of TensorFlow.js; it hides what it is made with. */
interface NormLayer {
  readonly name: string;
  readonly axis: number;
  readonly momentum: number;
  readonly epsilon: number;
  readonly gamma?: Weight;
  readonly beta?: Weight;
  readonly movingMean: Weight;
  readonly movingVariance: Weight;
}

/** Normalizes over all processes, and moves the statistics by biased ones, as the layer does. */
function syncedCall(layer: NormLayer): LayerCall {
  const { gamma, beta, epsilon, momentum, movingMean, movingVariance } = layer;
  const move = (weight: Weight, value: tf.Tensor) => {
    const moving = weight.read();
    moving.assign(tf.sub(moving, tf.mul(tf.sub(moving, value), 1 - momentum)));
  };
  return (inputs) => {
    const x = Array.isArray(inputs) ? (inputs[0] as tf.Tensor) : inputs;
    return syncedNorm(x, {
      ...{ gamma: gamma?.read(), beta: beta?.read(), epsilon },
      variable: movingVariance.read().id,
      onMoments: ({ mean, variance }) => {
        move(movingMean, mean);
        move(movingVariance, variance);
      },
    });
  };
}

type LayerCall = (inputs: tf.Tensor | tf.Tensor[], kwargs: object) => tf.Tensor | tf.Tensor[];
const callOf = (layer: Layer) => layer.call.bind(layer) as LayerCall;

/**
 * What differs from a bare call in training mode: frozen normalization uses its moving statistics,
 * and random numbers depend on the step's seed. Most layers of tfjs take no seed and draw theirs
 * from `Math.random`; those that take one would repeat it in every step.
 */
function trainingPatches(layers: readonly Layer[], seed: number): Patch[] {
  let drawn = 0;
  const random = () => mixSeed(seed, drawn++) / 2 ** 32;
  return [
    { object: Math, field: 'random', value: random },
    ...layers
      .filter((layer) => (layer as { seed?: unknown }).seed !== undefined)
      .map((layer) => ({ object: layer, field: 'seed', value: undefined })),
    ...layers
      .filter((layer) => isNorm(layer) && !layer.trainable)
      .map((layer) => {
        const call = callOf(layer);
        const value: LayerCall = (inputs, kwargs) => call(inputs, { ...kwargs, training: false });
        return { object: layer, field: 'call', value };
      }),
    ...(normSync() ? learningNorms(layers) : []).map((layer) => {
      const norm = layer as unknown as NormLayer;
      return { object: layer, field: 'call', value: syncedCall(norm) };
    }),
  ];
}

/** Checks what each layer gives, in models inside too. */
function watching(model: tfl.LayersModel, detector: NonFiniteDetector): Patch[] {
  return model.layers.flatMap((layer) => {
    if (isContainer(layer)) return watching(layer, detector);
    const call = callOf(layer);
    const value: LayerCall = (inputs, kwargs) => {
      const outputs = call(inputs, kwargs);
      detector.check('output', [layer.name], listTensors(outputs));
      return outputs;
    };
    return [{ object: layer, field: 'call', value }];
  });
}
