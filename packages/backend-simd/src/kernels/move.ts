/** Transpose, pad, slice, concat, tile, reverse and split, of float32 or int32. */
import { backend_util, slice_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import type { SimdBackend } from '../backend';
import { fill, toBits } from './cast';
import { broadcastMask, isBroadcast } from './logical';
import { copy, fits } from './strided-copy';
import { type Dimension, rowMajorStrides } from './strides';
import { type Call, type Kernel, size } from './types';

const WORD = 4;

const isWord = (x: TensorInfo | undefined) => x?.dtype === 'float32' || x?.dtype === 'int32';
const takes = ({ inputs }: Call) => Object.values(inputs).every(isWord);

/** A walk over a shape, with strides in source and target. */
const makeWalk = (
  shape: readonly number[],
  from: readonly number[],
  to: readonly number[],
): Dimension[] =>
  shape.map((length, axis) => ({
    size: length,
    steps: [from[axis] as number, to[axis] as number],
  }));

const offset = (begin: readonly number[], strides: readonly number[]) =>
  begin.reduce((sum, index, axis) => sum + index * (strides[axis] as number), 0);

function transpose({ inputs, attrs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const perm = attrs.perm as number[];
  const strides = rowMajorStrides(x.shape);
  const out = backend.output(
    perm.map((axis) => x.shape[axis] as number),
    x.dtype,
  );
  const from = perm.map((axis) => strides[axis] as number);
  copy(backend, {
    from: backend.pointer(x),
    to: backend.pointer(out),
    walk: makeWalk(out.shape, from, rowMajorStrides(out.shape)),
  });
  return out;
}

function pad({ inputs, attrs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const paddings = attrs.paddings as [number, number][];
  const out = backend.output(
    paddings.map(([before, after], axis) => before + (x.shape[axis] as number) + after),
    x.dtype,
  );
  fill(backend, backend.pointer(out), size(out.shape), toBits(x.dtype, attrs.constantValue));
  const strides = rowMajorStrides(out.shape);
  const start = offset(
    paddings.map(([before]) => before),
    strides,
  );
  const to = backend.pointer(out) + start * WORD;
  copy(backend, {
    from: backend.pointer(x),
    to,
    walk: makeWalk(x.shape, rowMajorStrides(x.shape), strides),
  });
  return out;
}

/** Copies a part of x. @param shape of the result; the same elements as `sizes` */
function copyPart(
  backend: SimdBackend,
  x: TensorInfo,
  begin: readonly number[],
  sizes: readonly number[],
  shape = sizes,
): TensorInfo {
  const strides = rowMajorStrides(x.shape);
  const out = backend.output([...shape], x.dtype);
  const from = backend.pointer(x) + offset(begin, strides) * WORD;
  copy(backend, {
    from,
    to: backend.pointer(out),
    walk: makeWalk(sizes, strides, rowMajorStrides(sizes)),
  });
  return out;
}

function slice({ inputs, attrs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const tensor = x as Parameters<typeof slice_util.parseSliceParams>[0];
  const [begin, sizes] = slice_util.parseSliceParams(tensor, attrs.begin, attrs.size) as [
    number[],
    number[],
  ];
  slice_util.assertParamsValid(x, begin, sizes);
  return copyPart(backend, x, begin, sizes);
}

/** Splits x along an axis into parts of these lengths. @param squeeze removes the axis */
function split(
  backend: SimdBackend,
  x: TensorInfo,
  axis: number,
  lengths: readonly number[],
  squeeze = false,
): TensorInfo[] {
  let start = 0;
  return lengths.map((length) => {
    const begin = x.shape.map((_, i) => (i === axis ? start : 0));
    const sizes = x.shape.map((n, i) => (i === axis ? length : n));
    start += length;
    return copyPart(backend, x, begin, sizes, squeeze ? sizes.filter((_, i) => i !== axis) : sizes);
  });
}

/** Concatenates tensors along an axis. Each is read as [outer][its part of a row of out]. */
function join(
  backend: SimdBackend,
  tensors: readonly TensorInfo[],
  shape: number[],
  axis: number,
): TensorInfo {
  const out = backend.output(shape, tensors[0]?.dtype);
  const outer = size(shape.slice(0, axis));
  const row = size(shape.slice(axis));
  let start = 0;
  for (const x of tensors) {
    const part = outer === 0 ? 0 : size(x.shape) / outer;
    const walk = makeWalk([outer, part], [part, 1], [row, 1]);
    copy(backend, { from: backend.pointer(x), to: backend.pointer(out) + start * WORD, walk });
    start += part;
  }
  return out;
}

/** All inputs have the same dtype. */
const takesOneType = (call: Call) =>
  takes(call) && new Set(Object.values(call.inputs).map((x) => x.dtype)).size === 1;

function concat({ inputs, attrs, backend }: Call): TensorInfo {
  const tensors = Object.values(inputs);
  const shapes: number[][] = tensors.map((x) => x.shape);
  const axis = util.parseAxisParam(attrs.axis, shapes[0] as number[])[0] as number;
  backend_util.assertParamsConsistent(shapes, axis);
  return join(backend, tensors, backend_util.computeOutShape(shapes, axis), axis);
}

function pack({ inputs, attrs, backend }: Call): TensorInfo {
  const tensors = Object.values(inputs);
  const { shape } = tensors[0] as TensorInfo;
  for (const x of tensors) util.assertShapesMatch(shape, x.shape, '[backend-simd] stack: ');
  const axis = attrs.axis < 0 ? attrs.axis + shape.length + 1 : attrs.axis;
  return join(
    backend,
    tensors,
    [...shape.slice(0, axis), tensors.length, ...shape.slice(axis)],
    axis,
  );
}

/** Each dimension of x becomes two: the index of the copy, and the index inside it. */
function tileWalk({ inputs, attrs }: Call): Dimension[] {
  const { shape } = inputs.x as TensorInfo;
  const strides = rowMajorStrides(shape);
  const outStrides = rowMajorStrides(shape.map((length, axis) => length * attrs.reps[axis]));
  return shape.flatMap((length, axis) => {
    const from = strides[axis] as number;
    const to = outStrides[axis] as number;
    return [
      { size: attrs.reps[axis] as number, steps: [0, to * length] },
      { size: length, steps: [from, to] },
    ];
  });
}

function tile(call: Call): TensorInfo {
  const { attrs, backend } = call;
  const x = call.inputs.x as TensorInfo;
  const out = backend.output(
    x.shape.map((length, axis) => length * attrs.reps[axis]),
    x.dtype,
  );
  copy(backend, { from: backend.pointer(x), to: backend.pointer(out), walk: tileWalk(call) });
  return out;
}

function reverse({ inputs, attrs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const axes = x.shape.length > 0 ? util.parseAxisParam(attrs.dims, x.shape) : [];
  const strides = rowMajorStrides(x.shape);
  const out = backend.output(x.shape, x.dtype);
  const last = x.shape.map((length, axis) => (axes.includes(axis) ? length - 1 : 0));
  const from = strides.map((stride, axis) => (axes.includes(axis) ? -stride : stride));
  const start = backend.pointer(x) + offset(last, strides) * WORD;
  copy(backend, { from: start, to: backend.pointer(out), walk: makeWalk(x.shape, from, strides) });
  return out;
}

export const moveKernels: readonly Kernel[] = [
  { name: 'Transpose', takes, run: transpose },
  { name: 'PadV2', takes, run: pad },
  { name: 'Slice', takes, run: slice },
  { name: 'Concat', takes: takesOneType, run: concat },
  { name: 'Pack', takes: takesOneType, run: pack },
  {
    name: 'Tile',
    takes: (call) => isBroadcast(call) || (takes(call) && fits(tileWalk(call))),
    run: (call) => (isBroadcast(call) ? broadcastMask(call) : tile(call)),
  },
  { name: 'Reverse', takes, run: reverse },
  {
    name: 'SplitV',
    takes,
    run({ inputs, attrs, backend }) {
      const x = inputs.x as TensorInfo;
      const axis = util.parseAxisParam(attrs.axis, x.shape)[0] as number;
      const lengths = backend_util.prepareSplitSize(
        x as Parameters<typeof backend_util.prepareSplitSize>[0],
        attrs.numOrSizeSplits,
        axis,
      );
      return split(backend, x, axis, lengths);
    },
  },
  {
    name: 'Unpack',
    takes,
    run({ inputs, attrs, backend }) {
      const value = inputs.value as TensorInfo;
      const axis = attrs.axis < 0 ? attrs.axis + value.shape.length : attrs.axis;
      return split(
        backend,
        value,
        axis,
        new Array<number>(value.shape[axis] as number).fill(1),
        true,
      );
    },
  },
];
