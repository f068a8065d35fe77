/**
 * Bundles src/loading/worker.ts with all its imports into one string, src/generated/worker.ts. A
 * worker thread then needs no file next to the package's bundle, and runs the same code from the
 * sources and from dist. Run it after build-wasm.mjs, whose module is part of the bundle.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/worker.ts');

// Dependencies are resolved from the package's own files: an evaluated string has no location.
const HEAD = `((require) => {`;
const REQUIRE = `require('node:module').createRequire`;
const FOOT = `})(${REQUIRE}(require('node:worker_threads').workerData.from));`;

const { outputFiles, metafile } = await build({
  entryPoints: [path.join(root, 'src/loading/worker.ts')],
  bundle: true,
  write: false,
  metafile: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  minify: true,
  keepNames: false,
  external: ['sharp'],
  alias: { '@deepend/core': path.join(root, '../core/src/index.ts') },
  // In an evaluated string, import() would resolve from the process's working directory.
  supported: { 'dynamic-import': false },
  banner: { js: HEAD },
  footer: { js: FOOT },
});

// TensorFlow.js, and zod with the option rules, would make each worker start slowly.
const bundled = Object.values(metafile.outputs).flatMap(({ inputs }) => Object.keys(inputs));
const unwanted = bundled.filter((file) => /@tensorflow|node_modules\/zod/.test(file));
if (unwanted.length > 0)
  throw new Error(`a loader's worker must not load ${unwanted[0]}; find the import that needs it`);

const text = outputFiles[0].text.trim();
const content = `/** Made by scripts/build-worker.mjs from loading/worker.ts. */
export const source: string =
  ${JSON.stringify(text)};
`;
if ((await readFile(target, 'utf8').catch(() => '')) !== content) {
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read the file meanwhile, so it is replaced as a whole.
  await writeFile(`${target}.${process.pid}`, content);
  await rename(`${target}.${process.pid}`, target);
}
