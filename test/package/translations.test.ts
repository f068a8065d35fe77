/** The pages of docs/zh say what the English ones say now, with the same code. */
import { describe, expect, it } from 'vitest';
// @ts-expect-error: a script without declarations
import * as script from './translations.mjs';

interface Translations {
  anchorLinksOf(markdown: string, page: string): [page: string, anchor: string][];
  anchorsOf(markdown: string): string[];
  chinesePages(): string[];
  codeOf(markdown: string): string[];
  contentOf(markdown: string): string;
  findFaults(): string[];
  hashOf(markdown: string): string;
  marksOf(markdown: string): string[];
  outlineOf(markdown: string): number[];
  README: string;
  readChinese(page: string): string;
  readEnglish(page: string): string;
  sourceOf(markdown: string): string | undefined;
  stamp(markdown: string, hash: string): string;
}

const { anchorLinksOf, anchorsOf, codeOf, contentOf, hashOf, marksOf, outlineOf }: Translations =
  script;
const {
  README,
  chinesePages,
  findFaults,
  readChinese,
  readEnglish,
  sourceOf,
  stamp,
}: Translations = script;

const pages = chinesePages();

it('each page is there, and as new as the English one', () => {
  expect(findFaults()).toEqual([]);
});

describe.each(pages)('%s', (page) => {
  const [english, chinese] = [readEnglish(page), readChinese(page)];

  it('has the code of the English page, whose tests compile and run it', () => {
    expect(codeOf(chinese)).toEqual(codeOf(english));
    expect(marksOf(chinese)).toEqual(marksOf(english));
  });

  // The README has one more section, about mirrors and fonts.
  if (page !== README)
    it('has the headings of the English page', () => {
      expect(outlineOf(chinese)).toEqual(outlineOf(english));
    });

  it('links to headings that exist, in Chinese pages', () => {
    const missing = anchorLinksOf(chinese, page).filter(
      ([target, anchor]) =>
        !pages.includes(target) || !anchorsOf(readChinese(target)).includes(anchor),
    );
    expect(missing).toEqual([]);
  });
});

describe('the hash of a page', () => {
  const page = '# Title\n\nWords.\n\n<!-- bench:begin -->\n\n| 1 |\n\n<!-- bench:end -->\n';

  it('changes with the words, not with figures or white space', () => {
    expect(hashOf(page.replace('| 1 |', '| 2 |'))).toBe(hashOf(page));
    expect(hashOf(page.replace('\n\n', '\n'))).toBe(hashOf(page));
    expect(hashOf(page.replace('Words', 'Other words'))).not.toBe(hashOf(page));
    expect(contentOf('| a |\n| ----- |')).toBe(contentOf('| a |\n| --- |'));
  });

  it('is kept in the front matter, next to what stands there', () => {
    const first = stamp('# 标题\n', '0123456789abcdef');
    expect(first).toBe('---\nsource: 0123456789abcdef\n---\n\n# 标题\n');
    expect(sourceOf(first)).toBe('0123456789abcdef');
    expect(stamp('Words.\n<!-- source: aaaa -->\n', 'bbbb')).toBe(
      'Words.\n<!-- source: bbbb -->\n',
    );
    const layout = stamp('---\nlayout: home\nhero:\n  name: deepend\n---\n', 'aaaa');
    expect(sourceOf(stamp(layout, 'bbbb'))).toBe('bbbb');
    expect(stamp(layout, 'bbbb')).toBe(
      '---\nsource: bbbb\nlayout: home\nhero:\n  name: deepend\n---\n',
    );
  });

  it('lets comments of code be translated, not the code', () => {
    const code = (comment: string, value: number) =>
      codeOf(`\`\`\`ts\nconst x = ${value}; // ${comment}\n\`\`\`\n`);
    expect(code('one', 1)).toEqual(code('一', 1));
    expect(code('one', 1)).not.toEqual(code('one', 2));
  });
});
