/** Starts a device's worker, a thread of this process, and carries messages. */
import { Worker } from 'node:worker_threads';
import { source } from './generated/replica';
import { HERE } from './here';
import type { Reply, Request } from './protocol';

const script = () => `const from = ${JSON.stringify(HERE)};\n${source}`;

export interface TransportOptions {
  readonly name: string;
  readonly env: NodeJS.ProcessEnv;
  onReply(reply: Reply): void;
  /** The worker has ended, by itself or by `end`. */
  onEnd(reason: string): void;
}

export interface Transport {
  send(request: Request): void;
  /** Ends the worker, even in the middle of a request. */
  end(): Promise<void>;
}

/** Workers are unref'd: they do not keep this process alive. A pending `receive()` does. */
export type StartTransport = (options: TransportOptions) => Transport;

export const startThread: StartTransport = ({ name, env, onReply, onEnd }) => {
  // No flags of this process: they may load other programs.
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
    send: (request) => worker.postMessage(request),
    end: async () => {
      worker.ref(); // keeps this process alive until the worker has ended
      await worker.terminate();
    },
  };
};
