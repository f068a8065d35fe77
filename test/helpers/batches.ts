/** What comes out of loaders, and the threads that they start. */
import type { Worker } from 'node:worker_threads';
import type { Batch } from '@deepend/data';
import * as tf from '@tensorflow/tfjs-core';

export interface Values {
  shape: number[];
  features: number[];
  labels: number[];
  labelShape: number[];
}

/** What a batch holds; disposes it. */
export function valuesOf({ features, labels }: Batch): Values {
  const values = {
    shape: features.shape,
    features: [...features.dataSync()],
    labels: [...labels.dataSync()],
    labelShape: labels.shape,
  };
  tf.dispose([features, labels]);
  return values;
}

/** Every batch of an epoch; disposes them. */
export async function epoch(loader: AsyncIterable<Batch>): Promise<Values[]> {
  const batches: Values[] = [];
  for await (const batch of loader) batches.push(valuesOf(batch));
  return batches;
}

/** Counts the worker threads of this process from now on. */
export function watchThreads() {
  const started: Worker[] = [];
  const onWorker = (worker: Worker) => void started.push(worker);
  process.on('worker', onWorker);
  return {
    started,
    /** A thread that has ended has no id any more. */
    running: () => started.filter(({ threadId }) => threadId >= 0).length,
    forget: () => void started.splice(0),
    stop: () => void process.off('worker', onWorker),
  };
}
