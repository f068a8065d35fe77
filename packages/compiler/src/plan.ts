/** The training plan of a model: compiled once, then run on batch after batch. */
import { backendTraits, formatValue, type WorkspaceQuery } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { areFinite, Execution, type Mode, type NonFinite, NonFiniteDetector } from './execution';
import { activate, activationGradient } from './final-activation';
import { fuse } from './fuse';
import { inputLayerOf, readGraph } from './graph';
import { analyzeLiveness, type Liveness } from './liveness';
import { lower, type Program } from './lower';
import { adviseBatch, peakBytes } from './memory';
import { findEnding } from './model-endings';
import { statisticsOf } from './ops/batch-norm';
import { layer } from './ops/layer';
import { checkPlacement } from './placement';
import type {
  FinalActivation,
  GradientStream,
  Loss,
  LossResult,
  Parameter,
  ParameterGradient,
} from './program';
import { NotCompilable } from './refusals';
import { isTensor, scaled } from './tensors';

type Correct = tf.Scalar | null;

export interface StepResult<C extends Correct = tf.Scalar>
  extends Pick<LossResult<C>, 'loss' | 'correct'> {
  readonly gradients: readonly ParameterGradient[];
}

export interface PeakBytesOptions {
  /** A whole step, or inference only. @default true */
  training?: boolean;
  /** The kernels' workspace. @default that of the current backend */
  workspaceBytes?: (query: WorkspaceQuery) => number;
}

export interface StepOptions<C extends Correct = tf.Scalar> {
  /** Seed of this step's dropout. @default 0 */
  seed?: number;
  loss: Loss<C>;
  /** Gets gradients while others are still computed. @default gradients come at the end only */
  stream?: GradientStream | undefined;
}

/**
 * A forward pass whose loss the caller computes, for example from the outputs of several devices.
 * End it by `backward` or `dispose`.
 */
export interface ForwardPass {
  /** `[batch, numClasses]`. The caller disposes them. */
  readonly logits: tf.Tensor2D;
  /**
   * Computes the gradient of every parameter and frees the pass.
   * @param dLogits the loss's gradient with respect to the logits, `[batch, numClasses]`; disposed
   * @throws OutOfMemoryError when the backend has too little memory; the pass is freed
   */
  backward(dLogits: tf.Tensor2D): readonly ParameterGradient[];
  /** Frees the pass without a backward pass. */
  dispose(): void;
}

/**
 * A compiled model: forward and backward lists of fused operations, with the lifetime of every
 * tensor. Nothing goes through tfjs's tape, and an activation is freed after its last use.
 */
export class Plan {
  /** The trainable weights, each once. */
  readonly parameters: readonly Parameter[];
  /** The moving means and variances that a training step updates, each once. */
  readonly statistics: readonly Parameter[];
  /** Undefined for logits of each pixel, whose labels the loss checks. */
  readonly numClasses: number | undefined;
  readonly inputShape: readonly (number | null)[];
  /** The parameters in the order in which a backward pass completes their gradients. */
  readonly gradientOrder: readonly Parameter[];
  /** The activation between the logits and the model's output; undefined when there is none. */
  readonly finalActivation: FinalActivation | undefined;
  readonly #name: string;
  /** Trainable or not, each once. */
  readonly #weights: readonly Parameter[];
  readonly #inputLayer: string;
  readonly #training: Liveness;
  readonly #inference: Liveness;

