/**
 * Resizing images as Pillow does it, bit for bit: half-pixel, widened where it shrinks (antialias), in 8-bit fixed point, first along the width,
 * then along the height, rounded to uint8 after each. torchvision's `Resize` on a PIL image is this.
 */
import { checkOptions, rule, show } from '@deepend/checks';
import { resample } from './transforms/resample';
import { isResize, type ResizeTo, sizeAfter } from './transforms/resample/size';
import type { ImageShape } from './types';

export { isResize, type ResizeTo } from './transforms/resample/size';

export interface ResizeOptions {
  /** How pixels between those of the image are found. @default 'bilinear' */
  interpolation?: 'bilinear' | 'bicubic' | 'nearest';
}

const OPTIONS = rule.options({ interpolation: rule.oneOf(['bilinear', 'bicubic', 'nearest']).optional() });

/** The shape of an image after a resize. @throws RangeError when it is not a whole number or a pair of them, each from 1 to 16384 */
export function resizedShape(shape: ImageShape, resize: ResizeTo): ImageShape {
  if (isResize(resize)) return [...sizeAfter(shape, resize), shape[2]];
  throw new RangeError(`[data] resize: expected a whole number of at least 1 or [height, width] of them, got ${show(resize)}`);
}

/**
 * Resizes images once: uint8 `[count, height, width, channels]` → uint8 `[count, newHeight, newWidth, channels]`.
 * @throws RangeError when the bytes do not make whole images, or `resize` is no size
 */
export function resizeImages(images: Uint8Array, shape: ImageShape, resize: ResizeTo, options: ResizeOptions = {}): Uint8Array {
  const { interpolation = 'bilinear' } = checkOptions('[data] resizeImages', OPTIONS, options);
  const [height, width] = resizedShape(shape, resize);
  const count = images.length / (shape[0] * shape[1] * shape[2]);
  if (!Number.isInteger(count)) {
    throw new RangeError(`[data] resizeImages: expected whole images of the shape ${show(shape)}, got ${images.length} bytes`);
  }
  return resample(images, count, { shape, to: [height, width], interpolation }) as Uint8Array;
}

/** A function that resizes uint8 `[count, height, width, channels]`. */
export function resizer(shape: ImageShape, resize: ResizeTo): (images: Uint8Array, count: number) => Uint8Array {
  const [height, width] = resizedShape(shape, resize);
  return (images, count) => resample(images, count, { shape, to: [height, width], interpolation: 'bilinear' }) as Uint8Array;
}
