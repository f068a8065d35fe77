/**
 * Pillow's resize in plain JavaScript: of float32 images always, in double precision and rounded to
 * float32 after each pass; of bytes in Node
 * without WebAssembly (`--jitless`), in the fixed point of the kernel in assembly/resize.ts and
 * with its results.
 */
import { type Axis, PRECISION_BITS } from './axis';
import { isIdentity, type Plan, rowFinder } from './plan';

const HALF = 1 << (PRECISION_BITS - 1);

/**
 * `[count, height, width, channels]` → `[count, newHeight, newWidth, channels]`, along the width
 * first.
 */
export function resamplePlain<T extends Uint8Array | Float32Array>(
  images: T,
  count: number,
  plan: Plan,
): T {
  const { region, across, down, shape } = plan;
  const [channels, rows] = [shape[2], count * region.height];
  const read = regionOf(images, rows, plan); // [rows, region.width, channels]
  const wide = isIdentity(across) ? read : pass(read, across, { outer: rows, inner: channels });
  return isIdentity(down) ? wide : pass(wide, down, { outer: count, inner: across.to * channels });
}

function regionOf<T extends Uint8Array | Float32Array>(images: T, rows: number, plan: Plan): T {
  const length = plan.region.width * plan.shape[2];
  const copied = emptyLike(images, rows * length);
  const startOf = rowFinder(plan);
  for (let row = 0; row < rows; row++)
    copied.set(images.subarray(startOf(row), startOf(row) + length), row * length);
  return copied;
}

interface Around {
  /** Product of the sizes before the axis, and of those behind it. */
  outer: number;
  inner: number;
}

/** `[outer, from, inner]` → `[outer, to, inner]`. */
function pass<T extends Uint8Array | Float32Array>(
  source: T,
  axis: Axis,
  { outer, inner }: Around,
): T {
  const { from, to, starts } = axis;
  const into = emptyLike(source, outer * to * inner);
  const blend = source instanceof Uint8Array ? blendBytes : blendFloats;
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < to; i++) {
      const first = (o * from + (starts[i] as number)) * inner;
      const at = (o * to + i) * inner;
      for (let j = 0; j < inner; j++)
        into[at + j] = blend(source, first + j, { axis, output: i, step: inner });
    }
  }
  return into;
}

interface Taps {
  axis: Axis;
  output: number;
  step: number;
}

function blendBytes(
  source: ArrayLike<number>,
  first: number,
  { axis: { taps, fixed }, output, step }: Taps,
): number {
  let sum = HALF;
  for (let tap = 0; tap < taps; tap++) {
    sum =
      (sum +
        Math.imul(source[first + tap * step] as number, fixed[output * taps + tap] as number)) |
      0;
  }
  return Math.min(255, Math.max(0, sum >> PRECISION_BITS));
}

function blendFloats(
  source: ArrayLike<number>,
  first: number,
  { axis: { taps, weights }, output, step }: Taps,
): number {
  let sum = 0;
  for (let tap = 0; tap < taps; tap++)
    sum += (source[first + tap * step] as number) * (weights[output * taps + tap] as number);
  return sum;
}

function emptyLike<T extends Uint8Array | Float32Array>(like: T, length: number): T {
  return (like instanceof Uint8Array ? new Uint8Array(length) : new Float32Array(length)) as T;
}
