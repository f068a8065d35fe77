/**
 * What a worker thread runs. scripts/build-worker.mjs makes one text of it and of all that it
 * needs.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { faultOf } from './faults';
import { batchMaker } from './make';
import type { WorkerData, WorkerJob, WorkerReply } from './messages';

const { recipe } = workerData as WorkerData;
const makeBatch = batchMaker(recipe);

async function reply({ job, into }: WorkerJob): Promise<WorkerReply> {
  try {
    return { batch: job.batch, made: await makeBatch(job, into) };
  } catch (error) {
    return { batch: job.batch, fault: faultOf(error) };
  }
}

let before: Promise<void> = Promise.resolve();
parentPort?.on('message', (work: WorkerJob) => {
  // One after the other: the memory in which images are gathered serves one batch at a time.
  before = before.then(async () => {
    const answer = await reply(work);
    const parts = answer.made?.parts ?? [];
    parentPort?.postMessage(
      answer,
      parts.map(({ images }) => images.buffer as ArrayBuffer),
    );
  });
});
