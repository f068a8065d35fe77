/**
 * Resizing images as Pillow does it, bit for bit: half-pixel, widened where it shrinks (antialias),
 * in 8-bit fixed point, first along the width,
 * then along the height, rounded to uint8 after each. torchvision's `Resize` on a PIL image is
 * this.
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import { resample } from './transforms/resample';
import { isResize, type ResizeTo, sizeAfter } from './transforms/resample/size';
import type { ImageShape } from './types';

export { isResize, type ResizeTo } from './transforms/resample/size';

export interface ResizeOptions {
  /** How pixels between those of the image are found. @default 'bilinear' */
  interpolation?: 'bilinear' | 'bicubic' | 'nearest';
}

const OPTIONS = rule.object({
  interpolation: rule.oneOf(['bilinear', 'bicubic', 'nearest']).optional(),
});

/**
 * Resizes images once: uint8 `[count, height, width, channels]` → uint8 `[count, newHeight,
 * newWidth, channels]`.
 * @throws RangeError when the bytes do not make whole images, or `resize` is no size
 */
export function resizeImages(
  images: Uint8Array,
  shape: ImageShape,
  resize: ResizeTo,
  options: ResizeOptions = {},
): Uint8Array {
  const { interpolation = 'bilinear' } = checkOptions('[data] resizeImages', OPTIONS, options);
  if (!isResize(resize)) {
    const expected = 'an integer of at least 1 or [height, width] of them, each up to 16384';
    throw new RangeError(`[data] resize: expected ${expected}, got ${formatValue(resize)}`);
  }
  const count = images.length / (shape[0] * shape[1] * shape[2]);
  if (!Number.isInteger(count)) {
    throw new RangeError(
      `[data] resizeImages: expected whole images of the shape ${formatValue(shape)}, got ${images.length} bytes`,
    );
  }
  return resample(images, count, {
    shape,
    to: sizeAfter(shape, resize),
    interpolation,
  }) as Uint8Array;
}
