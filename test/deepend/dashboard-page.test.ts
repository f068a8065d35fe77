// Full run only: it drives Chromium while programs train.
/** The dashboard in a browser: what a person sees while runs train. */
import { type ChildProcess, spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { loadFashionMnist } from '@deepend/data';
import { type runs, startDashboard } from 'deepend';
import fs from 'fs-extra';
import type { Browser, Page } from 'playwright-core';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser } from '../helpers/browser';
import { rowsOf } from '../helpers/full';
import { buildProgram, type Program } from '../helpers/program';
import { epochLine, fakeRun, jsonl, stepLine } from './dashboard-fixtures';

const noData = await loadFashionMnist(1, { progress: false }).then(
  () => undefined,
  () => 'skipped: Fashion-MNIST is not here; apt-get install dataset-fashion-mnist',
);

let dir: string;
let root: string;
let browser: Browser;
let dashboard: runs.Dashboard;
let page: Page;
let count = 0;
/** What a sound page has none of. */
let faults: string[];

beforeAll(async () => {
  if (noBrowser) return;
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  browser = await openBrowser();
});
afterAll(async () => {
  await browser?.close();
  if (dir) await fs.remove(dir);
});

beforeEach(async () => {
  if (noBrowser) return;
  root = path.join(dir, `runs-${count++}`);
  await fs.ensureDir(root);
  dashboard = await startDashboard(root, { port: 0 });
  faults = [];
  page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  page.on(
    'console',
    (message) =>
      void (['error', 'warning'].includes(message.type()) && faults.push(message.text())),
  );
  page.on('pageerror', (error) => void faults.push(error.message));
  page.on(
    'requestfailed',
    (request) => void (request.url().endsWith('/news') || faults.push(`failed: ${request.url()}`)),
  );
  page.on(
    'request',
    (request) =>
      void (
        request.url().startsWith(new URL('/', dashboard.url).href) ||
        faults.push(`elsewhere: ${request.url()}`)
      ),
  );
  page.on('dialog', (dialog) => void faults.push(`a script ran: ${dialog.message()}`));
});
afterEach(async () => {
  await page?.close();
  await dashboard?.close();
});

const at = (...names: string[]) => path.join(root, ...names);
const row = (name: string) => page.locator('#rows tr', { hasText: name });
const cells = async (name: string) =>
  (await row(name).locator('td').allTextContents()).map((text) => text.trim());
/** A chart by its title. */
const chart = (title: string) =>
  page.getByRole('region', { name: title, exact: true }).locator('figure');
const points = async (title: string) =>
  JSON.parse((await chart(title).getAttribute('data-points')) ?? '[]') as [
    number,
    number,
    string,
  ][];
const until = (passes: () => Promise<boolean>) =>
  expect.poll(passes, { timeout: 15_000, interval: 100 }).toBe(true);

