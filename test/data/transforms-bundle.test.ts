// Full run only: it bundles the transforms, and runs them in processes.
/** The transforms in a worker's bundle: what they import, and how they run without WebAssembly. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import golden from '../golden/resize.json';

const ENTRY = path.resolve(import.meta.dirname, '../../packages/data/src/transforms/apply.ts');

/** Resizes the golden images and prints whether there was WebAssembly. */
const PROGRAM = `
const { applyTransforms, transformToFloats } = require('./apply.cjs');
const { createHash } = require('node:crypto');
const [cases, images] = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const rng = { image: () => Math.random, batch: Math.random };
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');
const sums = cases.map(({ shape, to, interpolation }, i) => {
  const batch = () => ({ images: Uint8Array.from(Buffer.from(images[i], 'base64')), count: 1, shape, labels: Int32Array.of(0), numClasses: 1 });
  const chain = [{ name: 'resize', options: { size: to, interpolation }, random: false }];
  const normal = { name: 'normalize', options: { mean: [0.5], std: [0.25] }, random: false };
  const into = new Float32Array(to[0] * to[1] * shape[2]);
  transformToFloats([...chain, normal], batch(), { rng, into });
  return [sha256(applyTransforms(chain, batch(), rng).images), sha256(Buffer.from(into.buffer))];
});
console.log(JSON.stringify({ wasm: typeof WebAssembly !== 'undefined', sums }));
`;

const cases = golden.cases.map(({ shape, to, interpolation }) => ({ shape, to, interpolation }));
const images = cases.map(({ shape }) => {
  const length = shape.reduce((a, b) => a * b, 1);
  return Buffer.from(Uint8Array.from({ length }, (_, i) => (i * i * 31 + 7 * i) % 256)).toString(
    'base64',
  );
});

describe('bundled transforms', () => {
  let folder = '';
  let imported: string[] = [];

  beforeAll(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'deepend-'));
    const outfile = path.join(folder, 'apply.cjs');
    const { metafile } = await build({
      entryPoints: [ENTRY],
      outfile,
      bundle: true,
      format: 'cjs',
      platform: 'node',
      metafile: true,
      external: ['zod', '@tensorflow/*'],
      alias: {
        '@deepend/core': path.resolve(import.meta.dirname, '../../packages/core/src/index.ts'),
      },
    });
    imported = Object.values(metafile.outputs).flatMap(({ imports, inputs }) => [
      ...imports.map((each) => each.path),
      ...Object.keys(inputs).filter((file) => !file.startsWith('packages/data/')),
    ]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  const run = (...flags: string[]) => {
    const input = JSON.stringify([cases, images]);
    const output = execFileSync(process.execPath, [...flags, '-e', PROGRAM], {
      cwd: folder,
      input,
      encoding: 'utf8',
    });
    return JSON.parse(output) as { wasm: boolean; sums: [string, string][] };
  };

  it('need no other package', () => {
    // Small and without imports: how arrays of another realm are recognized.
    expect(imported).toEqual(['packages/core/src/realms.ts', 'packages/core/src/index.ts']);
  });

  it('give the same bytes and floats with WebAssembly and, in plain JavaScript, without it', () => {
    const [fast, plain] = [run(), run('--jitless')];
    expect([fast.wasm, plain.wasm]).toEqual([true, false]);
    expect(plain.sums).toEqual(fast.sums);
    expect(new Set(fast.sums.flat()).size).toBeGreaterThan(cases.length); // they are not all of one empty image
    expect(fast.sums[0]?.[0]).not.toBe(createHash('sha256').update('').digest('hex'));
  });
});
