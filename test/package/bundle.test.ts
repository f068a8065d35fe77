// Full run only: it bundles programs with esbuild, and runs them.
/** A program that uses deepend, bundled into one file by esbuild as docs/bundling.md says. */
import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { build, type Format } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { rowsOf } from '../helpers/full';

const ROOT = path.resolve(import.meta.dirname, '../..');
const WASM = path.join(ROOT, 'node_modules/@tensorflow/tfjs-backend-wasm/dist');

const PROGRAM = `
import { book, DataLoader, datasets, device, exportKeras, train } from 'deepend';
import * as tf from '@tensorflow/tfjs-core';

async function main([name, file]) {
  const { backend } = await device(name);
  const net = book.lenet({ inputShape: [28, 28, 1], numClasses: 3 });
  const set = datasets.arrayDataset({
    images: new Uint8Array(12 * 784),
    labels: Uint8Array.from({ length: 12 }, (_, i) => i % 3),
    imageShape: [28, 28, 1],
  });
  const iter = new DataLoader(set, { batchSize: 4, workers: 1 });
  await train(net, iter, null, { numEpochs: 1, lr: 0.1, progress: false });
  // A kernel that only TensorFlow.js's cpu backend has.
  const distances = backend === 'wasm' ? [] : await tf.bincount(tf.tensor1d([0, 1, 1], 'int32'), [], 2).data();
  if (file) await exportKeras(net, file);
  console.log(JSON.stringify({ backend, counts: [...distances] }));
}
main(process.argv.slice(2)).catch((error) => {
  console.error(error.message);
  process.exit(1);
});
`;

/** The banner of docs/bundling.md. */
const banner = () => {
  const page = readFileSync(path.join(ROOT, 'docs/bundling.md'), 'utf8');
  return /--banner:js="([^"]+)"/.exec(page)?.[1] ?? '';
};

const formats: readonly Format[] = rowsOf(['cjs', 'esm'], (format) => format === 'cjs');

describe.each(formats)('bundled as %s', (format) => {
  let dir: string;
  let bundle: string;
  beforeAll(async () => {
    dir = mkdtempSync(path.join(tmpdir(), 'deepend-bundle-'));
    bundle = path.join(dir, format === 'esm' ? 'app.mjs' : 'app.cjs');
    await build({
      stdin: { contents: PROGRAM, resolveDir: path.join(ROOT, 'examples') },
      bundle: true,
      platform: 'node',
      format,
      external: ['sharp'],
      outfile: bundle,
      logLevel: 'error',
      ...(format === 'esm' && { banner: { js: banner() } }),
    });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));
  const run = async (...args: string[]) => {
    const options = { cwd: dir, encoding: 'utf8' } as const;
    const { stdout } = await promisify(execFile)(process.execPath, [bundle, ...args], options);
    return JSON.parse(stdout.trim().split('\n').at(-1) ?? '');
  };

  it('computes on simd and cpu-js, with the kernels of the stock backend', async () => {
    expect(await run('simd')).toEqual({ backend: 'simd', counts: [1, 2] });
    expect(await run('cpu-js')).toEqual({ backend: 'cpu-js', counts: [1, 2] });
  });

  it('says which files wasm needs, and computes with them', async () => {
    await expect(run('wasm')).rejects.toThrow(
      /expected tfjs-backend-wasm-simd\.wasm in .*, found none; after bundling, copy .*\.wasm next/,
    );
    for (const name of readdirSync(WASM).filter((file) => file.endsWith('.wasm')))
      copyFileSync(path.join(WASM, name), path.join(dir, name));
    expect(await run('wasm')).toMatchObject({ backend: 'wasm' });
  });

  it('exports for Keras', async () => {
    const file = path.join(dir, 'net.keras');
    if (format === 'cjs') {
      await expect(run('simd', file)).rejects.toThrow(/npm install h5wasm/);
      symlinkSync(path.join(ROOT, 'node_modules'), path.join(dir, 'node_modules'));
    }
    expect(await run('simd', file)).toMatchObject({ backend: 'simd' });
    expect(readFileSync(file).subarray(0, 2).toString()).toBe('PK');
  });
});
