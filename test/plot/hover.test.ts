// Full run only: it drives Chromium.
/** Pages of figures in a real browser. */
import { figureStyle, hoverScript, plot, showImages } from '@deepend/plot';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { noBrowser, openBrowser } from '../helpers/browser';

const HOSTILE = `</script><script>document.title = 'gone'</script><img src=x onerror="document.title='gone'">'"&🎉漢`;
const chart = plot(
  [1, 2, 3],
  [
    [0.9, 0.5, 0.3],
    [0.7, 0.8, 0.85],
  ],
  { legend: ['train loss', HOSTILE], xlabel: 'epoch', title: HOSTILE },
);

describe.skipIf(noBrowser)(
  `a page in Chromium${noBrowser ? ` (skipped: ${noBrowser})` : ''}`,
  () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await openBrowser();
    });
    afterAll(() => browser?.close());

    /** A page with `html`, and all that went wrong on it or was asked of the network. */
    async function open(
      html: string,
      options: Parameters<Browser['newPage']>[0] = {},
    ): Promise<{ page: Page; faults: string[] }> {
      const page = await browser.newPage({ viewport: { width: 700, height: 500 }, ...options });
      const faults: string[] = [];
      page.on('console', (message) => faults.push(message.text()));
      page.on('pageerror', (error) => faults.push(String(error)));
      await page.route('**', (route) => {
        const url = route.request().url();
        if (url === PLACE) return route.fulfill({ body: html, contentType: 'text/html' });
        faults.push(url);
        return route.abort();
      });
      await page.goto(PLACE);
      return { page, faults };
    }

    /** Moves the pointer to a point of the figure in the `index`th figure. */
    async function hover(
      page: Page,
      { x, y }: { x: number; y: number },
      index = 0,
    ): Promise<string | null> {
      const box = await page.locator('figure svg').nth(index).boundingBox();
      const zoom = (box?.width ?? 0) / chart.width;
      await page.mouse.move((box?.x ?? 0) + x * zoom + 3, (box?.y ?? 0) + y * zoom - 2);
      return page.locator('figure output').nth(index).textContent();
    }

    it('shows the value under the pointer, and hides it away from the points', async () => {
      const { page, faults } = await open(chart.toHtml());
      expect(await page.locator('output').isVisible()).toBe(false);
      for (const point of chart.points.slice(0, 3))
        expect(await hover(page, point)).toBe(point.label);
      expect(await page.locator('output').textContent()).toBe('train loss: 0.3 at epoch 3');
      await page.mouse.move(699, 499);
      expect(await page.locator('output').isVisible()).toBe(false);
      expect(faults).toEqual([]);
      await page.close();
    });

    it('shows names as they are, whatever they hold', async () => {
      const { page, faults } = await open(chart.toHtml());
      expect(await page.title()).not.toBe('gone');
      expect(await page.locator('script').count()).toBe(1);
      expect(await page.locator('img').count()).toBe(0);
      expect(await hover(page, chart.points.at(-1) as { x: number; y: number })).toBe(
        `${HOSTILE}: 0.85 at epoch 3`,
      );
      expect(faults).toEqual([]);
      await page.close();
    });

    it('goes from point to point by the keyboard', async () => {
      const { page } = await open(chart.toHtml());
      await page.keyboard.press('Tab');
      await page.keyboard.press('ArrowRight');
      await page.keyboard.press('ArrowRight');
      expect(await page.locator('output').textContent()).toBe('train loss: 0.5 at epoch 2');
      await page.keyboard.press('Escape');
      expect(await page.locator('output').isVisible()).toBe(false);
      await page.close();
    });

    it('keeps the value inside a narrow window', async () => {
      const { page } = await open(chart.toHtml(), { viewport: { width: 320, height: 400 } });
      expect(await hover(page, chart.points[2] as { x: number; y: number })).toBe(
        'train loss: 0.3 at epoch 3',
      );
      const box = await page.locator('output').boundingBox();
      expect((box?.x ?? 0) + (box?.width ?? 0)).toBeLessThanOrEqual(320);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(320);
      await page.close();
    });

    it.each([
      ['auto', 'light', 'rgb(255, 255, 255)', 'rgb(0, 114, 178)'],
      ['auto', 'dark', 'rgb(24, 24, 27)', 'rgb(61, 123, 224)'],
      ['dark', 'light', 'rgb(24, 24, 27)', 'rgb(61, 123, 224)'],
      ['light', 'dark', 'rgb(255, 255, 255)', 'rgb(0, 114, 178)'],
    ] as const)('of theme %s is for a %s reader %s', async (theme, colorScheme, paper, line) => {
      const { page } = await open(chart.toHtml({ theme }), { colorScheme });
      const style = (selector: string, name: string) =>
        `getComputedStyle(document.querySelector('${selector}')).${name}`;
      const seen = await page.evaluate(
        `[${style('body', 'backgroundColor')}, ${style('svg > rect', 'fill')}, ${style('svg path', 'stroke')}]`,
      );
      expect(seen).toEqual([paper, paper, line]);
      await page.close();
    });

    it('is a static figure without scripts', async () => {
      const { page, faults } = await open(chart.toHtml(), { javaScriptEnabled: false });
      expect(await page.locator('svg text').count()).toBeGreaterThan(5);
      expect(await page.locator('output').isVisible()).toBe(false);
      expect(faults).toEqual([]);
      await page.close();
    });

    it('holds many figures with one script, also those that come later', async () => {
      const images = await showImages(
        { shape: [2, 4, 4], data: new Uint8Array(32) },
        { titles: ['bag', 'shirt'] },
      );
      const html = `<!doctype html><meta charset="utf-8"><style>${figureStyle}</style><div>${chart.toHtmlFragment()}</div>${images.toHtmlFragment()}<script>${hoverScript}</script><script>${hoverScript}</script>`;
      const { page, faults } = await open(html);
      expect(await hover(page, chart.points[1] as { x: number; y: number })).toBe(
        'train loss: 0.5 at epoch 2',
      );
      await page
        .locator('figure svg')
        .nth(1)
        .hover({ position: { x: 40, y: 60 } });
      expect(await page.locator('output').nth(1).textContent()).toBe('image 0: bag');
      expect(await page.locator('output').nth(0).isVisible()).toBe(false);
      const later = plot([7, 8, 9], [1, 2, 3]).toHtmlFragment();
      await page.evaluate(`document.querySelector('div').innerHTML = ${JSON.stringify(later)}`);
      const [point] = plot([7, 8, 9], [1, 2, 3]).points;
      expect(await hover(page, point as { x: number; y: number })).toBe('1 at x 7');
      expect(faults).toEqual([]);
      await page.close();
    });
  },
);

const PLACE = 'http://page.test/';
