// Full run only: each case is a process that loads TensorFlow.js.
/**
 * Without a choice the best CPU backend computes, whichever function is called first; a backend
 * that was chosen stays. Each case is a process of its own, since a choice lasts as long as that.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildProgram, type Program } from '../helpers/program';

let dir: string;
let program: Program;
beforeAll(async () => {
  program = await buildProgram('test/trainer/default-device.ts');
  dir = await mkdtemp(path.join(tmpdir(), 'deepend-'));
  await run('save');
});
afterAll(async () => {
  await program.remove();
  await rm(dir, { recursive: true });
});

async function run(name: string, env: Record<string, string> = {}) {
  const { DEEPEND_DEVICE: _, ...others } = process.env;
  const args = [program.file, name, path.join(dir, 'model')];
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args, {
    env: { ...others, ...env },
  });
  const lines = stdout.trim().split('\n');
  return { lines, last: lines.at(-1), stderr };
}

describe('without a choice', () => {
  it.each(['builder', 'createModel', 'stock', 'loadModel', 'evaluate', 'predict', 'lrFind'])(
    '%s',
    async (name) => {
      expect(await run(name)).toMatchObject({ last: 'current simd, weights simd', stderr: '' });
    },
  );

  it('train, which says so', async () => {
    const { lines, last } = await run('train');
    expect(last).toBe('current simd, weights simd');
    expect(lines[0]).toMatch(
      /^training on cpu: .+ \(no device was chosen, so the best CPU backend computes/,
    );
    expect(lines[1]).toBe(
      'book/lenet (61,706 parameters), 40 images of 28×28×1, 40 for the test: 1 epoch of 2 steps',
    );
  });
});

describe('a choice', () => {
  it('of tf.setBackend stays', async () => {
    const { last, stderr } = await run('tf.setBackend');
    expect({ last, stderr }).toEqual({ last: 'current cpu, weights cpu', stderr: '' });
  });

  it('of DEEPEND_DEVICE stays', async () => {
    const plain = await run('builder', { DEEPEND_DEVICE: 'cpu-js' });
    expect(plain.last).toBe('current cpu, weights cpu');
    const loaded = await run('loadModel', { DEEPEND_DEVICE: '!simd,!tensorflow' });
    expect(loaded.last).toBe('current wasm, weights wasm');
  });

  it('that cannot be read is an error, and not another backend', async () => {
    await expect(run('builder', { DEEPEND_DEVICE: 'smid' })).rejects.toThrow(
      /DEEPEND_DEVICE: .*did you mean 'simd'/,
    );
    await expect(run('builder', { DEEPEND_THREADS: 'abc' })).rejects.toThrow(/DEEPEND_THREADS/);
  });

  it('that comes after the model moves it', async () => {
    expect(await run('a device after the model')).toMatchObject({
      last: 'current wasm, weights wasm',
      stderr: '',
    });
  });
});
