/** Starts programs under MPI's launchers, those that this machine has. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';

/** Debian's names of the launchers; `mpirun` is one of them. */
const LAUNCHERS = [
  {
    name: 'Open MPI',
    command: 'mpirun.openmpi',
    package: 'openmpi-bin',
    args: ['--oversubscribe'],
  },
  { name: 'MPICH', command: 'mpirun.mpich', package: 'mpich', args: [] },
] as const;

export interface Launcher {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  /** Why tests with it are skipped; undefined where it is installed. */
  readonly absent: string | undefined;
}

export const launchers: readonly Launcher[] = LAUNCHERS.map(({ package: from, ...launcher }) => ({
  ...launcher,
  absent:
    spawnSync(launcher.command, ['--version']).status === 0
      ? undefined
      : `${launcher.command} is not here; apt install ${from}`,
}));

export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface MpirunOptions {
  readonly ranks: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly timeout?: number;
  /** Gets what a stream has printed so far, and the launcher. */
  readonly onOutput?: (text: string, child: ChildProcess) => void;
}

/** Runs `node ...args` on `ranks` ranks, and ends them after `timeout` milliseconds. */
export function mpirun(
  { command, args: own }: Launcher,
  args: readonly string[],
  options: MpirunOptions,
): Promise<Ended> {
  const { ranks, env, timeout = 100_000, onOutput } = options;
  const child = spawn(command, [...own, '-n', String(ranks), process.execPath, ...args], {
    env: {
      ...process.env,
      OMPI_ALLOW_RUN_AS_ROOT: '1', // a container's only user
      OMPI_ALLOW_RUN_AS_ROOT_CONFIRM: '1',
      DEEPEND_THREADS: '1',
      ...env,
    },
    timeout,
  });
  const said = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].on('data', (data) => {
      said[stream] += data;
      onOutput?.(said[stream], child);
    });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, ...said }));
  });
}
