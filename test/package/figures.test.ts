/** The site's pictures and outputs are those that its scripts make now: nobody draws them by hand. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { cpu } from '@deepend/device';
import { beforeAll, describe, expect, it } from 'vitest';
import { CHARTS } from '../../docs/figures/charts';
import { OUTPUTS, placesOf } from '../../docs/figures/outputs';
import { ROOT } from '../../docs/figures/results';

const IMAGES = path.join(ROOT, 'docs/images');
const HINT = 'stale: run npm run docs:figures, and look at what it changed';
const hasClothes =
  existsSync('/usr/share/datasets/fashion-mnist') || process.env.DEEPEND_DATA !== undefined;

beforeAll(async () => {
  await cpu();
});

describe('a picture is what its script draws', () => {
  it.each(CHARTS)('$name', async ({ name, draw, needs }) => {
    if (needs && !hasClothes) return console.log(`skipped: ${name} needs ${needs}`);
    const kept = readFileSync(path.join(IMAGES, `${name}.svg`), 'utf8');
    const drawn = (await draw()).toSvg({ theme: 'auto' });
    expect(drawn === kept, HINT).toBe(true);
  });

  it('every SVG has a script', () => {
    const names = readdirSync(IMAGES).filter((file) => file.endsWith('.svg'));
    expect(names.sort()).toEqual(CHARTS.map(({ name }) => `${name}.svg`).sort());
  });
});

describe('an output within a page is what its script prints', () => {
  it.each(OUTPUTS)('$page: $name', (output) => {
    for (const { file, text } of placesOf(output)) expect(readFileSync(file, 'utf8')).toBe(text());
  });

  it('every output of a page has a script', () => {
    const pages = readdirSync(path.join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' });
    const marked = pages
      .filter((page) => page.endsWith('.md') && !/^(?:zh|reference)\//.test(page))
      .flatMap((page) => {
        const text = readFileSync(path.join(ROOT, 'docs', page), 'utf8');
        const outputs = text.matchAll(/^<!-- output:([\w-]+):begin -->$/gm);
        return Array.from(outputs, ([, name]) => `${page.slice(0, -3)}: ${name}`);
      });
    expect(marked.sort()).toEqual(OUTPUTS.map(({ page, name }) => `${page}: ${name}`).sort());
  });
});
