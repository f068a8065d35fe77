// Own process: a lost device stays lost.
/**
 * The backend webgpu: what it is, how values are read, what a full memory and a lost device come
 * to,
 * and how its process ends.
 */
import { spawnSync } from 'node:child_process';
import { cpu, currentDevice, device, tryGpu } from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { describeAdapter, noAdapter, probeWebgpu } from '../../packages/device/src/webgpu/probe';
import { allBackends } from '../helpers/all-backends';

const { absent, title } = allBackends.find(
  ({ name }) => name === 'webgpu',
) as (typeof allBackends)[number];
const software = (await probeWebgpu()).adapter?.software;

afterEach(() => vi.restoreAllMocks());

describe('an adapter', () => {
  it.each([
    [
      'nvidia-h100-80gb-hbm3 (NVIDIA: 570.86)',
      false,
      {
        vendor: 'nvidia',
        model: 'nvidia-h100-80gb-hbm3',
        description: 'NVIDIA: 570.86',
        isFallbackAdapter: false,
      },
    ],
    [
      'swiftshader-device-subzero (SwiftShader driver 5.0.0)',
      true,
      {
        vendor: 'google',
        model: 'swiftshader-device-subzero-',
        description: 'SwiftShader driver 5.0.0',
        isFallbackAdapter: false,
      },
    ],
    [
      'llvmpipe-llvm-15-0-6-256-bits',
      true,
      { vendor: 'mesa', model: 'llvmpipe-llvm-15-0-6-256-bits', description: '' },
    ],
    ['amd', true, { vendor: 'amd', isFallbackAdapter: true }],
    ['an adapter without a name', false, {}],
  ])('is called %s; a software one: %s', (name, isSoftware, answer) => {
    expect(describeAdapter(answer)).toEqual({ name, software: isSoftware });
  });

  it.each([
    [
      'Warning: vkCreateInstance: Found no drivers!\nWarning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER',
      "Dawn found no Vulkan driver; install the GPU's",
    ],
    [
      "Warning: Couldn't load Vulkan: libvulkan.so.1: cannot open shared object file",
      'Dawn found no Vulkan loader; install it (Debian: libvulkan1)',
    ],
    [
      'Warning: Vulkan shaderUniform*ArrayDynamicIndexing required.',
      "Dawn found no adapter: Vulkan shaderUniform*ArrayDynamicIndexing required.; check that the GPU's Vulkan driver is installed and new enough",
    ],
    ['', "Dawn found no adapter; check that the GPU's Vulkan driver is installed and new enough"],
  ])('that is not there has a reason: %s', (stderr, reason) => {
    expect(noAdapter(stderr)).toBe(reason);
  });
});

