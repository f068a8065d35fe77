/** Processes that run the objective of a search. */
import { type ChildProcess, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { pathToFileURL } from 'node:url';
import type { Config } from './domains';
import type { ObjectiveContext } from './types';

/** Runs one job. @throws what the objective throws */
export type Runner = (config: Config, context: ObjectiveContext) => Promise<unknown>;

/** The whole program of a worker. Numbers travel as strings, since JSON lacks NaN. */
const PROGRAM = `
process.on('disconnect', () => process.exit());
process.on('SIGINT', () => {}); // the search ends its workers
process.on('message', async ({ file, config, context }) => {
  try {
    const { default: objective } = await import(file);
    if (typeof objective !== 'function')
      throw new TypeError('expected a function as the default export of ' + file);
    const result = await objective(config, context);
    process.send({ type: typeof result, result: String(result) });
  } catch (error) {
    process.send({ failure: error instanceof Error ? error.message : String(error) });
  }
});`;

interface Reply {
  readonly type?: string;
  readonly result?: string;
  /** Why the objective failed. */
  readonly failure?: string;
}

/** Flags that say what this process runs, not how it loads modules; the first ones have a value. */
const PROGRAM_FLAGS = /^(-e|-p|-pe|--eval|--print)$/;
const OWN_FLAGS = /^(--inspect|--watch|--test|--eval=|--print=)/;

/** The flags of this process by which it loads modules, such as those of tsx. */
export const loadingFlags = (flags: readonly string[] = process.execArgv): string[] =>
  flags.filter(
    (flag, i) =>
      !PROGRAM_FLAGS.test(flag) && !PROGRAM_FLAGS.test(flags[i - 1] ?? '') && !OWN_FLAGS.test(flag),
  );

export class WorkerProcesses {
  readonly #file: string;
  readonly #idle: ChildProcess[] = [];
  readonly #all = new Set<ChildProcess>();
  readonly #env: NodeJS.ProcessEnv;

  /** @param count of processes that will run at the same time: they share the cores */
  constructor(file: string | URL, count: number) {
    this.#file = moduleUrl(file);
    const threads = Math.max(1, Math.min(8, Math.floor(availableParallelism() / count)));
    this.#env = { DEEPEND_THREADS: String(threads), ...process.env };
  }

  /** Runs one job in a process that has nothing to do, or in a new one. */
  readonly run: Runner = async (config, context) => {
    const worker = this.#idle.pop() ?? this.#start();
    const reply = await replyOf(worker, { file: this.#file, config, context });
    this.#idle.push(worker);
    if (reply.failure !== undefined) throw new Error(reply.failure);
    return reply.type === 'number' ? Number(reply.result) : reply.result;
  };

  /** Ends all processes at once. */
  end(): void {
    for (const worker of this.#all) worker.kill('SIGKILL');
    this.#all.clear();
    this.#idle.length = 0;
  }

  #start(): ChildProcess {
    const worker = spawn(process.execPath, [...loadingFlags(), '-e', PROGRAM], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      env: this.#env,
    });
    this.#all.add(worker);
    worker.once('exit', () => {
      this.#all.delete(worker);
      if (this.#idle.includes(worker)) this.#idle.splice(this.#idle.indexOf(worker), 1);
    });
    return worker;
  }
}

export const moduleUrl = (file: string | URL): string =>
  file instanceof URL || file.startsWith('file:') ? String(file) : pathToFileURL(file).href;

function replyOf(worker: ChildProcess, message: object): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const onExit = (code: number | null, signal: string | null) => {
      worker.off('message', onMessage);
      reject(new Error(`the worker process ended with ${signal ?? `code ${code}`}`));
    };
    const onMessage = (reply: Reply) => {
      worker.off('exit', onExit);
      resolve(reply);
    };
    worker.once('exit', onExit).once('message', onMessage).send(message);
  });
}
