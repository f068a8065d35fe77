// Full run only: most cases train a model, and run commands on its folder.
/** Runs that a script started: what their folders record, and the commands on them. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {
  type Callback,
  crossEntropy,
  DataLoader,
  datasets,
  earlyStopping,
  metrics,
  saveRun,
  schedules,
  type TrainOptions,
  train,
} from 'deepend';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { matchClasses } from '../../packages/deepend/src/run/match-classes';
import { use } from '../helpers/backends';
import { fakeLoader, linearNet } from '../helpers/loaders';

let dir: string;
let photos: string;
const out: string[] = [];
const err: string[] = [];
const CLASSES = ['cat', 'dog', 'fox'];

beforeAll(async () => {
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  photos = path.join(dir, 'photos');
  for (const part of ['train', 'test']) await makePhotos(path.join(photos, part), CLASSES);
});
beforeEach(async () => {
  await use('cpu-js');
  vi.spyOn(console, 'log').mockImplementation((...words) => void out.push(words.join(' ')));
  vi.spyOn(console, 'error').mockImplementation((...words) => void err.push(words.join(' ')));
});
afterEach(() => {
  vi.restoreAllMocks();
  out.length = 0;
  err.length = 0;
  process.exitCode = 0;
});
afterAll(() => fs.remove(dir));

/** Six 8 × 8 images a class, whose brightness shows the class. */
async function makePhotos(folder: string, classes: readonly string[]): Promise<void> {
  for (const name of classes)
    for (let i = 0; i < 6; i++) {
      const level = 40 + 80 * CLASSES.indexOf(name) + i;
      const raw = { width: 8, height: 8, channels: 3 } as const;
      await fs.ensureDir(path.join(folder, name));
      await sharp(Buffer.alloc(192, level), { raw }).toFile(path.join(folder, name, `${i}.png`));
    }
}

const deepend = (...args: string[]) => main(['node', 'deepend', ...args]);
const json = () => JSON.parse(out.at(-1) as string);
const configOf = (run: string) => fs.readJson(path.join(run, 'config.json'));

async function photoLoader(part: 'train' | 'test', options: object = {}) {
  const dataset = await datasets.imageFolder(path.relative('.', path.join(photos, part)));
  return new DataLoader(dataset, { batchSize: 4, resize: [6, 6], workers: 0, ...options });
}

const net = () => linearNet([6, 6, 3], 3);

/** Trains as a script does, in a folder of this name. */
async function script(name: string, options: Partial<TrainOptions> = {}): Promise<string> {
  const run = path.join(dir, name);
  const { callbacks = [], ...others } = options;
  const model = net();
  const trainIter = await photoLoader('train', { shuffle: true, seed: 3 });
  const testIter = await photoLoader('test');
  await train(model, trainIter, testIter, {
    numEpochs: 2,
    lr: 0.01,
    progress: false,
    callbacks: [saveRun(run, {}, { onInterrupt: 'stop', overwrite: true }), ...callbacks],
    ...others,
  });
  model.dispose();
  return run;
}

/** Stops as Ctrl-C does, after this many steps. */
const interruptAfter = (steps: number): Callback => {
  let stop = () => {};
  return {
    name: 'samplesPerSecond', // one that commands may leave out
    onTrainBegin: ({ control }) => {
      stop = () => control.stop('interrupted', { resumable: true });
    },
    onStep: ({ globalStep }) => void (globalStep === steps && stop()),
  };
};

