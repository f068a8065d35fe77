/** An image file is prepared as a loader prepares the images of its dataset. */
import { tmpdir } from 'node:os';
import path from 'node:path';
import {
  type AnyDataset,
  arrayDataset,
  DataLoader,
  type DataLoaderOptions,
  parsePreprocessing,
  prepareImage,
  transforms,
} from '@deepend/data';
import fs from 'fs-extra';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { use } from '../helpers/backends';
import { forgetPhotos, photos } from '../helpers/photos';

let dir: string;
beforeAll(async () => {
  await use('cpu-js');
  dir = await fs.mkdtemp(path.join(tmpdir(), 'deepend-'));
});
afterAll(() => fs.remove(dir));

const noise = (length: number, most = 256) =>
  Uint8Array.from({ length }, (_, i) => (i * i * 31 + 7 * i) % most);

/** Gray or RGB images in memory, with dark edges if `most` is small. */
const inMemory = ([height, width, channels]: [number, number, number], most = 256) =>
  arrayDataset({
    images: noise(3 * height * width * channels, most),
    labels: Uint8Array.of(0, 1, 0),
    imageShape: [height, width, channels],
    classNames: ['cat', 'dog'],
  });

/** Writes raw pixels as a PNG. */
async function writePng(name: string, pixels: Uint8Array, shape: readonly number[]) {
  const [height, width, channels] = shape as [number, number, 1 | 3 | 4];
  const file = path.join(dir, name);
  await sharp(pixels, { raw: { width, height, channels } }).png().toFile(file);
  return file;
}

async function firstImages(loader: DataLoader<AnyDataset>): Promise<Float32Array> {
  for await (const { features, labels } of loader) {
    const values = Float32Array.from(features.dataSync());
    features.dispose();
    labels.dispose();
    return values;
  }
  throw new Error('no batch');
}

/** What a run's config.json would hold, read again. */
async function recorded(dataset: AnyDataset, options: Partial<DataLoaderOptions> = {}) {
  const loader = new DataLoader(dataset, { batchSize: 3, workers: 0, ...options });
  const record = JSON.parse(JSON.stringify(await loader.preprocessing()));
  return { loader, record, preprocessing: parsePreprocessing('test', record) };
}

const mean = [0.5, 0.4, 0.3];
const std = [0.2, 0.3, 0.4];
const CASES: [string, [number, number, number], Partial<DataLoaderOptions>][] = [
  ['gray', [28, 28, 1], {}],
  ['gray, resized', [28, 28, 1], { resize: [40, 36] }],
  [
    'gray as RGB, normalized',
    [20, 24, 1],
    { transforms: [transforms.toRgb(), transforms.normalize({ mean, std })] },
  ],
  [
    'RGB, cropped and normalized',
    [32, 48, 3],
    {
      transforms: [
        transforms.resize(24),
        transforms.centerCrop(20),
        transforms.normalize({ mean, std }),
      ],
    },
  ],
];

describe('prepareImage', () => {
  it.each(CASES)("gives a loader's floats: in memory, %s", async (_, shape, options) => {
    const dataset = inMemory(shape);
    const { loader, preprocessing } = await recorded(dataset, options);
    const size = shape[0] * shape[1] * shape[2];
    const file = await writePng('image.png', dataset.images.subarray(0, size) as Uint8Array, shape);
    const prepared = await prepareImage(file, preprocessing);
    const expected = (await firstImages(loader)).subarray(0, prepared.values.length);
    expect(prepared.shape).toEqual(loader.inputShape);
    expect(prepared.values).toEqual(expected);
  });

  it("gives a loader's floats: files", async () => {
    const set = await photos(3);
    const { loader, preprocessing } = await recorded(set, {
      resize: [16, 12],
      transforms: [transforms.normalize({ mean, std })],
    });
    const { values } = await prepareImage(set.files[0] as string, preprocessing);
    expect(values).toEqual((await firstImages(loader)).subarray(0, values.length));
    forgetPhotos(set);
  });

  it('resizes a photo to the images of a dataset in memory', async () => {
    const { preprocessing } = await recorded(inMemory([28, 28, 1]));
    const file = await writePng('photo.png', noise(60 * 80 * 3), [60, 80, 3]);
    expect((await prepareImage(file, preprocessing)).shape).toEqual([28, 28, 1]);
  });

  it('leaves out random transforms, also one that sets the size', async () => {
    const { preprocessing } = await recorded(inMemory([28, 28, 3]), {
      transforms: [transforms.randomResizedCrop(16), transforms.randomHorizontalFlip()],
    });
    expect(preprocessing.leftOut).toEqual(['randomResizedCrop', 'randomHorizontalFlip']);
    expect(preprocessing.transforms).toEqual([]);
    const file = await writePng('photo.png', noise(60 * 80 * 3), [60, 80, 3]);
    expect((await prepareImage(file, preprocessing)).shape).toEqual([16, 16, 3]);
  });

  it('names a file that is not an image', async () => {
    const { preprocessing } = await recorded(inMemory([28, 28, 1]));
    await expect(prepareImage(path.join(dir, 'none.png'), preprocessing)).rejects.toThrow(
      /none\.png: expected an image file that can be read, got nothing there/,
    );
  });
});

