/** Embedding: rows of a table by their indices. */
import { checkValues, runFusedKernel } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { expectShape, refuse } from './checks';
import { rowsOf } from './linear';
import { differentiableOne } from './tape';

export interface EmbeddingOptions {
  /** The row that gets no gradient, such as that of the padding token. @default none */
  readonly paddingIdx?: number | undefined;
}

/** Throws for an index outside the table: some backends would read other memory. */
function checkIds(ids: tf.Tensor, count: number): void {
  if (ids.dtype !== 'int32') {
    refuse(
      'embedding',
      `int32 indices, got ${ids.dtype}; convert integers with tf.cast(ids, 'int32')`,
    );
  }
  checkValues([ids], ([given]) => {
    const values = (given as tf.Tensor).dataSync();
    for (let i = 0; i < values.length; i++) {
      const id = values[i] as number;
      if (id >= 0 && id < count) continue;
      refuse('embedding', `indices from 0 to ${count - 1}, as weight has ${count} rows, got ${id}`);
    }
  });
}

/** Adds up the rows of dy `[n, dim]` by their index: `[num, dim]`. */
function sumRows(dy: tf.Tensor2D, ids: tf.Tensor1D, num: number): tf.Tensor {
  const fused = runFusedKernel('deepend.embeddingGradient', { dy, ids }, { num });
  if (fused) return fused[0];
  const dim = dy.shape[1];
  if (dy.size === 0) return tf.zeros([num, dim]);
  return tf.scatterND(tf.reshape(ids, [-1, 1]), dy, [num, dim]); // sums where an index comes twice
}

/**
 * Rows of a table, as in `torch.nn.functional.embedding`. Only the table has a gradient: the sum of
 * the rows' gradients by index, in which rows that were not read are 0.
 * @param ids int32 `[...]`
 * @param weight `[num, dim]`
 * @returns `[..., dim]`
 * @throws RangeError when an index is outside the table or no integer
 */
export function embedding(
  ids: tf.Tensor,
  weight: tf.Tensor2D,
  options: EmbeddingOptions = {},
): tf.Tensor {
  const { paddingIdx } = options;
  expectShape('embedding', 'weight', weight, ['num', 'dim']);
  const [num, dim] = weight.shape;
  if (paddingIdx !== undefined && !(Number.isInteger(paddingIdx) && Math.abs(paddingIdx) < num))
    refuse('embedding', `paddingIdx of a row of ${num}, got ${formatValue(paddingIdx)}`);
  checkIds(ids, num);
  return differentiableOne({
    inputs: { weight },
    forward(save) {
      const flat: tf.Tensor1D = tf.reshape(ids, [-1]);
      save([flat]);
      return [tf.reshape(tf.gather(weight, flat), [...ids.shape, dim])];
    },
    backward: ([dy], [flat]) => ({
      weight: () => {
        const sums = sumRows(rowsOf(dy as tf.Tensor, dim), flat as tf.Tensor1D, num);
        return paddingIdx === undefined ? sums : tf.mul(sums, notRow(paddingIdx, num));
      },
    }),
  });
}

/** `[num, 1]`: 0 for one row and 1 for the others. */
function notRow(row: number, num: number): tf.Tensor {
  const kept = new Float32Array(num).fill(1);
  kept[row < 0 ? row + num : row] = 0;
  return tf.tensor2d(kept, [num, 1]);
}
