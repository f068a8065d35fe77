/**
 * Writes what the page that trains needs into docs/public/training: deepend for browsers, and a
 * part of Fashion-MNIST as IDX files. Run by `npm run docs` and `docs:build`.
 */
import { cp, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { writeClothes } from '../../test/helpers/pages';

const ROOT = path.resolve(import.meta.dirname, '../..');
const BUILT = path.join(ROOT, 'packages/deepend/dist/browser');
const FOLDER = path.join(ROOT, 'docs/public/training');
const NUM_TRAIN = 10_000;
const NUM_TEST = 2_000;

await mkdir(FOLDER, { recursive: true });
await rm(path.join(FOLDER, 'parts'), { recursive: true, force: true }); // of another build
for (const name of ['standalone.js', 'page.js', 'parts'])
  await cp(path.join(BUILT, name), path.join(FOLDER, name), { recursive: true });
/** What the language model learns: the site's pages of a language, without what is no prose. */
async function proseOf(folder: string): Promise<string> {
  const names = (await readdir(folder))
    .filter((name) => name.endsWith('.md') && name !== 'api.md')
    .sort();
  const pages = await Promise.all(names.map((name) => readFile(path.join(folder, name), 'utf8')));
  return pages
    .map((page) => page.replace(/^---$[\s\S]*?^---$|^```[\s\S]*?^```$|^[<|!].*$|^#+ /gm, ''))
    .map((page) => page.replace(/\[([^\]]*)\]\([^)]*\)/g, '$1').replace(/[`*]/g, ''))
    .join('\n')
    .replace(/\s*\n\s*/g, '\n');
}

for (const [folder, name] of [
  ['docs', 'pages.txt'],
  ['docs/zh', 'pages.zh.txt'],
] as const)
  await writeFile(path.join(FOLDER, name), await proseOf(path.join(ROOT, folder)));
try {
  await writeClothes(FOLDER, { numTrain: NUM_TRAIN, numTest: NUM_TEST });
} catch (error) {
  console.warn(`the page that trains will have no data: ${(error as Error).message}`);
}
