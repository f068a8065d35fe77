/** Kernels that read or add up rows by their indices, and ArgMax: random calls and larger ones. */
import fc from 'fast-check';
import { Task } from '../../packages/backend-simd/assembly/ops';
import { calls, type Move } from './moves';
import { integers, type Numbers, numbers } from './operations';

const product = (shape: readonly number[]) => shape.reduce((n, size) => n * size, 1);
const filled = { minRank: 1, minSize: 1, maxRank: 4 };
const places = (shape: number[]) =>
  fc.tuple(fc.nat(shape.length - 1), fc.integer({ min: 1, max: 9 }));

/** Indices `[count, rank]` of the first axes of a shape, some of them equal. */
const indicesOf = (shape: readonly number[], rank: number, count: number): Numbers => ({
  dtype: 'int32',
  shape: [count, rank],
  values: Int32Array.from({ length: count * rank }, (_, i) => {
    const axis = i % rank;
    return ((i - axis) * (axis + 1) * 7) % (shape[axis] as number);
  }),
});

const extreme = (kernel: string): Move => ({
  kernel,
  calls: calls(
    filled,
    (shape) => fc.nat(shape.length - 1),
    (x, axis) => ({ inputs: { x }, attrs: { axis } }),
  ),
  large: [
    { inputs: { x: numbers([4096, 20], 1) }, attrs: { axis: 1 } },
    { inputs: { x: numbers([70, 30, 21], 1) }, attrs: { axis: 0 } },
  ],
  small: { inputs: { x: numbers([8, 9], 1) }, attrs: { axis: 1 } },
  tasks: [Task.ArgExtreme],
});

const table = numbers([9, 40], 1);

export const GATHERS: readonly Move[] = [
  {
    kernel: 'GatherV2',
    calls: calls(filled, places, (x, [axis, count]) => {
      const ofBatch = axis > 0 && count % 2 === 0;
      const shape = ofBatch ? [x.shape[0] as number, count] : [count];
      const indices = integers(shape, count, [0, x.shape[axis] as number]);
      return { inputs: { x, indices }, attrs: { axis, batchDims: ofBatch ? 1 : 0 } };
    }),
    large: [
      {
        inputs: { x: numbers([1000, 37], 1), indices: integers([70, 30], 1, [0, 1000]) },
        attrs: { axis: 0, batchDims: 0 },
      },
      {
        inputs: { x: numbers([50, 900, 1], 1), indices: integers([50, 400], 1, [0, 900]) },
        attrs: { axis: 1, batchDims: 1 },
      },
    ],
    small: {
      inputs: { x: table, indices: integers([5], 1, [0, 9]) },
      attrs: { axis: 0, batchDims: 0 },
    },
    tasks: [Task.GatherRows],
  },
  {
    kernel: 'GatherNd',
    calls: calls(filled, places, (params, [axis, count]) => ({
      inputs: { params, indices: indicesOf(params.shape, axis + 1, count) },
    })),
    small: { inputs: { params: table, indices: indicesOf([9, 40], 2, 6) } },
    tasks: [Task.GatherRows],
  },
  {
    kernel: 'ScatterNd',
    calls: calls(filled, places, ({ shape }, [axis, count]) => ({
      inputs: {
        indices: indicesOf(shape, axis + 1, count),
        updates: numbers([count, ...shape.slice(axis + 1)], product(shape)),
      },
      attrs: { shape },
    })),
    large: [
      {
        inputs: { indices: indicesOf([300], 1, 700), updates: numbers([700, 150], 1) },
        attrs: { shape: [300, 150] },
      },
    ],
    small: {
      inputs: { indices: indicesOf([9], 1, 5), updates: numbers([5, 40], 1) },
      attrs: { shape: [9, 40] },
    },
    tasks: [Task.EmbeddingGradient],
  },
  extreme('ArgMax'),
  extreme('ArgMin'),
];
