/**
 * Starts a device's worker and carries messages: a thread, or a process for native libraries that a
 * process can load only once, or that may end it.
 */
import { spawn } from 'node:child_process';
import { closeSync } from 'node:fs';
import { pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';
import { source } from './generated/replica';
import type { Reply, Request } from './protocol';
import { ArrayReader, openSharedFile, writeArrays } from './shared-file';

/** A URL of this package: CommonJS knows its file's name, ES modules know their URL. */
const FROM = typeof __filename === 'string' ? pathToFileURL(__filename).href : import.meta.url;
const script = () => `const from = ${JSON.stringify(FROM)};\n${source}`;

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

export const startProcess: StartTransport = ({ env, onReply, onEnd }) => {
  const requests = openSharedFile();
  const responses = openSharedFile();
  const reader = new ArrayReader(responses);
  const child = spawn(process.execPath, ['-'], {
    env,
    stdio: ['pipe', 'ignore', 'inherit', 'ipc', requests, responses],
  });
  const ended = new Promise<void>((resolve) => {
    let isOpen = true;
    const end = (reason: string) => {
      for (const descriptor of isOpen ? [requests, responses] : []) closeSync(descriptor);
      isOpen = false;
      resolve();
      onEnd(reason);
    };
    child.on('error', (error) => end(`its process does not start: ${error.message}`));
    child.on('exit', (code, signal) => end(`its process ended: ${signal ?? `exit code ${code}`}`));
  });
  child.on('message', (reply: Reply) =>
    onReply('response' in reply ? { ...reply, response: reader.read(reply.response) } : reply),
  );
  child.stdin?.on('error', () => {}); // the process has ended, which 'exit' reports
  child.stdin?.end(script());
  child.unref();
  child.channel?.unref();
  return {
    // If the process has ended, 'exit' reports it.
    send: (request) =>
      void (child.connected && child.send(writeArrays(requests, request), () => {})),
    end: async () => {
      child.ref();
      child.kill('SIGKILL');
      await ended;
    },
  };
};
