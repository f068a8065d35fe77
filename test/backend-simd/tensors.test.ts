/**
 * Tensors that move between backends, and what a person gets out of them: copies that stay valid.
 */
import '@deepend/backend-simd';
import '@tensorflow/tfjs-backend-cpu';
import { OutOfMemoryError } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import * as layers from '@tensorflow/tfjs-layers';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import { runtime } from '../../packages/backend-simd/src/runtime';
import { expectNoLeak } from '../helpers/leaks';

beforeEach(() => tf.setBackend('simd'));

/** A tensor of simd whose numbers lie in the module's memory. */
const inMemory = () =>
  tf.matMul(tf.tensor2d([1, 2, 3, 4], [2, 2]), tf.tensor2d([1, 0, 0, 1], [2, 2])) as tf.Tensor2D;
const blocks = () => runtime().heap.bytes;

describe('a tensor between backends', () => {
  const MAKERS: Record<string, () => tf.Tensor> = {
    float32: inMemory,
    int32: () => tf.tensor1d([1, -2, 3], 'int32'),
    bool: () => tf.tensor1d([true, false, true], 'bool'),
    string: () => tf.tensor1d(['a', 'b', 'ü']),
    'nothing in it': () => tf.zeros([0, 3]),
  };
  const WAYS = [
    ['simd', 'cpu'],
    ['cpu', 'simd'],
  ] as const;

  it.each(
    WAYS.flatMap(([from, to]) => Object.keys(MAKERS).map((name) => [name, from, to] as const)),
  )('%s moves from %s to %s and back whole', async (name, from, to) => {
    await expectNoLeak(async () => {
      await tf.setBackend(from);
      const x = tf.tidy(MAKERS[name] as () => tf.Tensor);
      const before = { values: [...x.dataSync()], dtype: x.dtype, shape: x.shape };
      for (const backend of [to, from]) {
        await tf.setBackend(backend);
        const same = tf.tile(
          x,
          x.shape.map(() => 1),
        );
        expect({ values: [...same.dataSync()], dtype: same.dtype, shape: same.shape }).toEqual(
          before,
        );
        expect([...(await x.data())]).toEqual(before.values);
        same.dispose();
      }
      x.dispose();
    });
  });

  it('moves once: every tensor of the same numbers moves with it, and frees what it had', async () => {
    const before = blocks();
    const x = tf.tidy(inMemory);
    const y = tf.reshape(x, [4]);
    expect(blocks()).toBeGreaterThan(before);
    await tf.setBackend('cpu');
    const z = tf.add(x, 1);
    expect(blocks()).toBe(before);
    expect([...y.dataSync()]).toEqual([1, 2, 3, 4]);
    x.dispose();
    expect([...tf.add(y, 1).dataSync()]).toEqual([...z.dataSync()]);
    y.dispose();
    await tf.setBackend('simd');
    expect([...tf.matMul(z as tf.Tensor2D, z as tf.Tensor2D).dataSync()]).toEqual([16, 21, 28, 37]);
    z.dispose();
  });

  it('of different backends meet in a kernel', async () => {
    const x = tf.tidy(inMemory);
    await tf.setBackend('cpu');
    const y = tf.tensor2d([1, 1, 1, 1], [2, 2]);
    for (const backend of ['simd', 'cpu', 'simd']) {
      await tf.setBackend(backend);
      expect([...tf.matMul(x, y).dataSync()]).toEqual([3, 3, 7, 7]);
    }
  });

  it('of complex numbers moves from cpu', async () => {
    await tf.setBackend('cpu');
    const x = tf.complex([1, 2], [3, 4]);
    await tf.setBackend('simd');
    expect([...tf.real(x).dataSync()]).toEqual([1, 2]);
    expect([...tf.imag(x).dataSync()]).toEqual([3, 4]);
    expect([...x.dataSync()]).toEqual([1, 3, 2, 4]);
  });
});

