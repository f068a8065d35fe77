/** The bananas' format: a small set of it, and what is refused. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type DetectionData,
  detectionLoader,
  loadDataBananas,
  readBoxFolder,
  readDataBananas,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { d2l } from 'deepend';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const root = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
const files = { root, download: false, progress: false };
const HEADER = 'img_name,label,xmin,ymin,xmax,ymax\n';
const SIDE = 16;

async function write(folder: string, count: number, rows?: string): Promise<string> {
  const own = path.join(root, 'banana-detection', folder);
  for (let i = 0; i < count; i++) {
    const background = { r: 10 * i, g: 0, b: 255 };
    const image = sharp({ create: { width: SIDE, height: SIDE, channels: 3, background } });
    await fs.outputFile(path.join(own, 'images', `${i}.png`), await image.png().toBuffer());
  }
  const lines = Array.from({ length: count }, (_, i) => `${i}.png,0,${i},2,${i + 8},10`);
  await fs.outputFile(path.join(own, 'label.csv'), HEADER + (rows ?? `${lines.join('\n')}\n`));
  return own;
}

beforeAll(async () => {
  await use('cpu-js');
  await write('bananas_train', 5);
  await write('bananas_val', 3);
});
afterAll(() => fs.remove(root));

describe('bananas', () => {
  it('are read with boxes as fractions of the image', async () => {
    const data = await readDataBananas({ ...files, isTrain: false });
    expect(data).toMatchObject({ imageShape: [SIDE, SIDE, 3], classNames: ['banana'] });
    expect([...data.images.subarray(SIDE * SIDE * 3, SIDE * SIDE * 3 + 3)]).toEqual([10, 0, 255]);
    expect(data.objects[1]).toEqual({ boxes: [[1 / 16, 2 / 16, 9 / 16, 10 / 16]], labels: [0] });
  });

  it('are loaded in batches, by the book too, and leave no tensor', async () => {
    expect(d2l.loadDataBananas).toBe(loadDataBananas);
    await expectNoLeak(async () => {
      const [trainIter, valIter] = await loadDataBananas(2, { ...files, seed: 3 });
      expect([trainIter.numSamples, trainIter.numBatches, valIter.numSamples]).toEqual([5, 3, 3]);
      for await (const { features, labels } of valIter) {
        expect(features.shape.slice(1)).toEqual([SIDE, SIDE, 3]);
        expect(labels.shape.slice(1)).toEqual([1, 5]);
        tf.dispose([features, labels]);
      }
    });
  });

  it('are a dataset as in the book', async () => {
    const set = await d2l.BananasDataset.read(true, files);
    expect(set.length).toBe(5);
    const [features, label] = set.get(2);
    expect(features.shape).toEqual([SIDE, SIDE, 3]);
    expect(features.dataSync()[0]).toBeCloseTo(20 / 255, 6);
    expect(label.arraySync()).toEqual([[0, 2 / 16, 2 / 16, 10 / 16, 10 / 16]]);
    tf.dispose([features, label]);
    expect(() => set.get(5)).toThrow('expected 0 to 4, got 5');
  });

  it('may have several objects in an image: rows of −1 are padding', async () => {
    const rows = '0.png,0,0,0,4,4\n1.png,1,0,0,16,16\n0.png,1,1,1,2,2\n';
    const data = await readBoxFolder(await write('two', 2, rows), ['a', 'b']);
    expect(data.objects.map(({ labels }) => labels)).toEqual([[0, 1], [1]]);
    for await (const { features, labels } of detectionLoader(data, {
      batchSize: 2,
      shuffle: false,
    })) {
      expect(labels.arraySync()[1]).toEqual([
        [1, 0, 0, 1, 1],
        [-1, -1, -1, -1, -1],
      ]);
      tf.dispose([features, labels]);
    }
  });

  it.each([
    ['a box outside the image', '0.png,0,0,0,17,4\n', 'a box within the image'],
    ['x1 > x2', '0.png,0,8,0,4,4\n', 'x1 ≤ x2 and y1 ≤ y2'],
    ['a class without a name', '0.png,1,0,0,4,4\n', 'a class from 0 to 0, which have names, got 1'],
    ['a missing cell', '0.png,0,0,0,4\n', 'a name and five numbers in line 2'],
    ['a word in the place of a number', '0.png,0,0,x,4,4\n', 'in line 2'],
    ['no objects', '', 'at least one object'],
    ['a missing image', '9.png,0,0,0,4,4\n', '9.png'],
  ])('refuses %s', async (name, rows, message) => {
    const folder = await write(`bad ${name.replace(/\W/g, '')}`, 1, rows);
    await expect(readBoxFolder(folder, ['banana'])).rejects.toThrow(message);
    await expect(readBoxFolder(folder, ['banana'])).rejects.toThrow('[data]');
  });

  it('refuses images of other sizes, a folder without labels, and other files', async () => {
    const folder = await write('sizes', 2);
    const large = sharp({ create: { width: 20, height: 16, channels: 3, background: '#fff' } });
    await large.png().toFile(path.join(folder, 'images', '1.png'));
    await expect(readBoxFolder(folder, ['banana'])).rejects.toThrow('16 × 16 pixels, as the first');
    await expect(readBoxFolder(root, ['banana'])).rejects.toThrow('label.csv');
    const order = await write('order', 1);
    const file = path.join(order, 'label.csv');
    await fs.outputFile(file, 'img_name,xmin,ymin,xmax,ymax,label\n0.png,0,0,1,1,0\n');
    await expect(readBoxFolder(order, ['banana'])).rejects.toThrow('bring the columns into this');
    await expect(readDataBananas({ ...files, root: path.join(root, 'none') })).rejects.toThrow();
  });
});

describe('detectionLoader', () => {
  const data: DetectionData = {
    images: new Uint8Array(2 * 4 * 4),
    imageShape: [4, 4, 1],
    objects: [
      { boxes: [[0, 0, 1, 1]], labels: [0] },
      { boxes: [], labels: [] },
    ],
    classNames: ['a'],
  };

  it.each([
    [{ objects: [] }, 'each of the 2 images, got 0'],
    [{ images: [1] }, 'images in a Uint8Array'],
    [{ objects: [{ boxes: [[0, 0, 1, 1]], labels: [] }, data.objects[1]] }, 'a class for each'],
    [{ objects: [{ boxes: [[0, 0, 4, 4]], labels: [0] }, data.objects[1]] }, 'within the image'],
    [{ classNames: [] }, 'image 0: expected a class from 0'],
    [{ imageShape: undefined }, 'imageShape [height, width, channels], got undefined'],
    [{ objects: [null, data.objects[1]] }, 'a list of boxes, got null'],
    [{ objects: [{}, data.objects[1]] }, 'a list of boxes'],
  ])('refuses %o', (given, message) => {
    const bad = { ...data, ...given } as unknown as DetectionData;
    expect(() => detectionLoader(bad, { batchSize: 1 })).toThrow(message);
  });
});
