// Full run only: it trains in Chromium.
/** `deepend/browser`: a script trains in a worker of a page, and the page shows it. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import * as tf from '@tensorflow/tfjs-core';
import { book, loadFashionMnist, predict, saveModel } from 'deepend';
import fs from 'fs-extra';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { noBrowser, openBrowser } from '../helpers/browser';
import { idx } from '../helpers/idx';
import { serve, type TestServer } from '../helpers/server';

const BUILT = 'packages/deepend/dist/browser';
const NUM_TRAIN = 2_000;
const ISOLATION = {
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-embedder-policy': 'require-corp',
};
const TYPES: Record<string, string> = {
  ...{ '.html': 'text/html', '.js': 'text/javascript', '.json': 'application/json' },
};

const data = await loadFashionMnist(1, { progress: false, numTrain: NUM_TRAIN, numTest: 500 }).then(
  (loaders) => loaders,
  () => undefined,
);
const absent = noBrowser ?? (data ? undefined : 'no Fashion-MNIST here: npx deepend data');

let browser: Browser;
let folder: string;
const servers: TestServer[] = [];

/** Serves the folder. @returns its address, which ends in a slash */
async function serveFolder(headers: Record<string, string>): Promise<string> {
  const server = await serve(async (request, response) => {
    const file = path.join(folder, new URL(request.url ?? '/', 'http://localhost').pathname);
    const isThere = (await fs.pathExists(file)) && (await fs.stat(file)).isFile();
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    response.writeHead(isThere ? 200 : 404, { 'content-type': type, ...headers });
    response.end(isThere ? await fs.readFile(file) : undefined);
  });
  servers.push(server);
  return server.url;
}

const packed = (shape: number[], values: Uint8Array) => gzipSync(idx(shape, values));

const PAGE = (
  script: string,
) => `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<div id="output"></div><script type="module">
import { startWorker } from './page.js';
window.messages = [];
const output = document.querySelector('#output');
const onMessage = (message) => window.messages.push(message);
window.session = startWorker(new URL('./${script}', import.meta.url), { output, onMessage });
</script>`;

const TRAIN = `
import { Animator, book, evaluate, loadFashionMnist, loadModel, saveModel, downloadModel, show,
  showImages, tf, train, tryGpu } from './standalone.js';
const [trainIter, testIter] = await loadFashionMnist(32);
const device = await tryGpu();
const net = book.lenet();
const animator = new Animator({ xlabel: 'epoch', legend: ['train loss', 'train acc', 'test acc'] });
const options = { numEpochs: 5, lr: 0.005, optimizer: 'adam', callbacks: [animator] };
const { history } = await train(net, trainIter, testIter, options);
await saveModel(net, 'clothes');
const kept = await evaluate(await loadModel('clothes'), testIter);
const { accuracy } = await evaluate(net, testIter);
await downloadModel(net);
for await (const { features, labels } of testIter) {
  show(await showImages(tf.slice(features, [0], [4])));
  tf.dispose([features, labels]);
  break;
}
postMessage({ device, accuracy, kept: kept.accuracy, numEpochs: history.length });`;

const OPEN = `
import { cpu, loadModel, predict, tf } from './standalone.js';
await cpu();
const net = await loadModel(new URL('./model/model.json', location.href).href);
const outputs = await predict(net, tf.fill([1, 28, 28, 1], 0.5));
postMessage([...(await outputs.data())]);`;

const FAIL = `
import { DataLoader, saveModel } from './standalone.js';
const images = new Uint8Array(4 * 784);
const dataset = { images, labels: new Uint8Array(4), imageShape: [28, 28, 1] };
const refusals = [];
try {
  for await (const batch of new DataLoader(dataset, { batchSize: 2, workers: 1 })) void batch;
} catch (error) {
  refusals.push(error.message);
}
await saveModel({}, '').catch((error) => refusals.push(error.message));
postMessage(refusals);
null.property;`;

