/** The code blocks of the documentation's pages, and running them as they are printed. */
import { execFile } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { createModel, saveWeights } from '@deepend/models';
import sharp from 'sharp';
import ts from 'typescript';
import { use } from '../helpers/backends';
import { idx, sha256 } from '../helpers/idx';

export interface Block {
  /** As printed. */
  readonly code: string;
  /** Why it cannot run on every machine: the comment `<!-- needs ... -->` before it. */
  readonly needs: string | undefined;
}

/** The blocks of a page. With the comment `<!-- one script -->` they are one. */
export function blocksOf(markdown: string): Block[] {
  const found = [
    ...markdown.matchAll(/(?:<!-- needs (.*?) -->\n\n)?^```(?:ts|js)\n([\s\S]*?)^```/gm),
  ].map(([, needs, code = '']) => ({ code, needs }));
  if (!markdown.includes('<!-- one script -->')) return found;
  return [{ code: found.map(({ code }) => code).join('\n'), needs: undefined }];
}

/** A block as a module of JavaScript: only the counts of images are cut to the small data's. */
export function toModule(code: string): string {
  const small = code
    .replace(/\bnumTrain: [\d_]+/g, `numTrain: ${NUM_TRAIN}`)
    .replace(/\bnumTest: [\d_]+/g, `numTest: ${NUM_TEST}`);
  const compilerOptions = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ESNext };
  return ts.transpileModule(small, { compilerOptions }).outputText;
}

const NUM_TRAIN = 48;
const NUM_TEST = 24;
const CLASSES = 10;

/** Makes a folder in which every page's blocks find the files that they name. */
export async function prepareFolder(folder: string, root: string): Promise<void> {
  symlinkSync(path.join(root, 'node_modules'), path.join(folder, 'node_modules'));
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }');
  writeFileSync(path.join(folder, 'small-data.mjs'), smallFashionMnist(folder));
  for (const kind of ['daisy', 'rose'])
    for (const file of [...Array(8).keys()])
      await writePhoto(
        path.join(folder, 'flowers', file < 6 ? 'train' : 'test', kind, `${file}.jpg`),
      );
  await writePhoto(path.join(folder, 'photo.jpg'));
  mkdirSync(path.join(folder, 'runs'));
  const row = (i: number) => [i % 3, ...Array.from({ length: 64 }, (_, k) => (i * k) % 256)];
  const header = ['label', ...Array.from({ length: 64 }, (_, k) => `pixel${k}`)];
  const rows = [header, ...Array.from({ length: 60 }, (_, i) => row(i))];
  writeFileSync(path.join(folder, 'digits.csv'), rows.map((cells) => cells.join()).join('\n'));
}

/** The file that a page converts from torchvision: 46 MB, so only for that page. */
export async function writeTorchvisionWeights(folder: string): Promise<void> {
  await use('cpu-js');
  const net = createModel('resnet18');
  await saveWeights(net, path.join(folder, 'resnet18.safetensors'));
  net.dispose();
}

async function writePhoto(file: string): Promise<void> {
  mkdirSync(path.dirname(file), { recursive: true });
  const noise = { type: 'gaussian', mean: 128, sigma: 40 } as const;
  await sharp({ create: { width: 96, height: 80, channels: 3, background: 'white', noise } })
    .jpeg()
    .toFile(file);
}

/** Writes small IDX files. @returns a module that makes `loadFashionMnist` load these */
function smallFashionMnist(folder: string): string {
  const data = path.join(folder, 'small-data');
  mkdirSync(data);
  const write = (name: string, shape: number[], valueAt: (i: number) => number) => {
    const length = shape.reduce((product, size) => product * size, 1);
    const bytes = idx(
      shape,
      Uint8Array.from({ length }, (_, i) => valueAt(i)),
    );
    writeFileSync(path.join(data, name), bytes);
    return { name, sha256: sha256(bytes) };
  };
  const split = (prefix: string, numSamples: number) => ({
    numSamples,
    images: write(`${prefix}-images-idx3-ubyte`, [numSamples, 28, 28], (i) => {
      const [image, row, column] = [Math.floor(i / 784), Math.floor((i % 784) / 28), i % 28];
      const isInside = row > 5 && row < 22 && column > 5 && column < 22;
      return isInside ? (row * ((image % CLASSES) + 1) * 9 + column * 5) % 256 : 0;
    }),
    labels: write(`${prefix}-labels-idx1-ubyte`, [numSamples], (i) => i % CLASSES),
  });
  const splits = { train: split('train', NUM_TRAIN), test: split('t10k', NUM_TEST) };
  return `import { FASHION_MNIST } from '@deepend/data';
Object.assign(FASHION_MNIST, { splits: ${JSON.stringify(splits)} });
process.env.DEEPEND_DATA = ${JSON.stringify(data)};
`;
}

/**
 * Runs the blocks of a page one after another, each as a module of its own, in a process of their
 * own. @returns what they print
 * @throws Error with the number of the block that fails and its message
 */
export async function runBlocks(folder: string, blocks: readonly Block[]): Promise<string> {
  const names = blocks.map(({ code }, i) => {
    const name = `block-${i + 1}.mjs`;
    writeFileSync(path.join(folder, name), toModule(code));
    return name;
  });
  const runner = `import './small-data.mjs';
for (const name of ${JSON.stringify(names)}) {
  try {
    await import('./' + name);
  } catch (error) {
    console.error(name + ': ' + error.stack);
    process.exit(1);
  }
}
`;
  writeFileSync(path.join(folder, 'run.mjs'), runner);
  const options = { cwd: folder, encoding: 'utf8', maxBuffer: 2 ** 26 } as const;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['run.mjs'], options);
    return stdout;
  } catch (error) {
    throw new Error((error as { stderr: string }).stderr.slice(-2000));
  }
}
