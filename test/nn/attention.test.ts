/** Masks by valid lengths, attention weights on request, and keys that are computed once. */
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { backends, use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const { functional } = nn;
const int = (values: number[] | number[][]) => tf.tensor(values as number[], undefined, 'int32');
const numbers = (shape: number[], seed = 1) => tf.randomNormal(shape, 0, 1, 'float32', seed);

function expectNear(actual: tf.Tensor, expected: tf.Tensor, tolerance = 1e-5): void {
  expect(actual.shape).toEqual(expected.shape);
  const [a, b] = [actual.dataSync(), expected.dataSync()];
  for (const [i, value] of b.entries())
    expect(Math.abs((a[i] as number) - value)).toBeLessThan(tolerance);
}

const present = backends.filter(({ name }) => name === 'cpu-js' || name === 'simd');

describe.each(present)('$title', ({ name, absent }) => {
  beforeAll(async () => {
    if (!absent) await use(name);
  });
  const test = it.skipIf(absent);

  test('sequenceMask replaces what is behind the ends and leaves its input', () => {
    tf.tidy(() => {
      const x = tf.tensor2d([
        [1, 2, 3],
        [4, 5, 6],
      ]);
      expect(functional.sequenceMask(x, int([1, 2])).arraySync()).toEqual([
        [1, 0, 0],
        [4, 5, 0],
      ]);
      expect(functional.sequenceMask(x, int([3, 1]), { value: -1 }).arraySync()).toEqual([
        [1, 2, 3],
        [4, -1, -1],
      ]);
      expect(x.arraySync()[0]).toEqual([1, 2, 3]);
      const cube = tf.ones([2, 2, 2]);
      expect(tf.sum(functional.sequenceMask(cube, int([1, 2]))).arraySync()).toBe(6);
    });
  });

  test('maskedSoftmax gives masked keys the probability 0', () => {
    tf.tidy(() => {
      const scores = numbers([2, 2, 4]);
      const p = functional.maskedSoftmax(scores, int([2, 3])).arraySync() as number[][][];
      expect(p[0]?.[1]?.slice(2)).toEqual([0, 0]);
      expect(p[1]?.[0]?.[3]).toBe(0);
      const first = tf.softmax(tf.slice(scores, [0, 0, 0], [1, 1, 2])).dataSync();
      expect(p[0]?.[0]?.[0]).toBeCloseTo(first[0] as number, 6);
      const ofQueries = functional.maskedSoftmax(
        scores,
        int([
          [1, 3],
          [2, 4],
        ]),
      );
      expect((ofQueries.arraySync() as number[][][])[0]?.[0]).toEqual([1, 0, 0, 0]);
      expectNear(functional.maskedSoftmax(scores), tf.softmax(scores));
    });
  });

  test('lengths that do not fit are refused', () => {
    tf.tidy(() => {
      const x = tf.zeros([2, 3, 4]);
      const mask = (lengths: tf.Tensor) => () => functional.maskedSoftmax(x, lengths);
      expect(mask(int([0, 2]))).toThrow(/validLens from 1 to 4.*got 0/);
      expect(mask(int([5, 2]))).toThrow(/got 5/);
      expect(mask(tf.tensor1d([1, 2]))).toThrow(/int32, got float32/);
      expect(mask(int([1, 2, 3]))).toThrow(/\[2\] or \[2, 3\], got \[3\]/);
      expect(() => functional.sequenceMask(tf.zeros([2, 3]), int([4, 1]))).toThrow(/got 4/);
    });
  });

  test('the dot product is that of one head, with and without weights', () => {
    tf.tidy(() => {
      const [q, k, v] = [numbers([2, 3, 4]), numbers([2, 5, 4], 2), numbers([2, 5, 6], 3)];
      const attention = new nn.DotProductAttention();
      const lengths = int([2, 5]);
      const output = attention.forward(q, k, v, lengths);
      const { result, weights } = functional.attentionWeights(() =>
        attention.forward(q, k, v, lengths),
      );
      expectNear(result, output);
      expect(weights.map(({ shape }) => shape)).toEqual([[2, 1, 3, 5]]);
      expectNear(tf.sum(weights[0] as tf.Tensor, -1), tf.ones([2, 1, 3]));
      expectNear(tf.matMul(tf.squeeze(weights[0] as tf.Tensor, [1]), v), output);
      tf.dispose(weights);
    });
  });

  test('validLens of MultiheadAttention are those of keyPaddingMask', () => {
    tf.tidy(() => {
      const attention = new nn.MultiheadAttention(4, 2, { batchFirst: true, bias: false }).eval();
      const x = numbers([2, 3, 4]);
      const padding = tf.tensor2d([0, 1, 1, 0, 0, 0], [2, 3], 'bool');
      const [expected] = attention.forward(x, x, x, { keyPaddingMask: padding });
      const [output] = attention.forward(x, x, x, { validLens: int([1, 3]) });
      expectNear(output, expected);
      const causal = int([
        [1, 2, 3],
        [1, 2, 3],
      ]);
      const [one] = attention.forward(x, x, x, { validLens: causal });
      const [two] = attention.forward(x, x, x, { isCausal: true });
      expectNear(one, two);
      attention.dispose();
    });
  });

  test('attention weights are recorded in every kind of attention, and only when asked for', () => {
    tf.tidy(() => {
      const x = numbers([2, 3, 4]);
      const layer = new nn.TransformerEncoderLayer(4, 2, { batchFirst: true, dropout: 0 });
      const additive = new nn.AdditiveAttention(4);
      const packed = numbers([2, 3, 12], 4) as tf.Tensor3D;
      const run = () => [
        layer.forward(x),
        additive.forward(x, x, x, int([1, 2])),
        functional.packedAttention(packed, { heads: 2, causal: true }),
      ];
      const plain = run();
      const { result, weights } = functional.attentionWeights(run);
      result.forEach((y, i) => {
        expectNear(y, plain[i] as tf.Tensor, 1e-4);
      });
      expect(weights.map(({ shape }) => shape)).toEqual([
        [2, 2, 3, 3],
        [2, 1, 3, 3],
        [2, 2, 3, 3],
      ]);
      expect((weights[2] as tf.Tensor4D).arraySync()[0]?.[0]?.[0]).toEqual([1, 0, 0]);
      tf.dispose(weights);
      layer.dispose();
      additive.dispose();
    });
  });

  test('keys that are kept give the same as all at once', () => {
    tf.tidy(() => {
      const attention = new nn.MultiheadAttention(4, 2, { batchFirst: true }).eval();
      const x = numbers([2, 3, 4]);
      const [whole] = attention.forward(x, x, x, { isCausal: true });
      let past: nn.KeysAndValues | undefined;
      const steps = tf.split(x, 3, 1).map((step) => {
        past = nn.concatKeys(past, attention.keysAndValues(step));
        return attention.attend(step, past)[0];
      });
      expectNear(tf.concat(steps, 1), whole);
      attention.dispose();
    });
  });

  test('positions: sines, cosines, and an offset', () => {
    tf.tidy(() => {
      const encoding = new nn.PositionalEncoding(4, { maxLen: 8 });
      const table = encoding.forward(tf.zeros([1, 8, 4]));
      const values = table.arraySync() as number[][][];
      expect(values[0]?.[3]?.[2]).toBeCloseTo(Math.sin(3 / 100), 6);
      expect(values[0]?.[3]?.[1]).toBeCloseTo(Math.cos(3), 6);
      expectNear(
        encoding.forward(tf.zeros([1, 2, 4]), 5),
        tf.slice(table, [0, 5, 0], [1, 2, 4]),
        1e-7,
      );
      expect(() => encoding.forward(tf.zeros([1, 4, 4]), 5)).toThrow(/at most 8 positions/);
    });
  });

  test('nothing is left behind', async () => {
    const additive = new nn.AdditiveAttention(4, { keySize: 3, dropout: 0.5 });
    const x = numbers([2, 3, 4]);
    const keys = numbers([2, 3, 3]);
    const lengths = int([1, 2]);
    await expectNoLeak(() => {
      tf.dispose(additive.forward(x, keys, x, lengths));
      const { result, weights } = functional.attentionWeights(() =>
        additive.forward(x, keys, x, lengths),
      );
      tf.dispose([result, weights]);
      expect(() =>
        functional.attentionWeights(() => {
          additive.forward(x, keys, x, lengths).dispose();
          throw new Error('later');
        }),
      ).toThrow('later');
    });
    tf.dispose([x, keys, lengths]);
    additive.dispose();
  });
});
