/**
 * Writes the dashboard's script and style as strings to src/generated/page.ts. The server then
 * needs no file except the package's bundle, and serves the same from the sources and from dist.
 */
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { build } from 'esbuild';

const root = path.resolve(import.meta.dirname, '..');
const target = path.join(root, 'src/generated/page.ts');

async function bundle(entry) {
  const { outputFiles } = await build({
    entryPoints: [path.join(root, 'page', entry)],
    bundle: true,
    write: false,
    format: 'iife',
    platform: 'browser',
    target: ['chrome111', 'firefox113', 'safari16.4'],
    minify: true,
    charset: 'utf8',
  });
  return outputFiles[0].text.trim();
}

const [script, style] = [await bundle('main.ts'), await bundle('style.css')];
const content = `/** Made by scripts/build-page.mjs from page/. */
export const script: string =
  ${JSON.stringify(script)};
export const style: string =
  ${JSON.stringify(style)};
`;
if ((await readFile(target, 'utf8').catch(() => '')) !== content) {
  await mkdir(path.dirname(target), { recursive: true });
  // Tests and builds may read it meanwhile: it appears whole.
  await writeFile(`${target}.${process.pid}`, content);
  await rename(`${target}.${process.pid}`, target);
}
