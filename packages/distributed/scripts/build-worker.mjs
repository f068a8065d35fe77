/**
 * Bundles src/worker.ts, the program of a device's worker, into strings in src/generated/, so that
 * it
 * needs no file besides the package's bundle.
 *
 *   replica.ts             for the built package: imports the other packages
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

async function textOf(options) {
  const { outputFiles } = await build({
    entryPoints: [path.join(root, 'src/worker.ts')],
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

for (const [name, options] of Object.entries(TEXTS)) {
  const target = path.join(root, `src/generated/${name}.ts`);
  const text = JSON.stringify(await textOf(options));
  const content = `/** Made by scripts/build-worker.mjs from worker.ts. */\nexport const source: string =\n  ${text};\n`;
  if ((await readFile(target, 'utf8').catch(() => '')) === content) continue;
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read the file at any time: replace it atomically.
  await writeFile(`${target}.${process.pid}`, content);
  await rename(`${target}.${process.pid}`, target);
}
