/**
 * The two ways to have a device's worker: a thread, or a process for libraries that a process has
 * once, or that may end it.
 */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { source } from './generated/replica';
import type { Reply, Task } from './messages';
import { openSpool, SpoolReader, spool } from './spool';

/**
 * A file of this package, whichever of its builds runs: CommonJS knows its file's name, ES modules
 * their address.
 */
const FROM = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
const script = () => `const from = ${JSON.stringify(FROM)};\n${source}`;

export interface LinkOptions {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  onReply(reply: Reply): void;
  /** It has ended, by itself or because it was told to. */
  onEnd(reason: string): void;
}

export interface Link {
  post(task: Task): void;
  /** Ends it, whatever it does. */
  end(): Promise<void>;
}

/** Neither keeps this process from ending: who waits for an answer does. */
export type StartLink = (options: LinkOptions) => Link;

export const startThread: StartLink = ({ name, env, onReply, onEnd }) => {
  // Flags of the parent's may load whole programs.
  const worker = new Worker(script(), {
    eval: true,
    env,
    execArgv: [],
    stdin: false,
    name: `deepend ${name}`,
  });
  let reason: string | undefined;
  worker.on('message', onReply);
  worker.on('error', (error) => {
    reason = error.message;
  });
  worker.on('exit', (code) => onEnd(`its thread ended: ${reason ?? `exit code ${code}`}`));
  worker.unref();
  return {
    post: (task) => worker.postMessage(task),
    end: async () => {
      worker.ref(); // who waits for its end is not to end before
      await worker.terminate();
    },
  };
};

export const startProcess: StartLink = ({ env, onReply, onEnd }) => {
  const [tasks, answers] = [openSpool(), openSpool()];
  const reader = new SpoolReader(answers);
  const child = spawn(process.execPath, ['-'], {
    env,
    stdio: ['pipe', 'ignore', 'inherit', 'ipc', tasks, answers],
  });
  const ended = new Promise<void>((resolve) => {
    let isOpen = true;
    const end = (reason: string) => {
      for (const descriptor of isOpen ? [tasks, answers] : []) closeSync(descriptor);
      isOpen = false;
      resolve();
      onEnd(reason);
    };
    child.on('error', (error) => end(`its process does not start: ${error.message}`));
    child.on('exit', (code, signal) => end(`its process ended: ${signal ?? `exit code ${code}`}`));
  });
  child.on('message', (reply: Reply) =>
    onReply('answer' in reply ? { ...reply, answer: reader.read(reply.answer) } : reply),
  );
  child.stdin?.on('error', () => {}); // of a process that is gone already, which its end tells
  child.stdin?.end(script());
  child.unref();
  child.channel?.unref();
  return {
    // Where it is gone, its end tells.
    post: (task) => void (child.connected && child.send(spool(tasks, task), () => {})),
    end: async () => {
      child.ref();
      child.kill('SIGKILL');
      await ended;
    },
  };
};
