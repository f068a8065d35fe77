/** The CPU backends that need no native library: `simd`, `wasm` and `cpu-js`. */
import { describeBuild, getThreads, simdInfo } from '@deepend/backend-simd';
import { workspaceBytes } from '@deepend/backend-simd/workspace';
import { EnvironmentError } from '@deepend/core';
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
  traits: { copiesOnUpload: true, workspaceBytes },
  runsInThreads: true,
  probe: async () => faultOfSimd(),
  start: () => setBackend('simd'),
  describe: () => {
    const { whyNotNative } = simdInfo();
    const build = `${describeBuild()}${whyNotNative ? ` (${whyNotNative})` : ''}`;
    return { name: 'cpu', hardware: `${cpuHardware(getThreads())}, ${build}` };
  },
};

const UNCAUGHT = ['uncaughtException', 'unhandledRejection'] as unknown as 'uncaughtException'[];

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
    await import('@tensorflow/tfjs-backend-wasm');
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
