/** What `deepend` exports, and what importing it loads (as built). */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
// @ts-expect-error: a script without declarations
import { API_PAGE, listNames, renderPage } from '../../packages/deepend/scripts/api-table.mjs';

interface Name {
  readonly name: string;
  readonly members?: readonly Name[];
}

const NAMESPACES = [
  'book',
  'callbacks',
  'd2l',
  'datasets',
  'distributed',
  'metrics',
  'models',
  'nn',
  'optim',
  'plots',
  'runs',
  'schedules',
  'spaces',
  'text',
  'transforms',
  'vision',
];
const MAX_FLAT = 80;
const names: readonly Name[] = listNames();

it('has few flat names, and namespaces for the rest', () => {
  const namespaces = names.filter(({ members }) => members);
  expect(namespaces.map(({ name }) => name).sort()).toEqual(NAMESPACES);
  expect(names.length - namespaces.length).toBeLessThanOrEqual(MAX_FLAT);
});

it('is listed in docs/api.md; if not: node packages/deepend/scripts/api-table.mjs', () => {
  expect(readFileSync(API_PAGE, 'utf8')).toBe(renderPage(names));
});

/** Runs CommonJS code in a process of its own. @returns the packages that it loaded */
function loadedBy(code: string): string[] {
  const print = `
    const packages = Object.keys(require.cache).map((file) =>
      file.replace(/^.*\\/(node_modules|packages)\\/((@[^/]+\\/)?[^/]+)\\/.*$/, '$2'));
    console.error(JSON.stringify([...new Set(packages)]));`;
  const script = `(async () => { ${code} })().then(() => { ${print} });`;
  const options = ['-c', `"$0" -e "$1" 2>&1 >/dev/null`, process.execPath, script];
  return JSON.parse(execFileSync('sh', options, { encoding: 'utf8' })) as string[];
}

/** What registers the backends and the layers, and what that needs: nothing else acts on import. */
const LOADED_AT_IMPORT = [
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-layers',
  'backend-simd',
  'compiler',
  'core',
  'deepend',
  'device',
  'nn',
  'seedrandom',
];

it('loads only what acts on import', () => {
  expect(loadedBy("require('deepend')").sort()).toEqual(LOADED_AT_IMPORT);
});

it('loads the package of a name at its first use', () => {
  const further = (name: string) =>
    loadedBy(`require('deepend').${name}`).filter((loaded) => !LOADED_AT_IMPORT.includes(loaded));
  expect(further('tryGpu')).toEqual([]);
  expect(further('Animator')).toEqual(['plot']);
  expect(further('d2l.squaredLoss')).toEqual([]);
  expect(further('d2l.accuracy')).toEqual(['optim']);
  expect(further('loadFashionMnist')).toEqual(['data']);
});

/** Runs a program. @returns what it prints, parsed */
const printed = (script: string, ...flags: string[]) =>
  JSON.parse(execFileSync(process.execPath, [...flags, '-e', script], { encoding: 'utf8' }));

const KINDS = `(module) => Object.entries(module).map(([name, value]) => [name,
  typeof value === 'object' ? Object.keys(value).filter((key) => value[key] !== undefined).sort()
    : typeof value])`;

it('has the same names in CommonJS as in ESM, each with a value', () => {
  const esm = `import * as deepend from 'deepend';
    console.log(JSON.stringify((${KINDS})(deepend)));`;
  const cjs = printed(`console.log(JSON.stringify((${KINDS})(require('deepend'))))`);
  expect(Object.fromEntries(cjs)).toEqual(Object.fromEntries(printed(esm, '--input-type=module')));
});

it('is the packages in CommonJS: the same functions and classes, at every use', () => {
  const script = `
    const { d2l, models, plots, ...deepend } = require('deepend');
    console.log(JSON.stringify([
      models === require('deepend').models,
      models.createModel === require('@deepend/models').createModel,
      deepend.train === require('@deepend/trainer').train,
      deepend.Animator === require('@deepend/plot').Animator,
      plots.Animator === deepend.Animator,
      d2l.Residual === deepend.nn.residual,
    ]));`;
  expect(printed(script)).toEqual([true, true, true, true, true, true]);
});

it('has every name of @deepend/plot in the namespace plots', () => {
  const script = `
    const { plots } = require('deepend');
    const names = Object.keys(require('@deepend/plot'));
    console.log(JSON.stringify(names.filter((name) => !(name in plots))));`;
  expect(printed(script)).toEqual([]);
});

it('starts no backend when it is imported', () => {
  const script = `
    require('deepend');
    const { engine } = require('@tensorflow/tfjs-core');
    console.log(Object.keys(engine().registry).length, engine().backendName ?? 'none');`;
  const output = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect(output).toBe('0 none\n');
});

it('computes the first tensor on the best CPU backend', () => {
  const script = `
    require('deepend');
    const tf = require('@tensorflow/tfjs-core');
    console.log(JSON.stringify([tf.add(1, 1).dataSync()[0], tf.getBackend()]));`;
  expect(printed(script)).toEqual([2, 'simd']);
});

it('loads only commander to print the help of the command line', () => {
  const loaded = loadedBy("await require('deepend/cli').main(['node', 'deepend', '--help'])");
  expect(loaded.sort()).toEqual(['commander', 'deepend']);
});

it('keeps the names of classes, which messages and saved models contain', () => {
  const built = ['data', 'nn'].map((name) =>
    readFileSync(`packages/${name}/dist/index.js`, 'utf8'),
  );
  expect(built.join()).toMatch(/var Embedding = class /);
  // esbuild renames a class that refers to itself.
  expect(built.join().match(/= class _\w+/g) ?? []).toEqual([]);
});