  /**
   * @param options.images whether logits of each pixel, `[batch, height, width, numClasses]`, are
   *   taken too. @default false
   * @throws Error when the model's output is not `[batch, numClasses]`
   */
  constructor(model: tfl.LayersModel, { images = false }: { images?: boolean } = {}) {
    const program = fuse(lower(readGraph(model)));
    const { shape } = program.logits;
    const isTaken = shape.length === 2 || (images && isImageProgram(model, program));
    if (!isTaken || !shape.at(-1)) {
      throw new NotCompilable(
        `[compiler] model '${model.name}': expected logits [batch, numClasses], its output is ` +
          `[${shape.join(', ')}]`,
      );
    }
    this.inputShape = program.input.shape.slice(1);
    this.numClasses = shape.length === 2 ? (shape[1] as number) : undefined;
    this.finalActivation = program.finalActivation;
    this.#name = model.name;
    this.#weights = unique(program.operations.flatMap((op) => op.params));
    this.parameters = this.#weights.filter((param) => param.trainable);
    this.statistics = unique(program.operations.flatMap(statisticsOf));
    this.#inputLayer = inputLayerOf(model).name;
    this.#training = analyzeLiveness(program, { backward: true });
    this.#inference = analyzeLiveness(program, { backward: false });
    this.gradientOrder = [...this.#training.learned].reverse().flat();
  }

  /**
   * Computes logits `[batch, numClasses]` from features `[batch, height, width, channels]`, in
   * inference mode: the outputs before a final softmax or sigmoid. The caller disposes them.
   */
  logits(features: tf.Tensor): tf.Tensor2D {
    return this.#pass(this.#inference, features, { training: false, seed: 0 }, (execution) =>
      execution.forward(),
    );
  }

  /** Computes what `model.predict` gives, `[batch, numClasses]`. The caller disposes it. */
  predict(features: tf.Tensor): tf.Tensor2D {
    const logits = this.logits(features);
    const outputs = this.outputs(logits);
    logits.dispose();
    return outputs;
  }

  /** The model's outputs from its logits, which stay the caller's. The caller disposes both. */
  outputs(logits: tf.Tensor2D): tf.Tensor2D {
    return this.finalActivation ? activate(this.finalActivation, logits) : tf.clone(logits);
  }

  /**
   * Computes a loss from logits `[batch, numClasses]`, which stay the caller's: through the model's
   * final activation, unless the loss applies that itself. `dLogits` is the gradient with respect
   * to
   * the logits.
   */
  lossOfLogits<C extends Correct>(
    loss: Loss<C>,
    logits: tf.Tensor2D,
    labels: tf.Tensor,
  ): LossResult<C> {
    const { finalActivation } = this;
    if (!finalActivation || loss.appliesActivation === finalActivation)
      return callLoss(loss, logits, labels);
    const outputs = activate(finalActivation, logits);
    try {
      const { dLogits: dOutputs, ...result } = callLoss(loss, outputs, labels);
      const dLogits = activationGradient(finalActivation, dOutputs, outputs);
      dOutputs.dispose();
      return { ...result, dLogits } as LossResult<C>;
    } finally {
      outputs.dispose();
    }
  }

  /** The loss and the number of correct answers from logits. The caller disposes all three. */
  measure<C extends Correct>(
    loss: Loss<C>,
    logits: tf.Tensor2D,
    labels: tf.Tensor,
  ): Pick<LossResult<C>, 'loss' | 'correct'> {
    const { dLogits, ...measured } = this.lossOfLogits(loss, logits, labels);
    dLogits.dispose();
    return measured;
  }

  /**
   * Computes the mean loss and the number of correct predictions of a batch, in inference mode. The
   * caller disposes both.
   */
  evaluate<C extends Correct = tf.Scalar>(
    features: tf.Tensor,
    labels: tf.Tensor,
    options: Pick<StepOptions<C>, 'loss'>,
  ): Pick<LossResult<C>, 'loss' | 'correct'> {
    const logits = this.logits(features);
    const { loss, correct, dLogits } = this.#computeLoss(options.loss, logits, labels);
    dLogits.dispose();
    return { loss, correct };
  }

