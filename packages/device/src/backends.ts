/** The table of backends, and starting one of them. */
import { registerBackendTraits, setAutomaticBackend } from '@deepend/core';
import { version_cpu } from '@tensorflow/tfjs-backend-cpu'; // the last resort of every choice
import * as tf from '@tensorflow/tfjs-core';
import type { Backend } from './backend';
import { choose, isGpu, ORDER } from './choice';
import { CPU_JS, faultOfSimd, SIMD, WASM } from './cpu-backends';
import { state } from './state';
import { TENSORFLOW } from './tensorflow';
import type { BackendName } from './types';
import { WEBGPU } from './webgpu';

// A bundler drops an import of which nothing is used, since that package says that it has no side
// effects; but importing it registers the backend.
if (version_cpu === undefined)
  throw new Error('[device] expected @tensorflow/tfjs-backend-cpu 4.22.0, got another module');

/** In the order in which `cpu()` tries those of the CPU. */
export const BACKENDS: Readonly<Record<BackendName, Backend>> = {
  simd: SIMD,
  tensorflow: TENSORFLOW,
  wasm: WASM,
  'cpu-js': CPU_JS,
  webgpu: WEBGPU,
};

export const BACKEND_NAMES = Object.keys(BACKENDS) as BackendName[];

/** Registers every backend's traits and fused kernels; none of them is started by that. */
export function registerBackends(): void {
  for (const { name, tfjsName, traits, registerKernels } of Object.values(BACKENDS)) {
    registerBackendTraits(tfjsName, { name, ...traits });
    registerKernels?.();
  }
}

const isCurrent = ({ tfjsName, isCurrent }: Backend): boolean =>
  isCurrent ? isCurrent() : tf.getBackend() === tfjsName;

/**
 * Makes a backend the current one, after all starts that were requested before, since TensorFlow.js
 * abandons a start when another one begins.
 * @param start replaces the start of the backend's row
 */
export function startBackend(name: BackendName, start = BACKENDS[name].start): Promise<void> {
  const shared = state();
  shared.isChosen = true;
  const turn = (shared.starting ?? Promise.resolve()).then(async () => {
    if (!isCurrent(BACKENDS[name])) await start();
  });
  shared.starting = turn.catch(() => {});
  return turn;
}

/**
 * The stock `cpu` backend prints an advertisement for tfjs-node at its first tensor in Node.
 * deepend
 * says itself which device computes and why.
 */
function silenceBanner(): void {
  const factory = tf.findBackendFactory('cpu');
  const started = tf.engine().registry.cpu as { firstUse?: boolean } | undefined;
  if (started) started.firstUse = false;
  else if (factory) {
    // TensorFlow.js may create the backend several times before it settles on one.
    tf.removeBackend('cpu');
    tf.registerBackend('cpu', () => Object.assign(factory(), { firstUse: false }), 1);
  }
}

/**
 * The backend that TensorFlow.js starts by itself when the first tensor is made, such as a model's
 * first weight: `simd`, since its own default is plain JavaScript, which is much slower. Undefined
 * where someone registered a backend of a higher priority.
 */
function firstBackend(factories: Factories): 'simd' | 'cpu' | undefined {
  const others = Object.entries(factories).filter(([name]) => name !== 'simd');
  const priority = factories.simd?.priority ?? 0;
  if (others.some(([, other]) => (other?.priority ?? 0) > priority)) return undefined;
  const { fixed, order } = choose('[device] the default backend');
  const isOther = fixed === 'wasm' || fixed === 'tensorflow' || fixed === 'cpu-js';
  const first = fixed ? ORDER : order;
  // Other backends start asynchronously: a device that is chosen later takes the weights over.
  if (isOther || first.find((name) => !isGpu(name)) !== 'simd') return 'cpu';
  const fault = faultOfSimd();
  if (fault === undefined) return 'simd';
  console.warn(
    `[device] simd: cannot compute here: ${fault}; plain JavaScript computes, which is much ` +
      'slower, until a device is chosen: await tryGpu() or await cpu()',
  );
  return 'cpu';
}

type Factories = Readonly<Record<string, { readonly priority: number } | undefined>>;

/**
 * TensorFlow.js starts a backend by itself when the first tensor is made. Only a backend that
 * someone
 * set is a choice: `tf.setBackend` is called in both cases, after `initializeBackendsAndReturnBest`
 * in the first.
 */
function watchChoices(): void {
  const shared = state();
  if (shared.isChosen !== undefined) return;
  const engine = tf.engine() as unknown as {
    backendName: string | null;
    registryFactory: Factories;
    setBackend(name: string): Promise<boolean>;
    initializeBackendsAndReturnBest(): { name: string; asyncInit: boolean };
  };
  shared.isChosen = Boolean(engine.backendName);
  const setBackend = engine.setBackend.bind(engine);
  const initialize = engine.initializeBackendsAndReturnBest.bind(engine);
  let isAutomatic = false;
  engine.initializeBackendsAndReturnBest = () => {
    const first = firstBackend(engine.registryFactory);
    isAutomatic = true;
    const taken = first ? { name: first, asyncInit: false } : initialize();
    setAutomaticBackend(taken.name);
    return taken;
  };
  engine.setBackend = (name) => {
    if (!isAutomatic) shared.isChosen = true;
    isAutomatic = false;
    return setBackend(name);
  };
}

silenceBanner();
watchChoices();
