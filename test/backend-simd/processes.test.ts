// Full run only: each case is a process, and some run for a thousand steps.
/**
 * Whole processes with the built package: they end by themselves, idle without work, and do without
 * what may be missing.
 */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { build } from 'tsup';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isFull } from '../helpers/full';

// Within the project, so that TensorFlow.js is found.
const cache = path.resolve('node_modules/.cache');
mkdirSync(cache, { recursive: true });
const dir = mkdtempSync(path.join(cache, 'backend-simd-'));
const run = promisify(execFile);

beforeAll(async () => {
  const entry = ['packages/backend-simd/src/index.ts'];
  const format = ['esm' as const, 'cjs' as const];
  await build({
    entry,
    outDir: dir,
    format,
    target: 'node20',
    external: [/^[^./]/],
    config: false,
    dts: false,
    silent: true,
  });
  writeFileSync(path.join(dir, 'package.json'), '{"type":"module"}');
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const IMPORTS = `
import * as simd from './index.js';
import * as tf from '@tensorflow/tfjs-core';
`;
const START = `${IMPORTS}
await tf.setBackend('simd');
const work = () => tf.tidy(() => {
  const [a, b] = [tf.ones([300, 300]), tf.ones([300, 300])];
  return tf.max(tf.matMul(a, b)).dataSync()[0] === 300 && tf.min(tf.matMul(a, b)).dataSync()[0] === 300;
});
if (!work() || !work()) throw new Error('wrong');
`;

let scripts = 0;

/**
 * Runs a module with the built package beside it. A process that does not end by itself is killed,
 * which fails the test.
 */
async function node(
  source: string,
  { flags = [] as string[], env = {} as Record<string, string> } = {},
) {
  const file = path.join(dir, `script-${scripts++}.mjs`);
  writeFileSync(file, source);
  const { DEEPEND_THREADS: _, ...own } = process.env;
  const options = { timeout: 45_000, env: { ...own, NODE_OPTIONS: '', ...env } };
  const { stdout, stderr } = await run(process.execPath, [...flags, file], options);
  return { stdout: stdout.trim(), stderr: stderr.trim() };
}

const INFO = `console.log(JSON.stringify(simd.simdInfo()));`;
const infoOf = ({ stdout }: { stdout: string }) =>
  JSON.parse(stdout.split('\n').at(-1) as string) as Record<string, unknown>;

describe('a process', () => {
  it('ends by itself, silently', async () => {
    expect(await node(START, { env: { DEEPEND_THREADS: '4' } })).toEqual({
      stdout: '',
      stderr: '',
    });
  });

  it('ends by itself when it has only set the backend', async () => {
    expect(
      (await node(`${IMPORTS} await tf.setBackend('simd');`, { env: { DEEPEND_THREADS: '8' } }))
        .stderr,
    ).toBe('');
  });

  it('ends by process.exit and by an error, with its code', async () => {
    await expect(node(`${START} process.exit(3);`)).rejects.toMatchObject({ code: 3 });
    await expect(node(`${START} throw new Error('mine');`)).rejects.toMatchObject({ code: 1 });
  });

  it('that idles burns no time', async () => {
    const source = `${START}
      await new Promise((resolve) => setTimeout(resolve, 300));
      const before = process.cpuUsage();
      await new Promise((resolve) => setTimeout(resolve, 1000));
      const { user, system } = process.cpuUsage(before);
      console.log((user + system) / 1000);`;
    expect(Number((await node(source, { env: { DEEPEND_THREADS: '8' } })).stdout)).toBeLessThan(
      300,
    );
  });

  it('that trains keeps its size', async () => {
    const source = `${START}
      const step = (n) => { for (let i = 0; i < n; i++) work(); globalThis.gc(); };
      step(50);
      const before = process.memoryUsage().rss;
      step(${isFull ? 1000 : 250});
      console.log((process.memoryUsage().rss - before) / 2 ** 20);`;
    expect(Number((await node(source, { flags: ['--expose-gc'] })).stdout)).toBeLessThan(40);
  });
});

describe('settings from outside', () => {
  it.each(['1', '3', '8'])('DEEPEND_THREADS=%s', async (threads) => {
    expect(
      infoOf(await node(`${START}${INFO}`, { env: { DEEPEND_THREADS: threads } })).threads,
    ).toBe(Number(threads));
  });

  it.each(['plain', 'relaxed'])('DEEPEND_WASM=%s, without a word on stderr', async (build) => {
    const result = await node(`${START}${INFO}`, { env: { DEEPEND_WASM: build } });
    expect(infoOf(result).build).toBe(build);
    expect(result.stderr).toBe('');
  });

  it('DEEPEND_MEMORY_MIB: an error that names it, and the process works on', async () => {
    const source = `${START}
      const big = tf.ones([3000, 3000]);
      try { tf.matMul(big, big); } catch (error) { console.log(error instanceof simd.OutOfMemoryError, error.limit / 2 ** 20); }
      big.dispose();
      console.log(work());`;
    const { stdout } = await node(source, { env: { DEEPEND_MEMORY_MIB: '64' } });
    expect(stdout.split('\n')).toEqual(['true 64', 'true']);
  });

  it.each(['DEEPEND_THREADS', 'DEEPEND_WASM', 'DEEPEND_MEMORY_MIB'])(
    'a wrong %s is refused',
    async (name) => {
      const failing = node(`${IMPORTS} simd.simdInfo();`, { env: { [name]: 'none' } });
      await expect(failing).rejects.toThrow(
        new RegExp(`EnvironmentError: \\[backend-simd\\] ${name}: expected .*, got 'none'`),
      );
    },
  );
});

describe('the package', () => {
  it('loaded twice, as ESM and as CommonJS, is one backend', async () => {
    const source = `import { createRequire } from 'node:module';
      ${START}
      const copy = createRequire(import.meta.url)('./index.cjs');
      copy.setThreads(2);
      let error;
      try { simd.setThreads(99); } catch (caught) { error = caught; }
      console.log(simd.getThreads(), work(), copy.simdInfo().heapBytes === simd.simdInfo().heapBytes, error instanceof RangeError);`;
    expect((await node(source, { env: { DEEPEND_THREADS: '1' } })).stdout).toBe('2 true true true');
  });

  it('works as CommonJS alone', async () => {
    const source = `import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      const [simd, tf] = [require('./index.cjs'), require('@tensorflow/tfjs-core')];
      await tf.setBackend('simd');
      console.log(tf.matMul(tf.ones([64, 64]), tf.ones([64, 64])).dataSync()[0], tf.getBackend());`;
    expect((await node(source)).stdout).toBe('64 simd');
  });

  it('works in a worker thread, with threads of its own', async () => {
    const source = `import { isMainThread, Worker } from 'node:worker_threads';
      if (isMainThread) {
        for (let i = 0; i < 2; i++) new Worker(new URL(import.meta.url)).on('error', (error) => { throw error; });
      } else {
        const { inWorker } = await import('./in-worker.mjs');
        console.log(inWorker);
      }`;
    writeFileSync(
      path.join(dir, 'in-worker.mjs'),
      `${START} export const inWorker = work() + ' ' + simd.getThreads();`,
    );
    const { stdout } = await node(source, { env: { DEEPEND_THREADS: '3' } });
    expect(stdout.split('\n')).toEqual(['true 3', 'true 3']);
  });

  it('leaves the program alone: its flags and NODE_OPTIONS do not reach the threads', async () => {
    writeFileSync(
      path.join(dir, 'preload.cjs'),
      `if (!require('node:worker_threads').isMainThread) throw new Error('loaded');`,
    );
    const preload = path.join(dir, 'preload.cjs');
    const env = { DEEPEND_THREADS: '4', NODE_OPTIONS: `--require ${preload}` };
    const source = `${START} await new Promise((resolve) => setTimeout(resolve, 500));`;
    expect(await node(source, { env, flags: ['--require', preload] })).toEqual({
      stdout: '',
      stderr: '',
    });
  });
});

const permission = ['--permission', '--experimental-permission'].find(
  (flag) => spawnSync(process.execPath, [flag, '--allow-fs-read=*', '-e', '0']).status === 0,
);

describe('where something is missing', () => {
  it('worker threads: one thread computes, with one warning', async () => {
    const flags = [permission as string, '--allow-fs-read=*'];
    const { stdout, stderr } = await node(`${START} simd.setThreads(4); work(); ${INFO}`, {
      flags,
      env: { DEEPEND_THREADS: '4' },
    });
    expect(infoOf({ stdout }).threads).toBe(1);
    expect(
      stderr.match(
        /\[backend-simd\] worker threads do not start here \(.*ERR_ACCESS_DENIED|\[backend-simd\].*/g,
      ),
    ).toHaveLength(1);
  });

  it('the global SharedArrayBuffer: nothing', async () => {
    writeFileSync(path.join(dir, 'no-shared.mjs'), 'delete globalThis.SharedArrayBuffer;');
    const { stdout, stderr } = await node(`import './no-shared.mjs';${START}${INFO}`, {
      env: { DEEPEND_THREADS: '2' },
    });
    expect(infoOf({ stdout }).threads).toBe(2);
    expect(stderr).toBe('');
  });

  it('WebAssembly: an error that says so', async () => {
    writeFileSync(path.join(dir, 'no-wasm.mjs'), 'delete globalThis.WebAssembly;');
    const failing = node(`import './no-wasm.mjs';${IMPORTS} simd.simdInfo();`);
    await expect(failing).rejects.toThrow('[backend-simd] expected WebAssembly, got none');
  });
});
