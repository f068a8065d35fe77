/**
 * Resizing as Pillow does it, bit for bit, and so as torchvision's `Resize` on PIL images:
 * half-pixel centers, antialiased when shrinking, in 8-bit fixed point, first along the width, then
 * along the height, rounded to uint8 after each pass.
 */
import { checkOptions, formatValue, rule } from '@deepend/core';
import type { ImageBatch, ImageShape, Transform } from '../types';
import type { TransformImpl } from './implementation';
import { interpolation, size } from './option-rules';
import {
  isResize,
  LARGEST_SIDE,
  type Resampling,
  type ResizeTo,
  resizedSize,
} from './resample/layout';
import { canFuse, resample, resampleToFloats } from './resample/resample';

export type Interpolation = Resampling['interpolation'];

export interface ResizeOptions {
  /** `bilinear` and `bicubic` are antialiased when they shrink an image. @default 'bilinear' */
  interpolation?: Interpolation;
}

// A function, so that worker bundles drop it together with the option rules.
const resizeRules = () => rule.object({ size: size(), interpolation: interpolation() });

/**
 * Resizes images as torchvision's `Resize` does with PIL images, byte for byte (`bicubic`: Keys
 * 1981 with a = -0.5).
 * @param size pixels: the shorter side, which keeps the aspect ratio, or `[height, width]`
 * @throws TypeError or RangeError for an unknown option or a value out of range
 */
export function resize(size: ResizeTo, options: ResizeOptions = {}): Transform {
  const { interpolation = 'bilinear', ...rest } = checkOptions('[data] resize', resizeRules(), {
    ...options,
    size,
  });
  return { name: 'resize', options: { ...rest, interpolation }, random: false };
}

export interface ResizeImplOptions {
  readonly size: ResizeTo;
  readonly interpolation: Interpolation;
}

export const resizeImpl: TransformImpl<ResizeImplOptions> = {
  shape: (shape, { size }) => [...resizedSize(shape, size), shape[2]],
  apply: (batch, options) => resampleBatch(batch, resizeRequest(batch, options)),
  applyInto: (batch, options, _, target) => {
    const request = resizeRequest(batch, options);
    if (!canFuse(batch.images, request)) return false;
    resampleToFloats(batch.images as Uint8Array, request, target);
    return true;
  },
};

export const resizeRequest = (
  { shape }: ImageBatch,
  { size, interpolation }: ResizeImplOptions,
): Resampling => ({ shape, to: resizedSize(shape, size), interpolation });

export function resampleBatch(batch: ImageBatch, request: Resampling): ImageBatch {
  const { height, width } = request.window ?? { height: request.to[0], width: request.to[1] };
  return {
    ...batch,
    images: resample(batch.images, batch.count, request),
    shape: [height, width, batch.shape[2]],
  };
}

/**
 * Resizes images in memory: uint8 `[count, height, width, channels]` → uint8 `[count, newHeight,
 * newWidth, channels]`.
 * @param shape of one image
 * @param resize pixels: the shorter side, which keeps the aspect ratio, or `[height, width]`
 * @throws RangeError when the last image is incomplete, or `resize` is not a size
 */
export function resizeImages(
  images: Uint8Array,
  shape: ImageShape,
  resize: ResizeTo,
  options: ResizeOptions = {},
): Uint8Array {
  const rules = rule.object({ interpolation: interpolation() });
  const checked = checkOptions('[data] resizeImages', rules, options);
  if (!isResize(resize)) {
    const expected = `an integer from 1 to ${LARGEST_SIDE} or [height, width] of such integers`;
    throw new RangeError(`[data] resizeImages: expected ${expected}, got ${formatValue(resize)}`);
  }
  const count = images.length / (shape[0] * shape[1] * shape[2]);
  if (!Number.isInteger(count)) {
    throw new RangeError(
      `[data] resizeImages: expected whole images of the shape ${formatValue(shape)}, ` +
        `got ${images.length} bytes`,
    );
  }
  const to = resizedSize(shape, resize);
  const request = { shape, to, interpolation: checked.interpolation ?? 'bilinear' };
  return resample(images, count, request) as Uint8Array;
}