describe.skipIf(noBrowser)(`the dashboard's page (${noBrowser ?? 'in Chromium'})`, () => {
  it('shows a run as it grows, without a reload', async () => {
    await fakeRun(at('lenet'), { epochs: 1 });
    await page.goto(dashboard.url);
    await until(async () => (await cells('lenet'))[1] === '1 of 5');
    expect(await row('lenet').getByRole('checkbox').isChecked()).toBe(true); // what runs is shown unless someone chooses
    await until(async () => (await points('training loss')).length === 1);
    const figure = await chart('training loss').elementHandle();

    await fs.writeFile(at('lenet', 'steps.jsonl'), jsonl([stepLine(2, 5)]));
    await until(async () => (await cells('lenet'))[1] === '1.5 of 5');
    await until(
      async () => (await points('training loss')).at(-1)?.[2].includes('epoch 1.5') === true,
    );
    for (const epoch of [2, 3])
      await fs.appendFile(at('lenet', 'history.jsonl'), jsonl([epochLine(epoch)]));
    await until(async () => (await points('test accuracy')).length === 3);
    expect((await cells('lenet'))[4]).toBe(epochLine(3).trainAcc.toFixed(3));
    expect(await figure?.evaluate((node) => node.isConnected)).toBe(true); // the same figure: no flicker, and it keeps the focus

    await fs.writeJson(at('lenet', 'result.json'), {
      epochs: 3,
      stopped: 'no progress for 2 epochs',
    });
    await until(async () => (await cells('lenet'))[0] === '✓ finished …');
    expect(await page.locator('#reasons').textContent()).toBe(
      'lenet: finished: no progress for 2 epochs',
    );
    expect(await page.locator('#spoken').textContent()).toContain('lenet: finished');
    expect(faults).toEqual([]);
  });

  it('shows a search as its results come', async () => {
    const result = (trial: number, error: number) => ({
      ...{ trial, budget: 1, bracket: 0, rung: 0, error, seconds: 1 },
      config: { lr: 0.1 * (trial + 1), name: '<b>bold</b>' },
    });
    await fakeRun(at('lenet'), { epochs: 1 });
    await page.goto(dashboard.url);
    await until(async () => (await cells('lenet'))[1] === '1 of 5');
    const section = page.locator('#search-section');
    expect(await section.isVisible()).toBe(false);
    await fs.outputJson(at('sweep', 'search.json'), { scheduler: { name: 'asha' } });
    await fs.writeFile(at('sweep', 'results.jsonl'), jsonl([result(0, 0.5)]));
    const line = async () => (await section.locator('p').first().textContent()) ?? '';
    const start =
      /^asha · 1 trial · 1 result · last result today \S.* · least error 0.5 with budget 1: /;
    await until(async () => start.test(await line()));
    expect(await line()).toMatch(/: lr 0.1, name <b>bold<\/b>$/);
    await until(async () => (await section.locator('figure').count()) === 3);
    const figure = await section.locator('figure').last().elementHandle();
    await fs.appendFile(at('sweep', 'results.jsonl'), jsonl([result(1, 0.25)]));
    await until(async () => (await points('errors of configurations')).length === 2);
    expect(await figure?.evaluate((node) => node.isConnected)).toBe(true); // without a flicker
    // As many results as before, and others: a search that was started again.
    await fs.writeFile(at('sweep', 'results.jsonl'), jsonl([result(0, 0.75), result(1, 0.125)]));
    await until(async () => (await line()).includes('least error 0.125'));
    const isDrawn = async () =>
      (await points('errors of configurations')).some(([, , label]) => label.includes('0.125'));
    await until(isDrawn);
    expect(faults).toEqual([]);
    await fs.remove(at('sweep'));
    await until(async () => !(await section.isVisible()));
  });

  it('compares runs: curves in one picture, settings, pictures', async () => {
    await fakeRun(at('a'), { epochs: 3, finished: true });
    await fakeRun(at('sweep', 'b'), {
      epochs: 4,
      finished: true,
      config: { settings: { model: 'book/lenet', lr: 0.5 } },
    });
    await fakeRun(at('c'), { epochs: 1, finished: true });
    const image = { create: { width: 40, height: 30, channels: 3 as const, background: '#888' } };
    await sharp(image).png().toFile(at('a', 'predictions.png'));
    await page.goto(`${dashboard.url}#none`);
    await until(async () => (await page.locator('#rows tr').count()) === 3);
    expect(await page.locator('#charts figure').count()).toBe(0);
    await row('sweep/b').getByRole('checkbox').check();
    await page.getByLabel('a', { exact: true }).focus();
    await page.keyboard.press('Space'); // by the keyboard, too
    await until(async () => (await points('training loss')).length === 7);
    const labels = (await points('training loss')).map(([, , label]) => label);
    expect([labels[0]?.startsWith('sweep/b: '), labels.at(-1)?.startsWith('a: ')]).toEqual([
      true,
      true,
    ]);
    await until(
      async () =>
        (await page.locator('#differences tr', { hasText: 'lr' }).allTextContents()).join() ===
        'lr0.50.1',
    );
    await until(async () =>
      page
        .locator('#pictures img')
        .evaluate(
          (img: { complete: boolean; naturalWidth: number }) =>
            img.complete && img.naturalWidth === 40,
        ),
    );
    expect(page.url()).toBe(`${new URL('/', dashboard.url)}#run=sweep%2Fb&run=a`); // what a reload shows again
    await page.reload();
    await until(async () => (await points('training loss')).length === 7);
    await row('sweep/b').getByRole('checkbox').uncheck();
    await until(async () => (await points('training loss')).length === 3);
    await fs.remove(at('a'));
    await until(async () => (await page.locator('#charts figure').count()) === 0);
    expect(await page.locator('#rows tr').count()).toBe(2);
    expect(faults).toEqual([]);
  });

  it('shows a value under the pointer, and under the arrow keys, also while the picture is drawn anew', async () => {
    await fakeRun(at('a'), { epochs: 3 });
    await page.goto(dashboard.url);
    await until(async () => (await points('training loss')).length === 3);
    const box = await chart('training loss').locator('svg').boundingBox();
    const [x, y, label] = (await points('training loss'))[0] as [number, number, string];
    await page.mouse.move((box?.x ?? 0) + x + 2, (box?.y ?? 0) + y + 2);
    const tip = chart('training loss').locator('output');
    expect(await tip.textContent()).toBe(label);
    await fs.appendFile(at('a', 'history.jsonl'), jsonl([epochLine(4)]));
    await until(async () => (await points('training loss')).length === 4);
    expect(await tip.isVisible()).toBe(true);
    await chart('training loss').focus();
    await page.keyboard.press('ArrowRight');
    expect((await tip.textContent())?.startsWith('a: ')).toBe(true);
    expect(faults).toEqual([]);
  });

  it('sorts by any column and shows runs with certain words', async () => {
    await fakeRun(at('a'), { epochs: 1, finished: true, ago: 9000 });
    await fakeRun(at('b'), {
      epochs: 3,
      finished: true,
      ago: 6000,
      config: { settings: { model: 'vgg11' } },
    });
    await fakeRun(at('c'), { epochs: 0, ago: 3000 });
    await page.goto(dashboard.url);
    const names = () => page.locator('#rows th').allTextContents();
    await until(async () => (await names()).join() === 'c,b,a'); // the newest first
    const head = page.getByRole('columnheader', { name: 'loss', exact: true });
    await head.getByRole('button').click();
    expect(await names()).toEqual(['a', 'b', 'c']); // what is not known comes last
    expect(await head.getAttribute('aria-sort')).toBe('descending');
    await head.getByRole('button').click();
    expect(await names()).toEqual(['b', 'a', 'c']);
    await page.getByRole('searchbox').fill('VGG');
    expect(await names()).toEqual(['b']);
    expect(await page.locator('#count').textContent()).toContain('1 of 3 runs');
    expect(faults).toEqual([]);
  });

  it('names that are markup are text, in every place', async () => {
    const name = '<img src=x onerror=alert(1)>';
    await fakeRun(at(name), {
      epochs: 2,
      config: { settings: { model: name, [name]: name } },
      steps: [{ ended: 'failed', reason: name }],
    });
    await fakeRun(at('🐳 Größe 尺寸'), { epochs: 2 });
    await fs.outputJson(at(name, 'search.json'), { scheduler: { name } });
    const tried = { trial: 0, budget: 1, error: 0.5, seconds: 1, config: { [name]: 1, b: name } };
    await fs.writeFile(at(name, 'results.jsonl'), jsonl([tried]));
    await sharp({ create: { width: 4, height: 4, channels: 3, background: '#888' } })
      .png()
      .toFile(at(name, `${name}.png`));
    await page.goto(
      `${dashboard.url}#${new URLSearchParams([
        ['run', name],
        ['run', '🐳 Größe 尺寸'],
      ])}`,
    );
    await until(async () => (await points('training loss')).length === 4);
    await until(async () => (await page.locator('#pictures img').count()) === 1);
    expect(await row(name).locator('th').textContent()).toBe(name);
    expect(await page.locator('#differences').textContent()).toContain(name);
    await until(async () => (await page.locator('#searches figure').count()) === 3);
    expect(await page.locator('#searches h3').textContent()).toBe(name);
    expect(await page.locator('#searches p').first().textContent()).toContain(`b ${name}`);
    expect(await page.locator('img').count()).toBe(1);
    expect(faults).toEqual([]);
  });

  it('says when the dashboard has ended, and goes on with one that is started again there', async () => {
    await fakeRun(at('a'), { epochs: 1 });
    await page.goto(dashboard.url);
    const connection = page.locator('#connection');
    await until(async () => (await connection.textContent()) === 'live');
    const { port, searchParams } = new URL(dashboard.url);
    const token = searchParams.get('token') as string;
    await dashboard.close();
    await until(async () => (await connection.textContent())?.includes('does not answer') === true);
    await fs.appendFile(at('a', 'history.jsonl'), jsonl([epochLine(2)]));
    dashboard = await startDashboard(root, { port: Number(port), token });
    await until(async () => (await cells('a'))[1] === '2 of 5');
    expect(await connection.textContent()).toBe('live');
  });

  it("shows the machine's load, with GPUs where nvidia-smi tells of them", async () => {
    const before = process.env.PATH;
    const bin = path.join(dir, 'bin');
    await fs.outputFile(
      path.join(bin, 'nvidia-smi'),
      '#!/bin/sh\necho "NVIDIA H100 80GB HBM3, 37, 1024, 81559"\n',
      {
        mode: 0o755,
      },
    );
    process.env.PATH = `${bin}:${before}`;
    try {
      await page.goto(dashboard.url);
      await until(async () => (await page.locator('.gauge').count()) === 4);
    } finally {
      process.env.PATH = before;
    }
    const gauges = (await page.locator('.gauge').allTextContents()).join('\n');
    expect(gauges).toMatch(
      /^CPU\d+ %\nmemory[\d.]+ of [\d.]+ GiB\nGPU 0, NVIDIA H100 80GB HBM337 %\nGPU 0 memory1.0 of 79.6 GiB$/,
    );
    expect(faults).toEqual([]);
  });

  it.each(rowsOf([360, 400, 800, 1400], (width) => width === 360 || width === 1400))(
    'nothing is wider than the page at %i pixels, and all that can be used has a name',
    async (width) => {
      await fakeRun(at('a-run-with-a-name-that-is-rather-long-for-a-small-window'), { epochs: 3 });
      await fakeRun(at('b'), {
        epochs: 3,
        config: { settings: { model: 'x'.repeat(150) } },
        steps: [{ ended: 'failed', reason: 'y'.repeat(150) }],
      });
      await page.setViewportSize({ width, height: 800 });
      await page.goto(
        `${dashboard.url}#run=b&run=a-run-with-a-name-that-is-rather-long-for-a-small-window`,
      );
      await until(async () => (await points('samples per second')).length === 6);
      expect(
        await page.evaluate(
          'document.documentElement.scrollWidth - document.documentElement.clientWidth',
        ),
      ).toBe(0);
      const nameless = `[...document.querySelectorAll('button, input, a, img, [tabindex="0"]')].filter((node) =>
      !(node.textContent || node.alt || node.getAttribute('aria-label') || node.getAttribute('aria-labelledby') || node.labels?.[0]?.textContent)).map((node) => node.outerHTML)`;
      expect(await page.evaluate(nameless)).toEqual([]);
      const levels = (await page.evaluate(
        "[...document.querySelectorAll('h1, h2, h3')].map((head) => Number(head.tagName[1]))",
      )) as number[];
      expect(levels[0]).toBe(1);
      expect(levels.every((level, i) => i === 0 || level <= (levels[i - 1] as number) + 1)).toBe(
        true,
      );
      expect(faults).toEqual([]);
    },
  );
});

