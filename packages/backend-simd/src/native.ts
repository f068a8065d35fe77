/**
 * The native build of the kernels: a Node-API addon that computes tasks in WebAssembly's memory
 * with the full width of the processor's registers, on threads of its own.
 */
import { createRequire } from 'node:module';
import { EnvironmentError, envRule, readEnv } from '@deepend/core';
import { THREADS } from './generated/bindings';
import { MAX_THREADS, SCRATCH_BYTES, SCRATCH_START } from './memory';
import { findFault } from './native-probe';

/** The instruction sets that the kernels are compiled for. */
export type NativeBuild = 'avx512' | 'avx2' | 'baseline';

/** Threads that compute tasks in one memory. */
export interface NativeThreads {
  /**
   * Runs the tiles of a task. @returns whether all are done; false when no tile was finished for
   * `timeout` milliseconds
   */
  launch(task: number, args: number, tiles: number, timeout: number): boolean;
  /** @param count threads that compute, the main thread included */
  setThreads(count: number): void;
  /** Columns of a panel of a matrix product's second factor. */
  readonly nr: number;
}

/** What the addon exports. */
export interface Addon {
  /** Builds that this processor supports, best first. */
  builds(): NativeBuild[];
  create(memory: Int32Array, options: object): NativeThreads;
}

export interface Native {
  /** Builds that this processor supports, best first. */
  readonly builds: readonly NativeBuild[];
  /** Starts a pool of threads for a build. */
  start(build: NativeBuild, memory: WebAssembly.Memory): NativeThreads;
}

/** What was found: the native build, or why there is none. */
export type NativeSearch = { readonly native: Native } | { readonly reason: string };

/**
 * Finds the addon for this machine. `DEEPEND_NATIVE=0` keeps to WebAssembly.
 * @throws EnvironmentError when `DEEPEND_NATIVE` is neither 0 nor 1
 */
export function findNative(asked = process.env.DEEPEND_NATIVE): NativeSearch {
  const wanted = readEnv('backend-simd', 'DEEPEND_NATIVE', envRule.oneOf(['0', '1']), asked);
  if (wanted === '0') return { reason: 'DEEPEND_NATIVE is 0' };
  if (wanted === undefined && process.env.DEEPEND_WASM?.trim())
    return { reason: 'DEEPEND_WASM asks for WebAssembly' };
  const found = loadAddon();
  if (wanted === '1' && 'reason' in found) {
    throw new EnvironmentError(
      `[backend-simd] DEEPEND_NATIVE: expected a native build, got none: ${found.reason}; leave ` +
        'DEEPEND_NATIVE unset to compute in WebAssembly',
    );
  }
  return found;
}

function loadAddon(): NativeSearch {
  const require = createRequire(import.meta.url ?? __filename);
  const file = ADDONS.map((name) => resolve(require, name)).find((found) => found !== undefined);
  if (!file) return { reason: `no native build for ${process.platform} ${process.arch}` };
  const fault = findFault(file);
  if (fault) return { reason: fault };
  try {
    return { native: openAddon(require(file) as Addon) };
  } catch (error) {
    return { reason: (error as Error).message };
  }
}

/** The builds of an addon that is loaded. */
export function openAddon(addon: Addon): Native {
  return {
    builds: addon.builds(),
    start: (build, memory) =>
      addon.create(new Int32Array(memory.buffer), {
        build,
        scratchStart: SCRATCH_START,
        scratchBytes: SCRATCH_BYTES,
        maxThreads: MAX_THREADS,
        controlBytes: THREADS.CONTROL_BYTES,
      }),
  };
}

const PLATFORM = `@deepend/simd-${process.platform}-${process.arch}`;

/** Where an addon may be: in the optional package of this platform, or built in a clone. */
const ADDONS = [PLATFORM, `${PLATFORM}-musl`, '../native/dist/simd.node'];

function resolve(require: NodeJS.Require, name: string): string | undefined {
  try {
    return require.resolve(name);
  } catch {
    return undefined;
  }
}
