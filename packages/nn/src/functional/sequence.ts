/** Masks of padded sequences by their valid lengths. */
import { checkValues } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { softmax } from './activations';
import { expectFloat, refuse, shapeText } from './checks';

/** @throws RangeError for lengths that are not int32, or not from 1 to `size` */
function checkLengths(where: string, lengths: tf.Tensor, size: number): void {
  if (lengths.dtype !== 'int32') {
    refuse(
      where,
      `validLens of int32, got ${lengths.dtype}; make them by tf.tensor1d(lengths, 'int32')`,
    );
  }
  checkValues([lengths], ([given]) => {
    const wrong = (given as tf.Tensor).dataSync().find((length) => length < 1 || length > size);
    if (wrong === undefined) return;
    refuse(
      where,
      `validLens from 1 to ${size}, the size of the axis that they mask, got ${wrong}; leave out ` +
        'empty sequences, or pad them with one token that counts',
    );
  });
}

/**
 * Where keys count: bool `[batch, 1, keys]` for lengths `[batch]`, `[batch, queries, keys]` for
 * lengths of each query `[batch, queries]`.
 */
export function validKeys(
  where: string,
  validLens: tf.Tensor,
  { batch, queries, keys }: { batch: number; queries: number; keys: number },
): tf.Tensor3D {
  const ofQueries = validLens.rank === 2;
  const expected = ofQueries ? [batch, queries] : [batch];
  if (validLens.shape.join() !== expected.join()) {
    refuse(
      where,
      `validLens of shape [${batch}] or [${batch}, ${queries}], got ${shapeText(validLens.shape)}`,
    );
  }
  checkLengths(where, validLens, keys);
  return tf.tidy(() => {
    const lengths = tf.reshape(validLens, [batch, ofQueries ? queries : 1, 1]);
    return tf.less(tf.range(0, keys, 1, 'int32'), lengths);
  });
}

export interface SequenceMaskOptions {
  /** What replaces the numbers behind a sequence's end. @default 0 */
  readonly value?: number | undefined;
}

const maskOptions = rule.object({ value: rule.number().optional() });

/**
 * Replaces what lies behind each sequence's end. `x` stays as it is.
 * @param x `[batch, time, ...]`
 * @param validLens lengths of the sequences, int32 `[batch]`, each from 1 to `time`
 * @returns x's shape
 * @throws RangeError when the lengths do not fit
 * @example
 * functional.sequenceMask(tf.tensor2d([[1, 2, 3], [4, 5, 6]]), tf.tensor1d([1, 2], 'int32'));
 * // [[1, 0, 0], [4, 5, 0]]
 */
export function sequenceMask<T extends tf.Tensor>(
  x: T,
  validLens: tf.Tensor,
  options: SequenceMaskOptions = {},
): T {
  const where = 'sequenceMask';
  const { value = 0 } = checkOptions(`[nn] functional.${where}`, maskOptions, options);
  if (x.rank < 2) refuse(where, `x of shape [batch, time, ...], got ${shapeText(x.shape)}`);
  const [batch = 0, time = 0] = x.shape;
  if (validLens.rank !== 1)
    refuse(where, `validLens of shape [${batch}], got ${shapeText(validLens.shape)}`);
  return tf.tidy(() => {
    const valid = validKeys(where, validLens, { batch, queries: 1, keys: time });
    const inside = tf.reshape(valid, [batch, time, ...x.shape.slice(2).map(() => 1)]);
    return tf.where(inside, x, tf.fill(x.shape, value, x.dtype as 'float32')) as T;
  });
}

/**
 * Softmax over keys, of which those behind a sequence's end get the probability 0: the book's
 * `masked_softmax`.
 * @param scores `[batch, queries, keys]` or `[batch, heads, queries, keys]`
 * @param validLens number of keys that count, int32 `[batch]`, or `[batch, queries]` for each
 *   query, from 1 to `keys` @default all keys count
 * @returns the shape of the scores
 * @throws RangeError when the lengths do not fit
 * @example
 * functional.maskedSoftmax(tf.zeros([2, 1, 4]), tf.tensor1d([2, 3], 'int32'));
 * // [[[½, ½, 0, 0]], [[⅓, ⅓, ⅓, 0]]]
 */
export function maskedSoftmax<T extends tf.Tensor>(scores: T, validLens?: tf.Tensor): T {
  const where = 'maskedSoftmax';
  expectFloat(where, 'scores', scores);
  if (scores.rank !== 3 && scores.rank !== 4) {
    refuse(
      where,
      `scores [batch, queries, keys] or [batch, heads, queries, keys], got ` +
        `${shapeText(scores.shape)}`,
    );
  }
  if (!validLens) return softmax(scores) as T;
  const [batch = 0] = scores.shape;
  const [queries = 0, keys = 0] = scores.shape.slice(-2);
  return tf.tidy(() => {
    const valid = validKeys(where, validLens, { batch, queries, keys });
    return softmax(scores, { mask: scores.rank === 4 ? tf.expandDims(valid, 1) : valid }) as T;
  });
}
