/**
 * Bundles the programs of workers into strings in src/generated/, so that they need no file besides
 * the package's bundle.
 *
 *   sums.ts                of src/mpi/sum-program.ts, the thread that sums gradients
 *   replica.ts             of src/worker.ts, a device's worker, for the built package: imports the
 *                          other packages
 *   replica-of-sources.ts  for unit tests, which read sources: contains the other packages, so that
 *                          nothing must be built before
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const source = (folder, entry = 'index') => path.join(root, `../${folder}/src/${entry}.ts`);

/** The program resolves its imports from `from`, a file of this package. */
const WRAP = {
  banner: { js: '((require, __filename) => {' },
  footer: {
    js: "})(require('node:module').createRequire(from), require('node:url').fileURLToPath(from));",
  },
};

const TEXTS = {
  sums: {
    program: 'mpi/sum-program',
    alias: { '@deepend/core': source('core') },
    define: { 'import.meta.url': 'undefined' },
  },
  replica: { external: ['@deepend/*', '@tensorflow/*'] },
  'replica-of-sources': {
    external: ['@tensorflow/*'],
    alias: {
      '@deepend/backend-simd/workspace': source('backend-simd', 'workspace'),
      ...Object.fromEntries(
        ['core', 'compiler', 'device', 'backend-simd'].map((name) => [
          `@deepend/${name}`,
          source(name),
        ]),
      ),
    },
    inject: [path.join(root, '../nn/src/grouped-conv.ts')], // registers a layer class
    define: { 'import.meta.url': 'undefined' },
  },
};

async function textOf({ program, ...options }) {
  const { outputFiles } = await build({
    entryPoints: [path.join(root, `src/${program}.ts`)],
    bundle: true,
    write: false,
    format: 'cjs',
    platform: 'node',
    target: 'node20',
    minify: true,
    keepNames: true, // errors are recognised by their names
    ...WRAP,
    ...options,
  });
  return outputFiles[0].text.trim();
}

for (const [name, { program = 'worker', ...options }] of Object.entries(TEXTS)) {
  const target = path.join(root, `src/generated/${name}.ts`);
  const text = JSON.stringify(await textOf({ program, ...options }));
  const content = `/** Made by scripts/build-worker.mjs from ${program}.ts. */\nexport const source: string =\n  ${text};\n`;
  if ((await readFile(target, 'utf8').catch(() => '')) === content) continue;
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read the file at any time: replace it atomically.
  await writeFile(`${target}.${process.pid}`, content);
  await rename(`${target}.${process.pid}`, target);
}
