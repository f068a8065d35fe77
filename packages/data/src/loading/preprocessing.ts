/**
 * What a loader does to each image before the model gets it, as plain JSON: a run records it, and a
 * photo that is predicted later goes through the same steps.
 */
import { isUint8Array } from '@deepend/core';
import { isFileDataset, numSamplesOf } from '../datasets/dataset';
import { centerCrop, normalize, resize, toRgb } from '../transforms';
import type { AnyDataset, ImageShape, Transform } from '../types';
import { decodeImage } from './decode';

/** The steps of a loader that draw no random numbers. */
export interface Preprocessing {
  /** `[height, width, channels]` that the model gets. */
  readonly inputShape: ImageShape;
  /** Of a dataset in memory: the shape of its images before the transforms. */
  readonly storedShape?: ImageShape;
  /** Of a dataset of files: the channels that each file is decoded to. */
  readonly channels?: 1 | 3;
  /** Of a dataset in memory whose images are float32: their scale is not known. */
  readonly floats?: true;
  readonly transforms: readonly Transform[];
  /** Names of the random transforms, which are left out. */
  readonly leftOut?: readonly string[];
  /** Whether at least 9 of 10 images have a dark, or a light, edge; absent for mixed images. */
  readonly background?: 'dark' | 'light';
  readonly classNames?: readonly string[];
}

interface Described {
  readonly dataset: AnyDataset;
  readonly inputShape: ImageShape;
  readonly transforms: readonly Transform[];
}

/** Describes a loader. It looks at the edges of up to 200 images, or of 16 files. */
export async function describePreprocessing({
  dataset,
  inputShape,
  transforms,
}: Described): Promise<Preprocessing> {
  const random = transforms.filter((transform) => transform.random);
  const background = findBackground(await edgesOf(dataset));
  const { classNames } = dataset;
  return {
    inputShape,
    ...(isFileDataset(dataset)
      ? { channels: dataset.channels }
      : {
          storedShape: dataset.imageShape,
          ...(!isUint8Array(dataset.images) && { floats: true as const }),
        }),
    transforms: transforms.filter((transform) => !transform.random),
    ...(random.length > 0 && { leftOut: random.map(({ name }) => name) }),
    ...(background && { background }),
    ...(classNames && { classNames }),
  };
}

const DARK = 0.25;
const LIGHT = 0.75;
const MOST = 0.9;

function findBackground(edges: readonly number[]): 'dark' | 'light' | undefined {
  if (edges.length === 0) return undefined;
  const share = (test: (edge: number) => boolean) => edges.filter(test).length / edges.length;
  if (share((edge) => edge <= DARK) >= MOST) return 'dark';
  return share((edge) => edge >= LIGHT) >= MOST ? 'light' : undefined;
}

/** The edge brightness of images that are spread over the dataset. */
async function edgesOf(dataset: AnyDataset): Promise<number[]> {
  const total = numSamplesOf(dataset);
  const count = Math.min(total, isFileDataset(dataset) ? 16 : 200);
  const samples = Array.from({ length: count }, (_, i) => Math.floor((i * total) / count));
  if (isFileDataset(dataset)) {
    const decoded = samples.map((sample) =>
      // A file that cannot be decoded is the loader's to report.
      decodeImage(dataset.files[sample] as string, dataset.channels).catch(() => undefined),
    );
    return (await Promise.all(decoded)).flatMap((image) =>
      image ? [edgeBrightness(image.pixels, image.shape)] : [],
    );
  }
  const { images, imageShape } = dataset;
  const size = imageShape[0] * imageShape[1] * imageShape[2];
  return samples.map((sample) =>
    edgeBrightness(images.subarray(sample * size, (sample + 1) * size), imageShape),
  );
}

/**
 * The median brightness of an image's outermost pixels, 0 to 1.
 * @param pixels bytes, or floats in [0, 1], `[height, width, channels]`
 */
export function edgeBrightness(
  pixels: Uint8Array | Float32Array,
  [height, width, channels]: ImageShape,
): number {
  const values: number[] = [];
  const add = (y: number, x: number) => {
    const at = (y * width + x) * channels;
    let sum = 0;
    for (let channel = 0; channel < channels; channel++) sum += pixels[at + channel] as number;
    values.push(sum / channels);
  };
  for (let x = 0; x < width; x++) {
    add(0, x);
    add(height - 1, x);
  }
  for (let y = 1; y < height - 1; y++) {
    add(y, 0);
    add(y, width - 1);
  }
  values.sort((a, b) => a - b);
  const median = values[Math.floor(values.length / 2)] ?? 0;
  return isUint8Array(pixels) ? median / 255 : median;
}

type Rebuild = (options: Readonly<Record<string, unknown>>) => Transform;

/** Makes transforms of a record again. Each factory checks its options. */
const REBUILD: Readonly<Record<string, Rebuild>> = {
  resize: ({ size, ...options }) => resize(size as never, options as never),
  centerCrop: ({ size }) => centerCrop(size as never),
  normalize: (options) => normalize(options as never),
  toRgb: () => toRgb(),
};

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isShape = (value: unknown) =>
  Array.isArray(value) &&
  value.length === 3 &&
  value.every((side) => Number.isInteger(side) && side >= 1 && side <= 2 ** 16);
const isStrings = (value: unknown) =>
  Array.isArray(value) && value.every((one) => typeof one === 'string');

/** The fields of a record, each with its test. */
const FIELDS: Readonly<Record<string, (value: unknown) => boolean>> = {
  inputShape: isShape,
  storedShape: (value) => value === undefined || isShape(value),
  channels: (value) => value === undefined || value === 1 || value === 3,
  floats: (value) => value === undefined || value === true,
  transforms: (value) =>
    Array.isArray(value) &&
    value.every((one) => isObject(one) && typeof one.name === 'string' && isObject(one.options)),
  leftOut: (value) => value === undefined || isStrings(value),
  background: (value) => value === undefined || value === 'dark' || value === 'light',
  classNames: (value) => value === undefined || isStrings(value),
};

/**
 * Reads a record that went through JSON.
 * @param where the beginning of each error
 * @throws TypeError for a record that is damaged
 * @throws RangeError for a transform that a record cannot hold, such as your own function
 */
export function parsePreprocessing(where: string, record: unknown): Preprocessing {
  const wrong = isObject(record)
    ? Object.keys(FIELDS).find((name) => !FIELDS[name]?.(record[name]))
    : 'preprocessing';
  if (wrong !== undefined) {
    throw new TypeError(
      `${where}: expected preprocessing as a loader describes it, got another value in "${wrong}"`,
    );
  }
  const { transforms, ...rest } = record as unknown as Preprocessing;
  return { ...rest, transforms: transforms.map((transform) => rebuild(where, transform)) };
}

function rebuild(where: string, { name, options, apply }: Transform): Transform {
  if (apply) return { name, options, apply, random: false };
  const make = Object.hasOwn(REBUILD, name) ? REBUILD[name] : undefined;
  if (make) return make(options);
  throw new RangeError(
    `${where}: the images went through ${name}(...), a function that a record cannot hold; ` +
      'predict in the script, with { preprocessing: await testIter.preprocessing() }',
  );
}
