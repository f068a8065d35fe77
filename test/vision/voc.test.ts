/** Pascal VOC's format: a small tree of its form, written here. */

import { createHash } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { DATA_HUB } from '@deepend/data';
import {
  joint,
  label2image,
  loadVoc,
  maskFromColors,
  maskLoader,
  readVocImages,
  VOC_CLASSES,
  VOC_COLORMAP,
  vocColor,
} from '@deepend/vision';
import * as tf from '@tensorflow/tfjs-core';
import { d2l, nn } from 'deepend';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tar } from '../helpers/archives';
import { use } from '../helpers/backends';
import { expectNoLeak } from '../helpers/leaks';

const root = await fs.mkdtemp(path.join(tmpdir(), 'deepend-voc-'));
const vocDir = path.join(root, 'VOCdevkit/VOC2012');
const voc2012 = DATA_HUB.voc2012 as { sha1: string };
const { sha1 } = voc2012;

const SIZES = { train: ['a', 'b', 'c'], val: ['d', 'e'] } as const;
const sizeOf = (name: string) => (name === 'c' ? [10, 30] : [24, 32]) as [number, number];

/** Class 15 in the left half, the boundary's colour in a column, the background elsewhere. */
function colorsOf([height, width]: readonly [number, number]): Uint8Array {
  const half = width / 2;
  return Uint8Array.from({ length: height * width * 3 }, (_, i) => {
    const column = Math.floor(i / 3) % width;
    const color = column < half ? vocColor(15) : column === half ? [224, 224, 192] : [0, 0, 0];
    return color[i % 3] as number;
  });
}

async function writeImage(folder: string, name: string, size: [number, number]) {
  const [height, width] = size;
  const raw = { raw: { width, height, channels: 3 } } as const;
  const isMask = folder === 'SegmentationClass';
  const pixels = isMask ? colorsOf(size) : new Uint8Array(height * width * 3).fill(128);
  const file = path.join(vocDir, folder, `${name}.${isMask ? 'png' : 'jpg'}`);
  const image = sharp(pixels, raw);
  await fs.outputFile(file, await (isMask ? image.png() : image.jpeg()).toBuffer());
}

beforeAll(async () => {
  await use('cpu-js');
  for (const [split, names] of Object.entries(SIZES)) {
    await fs.outputFile(
      path.join(vocDir, 'ImageSets/Segmentation', `${split}.txt`),
      `${names.join('\n')}\n`,
    );
    for (const name of names) {
      await writeImage('JPEGImages', name, sizeOf(name));
      await writeImage('SegmentationClass', name, sizeOf(name));
    }
  }
});
afterAll(async () => {
  voc2012.sha1 = sha1;
  await fs.remove(root);
});

describe("VOC's colours", () => {
  it('are those of the book', () => {
    expect(VOC_CLASSES).toHaveLength(21);
    // The book's table, section 14.9.
    expect(VOC_COLORMAP.slice(0, 5)).toEqual([
      [0, 0, 0],
      [128, 0, 0],
      [0, 128, 0],
      [128, 128, 0],
      [0, 0, 128],
    ]);
    expect([VOC_COLORMAP[8], VOC_COLORMAP[15], VOC_COLORMAP[20]]).toEqual([
      [64, 0, 0],
      [192, 128, 128],
      [0, 64, 128],
    ]);
  });

  it('become classes and colours again', () => {
    const classes = Uint8Array.from(VOC_CLASSES, (_, i) => i);
    const picture = label2image(classes, [3, 7]);
    expect(picture.shape).toEqual([3, 7, 3]);
    const image = { data: picture.data, shape: [3, 7, 3] as const };
    expect(maskFromColors(image)).toEqual(classes);
  });

  it('of the boundary are background, or the number that is asked for', () => {
    const image = { data: colorsOf([2, 4]), shape: [2, 4, 3] as const };
    expect([...maskFromColors(image)]).toEqual([15, 15, 0, 0, 15, 15, 0, 0]);
    expect([...maskFromColors(image, { boundary: 255 })]).toEqual([15, 15, 255, 0, 15, 15, 255, 0]);
    expect([...label2image([255, 0], [1, 2]).data]).toEqual([224, 224, 192, 0, 0, 0]);
  });

  it('that are none are refused, with their place', () => {
    const image = { data: colorsOf([2, 4]), shape: [2, 4, 3] as const };
    image.data.set([1, 2, 3], 3 * 5);
    const message = /x\.png: expected colours of 21 classes, got \[1, 2, 3\] in row 1, column 1/;
    expect(() => maskFromColors(image, { name: 'x.png' })).toThrow(message);
    const colormap2label = d2l.vocColormap2label();
    expect(() => d2l.vocLabelIndices(image, colormap2label)).toThrow(
      /\[1, 2, 3\] in row 1, column 1/,
    );
    expect(() => label2image([1, 2, 3], [2, 2])).toThrow('each pixel of the shape [2, 2], got 3');
    const color = { colourmap: [] } as never;
    expect(() => label2image([0], [1, 1], color)).toThrow('no option "colourmap"');
    expect(() => maskFromColors({ data: new Uint8Array(3), shape: [1, 1, 3] }, color)).toThrow(
      'no option "colourmap"',
    );
    expect(() => label2image([21], [1, 1])).toThrow(/from 0 to 20, got 21 at place 0/);
  });
});

