/** Casts, fills and one-hot rows: random calls of each, and larger ones. */
import fc from 'fast-check';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { calls, type Move } from './moves';
import { booleans, integers, numbers, oddNumbers, seeds, shapes } from './operations';

export const CASTS: readonly Move[] = [
  {
    kernel: 'OneHot',
    calls: fc
      .record({
        shape: shapes({ maxRank: 4 }),
        seed: seeds,
        depth: fc.integer({ min: 2, max: 9 }),
        dtype: fc.constantFrom('float32', 'int32', 'bool'),
      })
      .map(({ shape, seed, depth, dtype }) => ({
        inputs: { indices: integers(shape, seed, [-2, 11]) },
        attrs: {
          depth,
          dtype,
          ...(dtype === 'bool' ? { onValue: 1, offValue: 0 } : { onValue: 5, offValue: -2 }),
        },
      })),
    large: [
      {
        inputs: { indices: integers([9000], 1, [0, 10]) },
        attrs: { depth: 10, dtype: 'float32', onValue: 1, offValue: 0.5 },
      },
    ],
    small: {
      inputs: { indices: integers([4], 1) },
      attrs: { depth: 3, dtype: 'float32', onValue: 1, offValue: 0 },
    },
    tasks: [Task.OneHot],
  },
  ...[
    { kernel: 'ZerosLike', tasks: [Task.Fill] },
    { kernel: 'OnesLike', tasks: [Task.Fill] },
  ].map((row) => ({
    ...row,
    calls: calls(
      {},
      () => fc.constant(0),
      (x) => ({ inputs: { x } }),
    ),
    large: [{ inputs: { x: numbers([70_001], 1) } }],
    small: { inputs: { x: numbers([5], 1) } },
  })),
  {
    kernel: 'Fill',
    calls: fc
      .record({
        shape: shapes(),
        value: fc.constantFrom(0, -0, 7, -1.5, Infinity, Number.NaN),
        dtype: fc.constantFrom('float32', undefined),
      })
      .map((attrs) => ({ inputs: {}, attrs })),
    large: [
      { inputs: {}, attrs: { shape: [70_001], value: 0.1, dtype: 'float32' } },
      { inputs: {}, attrs: { shape: [3], value: -7, dtype: 'int32' } },
      { inputs: {}, attrs: { shape: [3], value: 1, dtype: 'bool' } },
    ],
    small: { inputs: {}, attrs: { shape: [3], value: 2, dtype: 'float32' } },
    tasks: [Task.Fill],
  },
  {
    kernel: 'Cast',
    calls: calls(
      {},
      () => fc.constantFrom('float32', 'int32', 'bool'),
      (x, dtype) => ({ inputs: { x }, attrs: { dtype } }),
    ),
    large: [
      { inputs: { x: integers([70_001], 1, [-1e7, 1e7]) }, attrs: { dtype: 'float32' } },
      { inputs: { x: booleans([70_001], 1) }, attrs: { dtype: 'float32' } },
      { inputs: { x: booleans([70_001], 1) }, attrs: { dtype: 'int32' } },
      { inputs: { x: oddNumbers([70_001], 1) }, attrs: { dtype: 'bool' } },
      { inputs: { x: integers([70_001], 1, [-2, 2]) }, attrs: { dtype: 'bool' } },
    ],
    small: { inputs: { x: integers([4], 1) }, attrs: { dtype: 'float32' } },
    tasks: [Task.Cast],
  },
];