  /**
   * One forward and backward pass in training mode: the batch's mean loss, the number of correct
   * predictions, and the gradient of every parameter. It updates batch normalization's statistics,
   * but no weights. The caller disposes the results; features and labels stay alive.
   * @throws OutOfMemoryError when the backend has too little memory; the pass is freed, and the
   *   plan
   *   can be used again
   */
  forwardBackward<C extends Correct = tf.Scalar>(
    features: tf.Tensor,
    labels: tf.Tensor,
    { seed = 0, loss: lossFunction, stream }: StepOptions<C>,
  ): StepResult<C> {
    return this.#pass(this.#training, features, { training: true, seed }, (execution) => {
      const { loss, correct, dLogits } = this.#computeLoss(
        lossFunction,
        execution.forward(),
        labels,
      );
      const gradients = stream
        ? execution.backward(scaled(dLogits, stream.scale), (entry) => stream.onGradient(entry))
        : execution.backward(dLogits);
      return { loss, correct, gradients };
    });
  }

  /**
   * The first half of `forwardBackward`: the forward pass in training mode, which updates batch
   * normalization's statistics. The features must live until the pass has ended.
   */
  forward(features: tf.Tensor, { seed = 0 }: Pick<StepOptions, 'seed'> = {}): ForwardPass {
    checkPlacement(this.#name, this.#weights);
    const mode = { training: true, seed };
    const execution = new Execution(this.#training, features, mode);
    const guarded = <T>(work: () => T) =>
      this.#guarded(this.#training, { execution, features, mode }, work);
    return {
      logits: guarded(() => execution.forward()),
      backward: (dLogits) => guarded(() => execution.backward(dLogits)),
      dispose: () => execution.dispose(),
    };
  }

  /**
   * Finds the first NaN or infinity of a step, in the order of computation: weights, features,
   * outputs, loss, gradients from the last layer to the first. It computes what `forwardBackward`
   * would, but updates no statistics.
   * @returns undefined when all numbers are finite
   */
  firstNonFinite(
    features: tf.Tensor,
    labels: tf.Tensor,
    { seed = 0, loss: lossFunction }: StepOptions<Correct>,
  ): NonFinite | undefined {
    const detector = new NonFiniteDetector();
    for (const { layers, params } of this.#training.operations) {
      for (const { variable } of params) detector.check('weight', layers, [variable]);
    }
    detector.check('output', [this.#inputLayer], [features]);
    if (detector.first) return detector.first;
    const mode = { training: true, seed, detector };
    return this.#keepingStatistics(() =>
      this.#pass(this.#training, features, mode, (execution) => {
        const { loss, correct, dLogits } = this.#computeLoss(
          lossFunction,
          execution.forward(),
          labels,
        );
        if (!detector.first && !areFinite(loss)) detector.first = { what: 'loss', layers: [] };
        detector.check('gradient', [], [dLogits]);
        if (!detector.first)
          tf.dispose(execution.backward(dLogits).map(({ gradient }) => gradient));
        else {
          dLogits.dispose();
          execution.dispose();
        }
        tf.dispose(correct ? [loss, correct] : loss);
        return detector.first;
      }),
    );
  }

  /**
   * Restores the statistics after `work`. Batch normalization updates them in place, but copies
   * them
   * first when a clone shares their memory.
   */
  #keepingStatistics<T>(work: () => T): T {
    const kept = this.statistics.map(({ variable }) => tf.clone(variable));
    try {
      return work();
    } finally {
      this.statistics.forEach(({ variable }, i) => {
        variable.assign(kept[i] as tf.Tensor);
      });
      tf.dispose(kept);
    }
  }

  /**
   * The most bytes that a pass over a batch holds, weights not included.
   * @param batch number of images
   */
  peakBytes(batch: number, options: PeakBytesOptions = {}): number {
    const { training = true, workspaceBytes = currentWorkspace() } = options;
    const liveness = training ? this.#training : this.#inference;
    return peakBytes(liveness, batch, { backward: training, workspaceBytes });
  }

  /** Computes the loss of logits, and disposes the logits. */
  #computeLoss<C extends Correct>(
    loss: Loss<C>,
    logits: tf.Tensor2D,
    labels: tf.Tensor,
  ): LossResult<C> {
    try {
      // A batch of one label a sample is checked by who trains.
      const isPixels = (logits as tf.Tensor).rank > 2;
      if (isPixels && !backendTraits(tf.getBackend()).isAsynchronous)
        loss.checkLabels?.(logits, labels);
      return this.lossOfLogits(loss, logits, labels);
    } finally {
      logits.dispose();
    }
  }

  #pass<T>(
    liveness: Liveness,
    features: tf.Tensor,
    mode: Mode,
    work: (execution: Execution) => T,
  ): T {
    checkPlacement(this.#name, this.#weights);
    const execution = new Execution(liveness, features, mode);
    return this.#guarded(liveness, { execution, features, mode }, () => work(execution));
  }

  /** Runs a part of a pass. On an error it frees the pass and adds advice about the batch size. */
  #guarded<T>(
    liveness: Liveness,
    { execution, features, mode }: { execution: Execution; features: tf.Tensor; mode: Mode },
    work: () => T,
  ): T {
    try {
      return work();
    } catch (error) {
      execution.dispose();
      // Weights, an optimizer's slots, an EMA: everything but the batch, which is part of the pass.
      const held = tf.memory().numBytes - 4 * features.size;
      const options = { backward: mode.training, workspaceBytes: currentWorkspace() };
      adviseBatch(error, {
        batch: features.shape[0] ?? 1,
        held,
        peakOf: (batch) => peakBytes(liveness, batch, options),
      });
      throw error;
    }
  }

  /** One line per operation: its name, output shape and layers. */
  describe(): string {
    return this.#training.operations
      .map(({ kind, attrs, layers, output }) => {
        const flags = Object.entries((attrs ?? {}) as object).flatMap(([key, value]) =>
          value === true || key === 'ceiling' ? [value === true ? key : `${key} ${value}`] : [],
        );
        const shape = output.shape.map((size) => size ?? 'batch').join(', ');
        return `${[kind.name, ...flags].join(' + ')}  [${shape}]  ${layers.join(', ')}`;
      })
      .join('\n');
  }
}

