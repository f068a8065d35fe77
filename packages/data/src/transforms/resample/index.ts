/** Resampling of image batches: the fastest form for what is asked. */
import { hasKernel, type Normalization, resampleFast } from './kernel';
import { resampleNearest } from './nearest';
import { resamplePlain } from './plain';
import { planOf, type Resampling, resultShape } from './plan';

/**
 * `[count, height, width, channels]` → new array `[count, newHeight, newWidth, channels]`, bytes of
 * bytes and floats of floats.
 */
export function resample(
  images: Uint8Array | Float32Array,
  count: number,
  job: Resampling,
): Uint8Array | Float32Array {
  if (job.interpolation === 'nearest') return resampleNearest(images, count, job);
  const plan = planOf(job, job.interpolation);
  if (!(images instanceof Uint8Array && hasKernel)) return resamplePlain(images, count, plan);
  const [height, width, channels] = resultShape(job);
  const into = new Uint8Array(count * height * width * channels);
  resampleFast(images, plan, { into });
  return into;
}

/** Whether `resampleToFloats` can do this in one go. */
export function canFuse(
  images: Uint8Array | Float32Array,
  { interpolation }: Pick<Resampling, 'interpolation'>,
): boolean {
  return hasKernel && images instanceof Uint8Array && interpolation !== 'nearest';
}

/** As `resample` and what makes floats of the bytes behind it, in one go. Needs `canFuse`. */
export function resampleToFloats(
  images: Uint8Array,
  job: Resampling,
  { into, normalization }: { into: Float32Array; normalization?: Normalization | undefined },
): void {
  if (job.interpolation === 'nearest') throw new Error('[data] resize: nearest has no fused form');
  resampleFast(images, planOf(job, job.interpolation), { into, normalization });
}
