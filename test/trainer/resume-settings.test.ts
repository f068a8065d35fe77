/** What a run that resumes must share with the run before, and runs that end early. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type BuildName, describeBuild, setBuild, simdInfo } from '@deepend/backend-simd';
import { Plan } from '@deepend/compiler';
import { OutOfMemoryError } from '@deepend/core';
import { arrayDataset, DataLoader, loadArray, randomCrop } from '@deepend/data';
import { crossEntropy, meanSquaredError, softmaxCrossEntropy } from '@deepend/optim';
import {
  checkpoints,
  evaluate,
  newestCheckpoint,
  predict,
  type TrainOptions,
  timeLimit,
  train,
} from '@deepend/trainer';
import * as tf from '@tensorflow/tfjs-core';
import type { LayersModel } from '@tensorflow/tfjs-layers';
import fs from 'fs-extra';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { fakeLoader, linearNet } from '../helpers/loaders';

let dir: string;
let run: string;
let runs = 0;
beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
beforeEach(async () => {
  await use('cpu-js');
  run = path.join(dir, `run${runs++}`);
});
afterEach(() => vi.restoreAllMocks());
afterAll(() => fs.remove(dir));

const weights = (net: LayersModel) => net.getWeights().map((weight) => [...weight.dataSync()]);
const loader = (seed = 1, padding = 1) =>
  new DataLoader(
    arrayDataset({
      images: Uint8Array.from(mix(12 * 16, 'pictures'), (value) => Math.abs(255 * value)),
      labels: Uint8Array.from({ length: 12 }, (_, i) => i % 3),
      imageShape: [4, 4, 1],
    }),
    { batchSize: 3, shuffle: true, seed, workers: 0, transforms: [randomCrop(4, { padding })] },
  );
const base = { numEpochs: 2, lr: 0.3, progress: false } as const;
const start = (
  options: Partial<TrainOptions>,
  data: Parameters<typeof train>[1] = loader(),
  net = linearNet(),
) => train(net, data, null, { ...base, ...options });

it('a run is not resumed with classes in another order, which would learn other labels', async () => {
  const named = (...classNames: string[]) => Object.assign(loader(), { classNames });
  await start({ callbacks: [checkpoints(run)] }, named('cat', 'dog', 'fox'));
  const resume = { numEpochs: 3, resume: run, callbacks: [checkpoints(run)] };
  await expect(start(resume, named('cat', 'fox', 'dog'))).rejects.toThrow(
    /is of another run: class 1: 'dog' there, 'fox' here/,
  );
  expect((await start(resume, named('cat', 'dog', 'fox'))).history).toHaveLength(3);
});

it('a run on arrays resumes in the order of the samples that it would have had', async () => {
  const images = Float32Array.from(mix(12 * 16, 'pictures'));
  const labels = Int32Array.from({ length: 12 }, (_, i) => i % 3);
  const arrays = (seed = 1) =>
    loadArray([{ values: images, shape: [12, 4, 4, 1] }, labels], 3, { seed });
  const whole = await start({ numEpochs: 4 }, arrays());
  await start({ callbacks: [checkpoints(run)] }, arrays());
  const resume = { numEpochs: 4, resume: run };
  const losses = ({ history }: typeof whole) => history.map(({ loss }) => loss);
  expect(losses(await start(resume, arrays()))).toEqual(losses(whole));
  await expect(start(resume, arrays(2))).rejects.toThrow(/is of another run: loader: .*"seed":1/);
});

it('a run is resumed with data whose class names are not known', async () => {
  const named = Object.assign(loader(), { classNames: ['cat', 'dog', 'fox'] });
  await start({ callbacks: [checkpoints(run)] }, named);
  const resume = { numEpochs: 3, resume: run, callbacks: [checkpoints(run)] };
  expect((await start(resume)).history).toHaveLength(3);
});

it('a run that resumes with another build of the backend says so, once', async () => {
  await use('simd');
  const { build: first, builds } = simdInfo();
  const other = builds.find((build) => build !== first) as BuildName; // WebAssembly has two
  await start({ callbacks: [checkpoints(run)] });
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const resume = (numEpochs: number) =>
    start({ numEpochs, resume: run, callbacks: [checkpoints(run)] });
  await resume(3);
  expect(warn).not.toHaveBeenCalled();
  const before = describeBuild();
  setBuild(other);
  try {
    await resume(4);
    await resume(5); // from a checkpoint of the build that computes now
    expect(warn.mock.calls).toEqual([
      [
        expect.stringMatching(
          `the build '${before}' of simd, and the run continues with '${describeBuild()}': ` +
            'their results differ in the last bits',
        ),
      ],
    ]);
  } finally {
    setBuild(first);
  }
});

it('a model that is built again resumes, with its optimizer and averages', async () => {
  const options = { optimizer: 'adam', lr: 0.01, emaDecay: 0.5 } as const;
  const whole = linearNet();
  await start({ ...options, numEpochs: 4 }, loader(), whole);
  await start({ ...options, callbacks: [checkpoints(run)] });
  const again = linearNet();
  expect(again.name).not.toBe(whole.name);
  await start({ ...options, numEpochs: 4, resume: run }, loader(), again);
  expect(weights(again)).toEqual(weights(whole));
  const other = linearNet([4, 4, 1], 4);
  await expect(start({ ...options, numEpochs: 4, resume: run }, loader(), other)).rejects.toThrow(
    /expected the weight .*/,
  );
});