describe('loadVoc', () => {
  it('gives random crops of images with the class of each pixel', async () => {
    const [trainIter, testIter] = await loadVoc(2, [16, 20], { vocDir, seed: 3 });
    expect([trainIter.numSamples, testIter.numSamples]).toEqual([2, 2]); // one image is too small
    expect(trainIter.inputShape).toEqual([16, 20, 3]);
    expect(trainIter.classNames).toEqual(VOC_CLASSES);
    await expectNoLeak(async () => {
      for await (const { features, labels } of trainIter) {
        expect([features.shape, labels.shape]).toEqual([
          [2, 16, 20, 3],
          [2, 16, 20],
        ]);
        expect(labels.dtype).toBe('int32');
        expect(new Set(labels.dataSync())).toEqual(new Set([0, 15]));
        const [red = 0, , blue = 0] = features.dataSync();
        expect(red).toBeCloseTo((128 / 255 - 0.485) / 0.229, 1);
        expect(blue).toBeCloseTo((128 / 255 - 0.406) / 0.225, 1);
        tf.dispose([features, labels]);
      }
    });
  });

  it('crops other places in each epoch, and the same ones for the same seed', async () => {
    const masks = async (seed: number) => {
      const [trainIter] = await loadVoc(2, [16, 20], { vocDir, seed });
      const epochs: string[] = [];
      for (let epoch = 0; epoch < 2; epoch++) {
        for await (const { features, labels } of trainIter) {
          epochs.push(labels.dataSync().join(''));
          tf.dispose([features, labels]);
        }
      }
      return epochs;
    };
    const [first, second] = await masks(1);
    expect(first).not.toBe(second);
    expect(await masks(1)).toEqual([first, second]);
  });

  it("finds a plain tar file by the book's name, and extracts it", async () => {
    const folder = await fs.mkdtemp(path.join(root, 'tar-'));
    const names = (await fs.readdir(vocDir, { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile(),
    );
    const members: Record<string, Uint8Array> = {};
    for (const { parentPath, name } of names) {
      const file = path.join(parentPath, name);
      members[path.relative(root, file)] = await fs.readFile(file);
    }
    const archive = tar(members);
    voc2012.sha1 = createHash('sha1').update(archive).digest('hex');
    await fs.writeFile(path.join(folder, 'VOCtrainval_11-May-2012.tar'), archive);
    const [trainIter] = await d2l.loadDataVoc(1, [16, 20], {
      ...{ root: folder, download: false, progress: false },
    });
    expect(trainIter.numSamples).toBe(2);
  });

  it('refuses masks of another size, and of colours that are no class', async () => {
    const file = path.join(vocDir, 'SegmentationClass/a.png');
    const good = await fs.readFile(file);
    await writeImage('SegmentationClass', 'a', [20, 32]);
    await expect(readVocImages(vocDir)).rejects.toThrow(
      /a\.png: expected a mask of the image's 24 × 32 pixels, got 20 × 32/,
    );
    const [iter] = await loadVoc(2, [16, 20], { vocDir });
    const read = async () => {
      for await (const batch of iter) tf.dispose([batch.features, batch.labels]);
    };
    await expect(read()).rejects.toThrow(/a\.png: expected a mask of the image's 24 × 32 pixels/);
    const blurred = await sharp(good).blur(2).png().toBuffer();
    await fs.writeFile(file, blurred);
    await expect(loadVoc(2, [16, 20], { vocDir })).rejects.toThrow(
      /a\.png: expected colours of 21 classes, got \[.*\] in row 0/,
    );
    await fs.writeFile(file, good);
  });

  it('refuses a crop that is larger than all images, and a folder without lists', async () => {
    await expect(loadVoc(2, [64, 64], { vocDir })).rejects.toThrow(/choose a smaller crop/);
    await expect(loadVoc(2, [8, 8], { vocDir: root })).rejects.toThrow(
      /(train|val)\.txt: expected a list/,
    );
    const wrong = { vocDir, sed: 1 } as object;
    await expect(loadVoc(2, [8, 8], wrong)).rejects.toThrow(/did you mean "seed"\?/);
  });
});

describe("the book's functions", () => {
  it('vocRandCrop cuts the same place out of image and mask', () => {
    const image = { data: colorsOf([24, 32]), shape: [24, 32, 3] as const };
    nn.manualSeed(1);
    const [feature, label] = d2l.vocRandCrop(image, image, 10, 12);
    expect(feature.shape).toEqual([10, 12, 3]);
    expect(feature.data).toEqual(label.data);
    const small = { data: new Uint8Array(27), shape: [3, 3, 3] as const };
    expect(() => d2l.vocRandCrop(image, small, 2, 2)).toThrow(/an image and a mask of one size/);
  });

  it('VOCSegDataset has the images that are large enough', async () => {
    const dataset = await d2l.VOCSegDataset.load(true, [16, 20], vocDir);
    expect(dataset.length).toBe(2);
    const [feature, label] = dataset.get(1);
    expect([feature.shape, label.shape]).toEqual([
      [16, 20, 3],
      [16, 20],
    ]);
    tf.dispose([feature, label]);
    expect(() => dataset.get(2)).toThrow(/an index from 0 to 1, got 2/);
  });
});

describe('maskLoader', () => {
  const image = { data: new Uint8Array(4 * 6 * 3).fill(255), shape: [4, 6, 3] as const };
  const sample = { image, mask: new Uint8Array(24).fill(1) };
  const options = { batchSize: 2, classNames: ['background', 'cat'], shuffle: false };

  it('gives bytes as floats from 0 to 1, and masks', async () => {
    const loader = maskLoader([sample, sample, sample], options);
    expect([loader.numBatches, loader.inputShape]).toEqual([2, [4, 6, 3]]);
    for await (const { features, labels } of loader) {
      expect(features.dataSync()[0]).toBe(1);
      expect(labels.dataSync()[0]).toBe(1);
      tf.dispose([features, labels]);
    }
    expect(maskLoader([sample, sample, sample], { ...options, dropLast: true }).numBatches).toBe(1);
  });

  const first = async (loader: AsyncIterable<unknown>) => {
    for await (const _ of loader) return;
  };
  it('refuses classes without a name, and images of several sizes', async () => {
    const cow = { image, mask: new Uint8Array(24).fill(2, 7) };
    await expect(first(maskLoader([sample, cow], options))).rejects.toThrow(
      /sample 1: expected classes from 0 to 1 in the mask, got 2 in row 1, column 1/,
    );
    await first(maskLoader([sample, cow], { ...options, ignoreIndex: 2 }));
    const small = joint.crop(sample, { top: 0, left: 0, height: 3, width: 6 }) as typeof sample;
    await expect(first(maskLoader([sample, small], options))).rejects.toThrow(
      /sample 1: expected an image of shape \[4, 6, 3\] as the first has, got \[3, 6, 3\]/,
    );
    expect(() => maskLoader([{ image } as never], options)).toThrow(/sample 0: expected a mask/);
    const source = (mask: unknown) => ({
      length: 1,
      sampleAt: async () => ({ image, mask }) as typeof sample,
    });
    const given = { ...options, inputShape: image.shape };
    await expect(first(maskLoader(source(new Uint8Array(20)), given))).rejects.toThrow(
      "sample 0: expected a mask of the image's 4 × 6 pixels, got 20 values",
    );
    await expect(first(maskLoader(source(undefined), given))).rejects.toThrow('expected a mask');
    expect(() => maskLoader([], options)).toThrow(/expected at least 1 samples, got 0/);
    const negative = { image, mask: new Int32Array(24).fill(-1) };
    await expect(first(maskLoader([negative], options))).rejects.toThrow('got -1 in row 0');
    await first(maskLoader([negative], { ...options, ignoreIndex: -1 }));
  });

  it.each([
    ['mean', { mean: [0.5], std: [1, 1, 1] }, 'must be 3 numbers'],
    ['std', { mean: [0, 0, 0], std: [1, 0, 1] }, 'must be 3 positive numbers'],
  ])('refuses statistics of other channels, and a deviation of 0: %s', (name, normalize, text) => {
    const work = () => maskLoader([sample], { ...options, normalize });
    expect(work).toThrow(`option "normalize.${name}" ${text}`);
  });
});
