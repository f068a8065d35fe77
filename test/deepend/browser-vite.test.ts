// Full run only: it builds an app with Vite and trains in Chromium.
/** `deepend/browser` in an app that Vite builds and serves. */
import path from 'node:path';
import fs from 'fs-extra';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser } from '../helpers/browser';
import { ISOLATION, serveFolder, writeClothes } from '../helpers/pages';

// Within the project, so that Vite finds the packages as in an app that has installed them.
const app = path.resolve('node_modules/.cache/deepend-vite-app');
const clothes = path.join(app, 'public/fashion-mnist');
await fs.emptyDir(app);
const hasClothes = await writeClothes(clothes, { numTrain: 320, numTest: 64 }).then(
  () => true,
  () => false,
);
const absent = noBrowser ?? (hasClothes ? undefined : 'no Fashion-MNIST here: npx deepend data');

const FILES = {
  'index.html': `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
<div id="output"></div><script type="module" src="./main.ts"></script>`,
  'main.ts': `
import { startWorker } from 'deepend/browser/page';
const worker = new Worker(new URL('./train.ts', import.meta.url), { type: 'module' });
const output: HTMLElement | null = document.querySelector('#output');
const answers: unknown[] = [];
Object.assign(window, { answers });
startWorker(worker, { output, onMessage: (answer) => answers.push(answer) });`,
  'train.ts': `
import { Animator, book, loadFashionMnist, train, tryGpu } from 'deepend/browser';
console.log('the worker is there');
const [trainIter, testIter] = await loadFashionMnist(32, { from: '/fashion-mnist/' });
const { backend } = await tryGpu();
const net = book.lenet();
const animator = new Animator({ xlabel: 'epoch', legend: ['train loss', 'train acc', 'test acc'] });
const options = { numEpochs: 2, lr: 0.005, optimizer: 'adam' as const, callbacks: [animator] };
const { history } = await train(net, trainIter, testIter, options);
postMessage({ backend, numEpochs: history.length });`,
};

let browser: Browser;
beforeAll(async () => {
  if (absent) return;
  browser = await openBrowser();
  for (const [name, text] of Object.entries(FILES)) await fs.outputFile(path.join(app, name), text);
});
afterAll(async () => {
  await browser?.close();
  await fs.remove(app);
});

const settings = {
  root: app,
  configFile: false,
  logLevel: 'error',
  worker: { format: 'es' },
} as const;

/** Opens the app and waits until its worker has trained. */
async function open(address: string): Promise<void> {
  const page = await browser.newPage();
  const failures: string[] = [];
  page.on('pageerror', ({ message }) => failures.push(message));
  await page.goto(address);
  const output = page.locator('#output');
  // Threads of a busy machine wait for one another for long.
  await expect
    .poll(() => page.evaluate('window.answers'), { timeout: 200_000 })
    .toEqual([{ backend: 'simd', numEpochs: 2 }]);
  expect(await output.textContent()).toMatch(/epoch 2\/2/);
  expect(await output.textContent()).toMatch(/^the worker is there/);
  expect(await output.textContent()).toMatch(/, 2 of \d+ cores, WebAssembly/);
  expect(await output.locator('img').count()).toBe(1);
  expect(failures).toEqual([]);
  await page.close();
}

describe.skipIf(absent)(`a Vite app (${absent ?? 'in Chromium'})`, () => {
  it('is built and trains on threads', async () => {
    const { build } = await import('vite');
    await build(settings);
    const server = await serveFolder(path.join(app, 'dist'), ISOLATION);
    await open(`${server.url}index.html`);
    await server.close();
  }, 240_000);

  it('trains in the server for development', async () => {
    const { createServer } = await import('vite');
    const server = await createServer({ ...settings, server: { headers: ISOLATION } });
    await server.listen();
    await open(server.resolvedUrls?.local[0] ?? '');
    await server.close();
  }, 240_000);
});
