/**
 * Writes a results file's tables between the markers of pages: `npm run bench:table -- RESULTS.json
 * PAGE.md ... [--kinds train,infer] [--only 'ResNet-18, 28 px' ...]`.
 * A page whose name ends in `.zh-CN.md`, or in a folder `zh`, gets them in Chinese. Several results
 * files are joined: the first one's caption stands.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { between, type MarkdownOptions, markdown } from './markdown';
import type { Results } from './results';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { kinds: { type: 'string' }, only: { type: 'string', multiple: true } },
});
const files = positionals.filter((name) => name.endsWith('.json'));
const pages = positionals.filter((name) => name.endsWith('.md'));
if (files.length === 0 || pages.length === 0 || files.length + pages.length < positionals.length) {
  console.error(
    'npm run bench:table -- RESULTS.json ... PAGE.md ... [--kinds train,infer,load,scaling,kernels,distributed,browser]',
  );
  process.exit(1);
}
const all = files.map((file) => JSON.parse(readFileSync(file, 'utf8')) as Results);
const results = { ...(all[0] as Results), rows: all.flatMap(({ rows }) => rows) };
const kinds = values.kinds?.split(',') as MarkdownOptions['kinds'];
for (const page of pages) {
  const language = /\.zh-CN\.md$|\bzh\//.test(page) ? 'zh' : 'en';
  writeFileSync(
    page,
    between(readFileSync(page, 'utf8'), markdown(results, { language, kinds, only: values.only })),
  );
  console.log(`wrote ${page}`);
}
