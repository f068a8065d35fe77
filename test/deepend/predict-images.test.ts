/** Photos are predicted with a run's own preprocessing: in a script, and by `deepend predict`. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import { arrayDataset, DataLoader, transforms } from '@deepend/data';
import { book } from '@deepend/models';
import { dense, flatten, sequential } from '@deepend/nn';
import { predict, train } from '@deepend/trainer';
import * as tfl from '@tensorflow/tfjs-layers';
import { predictImages, saveRun } from 'deepend';
import { main } from 'deepend/cli';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { collectOutput } from '../helpers/command-output';
import { expectNoLeak } from '../helpers/leaks';

const SIDE = 28;
const SIZE = SIDE * SIDE;

/** White squares on black: `left` or `right`. */
const images = Uint8Array.from({ length: 64 * SIZE }, (_, i) => {
  const [y, x] = [Math.floor((i % SIZE) / SIDE), i % SIDE];
  const from = Math.floor(i / SIZE) % 2 === 0 ? 4 : 16;
  return y > 8 && y < 20 && x >= from && x < from + 8 ? 230 + (i % 20) : 0;
});
const set = arrayDataset({
  images,
  labels: Uint8Array.from({ length: 64 }, (_, i) => i % 2),
  imageShape: [SIDE, SIDE, 1],
  classNames: ['left', 'right'],
});
const loader = () =>
  new DataLoader(set, {
    batchSize: 32,
    workers: 0,
    resize: 20,
    transforms: [transforms.normalize({ mean: [0.1], std: [0.3] })],
  });

let dir: string;
let run: string;
let net: tfl.LayersModel;
let left: string;
let right: string;
let inverse: string;
const writeImage = async (name: string, pixels: Uint8Array) => {
  const file = path.join(dir, 'photos', name);
  await fs.ensureDir(path.dirname(file));
  const raw = { width: SIDE, height: SIDE, channels: 1 } as const;
  await sharp(pixels, { raw }).png().toFile(file);
  return file;
};
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
  run = path.join(dir, 'run');
  net = sequential([flatten(), dense(2)], { inputShape: [20, 20, 1] });
  const options = { numEpochs: 3, lr: 0.02, progress: false, callbacks: [saveRun(run)] };
  await train(net, loader(), loader(), options);
  left = await writeImage('a-left.png', images.slice(0, SIZE));
  right = await writeImage('b-right.png', images.slice(SIZE, 2 * SIZE));
  inverse = await writeImage(
    'inverse/left.png',
    images.slice(0, SIZE).map((value) => 255 - value),
  );
});
afterAll(() => fs.remove(dir));

const { out, err } = collectOutput();
const deepend = (...words: string[]) =>
  main(['node', 'deepend', 'predict', ...words, '--device', 'cpu-js']);

