/**
 * Trains a small net on made-up images, on as many ranks as `mpirun` starts, for the tests of
 * training on ranks. Takes options as JSON; rank 0 prints the result, its weights' checksum included.
 */
import { createHash } from 'node:crypto';
import type { Loss } from '@deepend/compiler';
import { DataLoader } from '@deepend/data';
import { cpu } from '@deepend/device';
import { allGather, rank } from '@deepend/distributed';
import { createModel } from '@deepend/models';
import * as nn from '@deepend/nn';
import { crossEntropy, metrics, softmaxCrossEntropy } from '@deepend/optim';
import {
  type AnyModel,
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
import { NORMALIZED_NETS, type NormalizedNet } from '../helpers/normalized-nets';

interface Asked {
  model?: string;
  /** A net of `NORMALIZED_NETS` in place of the model, on images of 8×8; its weights are printed. */
  net?: NormalizedNet;
  samples?: number;
  batchSize?: number;
  options?: Partial<TrainOptions>;
  /** What else the run has, by name. */
  callbacks?: Record<string, unknown>;
  /** On rank 1 only. */
  onOne?: {
    lr?: number;
    samples?: number;
    inLoss?: 'throw' | 'hang' | 'kill';
    atBatch?: 'throw' | 'end' | 'kill' | 'hang' | 'wait';
  };
  /** Whether the loss is a sum over the batch. */
  sum?: boolean;
  /** Whether labels 2 do not count, which most samples have: all of some ranks' shares. */
  ignore?: boolean;
  /** The samples of each batch by their places in the data, which is then not shuffled. */
  order?: number[];
  /** Stops the run after this step, to be resumed. */
  stopAt?: number;
}

const asked = JSON.parse(process.argv[2] ?? '{}') as Asked;
const { model = 'book/lenet', samples = 50, batchSize = 16, options, callbacks = {} } = asked;
const { size, classes } = asked.net ? { size: 8, classes: 3 } : { size: 28, classes: 10 };
const pixels = size * size;
const own = rank() === 1 ? asked.onOne : undefined;

function loader(count: number, seed: number) {
  const images = new Float32Array(count * pixels);
  let state = seed;
  for (let i = 0; i < images.length; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    images[i] = state / 2 ** 32;
  }
  const labelOf = (i: number) =>
    asked.ignore ? (i % 4 === 0 ? (i / 4) % 2 : 2) : (i * 7) % classes;
  const labels = Int32Array.from({ length: count }, (_, i) => labelOf(i));
  labels.forEach((label, i) => {
    images.fill(1, i * pixels + label * size, i * pixels + (label + 1) * size); // a bright row to learn
  });
  const dataset = { images, labels, imageShape: [size, size, 1] as const };
  const { order } = asked;
  if (!order) return new DataLoader(dataset, { batchSize, shuffle: true, seed: 3 });
  const from = (i: number) => i - (i % batchSize) + (order[i % batchSize] as number);
  const ordered = {
    ...dataset,
    images: images.map((_, i) => images[from(Math.floor(i / pixels)) * pixels + (i % pixels)] ?? 0),
    labels: labels.map((_, i) => labels[from(i)] as number),
  };
  return new DataLoader(ordered, { batchSize, shuffle: false });
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

/** The same as a module. */
const layers = () =>
  new nn.Sequential(
    new nn.Flatten(),
    new nn.Linear(784, 400, { seed: 1 + rank() }),
    new nn.ReLU(),
    new nn.BatchNorm1d(400),
    new nn.Linear(400, 10, { seed: 2 }),
  );

const OWN: Record<string, () => AnyModel> = {
  wide,
  module: layers,
  compiled: () => nn.compile(layers(), tf.zeros([2, 28, 28, 1])),
};
const shape = { inputShape: [28, 28, 1], numClasses: 10, seed: 5 + rank() };
const build = () => OWN[model]?.() ?? createModel(model, shape as object);
const net = asked.net ? NORMALIZED_NETS[asked.net]() : await build();
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
let losses = 0;
const faulty: Loss = (logits, labels) => {
  if (++losses === 2) {
    if (own?.inLoss === 'throw') throw new Error('the loss of rank 1 is gone');
    while (own?.inLoss === 'hang');
    if (own?.inLoss === 'kill') process.kill(process.pid, 'SIGKILL');
  }
  return softmaxCrossEntropy(logits, labels);
};
const testIter = asked.order ? null : loader(33, 12);
const { history, stopped } = await train(net, trainIter, testIter, {
  numEpochs: 2,
  lr: own?.lr ?? 0.1,
  metrics: [metrics.topK(3)],
  ...(asked.sum && { loss: crossEntropy({ reduction: 'sum' }) }),
  ...(asked.ignore && { loss: crossEntropy({ ignoreIndex: 2 }) }),
  ...(asked.onOne?.inLoss && { loss: faulty }),
  ...options,
  callbacks: list,
});
const weights = net.weights.map((weight) => weight.read());
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
    `RESULT ${JSON.stringify({ epochs, stopped, sums, values: asked.net && values.map((part) => [...part]), digest: Buffer.from(digest).toString('hex'), digests: Buffer.from(digests).toString('hex'), tensors: tf.memory().numTensors })}`,
  );
}
