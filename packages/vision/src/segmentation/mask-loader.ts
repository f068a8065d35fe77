/** Batches of images and masks, for semantic segmentation. */
import { checkOptions, formatValue, type ImageShape, rule } from '@deepend/core';
import { permutation, uniform } from '@deepend/data';
import { type Tensor3D, tensor3d, tensor4d } from '@tensorflow/tfjs-core';
import { makeLoader, type VisionLoader } from '../loader';
import { applyJoint, type JointTransform } from '../transforms/random';
import { checkSample, type VisionSample } from '../transforms/sample';

/** A sample with a mask. */
export type MaskSample = VisionSample & { readonly mask: Uint8Array | Int32Array };

/** Samples that are read when their batch is made. */
export interface MaskSource {
  readonly length: number;
  /** The sample of a number, from 0. */
  readonly sampleAt: (index: number) => Promise<MaskSample>;
}

export interface MaskLoaderOptions {
  /**
   * Images in a batch.
   * @example 32
   */
  batchSize: number;
  /**
   * Names of the classes in the order of the mask's numbers, the background first.
   * @example ['background', 'cat', 'dog']
   */
  classNames: readonly string[];
  /**
   * Joint transforms, applied to image and mask together. All images of a batch must have one size
   * after them. @default none
   * @example [joint.randomCrop([320, 480]), joint.randomHorizontalFlip()]
   */
  transforms?: readonly JointTransform[];
  /** Mean and deviation of each channel, for pixels in [0, 1]. @default pixels in [0, 1] */
  normalize?: { readonly mean: readonly number[]; readonly std: readonly number[] };
  /**
   * `[height, width, channels]` of an image after the transforms; needed with a source.
   * @default that of the first sample
   */
  inputShape?: ImageShape;
  /** Numbers of a mask that are no class but do not count in a loss. @default none */
  ignoreIndex?: number;
  /** Whether the order is random in each epoch. @default true */
  shuffle?: boolean;
  /** Whether to leave out a last batch that is not full. @default false */
  dropLast?: boolean;
  /** Seeds order and transforms: any safe integer. @default 0 */
  seed?: number;
}

const channelValues = rule.list(rule.finiteNumber(), 'a list of numbers, one for each channel');
const isTransform = (value: unknown) => typeof (value as JointTransform)?.apply === 'function';
const loaderRules = rule.object({
  batchSize: rule.positiveInteger(),
  classNames: rule.list(rule.string(), 'a list of two or more class names', { min: 2 }),
  transforms: rule
    .list(
      rule.custom<JointTransform>(isTransform, 'a joint transform'),
      'a list of joint transforms, such as vision.joint.randomCrop gives',
    )
    .default([]),
  normalize: rule.object({ mean: channelValues, std: channelValues }).optional(),
  inputShape: rule.imageShape().optional(),
  ignoreIndex: rule.integer().optional(),
  shuffle: rule.boolean().default(true),
  dropLast: rule.boolean().default(false),
  seed: rule.seed().default(0),
});

const WHERE = '[vision] maskLoader';

/**
 * Makes a loader of images and masks, for `train` with a loss such as `crossEntropy()`: features
 * float32 `[batch, height, width, channels]`, labels int32 `[batch, height, width]`.
 * @param samples in memory, or a source that reads each when its batch is made
 * @throws TypeError or RangeError for an unknown option, statistics of another number of channels,
 *   and for samples without a mask or with one of another size; each batch is refused when a mask
 *   has a class without a name
 */
export function maskLoader(
  samples: readonly MaskSample[] | MaskSource,
  options: MaskLoaderOptions,
): VisionLoader<Tensor3D> {
  const checked = checkOptions(WHERE, loaderRules, options);
  const { batchSize, classNames, transforms, seed, shuffle, dropLast, normalize } = checked;
  const source = sourceOf(samples);
  const numSamples = dropLast ? source.length - (source.length % batchSize) : source.length;
  if (numSamples < 1) {
    throw new RangeError(
      `${WHERE}: expected at least ${dropLast ? batchSize : 1} samples, got ${source.length}`,
    );
  }
  const shape = checked.inputShape ?? shapeOfFirst(samples, transforms, seed);
  checkStatistics(normalize, shape[2]);
  const config = {
    transforms: transforms.map(({ name, options: given }) => ({ name, ...given })),
    ...{ normalize: normalize ?? null, shuffle, dropLast, seed },
  };
  return makeLoader(WHERE, {
    ...{ numSamples, batchSize, classNames, inputShape: shape, config },
    prepare: (epoch) => ({
      order: shuffle
        ? permutation(source.length, seed, epoch)
        : Uint32Array.from({ length: numSamples }, (_, i) => i),
      batchOf: async (numbers) => {
        const taken = await Promise.all(
          Array.from(numbers, async (number) => {
            const sample = await source.sampleAt(number);
            if (!Array.isArray(samples)) checkMaskSample(sample, number); // others are checked
            const random = uniform(seed, epoch, 1 + number); // lane 0 shuffles
            return applyJoint(sample, transforms, random) as MaskSample;
          }),
        );
        taken.forEach((sample, i) => {
          checkTaken(sample, { ...checked, shape, number: numbers[i] as number });
        });
        return { features: imagesOf(taken, normalize), labels: masksOf(taken) };
      },
    }),
  });
}

