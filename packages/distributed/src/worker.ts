/** The program of a device's worker; scripts/build-worker.mjs bundles it into a string. */
import { parentPort } from 'node:worker_threads';
import { serializeError } from '@deepend/core';
import {
  type Reply,
  type Request,
  type RequestName,
  type Responses,
  SHARED_FILES,
} from './protocol';
import { Replica } from './replica';
import { ArrayReader, writeArrays } from './shared-file';

function reply(message: Reply): void {
  if (parentPort) parentPort.postMessage(message);
  else if ('response' in message)
    process.send?.({ ...message, response: writeArrays(SHARED_FILES.responses, message.response) });
  else process.send?.(message);
}

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

if (parentPort) parentPort.on('message', onRequest);
else {
  const reader = new ArrayReader(SHARED_FILES.requests);
  process.on('message', (request: Request) => onRequest(reader.read(request)));
  process.on('disconnect', () => process.exit()); // the training process has ended
  // Ctrl-C reaches every process of a terminal; the training process decides how the run ends.
  process.on('SIGINT', () => {});
}
reply({ loaded: true });
