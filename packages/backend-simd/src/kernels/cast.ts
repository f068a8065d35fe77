/** Tensors from other types, from one number, and from indices. */
import { type DataType, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { CastKind } from '../../assembly/ops';
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { float } from '../runtime';
import { BLOCK } from './strides';
import { type Call, type Kernel, size } from './types';

/** From a type to a wider one. Stock cpu narrows. */
const CASTS: Record<string, CastKind | undefined> = {
  'int32 float32': CastKind.IntToFloat,
  'bool float32': CastKind.ByteToFloat,
  'bool int32': CastKind.ByteToInt,
};

const castKind = ({ inputs, attrs }: Call) => CASTS[`${inputs.x?.dtype} ${attrs.dtype}`];

/** A number as the 32 bits that a tensor of this type holds. */
export const bitsOf = (dtype: DataType, value: number): number =>
  dtype === 'float32' ? float(value) : value | 0;

/** Sets `count` words from `at` on. */
export function fill(backend: SimdBackend, at: number, count: number, bits: number): void {
  backend.launch(Task.Fill, [at, count, BLOCK, bits], Math.ceil(count / BLOCK));
}

const isWord = (dtype: unknown): dtype is 'float32' | 'int32' =>
  dtype === 'float32' || dtype === 'int32';

function filled(backend: SimdBackend, shape: number[], dtype: DataType, value: number): TensorInfo {
  const out = backend.output(shape, dtype);
  fill(backend, backend.pointer(out), size(shape), bitsOf(dtype, value));
  return out;
}

/** A tensor like x of one number. */
const like = (name: string, value: number): Kernel => ({
  name,
  takes: ({ inputs }) => isWord(inputs.x?.dtype),
  run: ({ inputs: { x }, backend }) =>
    filled(backend, (x as TensorInfo).shape, (x as TensorInfo).dtype, value),
});

const fillType = ({ attrs: { dtype, value } }: Call): DataType => dtype || util.inferDtype(value);

export const castKernels: readonly Kernel[] = [
  {
    name: 'Cast',
    takes: (call) => castKind(call) !== undefined,
    run(call) {
      const { attrs, backend } = call;
      const x = call.inputs.x as TensorInfo;
      const out = backend.output(x.shape, attrs.dtype);
      const count = size(x.shape);
      const words = [
        backend.pointer(x),
        backend.pointer(out),
        count,
        BLOCK,
        castKind(call) as CastKind,
      ];
      backend.launch(Task.Cast, words, Math.ceil(count / BLOCK));
      return out;
    },
  },
  {
    name: 'Fill',
    takes: (call) => isWord(fillType(call)) && typeof call.attrs.value === 'number',
    run: (call) => filled(call.backend, call.attrs.shape, fillType(call), call.attrs.value),
  },
  like('ZerosLike', 0),
  like('OnesLike', 1),
  {
    name: 'OneHot',
    takes: ({ inputs, attrs }) => inputs.indices?.dtype === 'int32' && isWord(attrs.dtype),
    run({ inputs, attrs: { dtype, depth, onValue, offValue }, backend }) {
      const indices = inputs.indices as TensorInfo;
      const out = backend.output([...indices.shape, depth], dtype);
      const count = size(indices.shape);
      const block = Math.max(1, Math.floor(BLOCK / depth));
      const values = [bitsOf(dtype, onValue), bitsOf(dtype, offValue)];
      const words = [
        backend.pointer(indices),
        backend.pointer(out),
        count,
        block,
        depth,
        ...values,
      ];
      backend.launch(Task.OneHot, words, Math.ceil(count / block));
      return out;
    },
  },
];
