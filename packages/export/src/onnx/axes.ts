/** Permuting the axes of arrays. */
import { reverseAxes } from '@deepend/models';

/** 0, 1, …, rank − 1 */
export const range = (rank: number): number[] => Array.from({ length: rank }, (_, i) => i);

export const sameList = (a: readonly unknown[], b: readonly unknown[]): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i]);

/**
 * Whether two orders of axes give the same memory layout: only axes of size 1 differ in their
 * place.
 */
export const liesTheSame = (
  sizes: readonly (number | null)[],
  from: readonly number[],
  to: readonly number[],
): boolean =>
  sameList(
    from.filter((axis) => sizes[axis] !== 1),
    to.filter((axis) => sizes[axis] !== 1),
  );

/**
 * Permutes the axes of an array of `shape`: axis i of the result is axis `order[i]`. Always returns
 * a copy, since the backend owns the values.
 */
export function permuted(
  values: Float32Array,
  shape: readonly number[],
  order: readonly number[],
): Float32Array {
  const { sizes, places } = merged(shape, order);
  const [a = 1, b = 1, c = 1] = sizes;
  if (sizes.length === 1) return values.slice();
  if (sizes.length === 2) return reverseAxes(values, [a, 1, b]);
  if (sameList(places, [2, 1, 0])) return reverseAxes(values, [a, b, c]);
  return gathered(values, sizes, places);
}

/** Simplifies a permutation: merges axes that stay adjacent and drops axes of size 1. */
function merged(
  shape: readonly number[],
  order: readonly number[],
): { sizes: number[]; places: number[] } {
  const groups: number[][] = [];
  for (const axis of order.filter((one) => shape[one] !== 1)) {
    const last = groups.at(-1);
    const next =
      last && range(shape.length).find((one) => one > (last.at(-1) as number) && shape[one] !== 1);
    if (next === axis) last?.push(axis);
    else groups.push([axis]);
  }
  if (groups.length === 0) return { sizes: [1], places: [0] };
  const sorted = [...groups].sort(([a = 0], [b = 0]) => a - b);
  const sizes = sorted.map((group) =>
    group.reduce((size, axis) => size * (shape[axis] as number), 1),
  );
  return { sizes, places: groups.map((group) => sorted.indexOf(group)) };
}

function gathered(
  values: Float32Array,
  sizes: readonly number[],
  order: readonly number[],
): Float32Array {
  const steps = sizes.map((_, axis) => sizes.slice(axis + 1).reduce((a, b) => a * b, 1));
  const result = new Float32Array(values.length);
  let to = 0;
  const fill = (place: number, from: number) => {
    const axis = order[place] as number;
    const [size, step] = [sizes[axis] as number, steps[axis] as number];
    const last = place === order.length - 1;
    for (let i = 0; i < size; i++) {
      if (last) result[to++] = values[from + i * step] as number;
      else fill(place + 1, from + i * step);
    }
  };
  fill(0, 0);
  return result;
}
