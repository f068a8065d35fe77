/**
 * Probes and loads libtensorflow: `@tensorflow/tfjs-node-gpu`, else `@tensorflow/tfjs-node`. Both
 * packages are optional.
 */
import { createRequire } from 'node:module';
import * as tf from '@tensorflow/tfjs-core';
import { HERE, probeInChild, reportAnswer, resolvePackage } from '../packages';
import { state } from '../state';

const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';
const PACKAGES = [GPU_PACKAGE, '@tensorflow/tfjs-node'] as const;
const VERSION = '4.22.0';
const WANTED = 'it needs CUDA 11.2 and cuDNN 8.1'; // libtensorflow 2.9 is built for them
const PROBE_TIMEOUT = 120_000; // ms; the first start of CUDA compiles kernels

/** The native package that works here, and what it computes on. */
export interface Probe {
  /** The file to load; undefined when none works. */
  readonly file?: string;
  readonly package?: string;
  readonly usesGpu: boolean;
  /** Why it uses no GPU, and what to do; undefined when it uses one. */
  readonly noGpu?: string;
  /** Why each package that was tried does not work. */
  readonly faults: readonly string[];
}

/**
 * Finds the native package that works; once per process, in a child process.
 * @param visible its `CUDA_VISIBLE_DEVICES` @default this process's
 */
export function probeNative(visible = process.env.CUDA_VISIBLE_DEVICES): Promise<Probe> {
  const shared = state();
  shared.native ??= new Map();
  const key = visible ?? 'all';
  const answer = shared.native.get(key) ?? probe(visible);
  shared.native.set(key, answer);
  return answer;
}

async function probe(visible: string | undefined): Promise<Probe> {
  const faults: string[] = [];
  for (const name of PACKAGES) {
    const file = resolvePackage(name);
    if (!file) {
      faults.push(`${name} is not installed; npm i ${name}@${VERSION}`);
      continue;
    }
    const outcome = await tryPackage(file, visible);
    if ('fault' in outcome) {
      faults.push(`${name} does not work: ${outcome.fault}`);
      continue;
    }
    const { usesGpu, notes } = outcome;
    const noGpu =
      name === GPU_PACKAGE ? `${name} computes on the CPU: ${gpuAbsence(notes)}` : faults[0];
    return { file, package: name, usesGpu, ...(!usesGpu && { noGpu }), faults };
  }
  return { usesGpu: false, faults, noGpu: faults[0] };
}

/** Why libtensorflow uses no GPU, from its notes on standard error. */
export function gpuAbsence(notes: string): string {
  const missing = [...notes.matchAll(/Could not load dynamic library '([^']+)'/g)].map(
    ([, library]) => library,
  );
  const libraries = [...new Set(missing)].filter((library) =>
    /cu(da|dnn|blas|fft|rand|solver|sparse)/.test(library ?? ''),
  );
  if (libraries.includes('libcuda.so.1'))
    return 'libcuda.so.1 is not there; install the NVIDIA driver';
  if (libraries.length > 0)
    return `${libraries.join(', ')} not found; ${WANTED}: install those versions, or use webgpu`;
  const failed = /failed call to cuInit: ([^\n]+)/.exec(notes)?.[1];
  if (failed)
    return (
      `CUDA does not start (${failed.trim()}); check that the driver is loaded and the ` +
      `GPU free`
    );
  if (/out of memory|OUT_OF_MEMORY/.test(notes))
    return 'the GPU has no memory left; end the processes that hold it (nvidia-smi lists them)';
  return `it sees no GPU; ${WANTED}: install those versions, or use webgpu`;
}

// tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 removed.
const POLYFILL =
  "const util = require('node:util');" +
  'util.isNullOrUndefined ??= (value) => value === null || value === undefined;';

/** Loads the package in a child process, and multiplies two matrices there. */
async function tryPackage(
  file: string,
  visible: string | undefined,
): Promise<{ usesGpu: boolean; notes: string } | { fault: string }> {
  const script = `${POLYFILL}
    const tf = require(process.argv[1]);
    tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).dataSync();
    ${reportAnswer('{ usesGpu: Boolean(tf.backend().isUsingGpuDevice) }')}`;
  const outcome = await probeInChild<{ usesGpu: boolean }>({
    args: ['-e', script, file],
    timeout: PROBE_TIMEOUT,
    env: {
      ...process.env,
      ...growth(),
      TF_CPP_MIN_LOG_LEVEL: '0', // it names missing libraries on standard error
      ...(visible !== undefined && { CUDA_VISIBLE_DEVICES: visible }),
    },
  });
  return 'fault' in outcome ? outcome : { ...outcome.answer, notes: outcome.stderr };
}

/** Hides libtensorflow's notes on the terminal, unless the user has set a level. */
const quiet = () => ({ TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2' });

/** Otherwise libtensorflow takes all memory of a GPU when it starts. */
const growth = () => ({
  TF_FORCE_GPU_ALLOW_GROWTH: process.env.TF_FORCE_GPU_ALLOW_GROWTH ?? 'true',
});

/**
 * Loads the native package into this process and makes it current.
 * @param gpu its GPU: the index among the visible ones, and the `CUDA_VISIBLE_DEVICES` that selects
 *   it
 * @throws Error when no package works
 */
export async function startNative(gpu?: { index: number; id: string }): Promise<void> {
  const shared = state();
  if (!shared.loaded) {
    const found = await probeNative(gpu?.id);
    if (!found.file || !found.package) {
      throw new Error(
        `[device] tensorflow: ${found.faults.join('; ')}; install one of them, or use 'cpu'`,
      );
    }
    // libtensorflow reads the environment when it is loaded.
    Object.assign(process.env, quiet(), growth(), gpu && { CUDA_VISIBLE_DEVICES: gpu.id });
    const require = createRequire(HERE);
    const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
    util.isNullOrUndefined ??= (value) => value === null || value === undefined;
    require(found.file);
    shared.loaded = {
      package: found.package,
      usesGpu: found.usesGpu,
      ...(found.usesGpu && { gpu: gpu?.index ?? 0 }),
    };
  }
  await tf.setBackend('tensorflow');
}
