/** The pages' figures are those of the committed results: nobody types them in. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';
import { between, type MarkdownOptions, markdown } from './markdown';
import type { Results } from './results';

const folder = path.join(import.meta.dirname, 'results');
const read = (name: string) => JSON.parse(readFileSync(path.join(folder, name), 'utf8')) as Results;
const joined = (names: readonly string[]): Results => {
  const all = names.map(read);
  return { ...(all[0] as Results), rows: all.flatMap(({ rows }) => rows) };
};

/** The rows of the site's first screen. */
const HOME = ['ResNet-18, 28 px', 'ResNet-18, 224 px', 'LeNet, 28', 'VGG-16', 'MobileNetV2'];

/**
 * Each page, the results files that it shows, and which kinds of rows. `npm run bench:table` writes
 * them.
 */
const PAGES: [page: string, files: string[], options: MarkdownOptions][] = [
  ['README.md', ['speed.json'], { kinds: ['train', 'infer'] }],
  ['README.zh-CN.md', ['speed.json'], { kinds: ['train', 'infer'], language: 'zh' }],
  ['docs/index.md', ['speed.json'], { kinds: ['train'], only: HOME }],
  ['docs/zh/index.md', ['speed.json'], { kinds: ['train'], only: HOME, language: 'zh' }],
  ['docs/devices.md', ['tensorflow.json'], { kinds: ['train'] }],
  ['docs/zh/devices.md', ['tensorflow.json'], { kinds: ['train'], language: 'zh' }],
  ['docs/modules.md', ['modules.json'], { kinds: ['train'] }],
  ['docs/zh/modules.md', ['modules.json'], { kinds: ['train'], language: 'zh' }],
  [
    'docs/performance.md',
    ['speed.json', 'scaling.json', 'kernels.json'],
    { kinds: ['train', 'infer', 'load', 'scaling', 'kernels'] },
  ],
  ['docs/browser.md', ['browser.json'], { kinds: ['browser'] }],
  ['docs/zh/browser.md', ['browser.json'], { kinds: ['browser'], language: 'zh' }],
  ['docs/distributed.md', ['distributed.json'], { kinds: ['distributed'] }],
  ['docs/zh/distributed.md', ['distributed.json'], { kinds: ['distributed'], language: 'zh' }],
  [
    'docs/zh/performance.md',
    ['speed.json', 'scaling.json', 'kernels.json'],
    { kinds: ['train', 'infer', 'load', 'scaling', 'kernels'], language: 'zh' },
  ],
];

it.each(PAGES)("%s shows the benchmark's own output", (page, files, options) => {
  const text = readFileSync(page, 'utf8');
  expect(text).toBe(between(text, markdown(joined(files), options)));
});

it('has no results that no page shows', () => {
  expect(readdirSync(folder).sort()).toEqual(
    [...new Set(PAGES.flatMap(([, files]) => files))].sort(),
  );
});