describe('the background', () => {
  const frame = (edge: number) => {
    const pixels = new Uint8Array(30 * 30).fill(edge);
    for (let y = 8; y < 22; y++) pixels.fill(255 - edge, y * 30 + 8, y * 30 + 22);
    return pixels;
  };

  it.each([
    ['light', 'dark', 60, 255],
    ['dark', 'light', -60, 0],
  ] as const)('a %s photo for %s images is said, and inverted', async (photo, data, span, edge) => {
    const dataset = inMemory([28, 28, 1], Math.abs(span));
    if (span < 0)
      for (const [i, value] of dataset.images.entries()) dataset.images[i] = 255 - value;
    const { preprocessing } = await recorded(dataset);
    expect(preprocessing.background).toBe(data);
    const file = await writePng('frame.png', frame(edge), [30, 30, 1]);
    const plain = await prepareImage(file, preprocessing);
    expect(plain.notes.join()).toMatch(
      new RegExp(`has a ${photo} background, and the model learned from images with a ${data} one`),
    );
    expect(plain.notes.join()).toContain('"invert" (--invert) inverts it');
    const inverted = await prepareImage(file, preprocessing, { invert: true });
    expect(inverted.notes).toEqual([]);
    inverted.values.forEach((value, i) => {
      expect(value).toBeCloseTo(1 - (plain.values[i] as number), 2);
    });
    const back = await writePng('back.png', frame(255 - edge), [30, 30, 1]);
    expect((await prepareImage(back, preprocessing)).notes).toEqual([]);
    expect((await prepareImage(back, preprocessing, { invert: true })).notes.join()).toContain(
      'leave out "invert"',
    );
  });

  it('is recorded for files, and not for images of every brightness', async () => {
    const black = await writePng('black.png', new Uint8Array(20 * 20 * 3), [20, 20, 3]);
    const files = { files: [black], labels: Int32Array.of(0), channels: 3 } as const;
    expect((await recorded(files, { resize: [8, 8] })).preprocessing.background).toBe('dark');
    expect((await recorded(inMemory([28, 28, 3]))).preprocessing.background).toBeUndefined();
  });
});

describe('a photo of a camera', () => {
  const shape = [6, 9, 3] as const;
  const turned = async (orientation: number) => {
    const file = path.join(dir, `turned-${orientation}.png`);
    const raw = { height: shape[0], width: shape[1], channels: 3 } as const;
    await sharp(noise(6 * 9 * 3), { raw })
      .withMetadata({ orientation })
      .png()
      .toFile(file);
    return file;
  };

  it.each([1, 2, 3, 4, 5, 6, 7, 8])('is turned upright, orientation %i', async (orientation) => {
    const file = await turned(orientation);
    const upright = await sharp(file).autoOrient().raw().toBuffer({ resolveWithObject: true });
    const { height, width } = upright.info;
    const { preprocessing } = await recorded(inMemory([height, width, 3]));
    const { values, notes } = await prepareImage(file, preprocessing);
    expect([...values].map((value) => Math.round(255 * value))).toEqual([...upright.data]);
    expect(notes.join()).toBe(
      orientation === 1 ? '' : 'turned upright, as its EXIF orientation says',
    );
  });

  it('stays as it is for a model that learned from files, unless asked', async () => {
    const set = await photos(3);
    const { preprocessing } = await recorded(set, { resize: [6, 9] });
    const file = await turned(3);
    const plain = await prepareImage(file, preprocessing);
    expect(plain.values).toEqual((await prepareImage(await turned(1), preprocessing)).values);
    expect(plain.notes.join()).toContain('its EXIF orientation is ignored, as in training');
    const { values } = await prepareImage(file, preprocessing, { upright: true });
    expect(values).not.toEqual(plain.values);
    forgetPhotos(set);
  });

  it('keeps the hidden colors of transparent pixels, and says so', async () => {
    const { preprocessing } = await recorded(inMemory([4, 4, 3]));
    const rgba = Uint8Array.from({ length: 64 }, (_, i) => (i % 4 === 3 ? 0 : 200));
    const { values, notes } = await prepareImage(
      await writePng('clear.png', rgba, [4, 4, 4]),
      preprocessing,
    );
    expect(values[0]).toBeCloseTo(200 / 255, 6);
    expect(notes.join()).toContain('has transparent pixels');
    const opaque = rgba.map((value, i) => (i % 4 === 3 ? 255 : value));
    const other = await writePng('opaque.png', opaque, [4, 4, 4]);
    expect((await prepareImage(other, preprocessing)).notes).toEqual([]);
  });
});

describe('a record', () => {
  it('cannot hold a function, which the loader itself can', async () => {
    const half = transforms.custom((batch) => ({
      ...batch,
      images: batch.images.map((value) => value / 2),
    }));
    const loader = new DataLoader(inMemory([8, 8, 1]), { batchSize: 3, transforms: [half] });
    const live = await loader.preprocessing();
    const file = await writePng('even.png', new Uint8Array(64).fill(100), [8, 8, 1]);
    expect((await prepareImage(file, live)).values[0]).toBeCloseTo(50 / 255, 6);
    expect(() => parsePreprocessing('config.json', JSON.parse(JSON.stringify(live)))).toThrow(
      /config\.json: the images went through custom\(\.\.\.\), a function that a record cannot hold/,
    );
  });

  it.each([
    [null, 'preprocessing'],
    [{}, 'inputShape'],
    [{ inputShape: [28, 28, 1e9], transforms: [] }, 'inputShape'],
    [{ inputShape: [28, 28, 1], transforms: [{ name: 'resize' }] }, 'transforms'],
    [{ inputShape: [28, 28, 1], transforms: [], background: 'red' }, 'background'],
  ])('that is damaged is refused: %j', (record, field) => {
    expect(() => parsePreprocessing('config.json', record)).toThrow(
      `config.json: expected preprocessing as a loader describes it, got another value in "${field}"`,
    );
  });

  it('with an option out of range is refused', () => {
    const transforms = [{ name: 'resize', options: { size: 1e9 } }];
    expect(() => parsePreprocessing('x', { inputShape: [28, 28, 1], transforms })).toThrow(/size/);
  });
});
