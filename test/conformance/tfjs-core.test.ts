// Full run only: it bundles and runs thousands of specs, in a process for each backend.
/**
 * TensorFlow.js's own suite, which @tensorflow/tfjs-core ships: what stock cpu passes, simd passes.
 */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

/** Specs that simd need not pass, each with its reason. */
const EXCLUDED: Record<string, string> = {};

/** What a run may be told from outside. */
const SETTINGS: readonly Record<string, string>[] = [
  {},
  { DEEPEND_THREADS: '1' },
  { DEEPEND_NATIVE: '0', DEEPEND_WASM: 'plain' },
];

interface Spec {
  name: string;
  message?: string;
}
type Results = Record<'passed' | 'failed' | 'pending' | 'excluded', Spec[]>;

let folder: string;

async function run(backend: string, env: Record<string, string> = {}): Promise<Results> {
  const file = path.join(folder, `${backend}.json`);
  const script = path.join(import.meta.dirname, 'run-suite.mjs');
  // The suite's own warnings may be many.
  await promisify(execFile)(process.execPath, [script, backend, file], {
    env: { ...process.env, ...env },
    maxBuffer: 1 << 26,
  });
  return JSON.parse(await readFile(file, 'utf8'));
}

const names = (specs: Spec[]) => new Set(specs.map(({ name }) => name));

describe("tfjs-core's own suite", () => {
  let stock: Results;

  beforeAll(async () => {
    folder = await mkdtemp(path.join(os.tmpdir(), 'deepend-conformance-'));
    stock = await run('cpu');
  });
  afterAll(() => rm(folder, { recursive: true }));

  it('runs whole on stock cpu', () => {
    expect(stock.passed.length, `stock cpu passes ${stock.passed.length}`).toBeGreaterThanOrEqual(
      3500,
    );
    const unknown = Object.keys(EXCLUDED).filter((name) => !names(stock.passed).has(name));
    expect(unknown, 'excluded, but no spec that stock cpu passes').toEqual([]);
  });

  it.each(SETTINGS)('simd passes what stock cpu passes: %j', async (env) => {
    const simd = await run('simd', env);
    console.log(
      `tfjs-core's suite: stock cpu passes ${stock.passed.length} specs, simd ${simd.passed.length}`,
    );
    const passed = names(simd.passed);
    const reasons = new Map(simd.failed.map(({ name, message }) => [name, message]));
    const missing = stock.passed.filter(({ name }) => !passed.has(name) && !(name in EXCLUDED));
    expect(missing.map(({ name }) => `${name}: ${reasons.get(name) ?? 'did not run'}`)).toEqual([]);
    const needless = Object.keys(EXCLUDED).filter((name) => passed.has(name));
    expect(needless, 'excluded, yet it passes').toEqual([]);
  });
});
