/** The masks of multi-head attention, joined to one. */
import * as tf from '@tensorflow/tfjs-core';
import { validKeys } from '../functional/sequence';
import { checkTensor, shown } from './checks';

export interface AttentionMasks {
  /** bool `[batch, keys]`: true for keys that are ignored, such as padding. @default none */
  keyPaddingMask?: tf.Tensor;
  /**
   * `[queries, keys]` or `[batch · heads, queries, keys]`. bool: true for keys that are ignored;
   * float32: added to the scores. @default none
   */
  attnMask?: tf.Tensor;
  /**
   * The book's mask of padding: the number of keys that count, from the first on. int32 `[batch]`,
   * or `[batch, queries]` for each query. @default all keys
   */
  validLens?: tf.Tensor;
  /** Whether a query sees only the keys up to its own place. @default false */
  isCausal?: boolean;
}

/** The sizes of one call. */
export interface Sizes {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
}

/** One mask for the scores, bool (true where a key takes part) or float32 (added). */
export function joinMasks(
  where: string,
  masks: AttentionMasks,
  sizes: Sizes,
): tf.Tensor | undefined {
  const { batch, heads, queries, keys } = sizes;
  const padding = masks.keyPaddingMask;
  const attention = masks.attnMask;
  const parts: tf.Tensor[] = [];
  if (padding !== undefined) {
    checkMask(where, 'keyPaddingMask', padding, [[batch, keys]]);
    parts.push(tf.reshape(padding, [batch, 1, 1, keys]));
  }
  if (attention !== undefined) {
    const whole = [batch * heads, queries, keys];
    checkMask(where, 'attnMask', attention, [[queries, keys], whole]);
    const leading = attention.rank === 2 ? [1, 1] : [batch, heads];
    parts.push(tf.reshape(attention, [...leading, queries, keys]));
  }
  if (masks.validLens !== undefined) {
    checkTensor(where, masks.validLens, 'a tensor as validLens');
    const valid = validKeys('MultiheadAttention', masks.validLens, sizes);
    parts.push(tf.expandDims(tf.logicalNot(valid), 1));
  }
  if (parts.length === 0) return undefined;
  const isBoolean = parts.every(({ dtype }) => dtype === 'bool');
  const join = isBoolean ? tf.logicalAnd : tf.add;
  return parts
    .map((part) => (isBoolean ? tf.logicalNot(part) : toAdded(part)))
    .reduce((one, two) => join(one, two));
}

const HIDDEN = -1e9;

/** What a mask adds to the scores. */
const toAdded = (mask: tf.Tensor) =>
  mask.dtype === 'bool' ? tf.mul(tf.cast(mask, 'float32'), HIDDEN) : mask;

function checkMask(
  where: string,
  name: string,
  mask: tf.Tensor,
  shapes: readonly (readonly number[])[],
): void {
  checkTensor(where, mask, `a tensor as ${name}`);
  if (mask.dtype !== 'bool' && mask.dtype !== 'float32') {
    throw new TypeError(
      `${where}: ${name} must be bool (true: ignored) or float32 (added to the scores), got a ` +
        `${mask.dtype} tensor; tf.cast it to 'bool'`,
    );
  }
  if (shapes.some((shape) => tf.util.arraysEqual([...shape], mask.shape))) return;
  throw new RangeError(
    `${where}: expected ${name} of shape ` +
      `${shapes.map((shape) => `[${shape.join(', ')}]`).join(' or ')}, got ${shown(mask)}`,
  );
}
