/**
 * The Chinese pages in docs/zh, and README.zh-CN.md: each has an English counterpart, whose content
 * it names by a hash.
 *
 *   node test/package/translations.mjs                   lists pages that are missing or stale
 *   node test/package/translations.mjs --write PAGE ...  stamps docs/zh/PAGE.md after it was updated
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { ROOT } from './packages.mjs';

const ENGLISH = path.join(ROOT, 'docs');
const CHINESE = path.join(ENGLISH, 'zh');

/** Pages without a Chinese counterpart, each with its reason. */
export const ENGLISH_ONLY = { api: 'generated from docstrings, which are English' };

const pagesBelow = (folder) =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.md'))
    .map((entry) => path.relative(folder, path.join(entry.parentPath, entry.name)))
    .map((file) => file.split(path.sep).join('/').slice(0, -3));

/** Folders of docs/ that hold no page to translate. */
const SKIPPED = /^(?:zh|reference|public|node_modules|\.vitepress)\//;

/** The name of the pair README.md and README.zh-CN.md. */
export const README = 'README';

/** The pages to translate, as `data` or `book/lenet`. */
export const englishPages = () =>
  [README, ...pagesBelow(ENGLISH)]
    .filter((page) => !SKIPPED.test(page) && !(page in ENGLISH_ONLY))
    .sort();

export const chinesePages = () => [README, ...pagesBelow(CHINESE)].sort();

const englishFile = (page) =>
  page === README ? path.join(ROOT, 'README.md') : path.join(ENGLISH, `${page}.md`);

/** The file of a Chinese page, from the root of the repository. */
export const chineseFile = (page) => (page === README ? 'README.zh-CN.md' : `docs/zh/${page}.md`);

export const readEnglish = (page) => readFileSync(englishFile(page), 'utf8');
export const readChinese = (page) => readFileSync(path.join(ROOT, chineseFile(page)), 'utf8');

/** What scripts write between markers, such as tables of figures. */
const MARKED = /<!-- ([\w:-]+):begin -->[\s\S]*?<!-- \1:end -->/g;

/** A page without the tables that scripts write between markers, and with plain white space. */
export const contentOf = (markdown) =>
  markdown.replace(MARKED, '<!-- $1 -->').replace(/-{3,}/g, '---').replace(/\s+/g, ' ').trim();

export const hashOf = (markdown) =>
  createHash('sha256').update(contentOf(markdown)).digest('hex').slice(0, 16);

/** The hash in a Chinese page's front matter, or in a comment where hosts show front matter. */
export const sourceOf = (markdown) =>
  /^---\n(?:.*\n)*?source: (\w+)\n/.exec(markdown)?.[1] ?? COMMENT.exec(markdown)?.[1];

const COMMENT = /<!-- source: (\w+) -->/;

export function stamp(markdown, hash) {
  if (COMMENT.test(markdown)) return markdown.replace(COMMENT, `<!-- source: ${hash} -->`);
  if (!markdown.startsWith('---\n')) return `---\nsource: ${hash}\n---\n\n${markdown}`;
  const end = markdown.indexOf('\n---\n', 4);
  const rest = markdown
    .slice(4, end)
    .split('\n')
    .filter((line) => line && !/^source: \w+$/.test(line));
  return `---\n${[`source: ${hash}`, ...rest].join('\n')}${markdown.slice(end)}`;
}

/** @returns {string[]} a line for each page that is missing or stale */
export function findFaults() {
  const translated = new Set(chinesePages());
  const pages = englishPages();
  const missing = pages.filter((page) => !translated.has(page));
  const stale = pages.filter(
    (page) => translated.has(page) && sourceOf(readChinese(page)) !== hashOf(readEnglish(page)),
  );
  const orphans = [...translated].filter((page) => !pages.includes(page));
  return [
    ...missing.map((page) => `${chineseFile(page)} is missing: translate docs/${page}.md`),
    ...stale.map(
      (page) =>
        `${chineseFile(page)} is stale: bring it up to date with the English page, then run ` +
        `node test/package/translations.mjs --write ${page}`,
    ),
    ...orphans.map((page) => `${chineseFile(page)} has no English page: remove it`),
  ];
}

const COMMENTS = {
  sh: /(?<=^|\s)#(?!SBATCH|!).*$/gm,
  py: /(?<=^|\s)#.*$/gm,
  html: /(?<=^|\s)\/\/.*$|<!--[\s\S]*?-->/gm,
};

/** A block of code without its comments, which are translated. */
function bare(language, code) {
  if (language === 'ts' || language === 'js') {
    const source = ts.createSourceFile('block.ts', code, ts.ScriptTarget.ESNext);
    return ts.createPrinter({ removeComments: true }).printFile(source);
  }
  const pattern = COMMENTS[language];
  const lines = (pattern ? code.replace(pattern, '') : code).split('\n');
  return lines
    .map((line) => line.trimEnd())
    .filter(Boolean)
    .join('\n');
}

/** The blocks of code of a page, which both languages share, each after its language. */
export const codeOf = (markdown) =>
  [...markdown.replace(MARKED, '').matchAll(/^ *```(\w*).*\n([\s\S]*?)^ *```$/gm)].map(
    ([, language, code]) => `${language}\n${bare(language, code)}`,
  );

/** The comments before blocks that say how a test runs them. */
export const marksOf = (markdown) =>
  [...markdown.matchAll(/^<!-- (?:one script|needs .*) -->$/gm)].map(([mark]) => mark);

/** The levels of a page's headings. */
export const outlineOf = (markdown) =>
  [...withoutCode(markdown).matchAll(/^(#+) /gm)].map(([, marks]) => marks.length);

/** The anchors that links to a page may name, as GitHub and VitePress make them from headings. */
export const anchorsOf = (markdown) =>
  [...withoutCode(markdown).matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-'),
  );

/** The links of a page to headings of its own or of pages next to it: `[page, anchor]`. */
export const anchorLinksOf = (markdown, page) =>
  [...markdown.matchAll(/\]\(([\w./-]*?)(?:\.md)?#([^)]+)\)/g)]
    .filter(([, link]) => !link.startsWith('..'))
    .map(([, link, anchor]) => [
      link ? path.posix.join(path.posix.dirname(page), link) : page,
      anchor,
    ]);

const withoutCode = (markdown) => markdown.replace(/^ *```[\s\S]*?^ *```$/gm, '');

function main([flag, ...pages]) {
  if (flag === '--write') {
    for (const page of pages.map((name) =>
      name.replace(/^(?:docs\/)?(?:zh\/)?|(?:\.zh-CN)?\.md$/g, ''),
    )) {
      const file = path.join(ROOT, chineseFile(page));
      writeFileSync(file, stamp(readFileSync(file, 'utf8'), hashOf(readEnglish(page))));
    }
    return;
  }
  const faults = findFaults();
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main(process.argv.slice(2));
