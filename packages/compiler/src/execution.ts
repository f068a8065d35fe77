import * as tf from '@tensorflow/tfjs-core';
import type { Liveness } from './liveness';
import type { NonFiniteDetector } from './non-finite';
import type {
  Backward,
  BackwardCall,
  Call,
  Operation,
  Parameter,
  ParameterGradient,
} from './program';

/** How a pass computes. */
export interface Mode {
  readonly training: boolean;
  readonly seed: number;
  /** Looks at each output and gradient when it is made. */
  readonly finder?: NonFiniteDetector;
}

/** One pass of one batch through a schedule: the tensors that are alive. */
export class Execution {
  private readonly values = new Map<number, tf.Tensor>();
  private readonly saved: (readonly tf.Tensor[])[] = [];
  private readonly gradients = new Map<number, tf.Tensor>(); // by value
  private readonly found = new Map<number, ParameterGradient>(); // by variable

  constructor(
    private readonly schedule: Liveness,
    private readonly features: tf.Tensor,
    private readonly mode: Mode,
  ) {}

  /** @returns the logits, which are the caller's then */
  forward(): tf.Tensor2D {
    const { operations, freedAfterForward, learns } = this.schedule;
    operations.forEach((operation, i) => {
      const { output, saved = [] } = tf.tidy(() => {
        const result = operation.kind.forward({
          ...this.call(operation, i),
          training: this.mode.training,
        });
        return { output: result.output, saved: [...(result.saved ?? [])] };
      });
      this.values.set(operation.output.id, output);
      this.mode.finder?.check('output', operation.layers, [output]);
      if (learns[i] && this.mode.training) this.saved[i] = saved;
      else tf.dispose(saved);
      this.free(freedAfterForward[i]);
    });
    const { id } = this.schedule.logits;
    const logits = tf.clone(this.values.get(id) as tf.Tensor2D);
    if (!this.mode.training) this.free([id]); // else the last operation may read them again
    return logits;
  }

  backward(dLogits: tf.Tensor): ParameterGradient[] {
    const { operations, freedAfterBackward, learns, logits } = this.schedule;
    const { gradients, found } = this;
    gradients.set(logits.id, dLogits);
    const wanted = new Set(operations.flatMap((op, i) => (learns[i] ? [op.output.id] : [])));
    for (let i = operations.length - 1; i >= 0; i--) {
      const operation = operations[i] as Operation;
      const dy = gradients.get(operation.output.id);
      if (learns[i] && dy) {
        const wants = operation.inputs.map((value) => wanted.has(value.id));
        const output = this.values.get(operation.output.id) as tf.Tensor;
        const call = {
          ...this.call(operation, i),
          dy,
          output,
          saved: this.saved[i] ?? [],
          wanted: wants,
        };
        const result = tidyBackward(operation, call);
        this.mode.finder?.check('gradient', operation.layers, [...result.inputs, ...result.params]);
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
    this.free([logits.id]);
    return [...found.values()];
  }

  /** Frees everything, when the pass has ended early. */
  dispose(): void {
    const found = [...this.found.values()].map(({ gradient }) => gradient);
    const tensors = [
      ...this.values.values(),
      ...this.gradients.values(),
      ...this.saved.flat(),
      ...found,
    ];
    for (const tensor of tensors) if (!tensor?.isDisposed) tensor?.dispose();
  }

  private call(
    { attrs, inputs, params, ...rest }: Operation,
    place: number,
  ): Omit<Call<unknown>, 'training'> {
    const { input, operations } = this.schedule;
    return {
      attrs,
      inputs: inputs.map(({ id }) =>
        id === input.id ? this.features : (this.values.get(id) as tf.Tensor),
      ),
      params: params.map((param) => param.variable),
      operation: { attrs, inputs, params, ...rest },
      seed: this.mode.seed * Math.max(1009, operations.length) + place, // no two of a run alike
    };
  }

  private free(ids: readonly number[] = []): void {
    for (const id of ids) {
      this.values.get(id)?.dispose();
      this.values.delete(id);
    }
  }
}

/**
 * The backward part under `tf.tidy`, which knows no nulls: what is not wanted is disposed with the
 * rest.
 */
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
function collect(
  found: Map<number, ParameterGradient>,
  parameter: Parameter,
  gradient: tf.Tensor,
): void {
  const before = found.get(parameter.variable.id)?.gradient;
  found.set(parameter.variable.id, {
    parameter,
    gradient: before ? tf.add(before, gradient) : gradient,
  });
  if (before) tf.dispose([before, gradient]);
}
