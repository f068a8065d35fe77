/**
 * Makes a text of src/worker.ts, in src/generated/: what a device's worker runs, so that
 * it needs no file beside the package's bundle.
 *
 *   replica.ts               for the built package: it asks for the other packages as this
 *   package itself does
 *   replica-of-sources.ts    for unit tests, which read the sources: all of deepend is in it, so
 *   that nothing must be built before
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const source = (folder, entry = 'index') => path.join(root, `../${folder}/src/${entry}.ts`);

/**
 * `from` is a file of this package's, which the text is given: what it needs is looked for from
 * there.
 */
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
    inject: [path.join(root, '../nn/src/grouped-conv.ts')], // which @deepend/nn would register
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
    keepNames: true, // errors are told by their names
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
  // Tests and builds may read it meanwhile: it appears whole.
  await writeFile(`${target}.${process.pid}`, content);
  await rename(`${target}.${process.pid}`, target);
}
