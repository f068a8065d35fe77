import { existsSync, readdirSync } from 'node:fs';
import { defineConfig } from 'vitest/config';

const source = (folder: string) =>
  new URL(`./packages/${folder}/src/index.ts`, import.meta.url).pathname;
const generated = (folder: string, name: string) =>
  new URL(`./packages/${folder}/src/generated/${name}.ts`, import.meta.url).pathname;

// The Python environment that `npm run peers` makes.
const python = new URL('./node_modules/.python/bin', import.meta.url).pathname;
if (existsSync(python)) process.env.PATH = `${python}:${process.env.PATH}`;

export default defineConfig(({ mode }) => ({
  resolve: {
    // Unit tests read the sources; test/package and test/examples run what was built.
    alias: [
      ...readdirSync('packages').map((folder) => ({
        find: new RegExp(folder === 'deepend' ? '^deepend$' : `^@deepend/${folder}$`),
        replacement: source(folder),
      })),
      {
        find: /^deepend\/cli$/,
        replacement: new URL('./packages/deepend/src/cli/index.ts', import.meta.url).pathname,
      },
      {
        find: /^@deepend\/([^/]+)\/([^/.]+)$/, // a subpath
        replacement: new URL('./packages/$1/src/$2.ts', import.meta.url).pathname,
      },
      // So do the workers that tests start.
      {
        find: /^\.\/generated\/replica$/,
        replacement: generated('distributed', 'replica-of-sources'),
      },
    ],
  },
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/helpers/build-wasm.ts'],
    testTimeout: 60_000,
    hookTimeout: 120_000,
    maxWorkers: 2,
    env: {
      // Two test files run at a time; spinning threads of both would share the cores.
      DEEPEND_THREADS: '1',
      // All rows and repetitions instead of representative ones: `npm run test:full`.
      ...(mode === 'full' && { DEEPEND_FULL: '1' }),
    },
    // Tests that use TensorFlow.js's own `cpu` backend without deepend's device package.
    onConsoleLog: (log) => !log.includes('Hi, looks like you are running TensorFlow.js'),
  },
}));
