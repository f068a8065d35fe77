/** Arrays of another realm, as tests under Jest have them. */
import { runInNewContext } from 'node:vm';
import { arrayDataset, classCounts, concat, DataLoader, loadArray } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it } from 'vitest';
import { isDate, isError } from '../../packages/core/src/realms';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const foreign = runInNewContext(`({
  bytes: Uint8Array.of(0, 51, 102, 255),
  floats: Float32Array.of(0, 0.25, 0.5, 1),
  labels: Int32Array.of(1, 0),
  date: new Date(0),
  error: new RangeError('x'),
  nested: [[1, 2], [3, 4]],
})`) as {
  bytes: Uint8Array;
  floats: Float32Array;
  labels: Int32Array;
  date: Date;
  error: Error;
  nested: number[][];
};

async function firstBatch(loader: AsyncIterable<{ features: tf.Tensor; labels: tf.Tensor }>) {
  for await (const { features, labels } of loader) {
    const values = { features: [...features.dataSync()], labels: [...labels.dataSync()] };
    const { dtype } = labels;
    tf.dispose([features, labels]);
    return { ...values, dtype };
  }
  throw new Error('no batch');
}

it('are other classes than those of this realm', () => {
  expect(foreign.floats instanceof Float32Array).toBe(false);
  expect([isDate(foreign.date), isError(foreign.error), isError('x')]).toEqual([true, true, false]);
});

it.each(['bytes', 'floats'] as const)('a dataset takes %s', async (kind) => {
  const dataset = arrayDataset({
    images: foreign[kind],
    labels: foreign.labels,
    imageShape: [1, 2, 1],
  });
  expect(classCounts(dataset)).toEqual([1, 1]);
  const loader = new DataLoader(concat(dataset, dataset), { batchSize: 4 });
  const { features, labels, dtype } = await firstBatch(loader);
  const once = kind === 'bytes' ? [0, 0.2, 0.4, 1] : [0, 0.25, 0.5, 1];
  expect(features).toEqual([...once, ...once].map((value) => expect.closeTo(value, 6)));
  expect([labels, dtype]).toEqual([[1, 0, 1, 0], 'int32']);
  const threaded = new DataLoader(dataset, { batchSize: 2, workers: 1 });
  expect((await firstBatch(threaded)).labels).toEqual([1, 0]);
});

it('loadArray keeps class indices int32 and takes nested arrays', async () => {
  const { labels, dtype } = await firstBatch(
    loadArray([foreign.nested, foreign.labels], 2, { shuffle: false }),
  );
  expect([labels, dtype]).toEqual([[1, 0], 'int32']);
});
