/**
 * The weights of every attention that some code computes, to draw them. Nothing is kept unless
 * asked for: weights take memory, and kernels that fuse attention never have them.
 */
import * as tf from '@tensorflow/tfjs-core';

/** What a call of `attentionWeights` gives. */
export interface RecordedAttention<T> {
  /** What the code returned. */
  readonly result: T;
  /**
   * The weights in the order in which they were computed, `[batch, heads, queries, keys]`: before
   * dropout, each row with the sum 1. The caller disposes them.
   */
  readonly weights: tf.Tensor[];
}

/** Shared by all copies of this package in a process, hence on globalThis. */
const KEY = Symbol.for('deepend.attention-weights');
const holder = globalThis as unknown as Record<symbol, tf.Tensor[] | undefined>;

/** Whether weights are asked for, so that no kernel may fuse them away. */
export const isRecordingAttention = (): boolean => holder[KEY] !== undefined;

/** Keeps weights where they are asked for. The tensor stays the caller's. */
export function recordAttention(weights: tf.Tensor): void {
  holder[KEY]?.push(tf.keep(tf.clone(weights)));
}

/**
 * Runs a model and keeps the weights of all attentions in it: those of `nn.AdditiveAttention`,
 * `DotProductAttention`, `MultiheadAttention`, Transformers and `functional`.
 * @param work computes, for example `() => model.forward(x)`. It may not be asynchronous
 * @example
 * const { result, weights } = functional.attentionWeights(() => attention.forward(q, k, v));
 * await showHeatmaps(await weights[0].array(), { xlabel: 'keys', ylabel: 'queries' });
 * tf.dispose([result, weights]);
 */
export function attentionWeights<T>(work: () => T): RecordedAttention<T> {
  const outer = holder[KEY];
  const weights: tf.Tensor[] = [];
  holder[KEY] = weights;
  try {
    return { result: work(), weights };
  } catch (error) {
    tf.dispose(weights);
    throw error;
  } finally {
    holder[KEY] = outer;
  }
}