describe("a tensor's numbers", () => {
  it.each(['dataSync', 'data', 'bytes', 'array', 'buffer'] as const)(
    'by %s are a copy that stays valid',
    async (how) => {
      const x = tf.tidy(inMemory);
      const numbers = async () => {
        const got = await x[how]();
        if (how === 'buffer') return (got as tf.TensorBuffer<tf.Rank>).values as Float32Array;
        return got as Float32Array;
      };
      const first = await numbers();
      const before = JSON.stringify([...first]);
      const other = await numbers();
      other.fill(0 as never); // nobody's but the caller's
      expect(JSON.stringify([...(await numbers())])).toBe(before);
      x.dispose();
      const next = Array.from({ length: 20 }, () => tf.tidy(() => tf.mul(inMemory(), -1)));
      expect(JSON.stringify([...first])).toBe(before);
      tf.dispose(next);
    },
  );

  it('that no kernel has asked for yet are copies, too', () => {
    for (const x of [tf.tensor1d([1, 2]), tf.tensor1d([1, 2], 'int32'), tf.tensor1d(['a', 'b'])]) {
      const before = [...x.dataSync()];
      x.dataSync().fill(0 as never);
      expect([...x.dataSync()]).toEqual(before);
    }
  });

  it('come from a view of shared memory', () => {
    const shared = new Float32Array(new SharedArrayBuffer(16)).fill(2);
    const x = tf.tensor2d(shared, [2, 2]);
    shared.fill(0);
    expect([...tf.matMul(x, x).dataSync()]).toEqual([8, 8, 8, 8]);
  });

  it('come from shared memory where the module has no room for them', () => {
    const shared = new Float32Array(new SharedArrayBuffer(16)).fill(2);
    const alloc = vi.spyOn(runtime(), 'alloc').mockImplementationOnce(() => {
      throw new OutOfMemoryError('no room', { asked: 16, inUse: 0, limit: 0 });
    });
    const x = tf.tensor2d(shared, [2, 2]);
    expect(alloc).toHaveBeenCalledTimes(1);
    alloc.mockRestore();
    shared.fill(0);
    expect([...tf.matMul(x, x).dataSync()]).toEqual([8, 8, 8, 8]);
  });

  it('are a plain buffer, as what takes no shared one needs', async () => {
    const x = tf.tidy(inMemory);
    const values = await x.data();
    expect(values.buffer).toBeInstanceOf(ArrayBuffer);
    expect(new Blob([values as Float32Array<ArrayBuffer>]).size).toBe(16);
    const { data, specs } = await tf.io.encodeWeights({ x });
    expect(data).toBeInstanceOf(ArrayBuffer);
    expect([...(tf.io.decodeWeights(data, specs).x as tf.Tensor).dataSync()]).toEqual([1, 2, 3, 4]);
    x.dispose();
  });
});

describe('variables, kept tensors and models', () => {
  it('a variable takes another value and stays its own', async () => {
    await expectNoLeak(() => {
      const variable = tf.tidy(() => tf.variable(inMemory(), true));
      for (let i = 0; i < 5; i++) tf.tidy(() => variable.assign(tf.add(variable, inMemory())));
      expect([...variable.dataSync()]).toEqual([6, 12, 18, 24]);
      variable.dispose();
    });
  });

  it('a kept tensor outlives its tidy', () => {
    const x = tf.tidy(() => tf.keep(inMemory()));
    const other = tf.tidy(() => tf.matMul(inMemory(), inMemory()));
    expect([...x.dataSync()]).toEqual([1, 2, 3, 4]);
    tf.dispose([x, other]);
  });

  it('a model saves and loads', async () => {
    const model = layers.sequential({
      layers: [
        layers.layers.conv2d({ inputShape: [6, 6, 8], filters: 8, kernelSize: 3 }),
        layers.layers.flatten(),
        layers.layers.dense({ units: 3 }),
      ],
    });
    const x = tf.randomUniform([2, 6, 6, 8], 0, 1, 'float32', 1);
    const before = (model.predict(x) as tf.Tensor).dataSync();
    let artifacts: tf.io.ModelArtifacts | undefined;
    await model.save(
      tf.io.withSaveHandler(async (given) => {
        artifacts = given;
        return { modelArtifactsInfo: { dateSaved: new Date(), modelTopologyType: 'JSON' } };
      }),
    );
    const loaded = await layers.loadLayersModel(
      tf.io.fromMemory(artifacts as tf.io.ModelArtifacts),
    );
    expect([...(loaded.predict(x) as tf.Tensor).dataSync()]).toEqual([...before]);
  });
});
