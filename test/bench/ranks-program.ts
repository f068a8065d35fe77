/**
 * Trains as one rank or as one process, for the benchmark: waits for a file `round-N` in a folder,
 * trains the number of steps that is in it, and prints the median step's time. All ranks look for
 * the file themselves, since ranks that wait for others keep a core busy.
 */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describeBuild, getThreads } from '@deepend/backend-simd';
import { splitBatch } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { createModel, device, distributed, train } from 'deepend';
import type { NetJob } from './jobs';
import { channelsOf, NETS } from './jobs';
import { median } from './stats';

export interface RanksJob extends NetJob {
  /** Where the files of the rounds appear. */
  readonly folder: string;
  readonly compression?: 'none' | 'float16';
}

/** What a round gives, in milliseconds a step. */
export interface RoundReport {
  readonly step: number;
  /** What of it was spent in waiting for other ranks. */
  readonly waited: number;
  readonly build: string;
  readonly threads: number;
}

const POLL_MS = 20;
const job = JSON.parse(process.argv[2] ?? '') as RanksJob;
const { net, size, batch, folder, compression = 'none' } = job;
const { rank, worldSize, waitedSeconds } = distributed;

/** The steps of a round, from its file; undefined where the benchmark has ended. */
async function stepsOf(round: number): Promise<number> {
  const file = path.join(folder, `round-${round}`);
  while (!existsSync(file)) await sleep(POLL_MS);
  return Number(readFileSync(file, 'utf8'));
}

function report(times: readonly number[], waited: number): void {
  if (rank() !== 0) return;
  const step = median(times);
  const all = { step, waited, build: describeBuild(), threads: getThreads() };
  console.log(`ROUND ${JSON.stringify(all satisfies RoundReport)}`);
}

const image = [size, size, channelsOf(net)] as [number, number, number];

/** This rank's part of the same batch again and again, until a round of 0 steps. */
async function* batches() {
  const part = splitBatch(batch, worldSize())[rank()]?.length ?? batch;
  const features = tf.keep(tf.randomUniform<tf.Rank.R4>([part, ...image], 0, 1, 'float32', 1));
  const classes = Int32Array.from({ length: part }, (_, i) => (7 * i + 3) % 10);
  const labels = tf.keep(tf.tensor1d(classes, 'int32'));
  for (let round = 0; ; round++) {
    const steps = await stepsOf(round);
    if (steps === 0) return;
    const times: number[] = [];
    const waited = waitedSeconds();
    for (let step = 0; step < steps; step++) {
      const start = performance.now();
      yield { features: tf.clone(features), labels: tf.clone(labels) };
      times.push(performance.now() - start);
    }
    report(times, (1000 * (waitedSeconds() - waited)) / steps);
  }
}

const NUM_BATCHES = 1e6; // more than there are
const loader = {
  numSamples: NUM_BATCHES * batch,
  numBatches: NUM_BATCHES,
  batchSize: batch,
  share: () => loader,
  [Symbol.asyncIterator]: batches,
};
const simd = await device('simd');
const { id, options } = NETS[net];
const model = createModel(id, { ...options, inputShape: image, numClasses: 10 });
await train(model, loader, null, {
  numEpochs: 1,
  lr: 0.01,
  device: simd,
  progress: false,
  compression,
});
process.exit(0);
