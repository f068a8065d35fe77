/**
 * Writes docs/api.md: every flat name of `deepend` and every name of its namespaces with the first
 * sentence of its documentation.
 *
 *   node packages/deepend/scripts/api-table.mjs
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../../..');
export const API_PAGE = path.join(ROOT, 'docs/api.md');

const INTRO = `# Names

\`import { ... } from 'deepend'\` has the names that nearly every script needs. The rest is in
namespaces, which are imported the same way: \`import { nn, schedules } from 'deepend'\`, then
\`nn.sequential(...)\`. Types are exported too and are not listed here.

This page is generated; after a change run \`node packages/deepend/scripts/api-table.mjs\`.
`;

/**
 * @typedef {{ name: string, about: string, members?: Name[] }} Name
 *   a value; a namespace has members
 * @returns {Name[]} what `deepend` exports, in alphabetical order
 */
export function listNames() {
  const config = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const entry = path.join(ROOT, 'packages/deepend/src/index.ts');
  const program = ts.createProgram([entry], { ...options, incremental: false, noCheck: true });
  const checker = program.getTypeChecker();
  const resolve = (symbol) =>
    symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
  const namesOf = (module) =>
    checker
      .getExportsOfModule(module)
      .map((symbol) => ({ name: symbol.name, target: resolve(symbol) }))
      .filter(({ target }) => target.flags & (ts.SymbolFlags.Value | ts.SymbolFlags.Module))
      .map(({ name, target }) => describe(name, target))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  const describe = (name, target) => {
    const about = firstSentence(documentation(target, checker));
    if (target.flags & ts.SymbolFlags.ValueModule) return { name, about, members: namesOf(target) };
    const isTable = name === 'book' || name === 'cifar';
    return isTable ? { name, about, members: membersOf(target) } : { name, about };
  };
  const membersOf = (symbol) =>
    checker
      .getTypeOfSymbol(symbol)
      .getProperties()
      .map((member) => ({
        name: member.name,
        about: firstSentence(documentation(member, checker)),
      }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  return namesOf(checker.getSymbolAtLocation(program.getSourceFile(entry)));
}

/** The comment of a declaration, or that at the beginning of a namespace's file. */
function documentation(symbol, checker) {
  if (!(symbol.flags & ts.SymbolFlags.ValueModule))
    return ts.displayPartsToString(symbol.getDocumentationComment(checker));
  const [, comment = ''] = /^\s*\/\*\*([\s\S]*?)\*\//.exec(symbol.declarations[0].text) ?? [];
  return comment.replace(/^\s*\* ?/gm, '');
}

function firstSentence(text) {
  const [sentence] = text
    .replace(/\s+/g, ' ')
    .trim()
    .split(/(?<=[.:]) (?=[A-Z`])/);
  return (sentence ?? '')
    .replace(/:$/, '.')
    .replace(/^The namespace `\w+`: (.)/, (_, letter) => letter.toUpperCase());
}

const table = (names) =>
  [
    '| name | what it is |',
    '| --- | --- |',
    ...names.map(({ name, about }) => `| \`${name}\` | ${about.replaceAll('|', '\\|')} |`),
  ].join('\n');

/** @param {Name[]} names */
export function renderPage(names) {
  const namespaces = names.filter(({ members }) => members);
  const sections = namespaces.map(
    ({ name, about, members }) => `## \`${name}\`\n\n${about}\n\n${table(members)}\n`,
  );
  const flat = names.filter(({ members }) => !members);
  return format(`${INTRO}\n## Flat names\n\n${table(flat)}\n\n${sections.join('\n')}`);
}

/** As `npm run format` would write the page. */
function format(page) {
  const biome = path.join(ROOT, 'node_modules/@biomejs/biome/bin/biome');
  const args = [biome, 'format', `--stdin-file-path=${API_PAGE}`];
  const { stdout, status } = spawnSync(process.execPath, args, { input: page, encoding: 'utf8' });
  if (status !== 0) throw new Error('[api-table] biome cannot format the page');
  return stdout;
}

if (process.argv[1] === import.meta.filename) writeFileSync(API_PAGE, renderPage(listNames()));