/**
 * Whether a program gives logits of each pixel, and computes nothing on the tape. What ends with an
 * activation is left to the tape, which knows how to look through it at any rank.
 */
const isImageProgram = (model: tfl.LayersModel, { logits, operations }: Program): boolean =>
  logits.shape.length === 4 &&
  findEnding(model.outputs[0] as tfl.SymbolicTensor) === undefined &&
  operations.every(({ kind }) => kind !== layer);

/**
 * Compiles a model into a training plan. Plans of the same model share its weights.
 * @throws Error when the model has several inputs or outputs, or a layer that cannot be trained
 * @example
 * const plan = compile(model);
 * const { loss, correct, gradients } = plan.forwardBackward(features, labels, {
 *   loss: softmaxCrossEntropy,
 * });
 */
export function compile(model: tfl.LayersModel): Plan & { readonly numClasses: number } {
  return new Plan(model) as Plan & { readonly numClasses: number };
}

/** @throws TypeError when a user's function returns no `LossResult`, such as a scalar only */
function callLoss<C extends Correct>(
  loss: Loss<C>,
  outputs: tf.Tensor2D,
  labels: tf.Tensor,
): LossResult<C> {
  const result = loss(outputs, labels);
  if (isTensor(result?.loss) && isTensor(result.dLogits)) return result;
  const got = isTensor(result) ? `a tensor of [${result.shape.join(', ')}]` : formatValue(result);
  throw new TypeError(
    '[compiler] loss: expected { loss, correct, dLogits } of a function (outputs, labels), got ' +
      `${got}; return the scalar as "loss", null as "correct" where no answer is right, and as ` +
      '"dLogits" the gradient, which tf.valueAndGrad gives',
  );
}

const currentWorkspace = () => backendTraits(tf.getBackend()).workspaceBytes;

function unique(params: Parameter[]): Parameter[] {
  return [...new Map(params.map((param) => [param.variable.id, param])).values()];
}
