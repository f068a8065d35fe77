/** Threads of loops that are neither finished nor left, and of loops that pause. */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { arrayDataset, DataLoader } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';
import { beforeAll, expect, it, vi } from 'vitest';
import { WorkerPool } from '../../packages/data/src/loading/worker-pool';
import { use } from '../helpers/backends';

beforeAll(() => use('cpu-js'));

const images = new Uint8Array(40).fill(1);
const labels = new Int32Array(10);
const isLinux = process.platform === 'linux';
const numThreads = () => readdirSync('/proc/self/task').length;

it.skipIf(!isLinux)(
  'threads end when an unfinished iterator is collected (needs Linux)',
  async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const dataset = arrayDataset({ images, labels, imageShape: [2, 2, 1] });
    const loader = new DataLoader(dataset, { batchSize: 1, workers: 3, prefetch: 2 });
    const before = numThreads();
    const takeOne = async () => {
      const { value } = await loader[Symbol.asyncIterator]().next();
      tf.dispose([value?.features, value?.labels] as tf.Tensor[]);
    };
    await takeOne();
    expect(numThreads()).toBeGreaterThanOrEqual(before + 3);
    await vi.waitFor(
      () => {
        collect();
        expect(numThreads()).toBeLessThanOrEqual(before);
      },
      { timeout: 20_000, interval: 100 },
    );
  },
);

it('threads end when they have nothing to do, and others start for the next batch', async () => {
  const spec = {
    ...{ images, storedShape: [2, 2, 1] as const, outputShape: [2, 2, 1] as const },
    ...{ transforms: [], numClasses: 1, seed: 0, stream: 0, skip: false },
  };
  const pool = new WorkerPool(2, spec, { idleMs: 50 });
  const request = (batch: number) => ({
    batch,
    start: batch,
    samples: Uint32Array.of(batch),
    labels: Int32Array.of(0),
    into: new Float32Array(new SharedArrayBuffer(16)),
  });
  for (const batch of [0, 1]) {
    const asked = request(batch);
    pool.submit(asked);
    expect(pool.size).toBe(2);
    expect((await pool.take(batch)).count).toBe(1);
    expect(asked.into[0]).toBeCloseTo(1 / 255);
    await vi.waitFor(() => expect(pool.size).toBe(0), { timeout: 20_000, interval: 20 });
  }
  await pool.close();
});
