/**
 * The weights with which one axis of an image is resampled, computed as in Pillow:
 * `precompute_coeffs` and `normalize_coeffs_8bpc` in src/libImaging/Resample.c of
 * https://github.com/python-pillow/Pillow. Filters get wider when an image shrinks (antialiasing).
 */

/** Fixed point for bytes: 1 is `1 << PRECISION_BITS`. */
export const PRECISION_BITS = 32 - 8 - 2;

/** Output `i` is the sum of `taps` inputs from `starts[i]`, weighted by `weights[i * taps …]`. */
export interface Axis {
  readonly from: number;
  readonly to: number;
  readonly taps: number;
  readonly starts: Int32Array;
  readonly weights: Float64Array;
  /** The weights in fixed point. */
  readonly fixed: Int32Array;
}

interface Filter {
  /** Half its width, in pixels of the coarser grid. */
  readonly support: number;
  readonly at: (x: number) => number;
}

/** Keys 1981, with Pillow's a = -0.5. */
function cubic(x: number): number {
  const a = -0.5;
  const d = Math.abs(x);
  if (d < 1) return ((a + 2) * d - (a + 3)) * d * d + 1;
  return d < 2 ? (((d - 5) * d + 8) * d - 4) * a : 0;
}

const FILTERS = {
  bilinear: { support: 1, at: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { support: 2, at: cubic },
} as const satisfies Record<string, Filter>;

export type FilterName = keyof typeof FILTERS;

/** Photos come in many sizes, so a run may need any number of axes. */
const MAX_CACHED = 1024;
const cache = new Map<string, Axis>();

/** Returns the weights for one axis; recent ones are cached. */
export function findAxis(from: number, to: number, filter: FilterName): Axis {
  const key = `${filter} ${from} ${to}`;
  const known = cache.get(key);
  if (known) return known;
  if (cache.size >= MAX_CACHED) cache.delete(cache.keys().next().value as string);
  const axis = computeAxis(from, to, FILTERS[filter]);
  cache.set(key, axis);
  return axis;
}

function computeAxis(from: number, to: number, filter: Filter): Axis {
  const scale = from / to;
  const stretch = Math.max(scale, 1);
  const support = filter.support * stretch;
  const most = Math.ceil(support) * 2 + 1;
  const raw = new Float64Array(to * most); // [to, most], the taps of each output first
  const starts = new Int32Array(to);
  let taps = 1;
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const row = i * most;
    let total = 0;
    let skipped = 0;
    let used = 0;
    for (let k = first; k < end; k++) {
      const weight = filter.at((k - center + 0.5) * (1 / stretch));
      total += weight;
      // Leave out weights of 0 at both ends.
      if (weight === 0 && used === 0) skipped++;
      else raw[row + used++] = weight;
    }
    while (raw[row + used - 1] === 0) used--;
    for (let k = row; k < row + used; k++) raw[k] = (raw[k] as number) / total;
    starts[i] = first + skipped;
    taps = Math.max(taps, used);
  }
  return { from, to, taps, ...packWeights({ from, taps, starts, raw }) };
}

interface RawWeights {
  from: number;
  taps: number;
  starts: Int32Array;
  raw: Float64Array;
}

/** Gives every output the taps of the widest one, so that loops over taps have a fixed length. */
function packWeights({ from, taps, starts, raw }: RawWeights) {
  const most = raw.length / starts.length;
  const weights = new Float64Array(starts.length * taps);
  starts.forEach((start, i) => {
    const moved = Math.min(start, from - taps);
    starts[i] = moved;
    weights.set(
      raw.subarray(i * most, i * most + taps - (start - moved)),
      i * taps + start - moved,
    );
  });
  const fixed = Int32Array.from(weights, (weight) =>
    Math.trunc(weight * (1 << PRECISION_BITS) + (weight < 0 ? -0.5 : 0.5)),
  );
  return { starts, weights, fixed };
}

/**
 * Cuts an axis down to the outputs `first` … `first + count - 1` and the inputs that they need.
 * @returns the axis, and the first input as `offset`
 */
export function sliceAxis(
  whole: Axis,
  first: number,
  count: number,
): { axis: Axis; offset: number } {
  const { to, taps } = whole;
  if (first === 0 && count === to) return { axis: whole, offset: 0 };
  const wanted = whole.starts.subarray(first, first + count);
  // The starts need not rise: an output that lies exactly on an input needs only that one, and with
  // bicubic the next output also needs the input before it.
  const offset = Math.min(...wanted);
  const starts = wanted.map((start) => start - offset);
  const begin = first * taps;
  const end = (first + count) * taps;
  const weights = whole.weights.subarray(begin, end);
  const fixed = whole.fixed.subarray(begin, end);
  return {
    axis: { from: Math.max(...starts) + taps, to: count, taps, starts, weights, fixed },
    offset,
  };
}
