/** Pages for Chromium: a folder with Fashion-MNIST's files, served with or without isolation. */
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { loadFashionMnist } from 'deepend';
import fs from 'fs-extra';
import { idx } from './idx';
import { serve, type TestServer } from './server';

/** What `npm run build:js` makes of `deepend/browser`. */
export const BUILT = 'packages/deepend/dist/browser';

/** Headers that give a page threads. */
export const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};

const TYPES: Record<string, string> = {
  ...{ '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json' },
  '.wasm': 'application/wasm',
};

/** Serves a folder's files. `url` ends in a slash. */
export const serveFolder = (folder: string, headers: Record<string, string>): Promise<TestServer> =>
  serve(async (request, response) => {
    const file = path.join(folder, new URL(request.url ?? '/', 'http://localhost').pathname);
    const isThere = (await fs.pathExists(file)) && (await fs.stat(file)).isFile();
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    response.writeHead(isThere ? 200 : 404, { 'content-type': type, ...headers });
    response.end(isThere ? await fs.readFile(file) : undefined);
  });

const packed = (shape: number[], values: Uint8Array) => gzipSync(idx(shape, values), { level: 9 });

/**
 * Writes the four files of Fashion-MNIST, with its first images, into `folder`.
 * @throws Error where the set is not on this machine
 */
export async function writeClothes(
  folder: string,
  counts: { numTrain: number; numTest: number },
): Promise<void> {
  const loaders = await loadFashionMnist(1, { progress: false, ...counts });
  for (const [name, { dataset }] of [
    ['train', loaders[0]] as const,
    ['t10k', loaders[1]] as const,
  ]) {
    const { images, labels } = dataset;
    const files = path.join(folder, name);
    const count = labels.length;
    const pixels = images as Uint8Array;
    await fs.outputFile(`${files}-images-idx3-ubyte.gz`, packed([count, 28, 28], pixels));
    await fs.outputFile(`${files}-labels-idx1-ubyte.gz`, packed([count], Uint8Array.from(labels)));
  }
}
