/**
 * The book's names and what `d2l` has for each. Adds to test/golden/book-names.json how each one
 * is called, and which names `d2l` does not have yet:
 *
 *   node docs/figures/book-names.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

const ROOT = path.resolve(import.meta.dirname, '../..');
export const NAMES_FILE = path.join(ROOT, 'test/golden/book-names.json');

/**
 * @typedef {{ name: string, en: string | null, zh: string | null, call?: string, pending?: true }}
 *   BookName a function or class of d2l/torch.py, and the section of each edition that defines it
 */

/** @returns {BookName[]} */
export const readNames = () => JSON.parse(readFileSync(NAMES_FILE, 'utf8'));

/** The name in deepend: `trainCh6` of `train_ch6`, `readWiki` of `_read_wiki`. */
export function camelCase(name) {
  const [first, ...rest] = name.replace(/^_/, '').split('_');
  return first + rest.map((word) => word[0].toUpperCase() + word.slice(1)).join('');
}

/**
 * @returns {Map<string, { call: string, documentation: string }>} each function and class of `d2l`:
 *   how it is called with the arguments that it needs, and its comment
 */
export function listExports() {
  const config = ts.readConfigFile(path.join(ROOT, 'tsconfig.json'), ts.sys.readFile).config;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  const entry = path.join(ROOT, 'packages/deepend/src/d2l/index.ts');
  const program = ts.createProgram([entry], { ...options, incremental: false, noCheck: true });
  const checker = program.getTypeChecker();
  const module = checker.getSymbolAtLocation(program.getSourceFile(entry));
  const found = checker.getExportsOfModule(module).map((symbol) => {
    const isAlias = symbol.flags & ts.SymbolFlags.Alias;
    const target = isAlias ? checker.getAliasedSymbol(symbol) : symbol;
    const comments = [target, symbol].map((each) =>
      ts.displayPartsToString(each.getDocumentationComment(checker)),
    );
    const documentation = [...new Set(comments)].join('\n');
    return [symbol.name, { call: callOf(symbol.name, target, checker), documentation }];
  });
  return new Map(found);
}

/** `new d2l.Trainer(maxEpochs)`, `await d2l.download(name)`; `d2l.DATA_HUB` for a value. */
function callOf(name, symbol, checker) {
  const type = checker.getTypeOfSymbol(symbol);
  const load = type.getProperty('load');
  const [construct] = type.getConstructSignatures();
  if (load) {
    const [signature] = checker.getTypeOfSymbol(load).getCallSignatures();
    return `await d2l.${name}.load(${parametersOf(signature, checker)})`;
  }
  if (construct) return `new d2l.${name}(${parametersOf(construct, checker)})`;
  const [call] = type.getCallSignatures();
  if (!call) return `d2l.${name}`;
  const result = checker.typeToString(checker.getReturnTypeOfSignature(call));
  const wait = result.startsWith('Promise<') ? 'await ' : '';
  return `${wait}d2l.${name}(${parametersOf(call, checker)})`;
}

/** The parameters that cannot be left out; those of a list `...[lr, device]` by their names. */
function parametersOf(signature, checker) {
  return signature.parameters
    .flatMap((parameter) => {
      const { valueDeclaration: declaration, name } = parameter;
      if (!declaration) return [];
      const type = checker.getTypeOfSymbol(parameter);
      if (declaration.dotDotDotToken && checker.isTupleType(type)) {
        const { labeledElementDeclarations: labels = [], minLength } = type.target;
        return labels.slice(0, minLength).map((label) => label?.name.getText() ?? '');
      }
      if (declaration.dotDotDotToken) return [`...${name}`];
      const isOptional = declaration.questionToken || declaration.initializer;
      return isOptional ? [] : [patternName(declaration)];
    })
    .join(', ');
}

/** A name for a parameter that is taken apart: `[w, b]`, `{ features, labels }`. */
const patternName = ({ name }) => name.getText().replace(/\s+/g, ' ').replace(/,? \}/, ' }');

/** The names with deepend's calls. A name that `d2l` does not have stays or becomes pending. */
export function updateNames(exported = listExports()) {
  return readNames().map(({ name, en, zh }) => {
    const found = exported.get(camelCase(name));
    return { name, en, zh, ...(found ? { call: found.call } : { pending: true }) };
  });
}

/** One name in each line, so that a change is one line of a diff. */
export const render = (names) =>
  `[\n${names.map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`;

if (process.argv[1] === import.meta.filename) writeFileSync(NAMES_FILE, render(updateNames()));
