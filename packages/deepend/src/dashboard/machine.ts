/** How busy the machine is: processors, memory, and GPUs where `nvidia-smi` is there. */
import { type ChildProcess, execFile } from 'node:child_process';
import os from 'node:os';
import type { GpuSample, LoadSample } from './types';

const EVERY_MS = 1000;
const GPU_EVERY = 2; // samples: the query starts a process
const KEPT = 120; // samples, two minutes
const MIB = 1024 * 1024;
const QUERY = [
  '--query-gpu=name,utilization.gpu,memory.used,memory.total',
  '--format=csv,noheader,nounits',
];

type Listener = (sample: LoadSample) => void;

/** Samples once a second while anyone listens. */
export class Machine {
  /** The newest, oldest first. */
  readonly samples: LoadSample[] = [];
  readonly #listeners = new Set<Listener>();
  #timer: NodeJS.Timeout | undefined;
  #before = cpuTimes();
  #count = 0;
  #gpus: readonly GpuSample[] = [];
  #query: ChildProcess | undefined;
  #hasGpus = true; // until the query says otherwise

  /** @returns ends it */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    if (this.#listeners.size === 1) this.#begin();
    return () => {
      this.#listeners.delete(listener);
      if (this.#listeners.size === 0) this.close();
    };
  }

  close(): void {
    this.#listeners.clear();
    clearInterval(this.#timer);
    this.#query?.kill();
  }

  #begin(): void {
    clearInterval(this.#timer);
    this.samples.length = 0; // what came before has a gap behind it
    this.#before = cpuTimes();
    this.#timer = setInterval(() => this.#sample(), EVERY_MS);
  }

  #sample(): void {
    const now = cpuTimes();
    const [busy, all] = [now.busy - this.#before.busy, now.all - this.#before.all];
    this.#before = now;
    if (this.#count++ % GPU_EVERY === 0) this.#askGpus();
    const memoryTotal = os.totalmem();
    const memoryUsed = memoryTotal - os.freemem();
    const sample = {
      time: Date.now(),
      cpu: all > 0 ? busy / all : 0,
      memoryUsed,
      memoryTotal,
      gpus: this.#gpus,
    };
    this.samples.push(sample);
    if (this.samples.length > KEPT) this.samples.shift();
    for (const listener of this.#listeners) listener(sample);
  }

  #askGpus(): void {
    if (this.#query || !this.#hasGpus) return;
    this.#query = execFile(
      'nvidia-smi',
      QUERY,
      { timeout: 5000, windowsHide: true },
      (error, stdout) => {
        this.#query = undefined;
        this.#hasGpus = (error as NodeJS.ErrnoException | null)?.code !== 'ENOENT';
        this.#gpus = error ? [] : parseGpuLoad(stdout);
      },
    );
  }
}

/** Milliseconds of all cores since the machine started. */
function cpuTimes(): { busy: number; all: number } {
  const times = os.cpus().map((core) => core.times);
  const all = times.flatMap((time) => Object.values(time)).reduce((sum, one) => sum + one, 0);
  return { busy: all - times.reduce((sum, { idle }) => sum + idle, 0), all };
}

/**
 * A line a GPU: `NVIDIA H100, 37, 1024, 81559`, in percent and MiB; `[N/A]` where the driver does
 * not tell.
 */
export function parseGpuLoad(text: string): GpuSample[] {
  return text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => {
      const cells = line.split(',').map((cell) => cell.trim());
      const [busy = null, used = null, total = null] = cells
        .slice(-3)
        .map((cell) => (/^[\d.]+$/.test(cell) ? Number(cell) : null));
      const inBytes = (mebibytes: number | null) => (mebibytes === null ? null : mebibytes * MIB);
      return {
        name: cells.slice(0, -3).join(', '),
        busy: busy === null ? null : busy / 100,
        memoryUsed: inBytes(used),
        memoryTotal: inBytes(total),
      };
    });
}
