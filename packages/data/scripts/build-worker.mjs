/**
 * Makes one text of src/loading/worker.ts and of all that it imports, in src/generated/worker.ts: a
 * worker thread then needs no file beside
 * the package's bundle, and runs alike from the sources and from dist. After build-wasm.mjs, whose
 * module it takes in.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/worker.ts');

/**
 * What the package depends on is looked for from the package's own place: an evaluated text has
 * none.
 */
const HEAD = `((require) => {`;
const FOOT = `})(require('node:module').createRequire(require('node:worker_threads').workerData.from));`;

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
  alias: { '@deepend/core': path.join(root, '../checks/src/index.ts') },
  supported: { 'dynamic-import': false }, // an evaluated text would import from the folder that the process runs in
  banner: { js: HEAD },
  footer: { js: FOOT },
});
const foreign = Object.keys(metafile.inputs).filter((file) => file.includes('@tensorflow'));
if (foreign.length > 0)
  throw new Error(`a loader's worker must not load TensorFlow.js, but it takes in ${foreign[0]}`);

const text = outputFiles[0].text.trim();
const content = `/** Made by scripts/build-worker.mjs from loading/worker.ts. */\nexport const source: string =\n  ${JSON.stringify(text)};\n`;
if ((await readFile(target, 'utf8').catch(() => '')) !== content) {
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read it meanwhile: it appears whole.
  await writeFile(`${target}.${process.pid}`, content);
  await rename(`${target}.${process.pid}`, target);
}