beforeAll(async () => {
  if (absent || !data) return;
  browser = await openBrowser();
  folder = await fs.mkdtemp(path.join(tmpdir(), 'browser-'));
  await fs.copy(BUILT, folder);
  for (const [name, { dataset }] of [['train', data[0]] as const, ['t10k', data[1]] as const]) {
    const { images, labels } = dataset;
    const files = path.join(folder, 'fashion-mnist', name);
    const count = labels.length;
    const pixels = images as Uint8Array;
    await fs.outputFile(`${files}-images-idx3-ubyte.gz`, packed([count, 28, 28], pixels));
    await fs.outputFile(`${files}-labels-idx1-ubyte.gz`, packed([count], Uint8Array.from(labels)));
  }
  for (const [name, script] of Object.entries({ train: TRAIN, open: OPEN, fail: FAIL })) {
    await fs.outputFile(path.join(folder, `${name}.html`), PAGE(`${name}.js`));
    await fs.outputFile(path.join(folder, `${name}.js`), script);
  }
});
afterAll(async () => {
  await browser?.close();
  for (const server of servers) await server.close();
  if (folder) await fs.remove(folder);
});

interface Trained {
  device: { backend: string; why: string };
  accuracy: number;
  kept: number;
  numEpochs: number;
}

/** Opens a page and waits for the first message of its script. */
async function run<T>(address: string): Promise<{ page: Page; message: T; downloads: string[] }> {
  const page = await browser.newPage();
  const downloads: string[] = [];
  page.on('download', (download) => void downloads.push(download.suggestedFilename()));
  await page.goto(address);
  await page.waitForFunction('window.messages.length > 0', undefined, { timeout: 120_000 });
  return { page, message: (await page.evaluate('window.messages[0]')) as T, downloads };
}

const outputOf = async (page: Page) => (await page.locator('#output').textContent()) ?? '';

describe.skipIf(absent)(`deepend/browser (${absent ?? 'in Chromium'})`, () => {
  it('trains on threads, draws on the page, keeps the model and gives it as files', async () => {
    const { page, message, downloads } = await run<Trained>(
      `${await serveFolder(ISOLATION)}train.html`,
    );
    expect(message.device).toMatchObject({ backend: 'simd' });
    expect(message.device.why).toContain('CUDA needs Node.js');
    expect(message).toMatchObject({ numEpochs: 5, kept: message.accuracy });
    expect(message.accuracy).toBeGreaterThan(0.6);
    expect(await outputOf(page)).toMatch(/training on cpu: .*, 2 of \d+ cores, WebAssembly/);
    expect(await outputOf(page)).toMatch(/epoch 5\/5 {2}loss/);
    expect(await page.locator('#output img').count()).toBe(2); // the curves and the clothes
    const isDrawn = '[...document.images].every(({ naturalWidth }) => naturalWidth > 0)';
    await expect.poll(() => page.evaluate(isDrawn)).toBe(true);
    await expect.poll(() => downloads.sort()).toEqual(['model.json', 'model.weights.bin']);
    expect(page.workers().length).toBeGreaterThan(0);
    await page.evaluate('window.session.stop()');
    // A thread that waits is ended after two seconds.
    await expect.poll(() => page.workers().length, { timeout: 15_000 }).toBe(0);
    await page.close();
  });

  it('trains on one thread of a page that may share no memory, and says why', async () => {
    const { page, message } = await run<Trained>(`${await serveFolder({})}train.html`);
    expect(message.accuracy).toBeGreaterThan(0.6);
    const output = await outputOf(page);
    expect(output).toContain('not cross-origin isolated');
    expect(output).toContain('computing on one thread');
    expect(output).toMatch(/, 1 of \d+ cores/);
    await page.close();
  });

  it('opens a model that Node saved, with the same outputs', async () => {
    await use('simd');
    const net = book.lenet({ seed: 3 });
    await saveModel(net, path.join(folder, 'model'));
    const inputs = tf.fill([1, 28, 28, 1], 0.5);
    const expected = await predict(net, inputs);
    const values = await expected.data();
    tf.dispose([inputs, expected]);
    net.dispose();
    const { page, message } = await run<number[]>(`${await serveFolder(ISOLATION)}open.html`);
    expect(message).toHaveLength(10);
    for (const [i, value] of message.entries()) expect(value).toBeCloseTo(values[i] ?? NaN, 4);
    await page.close();
  });

  it('refuses what needs Node by name, and shows an error of the script', async () => {
    const { page, message } = await run<string[]>(`${await serveFolder(ISOLATION)}fail.html`);
    expect(message[0]).toMatch(/DataLoader need Node\.js; set workers: 0/);
    expect(message[1]).toBe('[deepend] saveModel: expected a name or an address, got ""');
    await expect.poll(() => outputOf(page)).toContain('Cannot read properties of null');
    await page.close();
  });
});
