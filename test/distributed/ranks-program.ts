/**
 * Trains a small net on made-up images, on as many ranks as `mpirun` starts, for the tests of
 * training on ranks. Takes options as JSON; rank 0 prints the result, its weights' checksum included.
 */
import { createHash } from 'node:crypto';
import { DataLoader } from '@deepend/data';
import { cpu } from '@deepend/device';
import { allGather, rank } from '@deepend/distributed';
import { createModel } from '@deepend/models';
import { crossEntropy, metrics } from '@deepend/optim';
import {
  type Callback,
  checkpoints,
  earlyStopping,
  type RunInfo,
  type TrainOptions,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { saveRun } from '../../packages/deepend/src/run/save-run';

interface Asked {
  model?: string;
  samples?: number;
  batchSize?: number;
  options?: Partial<TrainOptions>;
  /** What else the run has, by name. */
  callbacks?: Record<string, unknown>;
  /** On rank 1 only. */
  onOne?: { lr?: number; samples?: number; atBatch?: 'throw' | 'end' | 'kill' | 'hang' | 'wait' };
  /** Whether the loss is a sum over the batch. */
  sum?: boolean;
  /** Stops the run after this step, to be resumed. */
  stopAt?: number;
}

const asked = JSON.parse(process.argv[2] ?? '{}') as Asked;
const { model = 'book/lenet', samples = 50, batchSize = 16, options, callbacks = {} } = asked;
const own = rank() === 1 ? asked.onOne : undefined;

function loader(count: number, seed: number) {
  const images = new Float32Array(count * 28 * 28);
  let state = seed;
  for (let i = 0; i < images.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    images[i] = state / 2 ** 32;
  }
  const labels = Int32Array.from({ length: count }, (_, i) => (i * 7) % 10);
  labels.forEach((label, i) => {
    images.fill(1, i * 784 + label * 28, i * 784 + label * 28 + 28); // a bright row to learn
  });
  const dataset = { images, labels, imageShape: [28, 28, 1] as const };
  return new DataLoader(dataset, { batchSize, shuffle: true, seed: 3 });
}

await cpu();
/** Its first layer's gradient is large: ranks sum it in its own memory. */
const wide = () =>
  tfl.sequential({
    layers: [
      tfl.layers.flatten({ inputShape: [28, 28, 1] }),
      tfl.layers.dense({
        units: 400,
        activation: 'relu',
        kernelInitializer: tfl.initializers.glorotNormal({ seed: 1 + rank() }),
      }),
      tfl.layers.batchNormalization({}),
      tfl.layers.dense({
        units: 10,
        kernelInitializer: tfl.initializers.glorotNormal({ seed: 2 }),
      }),
    ],
  });

const net =
  model === 'wide'
    ? wide()
    : await createModel(model, { inputShape: [28, 28, 1], numClasses: 10, seed: 5 + rank() });
let run: RunInfo | undefined;
const observer: Callback = {
  onTrainBegin(info) {
    run = info;
  },
  onStep({ globalStep }) {
    if (globalStep === asked.stopAt) run?.control.stop('asked to', { resumable: true });
  },
};
const list: Callback[] = [];
if (callbacks.checkpoints) list.push(checkpoints(callbacks.checkpoints as string));
if (callbacks.saveRun) list.push(saveRun(callbacks.saveRun as string));
if (callbacks.earlyStopping) list.push(earlyStopping(callbacks.earlyStopping as object));
list.push(observer);
const trainIter = loader(own?.samples ?? samples, 11);
if (own?.atBatch !== undefined) {
  const { atBatch } = own;
  const iterate = trainIter[Symbol.asyncIterator].bind(trainIter);
  Object.assign(trainIter, {
    share: () => undefined,
    async *[Symbol.asyncIterator]() {
      let step = 0;
      for await (const batch of { [Symbol.asyncIterator]: iterate }) {
        if (++step === 3) {
          if (atBatch === 'throw') throw new Error('the disk of rank 1 is gone');
          while (atBatch === 'hang');
          if (atBatch === 'wait') await new Promise((resolve) => setTimeout(resolve, 60_000));
          if (atBatch === 'kill') process.kill(process.pid, 'SIGKILL');
          if (atBatch === 'end') return tf.dispose([batch.features, batch.labels]);
        }
        yield batch;
      }
    },
  });
}
const { history, stopped } = await train(net, trainIter, loader(33, 12), {
  numEpochs: 2,
  lr: own?.lr ?? 0.1,
  metrics: [metrics.topK(3)],
  ...(asked.sum && { loss: crossEntropy({ reduction: 'sum' }) }),
  ...options,
  callbacks: list,
});
const weights = net.getWeights();
const values = await Promise.all(weights.map((weight) => weight.data()));
const hash = createHash('sha256');
for (const part of values) hash.update(Buffer.from(part.buffer, part.byteOffset, part.byteLength));
const sums = values.map((part) => (part as Float32Array).reduce((sum, x) => sum + Math.abs(x), 0));
const digest = new Uint8Array(hash.digest());
const digests = await allGather(digest);
if (rank() === 0) {
  const epochs = history.map(({ loss, trainAcc, testAcc, testLoss, metrics }) => ({
    loss,
    trainAcc,
    testAcc,
    testLoss,
    metrics,
  }));
  console.log(
    `RESULT ${JSON.stringify({ epochs, stopped, sums, digest: Buffer.from(digest).toString('hex'), digests: Buffer.from(digests).toString('hex'), tensors: tf.memory().numTensors })}`,
  );
}
