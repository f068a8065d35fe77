/** What models that continue a sequence token by token have in common. */
import type { ModuleState } from '@deepend/compiler';
import { checkValues } from '@deepend/compiler';
import type { Module } from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';

/** A state between two calls of `next`: tensors in records and lists. */
export type GenerationState = ModuleState;

/** A language model as `generate` reads it: it predicts the token that follows. */
export interface Autoregressive extends Module {
  /** Number of tokens in the vocabulary. */
  readonly vocabSize: number;
  /** The most tokens that a prediction can look back on. */
  readonly contextLength: number;
  /**
   * Logits `[batch, vocabSize]` of the token that follows `ids` `[batch, time]`, and the state with
   * which the next call continues. The caller disposes both, and the state that it gave.
   * @param state of the call before @default none, where a sequence begins
   */
  next(ids: tf.Tensor2D, state?: GenerationState): [logits: tf.Tensor2D, state: GenerationState];
  /** Copies of the rows of a state, such as those of the best beams. `rows`: int32 `[count]` */
  selectRows(state: GenerationState, rows: tf.Tensor1D): GenerationState;
}

/** Whether a module can continue a sequence. */
export const isAutoregressive = (model: unknown): model is Autoregressive =>
  typeof (model as Autoregressive | null)?.next === 'function' &&
  typeof (model as Autoregressive).selectRows === 'function';

/** The last time step of `[batch, time, features]`: `[batch, features]`. */
export function lastStep(x: tf.Tensor): tf.Tensor2D {
  const [batch = 0, time = 0, features = 0] = x.shape;
  return tf.reshape(tf.slice(x, [0, time - 1, 0], [batch, 1, features]), [batch, features]);
}

/** The parts of `[batch, time, features]` by time, `[batch, features]` each. */
export function stepsOf(x: tf.Tensor): tf.Tensor[] {
  const [batch = 0, time = 0, features = 0] = x.shape;
  return Array.from({ length: time }, (_, t) =>
    tf.reshape(tf.slice(x, [0, t, 0], [batch, 1, features]), [batch, features]),
  );
}

const shown = (shape: readonly number[]) => `[${shape.join(', ')}]`;

/**
 * Checks ids of tokens: int32 `[batch, time]`.
 * @throws TypeError or RangeError when they are none, or outside the vocabulary
 */
export function checkIds(where: string, ids: tf.Tensor, vocabSize: number): void {
  if (ids.rank !== 2 || ids.shape[1] === 0) {
    throw new RangeError(
      `${where}: expected ids of tokens [batch, time] with at least one time step, got ` +
        shown(ids.shape),
    );
  }
  if (ids.dtype !== 'int32') {
    throw new TypeError(
      `${where}: expected ids of tokens as int32, got ${ids.dtype}; convert them by ` +
        "tf.cast(ids, 'int32')",
    );
  }
  checkValues([ids], ([given]) => {
    const wrong = (given as tf.Tensor).dataSync().find((id) => id < 0 || id >= vocabSize);
    if (wrong === undefined) return;
    throw new RangeError(
      `${where}: expected ids of tokens from 0 to ${vocabSize - 1}, as the model's vocabulary ` +
        `has ${vocabSize} tokens, got ${wrong}; use the vocabulary that the model was built for`,
    );
  });
}
