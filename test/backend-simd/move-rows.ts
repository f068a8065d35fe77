/** Kernels that move numbers: random calls of each, and larger ones. */
import fc from 'fast-check';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { calls, type Move, makers } from './moves';
import { booleans, numbers, seeds, shapes } from './operations';

const permutations = (shape: number[]) =>
  fc.shuffledSubarray(
    shape.map((_, axis) => axis),
    { minLength: shape.length },
  );

const axisOf = (shape: number[], extra = 0) => fc.nat(Math.max(0, shape.length - 1 + extra));

/** Begin and length along each axis. */
const windows = (shape: number[]) =>
  fc.tuple(
    ...shape.map((length) =>
      fc.nat(length).chain((begin) => fc.tuple(fc.constant(begin), fc.nat(length - begin))),
    ),
  );

const paddings = (shape: number[]) =>
  fc.record({
    paddings: fc.tuple(...shape.map(() => fc.tuple(fc.nat(2), fc.nat(2)))),
    constantValue: fc.constantFrom(0, 1, -3),
  });

const joined = fc.record({
  shape: shapes({ minRank: 1 }),
  axis: fc.nat(5),
  lengths: fc.array(fc.nat(9), { minLength: 2, maxLength: 4 }),
  seed: seeds,
  make: makers,
});

export const MOVES: readonly Move[] = [
  {
    kernel: 'Transpose',
    calls: calls({}, permutations, (x, perm) => ({ inputs: { x }, attrs: { perm } })),
    large: [
      { inputs: { x: numbers([333, 257], 1) }, attrs: { perm: [1, 0] } },
      { inputs: { x: numbers([5, 61, 70, 9], 1) }, attrs: { perm: [0, 3, 1, 2] } },
      { inputs: { x: numbers([4, 9, 50, 30], 1) }, attrs: { perm: [0, 2, 1, 3] } },
      { inputs: { x: numbers([19, 20, 21, 22], 1) }, attrs: { perm: [3, 2, 1, 0] } },
      { inputs: { x: numbers([900, 6, 7], 1) }, attrs: { perm: [0, 2, 1] } },
      { inputs: { x: numbers([7, 6, 5, 4, 9, 8], 1) }, attrs: { perm: [4, 2, 0, 5, 3, 1] } },
    ],
    small: { inputs: { x: numbers([8, 9], 1) }, attrs: { perm: [1, 0] } },
    tasks: [Task.TransposeMatrix],
  },
  {
    kernel: 'PadV2',
    calls: calls({ minRank: 1, maxRank: 5 }, paddings, (x, attrs) => ({ inputs: { x }, attrs })),
    large: [
      {
        inputs: { x: numbers([4, 60, 61, 9], 1) },
        attrs: {
          constantValue: -Infinity,
          paddings: [
            [0, 0],
            [1, 2],
            [3, 0],
            [0, 0],
          ],
        },
      },
    ],
    small: { inputs: { x: numbers([8], 1) }, attrs: { paddings: [[1, 1]], constantValue: 0 } },
    tasks: [Task.Fill, Task.CopyStrided],
  },
  {
    kernel: 'Slice',
    calls: calls({ minRank: 1 }, windows, (x, window) => ({
      inputs: { x },
      attrs: { begin: window.map(([begin]) => begin), size: window.map(([, length]) => length) },
    })),
    large: [
      { inputs: { x: numbers([90_000], 1) }, attrs: { begin: [7], size: [-1] } },
      {
        inputs: { x: numbers([100, 30, 31], 1) },
        attrs: { begin: [0, 1, 1], size: [100, 28, 28] },
      },
    ],
    small: { inputs: { x: numbers([8, 9], 1) }, attrs: { begin: [1, 1], size: [2, 2] } },
    tasks: [Task.CopyStrided],
  },
  {
    kernel: 'Concat',
    calls: joined.map(({ shape, axis, lengths, seed, make }) => {
      const at = axis % shape.length;
      return {
        inputs: lengths.map((n, i) => make(shape.with(at, n), seed + i)),
        attrs: { axis: at },
      };
    }),
    large: [
      {
        inputs: [numbers([300, 200], 1), numbers([300, 3], 2), numbers([300, 77], 3)],
        attrs: { axis: 1 },
      },
    ],
    small: { inputs: [numbers([2, 3], 1), numbers([2, 1], 2)], attrs: { axis: 1 } },
    tasks: [Task.CopyStrided, Task.CopyStrided],
  },
  {
    kernel: 'Pack',
    calls: joined.map(({ shape, axis, lengths, seed, make }) => {
      const outer = shape.slice(0, 5);
      return {
        inputs: lengths.map((_, i) => make(outer, seed + i)),
        attrs: { axis: axis % (outer.length + 1) },
      };
    }),
    large: [{ inputs: [numbers([300, 200], 1), numbers([300, 200], 2)], attrs: { axis: 2 } }],
    small: { inputs: [numbers([3], 1), numbers([3], 2)], attrs: { axis: 0 } },
    tasks: [Task.CopyStrided, Task.CopyStrided],
  },
  {
    kernel: 'Unpack',
    calls: calls({ minRank: 1 }, axisOf, (value, axis) => ({ inputs: { value }, attrs: { axis } })),
    large: [{ inputs: { value: numbers([300, 3, 200], 1) }, attrs: { axis: -2 } }],
    small: { inputs: { value: numbers([2, 3], 1) }, attrs: { axis: 0 } },
    tasks: [Task.CopyStrided, Task.CopyStrided],
  },
  {
    kernel: 'SplitV',
    calls: calls(
      { minRank: 1 },
      (shape) =>
        axisOf(shape).chain((axis) => fc.tuple(fc.constant(axis), fc.nat(shape[axis] as number))),
      (x, [axis, first]) => ({
        inputs: { x },
        attrs: { axis, numOrSizeSplits: [first, (x.shape[axis] as number) - first] },
      }),
    ),
    small: { inputs: { x: numbers([4, 3], 1) }, attrs: { axis: 0, numOrSizeSplits: 2 } },
    tasks: [Task.CopyStrided, Task.CopyStrided],
  },
  {
    kernel: 'Tile',
    calls: calls(
      { minRank: 1 },
      (shape) => fc.tuple(...shape.map(() => fc.integer({ min: 1, max: 2 }))),
      (x, reps) => ({ inputs: { x }, attrs: { reps } }),
    ),
    large: [
      { inputs: { x: numbers([300, 200], 1) }, attrs: { reps: [1, 3] } },
      { inputs: { x: numbers([300, 1], 1) }, attrs: { reps: [2, 300] } },
      { inputs: { x: booleans([30, 1, 70], 1) }, attrs: { reps: [1, 40, 1] } },
    ],
    small: { inputs: { x: numbers([4, 3], 1) }, attrs: { reps: [2, 1] } },
    tasks: [Task.CopyStrided],
  },
  {
    kernel: 'Reverse',
    calls: calls(
      {},
      (shape) => fc.subarray(shape.map((_, axis) => axis)),
      (x, dims) => ({ inputs: { x }, attrs: { dims } }),
    ),
    large: [{ inputs: { x: numbers([30, 40, 41], 1) }, attrs: { dims: [0, 2] } }],
    small: { inputs: { x: numbers([4, 3], 1) }, attrs: { dims: [0] } },
    tasks: [Task.CopyStrided],
  },
];
