// Own process: no backend may have been chosen before.
import { activate, cpu, currentDevice, device, tryAllGpus, tryGpu } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { backends } from '../helpers/backends';

afterEach(() => vi.unstubAllEnvs());

const onGpu = (await tryGpu()).name.startsWith('cuda:');

describe('tryGpu', () => {
  it.skipIf(onGpu)(
    'takes the best CPU backend where there is no GPU, and says what kept the GPU',
    async () => {
      const found = await tryGpu();
      expect(found.name).toBe('cpu');
      expect(found.why).toMatch(/^no GPU: /);
      expect(found.hardware).toMatch(
        /\d+ of \d+ cores?, (native|WebAssembly,( relaxed)? SIMD \(.+\))/,
      );
      expect(found.backend).toBe('simd');
      expect(currentDevice().backend).toBe(found.backend);
      expect(await tryAllGpus()).toEqual([found]);
    },
  );

  it('takes what DEEPEND_DEVICE names', async () => {
    vi.stubEnv('DEEPEND_DEVICE', 'cpu-js');
    for (const found of [await tryGpu(), await cpu()])
      expect(found).toMatchObject({ backend: 'cpu-js', why: 'DEEPEND_DEVICE asks for it' });
    expect(tf.getBackend()).toBe('cpu');
    vi.stubEnv('DEEPEND_DEVICE', 'wasn');
    await expect(tryGpu()).rejects.toThrow(/got 'wasn'; did you mean 'wasm'\?/);
  });

  it.each([-1, 0.5, '0'])('refuses %s as a GPU', async (index) => {
    await expect(tryGpu(index as number)).rejects.toThrow(
      /tryGpu: expected the index of a GPU, 0 or above, got/,
    );
  });
});

describe('device', () => {
  it.each(backends.filter(({ absent }) => !absent))('computes on $name', async ({ name }) => {
    const found = await device(name);
    expect(found).toMatchObject({ backend: name, why: 'it was asked for' });
    expect(await tf.matMul(tf.ones([2, 3]), tf.ones([3, 2])).data()).toEqual(
      Float32Array.of(3, 3, 3, 3),
    );
    expect(currentDevice()).toMatchObject({ name: found.name, backend: name });
  });

  it.skipIf(onGpu)('never takes another when a GPU was asked for', async () => {
    await expect(device('cuda:0')).rejects.toThrow(/\[device\] cuda:0: cannot compute here: /);
  });

  it('refuses a name that it does not know', async () => {
    await expect(device('gpu' as never)).rejects.toThrow(
      /expected one of 'cuda:0', 'webgpu:0', 'cpu', .*got 'gpu'/,
    );
    await expect(device(undefined as never)).rejects.toThrow(/got undefined/);
    await expect(activate({ backend: 'webgl' as never })).rejects.toThrow(/got 'webgl'/);
  });

  it('becomes current again', async () => {
    const wasm = await device('wasm');
    await device('cpu-js');
    await activate(wasm);
    expect(tf.getBackend()).toBe('wasm');
  });

  it('starts what was asked for at the same time one after the other; the last stays', async () => {
    await device('cpu-js');
    const found = await Promise.all([device('wasm'), device('cpu-js'), device('wasm')]);
    expect(found.map(({ backend }) => backend)).toEqual(['wasm', 'cpu-js', 'wasm']);
    expect(tf.getBackend()).toBe('wasm');
  });

  it('keeps the advertisement of stock cpu to itself', async () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    await device('cpu-js');
    tf.ones([2]).dispose();
    expect(warn).not.toHaveBeenCalled();
  });
});
