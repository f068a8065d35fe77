/** The default number of threads. */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import { envRule, readEnv, readLauncher } from '@deepend/core';
import { MAX_THREADS } from './memory';

/**
 * `DEEPEND_THREADS`, or else one thread for each physical core that this process may use, up to 8;
 * the ranks of MPI on one machine divide its cores.
 * @throws EnvironmentError when `DEEPEND_THREADS` is not an integer from 1 to 8
 */
export function defaultThreads(asked = process.env.DEEPEND_THREADS): number {
  const rule = envRule.integer(1, MAX_THREADS);
  const count = readEnv('backend-simd', 'DEEPEND_THREADS', rule, asked);
  if (count !== undefined) return count;
  const available = os.availableParallelism();
  const cores = Math.min(physicalCores() ?? Number.POSITIVE_INFINITY, available);
  const sharing = ranksSharing({
    ranks: readLauncher().localSize,
    allowed: available,
    all: os.cpus().length,
  });
  return Math.max(1, Math.min(Math.floor(cores / sharing), MAX_THREADS));
}

/**
 * How many ranks share the processors that this one may use: all of them where the launcher bound
 * none, fewer where it bound each to a core or a socket (`mpirun --bind-to`).
 */
export const ranksSharing = (on: { ranks: number; allowed: number; all: number }): number =>
  Math.max(1, Math.round((on.ranks * on.allowed) / on.all));

/** Reads a file. @returns undefined if it does not exist */
export type ReadText = (path: string) => string | undefined;

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * The number of physical cores that this process may use. Hyperthreads do not count, since two
 * threads on one core share its multipliers. Reads Linux's files on cores, on the process's CPU
 * affinity (taskset, a container's cpuset) and on the container's CPU quota.
 * @returns undefined on other systems
 */
export function physicalCores(read: ReadText = readText): number | undefined {
  const allowed = /^Cpus_allowed_list:\s*(\S+)/m.exec(read('/proc/self/status') ?? '')?.[1];
  if (!allowed) return undefined;
  const processors = parseList(allowed);
  const described = coresByCpuinfo(read('/proc/cpuinfo') ?? '');
  const core = (processor: number) =>
    read(`/sys/devices/system/cpu/cpu${processor}/topology/thread_siblings_list`)?.trim() ??
    described.get(processor) ??
    `processor ${processor}`;
  const cores = new Set(processors.map(core)).size;
  return Math.max(1, Math.min(cores, Math.floor(quota(read))));
}

/** `0-3,8` → 0, 1, 2, 3, 8 */
function parseList(list: string): number[] {
  return list.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

/** Maps each logical processor to its core, for containers that hide /sys. */
function coresByCpuinfo(text: string): Map<number, string> {
  const field = (part: string, name: string) =>
    new RegExp(`^${name}\\s*:\\s*(\\d+)`, 'm').exec(part)?.[1];
  const entries = text.split('\n\n').flatMap((part): [number, string][] => {
    const [processor, core] = [field(part, 'processor'), field(part, 'core id')];
    return processor && core ? [[Number(processor), `${field(part, 'physical id')}:${core}`]] : [];
  });
  return new Map(entries);
}

/** The container's CPU quota, in processors: from control groups version 2, or else version 1. */
function quota(read: ReadText): number {
  const [time, period] =
    read('/sys/fs/cgroup/cpu.max')?.split(/\s+/) ??
    ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].map(
      (name) => read(`/sys/fs/cgroup/cpu/${name}`) ?? '',
    );
  const processors = Number(time) / Number(period);
  return processors > 0 ? Math.max(1, processors) : Number.POSITIVE_INFINITY;
}
