/** Rows by their indices, sums of rows by theirs, and the index of the largest number. */
import { backend_util, gather_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { BLOCK } from './strides';
import { type Call, isFloat, type Kernel, size } from './types';

type Tensor = Parameters<typeof gather_util.prepareAndValidate>[0];

/** Columns of a table in one tile: two cache lines. */
const COLUMN_BLOCK = 32;
/** Numbers that a tile of `ArgMax` reads. */
const TILE = 8192;

const isWord = (x: TensorInfo | undefined) => x?.dtype === 'float32' || x?.dtype === 'int32';
const isFilled = (x: TensorInfo | undefined) => size(x?.shape ?? [0]) > 0;

interface Rows {
  readonly outer: number;
  readonly length: number;
  readonly count: number;
  readonly inner: number;
  readonly rows: number;
}

function launchGather(backend: SimdBackend, at: readonly [number, number, number], sizes: Rows) {
  const [x, ids, out] = at;
  const block = Math.max(1, Math.floor(BLOCK / sizes.inner));
  const tiles = Math.ceil(sizes.rows / block);
  backend.launch(Task.GatherRows, { x, ids, out, ...sizes, block }, tiles);
}

function gather({ inputs, attrs, backend }: Call): TensorInfo {
  const { x, indices } = inputs as { x: TensorInfo; indices: TensorInfo };
  const axis = util.parseAxisParam(attrs.axis, x.shape)[0] as number;
  const { batchSize, outerSize, dimSize, sliceSize, outputShape } =
    backend_util.segment_util.collectGatherOpShapeInfo(
      x as Tensor,
      indices as Tensor,
      axis,
      attrs.batchDims ?? 0,
    );
  for (const index of backend.values(indices) as Int32Array) {
    if (index >= 0 && index < dimSize) continue;
    throw new Error(`GatherV2: the index value ${index} is not in [0, ${dimSize - 1}]`);
  }
  const out = backend.output(outputShape, x.dtype);
  const count = size(indices.shape) / batchSize;
  launchGather(backend, [backend.pointer(x), backend.pointer(indices), backend.pointer(out)], {
    outer: outerSize,
    length: dimSize,
    count,
    inner: sliceSize,
    rows: batchSize * outerSize * count,
  });
  return out;
}

/**
 * Indices of several dimensions, `[count, rank]`, as those of rows.
 * @throws Error when one lies outside the shape
 */
function flatIndices(
  indices: ArrayLike<number>,
  strides: readonly number[],
  shape: readonly number[],
): number[] {
  const rank = strides.length;
  return Array.from({ length: indices.length / rank }, (_, i) => {
    let flat = 0;
    for (let axis = 0; axis < rank; axis++) {
      const index = indices[i * rank + axis] as number;
      if (!(index >= 0 && index < (shape[axis] as number))) {
        const place = Array.prototype.slice.call(indices, i * rank, (i + 1) * rank);
        throw new Error(`Invalid indices: ${place} does not index into ${shape}`);
      }
      flat += index * (strides[axis] as number);
    }
    return flat;
  });
}

/** Strides of the first `rank` axes, in rows of the others. */
const rowStrides = (shape: readonly number[], rank: number): number[] =>
  Array.from({ length: rank }, (_, axis) => size(shape.slice(axis + 1, rank)));

function gatherNd({ inputs, backend }: Call): TensorInfo {
  const { params, indices } = inputs as { params: TensorInfo; indices: TensorInfo };
  const [shape, rows, inner] = gather_util.prepareAndValidate(params as Tensor, indices as Tensor);
  const rank = indices.shape.at(-1) as number;
  const { shape: of } = params;
  const flat = flatIndices(backend.values(indices) as Int32Array, rowStrides(of, rank), of);
  const out = backend.output(shape, params.dtype);
  const sizes = { outer: 1, length: size(of) / inner, count: rows, inner, rows };
  backend.words(flat, (ids) =>
    launchGather(backend, [backend.pointer(params), ids, backend.pointer(out)], sizes),
  );
  return out;
}

export interface Sums {
  readonly dy: number;
  /** Address of int32 indices; those outside 0 to num − 1 are left out. */
  readonly ids: number;
  readonly out: number;
  readonly count: number;
  readonly num: number;
  readonly dim: number;
}

/** out[num][dim]: sums of the rows of dy[count][dim] by their index. */
export function sumRows(backend: SimdBackend, sums: Sums): void {
  const tiles = Math.ceil(sums.dim / COLUMN_BLOCK);
  backend.launch(Task.EmbeddingGradient, { ...sums, block: COLUMN_BLOCK }, tiles);
}

function scatterNd({ inputs, attrs, backend }: Call): TensorInfo {
  const { indices, updates } = inputs as { indices: TensorInfo; updates: TensorInfo };
  const shape = attrs.shape as number[];
  const rank = indices.shape.length > 1 ? (indices.shape.at(-1) as number) : 1;
  const flat = flatIndices(backend.values(indices) as Int32Array, rowStrides(shape, rank), shape);
  const out = backend.output(shape);
  const num = size(shape.slice(0, rank));
  const [dy, to] = [backend.pointer(updates), backend.pointer(out)];
  backend.words(flat, (ids) =>
    sumRows(backend, { dy, ids, out: to, count: flat.length, num, dim: size(shape) / num }),
  );
  return out;
}

function segmentSum({ inputs, attrs, backend }: Call): TensorInfo {
  const { x, segmentIds } = inputs as { x: TensorInfo; segmentIds: TensorInfo };
  const [count = 0, ...row] = x.shape;
  const num = attrs.numSegments as number;
  const out = backend.output([num, ...row]);
  const [dy, ids, to] = [x, segmentIds, out].map((tensor) => backend.pointer(tensor)) as [
    number,
    number,
    number,
  ];
  sumRows(backend, { dy, ids, out: to, count, num, dim: size(row) });
  return out;
}

const argExtreme = (name: string, isMin: number): Kernel => ({
  name,
  takes: (call) => isFloat(call) && isFilled(call.inputs.x),
  run({ inputs, attrs, backend }) {
    const x = inputs.x as TensorInfo;
    const axis = util.parseAxisParam(attrs.axis, x.shape)[0] as number;
    const [outer, inner] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
    const length = x.shape[axis] ?? 1;
    const out = backend.output([...outer, ...inner], 'int32');
    const count = size(out.shape);
    const block = Math.max(1, Math.floor(TILE / length));
    backend.launch(
      Task.ArgExtreme,
      {
        x: backend.pointer(x),
        out: backend.pointer(out),
        length,
        inner: size(inner),
        count,
        block,
        isMin,
      },
      Math.ceil(count / block),
    );
    return out;
  },
});

export const gatherKernels: readonly Kernel[] = [
  {
    name: 'GatherV2',
    takes: ({ inputs: { x, indices } }) =>
      isWord(x) && indices?.dtype === 'int32' && isFilled(x) && isFilled(indices),
    run: gather,
  },
  {
    name: 'GatherNd',
    takes: ({ inputs: { params, indices } }) =>
      isWord(params) && indices?.dtype === 'int32' && isFilled(params) && isFilled(indices),
    run: gatherNd,
  },
  {
    name: 'ScatterNd',
    takes: ({ inputs: { indices, updates }, attrs }) =>
      updates?.dtype === 'float32' &&
      updates.shape.length > 0 &&
      indices?.dtype === 'int32' &&
      [updates, indices].every(isFilled) &&
      size(attrs.shape) > 0,
    run: scatterNd,
  },
  {
    name: 'UnsortedSegmentSum',
    takes: ({ inputs: { x, segmentIds } }) =>
      x?.dtype === 'float32' &&
      segmentIds?.dtype === 'int32' &&
      segmentIds.shape.length === 1 &&
      x.shape.length > 0 &&
      isFilled(x),
    run: segmentSum,
  },
  argExtreme('ArgMax', 0),
  argExtreme('ArgMin', 1),
];
