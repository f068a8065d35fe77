/**
 * Grouped convolutions, which TensorFlow.js has not, taken apart: each group has a kernel of its
 * own.
 */
import type { Numbers } from './graph-call';

/**
 * The kernels of the groups, `[kh, kw, channels / groups, filters / groups]`, of the kernel of all,
 * `[kh, kw, channels / groups, filters]`;
 * of a bias, `[filters]`, the same.
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
