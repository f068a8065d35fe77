/** Links to a place within a page: VitePress looks for the page only, this looks for the place. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const decode = (text: string) => decodeURIComponent(text.replaceAll('&amp;', '&'));

/**
 * @param folder the built site
 * @throws Error that lists every link whose page has no such place
 */
export function checkAnchors(folder: string, base: string): void {
  const read = (file: string) => readFileSync(path.join(folder, file), 'utf8');
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.html'),
  );
  const ids = new Map(
    pages.map((page) => [
      page,
      new Set(Array.from(read(page).matchAll(/ id="([^"]+)"/g), ([, id]) => id)),
    ]),
  );
  const missing = pages.flatMap((page) =>
    Array.from(read(page).matchAll(/<a [^>]*href="([^"]*)#([^"]+)"/g), ([, to = '', id = '']) => ({
      to,
      id,
    }))
      .filter(({ to }) => !/^[a-z]+:/.test(to))
      .filter(({ to, id }) => !ids.get(fileOf(to, page))?.has(decode(id)))
      .map(({ to, id }) => `${page}: ${to}#${id}`),
  );
  if (missing.length > 0)
    throw new Error(`[site] ${missing.length} links to no place:\n${missing.join('\n')}`);

  /** The file that an address of `page` leads to. */
  function fileOf(address: string, page: string): string {
    const target = address.startsWith(base)
      ? address.slice(base.length)
      : path.posix.join(path.posix.dirname(page), address);
    if (address === '') return page;
    const file = target === '' || target.endsWith('/') ? `${target}index.html` : target;
    return existsSync(path.join(folder, file)) ? file : `${file}.html`;
  }
}
