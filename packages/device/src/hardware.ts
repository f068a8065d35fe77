/** Processors and GPUs, as the system and the drivers report them. */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { DeviceMemory } from './types';

/** The processor's name, and how many of its cores the backend uses. @param cores used cores */
export function cpuHardware(cores: 'one' | 'all' | number): string {
  const model = os.cpus()[0]?.model.trim().replace(/\s+/g, ' ') || `${os.arch()} processor`;
  const present = os.availableParallelism();
  const used = cores === 'one' ? 1 : cores === 'all' ? present : Math.min(cores, present);
  return `${model}, ${used} of ${present} ${present === 1 ? 'core' : 'cores'}`;
}

export interface NvidiaGpu {
  readonly name: string;
  /** Its id in `CUDA_VISIBLE_DEVICES`. */
  readonly id: string;
  readonly memory?: DeviceMemory;
}

const MIB = 2 ** 20;

/** Parses nvidia-smi's lines: index, name, total and used MiB. `[N/A]` gives no `memory`. */
export function parseGpus(text: string): NvidiaGpu[] {
  return text.split('\n').flatMap((line) => {
    const [id = '', name = '', total, used] = line.split(',').map((field) => field.trim());
    if (!/^\d+$/.test(id) || name === '') return [];
    const memory = { total: Number(total) * MIB, used: Number(used) * MIB };
    const isKnown = Number.isFinite(memory.total + memory.used) && memory.total > 0;
    return [{ id, name, ...(isKnown && { memory }) }];
  });
}

/**
 * The GPUs that `CUDA_VISIBLE_DEVICES` selects, in its order. As in CUDA, the list ends at the
 * first
 * unknown entry.
 */
export function visibleGpus(gpus: readonly NvidiaGpu[], visible: string | undefined): NvidiaGpu[] {
  if (visible === undefined) return [...gpus];
  const named = visible.split(',').map((id) => gpus.find((gpu) => gpu.id === id.trim()));
  const end = named.indexOf(undefined);
  return (end < 0 ? named : named.slice(0, end)) as NvidiaGpu[];
}

/** The GPUs of one rank of MPI: one each, and in turn where there are fewer GPUs than ranks. */
export function gpusOfRank<T>(gpus: readonly T[], rank: number | undefined): T[] {
  if (rank === undefined || gpus.length === 0) return [...gpus];
  return [gpus[rank % gpus.length] as T];
}

/** The NVIDIA GPUs by index, or a string that says why there are none. */
export async function nvidiaGpus(): Promise<NvidiaGpu[] | string> {
  const query = [
    '--query-gpu=index,name,memory.total,memory.used',
    '--format=csv,noheader,nounits',
  ];
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', query, { timeout: 20_000 });
    const gpus = parseGpus(stdout);
    return gpus.length > 0 ? gpus : 'nvidia-smi lists no GPU';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT'
      ? 'no NVIDIA driver here (nvidia-smi not found)'
      : `nvidia-smi failed: ${message.split('\n')[0]}`;
  }
}
