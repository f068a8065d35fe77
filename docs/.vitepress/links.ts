/**
 * Links of a page to files that are no pages of the site. In the repository they lead to a file or
 * folder; on the site to the page that shows it, else to the repository, and where its address is
 * not known yet they are plain text.
 */
import { existsSync } from 'node:fs';
import path from 'node:path';
// @ts-expect-error: a script without declarations
import { readRepository } from '../../test/package/metadata.mjs';
import { addressOf, DOCS } from './pages';

const ROOT = path.dirname(DOCS);
/** `docs/changes.md` shows a file of the root, whose links start there. */
const OF_ROOT = ['changes.md', 'zh/changes.md'];

/** From a path in the repository to a page of the site; the first that matches. */
const PAGES: readonly (readonly [file: RegExp, page: string])[] = [
  [/^README(?:\.zh-CN)?\.md$/, '/'],
  [/^CHANGELOG\.md$/, '/changes'],
  [/^examples\/?$/, '/recipes/'],
  [
    /^examples\/(block-orders|book-cnns|fashion-mnist-fast|quickstart|resnet18-fashion-mnist)\.ts$/,
    '/recipes/$1',
  ],
  [/^packages\/(deepend|nn|data|core)(?:\/README\.md)?$/, '/reference/$1/'],
  [/^packages\/([\w-]+)(?:\/README\.md)?$/, '/reference/$1'],
  [/^docs\/(.*)\.md$/, '/$1'],
];

/** The Chinese page for a link of a Chinese page, where there is one. */
function inLanguage(address: string, page: string, anchor: string | undefined): string {
  const name = address.slice(1).replace(/(^|\/)$/, '$1index');
  const known = page.startsWith('zh/') ? addressOf(name, 'zh') : address;
  // A README's sections are no parts of the page that stands for it.
  return anchor && !/^\/(?:reference\/|$)/.test(address) ? `${known}#${anchor}` : known;
}

/** The English page, where the Chinese one that a link names is not written yet. */
const inEnglish = (page: string) => page.replace(/^docs\/(?:zh\/)?(.*)\.md$/, '/$1');

const repository: string | undefined = readRepository(ROOT);

/** @returns the link on the site, `undefined` where there is nothing to link to */
export function siteLink(href: string, page: string): string | undefined {
  const [file = '', anchor] = href.split('#');
  if (/^[a-z]+:|^\//.test(href) || file === '') return href;
  const folder = OF_ROOT.includes(page) ? ROOT : path.join(DOCS, path.dirname(page));
  const target = path.resolve(folder, file);
  const isPage = target.startsWith(`${DOCS}${path.sep}`) && target.endsWith('.md');
  const inRepository = path.relative(ROOT, target).replaceAll(path.sep, '/');
  if (isPage && !OF_ROOT.includes(page)) return existsSync(target) ? href : inEnglish(inRepository);
  for (const [pattern, to] of PAGES)
    if (pattern.test(inRepository))
      return inLanguage(inRepository.replace(pattern, to), page, anchor);
  if (!repository) return undefined;
  return `${repository}/blob/main/${inRepository}${anchor ? `#${anchor}` : ''}`;
}
