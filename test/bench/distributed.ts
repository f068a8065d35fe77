/**
 * Two ranks of one thread each on this machine, next to one process with two threads: the same
 * training steps by `train`, in turn.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { launchers } from '../helpers/mpi';
import { type Contender, interleave, type Rounds } from './interleave';
import { type NetJob, titleOf } from './jobs';
import type { RanksJob, RoundReport } from './ranks-program';
import type { Measured } from './results';
import { median } from './stats';

const JOBS: readonly NetJob[] = [
  { kind: 'train', net: 'resnet18', size: 28, batch: 128, target: 0.9 },
  { kind: 'train', net: 'resnet18', size: 96, batch: 64, target: 0.9 },
];
const WARM_UP_STEPS = 4;
/** The fewest steps of a round. */
const FEWEST = 3;

/** Runs the steps of a round in other processes. */
class Processes implements Contender {
  readonly name: string;
  /** Milliseconds a step that each round waited for other ranks. */
  readonly waited: number[] = [];
  readonly #batch: number;
  readonly #folder = mkdtempSync(path.join(tmpdir(), 'deepend-bench-'));
  readonly #child: ChildProcess;
  #said = '';
  #round = 0;
  #wake: () => void = () => {};
  #fault: string | undefined;
  #step = Number.NaN;

  constructor(name: string, job: NetJob, { ranks, threads }: { ranks: number; threads: number }) {
    this.name = name;
    this.#batch = job.batch;
    const program = path.join(import.meta.dirname, 'ranks-program.ts');
    const asked: RanksJob = { ...job, folder: this.#folder };
    const node = [process.execPath, '--import', 'tsx', program, JSON.stringify(asked)];
    const [command = '', ...args] = ranks > 1 ? [...launcher(ranks), ...node] : node;
    this.#child = spawn(command, args, {
      env: {
        ...process.env,
        TSX_TSCONFIG_PATH: 'examples/tsconfig.json',
        OMPI_ALLOW_RUN_AS_ROOT: '1', // a container's only user
        OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
        DEEPEND_THREADS: String(threads),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child.stdout?.on('data', (text: Buffer) => {
      this.#said += text;
      this.#wake();
    });
    this.#child.on('close', (code) => {
      this.#fault = `ended with exit code ${code}`;
      this.#wake();
    });
  }

  async round(seconds: number): Promise<number> {
    if (this.#round === 0) this.#step = (await this.#steps(WARM_UP_STEPS)).step;
    const report = await this.#steps(Math.max(FEWEST, Math.round((1000 * seconds) / this.#step)));
    this.waited.push(report.waited);
    return (1000 * this.#batch) / report.step;
  }

  async #steps(steps: number): Promise<RoundReport> {
    this.#ask(steps);
    for (;;) {
      const line = /^ROUND (.*)\n/m.exec(this.#said);
      if (line) {
        this.#said = '';
        return JSON.parse(line[1] as string) as RoundReport;
      }
      if (this.#fault) throw new Error(this.#fault);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** The file appears with its content. */
  #ask(steps: number): void {
    const file = path.join(this.#folder, `round-${this.#round++}`);
    writeFileSync(`${file}.new`, String(steps));
    renameSync(`${file}.new`, file);
  }

  async dispose(): Promise<void> {
    if (!this.#fault) {
      this.#ask(0);
      await new Promise((resolve) => this.#child.once('close', resolve));
    }
    rmSync(this.#folder, { recursive: true });
  }
}

function launcher(ranks: number): string[] {
  const [openMpi] = launchers;
  if (!openMpi || openMpi.absent) throw new Error(`[bench] ${openMpi?.absent}`);
  return [openMpi.command, ...openMpi.args, '-n', String(ranks)];
}

/** The rates, and the time of communication that the backward pass does not hide. */
export async function measureRanks({
  onRow,
  words,
  ...rounds
}: Rounds & {
  words: readonly string[];
  onRow: (row: Measured) => void;
}): Promise<void> {
  for (const job of JOBS) {
    const title = titleOf(job);
    if (!words.every((word) => title.includes(word))) continue;
    const ranks = new Processes('2 ranks of 1 thread', job, { ranks: 2, threads: 1 });
    const one = new Processes('1 process, 2 threads', job, { ranks: 1, threads: 2 });
    const series = await interleave([ranks, one], rounds);
    onRow({
      kind: 'distributed',
      title,
      unit: 'samples/s',
      series,
      reference: [one.name],
      target: job.target,
    });
    const waited = { name: ranks.name, rounds: ranks.waited, median: median(ranks.waited) };
    onRow({
      kind: 'distributed',
      title,
      unit: 'ms a step of waiting for the other rank',
      series: [waited],
      reference: [],
    });
  }
}
