import { readFileSync } from 'node:fs';
import os from 'node:os';
import { MAX_THREADS } from './control';

/** `DEEPEND_THREADS`, else a thread for each physical core that this process may use, at most 8. */
export function defaultThreads(): number {
  const asked = process.env.DEEPEND_THREADS;
  if (asked !== undefined && asked !== '') {
    const count = Number(asked);
    if (Number.isInteger(count) && count >= 1 && count <= MAX_THREADS) return count;
    throw new RangeError(`[backend-simd] DEEPEND_THREADS: expected a whole number from 1 to ${MAX_THREADS}, got '${asked}'`);
  }
  return Math.max(1, Math.min(os.availableParallelism(), physicalCores(), MAX_THREADS));
}

/** Two threads of one core share its multipliers, so a second one gains nothing here. Linux tells the cores; elsewhere all count. */
function physicalCores(): number {
  try {
    const text = readFileSync('/proc/cpuinfo', 'utf8');
    const cores = text
      .split('\n\n')
      .map((part) => /^physical id\s*:.*$/m.exec(part)?.[0] + (/^core id\s*:.*$/m.exec(part)?.[0] ?? ''));
    const known = new Set(cores.filter((core) => core.includes('core id')));
    if (known.size > 0) return known.size;
  } catch {
    // not Linux
  }
  return os.cpus().length || 1;
}