it('another loss, other transforms and another seed of the loader are refused', async () => {
  await start({ callbacks: [checkpoints(run)] });
  const resume = { numEpochs: 3, resume: run };
  for (const loss of [
    crossEntropy({ labelSmoothing: 0.1 }),
    crossEntropy({ classWeights: [1, 2, 3] }),
  ])
    await expect(start({ ...resume, loss })).rejects.toThrow(/is of another run: loss: /);
  await expect(start({ ...resume, loss: meanSquaredError() })).rejects.toThrow(
    /loss: \{"name":"crossEntropy"\} there, \{"name":"meanSquaredError"\} here/,
  );
  await expect(start(resume, loader(2))).rejects.toThrow(/another run: loader: .*"seed":1/);
  await expect(start(resume, loader(1, 2))).rejects.toThrow(/another run: loader: .*"padding":1/);
  const same = await start({ ...resume, loss: softmaxCrossEntropy });
  expect(same.history).toHaveLength(3);
});

it('another backend is accepted, with a warning', async () => {
  await start({ callbacks: [checkpoints(run)] });
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  await use('simd');
  const { history } = await start({ numEpochs: 3, resume: run });
  expect(history).toHaveLength(3);
  expect(warn.mock.calls[0]?.[0]).toMatch(
    /was computed by cpu-js, and the run continues on simd: .* close but not bit for bit/,
  );
});

it('a run that ends within its first epoch says what was done', async () => {
  const log = vi.spyOn(console, 'log').mockImplementation(() => {});
  const result = await start({ progress: true, callbacks: [timeLimit(1e-9)] });
  expect(log.mock.calls.map(([line]) => line).slice(2)).toEqual([
    'stopped after 1 of 4 steps of epoch 1: the time limit of 1e-9 s is over',
  ]); // after the two lines that say what will run
  expect(result.history).toEqual([]);
  expect(result.samplesPerSecond).toBeGreaterThan(0);
});

it('a run that a time limit ends within an epoch resumes from its last step', async () => {
  const whole = linearNet();
  await start({}, loader(), whole);
  const limited = { callbacks: [checkpoints(run), timeLimit(1e-9)] };
  await start(limited); // one step
  await start({ ...limited, resume: run }); // another one
  const net = linearNet();
  await start({ resume: run, callbacks: [checkpoints(run)] }, loader(), net);
  expect(weights(net)).toEqual(weights(whole));
  expect((await newestCheckpoint(run))?.checkpoint.progress.globalStep).toBe(8);
});

it('a run with an average of its weights resumes from its own ones after a time limit', async () => {
  const whole = linearNet();
  await start({ emaDecay: 0.5 }, loader(), whole);
  await start({ emaDecay: 0.5, callbacks: [checkpoints(run), timeLimit(1e-9)] });
  const net = linearNet();
  await start({ emaDecay: 0.5, resume: run }, loader(), net);
  expect(weights(net)).toEqual(weights(whole));
});

it('evaluation and prediction are cut when a batch does not fit the memory', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const net = linearNet();
  const expected = await evaluate(net, fakeLoader(12, 12));
  const features = tf.tensor4d(mix(7 * 16, 'features'), [7, 4, 4, 1]);
  const outputs = await (await predict(net, features)).data();
  const whole = Plan.prototype.logits;
  vi.spyOn(Plan.prototype, 'logits').mockImplementation(function (this: Plan, x: tf.Tensor) {
    if ((x.shape[0] ?? 0) > 3)
      throw new OutOfMemoryError('too large', { asked: 1, inUse: 1, limit: 1 });
    return whole.call(this, x);
  });
  const before = tf.memory().numTensors;
  const cut = await evaluate(net, fakeLoader(12, 12));
  expect(cut.accuracy).toBe(expected.accuracy);
  expect(cut.loss).toBeCloseTo(expected.loss, 5);
  const parts = await predict(net, features);
  expect([...(await parts.data())].map((value) => value.toFixed(4))).toEqual(
    [...outputs].map((value) => value.toFixed(4)),
  );
  parts.dispose();
  expect(tf.memory().numTensors).toBe(before);
  expect(warn.mock.calls[0]?.[0]).toMatch(/a batch of 12 does not fit .* in parts of 6/);
});
