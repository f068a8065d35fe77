/**
 * Which way imports go, that each package asks for what it imports, and that only `device` knows
 * backends by their names.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

/** The floors of the house, as in docs/architecture.md: imports go to lower floors only. */
const FLOORS = [
  ['core'],
  ['compiler', 'backend-simd'],
  ['nn', 'optim', 'device'],
  ['models', 'export', 'data', 'text', 'vision', 'plot'],
  ['distributed', 'trainer'],
  ['deepend'],
];
/** Imports within a floor. */
const NEIGHBORS: Record<string, readonly string[]> = {
  export: ['models'],
  text: ['data'],
  trainer: ['distributed'],
  vision: ['data', 'models'],
};
/** Imports within a floor of which nothing is left when the code runs. */
const TYPES_ONLY: Record<string, readonly string[]> = { 'backend-simd': ['compiler'] };
const NO_TENSORFLOW = ['plot', 'core'];

const BACKENDS = ['simd', 'tensorflow', 'wasm', 'webgpu', 'cpu-js'];
/** Files outside `device` that still compare a backend's name; remove a row when it is solved. */
const WAITING: readonly string[] = [];

const PARTS = ['src', 'scripts', 'page', 'bin', 'assembly'];
const folders = readdirSync('packages');

const files = (dir: string): string[] =>
  existsSync(dir)
    ? readdirSync(dir, { recursive: true, encoding: 'utf8' }).flatMap((name) =>
        /\.m?[jt]s$/.test(name) && !/(^|\/)generated\//.test(name) ? [path.join(dir, name)] : [],
      )
    : [];
const filesOf = (folder: string) => PARTS.flatMap((part) => files(`packages/${folder}/${part}`));

interface Import {
  file: string;
  specifier: string;
  typeOnly: boolean;
}

/** Everything that a source imports, by TypeScript's own reading. */
function importsOf(file: string): Import[] {
  const source = readFileSync(file, 'utf8');
  const erased = typeOnlySpecifiers(file, source);
  return ts.preProcessFile(source).importedFiles.map(({ fileName: specifier }) => ({
    file,
    specifier,
    typeOnly: erased.has(specifier),
  }));
}

/** Specifiers that a source only imports types from. */
function typeOnlySpecifiers(file: string, source: string): Set<string> {
  const erased = new Set<string>();
  const kept = new Set<string>();
  for (const statement of ts.createSourceFile(file, source, ts.ScriptTarget.ESNext).statements) {
    if (ts.isImportDeclaration(statement))
      (statement.importClause?.isTypeOnly ? erased : kept).add(textOf(statement.moduleSpecifier));
    if (ts.isExportDeclaration(statement) && statement.moduleSpecifier)
      (statement.isTypeOnly ? erased : kept).add(textOf(statement.moduleSpecifier));
  }
  return new Set([...erased].filter((specifier) => !kept.has(specifier)));
}

const textOf = (node: ts.Expression) => (ts.isStringLiteral(node) ? node.text : '');

/** The packages whose sources a build script bundles by their path. */
function bundledBy(file: string): Import[] {
  const source = readFileSync(file, 'utf8');
  const paths = [...source.matchAll(/['"`/]\.\.\/([a-z-]+)\/(?:src|dist|page|assembly)\b/g)];
  const names = /\.\.\/\$\{/.test(source) ? [...source.matchAll(/['"]([a-z-]+)['"]/g)] : [];
  return [...paths, ...names]
    .map(([, folder = '']) => folder)
    .filter((folder) => folders.includes(folder))
    .map((folder) => ({ file, specifier: `@deepend/${folder}`, typeOnly: false }));
}

const packageOf = (specifier: string) =>
  specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
const floorOf = (folder: string) => FLOORS.findIndex((floor) => floor.includes(folder));

function mayImport(folder: string, { specifier, typeOnly }: Import): boolean {
  const target = packageOf(specifier).replace('@deepend/', '');
  if (target === folder) return true; // a script that bundles its own package
  if (NEIGHBORS[folder]?.includes(target)) return true;
  if (typeOnly && TYPES_ONLY[folder]?.includes(target)) return true;
  return floorOf(target) >= 0 && floorOf(target) < floorOf(folder);
}

const isOurs = ({ specifier }: Import) => /^(@deepend\/|deepend(\/|$))/.test(specifier);

describe.each(folders)('packages/%s', (folder) => {
  const manifest = JSON.parse(readFileSync(`packages/${folder}/package.json`, 'utf8')) as Record<
    string,
    Record<string, string>
  >;
  const imports = filesOf(folder).flatMap(importsOf);
  const outside = imports.filter(
    ({ specifier }) => !specifier.startsWith('.') && !isBuiltin(specifier),
  );
  const inSource = outside.filter(({ file }) => file.startsWith(`packages/${folder}/src/`));

  it('has a floor', () => {
    expect(floorOf(folder)).toBeGreaterThanOrEqual(0);
  });

  it('imports only what lies below it, in its build scripts too', () => {
    const bundled = files(`packages/${folder}/scripts`).flatMap(bundledBy);
    const wrong = [...outside.filter(isOurs), ...bundled].filter(
      (entry) => !mayImport(folder, entry),
    );
    expect(wrong).toEqual([]);
  });

  it('asks for each package that it imports', () => {
    const known = {
      ...manifest.dependencies,
      ...manifest.peerDependencies,
      ...manifest.devDependencies,
    };
    const unknown = inSource.filter(({ specifier }) => !(packageOf(specifier) in known));
    expect(unknown).toEqual([]);
  });

  it('stays within its folder', () => {
    const escaping = imports.filter(
      ({ file, specifier }) =>
        specifier.startsWith('.') &&
        !path.join(path.dirname(file), specifier).startsWith(path.join('packages', folder)),
    );
    expect(escaping).toEqual([]);
  });

  it('has TensorFlow.js as a peer, or not at all', () => {
    const tensorflow = outside.filter(({ specifier }) => specifier.startsWith('@tensorflow/'));
    if (NO_TENSORFLOW.includes(folder)) expect(tensorflow).toEqual([]);
    const bundled = Object.keys(manifest.dependencies ?? {}).filter((name) =>
      name.startsWith('@tensorflow/'),
    );
    if (folder !== 'deepend') expect(bundled).toEqual([]);
  });

  it('compares no backend by its name', () => {
    if (folder === 'device') return;
    const name = `['"](?:${BACKENDS.join('|')})['"]`;
    const comparison = new RegExp(`[!=]==? ?${name}|${name} ?[!=]==?|case ${name}:`);
    const wrong = filesOf(folder).flatMap((file) =>
      readFileSync(file, 'utf8')
        .split('\n')
        .flatMap((line, i) => (comparison.test(line) ? [`${file}:${i + 1} ${line.trim()}`] : [])),
    );
    expect(wrong.filter((line) => !WAITING.some((file) => line.startsWith(file)))).toEqual([]);
  });
});

it('examples import only deepend and the tensors', () => {
  const specifiers = files('examples')
    .flatMap(importsOf)
    .map(({ specifier }) => specifier)
    .filter((specifier) => !isBuiltin(specifier));
  expect(new Set(specifiers)).toEqual(new Set(['deepend', '@tensorflow/tfjs-core']));
});
