/**
 * Training in headless Chromium, next to Node with the same build of the kernels, and next to
 * jax-js in the same browser. Needs Chromium; jax-js where it is installed: `npm run peers npm`.
 */
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { build } from 'esbuild';
import fs from 'fs-extra';
import type { Page } from 'playwright-core';
import { noBrowser, openBrowser } from '../helpers/browser';
import { BUILT, ISOLATION, serveFolder } from '../helpers/pages';
import type { Net } from './browser/train-steps';
import { type Contender, interleave, type Rounds } from './interleave';
import type { Measured } from './results';

const PROGRAMS = path.join(import.meta.dirname, 'browser');
const JAX = '@jax-js/jax';

interface Job {
  readonly title: string;
  readonly net: Net;
  /** What it is measured against. */
  readonly reference: 'Node' | 'jax-js';
  readonly target: number;
}

const JOBS: readonly Job[] = [
  { title: 'LeNet, 28 px, batch 128', net: 'lenet', reference: 'Node', target: 0.6 },
  { title: 'a CNN of 2 convolutions, 28 px, batch 64', net: 'cnn', reference: 'jax-js', target: 3 },
];

/** The version of jax-js; undefined where it is not installed. */
export function jaxVersion(): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve(JAX);
    return fs.readJsonSync(path.join(main, '../../package.json')).version;
  } catch {
    return undefined;
  }
}

/** Node, with the kernels that a browser has. */
function node(net: Net): Contender {
  const child = fork(path.join(PROGRAMS, 'node-program.ts'), [net], {
    execArgv: ['--import', 'tsx'],
    env: { ...process.env, DEEPEND_NATIVE: '0', TSX_TSCONFIG_PATH: 'examples/tsconfig.json' },
  });
  const answer = <T>() =>
    new Promise<T>((resolve, reject) => {
      child.once('message', (message) => resolve(message as T));
      child.once('error', reject);
    });
  const ready = answer<string>();
  return {
    name: 'Node',
    round: async (seconds) => {
      await ready;
      child.send(seconds);
      return answer<number>();
    },
    dispose: () => void child.kill(),
  };
}

/** What a page does: starts the worker, and asks it for rounds. */
const PAGE = `<!doctype html><link rel="icon" href="data:,"><script type="module">
const start = (script) => new Promise((resolve, reject) => {
  const worker = new Worker(script, { type: 'module' });
  const answer = () => new Promise((settle) => {
    worker.onmessage = ({ data }) => settle(data);
  });
  worker.onerror = ({ message }) => reject(new Error(message));
  answer().then(() => resolve((seconds) => {
    worker.postMessage(seconds);
    return answer();
  }));
});
window.start = async (script) => {
  window.steps = await start(script);
};
</script>`;

/** A program in a page of its own. */
async function inPage(page: Page, name: string, script: string): Promise<Contender> {
  await page.evaluate((address) => (globalThis as unknown as Bench).start(address), script);
  return {
    name,
    round: (seconds) =>
      page.evaluate((asked) => (globalThis as unknown as Bench).steps(asked), seconds),
    dispose: () => page.close(),
  };
}

interface Bench {
  start(script: string): Promise<void>;
  steps(seconds: number): Promise<number>;
}

/** Writes the page and its workers into a folder. */
async function makePages(folder: string): Promise<void> {
  await fs.copy(BUILT, folder);
  writeFileSync(path.join(folder, 'index.html'), PAGE);
  const programs = ['worker-program.ts', ...(jaxVersion() ? ['jax-program.mjs'] : [])];
  await build({
    entryPoints: programs.map((name) => path.join(PROGRAMS, name)),
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    logLevel: 'error',
    plugins: [
      {
        name: 'what the page serves',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^deepend\/browser$/ }, () => ({
            path: './standalone.js',
            external: true,
          })),
      },
    ],
  });
}

/** @throws Error without Chromium */
export async function measureBrowser({
  onRow,
  words,
  ...rounds
}: Rounds & {
  words: readonly string[];
  onRow: (row: Measured) => void;
}): Promise<void> {
  if (noBrowser) throw new Error(`[bench] ${noBrowser}`);
  const folder = mkdtempSync(path.join(tmpdir(), 'deepend-bench-'));
  const browser = await openBrowser();
  const server = await serveFolder(folder, ISOLATION);
  const open = async (name: string, script: string) => {
    const page = await browser.newPage();
    await page.goto(`${server.url}index.html`);
    return inPage(page, name, script);
  };
  try {
    await makePages(folder);
    for (const { title, net, reference, target } of JOBS) {
      if (!words.every((word) => title.includes(word))) continue;
      const contenders = [await open('Chromium', `worker-program.js#${net}`), node(net)];
      if (net === 'cnn' && jaxVersion()) contenders.push(await open('jax-js', 'jax-program.js'));
      const series = await interleave(contenders, rounds);
      onRow({ kind: 'browser', title, unit: 'samples/s', series, reference: [reference], target });
    }
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
}
