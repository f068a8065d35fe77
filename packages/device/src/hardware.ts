/** What the system and the drivers tell of processors. */
import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';
import type { DeviceMemory } from './types';

/**
 * The processor's name, and how many of its cores the engine uses. @param cores a count, where the
 * engine has its own
 */
export function cpuHardware(cores: 'one' | 'all' | number): string {
  const model = os.cpus()[0]?.model.trim().replace(/\s+/g, ' ') || `${os.arch()} processor`;
  const present = os.availableParallelism();
  const used = cores === 'one' ? 1 : cores === 'all' ? present : Math.min(cores, present);
  return `${model}, ${used} of ${present} ${present === 1 ? 'core' : 'cores'}`;
}

export interface NvidiaGpu {
  readonly name: string;
  /** As `CUDA_VISIBLE_DEVICES` names it. */
  readonly id: string;
  readonly memory?: DeviceMemory;
}

const MIB = 2 ** 20;

/**
 * Reads nvidia-smi's lines: index, name, total and used MiB. A GPU that tells no memory (`[N/A]`)
 * has none here.
 */
export function parseGpus(text: string): NvidiaGpu[] {
  return text.split('\n').flatMap((line) => {
    const [id = '', name = '', total, used] = line.split(',').map((field) => field.trim());
    if (!/^\d+$/.test(id) || name === '') return [];
    const [all, taken] = [Number(total), Number(used)];
    const told = Number.isFinite(all) && Number.isFinite(taken) && all > 0;
    return [{ id, name, ...(told && { memory: { total: all * MIB, used: taken * MIB } }) }];
  });
}

/**
 * Those of `gpus` that `CUDA_VISIBLE_DEVICES` leaves, in its order. CUDA ends the list at the first
 * entry that it does not know.
 */
export function visibleGpus(gpus: readonly NvidiaGpu[], visible: string | undefined): NvidiaGpu[] {
  if (visible === undefined) return [...gpus];
  const named = visible.split(',').map((id) => gpus.find((gpu) => gpu.id === id.trim()));
  const end = named.indexOf(undefined);
  return (end < 0 ? named : named.slice(0, end)) as NvidiaGpu[];
}

/** NVIDIA's GPUs here, by their index; a text says why there are none. */
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