describe.skipIf(noBrowser ?? noData)(
  `a training beside it (${noBrowser ?? noData ?? 'real data'})`,
  () => {
    let program: Program;
    beforeAll(async () => {
      program = await buildProgram('test/deepend/dashboard-run.ts');
    });
    afterAll(() => program?.remove());

    it('is seen from its first figures to its end', async () => {
      await page.goto(dashboard.url);
      await until(async () => page.locator('#empty').isVisible());
      const flags =
        '--model book/lenet --batch-size 32 --train 640 --test 64 --lr 0.1 --device simd --epochs 3 --seed 1';
      const training: ChildProcess = spawn(
        process.execPath,
        [program.file, 'train', ...flags.split(' '), '--out', at('lenet')],
        { stdio: 'ignore' },
      );
      const ended = new Promise<number | null>((resolve) => training.on('close', resolve));
      await expect.poll(() => page.locator('#rows tr').count(), { timeout: 60_000 }).toBe(1);
      expect(await ended).toBe(0);
      await until(async () => (await cells('lenet'))[0] === '✓ finished');
      expect((await cells('lenet')).slice(1, 3)).toEqual(['3 of 3', '–']);
      expect((await cells('lenet')).slice(7, 10)).toEqual(['book/lenet', 'fashion-mnist', 'cpu']);
      await until(async () => (await points('test accuracy')).length === 3);
      await until(
        async () =>
          (await page.locator('#pictures figcaption').allTextContents()).join() === 'curves.svg',
      );
      expect(faults).toEqual([]);
    }, 120_000);
  },
);
