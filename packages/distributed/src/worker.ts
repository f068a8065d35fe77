/** The program of a device's worker; scripts/build-worker.mjs bundles it into a string. */
import { parentPort } from 'node:worker_threads';
import { serializeError } from '@deepend/core';
import type { Reply, Request, RequestName, Responses } from './protocol';
import { Replica } from './replica';

const reply = (message: Reply): void => parentPort?.postMessage(message);

let replica: Replica | undefined;

async function compute(request: Request): Promise<Responses[RequestName]> {
  if (request.request === 'begin') {
    replica = await Replica.begin(request);
    return { signature: replica.signature() };
  }
  if (!replica) throw new Error(`${request.request} was requested before begin`);
  return request.request === 'forward' ? replica.forward(request) : replica.backward(request);
}

let previous: Promise<void> = Promise.resolve();
const onRequest = (request: Request): void => {
  previous = previous.then(async () => {
    try {
      reply({ id: request.id, response: await compute(request) });
    } catch (error) {
      reply({ id: request.id, error: serializeError(error) });
    }
  });
};

parentPort?.on('message', onRequest);
reply({ loaded: true });
