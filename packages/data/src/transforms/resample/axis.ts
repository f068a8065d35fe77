/**
 * How one axis of an image is resampled, as Pillow works it out: `precompute_coeffs` and
 * `normalize_coeffs_8bpc` in src/libImaging/Resample.c
 * of https://github.com/python-pillow/Pillow. Filters are widened where an image shrinks
 * (antialias).
 */

/** Fixed point for bytes: 1 is `1 << PRECISION_BITS`. */
export const PRECISION_BITS = 32 - 8 - 2;

/**
 * Output `i` is the sum of `taps` inputs from `starts[i]` on, weighted by `weights[i * taps …]`.
 */
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
  /** How far it reaches to each side, in pixels of the coarser grid. */
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

/** Photos come in many sizes, so that there is no end to the tables that a run may need. */
const MAX_KEPT = 1024;
const kept = new Map<string, Axis>();

/** The table for one axis; those of late are kept. */
export function axis(from: number, to: number, filter: FilterName): Axis {
  const key = `${filter} ${from} ${to}`;
  const known = kept.get(key);
  if (known) return known;
  if (kept.size >= MAX_KEPT) kept.delete(kept.keys().next().value as string);
  const made = makeAxis(from, to, FILTERS[filter]);
  kept.set(key, made);
  return made;
}

function makeAxis(from: number, to: number, { support: reach, at }: Filter): Axis {
  const scale = from / to;
  const widened = Math.max(scale, 1);
  const support = reach * widened;
  const most = Math.ceil(support) * 2 + 1;
  const raw = new Float64Array(to * most); // [to, most], each output's own taps to the left
  const starts = new Int32Array(to);
  let taps = 1;
  for (let i = 0; i < to; i++) {
    const center = (i + 0.5) * scale;
    const first = Math.max(0, Math.trunc(center - support + 0.5));
    const end = Math.min(from, Math.trunc(center + support + 0.5));
    const row = i * most;
    let [total, skipped, used] = [0, 0, 0];
    for (let k = first; k < end; k++) {
      const weight = at((k - center + 0.5) * (1 / widened));
      total += weight;
      // Weights of 0 at either end are left out.
      if (weight === 0 && used === 0) skipped++;
      else raw[row + used++] = weight;
    }
    while (raw[row + used - 1] === 0) used--;
    for (let k = row; k < row + used; k++) raw[k] = (raw[k] as number) / total;
    starts[i] = first + skipped;
    taps = Math.max(taps, used);
  }
  return { from, to, taps, ...packed({ from, taps, starts, raw }) };
}

/**
 * Gives each output as many taps as the widest one has, so that the loops over them have no bounds
 * to look up.
 */
function packed({
  from,
  taps,
  starts,
  raw,
}: {
  from: number;
  taps: number;
  starts: Int32Array;
  raw: Float64Array;
}) {
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
 * A part of an axis: outputs `first` … `first + count - 1`, and of the inputs those that they need,
 * from `offset` on.
 */
export function partOf(whole: Axis, first: number, count: number): { axis: Axis; offset: number } {
  const { to, taps } = whole;
  if (first === 0 && count === to) return { axis: whole, offset: 0 };
  const wanted = whole.starts.subarray(first, first + count);
  // They need not rise: an output that lies on an input wants it alone, and bicubic's next one
  // wants the input before as well.
  const offset = Math.min(...wanted);
  const starts = wanted.map((start) => start - offset);
  const [begin, end] = [first * taps, (first + count) * taps];
  const [weights, fixed] = [whole.weights.subarray(begin, end), whole.fixed.subarray(begin, end)];
  return {
    axis: { from: Math.max(...starts) + taps, to: count, taps, starts, weights, fixed },
    offset,
  };
}
