// Own process: no backend may have been started before.
import { execFile } from 'node:child_process';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import {
  currentDevice,
  device,
  deviceReport,
  formatReport,
  listDevices,
  tryGpu,
} from '@deepend/device';
import * as tf from '@tensorflow/tfjs-core';
import fs from 'fs-extra';
import { afterEach, describe, expect, it, vi } from 'vitest';

const folders: string[] = [];
afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(folders.splice(0).map((folder) => fs.remove(folder)));
});

/** A folder whose `nvidia-smi` says this, before all others. */
async function driver(says: string): Promise<string> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'deepend-driver-'));
  folders.push(folder);
  await fs.writeFile(path.join(folder, 'nvidia-smi'), `#!/bin/sh\n${says}\n`, { mode: 0o755 });
  return `${folder}${path.delimiter}${process.env.PATH}`;
}

describe('the report of what computes here', () => {
  it('has a row for each backend, best first, and makes none current', async () => {
    await device('cpu-js');
    const { backends, node } = await deviceReport();
    expect(tf.getBackend()).toBe('cpu');
    expect(node).toBe(process.version);
    const names = backends.map(({ name }) => name.replace(/^cuda:\d+$/, 'cuda'));
    expect([...new Set(names)]).toEqual([
      'cuda',
      'webgpu:0',
      'simd',
      'tensorflow',
      'wasm',
      'cpu-js',
    ]);
    expect(backends.at(-1)).toMatchObject({ state: 'current', hardware: currentDevice().hardware });
    for (const { state, hardware, reason } of backends)
      expect(state === 'refused' ? reason : hardware).toMatch(/\w{3}/);
  });

  it('is text for people, a line each', async () => {
    const report = await deviceReport();
    const lines = formatReport(report).split('\n');
    expect(lines).toHaveLength(1 + report.backends.length);
    expect(lines[0]).toContain(process.version);
    expect(lines.find((line) => line.startsWith('simd'))).toMatch(
      /^simd {2,}(ready|started|current) +.*(native|SIMD)/,
    );
  });

  it('says of a GPU without its library what to install', async () => {
    vi.stubEnv('PATH', await driver("echo '0, NVIDIA Test, 8192, 1024'"));
    const { backends } = await deviceReport();
    expect(backends[0]).toMatchObject({
      name: 'cuda:0',
      memory: { total: 8 * 2 ** 30, used: 2 ** 30 },
    });
    if (backends[0]?.state === 'refused') {
      expect(backends[0].reason).toMatch(
        /^NVIDIA Test: .*(npm i @tensorflow\/tfjs-node-gpu|does not work: |CUDA 11\.2 and cuDNN 8\.1|driver)/,
      );
      expect((await tryGpu()).why).toMatch(/^no GPU: .*(npm i|does not work|CUDA|driver)/);
    }
    expect(formatReport({ node: '', platform: '', backends })).toContain('8.0 GiB, 1.0 GiB in use');
  });

  it('says what CUDA_VISIBLE_DEVICES hides, and which GPUs there are', async () => {
    const PATH = await driver("echo '0, NVIDIA Test, 8192, 1024'");
    const script = `
      const { device, tryGpu } = await import('@deepend/device');
      const said = await device('cuda:1').catch((error) => error.message);
      console.log(JSON.stringify([said, (await tryGpu()).why]));`;
    const ask = async (visible: string | undefined) => {
      const env = {
        ...process.env,
        PATH,
        ...(visible !== undefined && { CUDA_VISIBLE_DEVICES: visible }),
      };
      const { stdout } = await promisify(execFile)(
        process.execPath,
        ['--input-type=module', '-e', script],
        { env },
      );
      return JSON.parse(stdout) as [string, string];
    };
    expect((await ask(undefined))[0]).toMatch(
      /cuda:1: cannot compute here: there are 1 GPUs, cuda:0 to cuda:0/,
    );
    expect((await ask('-1'))[1]).toMatch(
      /no GPU: CUDA_VISIBLE_DEVICES='-1' leaves none of the 1 GPUs/,
    );
  });

  it('names a driver that fails', async () => {
    vi.stubEnv('PATH', await driver('echo broken >&2; exit 9'));
    const { backends } = await deviceReport();
    expect(backends[0]?.reason).toMatch(/nvidia-smi failed/);
  });
});

describe('listDevices', () => {
  it('lists what can compute', async () => {
    const found = await listDevices();
    expect(found.map(({ backend }) => backend)).toEqual(
      expect.arrayContaining(['simd', 'wasm', 'cpu-js']),
    );
    expect(found.find(({ backend }) => backend === 'simd')?.name).toBe('cpu');
  });
});

describe('options of a choice', () => {
  it('leave out, put in order, and say so', async () => {
    expect(await tryGpu(0, { order: ['wasm', 'simd'] })).toMatchObject({
      backend: 'wasm',
      why: 'the options leave it',
    });
    expect((await tryGpu(0, { exclude: ['simd', 'tensorflow', 'cuda', 'webgpu'] })).backend).toBe(
      'wasm',
    );
    vi.stubEnv('DEEPEND_DEVICE', '!simd,!tensorflow,!cuda');
    expect((await tryGpu()).backend).toBe('wasm');
    vi.stubEnv('DEEPEND_DEVICE', 'cpu-js,wasm');
    expect((await tryGpu()).backend).toBe('cpu-js');
    await expect(tryGpu(0, { order: ['webgpu', 'cuda'] })).rejects.toThrow(
      /no backend computes here: none of webgpu, cuda is a CPU's/,
    );
  });
});

it('starts no backend, so that tensors can be made at once', async () => {
  await device('simd');
  await deviceReport();
  expect(tf.tidy(() => tf.tensor1d([2]).dataSync()[0])).toBe(2);
});