/** @throws RangeError for another number of means or deviations than channels, and for one of 0 */
function checkStatistics(normalize: MaskLoaderOptions['normalize'], channels: number): void {
  for (const [name, list] of Object.entries(normalize ?? {})) {
    const isValid = name === 'mean' || list.every((value) => value > 0);
    if (list.length === channels && isValid) continue;
    const numbers = name === 'mean' ? 'numbers' : 'positive numbers';
    throw new RangeError(
      `${WHERE}: option "normalize.${name}" must be ${channels} ${numbers}, one for each channel ` +
        `of the images, got ${formatValue(list)}`,
    );
  }
}

function sourceOf(samples: readonly MaskSample[] | MaskSource): MaskSource {
  if (!Array.isArray(samples)) return samples as MaskSource;
  samples.forEach(checkMaskSample);
  return { length: samples.length, sampleAt: async (index) => samples[index] as MaskSample };
}

/** @throws TypeError without a mask; RangeError for one of another size than its image */
function checkMaskSample(sample: MaskSample, number: number): void {
  const where = `${WHERE}: sample ${number}`;
  checkSample(where, sample);
  if (sample.mask) return;
  throw new TypeError(`${where}: expected a mask, got ${formatValue(sample.mask)}`);
}

function shapeOfFirst(
  samples: readonly MaskSample[] | MaskSource,
  transforms: readonly JointTransform[],
  seed: number,
): ImageShape {
  if (!Array.isArray(samples))
    throw new TypeError(`${WHERE}: expected option "inputShape" with a source of samples`);
  return applyJoint(samples[0] as MaskSample, transforms, uniform(seed)).image.shape;
}

/** @throws RangeError for an image of another size, and a mask with a class without a name */
function checkTaken(
  { image, mask }: MaskSample,
  {
    shape,
    number,
    classNames,
    ignoreIndex,
  }: { shape: ImageShape; number: number } & Pick<MaskLoaderOptions, 'classNames' | 'ignoreIndex'>,
): void {
  if (image.shape.join() !== shape.join()) {
    throw new RangeError(
      `${WHERE}: sample ${number}: expected an image of shape ${formatValue(shape)} as the first ` +
        `has, got ${formatValue(image.shape)}; add joint.resizeTo or joint.randomCrop`,
    );
  }
  const isClass = (value: number) => value >= 0 && value < classNames.length;
  const bad = mask.findIndex((value) => !isClass(value) && value !== ignoreIndex);
  if (bad < 0) return;
  throw new RangeError(
    `${WHERE}: sample ${number}: expected classes from 0 to ${classNames.length - 1} in the ` +
      `mask, got ${mask[bad]} in row ${Math.floor(bad / shape[1])}, column ${bad % shape[1]}; ` +
      'name it in "classNames", or give it as "ignoreIndex"',
  );
}

/** float32 `[batch, height, width, channels]` */
function imagesOf(samples: readonly MaskSample[], normalize: MaskLoaderOptions['normalize']) {
  const [{ image }] = samples as [MaskSample];
  const channels = image.shape[2];
  const { mean = [0], std = [1] } = normalize ?? {};
  const at = (list: readonly number[], channel: number) => list[channel % list.length] as number;
  const values = new Float32Array(samples.length * image.data.length);
  samples.forEach(({ image: { data } }, i) => {
    const start = i * data.length;
    for (let j = 0; j < data.length; j++) {
      const channel = j % channels;
      values[start + j] = ((data[j] as number) / 255 - at(mean, channel)) / at(std, channel);
    }
  });
  return tensor4d(values, [samples.length, ...image.shape]);
}

/** int32 `[batch, height, width]` */
function masksOf(samples: readonly MaskSample[]): Tensor3D {
  const [{ image, mask }] = samples as [MaskSample];
  const values = new Int32Array(samples.length * mask.length);
  samples.forEach((sample, i) => {
    values.set(sample.mask, i * mask.length);
  });
  return tensor3d(values, [samples.length, image.shape[0], image.shape[1]], 'int32');
}