describe("the folder of a script's run", () => {
  it('records what train was given, functions by their names, and absolute paths', async () => {
    const halved = (epoch: number) => 0.01 / epoch;
    const run = await script('recorded', {
      lr: schedules.warmUp(schedules.cosine({ lr: 0.01 }), { steps: 2 }),
      optimizer: { name: 'sgd', momentum: 0.9 },
      loss: crossEntropy({ labelSmoothing: 0.1 }),
      metrics: [metrics.topK(2)],
      callbacks: [earlyStopping({ patience: 4 })],
      seed: 7,
    });
    const { training, loaders, classNames, seed } = await configOf(run);
    expect(training).toMatchObject({
      numEpochs: 2,
      lr: {
        name: 'warm-up, cosine',
        options: { steps: 2, schedule: { name: 'cosine', lr: 0.01 } },
      },
      optimizer: { name: 'sgd', momentum: 0.9 },
      loss: { name: 'crossEntropy', labelSmoothing: 0.1 },
      metrics: ['top2'],
      callbacks: [{ name: 'saveRun' }, { name: 'earlyStopping', patience: 4 }],
      seed: 7,
    });
    expect([seed, classNames]).toEqual([7, CLASSES]);
    expect(loaders.test).toMatchObject({
      data: { kind: 'imageFolder', folder: path.join(photos, 'test') },
      options: { batchSize: 4 },
      numSamples: 18,
      inputShape: [6, 6, 3],
    });
    const other = await script('recorded', { lr: halved });
    expect((await configOf(other)).training.lr).toEqual({ function: 'halved' });
  });

  it('has the final figures in result.json', async () => {
    const run = await script('figures', { metrics: [metrics.topK(2)] });
    const lines = (await fs.readFile(path.join(run, 'history.jsonl'), 'utf8')).trim().split('\n');
    const history = lines.map((line) => JSON.parse(line));
    const { loss, trainAcc, testLoss, testAcc, metrics: measured } = history[1];
    const result = await fs.readJson(path.join(run, 'result.json'));
    const figures = { epochs: 2, loss, trainAcc, testLoss, testAcc, metrics: measured };
    expect(result).toMatchObject(figures);
    const best = Math.max(...history.map((record) => record.testAcc));
    expect(result.best.testAcc).toBe(best);
  });

  it('says why data cannot be loaded again', async () => {
    const run = path.join(dir, 'arrays');
    await train(linearNet(), fakeLoader(6, 3), null, {
      numEpochs: 1,
      lr: 0.1,
      progress: false,
      callbacks: [saveRun(run)],
    });
    expect((await configOf(run)).loaders).toEqual({
      train: { reason: 'its loader was made by the script' },
      test: null,
    });
    await deepend('evaluate', run);
    expect(err[0]).toMatch(/arrays: the run was trained without a test set; evaluate it in the/);
  });

  it.each([
    ['a dataset that a script changed', {}, /its dataset was made by the script/],
    [
      'a transform of a script',
      { transforms: [datasets && { name: 'custom', options: {}, random: false, apply: same }] },
      /its transform custom\(same\) is a function of the script/,
    ],
  ])('does not describe %s', async (name, options, reason) => {
    const dataset = await datasets.imageFolder(path.join(photos, 'test'));
    const changed = name.startsWith('a dataset') ? { ...dataset } : dataset;
    const loader = new DataLoader(changed, { batchSize: 4, resize: [6, 6], ...options });
    expect(loader.describe()).toEqual({ reason: expect.stringMatching(reason) });
  });
});

function same<T>(batch: T): T {
  return batch;
}

describe("the commands on a script's run", () => {
  it('evaluate it by its own loss, predict from it, report, export and plot it', async () => {
    const run = await script('used', { loss: crossEntropy({ labelSmoothing: 0.1 }) });
    const { testAcc, testLoss } = await fs.readJson(path.join(run, 'result.json'));
    await deepend('evaluate', run, '--json', '--device', 'cpu-js');
    expect(json()).toMatchObject({ numSamples: 18, accuracy: testAcc });
    expect(json().loss).toBeCloseTo(testLoss, 5);
    expect(
      json()
        .worst.map(({ name }: { name: string }) => name)
        .sort(),
    ).toEqual(CLASSES);
    await deepend('predict', path.join(photos, 'test', 'fox', '0.png'), '--run', run, '--json');
    expect(CLASSES).toContain(json().classes[0].name);
    await deepend('report', run, '--json', '--device', 'cpu-js');
    expect(json().evaluation).toMatchObject({ numSamples: 18, accuracy: testAcc });
    for (const format of ['onnx', 'predictions', 'csv'])
      await deepend('export', run, '--to', format);
    expect((await fs.readdir(path.join(run, 'exports'))).sort()).toEqual([
      'history.csv',
      'model.onnx',
      'predictions.csv',
    ]);
    await deepend('plot', run, '--out', path.join(dir, 'used.svg'));
    expect(err).toEqual([]);
  });

  it('use the newest checkpoint of an interrupted run, and say so', async () => {
    const run = await script('interrupted', { callbacks: [interruptAfter(7)] });
    expect(await fs.pathExists(path.join(run, 'model'))).toBe(false);
    err.length = 0;
    await deepend('evaluate', run, '--device', 'cpu-js');
    const said = 'using the newest checkpoint (step-00000007.ckpt), after 1 epoch and 2 steps';
    expect(out[0]).toBe(said);
    expect(out[1]).toMatch(/^loss .*, 18 images$/);
    out.length = 0;
    await deepend('predict', path.join(photos, 'test', 'fox', '0.png'), '--run', run);
    expect(out[0]).toBe(said);
    await deepend('report', run, '--device', 'cpu-js', '--json');
    expect(json().model).toBe(said.replace('using ', ''));
    await deepend('export', run, '--to', 'safetensors');
    expect(err).toEqual([]);
  });

  it('refuse a loss that is a function of the script', async () => {
    const inner = crossEntropy();
    const run = await script('own-loss', { loss: (...given) => inner(...given) });
    await deepend('evaluate', run);
    expect(err[0]).toMatch(/own-loss: its loss is the function loss of the script; evaluate it in/);
  });

  it('say that the data has changed', async () => {
    const run = await script('changed');
    const file = path.join(run, 'config.json');
    const config = await configOf(run);
    config.loaders.test.numSamples = 17;
    await fs.writeJson(file, config);
    await deepend('evaluate', run);
    expect(err[0]).toMatch(/expected 17 samples as described, found 18: the data has changed/);
  });
});

