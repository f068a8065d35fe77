/** Running a list of transforms: all that a worker thread needs of them. */
import type { Draws, ImageBatch, ImageShape, Random, Transform } from '../types';
import { colorJitter, normalize, toRgb } from './color';
import { cutout, randomErasing } from './erasing';
import { toFloats } from './floats';
import { type Kind, sizeOf } from './kind';
import { cutMix, mixUp } from './mixing';
import { checkOwn, custom } from './own';
import type { Normalization } from './resample/kernel';
import { centerCrop, randomCrop, randomResizedCrop, resize, resizeCrop } from './sizing';
import { randomHorizontalFlip, randomRotation, randomVerticalFlip } from './turning';

/** By the name in a transform. */
const KINDS: Readonly<Record<string, Kind<never>>> = {
  resize,
  centerCrop,
  resizeCrop,
  randomCrop,
  randomResizedCrop,
  randomHorizontalFlip,
  randomVerticalFlip,
  randomRotation,
  normalize,
  colorJitter,
  randomErasing,
  cutout,
  mixUp,
  cutMix,
  toRgb,
  custom,
};

// The options of a transform come from its factory, which has checked them.
function kindOf({ name }: Transform): Kind<Transform['options']> {
  const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
  if (kind) return kind as Kind<object> as Kind<Transform['options']>;
  throw new RangeError(
    `[data] transforms: there is no transform '${name}'; make them with resize(), normalize() and so on`,
  );
}

/**
 * Whether a transform wants the whole batch: MixUp and CutMix. All others treat each image alone.
 */
export const isBatchwise = (transform: Transform): boolean => kindOf(transform).batchwise === true;

/**
 * Shape of an image behind the transforms. @throws RangeError when one of them cannot take what it
 * is given
 */
export function outputShape(transforms: readonly Transform[], shape: ImageShape): ImageShape {
  return transforms.reduce<ImageShape>(
    (at, transform) => kindOf(transform).shape?.(at, transform.options) ?? at,
    shape,
  );
}

/**
 * Sends a batch through the transforms, one after another. It may write into the batch's arrays, or
 * give others.
 */
export function applyTransforms(
  transforms: readonly Transform[],
  batch: ImageBatch,
  draws: Draws,
): ImageBatch {
  return run(joined(transforms), batch, kept(draws));
}

/**
 * As `applyTransforms` and `toFloats` behind it, in one pass over the pixels where the last
 * transforms are a resize or `normalize`.
 * @param into float32 `[count, height, width, channels]`, of the shape behind the transforms
 * @returns the batch, `into` as its images
 * @throws RangeError when `into` is not as long as the images are
 */
export function transformToFloats(
  transforms: readonly Transform[],
  batch: ImageBatch,
  { draws, into }: { draws: Draws; into: Float32Array },
): ImageBatch {
  const chain = joined(transforms);
  const { head, tail, normalization } = fusible(chain);
  const images = kept(draws);
  const before = run(head, batch, images);
  const shape = outputShape(chain.slice(head.length), before.shape);
  if (into.length !== before.count * sizeOf(shape)) {
    const expected = `room for ${before.count} images of [${shape.join(', ')}]`;
    throw new RangeError(
      `[data] transformToFloats: expected ${expected}, got room for ${into.length} floats`,
    );
  }
  if (tail && kindOf(tail).applyInto?.(before, tail.options, images, { into, normalization })) {
    return { ...before, images: into, shape };
  }
  const done = run(chain.slice(head.length), before, images);
  toFloats(done, into);
  return { ...done, images: into };
}

/**
 * The transform that may write floats by itself, with a normalization behind it, and those before
 * it.
 */
function fusible(chain: readonly Transform[]) {
  const last = chain.at(-1);
  const previous = chain.at(-2);
  if (
    last?.name === 'normalize' &&
    previous &&
    kindOf(previous).applyInto &&
    previous.name !== 'normalize'
  ) {
    return {
      head: chain.slice(0, -2),
      tail: previous,
      normalization: last.options as unknown as Normalization,
    };
  }
  return { head: chain.slice(0, -1), tail: last, normalization: undefined };
}

function run(chain: readonly Transform[], batch: ImageBatch, draws: Draws): ImageBatch {
  return chain.reduce((at, transform) => {
    if (transform.apply) return checkOwn(at, transform.apply(at, draws), transform.options);
    return kindOf(transform).apply(at, transform.options, draws);
  }, batch);
}

/** The same transforms with each `resize` and the `centerCrop` behind it as one. */
function joined(transforms: readonly Transform[]): Transform[] {
  const chain: Transform[] = [];
  for (const transform of transforms) {
    const before = chain.at(-1);
    if (transform.name === 'centerCrop' && before?.name === 'resize') {
      chain.splice(-1, 1, {
        name: 'resizeCrop',
        options: { ...before.options, crop: transform.options.size },
        random: false,
      });
    } else chain.push(transform);
  }
  return chain;
}

/**
 * Draws that give an image's one generator however often they are asked: each transform goes on
 * where the one before has stopped.
 */
function kept({ image, batch }: Draws): Draws {
  const generators = new Map<number, Random>();
  return {
    batch,
    image: (place) => {
      const known = generators.get(place) ?? image(place);
      generators.set(place, known);
      return known;
    },
  };
}
