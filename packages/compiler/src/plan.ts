import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { Execution, type Mode } from './execution';
import { fuse } from './fuse';
import { inputLayerOf, readGraph } from './graph';
import { analyzeLiveness, type Liveness } from './liveness';
import type { Loss, LossResult } from './loss';
import { lower } from './lower';
import { adviseBatch, peakBytes } from './memory';
import { areFinite, type NonFinite, NonFiniteDetector } from './non-finite';
import { statisticsOf } from './ops/batch-norm';
import { checkPlacement } from './placement';
import type { Parameter, ParameterGradient } from './program';

type Correct = tf.Scalar | null;

export interface StepResult<C extends Correct = tf.Scalar>
  extends Pick<LossResult<C>, 'loss' | 'correct'> {
  readonly gradients: readonly ParameterGradient[];
}

export interface StepOptions<C extends Correct = tf.Scalar> {
  /** Where this step's dropout comes from. @default 0 */
  seed?: number;
  /** What the step minimizes. */
  loss: Loss<C>;
}

/** A step whose loss is computed elsewhere: from many devices' outputs, say. */
export interface ForwardPass {
  /** `[batch, numClasses]`, in training mode. The caller disposes them. */
  readonly logits: tf.Tensor2D;
  /**
   * The gradient of every parameter, from the loss's with respect to the logits, which is disposed.
   * The step is closed then.
   * @throws the engine's error when its memory is not enough; all of the pass is freed then
   */
  backward(dLogits: tf.Tensor2D): readonly ParameterGradient[];
  /** Frees the pass where there is no way back. */
  dispose(): void;
}

/**
 * A net compiled for computing: forward and backward lists over fused operations with the lifetime
 * of every tensor. Nothing goes
 * through tfjs's tape; an activation is freed as soon as its last use is done.
 */
export class Plan {
  /** The weights that the net learns, each once. */
  readonly parameters: readonly Parameter[];
  /** The moving means and variances that a training step moves, each once. */
  readonly statistics: readonly Parameter[];
  readonly numClasses: number;
  readonly inputShape: readonly (number | null)[];
  private readonly name: string;
  /** Learned or not, each once. */
  private readonly weights: readonly Parameter[];
  private readonly inputLayer: string;
  private readonly training: Liveness;
  private readonly inference: Liveness;

  constructor(net: tfl.LayersModel) {
    const program = fuse(lower(readGraph(net)));
    const { shape } = program.logits;
    if (shape.length !== 2 || !shape[1]) {
      throw new Error(
        `[compiler] net '${net.name}': expected logits [batch, numClasses], its output is [${shape.join(', ')}]`,
      );
    }
    this.inputShape = program.input.shape.slice(1);
    this.numClasses = shape[1];
    this.name = net.name;
    this.weights = unique(program.operations.flatMap((op) => op.params));
    this.parameters = this.weights.filter((param) => param.trainable);
    this.statistics = unique(program.operations.flatMap(statisticsOf));
    this.inputLayer = inputLayerOf(net).name;
    this.training = analyzeLiveness(program, { backward: true });
    this.inference = analyzeLiveness(program, { backward: false });
  }

  /**
   * `[batch, height, width, channels]` → logits `[batch, numClasses]`, in inference mode. The
   * caller disposes them.
   */
  logits(features: tf.Tensor): tf.Tensor2D {
    return this.pass(this.inference, features, { training: false, seed: 0 }, (run) =>
      run.forward(),
    );
  }

  /**
   * Loss and number of right answers (null where the loss knows none) on a batch, in inference
   * mode. The caller disposes both.
   */
  evaluate<C extends Correct = tf.Scalar>(
    features: tf.Tensor,
    labels: tf.Tensor,
    { loss: lossOf }: Pick<StepOptions<C>, 'loss'>,
  ): Pick<LossResult<C>, 'loss' | 'correct'> {
    const { loss, correct, dLogits } = computeLoss(lossOf, this.logits(features), labels);
    dLogits.dispose();
    return { loss, correct };
  }

  /**
   * One pass forward and back in training mode: the batch's loss and right answers, and the
   * gradient of every parameter. Moves the
   * statistics of batch normalization. The caller disposes what it gets; features and labels stay
   * the caller's.
   * @throws the engine's error when its memory is not enough; all of the pass is freed then, and
   *   the plan works on
   */
  forwardBackward<C extends Correct = tf.Scalar>(
    features: tf.Tensor,
    labels: tf.Tensor,
    { seed = 0, loss: lossOf }: StepOptions<C>,
  ): StepResult<C> {
    return this.pass(this.training, features, { training: true, seed }, (run) => {
      const { loss, correct, dLogits } = computeLoss(lossOf, run.forward(), labels);
      return { loss, correct, gradients: run.backward(dLogits) };
    });
  }

