/** Runs a list of transforms on a batch of images. */
import type { BatchRng, ImageBatch, ImageShape, Rng, Transform } from '../types';
import { randAugmentImpl, trivialAugmentWideImpl } from './augment';
import { colorJitterImpl, toRgbImpl } from './color';
import { centerCropImpl, randomCropImpl, randomResizedCropImpl, resizeCropImpl } from './crop';
import { checkCustomResult, customImpl } from './custom';
import { cutoutImpl, randomErasingImpl } from './erasing';
import { horizontalFlipImpl, rotationImpl, verticalFlipImpl } from './geometry';
import { imageLength, type TransformImpl, toFloats } from './implementation';
import { cutMixImpl, mixUpImpl } from './mixing';
import { normalizeImpl } from './normalize';
import type { Normalization } from './resample/kernel';
import { resizeImpl } from './resize';

/** By the name in a transform. */
const IMPLEMENTATIONS: Readonly<Record<string, TransformImpl<never>>> = {
  resize: resizeImpl,
  centerCrop: centerCropImpl,
  resizeCrop: resizeCropImpl,
  randomCrop: randomCropImpl,
  randomResizedCrop: randomResizedCropImpl,
  randomHorizontalFlip: horizontalFlipImpl,
  randomVerticalFlip: verticalFlipImpl,
  randomRotation: rotationImpl,
  normalize: normalizeImpl,
  colorJitter: colorJitterImpl,
  randAugment: randAugmentImpl,
  trivialAugmentWide: trivialAugmentWideImpl,
  randomErasing: randomErasingImpl,
  cutout: cutoutImpl,
  mixUp: mixUpImpl,
  cutMix: cutMixImpl,
  toRgb: toRgbImpl,
  custom: customImpl,
};

// The cast is safe because a transform's options come from its factory, which has checked them.
function findImpl({ name }: Transform): TransformImpl<Transform['options']> {
  const impl = Object.hasOwn(IMPLEMENTATIONS, name) ? IMPLEMENTATIONS[name] : undefined;
  if (impl) return impl as TransformImpl<object> as TransformImpl<Transform['options']>;
  throw new RangeError(
    `[data] transforms: there is no transform '${name}'; make transforms with resize(), ` +
      'normalize() and so on',
  );
}

/** Whether a transform needs the whole batch (MixUp and CutMix) instead of one image at a time. */
export const isBatchwise = (transform: Transform): boolean =>
  findImpl(transform).batchwise === true;

/**
 * Returns the shape of an image after the transforms.
 * @throws RangeError when one of them cannot handle the shape it gets
 */
export function outputShape(transforms: readonly Transform[], shape: ImageShape): ImageShape {
  return transforms.reduce<ImageShape>(
    (current, transform) => findImpl(transform).shape?.(current, transform.options) ?? current,
    shape,
  );
}

/** Applies transforms in their order. They may write to the batch's arrays or return new ones. */
export function applyTransforms(
  transforms: readonly Transform[],
  batch: ImageBatch,
  rng: BatchRng,
): ImageBatch {
  return run(mergeResizeCrops(transforms), batch, memoizeRng(rng));
}

/**
 * Same as `applyTransforms` followed by `toFloats`, but in one pass over the pixels when the last
 * transforms are a resize or `normalize`.
 * @param into float32 `[count, height, width, channels]`, of the shape after the transforms
 * @returns the batch, with `into` as its images
 * @throws RangeError when `into` has another length than the images
 */
export function transformToFloats(
  transforms: readonly Transform[],
  batch: ImageBatch,
  { rng, into }: { rng: BatchRng; into: Float32Array },
): ImageBatch {
  const chain = mergeResizeCrops(transforms);
  const { head, tail, normalization } = splitFusible(chain);
  const memoized = memoizeRng(rng);
  const before = run(head, batch, memoized);
  const shape = outputShape(chain.slice(head.length), before.shape);
  if (into.length !== before.count * imageLength(shape)) {
    const expected = `memory for ${before.count} images of [${shape.join(', ')}]`;
    throw new RangeError(
      `[data] transformToFloats: expected ${expected}, got memory for ${into.length} floats`,
    );
  }
  const target = { into, normalization };
  if (tail && findImpl(tail).applyInto?.(before, tail.options, memoized, target))
    return { ...before, images: into, shape };
  const done = run(chain.slice(head.length), before, memoized);
  toFloats(done, into);
  return { ...done, images: into };
}

interface FusibleChain {
  /** The transforms before the fused ones. */
  readonly head: readonly Transform[];
  /** The transform that may write floats directly. */
  readonly tail: Transform | undefined;
  /** Of the `normalize` after it. */
  readonly normalization: Normalization | undefined;
}

function splitFusible(chain: readonly Transform[]): FusibleChain {
  const last = chain.at(-1);
  const previous = chain.at(-2);
  const fused =
    last?.name === 'normalize' &&
    previous &&
    previous.name !== 'normalize' &&
    findImpl(previous).applyInto;
  if (!fused) return { head: chain.slice(0, -1), tail: last, normalization: undefined };
  const normalization = last.options as unknown as Normalization;
  return { head: chain.slice(0, -2), tail: previous, normalization };
}

function run(chain: readonly Transform[], batch: ImageBatch, rng: BatchRng): ImageBatch {
  return chain.reduce((current, transform) => {
    const { apply, options } = transform;
    if (apply) return checkCustomResult(current, apply(current, rng), options);
    return findImpl(transform).apply(current, options, rng);
  }, batch);
}

/** Merges each `resize` with a `centerCrop` directly after it. */
function mergeResizeCrops(transforms: readonly Transform[]): Transform[] {
  const chain: Transform[] = [];
  for (const transform of transforms) {
    const previous = chain.at(-1);
    if (transform.name === 'centerCrop' && previous?.name === 'resize') {
      const options = { ...previous.options, crop: transform.options.size };
      chain.splice(-1, 1, { name: 'resizeCrop', options, random: false });
    } else chain.push(transform);
  }
  return chain;
}

/** Keeps one generator for each image, so that each transform continues the same sequence. */
function memoizeRng({ image, batch }: BatchRng): BatchRng {
  const generators = new Map<number, Rng>();
  return {
    batch,
    image: (index) => {
      const known = generators.get(index) ?? image(index);
      generators.set(index, known);
      return known;
    },
  };
}
