/** Resamples batches of images with the fastest code for the request. */
import { isUint8Array } from '@deepend/core';
import { hasKernel, type Normalization, runResizeKernel } from './kernel';
import { computeLayout, type Resampling, resultShape } from './layout';
import { resampleNearest, resamplePlain } from './plain';

/**
 * `[count, height, width, channels]` → new array `[count, newHeight, newWidth, channels]`: bytes
 * for bytes, floats for floats.
 */
export function resample(
  images: Uint8Array | Float32Array,
  count: number,
  request: Resampling,
): Uint8Array | Float32Array {
  if (request.interpolation === 'nearest') return resampleNearest(images, count, request);
  const layout = computeLayout(request, request.interpolation);
  if (!(isUint8Array(images) && hasKernel())) return resamplePlain(images, count, layout);
  const [height, width, channels] = resultShape(request);
  const into = new Uint8Array(count * height * width * channels);
  runResizeKernel(images, layout, { into });
  return into;
}

/** Whether `resampleToFloats` can handle the request. */
export function canFuse(
  images: Uint8Array | Float32Array,
  { interpolation }: Pick<Resampling, 'interpolation'>,
): boolean {
  return hasKernel() && isUint8Array(images) && interpolation !== 'nearest';
}

/** Resamples bytes and converts them to floats in one pass. Call it only if `canFuse`. */
export function resampleToFloats(
  images: Uint8Array,
  request: Resampling,
  { into, normalization }: { into: Float32Array; normalization?: Normalization | undefined },
): void {
  if (request.interpolation === 'nearest')
    throw new Error('[data] resize: nearest has no fused kernel');
  const layout = computeLayout(request, request.interpolation);
  runResizeKernel(images, layout, { into, normalization });
}
