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
  'metrics',
  'models',
  'nn',
  'optim',
  'plots',
  'runs',
  'schedules',
  'transforms',
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

it('loads no command line, no image codec and no optional backend when it is imported', () => {
  const loaded = loadedBy("require('deepend')");
  expect(loaded).toContain('deepend');
  const heavy = [
    '@tensorflow/tfjs-backend-wasm',
    '@tensorflow/tfjs-backend-webgpu',
    '@tensorflow/tfjs-node',
    '@tensorflow/tfjs-node-gpu',
    'commander',
    'fflate',
    'h5wasm',
    'sharp',
    'webgpu',
    'zod',
  ];
  expect(loaded.filter((name) => heavy.includes(name))).toEqual([]);
});

it('starts no backend when it is imported', () => {
  const script = `
    require('deepend');
    const { engine } = require('@tensorflow/tfjs-core');
    console.log(Object.keys(engine().registry).length, engine().backendName ?? 'none');`;
  const output = execFileSync(process.execPath, ['-e', script], { encoding: 'utf8' });
  expect(output).toBe('0 none\n');
});

it('loads only commander to print the help of the command line', () => {
  const loaded = loadedBy("await require('deepend/cli').main(['node', 'deepend', '--help'])");
  expect(loaded.sort()).toEqual(['commander', 'deepend']);
});
