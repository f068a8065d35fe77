// Full run only: it drives Chromium.
/** A report of a real short run in a real browser. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { loadFashionMnist } from '@deepend/data';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { noBrowser, openBrowser } from '../helpers/browser';

const absent =
  noBrowser ??
  (await loadFashionMnist(1, { progress: false }).then(
    () => undefined,
    () => 'Fashion-MNIST is not here: apt-get install dataset-fashion-mnist',
  ));

describe.skipIf(absent)(`a report in Chromium${absent ? ` (skipped: ${absent})` : ''}`, () => {
  let browser: Browser;
  let dir: string;
  let file: string;
  beforeAll(async () => {
    dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
    const run = path.join(dir, 'lenet');
    const log = vi.spyOn(console, 'log').mockImplementation(() => {});
    const small = `--model book/lenet --batch-size 32 --train 640 --test 320 --lr 0.01 --optimizer adam --epochs 3 --device simd --out ${run}`;
    await main(['node', 'deepend', 'train', ...small.split(' ')]);
    await main(['node', 'deepend', 'report', run]);
    log.mockRestore();
    file = path.join(run, 'report.html');
    browser = await openBrowser();
  });
  afterAll(async () => {
    await browser?.close();
    await fs.remove(dir);
  });

  /** The page, and everything that it asked for or complained of. */
  async function open(
    options: { width?: number; colorScheme?: 'light' | 'dark' } = {},
  ): Promise<{ page: Page; heard: string[] }> {
    const { width = 1200, colorScheme = 'light' } = options;
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    const heard: string[] = [];
    page.on('console', (message) => heard.push(message.text()));
    page.on('pageerror', (error) => heard.push(error.message));
    const own = pathToFileURL(file).href;
    page.on('request', (request) => {
      if (request.url() !== own && !request.url().startsWith('data:')) heard.push(request.url());
    });
    await page.goto(own);
    return { page, heard };
  }

  it('shows each section, its pictures and its values under the pointer, and asks for nothing', async () => {
    expect((await fs.stat(file)).size).toBeLessThan(2e6);
    const { page, heard } = await open();
    const titles = await page.locator('main h2').allTextContents();
    expect(await page.locator('nav a').allTextContents()).toEqual(titles);
    expect(titles).toHaveLength(11);
    for (const link of await page.locator('nav a').all()) {
      await link.click();
      const target = (await link.getAttribute('href')) as string;
      expect(await page.locator(target).boundingBox()).toBeTruthy();
    }
    const pictures = await page
      .locator('#worst img')
      .evaluateAll((images) =>
        images.map((image) => [
          (image as unknown as { naturalWidth: number }).naturalWidth,
          image.getAttribute('alt'),
        ]),
      );
    expect(pictures).toHaveLength(24);
    for (const [width, alt] of pictures)
      expect([width, alt]).toEqual([
        28,
        expect.stringMatching(/^Test image \d+: .+, predicted .+$/),
      ]);
    await hover(page, '#curves', /^(train loss|train acc|test acc): \d\.\d+ at epoch [123]$/);
    await hover(page, '#confusion', /^.+ (predicted as .+|correct): \d+/);
    expect(heard).toEqual([]);
    await page.close();
  });

  /** Moves over a section's first chart until a value shows. */
  async function hover(page: Page, section: string, value: RegExp): Promise<void> {
    const figure = page.locator(`${section} figure`).first();
    await figure.scrollIntoViewIfNeeded();
    const { x = 0, y = 0, height = 0 } = (await figure.boundingBox()) ?? {};
    const [[px, py]] = JSON.parse((await figure.getAttribute('data-points')) as string) as [
      [number, number],
    ];
    expect(height).toBeGreaterThan(100);
    await page.mouse.move(x + px, y + py);
    const tip = figure.locator('output');
    expect(await tip.isVisible()).toBe(true);
    expect(await tip.textContent()).toMatch(value);
  }

  it.each([
    [400, 'light'],
    [400, 'dark'],
    [1200, 'light'],
    [1200, 'dark'],
  ] as const)('fits %i pixels, %s, with contrast enough', async (width, colorScheme) => {
    const { page, heard } = await open({ width, colorScheme });
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    const ratios = (await page.evaluate(CONTRASTS)) as [string, number][];
    expect(ratios.length).toBeGreaterThan(50);
    expect(ratios.filter(([, ratio]) => ratio < 4.5)).toEqual([]);
    expect(heard).toEqual([]);
    await page.close();
  });

  it('is whole on paper: no box that scrolls, no contents, every row', async () => {
    const { page } = await open({ width: 700 });
    await page.evaluate(
      "for (const box of document.querySelectorAll('.scroll')) box.classList.add('long')",
    ); // as with many rows
    const cut = () =>
      page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter((box) => box.scrollHeight > box.clientHeight + 1).length",
      );
    expect(await cut()).toBeGreaterThan(0);
    await page.emulateMedia({ media: 'print' });
    expect(await cut()).toBe(0);
    expect(await page.locator('nav').isVisible()).toBe(false);
    await page.close();
  });

  it('lets no other script run', async () => {
    const { page } = await open();
    const ran = await page.evaluate(`(() => {
      const script = document.createElement('script');
      script.textContent = 'window.ran = true';
      document.body.append(script);
      return window.ran === true;
    })()`);
    expect(ran).toBe(false);
    await page.close();
  });
});

/** The contrast (WCAG 2.2) of every text outside pictures to the paper or shade behind it. */
const CONTRASTS = `(() => {
  const light = (color) => {
    const [r, g, b] = color.match(/[\\d.]+/g).map((part) => Number(part) / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      if (!/, 0\\)$/.test(color)) return color;
    }
    return 'rgb(255, 255, 255)';
  };
  const texts = [...document.querySelectorAll('body *:not(svg *, output, script)')].filter((element) => [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim()));
  return texts.map((element) => {
    const [a, b] = [light(getComputedStyle(element).color), light(behind(element))];
    return [element.textContent.slice(0, 40), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
  });
})()`;
