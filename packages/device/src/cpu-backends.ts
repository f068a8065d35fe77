/** The CPU backends that need no native library: `simd`, `wasm` and `cpu-js`. */
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { describeBuild, getThreads, type SimdBackend, simdInfo } from '@deepend/backend-simd';
import { workspaceBytes } from '@deepend/backend-simd/workspace';
import { EnvironmentError } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { type Backend, setBackend } from './backend';
import { cpuHardware } from './hardware';

/** Starts the memory and threads of `simd`. @returns why it cannot compute here */
export function faultOfSimd(): string | undefined {
  try {
    getThreads();
    return undefined;
  } catch (error) {
    if (error instanceof EnvironmentError) throw error; // no reason to take another backend
    return (error as Error).message.split('\n')[0];
  }
}

/** deepend's own backend. */
export const SIMD: Backend = {
  name: 'simd',
  tfjsName: 'simd',
  traits: {
    copiesOnUpload: true,
    workspaceBytes,
    // Not by the class: ES and CommonJS copies of the package have one each.
    lend: (tensor) => (tf.backend() as unknown as SimdBackend).lend(tensor),
  },
  runsInThreads: true,
  probe: async () => faultOfSimd(),
  start: () => setBackend('simd'),
  describe: () => {
    const { whyNotNative } = simdInfo();
    const build = describeBuild();
    const why = whyNotNative ? ` (${whyNotNative})` : '';
    return { name: 'cpu', hardware: `${cpuHardware(getThreads())}, ${build}${why}`, build };
  },
};

const UNCAUGHT = ['uncaughtException', 'unhandledRejection'] as unknown as 'uncaughtException'[];

const WASM_FILE = 'tfjs-backend-wasm-simd.wasm';

/**
 * Loads TensorFlow.js's backend. Its `.wasm` files lie next to its code, from which a bundler
 * separates them: a bundle finds them in node_modules, or next to itself.
 * @throws Error that says which files to copy
 */
async function pointToWasmFiles(): Promise<void> {
  const { setWasmPaths } = await import('@tensorflow/tfjs-backend-wasm');
  const self = import.meta.url ? fileURLToPath(import.meta.url) : __filename;
  const require = createRequire(self);
  let folder = path.dirname(self);
  try {
    const main = require.resolve('@tensorflow/tfjs-backend-wasm');
    if (main in require.cache || tf.findBackend('wasm')) return; // not bundled, or already started
    folder = path.dirname(main);
  } catch {} // no node_modules here
  if (!existsSync(path.join(folder, WASM_FILE)))
    throw new Error(
      `[device] wasm: expected ${WASM_FILE} in ${folder}, found none; after bundling, copy ` +
        'node_modules/@tensorflow/tfjs-backend-wasm/dist/*.wasm next to the bundle',
    );
  setWasmPaths(`${folder}${path.sep}`);
}

/** TensorFlow.js's WebAssembly backend. */
export const WASM: Backend = {
  name: 'wasm',
  tfjsName: 'wasm',
  traits: { copiesOnUpload: true, maxPoolGradNeedsPositive: true },
  runsInThreads: true,
  probe: async () => {
    try {
      await import('@tensorflow/tfjs-backend-wasm');
      return undefined;
    } catch (error) {
      return (
        `@tensorflow/tfjs-backend-wasm does not load: ` +
        `${(error as Error).message.split('\n')[0]}`
      );
    }
  },
  start: async () => {
    await pointToWasmFiles();
    const before = UNCAUGHT.map((event) => process.listeners(event));
    await setBackend('wasm');
    // Its loader catches every uncaught error of the process and throws it again, below a page of
    // minified code: remove the listeners that it has added.
    for (const [i, event] of UNCAUGHT.entries())
      for (const listener of process.listeners(event))
        if (!before[i]?.includes(listener)) process.removeListener(event, listener);
  },
  describe: () => ({ name: 'cpu', hardware: cpuHardware('one') }),
};

/** TensorFlow.js's plain JavaScript backend, which always works. */
export const CPU_JS: Backend = {
  name: 'cpu-js',
  tfjsName: 'cpu',
  runsInThreads: true,
  probe: async () => undefined,
  start: () => setBackend('cpu'),
  describe: () => ({ name: 'cpu', hardware: cpuHardware('one') }),
};
