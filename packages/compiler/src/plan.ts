import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { fuse } from './fuse';
import { readGraph } from './graph';
import { type LossResult, softmaxCrossEntropy } from './loss';
import { lower } from './lower';
import { adviseBatch, peakBytes } from './memory';
import type { Parameter } from './program';
import { Run } from './run';
import { type Schedule, schedule } from './schedule';
import type { ParameterGradient } from './updates';

export interface StepResult extends Pick<LossResult, 'loss' | 'correct'> {
  readonly gradients: readonly ParameterGradient[];
}

/**
 * A net compiled for computing: forward and backward lists over fused operations with the lifetime of every tensor. Nothing goes
 * through tfjs's tape; an activation is freed as soon as its last use is done.
 */
export class Plan {
  /** The weights that the net learns, each once. */
  readonly parameters: readonly Parameter[];
  readonly numClasses: number;
  readonly inputShape: readonly (number | null)[];
  private readonly weightBytes: number;
  private readonly training: Schedule;
  private readonly inference: Schedule;

  constructor(net: tfl.LayersModel) {
    const program = fuse(lower(readGraph(net)));
    const { shape } = program.logits;
    if (shape.length !== 2 || !shape[1]) {
      throw new Error(`[compiler] net '${net.name}': expected logits [batch, numClasses], its output is [${shape.join(', ')}]`);
    }
    this.inputShape = program.input.shape.slice(1);
    this.numClasses = shape[1];
    this.parameters = unique(program.operations.flatMap((op) => op.params).filter((param) => param.trainable));
    this.weightBytes = program.operations.flatMap((op) => op.params).reduce((sum, { variable }) => sum + 4 * variable.size, 0);
    this.training = schedule(program, { backward: true });
    this.inference = schedule(program, { backward: false });
  }

  /** `[batch, height, width, channels]` → logits `[batch, numClasses]`, in inference mode. The caller disposes them. */
  logits(features: tf.Tensor): tf.Tensor2D {
    return this.pass(this.inference, features, { training: false, seed: 0 }, (run) => run.forward());
  }

  /** Loss and number of right answers on a batch, in inference mode. The caller disposes both. */
  evaluate(features: tf.Tensor, labels: tf.Tensor): Pick<LossResult, 'loss' | 'correct'> {
    const logits = this.logits(features);
    const { loss, correct, dLogits } = softmaxCrossEntropy(logits, labels);
    tf.dispose([logits, dLogits]);
    return { loss, correct };
  }

  /**
   * One pass forward and back in training mode: the batch's loss and right answers, and the gradient of every parameter. Moves the
   * statistics of batch normalization. The caller disposes what it gets; features and labels stay the caller's.
   * @param options.seed where this step's dropout comes from
   * @throws the engine's error when its memory is not enough; all of the pass is freed then, and the plan works on
   */
  step(features: tf.Tensor, labels: tf.Tensor, { seed = 0 }: { seed?: number } = {}): StepResult {
    return this.pass(this.training, features, { training: true, seed }, (run) => {
      const logits = run.forward();
      const { loss, correct, dLogits } = softmaxCrossEntropy(logits, labels);
      logits.dispose();
      return { loss, correct, gradients: run.backward(dLogits) };
    });
  }

  /**
   * Bytes that a pass over a batch holds at its fullest, weights apart.
   * @param batch images
   * @param options.training a whole step, or inference alone @default true
   */
  peakBytes(batch: number, { training = true }: { training?: boolean } = {}): number {
    return peakBytes(training ? this.training : this.inference, batch, { backward: training });
  }

  private pass<T>(schedule: Schedule, features: tf.Tensor, mode: { training: boolean; seed: number }, work: (run: Run) => T): T {
    const run = new Run(schedule, features, mode);
    try {
      return work(run);
    } catch (error) {
      run.dispose();
      adviseBatch(error, schedule, { batch: features.shape[0] ?? 1, backward: mode.training, held: this.weightBytes });
      throw error;
    }
  }

  /** A line for each operation: what it computes, and which layers it stands for. */
  describe(): string {
    return this.training.operations
      .map(({ kind, attrs, layers, output }) => {
        const flags = Object.entries((attrs ?? {}) as object).flatMap(([key, value]) => (value === true ? [key] : []));
        return `${[kind.name, ...flags].join(' + ')}  [${output.shape.map((n) => n ?? 'batch').join(', ')}]  ${layers.join(', ')}`;
      })
      .join('\n');
  }
}

/** Compiles a net. The same net compiled again shares its weights with the first plan. */
export function compile(net: tfl.LayersModel): Plan {
  return new Plan(net);
}

function unique(params: Parameter[]): Parameter[] {
  return [...new Map(params.map((param) => [param.variable.id, param])).values()];
}
