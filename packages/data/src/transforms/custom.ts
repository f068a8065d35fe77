/** custom: your own function as a transform. Its result is checked before it is used. */
import { checkOptions, isFloat32Array, isUint8Array, rule } from '@deepend/core';
import type { BatchRng, ImageBatch, ImageShape, Transform } from '../types';
import { imageLength, type TransformImpl } from './implementation';

export interface CustomOptions {
  /**
   * Whether it draws random numbers. `load...` functions leave random transforms out of the test
   * set. @default false
   */
  random?: boolean;
  /** Shape of an image after the function. @default the shape before it */
  outputShape?: ImageShape;
}

const customRules = () =>
  rule.object({
    apply: rule.func<(batch: ImageBatch, rng: BatchRng) => ImageBatch>(),
    random: rule.boolean().optional(),
    outputShape: rule.imageShape().optional(),
  });

/**
 * Makes a transform of your own function. It and all transforms after it run on the main thread.
 * @param apply receives `[count, height, width, channels]` bytes or floats and returns the same or
 *   another batch with as many images. Take random numbers only from `rng`, so that runs stay
 *   reproducible.
 * @throws TypeError or RangeError for an unknown option or a value out of range
 *
 * @example
 * // for bytes
 * const invert = custom((batch) => ({
 *   ...batch,
 *   images: batch.images.map((value) => 255 - value),
 * }));
 */
export function custom(
  apply: (batch: ImageBatch, rng: BatchRng) => ImageBatch,
  options: CustomOptions = {},
): Transform {
  const checked = checkOptions('[data] custom', customRules(), { ...options, apply });
  const { random = false, outputShape } = checked;
  return {
    name: 'custom',
    options: outputShape ? { outputShape } : {},
    random,
    apply: checked.apply,
  };
}

export interface CustomImplOptions {
  readonly outputShape?: ImageShape | undefined;
}

export const customImpl: TransformImpl<CustomImplOptions> = {
  shape: (shape, { outputShape }) => outputShape ?? shape,
  apply: () => {
    throw new Error(
      '[data] custom: a function cannot be sent to a worker thread; run it where it was made',
    );
  },
};

/**
 * @throws RangeError when a function returned something other than a batch of as many images, or
 *   images of another shape than it declares
 */
export function checkCustomResult(
  before: ImageBatch,
  after: ImageBatch,
  { outputShape = before.shape }: CustomImplOptions,
): ImageBatch {
  const problem = findProblem(before, after, outputShape);
  if (!problem) return after;
  throw new RangeError(
    `[data] custom: expected ${problem}; return { ...batch, images } and declare "outputShape"`,
  );
}

function findProblem(
  before: ImageBatch,
  after: ImageBatch,
  expected: ImageShape,
): string | undefined {
  const images = after?.images;
  if (!(isUint8Array(images) || isFloat32Array(images)))
    return 'a batch with images of uint8 or float32, got none';
  if (after.count !== before.count) return `${before.count} images, got ${after.count}`;
  const got = `[${[...(after.shape ?? [])].join(', ')}]`;
  if (got !== `[${expected.join(', ')}]`)
    return `images of the shape [${expected.join(', ')}], got ${got}`;
  const length = after.count * imageLength(after.shape);
  return images.length === length ? undefined : `${length} values in images, got ${images.length}`;
}
