/** What a run offers, with both kinds of models: a `tf.LayersModel` and an `nn.Module`. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import {
  callbacks,
  checkpoints,
  earlyStopping,
  loadArray,
  lrFind,
  metrics,
  nn,
  plots,
  saveRun,
  showPredictions,
  topLosses,
  train,
  writeReport,
} from 'deepend';
import fs from 'fs-extra';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { use } from '../helpers/backends';
import { mix } from '../helpers/fill';
import { fakeLoader } from '../helpers/loaders';

let dir: string;
beforeAll(async () => {
  await use('simd');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'both-'));
});
afterAll(() => fs.remove(dir));

function layersNet(): tfl.LayersModel {
  const { dense, flatten } = tfl.layers;
  const net = tfl.sequential({
    layers: [
      flatten({ inputShape: [4, 4, 1] }),
      dense({ units: 8, activation: 'relu', name: 'hidden' }),
      dense({ units: 3, name: 'out' }),
    ],
  });
  net.setWeights(
    net.getWeights().map(({ shape, size }, i) => tf.tensor(mix(size, `weight ${i}`), shape)),
  );
  return net;
}

class Perceptron extends nn.Module {
  readonly hidden = new nn.Linear(16, 8, { seed: 1 });
  readonly out = new nn.Linear(8, 3, { seed: 2 });

  forward(x: tf.Tensor): tf.Tensor {
    return this.out.forward(tf.relu(this.hidden.forward(tf.reshape(x, [-1, 16]))));
  }
}

type Net = tfl.LayersModel | Perceptron;
const isPerceptron = (net: Net): net is Perceptron => net instanceof Perceptron;
const KINDS: [string, () => Net][] = [
  ['a model of layers', layersNet],
  ['a module', () => new Perceptron()],
];

/** The weights as they are, by name. */
const weightsOf = (net: Net): Record<string, number[]> =>
  Object.fromEntries(net.weights.map((w) => [w.originalName, [...w.read().dataSync()]]));
const flat = (net: Net) => Object.values(weightsOf(net)).flat();
const part = (net: Net, name: string) =>
  Object.entries(weightsOf(net))
    .filter(([key]) => key.includes(name))
    .flatMap(([, values]) => values);
const differences = (a: number[], b: number[]) => a.map((value, i) => value - (b[i] as number));
const largest = (values: number[]) => Math.max(...values.map(Math.abs));

const loader = (batchSize = 3, count = 12) =>
  Object.assign(fakeLoader(count, batchSize), { state: () => ({}), restore: () => {} });
const quiet = { numEpochs: 1, lr: 0.1, progress: false } as const;
type Options = Parameters<typeof train>[3];

/** Trains a new model, and gives its weights before and after. */
async function trained(make: () => Net, options: Partial<Options> = {}, iter = loader()) {
  const net = make();
  const before = weightsOf(net);
  const count = tf.memory().numTensors;
  const { history } = await train(net, iter, loader(), { ...quiet, ...options });
  expect(tf.memory().numTensors).toBe(count);
  return { net, before: Object.values(before).flat(), history };
}

