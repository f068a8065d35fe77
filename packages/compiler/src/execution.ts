/** Executes a plan's operations on one batch, and detects numbers that are not finite. */
import { mixSeed } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { Liveness } from './liveness';
import type {
  Backward,
  BackwardCall,
  Call,
  Operation,
  Parameter,
  ParameterGradient,
} from './program';

export interface NonFinite {
  readonly what: 'weight' | 'output' | 'loss' | 'gradient';
  /**
   * The layers of the operation, several when they are fused; the input layer for features; none
   * for
   * the loss.
   */
  readonly layers: readonly string[];
}

/** A finite number times 0 is 0; NaN and infinity give NaN. Reads one scalar back. */
export function areFinite(tensor: tf.Tensor): boolean {
  const sum = tf.tidy(() => tf.sum(tf.mul(tensor, 0)));
  const [value] = sum.dataSync();
  sum.dispose();
  return value === 0;
}

/** Remembers the first tensor that is not finite; later checks do nothing. */
export class NonFiniteDetector {
  first: NonFinite | undefined;

  check(
    what: NonFinite['what'],
    layers: readonly string[],
    tensors: readonly (tf.Tensor | null)[],
  ): void {
    if (this.first || tensors.every((tensor) => !tensor || areFinite(tensor))) return;
    this.first = { what, layers };
  }
}

/** The settings of a pass. */
export interface Mode {
  readonly training: boolean;
  readonly seed: number;
  /** Checks each output and gradient as it is computed. */
  readonly detector?: NonFiniteDetector;
}

/** One pass of one batch: holds the tensors that are alive. */
export class Execution {
  readonly #liveness: Liveness;
  readonly #features: tf.Tensor;
  readonly #mode: Mode;
  readonly #values = new Map<number, tf.Tensor>();
  readonly #saved: (readonly tf.Tensor[])[] = [];
  readonly #gradients = new Map<number, tf.Tensor>(); // by value
  readonly #found = new Map<number, ParameterGradient>(); // by variable

  constructor(liveness: Liveness, features: tf.Tensor, mode: Mode) {
    this.#liveness = liveness;
    this.#features = features;
    this.#mode = mode;
  }

  /** @returns the logits; the caller disposes them */
  forward(): tf.Tensor2D {
    const { operations, freedAfterForward, learns } = this.#liveness;
    operations.forEach((operation, i) => {
      const { output, saved = [] } = tf.tidy(() => {
        const result = operation.kind.forward({
          ...this.#call(operation, i),
          training: this.#mode.training,
        });
        return { output: result.output, saved: [...(result.saved ?? [])] };
      });
      this.#values.set(operation.output.id, output);
      this.#mode.detector?.check('output', operation.layers, [output]);
      if (learns[i] && this.#mode.training) this.#saved[i] = saved;
      else tf.dispose(saved);
      this.#free(freedAfterForward[i]);
    });
    const { id } = this.#liveness.logits;
    const logits = tf.clone(this.#values.get(id) as tf.Tensor2D);
    if (!this.#mode.training) this.#free([id]); // in training the last operation may read them
    return logits;
  }

  /** @param onGradient gets each gradient as soon as it is complete */
  backward(
    dLogits: tf.Tensor,
    onGradient?: (entry: ParameterGradient) => void,
  ): ParameterGradient[] {
    const { operations, freedAfterBackward, learns, learned, logits } = this.#liveness;
    const gradients = this.#gradients;
    const found = this.#found;
    gradients.set(logits.id, dLogits);
    const wanted = new Set(operations.flatMap((op, i) => (learns[i] ? [op.output.id] : [])));
    for (let i = operations.length - 1; i >= 0; i--) {
      const operation = operations[i] as Operation;
      const dy = gradients.get(operation.output.id);
      if (learns[i] && dy) {
        const wants = operation.inputs.map((value) => wanted.has(value.id));
        const output = this.#values.get(operation.output.id) as tf.Tensor;
        const call = {
          ...this.#call(operation, i),
          dy,
          output,
          saved: this.#saved[i] ?? [],
          wanted: wants,
        };
        const result = tidyBackward(operation, call);
        this.#mode.detector?.check('gradient', operation.layers, [
          ...result.inputs,
          ...result.params,
        ]);
        result.inputs.forEach((dx, j) => {
          if (dx) accumulate(gradients, (operation.inputs[j] as { id: number }).id, dx);
        });
        const trained = operation.params.filter((param) => param.trainable);
        trained.forEach((parameter, j) => {
          collect(found, parameter, result.params[j] as tf.Tensor);
        });
      }
      if (onGradient) {
        for (const { variable } of learned[i] as readonly Parameter[]) {
          const entry = found.get(variable.id);
          if (entry) onGradient(entry);
        }
      }
      tf.dispose([dy ?? [], this.#saved[i] ?? []].flat() as tf.Tensor[]);
      this.#free(freedAfterBackward[i]);
    }
    this.#free([logits.id]);
    return [...found.values()];
  }

  /** Frees everything; for a pass that ends early. */
  dispose(): void {
    const found = [...this.#found.values()].map(({ gradient }) => gradient);
    const tensors = [
      ...this.#values.values(),
      ...this.#gradients.values(),
      ...this.#saved.flat(),
      ...found,
    ];
    for (const tensor of tensors) if (!tensor?.isDisposed) tensor?.dispose();
  }

  #call(
    { attrs, inputs, params, ...rest }: Operation,
    index: number,
  ): Omit<Call<unknown>, 'training'> {
    const { input } = this.#liveness;
    return {
      attrs,
      inputs: inputs.map(({ id }) =>
        id === input.id ? this.#features : (this.#values.get(id) as tf.Tensor),
      ),
      params: params.map((param) => param.variable),
      operation: { attrs, inputs, params, ...rest },
      seed: mixSeed(this.#mode.seed, index), // each operation of each step draws its own numbers
    };
  }

  #free(ids: readonly number[] = []): void {
    for (const id of ids) {
      this.#values.get(id)?.dispose();
      this.#values.delete(id);
    }
  }
}

/**
 * Runs the backward pass under `tf.tidy`, which takes no nulls. Unneeded gradients are disposed.
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

/** The gradient of a weight that is used twice is the sum of both. */
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