describe("deepend resume of a script's run", () => {
  const schedule = () => schedules.warmUp(schedules.cosine({ lr: 0.01 }), { steps: 3 });
  const given = (): Partial<TrainOptions> => ({
    numEpochs: 3,
    lr: schedule(),
    optimizer: { name: 'adam', weightDecay: 1e-3 },
    loss: crossEntropy({ labelSmoothing: 0.1 }),
    metrics: [metrics.topK(2)],
    emaDecay: 0.9,
    seed: 5,
  });
  const weights = (run: string) => fs.readFile(path.join(run, 'model', 'weights.bin'));
  const figures = async (run: string) => {
    const {
      seconds: _,
      samplesPerSecond: __,
      ...rest
    } = await fs.readJson(path.join(run, 'result.json'));
    return rest;
  };

  it('ends as the run that was not interrupted, bit for bit', async () => {
    const stopping = () => earlyStopping({ patience: 3 });
    const whole = await script('whole', { ...given(), callbacks: [stopping()] });
    const callbacks = [stopping(), interruptAfter(7)];
    const run = await script('parts', { ...given(), callbacks });
    err.length = 0;
    await deepend('resume', run);
    expect(err).toEqual([]);
    expect(await weights(run)).toEqual(await weights(whole));
    expect(await figures(run)).toEqual(await figures(whole));
    expect((await configOf(run)).loaders).toEqual((await configOf(whole)).loaders);
    await deepend('resume', run);
    expect(out.at(-1)).toMatch(/parts has finished all 3 epochs; use --epochs for more/);
    await deepend('resume', run, '--epochs', '4', '--json');
    expect(json().epoch).toBe(4);
  });

  it.each<[string, () => Partial<TrainOptions>, RegExp]>([
    ['a learning rate', () => ({ lr: (n) => 0.1 / n }), /its learning rate is the function lr of/],
    ['a callback', () => ({ callbacks: [{ name: 'mine' }] }), /its callback mine is one of the/],
    [
      'a metric',
      () => ({ metrics: [{ ...metrics.accuracy(), name: 'mine' }] }),
      /its metric 'mine' is one of the script/,
    ],
  ])('is refused for %s of the script, which it names', async (_, options, reason) => {
    const run = await script('refused', { numEpochs: 1, ...options() });
    await deepend('resume', run, '--epochs', '2');
    expect(err[0]).toMatch(reason);
    expect(err[0]).toMatch(/resume it in the script: train\(.*resume: '.*refused'/);
    expect(process.exitCode).toBe(1);
  });
});

describe('classes of other data', () => {
  it.each([
    ['indices', [0, 1, 1], [2, 0, 0]],
    ['probabilities', [[0.9, 0.1]], [[0.1, 0, 0.9]]],
  ])('get the numbers of the run: %s', async (_, given, expected) => {
    const batch = { features: tf.zeros([given.length, 1]), labels: tf.tensor(given) };
    const loader = { ...fakeLoader(3, 3), classNames: ['fox', 'cat'] };
    loader[Symbol.asyncIterator] = async function* () {
      yield batch;
    };
    for await (const { labels } of matchClasses('here', loader, CLASSES))
      expect(labels.arraySync()).toEqual(
        expected.map((row) => (Array.isArray(row) ? row.map(Math.fround) : row)),
      );
  });

  const evaluateOn = async (classes: readonly string[], change = (config: object) => config) => {
    const run = await script('classes');
    const folder = path.join(dir, `other-${classes.join('-')}`);
    await makePhotos(folder, classes);
    const config = await configOf(run);
    config.loaders.test.data = { kind: 'imageFolder', folder, options: {} };
    config.loaders.test.numSamples = 6 * classes.length;
    await fs.writeJson(path.join(run, 'config.json'), change(config));
    await deepend('evaluate', run, '--json', '--device', 'cpu-js');
    return run;
  };

  it('are mapped by name where some are missing', async () => {
    await evaluateOn(['cat', 'dog', 'fox']);
    const all = json();
    const recalls = new Map(
      all.worst.map(({ name, recall }: { name: string; recall: number }) => [name, recall]),
    );
    await evaluateOn(['cat', 'fox']); // as labels, 0 and 1
    const expected = ((recalls.get('cat') as number) + (recalls.get('fox') as number)) / 2;
    expect(json().accuracy).toBeCloseTo(expected, 6);
    expect(err).toEqual([]);
  });

  it('are refused where the run does not know one', async () => {
    await makePhotos(path.join(dir, 'other-cat-owl'), ['cat', 'owl']);
    await evaluateOn(['cat', 'owl']);
    expect(err[0]).toMatch(
      /classes: expected data with the classes of the run \(cat, dog, fox\), got the class 'owl' \(cat, owl\)/,
    );
  });
});