describe.each(KINDS)('%s', (kind, make) => {
  it('has its learning rate found, and keeps its weights', async () => {
    const net = make();
    const before = flat(net);
    expect((await lrFind(net, loader(3, 60), { steps: 12 })).lrs.length).toBeGreaterThan(3);
    expect(flat(net)).toEqual(before);
  });

  it('ends with the average of its weights', async () => {
    const [plain, averaged] = [await trained(make), await trained(make, { emaDecay: 0.9 })];
    expect(largest(differences(flat(averaged.net), flat(plain.net)))).toBeGreaterThan(1e-3);
    expect(largest(differences(flat(averaged.net), averaged.before))).toBeGreaterThan(1e-3);
    expect(averaged.history[0]?.loss).toBe(plain.history[0]?.loss); // its own weights train
  });

  it('stops early with its best weights, and resumes to the same, bit for bit', async () => {
    const options = (folder: string, more: Options['callbacks'] = []): Partial<Options> => ({
      numEpochs: 8,
      optimizer: 'adam',
      lr: 0.02,
      emaDecay: 0.5,
      callbacks: [
        earlyStopping({ monitor: 'testLoss', patience: 3, minDelta: 10 }),
        checkpoints(path.join(dir, kind, folder)),
        ...more,
      ],
    });
    const whole = await trained(make, options('whole'));
    expect(whole.history).toHaveLength(4);
    const killed = {
      onEpochEnd: ({ epoch }: { epoch: number }) => {
        if (epoch === 2) throw new Error('killed');
      },
    };
    await expect(trained(make, options('parts', [killed]))).rejects.toThrow('killed');
    const resumed = await trained(make, {
      ...options('parts'),
      resume: path.join(dir, kind, 'parts'),
    });
    expect(resumed.history.map(({ loss }) => loss)).toEqual(whole.history.map(({ loss }) => loss));
    expect(flat(resumed.net)).toEqual(flat(whole.net));
  });

  it('accumulates gradients of several batches', async () => {
    const whole = await trained(make, {}, loader(6));
    const parts = await trained(make, { gradientAccumulationSteps: 2 }, loader(3));
    expect(largest(differences(flat(whole.net), flat(parts.net)))).toBeLessThan(1e-6);
  });

  it('has groups of parameters by the name of a layer or module', async () => {
    const step = (groups: { params: string; lrScale?: number; weightDecay?: number }[]) =>
      trained(make, { optimizer: { name: 'sgd', groups } }, loader(12));
    const [plain, scaled] = [await step([]), await step([{ params: 'hidden', lrScale: 2 }])];
    const moved = ({ net }: typeof plain, name: string) =>
      differences(part(net, name), part(make(), name));
    const expected = moved(plain, 'hidden').map((value) => 2 * value);
    expect(largest(differences(moved(scaled, 'hidden'), expected))).toBeLessThan(1e-6);
    expect(part(scaled.net, 'out')).toEqual(part(plain.net, 'out'));
    await expect(step([{ params: 'head', lrScale: 2 }])).rejects.toThrow(/in the group head/);
  });

  it('decays no bias when asked', async () => {
    const step = (weightDecay: number) =>
      trained(
        make,
        { optimizer: { name: 'sgd', weightDecay, excludeFromDecay: 'norm-and-bias' } },
        loader(12),
      );
    const [plain, decayed] = [await step(0), await step(0.5)];
    expect(part(decayed.net, 'bias')).toEqual(part(plain.net, 'bias'));
    expect(flat(decayed.net)).not.toEqual(flat(plain.net));
  });

  it('keeps what is frozen', async () => {
    const frozen = () => {
      const net = make();
      if (isPerceptron(net)) net.hidden.requiresGrad(false);
      else net.getLayer('hidden').trainable = false;
      return net;
    };
    const { net } = await trained(frozen);
    expect(part(net, 'hidden')).toEqual(part(make(), 'hidden'));
    expect(part(net, 'out')).not.toEqual(part(make(), 'out'));
  });

  it.each([
    [{ clipNorm: 1e-4 }, 1e-5],
    [{ clipValue: 1e-4 }, 1e-5],
  ])('has its gradients clipped by %j', async (clip, most) => {
    const { net, before } = await trained(make, clip, loader(12));
    expect(largest(differences(flat(net), before))).toBeLessThan(most * 1.1);
    expect(flat(net)).not.toEqual(before);
  });

  it('is stopped where a number is not finite, which is named', async () => {
    const net = make();
    for (const weight of net.weights)
      if (weight.originalName.startsWith('out'))
        weight.write(tf.fill(weight.shape as number[], Number.POSITIVE_INFINITY));
    const options = { ...quiet, callbacks: [callbacks.stopOnNaN()] };
    await expect(train(net, loader(), null, options)).rejects.toThrow(/'out/);
  });

  it('has pictures of its predictions and its largest losses', async () => {
    const net = make();
    expect((await showPredictions(net, loader(), { count: 3 })).svg).toContain('class 2');
    expect((await plots.showTopLosses(net, loader(), { count: 3 })).svg).toContain('class');
    const before = tf.memory().numTensors;
    expect(await topLosses(net, loader(), 2)).toHaveLength(2);
    expect(tf.memory().numTensors).toBe(before);
  });

  it('has a run folder and a report with its blocks, confusions and worst samples', async () => {
    const folder = path.join(dir, kind, 'run');
    const net = make();
    vi.spyOn(console, 'log').mockReturnValue();
    await train(net, loader(), loader(), { ...quiet, callbacks: [saveRun(folder)] });
    expect(await fs.readJson(path.join(folder, 'config.json'))).toMatchObject({ model: net.name });
    expect(await fs.readdir(path.join(folder, 'model'))).toContain('model.json');
    const testIter = Object.assign(loader(), { inputShape: [4, 4, 1] as const });
    const before = tf.memory().numTensors;
    const page = await fs.readFile(
      await writeReport(folder, { model: net, testIter: testIter as never, progress: false }),
      'utf8',
    );
    expect(tf.memory().numTensors).toBe(before);
    expect(page).toContain('hidden');
    expect(page).toContain('163'); // parameters
    expect(page).toMatch(/Evaluated for this page on\s+12 test images/);
    vi.restoreAllMocks();
  });
});

it('a report of a model of sequences counts positions, and has its blocks', async () => {
  class Tagger extends nn.Module {
    readonly embedding = new nn.Embedding(5, 4, { seed: 1 });
    readonly rnn = new nn.GRU(4, 6, { batchFirst: true, seed: 2 });
    readonly head = new nn.Linear(6, 3, { seed: 3 });

    // ids [batch, time] → logits [batch, time, 3]
    forward(ids: tf.Tensor): tf.Tensor {
      const [states] = this.rnn.forward(this.embedding.forward(ids));
      return this.head.forward(states);
    }
  }
  const ids = tf.tensor2d([0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1], [4, 3], 'int32');
  const tags = tf.tensor2d([0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2], [4, 3], 'int32');
  const iter = loadArray([ids, tags], 2);
  tf.dispose([ids, tags]);
  const folder = path.join(dir, 'sequences');
  const net = new Tagger();
  vi.spyOn(console, 'log').mockReturnValue();
  const options = { ...quiet, metrics: [metrics.perplexity()], callbacks: [saveRun(folder)] };
  await train(net, iter, iter, options);
  vi.restoreAllMocks();
  const before = tf.memory().numTensors;
  const file = await writeReport(folder, {
    ...{ model: net, testIter: iter as never, progress: false },
  });
  expect(tf.memory().numTensors).toBe(before);
  const page = await fs.readFile(file, 'utf8');
  expect(page).toContain('test perplexity');
  expect(page).toMatch(/Evaluated for this page on\s+4 test samples/);
  expect(page).toContain('<th scope="col" class="number">positions');
  expect(page).toContain('more than one class a sample');
  expect(page).toMatch(/embedding<\/t[hd]>\s*<td>1 × 3 × 4/);
});