  /**
   * The first half of `step`: the forward pass in training mode, which moves the statistics of
   * batch normalization. The features stay the
   * caller's, and must live until the step is closed.
   */
  forward(features: tf.Tensor, { seed = 0 }: Pick<StepOptions, 'seed'> = {}): ForwardPass {
    checkPlacement(this.name, this.weights);
    const mode = { training: true, seed };
    const run = new Execution(this.training, features, mode);
    const guarded = <T>(work: () => T) =>
      this.guarded(this.training, { run, features, mode }, work);
    return {
      logits: guarded(() => run.forward()),
      backward: (dLogits) => guarded(() => run.backward(dLogits)),
      dispose: () => run.dispose(),
    };
  }

  /**
   * The first place where a step's numbers are not finite, in the order of computation: weights,
   * features and outputs, the loss, gradients from
   * the last layer to the first. It computes the step as `step` would, but moves no statistics and
   * gives no gradients.
   * @returns undefined where all are finite
   */
  firstNonFinite(
    features: tf.Tensor,
    labels: tf.Tensor,
    { seed = 0, loss: lossOf }: StepOptions<Correct>,
  ): NonFinite | undefined {
    const finder = new NonFiniteDetector();
    for (const { layers, params } of this.training.operations) {
      for (const { variable } of params) finder.check('weight', layers, [variable]);
    }
    finder.check('output', [this.inputLayer], [features]);
    if (finder.first) return finder.first;
    return this.keepingStatistics(() =>
      this.pass(this.training, features, { training: true, seed, finder }, (run) => {
        const { loss, correct, dLogits } = computeLoss(lossOf, run.forward(), labels);
        if (!finder.first && !areFinite(loss)) finder.first = { what: 'loss', layers: [] };
        finder.check('gradient', [], [dLogits]);
        if (!finder.first) tf.dispose(run.backward(dLogits).map(({ gradient }) => gradient));
        else {
          dLogits.dispose();
          run.dispose();
        }
        tf.dispose(correct ? [loss, correct] : loss);
        return finder.first;
      }),
    );
  }

  /** Batch normalization writes its statistics in place, but never where a clone shares them. */
  private keepingStatistics<T>(work: () => T): T {
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
   * Bytes that a pass over a batch holds at its fullest, weights apart.
   * @param batch images
   * @param options.training a whole step, or inference alone @default true
   */
  peakBytes(batch: number, { training = true }: { training?: boolean } = {}): number {
    return peakBytes(training ? this.training : this.inference, batch, { backward: training });
  }

  private pass<T>(
    schedule: Liveness,
    features: tf.Tensor,
    mode: Mode,
    work: (run: Execution) => T,
  ): T {
    checkPlacement(this.name, this.weights);
    const run = new Execution(schedule, features, mode);
    return this.guarded(schedule, { run, features, mode }, () => work(run));
  }

  /**
   * A part of a pass: where it fails, all of the pass is freed, and an error about memory says what
   * would fit.
   */
  private guarded<T>(
    schedule: Liveness,
    { run, features, mode }: { run: Execution; features: tf.Tensor; mode: Mode },
    work: () => T,
  ): T {
    try {
      return work();
    } catch (error) {
      run.dispose();
      // Weights, an optimizer's slots, an average: all but the batch, which is part of the pass.
      const held = tf.memory().numBytes - 4 * features.size;
      adviseBatch(error, schedule, {
        batch: features.shape[0] ?? 1,
        backward: mode.training,
        held,
      });
      throw error;
    }
  }

  /** A line for each operation: what it computes, and which layers it stands for. */
  describe(): string {
    return this.training.operations
      .map(({ kind, attrs, layers, output }) => {
        const flags = Object.entries((attrs ?? {}) as object).flatMap(([key, value]) =>
          value === true ? [key] : [],
        );
        return `${[kind.name, ...flags].join(' + ')}  [${output.shape.map((n) => n ?? 'batch').join(', ')}]  ${layers.join(', ')}`;
      })
      .join('\n');
  }
}

/** Compiles a net. The same net compiled again shares its weights with the first plan. */
export function compile(net: tfl.LayersModel): Plan {
  return new Plan(net);
}

/** The loss of logits, which are disposed. */
function computeLoss<C extends Correct>(
  lossOf: Loss<C>,
  logits: tf.Tensor2D,
  labels: tf.Tensor,
): LossResult<C> {
  try {
    return lossOf(logits, labels);
  } finally {
    logits.dispose();
  }
}

function unique(params: Parameter[]): Parameter[] {
  return [...new Map(params.map((param) => [param.variable.id, param])).values()];
}
