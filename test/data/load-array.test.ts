import { type ArrayData, loadArray, syntheticData } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

beforeAll(() => use('cpu-js'));

/** Each batch's shapes, types and numbers; disposes the batches. */
async function epoch(loader: ReturnType<typeof loadArray>) {
  const batches: { features: number[]; labels: number[]; shapes: number[][]; types: string[] }[] =
    [];
  for await (const { features, labels } of loader) {
    batches.push({
      features: [...features.dataSync()],
      labels: [...labels.dataSync()],
      shapes: [features.shape, labels.shape],
      types: [features.dtype, labels.dtype],
    });
    tf.dispose([features, labels]);
  }
  return batches;
}

describe('loadArray', () => {
  const rows = [
    [1, 2],
    [3, 4],
    [5, 6],
  ];
  const forms: [string, () => ArrayData][] = [
    ['nested arrays', () => rows],
    ['a tensor', () => tf.tensor2d(rows)],
    ['values and a shape', () => ({ values: Float32Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] })],
    ['bytes and a shape', () => ({ values: Uint8Array.of(1, 2, 3, 4, 5, 6), shape: [3, 2] })],
  ];
  it.each(forms)('takes features as %s, and leaves them to the caller', async (_, make) => {
    const features = make();
    const loader = loadArray([features, [0.5, 1.5, 2.5]], 2, { shuffle: false });
    expect(loader).toMatchObject({ numSamples: 3, numBatches: 2, batchSize: 2 });
    expect([loader.inputShape, loader.numClasses]).toEqual([undefined, undefined]);
    const batches = await epoch(loader);
    expect(batches.map(({ features: values }) => values)).toEqual([
      [1, 2, 3, 4],
      [5, 6],
    ]);
    expect(batches.map(({ labels }) => labels)).toEqual([[0.5, 1.5], [2.5]]);
    expect(batches[0]).toMatchObject({ shapes: [[2, 2], [2]], types: ['float32', 'float32'] });
    if (features instanceof tf.Tensor) features.dispose(); // throws when it was disposed already
  });

  it('knows class indices by their type', async () => {
    const features = { values: new Float32Array(12), shape: [3, 2, 2, 1] };
    for (const labels of [
      Int32Array.of(0, 4, 1),
      Uint8Array.of(0, 4, 1),
      tf.tensor1d([0, 4, 1], 'int32'),
    ]) {
      const loader = loadArray([features, labels], 3);
      expect([loader.inputShape, loader.numClasses]).toEqual([[2, 2, 1], 5]);
      expect((await epoch(loader))[0]).toMatchObject({
        shapes: [[3, 2, 2, 1], [3]],
        types: ['float32', 'int32'],
      });
      tf.dispose(labels);
    }
  });

  it('leaves integers as they are, such as tokens', async () => {
    const ids = [7, 16_777_217, 0, 3, 2, 1]; // the second is no float32
    const tokens = tf.tensor2d(ids, [2, 3], 'int32');
    for (const features of [tokens, { values: Int32Array.from(ids), shape: [2, 3] }]) {
      const [batch] = await epoch(loadArray([features, [[0], [1]]], 2, { shuffle: false }));
      expect(batch).toMatchObject({
        shapes: [
          [2, 3],
          [2, 1],
        ],
        types: ['int32', 'float32'],
      });
      expect(batch?.features).toEqual(ids);
    }
    tokens.dispose();
  });

  it('has a new order each epoch, features and labels together, by its seed', async () => {
    const values = Float32Array.from({ length: 20 }, (_, i) => i);
    const make = (seed: number) => loadArray([values, values], 20, { seed });
    const [a, b] = [make(1), make(1)];
    const orders = [(await epoch(a))[0], (await epoch(a))[0]];
    for (const batch of orders) {
      expect(batch?.features).toEqual(batch?.labels);
      expect([...(batch?.labels ?? [])].sort((x, y) => x - y)).toEqual([...values]);
    }
    expect(orders[0]?.labels).not.toEqual(orders[1]?.labels);
    expect([(await epoch(b))[0], (await epoch(b))[0]]).toEqual(orders);
    expect((await epoch(make(2)))[0]).not.toEqual(orders[0]);
  });

  it('leaves no tensor behind, nor when a loop ends early', async () => {
    const tensor = tf.tensor2d(rows);
    await expectNoLeak(async () => {
      const loader = loadArray([tensor, [1, 2, 3]], 1);
      await epoch(loader);
      for await (const batch of loader) {
        tf.dispose([batch.features, batch.labels]);
        break;
      }
    });
    tensor.dispose();
  });

  const cases: [string, () => unknown, RegExp][] = [
    ['one array', () => loadArray([rows] as never, 1), /loadArray: expected \[features, labels\]/],
    [
      'fewer labels',
      () => loadArray([rows, [1, 2]], 1),
      /expected a label for each of the 3 samples, got 2 labels/,
    ],
    [
      'ragged rows',
      () =>
        loadArray(
          [
            [[1, 2], [3]],
            [1, 2],
          ],
          1,
        ),
      /expected features of the shape \[2, 2\], as in its first row, got a row of 1/,
    ],
    [
      'a row for a number',
      () => loadArray([[1, [2]] as never, [1, 2]], 1),
      /expected features of the shape \[2\], as in its first row, got \[2\]/,
    ],
    ['a string', () => loadArray([['a'] as never, [1]], 1), /got 'a'/],
    [
      'no number',
      () =>
        loadArray(
          [
            [1, Number.NaN],
            [1, 2],
          ],
          1,
        ),
      /features that are finite numbers, got NaN at index 1/,
    ],
    [
      'nothing',
      () => loadArray([[], []], 1),
      /features of at least one sample, got the shape \[0\]/,
    ],
    [
      'a shape that does not fit',
      () => loadArray([{ values: new Float32Array(3), shape: [2, 2] }, [1, 2]], 1),
      /the shape \[2, 2\] and 3 numbers/,
    ],
    [
      'an object',
      () => loadArray([{} as never, [1]], 1),
      /expected features as an array, a typed array, a tensor or/,
    ],
    [
      'a batch of 0',
      () => loadArray([[1], [1]], 0),
      /"batchSize" must be an integer of at least 1, got 0/,
    ],
    [
      'an unknown option',
      () => loadArray([[1], [1]], 1, { isTrain: true } as never),
      /there is no option "isTrain"/,
    ],
  ];
  it.each(cases)('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

describe('syntheticData', () => {
  it('lies on the line, but for its noise, and has normal features', () => {
    const [features, labels] = syntheticData([2, -3.4], 4.2, 5000, { seed: 3 });
    expect([features.shape, labels.shape]).toEqual([
      [5000, 2],
      [5000, 1],
    ]);
    const residuals = Array.from(
      labels.values,
      (y, i) =>
        y - 2 * (features.values[2 * i] ?? 0) + 3.4 * (features.values[2 * i + 1] ?? 0) - 4.2,
    );
    const [mean, deviation] = moments(residuals);
    expect(Math.abs(mean)).toBeLessThan(0.001); // seven times its own deviation
    expect(deviation).toBeCloseTo(0.01, 3);
    const [middle, spread] = moments([...features.values]);
    expect(Math.abs(middle)).toBeLessThan(0.05);
    expect(spread).toBeCloseTo(1, 1);
  });

  it('is exact without noise, the same for the same seed, and finds its way into batches', async () => {
    const [features, labels] = syntheticData([0.5], -1, 8, { noise: 0 });
    labels.values.forEach((y, i) => {
      expect(y).toBeCloseTo(0.5 * (features.values[i] as number) - 1, 6);
    });
    expect(syntheticData([0.5], -1, 8, { noise: 0 })).toEqual([features, labels]);
    expect(syntheticData([0.5], -1, 8, { noise: 0, seed: 1 })).not.toEqual([features, labels]);
    expect((await epoch(loadArray([features, labels], 4)))[0]?.shapes).toEqual([
      [4, 1],
      [4, 1],
    ]);
  });

  it.each([
    ['no weights', () => syntheticData([], 1, 1), /"w" must be a list of at least one number/],
    [
      'no examples',
      () => syntheticData([1], 1, 0),
      /"numExamples" must be an integer of at least 1, got 0/,
    ],
    [
      'noise below 0',
      () => syntheticData([1], 1, 1, { noise: -1 }),
      /"noise" must be a number of at least 0, got -1/,
    ],
    ['no bias', () => syntheticData([1], Number.NaN, 1), /"b" must be a finite number, got NaN/],
  ])('refuses %s', (_, act, message) => {
    expect(act).toThrow(message);
  });
});

function moments(values: number[]): [mean: number, deviation: number] {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return [
    mean,
    Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length),
  ];
}

describe('a loader of arrays that is restored', () => {
  const values = [1, 2, 3, 4, 5, 6, 7];
  const make = (options = {}) => loadArray([values, values], 3, options);
  const features = async (loader: ReturnType<typeof loadArray>) =>
    (await epoch(loader)).map((batch) => batch.features);

  it('gives the same batches as the loop that was interrupted', async () => {
    const whole = make();
    await features(whole);
    const expected = [await features(whole), await features(whole)];
    const first = make();
    await features(first);
    for await (const batch of first) {
      tf.dispose([batch.features, batch.labels]);
      break;
    }
    const resumed = make();
    resumed.restore(JSON.parse(JSON.stringify(first.state())));
    expect([await features(resumed), await features(resumed)]).toEqual([
      expected[0]?.slice(1),
      expected[1],
    ]);
    expect(resumed.state()).toEqual({ epoch: 4, batch: 0 });
  });

  it('has a configuration, and refuses positions that it does not have', () => {
    expect(make({ seed: 3 }).config()).toEqual({ seed: 3, shuffle: true });
    expect(() => make().restore({ epoch: 1, batch: 3 })).toThrow(
      '[data] loadArray: restore: expected { epoch, batch } of integers, epoch from 1, batch from ' +
        '0 to 2, got { epoch: 1, batch: 3 }',
    );
  });
});
