/** What a user may ask and change of the process's one runtime. */
import type { BuildName } from './build';
import { runtime } from './runtime';

/** How many threads compute. @param count 1 to 8, the main thread included; results do not depend on it */
export function setThreads(count: number): void {
  runtime().setThreads(count);
}

/** How many threads compute. @default `DEEPEND_THREADS`, else the physical cores */
export function getThreads(): number {
  return runtime().numThreads;
}

/** Which build of the module runs: `relaxed` has fused multiply-add, and rounds a little less than `plain`. */
export function wasmBuild(): BuildName {
  return runtime().build;
}
