/** Test-time augmentation against values computed by hand. */
import { testTimeAugmentation } from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { beforeAll, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

/** Two pixels; the logits are the first, and twice the second. */
function netOf(activation?: 'softmax' | 'sigmoid') {
  const net = tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: [1, 2, 1] }),
      tfl.layers.dense({ units: 2, useBias: false, ...(activation && { activation }) }),
    ],
  });
  net.setWeights([tf.tensor2d([1, 0, 0, 2], [2, 2])]);
  return net;
}

const softmax = (values: readonly number[]) => {
  const powers = values.map(Math.exp);
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
};
const sigmoid = (values: readonly number[]) => values.map((value) => 1 / (1 + Math.exp(-value)));
const meanOf = (rows: readonly (readonly number[])[]) =>
  (rows[0] ?? []).map((_, i) => rows.reduce((sum, row) => sum + (row[i] ?? 0), 0) / rows.length);

function expectClose(got: tf.Tensor, expected: readonly number[]) {
  const values = [...got.dataSync()];
  expect(values).toHaveLength(expected.length);
  values.forEach((value, i) => {
    expect(value).toBeCloseTo(expected[i] as number, 5);
  });
}

// The pixels 1 and 3 give the logits [1, 6]; mirrored, [3, 2].
const LOGITS = [
  [1, 6],
  [3, 2],
] as const;
it.each([
  ['logits, as probabilities', undefined, {}, meanOf(LOGITS.map(softmax))],
  ['logits', undefined, { average: 'outputs' }, [2, 4]],
  ['a final softmax', 'softmax', {}, meanOf(LOGITS.map(softmax))],
  ['a final sigmoid', 'sigmoid', {}, meanOf(LOGITS.map(sigmoid))],
  ['outputs of a softmax', 'softmax', { average: 'outputs' }, meanOf(LOGITS.map(softmax))],
] as const)(
  'averages an image and its mirror image: %s',
  async (_, activation, options, expected) => {
    const image = tf.tensor4d([1, 3], [1, 1, 2, 1]);
    expectClose(await testTimeAugmentation(netOf(activation), image, options), expected);
  },
);

it('averages five crops, without and with their mirror images', async () => {
  // Rows of 1 … 4, 5 … 8, 9 … 12. The corners of height 1 and width 2, and [6, 7] in the middle.
  const image = tf.reshape(tf.range(1, 13), [1, 3, 4, 1]);
  const crops = [
    [1, 2],
    [3, 4],
    [9, 10],
    [11, 12],
    [6, 7],
  ] as const;
  const logits = crops.map(([left, right]) => [left, 2 * right]);
  const mirrored = crops.map(([left, right]) => [right, 2 * left]);
  const options = { cropSize: [1, 2], average: 'outputs' } as const;
  const five = await testTimeAugmentation(netOf(), image, { ...options, horizontalFlip: false });
  expectClose(five, meanOf(logits));
  const ten = await testTimeAugmentation(netOf(), image, options);
  expectClose(ten, meanOf([...logits, ...mirrored]));
});

it('keeps images apart, and leaves no tensor behind', async () => {
  const net = netOf();
  const images = tf.tensor4d([1, 3, 3, 1], [2, 1, 2, 1]);
  const means = await testTimeAugmentation(net, images);
  const expected = meanOf(LOGITS.map(softmax));
  expectClose(means, [...expected, ...expected]);
  await expectNoLeak(async () => {
    (await testTimeAugmentation(net, images)).dispose();
    await testTimeAugmentation(net, images, { cropSize: 1 }).catch(() => {});
  });
});

it('refuses one output without a sigmoid, of which softmax would make ones', async () => {
  const flatten = tfl.layers.flatten({ inputShape: [1, 2, 1] });
  const net = tfl.sequential({ layers: [flatten, tfl.layers.dense({ units: 1 })] });
  const image = tf.tensor4d([1, 3], [1, 1, 2, 1]);
  await expect(testTimeAugmentation(net, image)).rejects.toThrow('logits of two or more classes');
  const mean = await testTimeAugmentation(net, image, { average: 'outputs' });
  expect(mean.shape).toEqual([1, 1]);
  tf.dispose([mean, image]);
  net.dispose();
});

it.each([
  ['a single view', { horizontalFlip: false }, 'expected flips or a "cropSize", got neither'],
  ['a crop beyond the image', { cropSize: 3 }, 'images of at least 3 × 3, got 1 × 2'],
  ['crops that do not fit the model', { cropSize: 1 }, 'the model takes images of [1, 2, 1]'],
  ['an unknown option', { flip: true }, 'there is no option "flip"'],
  ['an unknown mean', { average: 'logits' }, `must be one of 'probabilities', 'outputs'`],
])('refuses %s', async (_, options, message) => {
  const image = tf.tensor4d([1, 3], [1, 1, 2, 1]);
  const result = testTimeAugmentation(netOf(), image, options as object);
  await expect(result).rejects.toThrow(message);
});
