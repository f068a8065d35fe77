/**
 * A transform that is a function of the user's own: what it gives is looked at before anything is
 * made of it.
 */
import type { ImageBatch, ImageShape } from '../types';
import { type Kind, sizeOf } from './kind';

export interface CustomKindOptions {
  readonly outputShape?: ImageShape | undefined;
}

export const custom: Kind<CustomKindOptions> = {
  shape: (shape, { outputShape }) => outputShape ?? shape,
  apply: () => {
    throw new Error(
      '[data] custom: a function cannot be sent to a worker thread; run it where it was made',
    );
  },
};

/**
 * @throws RangeError when what a function gave is no batch of as many images, or of another shape
 * than it promised
 */
export function checkOwn(
  given: ImageBatch,
  made: ImageBatch,
  { outputShape = given.shape }: CustomKindOptions,
): ImageBatch {
  const fault = faultOf(given, made, outputShape);
  if (fault)
    throw new RangeError(
      `[data] custom: expected ${fault}; give { ...batch, images } and declare "outputShape"`,
    );
  return made;
}

function faultOf(given: ImageBatch, made: ImageBatch, expected: ImageShape): string | undefined {
  const images = made?.images;
  if (!(images instanceof Uint8Array || images instanceof Float32Array))
    return 'a batch with images of uint8 or float32, got none';
  if (made.count !== given.count) return `${given.count} images, got ${made.count}`;
  const got = `[${[...(made.shape ?? [])].join(', ')}]`;
  if (got !== `[${expected.join(', ')}]`)
    return `images of the shape [${expected.join(', ')}], got ${got}`;
  const length = made.count * sizeOf(made.shape);
  return images.length === length ? undefined : `${length} values in images, got ${images.length}`;
}