describe.skipIf(absent)(`the device webgpu:0: ${title}`, () => {
  beforeEach(async () => void (await device('webgpu:0')));

  it('is the adapter that Dawn offers', async () => {
    const found = await device('webgpu:0');
    expect(found).toMatchObject({ name: 'webgpu:0', backend: 'webgpu', why: 'it was asked for' });
    expect(found.hardware).toContain((await probeWebgpu()).adapter?.name);
    expect(found.hardware.includes('a software adapter')).toBe(software);
    expect(currentDevice()).toMatchObject({ name: 'webgpu:0', backend: 'webgpu' });
  });

  it.skipIf(!software)('is never taken by tryGpu where it is a software adapter', async () => {
    expect((await tryGpu()).backend).not.toBe('webgpu');
  });

  it('gives numbers at once, and later, and both beside each other', async () => {
    const a = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64]));
    const later = tf.add(a, 1).data();
    expect(tf.add(a, 2).dataSync()).toEqual(new Float32Array(4096).fill(66));
    expect(await later).toEqual(new Float32Array(4096).fill(65));
    expect(tf.cast(a, 'int32').dataSync()).toEqual(new Int32Array(4096).fill(64));
    expect(tf.less(a, 65).dataSync()).toEqual(new Uint8Array(4096).fill(1));
    expect(tf.less(a, 65).dataSync()).toEqual(await tf.less(a, 65).data());
    expect(tf.imag(tf.complex(a, tf.neg(a))).dataSync()[0]).toBe(-64);
    tf.disposeVariables();
  });

  it('gives its tensors to another backend', async () => {
    const a = tf.matMul(tf.ones([64, 64]), tf.ones([64, 64]));
    await device('cpu-js');
    expect(tf.add(a, 1).dataSync()[0]).toBe(65);
  });

  it('leaves setImmediate to others while it waits', async () => {
    const before = globalThis.setImmediate;
    const asked = new Promise((resolve) => setImmediate(resolve));
    tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync();
    expect(globalThis.setImmediate).toBe(before);
    await asked;
  });

  it('has an error for a tensor larger than one can be, and works on', () => {
    const before = tf.memory();
    expect(() => tf.tidy(() => tf.fill([2 ** 33], 1))).toThrow(
      /^\[webgpu\] out of memory: 32768 MiB asked for, .* MiB in use; one tensor has at most/,
    );
    expect(tf.memory()).toMatchObject({ numTensors: before.numTensors, numBytes: before.numBytes });
    expect(tf.fill([3000], 2).dataSync()[7]).toBe(2);
  });

  it.skipIf(!software)('has an error for a memory that is full, and works on', () => {
    // SwiftShader's whole memory is smaller than the largest buffer that it promises.
    expect(() => tf.tidy(() => [0, 1].map(() => tf.fill([2 ** 28], 1)))).toThrow(
      /^\[webgpu\] out of memory: 1024 MiB asked for, .* MiB in use; .* has no more/,
    );
    expect(tf.fill([3000], 2).dataSync()[7]).toBe(2);
  });

  it('gives back what lies idle before it says that there is no more', () => {
    const backend = tf.backend() as unknown as {
      device: { createBuffer(given: { size: number }): object };
      bufferManager: { numBytesAllocated: number };
    };
    const idle = tf.fill([1000, 1000], 1);
    idle.dataSync();
    idle.dispose();
    const before = backend.bufferManager.numBytesAllocated;
    const [size, create] = [4 * 2 ** 20, backend.device.createBuffer.bind(backend.device)];
    let refusals = 1;
    const made = vi.spyOn(backend.device, 'createBuffer').mockImplementation((given) => {
      if (given.size === size && refusals-- > 0) throw new RangeError('no room');
      return create(given);
    });
    tf.fill([size / 4], 1).dispose();
    expect(backend.bufferManager.numBytesAllocated).toBeLessThanOrEqual(before - 4e6 + size + 100);
    expect(refusals).toBe(-1); // refused once, and made then
    made.mockRestore();
  });

  it('has an error for what the adapter refuses', () => {
    const backend = tf.backend() as unknown as { device: { createBuffer(given: object): object } };
    const numbers = tf.fill([3000], 2);
    backend.device.createBuffer({ size: 4, usage: 0xffff });
    expect(() => tf.add(numbers, 1)).toThrow(/^\[webgpu\] .* refused a command: /);
    expect(tf.add(numbers, 1).dataSync()[0]).toBe(3);
  });

  it('is an error once it is lost; the next device works, and it can be taken anew', async () => {
    const kept = tf.fill([3000], 2);
    const gone = (tf.backend() as unknown as { device: { destroy(): void; lost: Promise<object> } })
      .device;
    gone.destroy();
    expect(() => kept.dataSync()).toThrow(/^\[webgpu\] /);
    await expect(tf.add(kept, 1).data()).rejects.toThrow(
      /^\[webgpu\] .* was lost: .* its tensors are gone: choose a device again/,
    );
    expect(() => tf.add(kept, 1)).toThrow(/was lost/);
    expect((await cpu()).backend).toBe('simd');
    expect(tf.add(tf.fill([3000], 2), 1).dataSync()[0]).toBe(3);
    expect(() => tf.add(kept, 1)).toThrow(/was lost/);
    await device('webgpu:0');
    expect(tf.add(tf.fill([3000], 2), 1).dataSync()[0]).toBe(3);
  });

  it('is taken anew by its name too when it is lost while it is current', async () => {
    const { device: gone } = tf.backend() as unknown as {
      device: { destroy(): void; lost: Promise<object> };
    };
    gone.destroy();
    await gone.lost;
    await device('webgpu:0');
    expect(tf.add(tf.fill([3000], 2), 1).dataSync()[0]).toBe(3);
  });
});

describe.skipIf(absent)(`a process on ${title}`, () => {
  const run = (way: string, env: NodeJS.ProcessEnv = {}) => {
    const args = ['--import', 'tsx', 'test/device/webgpu-child.ts', way];
    return spawnSync(process.execPath, args, {
      encoding: 'utf8',
      timeout: 100_000,
      env: { ...process.env, TSX_TSCONFIG_PATH: 'tsconfig.json', ...env },
    });
  };

  it.each([
    ['reads', 0],
    ['exits while a number is under way', 0],
    ['throws', 1],
    ['loses the device', 0],
  ])(
    'that %s ends by itself with %i',
    (way, code) => {
      const { status, signal, stdout } = run(way);
      expect({ status, signal }).toEqual({ status: code, signal: null });
      if (way === 'reads') expect(stdout).toContain('64');
    },
    120_000,
  );

  it('that finds no driver says so, and another backend works', () => {
    const { status, stdout } = run('no driver', {
      VK_ICD_FILENAMES: '/nowhere.json',
      VK_DRIVER_FILES: '/nowhere.json',
    });
    expect(status).toBe(0);
    expect(stdout).toMatch(/\[device\] webgpu: cannot compute here: Dawn found no Vulkan driver/);
    expect(stdout).toContain('simd');
  }, 120_000);
});
