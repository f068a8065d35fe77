/** Sequences that a model continues, one token a step. */
import * as tf from '@tensorflow/tfjs-core';
import type { GenerationState } from '../models/autoregressive';
import { checkLogits } from './sampling';

/** What predicts the next token: a language model, or a decoder after its source. */
export interface Stepper {
  readonly vocabSize: number;
  /** The most tokens that a prediction looks back on. */
  readonly contextLength: number;
  next(ids: tf.Tensor2D, state?: GenerationState): [logits: tf.Tensor2D, state: GenerationState];
  selectRows(state: GenerationState, rows: tf.Tensor1D): GenerationState;
}

export interface SessionOptions {
  /** The sequences at first, all of one length. */
  readonly rows: readonly (readonly number[])[];
  /** Before the first token; the session disposes it. @default none */
  readonly state?: GenerationState | undefined;
  /** Whether the state passes from step to step, else each step computes all tokens again. */
  readonly cache: boolean;
}

/** The sequences, and the state of what the model has read of them. */
export class Session {
  readonly #stepper: Stepper;
  readonly #cache: boolean;
  #rows: number[][];
  #state: GenerationState | undefined;
  /** Number of tokens that the state contains. */
  #read = 0;

  constructor(stepper: Stepper, { rows, state, cache }: SessionOptions) {
    this.#stepper = stepper;
    this.#rows = rows.map((row) => [...row]);
    this.#state = state;
    this.#cache = cache;
  }

  get rows(): readonly (readonly number[])[] {
    return this.#rows;
  }

  /** Logits of the token that follows each row. */
  async logits(where: string): Promise<Float32Array[]> {
    const { contextLength, vocabSize } = this.#stepper;
    const length = this.#rows[0]?.length ?? 0;
    // A state has absolute positions, so what lies beyond the context is read again without it.
    if (length > contextLength) this.#forget();
    const first = length > contextLength ? length - contextLength : this.#read;
    const [logits, state] = tf.tidy(() => {
      const ids = tf.tensor2d(
        this.#rows.map((row) => row.slice(first)),
        undefined,
        'int32',
      );
      return this.#stepper.next(ids, this.#state) as [tf.Tensor2D, never];
    }) as [tf.Tensor2D, GenerationState];
    if (this.#cache && length <= contextLength) {
      this.#keep(state);
      this.#read = length;
    } else tf.dispose(state as tf.TensorContainer);
    const values = (await logits.data()) as Float32Array;
    logits.dispose();
    checkLogits(where, values);
    return this.#rows.map((_, i) => values.slice(i * vocabSize, (i + 1) * vocabSize));
  }

  /**
   * Adds a token to each row.
   * @param parents the present rows that the new ones continue @default each its own
   */
  append(tokens: readonly number[], parents?: readonly number[]): void {
    const from = parents ?? tokens.map((_, i) => i);
    const isSame = from.length === this.#rows.length && from.every((row, i) => row === i);
    this.#rows = tokens.map((token, i) => [...(this.#rows[from[i] as number] ?? []), token]);
    const state = this.#state;
    if (isSame || state === undefined) return;
    const selected = tf.tidy(() => {
      const rows = tf.tensor1d([...from], 'int32');
      return this.#stepper.selectRows(state, rows) as never;
    }) as GenerationState;
    this.#keep(selected);
  }

  dispose(): void {
    this.#keep(undefined);
  }

  #forget(): void {
    this.#keep(undefined);
    this.#read = 0;
  }

  #keep(state: GenerationState | undefined): void {
    if (this.#state !== undefined) tf.dispose(this.#state as tf.TensorContainer);
    this.#state = state;
  }
}
