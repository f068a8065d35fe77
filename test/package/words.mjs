/**
 * Checks the words that people read against the project's list of words to avoid, in pages,
 * comments, strings and the examples' notebooks; the length of lines; and the number of format
 * suppressions.
 *
 *   node test/package/words.mjs             everything (part of `npm run lint`)
 *   node test/package/words.mjs FILE ...    these files
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { ROOT } from './packages.mjs';

/** Words to avoid, and what to write. A space stands for any break, also between comment lines. */
const WORDS = [
  ['beside', 'next to, compared with, besides'],
  ['alone', 'only'],
  ['anew', 'again'],
  ['sound', 'valid'],
  ['mend(?:s|ed|ing)?', 'fix'],
  ['go(?:es|ing)? on', 'continue, resume'],
  ['whole numbers?', 'integer'],
  ['a text(?! (?:file|editor|box|field|format|classifier|dataset|data))', 'a string'],
  ['so many', 'n, this many'],
  ['whoever', 'the one who, or name them'],
  ['whatever', 'any, or name it'],
  ['borne', 'allowed, accepted'],
  ['told', 'given, set, reported'],
  ['held to', 'compared with'],
].map(([words, instead]) => ({
  words: new RegExp(`(?<![\\w-])${words.replaceAll(' ', '[\\s*/#]+')}(?![\\w-])`, 'gi'),
  instead,
}));

/** Sentences in which a word is right, each with its reason. */
const ALLOWED = [{ file: 'CONTRIBUTING.md', text: /words to avoid/i, reason: 'the list itself' }];

const COLUMNS = 100;
const SUPPRESSIONS = 20;
/** Written by a script, one glyph a line. */
const DATA = ['packages/plot/src/fonts/inter.ts'];

const PROSE = /^(?:[^/]+|docs\/.+|packages\/.+|examples\/.+|\.changeset\/.+)\.md$/;
const CODE =
  /^(?:packages\/[^/]+\/(?:src|assembly|page|bin|scripts)\/.+|examples\/.+)\.(?:m?[jt]s|css|ipynb)$/;
const CHINESE = /zh-CN|\/zh\//;

const tracked = () =>
  execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1e8,
  })
    .split('\n')
    .filter(Boolean);

const isRead = (file) =>
  (PROSE.test(file) || CODE.test(file) || file.startsWith('.ci/')) && !CHINESE.test(file);

const blank = (text) => text.replace(/[^\n]/g, ' ');

/** A source in which everything but comments, strings and templates is blank. */
function commentsAndStrings(file, source) {
  const parts = [];
  const visit = (node) => {
    const isModule = node.parent && 'moduleSpecifier' in node.parent;
    if (
      ts.isStringLiteralLike(node) ||
      ts.isTemplateHead(node) ||
      ts.isTemplateMiddleOrTemplateTail(node)
    )
      parts.push({ from: node.getStart(), to: node.end, read: !isModule });
    else if (ts.isRegularExpressionLiteral(node))
      parts.push({ from: node.getStart(), to: node.end, read: false });
    else ts.forEachChild(node, visit);
  };
  const kind = /\.m?js$/.test(file) ? ts.ScriptKind.JS : ts.ScriptKind.TS;
  visit(ts.createSourceFile(file, source, ts.ScriptTarget.ESNext, true, kind));
  let rest = source;
  let read = blank(source);
  const keep = (from, text) => {
    read = read.slice(0, from) + text + read.slice(from + text.length);
  };
  for (const { from, to, read: isSentence } of parts) {
    const text = source.slice(from, to);
    rest = rest.slice(0, from) + blank(text) + rest.slice(to);
    if (isSentence) keep(from, text);
  }
  for (const { 0: comment, index } of rest.matchAll(/\/\*[\s\S]*?\*\/|\/\/.*/g))
    keep(index, withoutCode(comment));
  return read;
}

/** Prose in which inline code is blank: an identifier is no sentence. */
const withoutCode = (text) => text.replace(/`[^`\n]+`/g, blank);

function sentences(file, source) {
  if (/\.m?[jt]s$/.test(file)) return commentsAndStrings(file, source);
  if (file.endsWith('.ipynb'))
    return JSON.parse(source)
      .cells.flatMap(({ source: lines }) => lines)
      .join('');
  if (file.endsWith('.css'))
    return source.replace(/(\/\*[\s\S]*?\*\/)|[^\n]/g, (_, comment) => comment ?? ' ');
  return withoutCode(source);
}

/** @returns {string[]} a line for each word to avoid, with its place */
function findWords(file) {
  const text = sentences(file, readFileSync(path.join(ROOT, file), 'utf8'));
  return WORDS.flatMap(({ words, instead }) =>
    [...text.matchAll(words)].flatMap(({ 0: match, index }) => {
      const around = text.slice(Math.max(0, index - 60), index + 60);
      if (ALLOWED.some((row) => row.file === file && row.text.test(around))) return [];
      const line = text.slice(0, index).split('\n').length;
      const word = match.replaceAll(/[\s*/#]+/g, ' ');
      return [`${file}:${line}: "${word}": write ${instead}`];
    }),
  );
}

const findLongLines = (file) =>
  readFileSync(path.join(ROOT, file), 'utf8')
    .split('\n')
    .flatMap((line, i) =>
      [...line].length > COLUMNS ? [`${file}:${i + 1}: ${[...line].length} columns`] : [],
    );

function findSuppressions(files) {
  const mark = ['biome-ignore', 'format'].join(' ');
  const uses = files
    .filter((file) => /\.(?:m?[jt]sx?|json)$/.test(file))
    .flatMap((file) =>
      readFileSync(path.join(ROOT, file), 'utf8')
        .split(mark)
        .slice(1)
        .map(() => file),
    );
  if (uses.length <= SUPPRESSIONS) return [];
  return [
    `${uses.length} format suppressions, at most ${SUPPRESSIONS}: ${[...new Set(uses)].join(', ')}`,
  ];
}

function check(names) {
  if (names.length > 0)
    return names.map((file) => path.relative(ROOT, path.resolve(file))).flatMap(findWords);
  const files = tracked();
  const sources = files.filter((file) => /^packages\/[^/]+\/src\/.+\.ts$/.test(file));
  return [
    ...files.filter(isRead).flatMap(findWords),
    ...sources.filter((file) => !DATA.includes(file)).flatMap(findLongLines),
    ...findSuppressions(files),
  ];
}

const faults = check(process.argv.slice(2));
for (const fault of faults) console.error(fault);
process.exitCode = faults.length > 0 ? 1 : 0;
