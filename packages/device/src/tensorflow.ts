/** The native engine: libtensorflow through `@tensorflow/tfjs-node-gpu`, else `@tensorflow/tfjs-node`. Both are optional. */
import { execFile } from 'node:child_process';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import * as tf from '@tensorflow/tfjs-core';
import { HERE, resolvePackage } from './resolve';
import { state } from './state';

const PACKAGES = ['@tensorflow/tfjs-node-gpu', '@tensorflow/tfjs-node'] as const;
const PROBE_TIMEOUT = 120_000; // ms; the first start of CUDA compiles kernels

/** What a native package can do here. */
export interface Probe {
  /** The file to load; undefined when none works. */
  readonly file?: string;
  readonly package?: string;
  readonly usesGpu: boolean;
  /** What was tried and did not work, a line each. */
  readonly faults: readonly string[];
}

/** Looks once in a process for a native package that works, in a child process: a native library can abort. */
export function probeNative(): Promise<Probe> {
  const shared = state();
  shared.native ??= probe();
  return shared.native;
}

async function probe(): Promise<Probe> {
  const faults: string[] = [];
  for (const name of PACKAGES) {
    const file = resolvePackage(name);
    if (!file) {
      faults.push(`${name} is not installed`);
      continue;
    }
    const answer = await tryInChild(file);
    if (typeof answer === 'string') faults.push(`${name} does not work: ${answer}`);
    else return { file, package: name, usesGpu: answer.usesGpu, faults };
  }
  return { usesGpu: false, faults };
}

// tfjs-node 4.22 calls util.isNullOrUndefined, which Node 23 removed.
const MEND_UTIL = `const util = require('node:util'); util.isNullOrUndefined ??= (value) => value === null || value === undefined;`;
const MARK = 'deepend-probe:';

/** Loads the package, multiplies two matrices and tells whether a GPU did it; a text says what went wrong. */
async function tryInChild(file: string): Promise<{ usesGpu: boolean } | string> {
  const script = `${MEND_UTIL}
    const tf = require(process.argv[1]);
    tf.matMul(tf.ones([2, 2]), tf.ones([2, 2])).dataSync();
    console.log('${MARK}' + JSON.stringify({ usesGpu: Boolean(tf.backend().isUsingGpuDevice) }));`;
  try {
    const { stdout } = await promisify(execFile)(process.execPath, ['-e', script, file], {
      timeout: PROBE_TIMEOUT,
      env: { ...process.env, ...quiet() },
    });
    const line = stdout.split('\n').find((text) => text.startsWith(MARK));
    return line ? (JSON.parse(line.slice(MARK.length)) as { usesGpu: boolean }) : 'it ended without an answer';
  } catch (error) {
    const { signal, stderr = '', message } = error as Error & { signal?: string; stderr?: string };
    if (signal) return `it was ended by ${signal}`;
    const reason = stderr.split('\n').find((line) => /error|cannot|no such|not found/i.test(line)) ?? message.split('\n')[0];
    return (reason ?? 'it failed').trim();
  }
}

/** libtensorflow's notes about itself stay off the terminal unless they were asked for. */
const quiet = () => ({ TF_CPP_MIN_LOG_LEVEL: process.env.TF_CPP_MIN_LOG_LEVEL ?? '2' });

/** Loads the native package into this process and makes it current. */
export async function startNative(): Promise<void> {
  const shared = state();
  if (!shared.loaded) {
    const found = await probeNative();
    if (!found.file || !found.package) {
      throw new Error(`[device] tensorflow: ${found.faults.join('; ')}; install one of them, or take the device 'cpu'`);
    }
    Object.assign(process.env, quiet());
    const require = createRequire(HERE);
    const util = require('node:util') as { isNullOrUndefined?: (value: unknown) => boolean };
    util.isNullOrUndefined ??= (value) => value === null || value === undefined;
    require(found.file);
    shared.loaded = { package: found.package, usesGpu: found.usesGpu };
  }
  await tf.setBackend('tensorflow');
}
