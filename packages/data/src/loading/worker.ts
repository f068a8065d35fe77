/**
 * The entry of a worker thread. scripts/build-worker.mjs bundles it into one string, so this file
 * is separate from the pool that starts it.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { serializeError } from '@deepend/core';
import { type BatchRequest, batchPreparer } from './prepare';
import type { WorkerData, WorkerReply } from './worker-pool';

const { spec } = workerData as WorkerData;
const prepareBatch = batchPreparer(spec);

async function reply(request: BatchRequest): Promise<WorkerReply> {
  const { batch } = request;
  try {
    return { batch, prepared: await prepareBatch(request) };
  } catch (error) {
    return { batch, error: serializeError(error) };
  }
}

let previous: Promise<void> = Promise.resolve();
parentPort?.on('message', (request: BatchRequest) => {
  // One after another: the memory in which images are gathered serves one batch at a time.
  previous = previous.then(async () => {
    const answer = await reply(request);
    const parts = answer.prepared?.parts ?? [];
    const buffers = parts.map(({ images }) => images.buffer as ArrayBuffer);
    parentPort?.postMessage(answer, buffers);
  });
});
