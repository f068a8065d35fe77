/** The engines: what each is called in TensorFlow.js, and how it starts. */
import '@tensorflow/tfjs-backend-cpu'; // so that a net can be built before any device is chosen
import * as tf from '@tensorflow/tfjs-core';
import { state } from './state';
import { probeNative, startNative } from './tensorflow/native';
import type { BackendName } from './types';
import { lostWebgpu, probeWebgpu, startWebgpu } from './webgpu/probe';

interface Engine {
  /** Its name in TensorFlow.js. */
  readonly backend: string;
  readonly cores: 'one' | 'all' | (() => number);
  /** What else a run's record should tell of it, such as the build that rounds its own way. */
  detail?(): string;
  /** Why it cannot compute here; undefined when it can. */
  fault(): Promise<string | undefined>;
  /** Makes it the current backend; call it through `startEngine`. */
  start(): Promise<void>;
}

let simd: typeof import('@deepend/backend-simd') | undefined;

const FAULTS = ['uncaughtException', 'unhandledRejection'] as unknown as 'uncaughtException'[];

/** The CPU's engines stand in the order in which `cpu()` takes them. */
export const BACKENDS: Readonly<Record<BackendName, Engine>> = {
  simd: {
    backend: 'simd',
    cores: () => simd?.getThreads() ?? 1,
    detail: () => `WebAssembly, ${simd?.wasmBuild()} SIMD`,
    fault: async () => {
      try {
        simd = await import('@deepend/backend-simd');
        simd.wasmBuild(); // starts its memory and threads, or says why not
        return undefined;
      } catch (error) {
        return (error as Error).message.split('\n')[0];
      }
    },
    start: async () => {
      simd = await import('@deepend/backend-simd');
      await setBackend('simd');
    },
  },
  tensorflow: {
    backend: 'tensorflow',
    cores: 'all',
    fault: async () => {
      const { file, faults } = await probeNative();
      return file ? undefined : faults.join(', ');
    },
    start: () => startNative(),
  },
  wasm: {
    backend: 'wasm',
    cores: 'one',
    fault: async () => {
      try {
        await import('@tensorflow/tfjs-backend-wasm');
        return undefined;
      } catch (error) {
        return `@tensorflow/tfjs-backend-wasm does not load: ${(error as Error).message.split('\n')[0]}`;
      }
    },
    start: async () => {
      await import('@tensorflow/tfjs-backend-wasm');
      const before = FAULTS.map((event) => process.listeners(event));
      await setBackend('wasm');
      // Its loader listens for anyone's uncaught errors and throws them again, under a page of
      // minified code.
      FAULTS.forEach((event, i) => {
        for (const added of process
          .listeners(event)
          .filter((listener) => !before[i]?.includes(listener)))
          process.removeListener(event, added);
      });
    },
  },
  'cpu-js': {
    backend: 'cpu',
    cores: 'one',
    fault: async () => undefined,
    start: () => setBackend('cpu'),
  },
  webgpu: {
    backend: 'webgpu',
    cores: 'all',
    fault: async () => (await probeWebgpu()).fault,
    start: startWebgpu,
  },
};

export const BACKEND_NAMES = Object.keys(BACKENDS) as BackendName[];

/**
 * Makes an engine the current one, after every start that was asked for before. @param start
 * another way than its row's
 */
export function startBackend(name: BackendName, start = BACKENDS[name].start): Promise<void> {
  const shared = state();
  const turn = (shared.starting ?? Promise.resolve()).then(async () => {
    if (tf.getBackend() !== BACKENDS[name].backend || lostWebgpu()) await start();
  });
  shared.starting = turn.catch(() => {});
  return turn;
}

async function setBackend(name: string): Promise<void> {
  if (!(await tf.setBackend(name)))
    throw new Error(
      `[device] ${name}: TensorFlow.js could not start this backend; see its warning`,
    );
}

/**
 * Stock cpu greets its first tensor in Node with an advertisement for tfjs-node; here deepend says
 * what computes and why.
 */
function silenceBanner(): void {
  const factory = tf.findBackendFactory('cpu');
  const started = tf.engine().registry.cpu as { firstUse?: boolean } | undefined;
  if (started) started.firstUse = false;
  else if (factory) {
    // TensorFlow.js may make the backend more than once before it settles on one.
    tf.removeBackend('cpu');
    tf.registerBackend('cpu', () => Object.assign(factory(), { firstUse: false }), 1);
  }
}

silenceBanner();
