/** The docs site's own code: the sidebar, links out of docs/, anchors, and the words of the search. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, it } from 'vitest';

/** The site's files have a TypeScript project of their own, with the types of VitePress. */
const load = (name: string) => import(path.resolve(`docs/.vitepress/${name}.ts`));
const { siteLink } = await load('links');
const { slugify } = await load('markdown');
const { addressOf, DOCS, SECTIONS, sidebarOf } = await load('pages');
const { tokenize } = await load('search');

interface Section {
  readonly rows: readonly (readonly [page: string, en: string, zh: string])[];
}
const sections: readonly Section[] = Object.values(SECTIONS);
const listed = sections.flatMap(({ rows }) => rows.map(([page]) => page));

describe('the sidebar', () => {
  it('has every page of docs/, once', () => {
    const pages = readdirSync(DOCS, { recursive: true, encoding: 'utf8' })
      .map((file) => file.replaceAll(path.sep, '/'))
      .filter((file) => file.endsWith('.md') && !/^(?:zh|reference|\.vitepress)\//.test(file))
      .map((file) => file.slice(0, -3))
      .filter((page) => page !== 'index');
    expect(listed.filter((page) => !page.startsWith('reference/')).sort()).toEqual(pages.sort());
    expect(new Set(listed).size).toBe(listed.length);
  });

  it('has all packages in the reference', () => {
    const packages = readdirSync(path.join(DOCS, '../packages'));
    const own = listed.flatMap((page) => /^reference\/([\w-]+)(?:\/index)?$/.exec(page)?.[1] ?? []);
    expect(own.filter((name) => name !== 'index').sort()).toEqual(packages.sort());
  });

  it('is in Chinese, and leads to the English page where there is no Chinese one', () => {
    const [start] = sidebarOf('zh');
    expect(start?.text).toBe('开始');
    expect(start?.items?.[0]?.link).toBe('/zh/getting-started');
    expect(addressOf('api', 'zh')).toBe('/api');
    expect(addressOf('book/index', 'en')).toBe('/book/');
  });
});

describe('links', () => {
  it.each([
    ['training.md', 'training.md', 'training.md'],
    ['https://d2l.ai', 'training.md', 'https://d2l.ai'],
    ['#several-devices', 'training.md', '#several-devices'],
    ['../README.md#speed', 'performance.md', '/'],
    ['../packages/compiler/README.md#models', 'training.md', '/reference/compiler'],
    ['../packages/nn', 'architecture.md', '/reference/nn/'],
    ['../examples/block-orders.ts', 'models.md', '/recipes/block-orders'],
    ['../../examples/book-cnns.ts', 'zh/results.md', addressOf('recipes/book-cnns', 'zh')],
    ['docs/data.md', 'changes.md', '/data'],
  ])('%s of docs/%s leads to %s', (href, page, expected) => {
    expect(siteLink(href, page)).toBe(expected);
  });

  it('to a file that the site does not show lead to the repository, or nowhere', () => {
    const link = siteLink('../packages/compiler/src/fused-kernels.ts', 'backend-simd.md');
    expect(link ?? 'https://').toMatch(/^https:\/\//);
  });

  it('have the anchors of the repository', () => {
    expect(slugify('`tf.data` datasets')).toBe('tfdata-datasets');
    expect(slugify('BOOK_RESNETS')).toBe('book_resnets');
    expect(slugify('数据与 加载')).toBe('数据与-加载');
  });
});

it('the search finds Chinese words within a sentence', () => {
  const words = tokenize('批量规范化 keeps the mean');
  expect(words).toContain('mean');
  expect(words.length).toBeGreaterThan(4);
  expect(words.filter((word: string) => word.startsWith('批量'))).toEqual(['批量']);
});

it('the service worker is among the public files', () => {
  expect(existsSync(path.join(DOCS, 'public/offline.js'))).toBe(true);
});
