// Full run only: it drives Chromium.
/**
 * The built site in a browser: it asks no other server for anything, has contrast in both themes,
 * works by keyboard, isolates its pages, and works offline after the first visit. CI builds it
 * first: `npm run docs:build`.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser } from '../helpers/browser';
import { serve, type TestServer } from '../helpers/server';
// @ts-expect-error: a script without declarations
import * as inPage from './site-in-page.mjs';

const SITE = path.resolve(import.meta.dirname, '../../docs/.vitepress/dist');
const absent =
  noBrowser ??
  (existsSync(path.join(SITE, 'offline.json')) ? undefined : 'no site: npm run docs:build');

const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
  '.json': 'application/json',
  '.gz': 'application/gzip',
};

/** One page of each kind. */
const PAGES = [
  '',
  'zh/training.html',
  'train-here.html',
  'story.html',
  'book/index.html',
  'recipes/quickstart.html',
];
const MORE = ['reference/trainer.html', 'api.html', 'performance.html'];

/** Too little contrast to the theme's paper. */
const PALE = { light: '#aaaaaa', dark: '#444444' } as const;

/** A host that sends no headers of its own, such as GitHub Pages. */
const startHost = (): Promise<TestServer> =>
  serve((request, response) => {
    const { pathname } = new URL(request.url ?? '/', 'http://host');
    const file = path.join(SITE, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    if (!existsSync(file)) return void response.writeHead(404).end();
    const type = TYPES[path.extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type }).end(readFileSync(file));
  });

describe.skipIf(absent)(`the site in Chromium${absent ? ` (skipped: ${absent})` : ''}`, () => {
  let browser: Browser;
  let host: TestServer;
  beforeAll(async () => {
    browser = await openBrowser();
    host = await startHost();
  });
  afterAll(async () => {
    await browser?.close();
    await host?.close();
  });

  /** A page of a reader, and everything that it asked another server for or complained of. */
  async function open(
    page: string,
    options: Parameters<Browser['newContext']>[0] = {},
  ): Promise<{ page: Page; context: BrowserContext; complaints: string[] }> {
    const context = await browser.newContext({ serviceWorkers: 'block', ...options });
    const opened = await context.newPage();
    const complaints: string[] = [];
    opened.on('pageerror', ({ message }) => complaints.push(message));
    opened.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(host.url) && !/^(?:data|blob):/.test(url)) complaints.push(url);
    });
    await opened.goto(`${host.url}${page}`);
    await opened.waitForFunction(inPage.isMounted);
    return { page: opened, context, complaints };
  }

  it.each([...PAGES, ...MORE])('/%s fits a phone and asks nobody for anything', async (name) => {
    const { page, context, complaints } = await open(name, {
      viewport: { width: 390, height: 844 },
    });
    await page.waitForTimeout(300);
    expect(complaints).toEqual([]);
    expect(await page.evaluate(inPage.overflow)).toBeLessThanOrEqual(0);
    await context.close();
  });

  it.each(['light', 'dark'] as const)('has contrast in the %s theme', async (colorScheme) => {
    for (const name of PAGES) {
      const { page, context } = await open(name, { colorScheme });
      expect(await page.evaluate(inPage.lowContrast), name).toEqual([]);
      await page.evaluate(inPage.addPale, PALE[colorScheme]);
      expect(await page.evaluate(inPage.lowContrast)).toEqual([expect.stringMatching(/ P pale$/)]);
      await context.close();
    }
  });

  it('works by keyboard: past the menus to the text, and to the search', async () => {
    const { page, context } = await open('story.html');
    await page.keyboard.press('Tab');
    expect(await page.evaluate(inPage.focused)).toBe('Skip to content');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('.VPLocalSearchBox input');
    await page.keyboard.type('residual block');
    await page.waitForSelector('.VPLocalSearchBox .result');
    await page.keyboard.press('Enter');
    await page.waitForFunction(inPage.isSearchClosed);
    await context.close();
  });

  it('finds Chinese words', async () => {
    const { page, context } = await open('zh/training.html');
    await page.keyboard.press('Control+k');
    await page.waitForSelector('.VPLocalSearchBox input');
    await page.keyboard.type('学习率');
    await page.waitForSelector('.VPLocalSearchBox .result');
    expect(await page.locator('.VPLocalSearchBox .result').first().textContent()).toMatch(
      /[\u4e00-\u9fff]/,
    );
    await context.close();
  });

  it('isolates its pages from the second load on, and works offline', {
    timeout: 120_000,
  }, async () => {
    const { page, context } = await open('', { serviceWorkers: 'allow' });
    await page.waitForFunction(inPage.isAllKept, undefined, { timeout: 90_000 });
    await page.reload();
    expect(await page.evaluate('crossOriginIsolated')).toBe(true);
    await context.setOffline(true);
    for (const name of ['story.html', 'zh/training.html', '']) {
      await page.goto(`${host.url}${name}`);
      expect(await page.locator('h1').first().textContent()).not.toBe('');
    }
    await context.close();
  });

  it('lists its pages for offline readers', () => {
    const files: string[] = JSON.parse(readFileSync(path.join(SITE, 'offline.json'), 'utf8'));
    const pages = readdirSync(SITE, { recursive: true, encoding: 'utf8' });
    expect(files).toEqual(expect.arrayContaining(pages.filter((file) => file.endsWith('.html'))));
  });

  it('trains a net on the page, and classifies a drawing', async () => {
    const { page, context, complaints } = await open('zh/train-here.html');
    const clothes = page.locator('.train-here').first();
    await clothes.locator('input').fill('1');
    await clothes.locator('.train-button').first().click();
    const canvas = page.locator('.train-drawing canvas');
    await canvas.waitFor({ timeout: 140_000 });
    const output = clothes.locator('.train-output');
    expect(await output.textContent()).toMatch(/epoch 1\/1 {2}loss/);
    expect(await output.locator('img').count()).toBe(2);
    await canvas.hover({ position: { x: 40, y: 40 } });
    await page.mouse.down();
    await canvas.hover({ position: { x: 150, y: 180 } });
    await page.mouse.up();
    await expect
      .poll(() => page.locator('.train-guess').textContent(), { timeout: 10_000 })
      .toMatch(/\d+ %, .*\d+ %/);
    expect(complaints).toEqual([]);
    await context.close();
  }, 240_000);

  it('trains a language model on a text of the reader, and continues a prompt', async () => {
    const { page, context, complaints } = await open('train-here.html');
    const part = page.locator('.train-text');
    await part.locator('textarea').fill('the cat sat on the mat. a dog ran. '.repeat(60));
    await part.locator('input[type=number]').fill('20');
    await part.locator('.train-button').first().click();
    const continued = part.locator('.train-continued');
    await expect
      .poll(() => continued.textContent(), { timeout: 120_000 })
      .toMatch(/^The model .{50,}/s);
    await part.locator('.train-field input').fill('the cat s');
    await part.getByText('Continue', { exact: true }).click();
    await expect
      .poll(() => continued.textContent(), { timeout: 30_000 })
      .toMatch(/^the cat s.*on the mat\. a dog ran/);
    expect(await part.locator('.train-output').textContent()).toMatch(/perplexity \d/);
    expect(complaints).toEqual([]);
    await context.close();
  }, 240_000);
});
