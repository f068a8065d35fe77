/**
 * Builds `deepend/browser`: all of deepend in one module. What only Node has is replaced: by files
 * of src/browser/node where a browser can do it, else by functions that say so when they are
 * called.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import { build } from 'esbuild';

const PACKAGE = path.resolve(import.meta.dirname, '..');
const SOURCES = path.join(PACKAGE, 'src/browser');
const OUT = path.join(PACKAGE, 'dist/browser');
/** TensorFlow.js's packages, of which a page must have one copy each. */
const TENSORFLOW = ['core', 'layers', 'backend-cpu'].map((name) => `@tensorflow/tfjs-${name}`);
const WEBGPU = '@tensorflow/tfjs-backend-webgpu'; // optional
/** Packages of which a browser uses nothing: files, processes and native code. */
const NODE_ONLY = new Set([
  ...['cli-progress', 'fs-extra', 'koffi', 'proper-lockfile', 'sharp', 'undici'],
  '@tensorflow/tfjs-backend-wasm',
]);
/** Modules of `@deepend/device` that look for the devices of Node. */
const DEVICES =
  /packages\/device\/src\/(tensorflow\/(index|cuda|native)|webgpu\/(index|probe))\.ts$/;

/** @type {import('esbuild').BuildOptions[]} */
const BUILDS = [
  { entryPoints: { index: 'index.ts' }, external: [...TENSORFLOW, WEBGPU] },
  {
    // WebGPU's backend in a file of its own, which is loaded where the browser has a GPU.
    entryPoints: { standalone: 'standalone.ts' },
    splitting: true,
    chunkNames: 'parts/[hash]',
    minify: true,
  },
  { entryPoints: { page: 'page.ts' }, inject: [] },
];

/** @type {import('esbuild').Plugin} */
const standIns = {
  name: 'stand-ins for Node',
  setup(build) {
    build.onResolve({ filter: /^[^./]/ }, ({ path: name }) => {
      if (!isBuiltin(name) && !NODE_ONLY.has(name)) return undefined;
      const file = path.join(SOURCES, 'node', `${name.replace(/^node:/, '')}.ts`);
      return existsSync(file) ? { path: file } : { path: name, namespace: 'absent' };
    });
    build.onResolve({ filter: /^\./ }, ({ path: relative, resolveDir }) => {
      const file = path.resolve(resolveDir, relative);
      const found = [`${file}.ts`, `${file}/index.ts`].find((one) => existsSync(one));
      return found && DEVICES.test(found)
        ? { path: path.resolve(PACKAGE, '../device/src/browser.ts') }
        : undefined;
    });
    build.onLoad({ filter: /./, namespace: 'absent' }, ({ path: name }) => ({
      contents: refuser(name),
    }));
  },
};

/** A module whose every function says that a browser lacks it. */
const refuser = (name) => `
  const refuse = (key) => () => {
    throw new Error('${name}.' + String(key) + ' needs Node.js');
  };
  const get = (_, key) => (key === '__esModule' ? false : refuse(key));
  module.exports = new Proxy({}, { get });`;

export async function buildBrowser() {
  await rm(path.join(OUT, 'parts'), { recursive: true, force: true }); // of another build
  const inject = [path.join(SOURCES, 'node/globals.ts')];
  for (const options of BUILDS)
    await build({
      absWorkingDir: SOURCES,
      outdir: OUT,
      bundle: true,
      format: 'esm',
      platform: 'browser',
      target: 'es2022',
      logLevel: 'error',
      inject,
      define: { __filename: 'undefined' },
      tsconfig: path.join(PACKAGE, '../../tsconfig.json'), // sources, not what was built
      plugins: [standIns],
      ...options,
    });
}
