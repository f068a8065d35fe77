// Full run only: it trains in Chromium.
/** `deepend/browser`: a script trains in a worker of a page, and the page shows it. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { book, predict, saveModel } from 'deepend';
import fs from 'fs-extra';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { noBrowser, openBrowser } from '../helpers/browser';
import { BUILT, ISOLATION, serveFolder, writeClothes } from '../helpers/pages';
import type { TestServer } from '../helpers/server';

const folder = await fs.mkdtemp(path.join(tmpdir(), 'browser-'));
const counts = { numTrain: 2_000, numTest: 500 };
const hasClothes = await writeClothes(path.join(folder, 'fashion-mnist'), counts).then(
  () => true,
  () => false,
);
const absent = noBrowser ?? (hasClothes ? undefined : 'no Fashion-MNIST here: npx deepend data');

let browser: Browser;
const servers: TestServer[] = [];

/** @returns the address of the pages, which ends in a slash */
async function servePages(headers: Record<string, string>): Promise<string> {
  const server = await serveFolder(folder, headers);
  servers.push(server);
  return server.url;
}

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

/** Two steps of a small net on the GPU and on the CPU. */
const GPU = `
import { device, loadArray, nn, tf, train, tryGpu } from './standalone.js';
const { conv, dense, flatten, maxPool, relu, sequential } = nn;
const { backend, why } = await tryGpu();
const images = tf.reshape(tf.linspace(-1, 1, 8 * 64), [8, 8, 8, 1]);
const labels = tf.tensor1d([0, 1, 2, 0, 1, 2, 0, 1], 'int32');
const losses = {};
for (const name of ['webgpu:0', 'simd']) {
  const used = await device(name);
  const blocks = [conv(4, { kernel: 3 }), relu(), maxPool({ size: 2 }), flatten(), dense(3)];
  const net = sequential(blocks, { inputShape: [8, 8, 1], seed: 1 });
  const iter = loadArray([images, labels], 8);
  const options = { numEpochs: 2, lr: 0.1, device: used, progress: false };
  const { history } = await train(net, iter, null, options);
  losses[used.name === 'cpu' ? 'cpu' : 'gpu'] = history.map(({ loss }) => loss);
}
postMessage({ backend, why, losses });`;

beforeAll(async () => {
  if (absent) return;
  browser = await openBrowser();
  await fs.copy(BUILT, folder);
  for (const [name, script] of Object.entries({ train: TRAIN, open: OPEN, fail: FAIL, gpu: GPU })) {
    await fs.outputFile(path.join(folder, `${name}.html`), PAGE(`${name}.js`));
    await fs.outputFile(path.join(folder, `${name}.js`), script);
  }
});
afterAll(async () => {
  await browser?.close();
  for (const server of servers) await server.close();
  await fs.remove(folder);
});

interface Trained {
  device: { backend: string; why: string };
  accuracy: number;
  kept: number;
  numEpochs: number;
}

interface Computed {
  backend: string;
  why: string;
  losses: Record<'gpu' | 'cpu', number[]>;
}

/** Opens a page and waits for the first message of its script. */
async function run<T>(
  address: string,
  opened = browser,
): Promise<{ page: Page; message: T; downloads: string[] }> {
  const page = await opened.newPage();
  const downloads: string[] = [];
  page.on('download', (download) => void downloads.push(download.suggestedFilename()));
  await page.goto(address);
  await page.waitForFunction('window.messages.length > 0', undefined, { timeout: 200_000 });
  return { page, message: (await page.evaluate('window.messages[0]')) as T, downloads };
}

const outputOf = async (page: Page) => (await page.locator('#output').textContent()) ?? '';

describe.skipIf(absent)(`deepend/browser (${absent ?? 'in Chromium'})`, () => {
  it('trains on threads, draws on the page, keeps the model and gives it as files', async () => {
    const { page, message, downloads } = await run<Trained>(
      `${await servePages(ISOLATION)}train.html`,
    );
    expect(message.device).toMatchObject({ backend: 'simd' });
    expect(message.device.why).toContain('CUDA needs Node.js');
    expect(message).toMatchObject({ numEpochs: 5, kept: message.accuracy });
    expect(message.accuracy).toBeGreaterThan(0.6);
    expect(await outputOf(page)).toMatch(/training on cpu: .*, 2 of \d+ cores, WebAssembly/);
    expect(await outputOf(page)).toMatch(/epoch 5\/5 {2}loss/);
    expect(await page.locator('#output img').count()).toBe(2); // the curves and the clothes
    const isDrawn = '[...document.images].every(({ naturalWidth }) => naturalWidth > 0)';
    await expect.poll(() => page.evaluate(isDrawn), { timeout: 10_000 }).toBe(true);
    const files = ['model.json', 'model.weights.bin'];
    await expect.poll(() => downloads.sort(), { timeout: 10_000 }).toEqual(files);
    expect(page.workers().length).toBeGreaterThan(0);
    await page.evaluate('window.session.stop()');
    // A thread that waits is ended after two seconds.
    await expect.poll(() => page.workers().length, { timeout: 15_000 }).toBe(0);
    await page.close();
  }, 240_000);

  it('trains on one thread of a page that may share no memory, and says why', async () => {
    const { page, message } = await run<Trained>(`${await servePages({})}train.html`);
    expect(message.accuracy).toBeGreaterThan(0.6);
    const output = await outputOf(page);
    expect(output).toContain('not cross-origin isolated');
    expect(output).toContain('computing on one thread');
    expect(output).toMatch(/, 1 of \d+ cores/);
    await page.close();
  }, 240_000);

  it('opens a model that Node saved, with the same outputs', async () => {
    await use('simd');
    const net = book.lenet({ seed: 3 });
    await saveModel(net, path.join(folder, 'model'));
    const inputs = tf.fill([1, 28, 28, 1], 0.5);
    const expected = await predict(net, inputs);
    const values = await expected.data();
    tf.dispose([inputs, expected]);
    net.dispose();
    const { page, message } = await run<number[]>(`${await servePages(ISOLATION)}open.html`);
    expect(message).toHaveLength(10);
    for (const [i, value] of message.entries()) expect(value).toBeCloseTo(values[i] ?? NaN, 4);
    await page.close();
  }, 240_000);

  it("computes on the browser's WebGPU, and takes no software adapter by itself", async () => {
    const withGpu = await openBrowser({ hasWebgpu: true });
    try {
      const address = `${await servePages(ISOLATION)}gpu.html`;
      const { message } = await run<Computed>(address, withGpu);
      expect(message.backend).toBe('simd');
      expect(message.why).toContain('is a software adapter');
      const { gpu = [], cpu = [] } = message.losses;
      expect(gpu).toHaveLength(2);
      for (const [i, loss] of gpu.entries()) expect(loss).toBeCloseTo(cpu[i] ?? Number.NaN, 4);
    } finally {
      await withGpu.close();
    }
  }, 240_000);

  it('refuses what needs Node by name, and shows an error of the script', async () => {
    const { page, message } = await run<string[]>(`${await servePages(ISOLATION)}fail.html`);
    expect(message[0]).toMatch(/DataLoader need Node\.js; set workers: 0/);
    expect(message[1]).toBe('[deepend] saveModel: expected a name or an address, got ""');
    await expect
      .poll(() => outputOf(page), { timeout: 10_000 })
      .toContain('Cannot read properties of null');
    await page.close();
  }, 240_000);
});
