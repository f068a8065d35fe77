import * as tf from '@tensorflow/tfjs-core';
import type * as tfl from '@tensorflow/tfjs-layers';
import { fuse } from './fuse';
import { readGraph } from './graph';
import { type LossResult, softmaxCrossEntropy } from './loss';
import { lower, type Program } from './lower';
import type { Backward, BackwardCall, Call, Operation, Parameter } from './program';
import type { ParameterGradient } from './updates';

/** A net as fused operations, with the values that are freed after each. */
interface Schedule extends Program {
  /** Values that nothing reads after the i-th operation's forward (or backward) part. */
  readonly freedAfterForward: readonly (readonly number[])[];
  readonly freedAfterBackward: readonly (readonly number[])[];
  /** Whether the i-th operation, or one before it, has parameters to learn. */
  readonly learns: readonly boolean[];
}

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
    this.training = schedule(program, { backward: true });
    this.inference = schedule(program, { backward: false });
  }

  /** `[batch, height, width, channels]` → logits `[batch, numClasses]`, in inference mode. The caller disposes them. */
  logits(features: tf.Tensor): tf.Tensor2D {
    const run = new Run(this.inference, features, { training: false, seed: 0 });
    run.forward();
    return run.take(this.inference.logits.id) as tf.Tensor2D;
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
   */
  step(features: tf.Tensor, labels: tf.Tensor, { seed = 0 }: { seed?: number } = {}): StepResult {
    const run = new Run(this.training, features, { training: true, seed });
    run.forward();
    const logits = run.take(this.training.logits.id) as tf.Tensor2D;
    const { loss, correct, dLogits } = softmaxCrossEntropy(logits, labels);
    logits.dispose();
    return { loss, correct, gradients: run.backward(dLogits) };
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

function schedule(program: Program, { backward }: { backward: boolean }): Schedule {
  const { operations, input, logits } = program;
  const learning = new Set<number>(); // values whose gradient is wanted
  const learns = operations.map((op) => {
    const wanted = op.params.some((param) => param.trainable) || op.inputs.some((value) => learning.has(value.id));
    if (wanted) learning.add(op.output.id);
    return wanted;
  });
  // The last moment a value is read: forward parts are 0 … n−1, backward parts count down behind them.
  const last = new Map<number, number>(operations.map((op, i) => [op.output.id, i]));
  const read = (id: number, moment: number) => last.set(id, Math.max(last.get(id) ?? 0, moment));
  operations.forEach((op, i) => {
    for (const value of op.inputs) read(value.id, i);
    if (!backward || !learns[i]) return;
    const reads = op.kind.reads(op.attrs);
    const moment = 2 * operations.length - 1 - i;
    if (reads.output) read(op.output.id, moment);
    if (reads.inputs) for (const value of op.inputs) read(value.id, moment);
  });
  last.delete(input.id); // the caller's
  const freedAt = (moment: number) => [...last].filter(([id, at]) => at === moment && id !== logits.id).map(([id]) => id); // biome-ignore format: one chain
  return {
    ...program,
    learns,
    freedAfterForward: operations.map((_, i) => freedAt(i)),
    freedAfterBackward: operations.map((_, i) => freedAt(2 * operations.length - 1 - i)),
  };
}

/** One pass of one batch through a schedule: the tensors that are alive. */
class Run {
  private readonly values = new Map<number, tf.Tensor>();
  private readonly saved: (readonly tf.Tensor[])[] = [];

  constructor(
    private readonly schedule: Schedule,
    private readonly features: tf.Tensor,
    private readonly mode: { training: boolean; seed: number },
  ) {}

  forward(): void {
    const { operations, freedAfterForward, learns } = this.schedule;
    operations.forEach((operation, i) => {
      const { output, saved = [] } = tf.tidy(() => {
        const result = operation.kind.forward({ ...this.call(operation, i), training: this.mode.training });
        return { output: result.output, saved: [...(result.saved ?? [])] };
      });
      this.values.set(operation.output.id, output);
      if (learns[i]) this.saved[i] = saved;
      else tf.dispose(saved);
      this.free(freedAfterForward[i]);
    });
  }

  backward(dLogits: tf.Tensor): ParameterGradient[] {
    const { operations, freedAfterBackward, learns, logits } = this.schedule;
    const gradients = new Map<number, tf.Tensor>([[logits.id, dLogits]]); // by value
    const found = new Map<number, ParameterGradient>(); // by variable
    const wanted = new Set(operations.flatMap((op, i) => (learns[i] ? [op.output.id] : [])));
    for (let i = operations.length - 1; i >= 0; i--) {
      const operation = operations[i] as Operation;
      const dy = gradients.get(operation.output.id);
      if (learns[i] && dy) {
        const wants = operation.inputs.map((value) => wanted.has(value.id));
        const output = this.values.get(operation.output.id) as tf.Tensor;
        const call = { ...this.call(operation, i), dy, output, saved: this.saved[i] ?? [], wanted: wants };
        const result = tidyBackward(operation, call);
        result.inputs.forEach((dx, j) => {
          if (dx) accumulate(gradients, (operation.inputs[j] as { id: number }).id, dx);
        });
        const learned = operation.params.filter((param) => param.trainable);
        learned.forEach((parameter, j) => {
          collect(found, parameter, result.params[j] as tf.Tensor);
        });
      }
      tf.dispose([dy ?? [], this.saved[i] ?? []].flat() as tf.Tensor[]);
      this.free(freedAfterBackward[i]);
    }
    return [...found.values()];
  }

  /** Hands a value over to the caller. */
  take(id: number): tf.Tensor {
    const tensor = this.values.get(id) as tf.Tensor;
    this.values.delete(id);
    return tensor;
  }

  private call({ attrs, inputs, params, ...rest }: Operation, place: number): Omit<Call<unknown>, 'training'> {
    const { input } = this.schedule;
    return {
      attrs,
      inputs: inputs.map(({ id }) => (id === input.id ? this.features : (this.values.get(id) as tf.Tensor))),
      params: params.map((param) => param.variable),
      operation: { attrs, inputs, params, ...rest },
      seed: this.mode.seed * 1009 + place,
    };
  }

  private free(ids: readonly number[] = []): void {
    for (const id of ids) {
      this.values.get(id)?.dispose();
      this.values.delete(id);
    }
  }
}

/** The backward part under `tf.tidy`, which knows no nulls: what is not wanted is disposed with the rest. */
function tidyBackward(operation: Operation, call: BackwardCall<unknown>): Backward {
  let result: Backward = { inputs: [], params: [] };
  tf.tidy(() => {
    const { inputs, params } = operation.kind.backward(call);
    result = { inputs: inputs.map((dx, j) => (call.wanted[j] ? dx : null)), params };
    return [...result.inputs, ...params].filter((tensor) => tensor !== null);
  });
  return result;
}

function accumulate(gradients: Map<number, tf.Tensor>, id: number, dx: tf.Tensor): void {
  const before = gradients.get(id);
  gradients.set(id, before ? tf.add(before, dx) : dx);
  if (before) tf.dispose([before, dx]);
}

/** A weight that is used twice gets the sum of both gradients. */
function collect(found: Map<number, ParameterGradient>, parameter: Parameter, gradient: tf.Tensor): void {
  const before = found.get(parameter.variable.id)?.gradient;
  found.set(parameter.variable.id, { parameter, gradient: before ? tf.add(before, gradient) : gradient });
  if (before) tf.dispose([before, gradient]);
}
