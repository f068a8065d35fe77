/**
 * Splits grouped convolutions, which TensorFlow.js does not have, into one convolution per group.
 */
import type { Numbers } from './graph-call';

/**
 * Splits a kernel `[kh, kw, channels / groups, filters]` into the groups' kernels `[kh, kw,
 * channels / groups, filters / groups]`, and a bias `[filters]` alike.
 */
export function groupsOf({ shape, values }: Numbers, groups: number): Numbers[] {
  const filters = shape.at(-1) as number;
  const own = filters / groups;
  return Array.from({ length: groups }, (_, group) => ({
    shape: [...shape.slice(0, -1), own],
    values: async () => {
      const all = await values();
      const place = (i: number) => Math.floor(i / own) * filters + group * own + (i % own);
      return Float32Array.from({ length: all.length / groups }, (__, i) => all[place(i)] as number);
    },
  }));
}
