/**
 * The native engine: libtensorflow through `@tensorflow/tfjs-node-gpu`, else
 * `@tensorflow/tfjs-node`. Both are optional.
 */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { HERE, resolvePackage } from '../resolve';
import { state } from '../state';

const GPU_PACKAGE = '@tensorflow/tfjs-node-gpu';
const PACKAGES = [GPU_PACKAGE, '@tensorflow/tfjs-node'] as const;
const VERSION = '4.22.0';
const WANTED = 'it wants CUDA 11.2 and cuDNN 8.1'; // what its libtensorflow 2.9 is built for
const PROBE_TIMEOUT = 120_000; // ms; the first start of CUDA compiles kernels

/** What a native package can do here. */
export interface Probe {
  /** The file to load; undefined when none works. */
  readonly file?: string;
  readonly package?: string;
  readonly usesGpu: boolean;
  /** Why it uses no GPU, and what to do; undefined when it does. */
  readonly noGpu?: string;
  /** What was tried and did not work, a line each. */
  readonly faults: readonly string[];
}

/**
 * Looks once in a process for a native package that works, in a child process: a native library can
 * abort.
 * @param visible `CUDA_VISIBLE_DEVICES` for it @default the process's own
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
    const answer = await tryInChild(file, visible);
    if (typeof answer === 'string') {
      faults.push(`${name} does not work: ${answer}`);
      continue;
    }
    const { usesGpu, notes } = answer;
    const noGpu =
      name === GPU_PACKAGE ? `${name} computes on the CPU: ${gpuAbsence(notes)}` : faults[0];
    return { file, package: name, usesGpu, ...(!usesGpu && { noGpu }), faults };
  }
  return { usesGpu: false, faults, noGpu: faults[0] };
}

/** Why libtensorflow uses no GPU, from what it says of itself on standard error. */
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
    return `${libraries.join(', ')} not found; ${WANTED}: install those versions, or take webgpu`;
  const failed = /failed call to cuInit: ([^\n]+)/.exec(notes)?.[1];
  if (failed)
    return `CUDA does not start (${failed.trim()}); see that the driver is loaded and the GPU is free`;
  if (/out of memory|OUT_OF_MEMORY/.test(notes))
    return 'the GPU has no memory left; end what holds it (nvidia-smi lists it)';
  return `it sees no GPU; ${WANTED}: install those versions, or take webgpu`;
}

// tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 removed.
const MEND_UTIL = `const util = require('node:util'); util.isNullOrUndefined ??= (value) => value === null || value === undefined;`;
const MARK = 'deepend-probe:';

/**
 * Loads the package, multiplies two matrices and tells whether a GPU did it; a text says what went
 * wrong.
 */
async function tryInChild(
  file: string,
  visible: string | undefined,
): Promise<{ usesGpu: boolean; notes: string } | string> {
  const script = `${MEND_UTIL}
    const tf = require(process.argv[1]);
    tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).dataSync();
    console.log('${MARK}' + JSON.stringify({ usesGpu: Boolean(tf.backend().isUsingGpuDevice) }));`;
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, ['-e', script, file], {
      timeout: PROBE_TIMEOUT,
      // It says on standard error which libraries it misses.
      env: {
        ...process.env,
        ...growth(),
        TF_CPP_MIN_LOG_LEVEL: '0',
        ...(visible !== undefined && { CUDA_VISIBLE_DEVICES: visible }),
      },
    });
    const line = stdout.split('\n').find((text) => text.startsWith(MARK));
    return line
      ? { ...(JSON.parse(line.slice(MARK.length)) as { usesGpu: boolean }), notes: stderr }
      : 'it ended without an answer';
  } catch (error) {
    const { signal, stderr = '', message } = error as Error & { signal?: string; stderr?: string };
    if (signal) return `it was ended by ${signal}`;
    const lines = stderr.split('\n');
    const said =
      lines.find((line) => /^\w*Error: /.test(line)) ??
      lines.find((line) => /cannot|no such|not found/i.test(line));
    const reason = said ?? message.split('\n')[0];
    return (reason ?? 'it failed').trim();
  }
}

/** libtensorflow's notes about itself stay off the terminal unless they were asked for. */
const quiet = () => ({ TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2' });

/** Without it libtensorflow takes the whole memory of a GPU at its start. */
const growth = () => ({
  TF_FORCE_GPU_ALLOW_GROWTH: process.env.TF_FORCE_GPU_ALLOW_GROWTH ?? 'true',
});

/**
 * Loads the native package into this process and makes it current.
 * @param gpu the GPU that it is to see: its index among those that are visible, and
 *   `CUDA_VISIBLE_DEVICES` for it alone
 */
export async function startNative(gpu?: { index: number; id: string }): Promise<void> {
  const shared = state();
  if (!shared.loaded) {
    const found = await probeNative(gpu?.id);
    if (!found.file || !found.package) {
      throw new Error(
        `[device] tensorflow: ${found.faults.join('; ')}; install one of them, or take the device 'cpu'`,
      );
    }
    Object.assign(process.env, quiet(), growth(), gpu && { CUDA_VISIBLE_DEVICES: gpu.id }); // it reads them when it is loaded
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