describe('predictImages', () => {
  it("gives what the model gives for the loader's image", async () => {
    for await (const { features, labels } of loader()) {
      const outputs = await predict(net, features);
      const logits = (await outputs.array())[0] as [number, number];
      for (const tensor of [features, labels, outputs]) tensor.dispose();
      const [prediction] = await predictImages(run, [left]);
      const expected = 1 / (1 + Math.exp(logits[1] - logits[0]));
      expect(prediction?.classes[0]?.name).toBe('left');
      expect(prediction?.classes[0]?.probability).toBeCloseTo(expected, 5);
      expect(prediction?.notes).toEqual([]);
      break;
    }
  });

  it('takes a model with the preprocessing of a loader', async () => {
    const preprocessing = await loader().preprocessing();
    const predictions = await predictImages(net, [right, left], { preprocessing, top: 1 });
    expect(predictions.map(({ classes }) => classes.map(({ name }) => name))).toEqual([
      ['right'],
      ['left'],
    ]);
    expect(predictions).toEqual(await predictImages(run, [right, left], { top: 1 }));
  });

  it('recognizes a light background, and inverts', async () => {
    const [plain] = await predictImages(run, [inverse]);
    expect(plain?.notes.join()).toContain('has a light background');
    const [inverted] = await predictImages(run, [inverse], { invert: true });
    expect(inverted?.notes).toEqual([]);
    expect(inverted?.classes).toEqual((await predictImages(run, [left]))[0]?.classes);
  });

  it('has its record in one place of config.json, and reads the earlier place', async () => {
    const old = path.join(dir, 'earlier');
    await fs.copy(run, old);
    const config = await fs.readJson(path.join(old, 'config.json'));
    const { preprocessing, ...test } = config.loaders.test;
    expect(preprocessing).toMatchObject({ inputShape: [20, 20, 1], background: 'dark' });
    expect(config.loaders.train).not.toHaveProperty('preprocessing');
    expect(JSON.stringify(config).match(/"preprocessing"/g)).toHaveLength(1);
    expect(JSON.stringify(config).match(/"classNames"/g)).toHaveLength(1);
    const loaders = { ...config.loaders, test };
    await fs.writeJson(path.join(old, 'config.json'), { ...config, loaders, preprocessing });
    expect(await predictImages(old, [left])).toEqual(await predictImages(run, [left]));
  });

  it('says what it assumes without a record', async () => {
    const old = path.join(dir, 'old');
    await fs.copy(run, old);
    const config = await fs.readJson(path.join(old, 'config.json'));
    delete config.loaders.test.preprocessing;
    await fs.writeJson(path.join(old, 'config.json'), config);
    const [prediction] = await predictImages(old, [left]);
    expect(prediction?.notes.join()).toMatch(
      /config\.json does not record how images are prepared; assumed: resized to the model's input/,
    );
    const [bare] = await predictImages(net, [left]);
    expect(bare?.notes.join()).toContain("assumed: resized to the model's input");
    expect(bare?.classes[0]?.name).toMatch(/^class [01]$/);
  });

  it('gives the probabilities of a model that ends with a softmax as they are', async () => {
    const preprocessing = await loader().preprocessing();
    const softmax = tfl.sequential({
      layers: [
        tfl.layers.flatten({ inputShape: [20, 20, 1] }),
        tfl.layers.dense({ units: 2, activation: 'softmax' }),
      ],
    });
    softmax.setWeights(net.getWeights());
    const [expected] = await predictImages(net, [left], { preprocessing });
    const [got] = await predictImages(softmax, [left], { preprocessing });
    expect(got?.classes[0]?.probability).toBeCloseTo(expected?.classes[0]?.probability ?? 0, 6);
  });

  it('refuses what it cannot prepare or classify', async () => {
    const preprocessing = await loader().preprocessing();
    const regression = sequential([flatten(), dense(1)], { inputShape: [20, 20, 1] });
    await expect(predictImages(regression, [left])).rejects.toThrow(/expected a classifier/);
    await expect(predictImages(book.lenet(), [left], { preprocessing })).rejects.toThrow(
      /expected images prepared to the model's \[28, 28, 1\], got preprocessing to \[20, 20, 1\]/,
    );
    await expect(predictImages(run, [left], { top: 0 })).rejects.toThrow(/"top"/);
    await expect(predictImages(run, [path.join(run, 'config.json')])).rejects.toThrow(
      /config\.json: expected a complete image/,
    );
    await fs.ensureDir(path.join(dir, 'empty'));
    await expect(predictImages(run, [path.join(dir, 'empty')])).rejects.toThrow(
      /empty: expected a folder with images, got one without any/,
    );
  });

  it('leaves no tensor behind', async () => {
    await expectNoLeak(() => predictImages(run, [left, right]));
  });
});

describe('deepend predict', () => {
  it('shows the most likely classes with bars', async () => {
    await deepend(left, '--run', run);
    expect(err).toEqual([]);
    const [name, first, second] = out.join('\n').split('\n');
    expect(name).toBe(left);
    expect(first).toMatch(/^ {2}left {3}█+[▏▎▍▌▋▊▉]? +0\.\d{3}$/);
    expect(second).toMatch(/^ {2}right {2}█*[▏▎▍▌▋▊▉]? +0\.\d{3}$/);
    expect(first?.length).toBe(second?.length);
  });

  it('predicts a folder as lines of JSON', async () => {
    await deepend(path.join(dir, 'photos'), '--run', run, '--top', '1', '--json');
    const found = out.map((line) => JSON.parse(line));
    expect(found.map(({ file }) => file)).toEqual([left, right]);
    expect(found.map(({ classes }) => classes[0].name)).toEqual(['left', 'right']);
    expect(found[0].classes).toHaveLength(1);
  });

  it('says that a background is light, and --invert inverts it', async () => {
    await deepend(inverse, '--run', run);
    expect(out.join('\n')).toContain('"invert" (--invert) inverts it');
    out.length = 0;
    await deepend(inverse, '--run', run, '--invert', '--top', '1');
    expect(out.join('\n')).toMatch(/^.*left\.png\n {2}left {2}█/);
  });

  it('continues after a file that is not an image, and exits with 1', async () => {
    await deepend(path.join(run, 'config.json'), left, '--run', run, '--json');
    expect(err.join()).toMatch(/config\.json: expected a complete image/);
    expect(out).toHaveLength(1);
    expect(process.exitCode).toBe(1);
  });

  it('prints once what it assumes', async () => {
    await deepend(left, right, '--run', path.join(dir, 'old'));
    expect(err).toHaveLength(1);
    expect(err[0]).toContain('does not record how images are prepared');
    expect(out.join('\n')).not.toContain('assumed');
  });
});
