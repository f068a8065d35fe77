import { execFile } from 'node:child_process';
import os from 'node:os';
import { promisify } from 'node:util';

/** The processor's name, and how many of its cores the engine uses. @param cores a count, where the engine has its own */
export function cpuHardware(cores: 'one' | 'all' | number): string {
  const model = os.cpus()[0]?.model.trim().replace(/\s+/g, ' ') || `${os.arch()} processor`;
  const present = os.availableParallelism();
  const used = cores === 'one' ? 1 : cores === 'all' ? present : Math.min(cores, present);
  return `${model}, ${used} of ${present} ${present === 1 ? 'core' : 'cores'}`;
}

/** The names of NVIDIA's GPUs here, by their index; a text says why there are none. */
export async function nvidiaGpus(): Promise<string[] | string> {
  try {
    const { stdout } = await promisify(execFile)('nvidia-smi', ['--query-gpu=name', '--format=csv,noheader'], {
      timeout: 20_000,
    });
    const names = stdout.split('\n').filter((line) => line.trim() !== '');
    return names.length > 0 ? names : 'nvidia-smi lists no GPU';
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ENOENT' ? 'no NVIDIA driver here (nvidia-smi not found)' : `nvidia-smi failed: ${message.split('\n')[0]}`;
  }
}
