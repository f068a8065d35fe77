/** Casts, constant tensors and one-hot rows. */
import { type DataType, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { CastKind, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { BLOCK } from './strides';
import { type Call, type Kernel, size } from './types';

/** Stock cpu casts floats to integers. */
const CASTS: Record<string, CastKind | undefined> = {
  'int32 float32': CastKind.IntToFloat,
  'bool float32': CastKind.ByteToFloat,
  'bool int32': CastKind.ByteToInt,
  'float32 bool': CastKind.FloatToByte,
  'int32 bool': CastKind.IntToByte,
};

const castKind = ({ inputs, attrs }: Call) => CASTS[`${inputs.x?.dtype} ${attrs.dtype}`];

const bits = new DataView(new ArrayBuffer(4));

function floatToBits(value: number): number {
  bits.setFloat32(0, value);
  return bits.getInt32(0);
}

/** The 32 bits of a number in a tensor of this type. */
export const toBits = (dtype: DataType, value: number): number =>
  dtype === 'float32' ? floatToBits(value) : value | 0;

/** Sets `count` 32-bit words from address `at` on. */
export function fill(backend: SimdBackend, at: number, count: number, bits: number): void {
  backend.launch(Task.Fill, { out: at, count, block: BLOCK, bits }, Math.ceil(count / BLOCK));
}

const isWord = (dtype: unknown): dtype is 'float32' | 'int32' =>
  dtype === 'float32' || dtype === 'int32';

function filled(backend: SimdBackend, shape: number[], dtype: DataType, value: number): TensorInfo {
  const out = backend.output(shape, dtype);
  fill(backend, backend.pointer(out), size(shape), toBits(dtype, value));
  return out;
}

/** A kernel whose output has the shape and dtype of x and one value everywhere. */
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
      backend.launch(
        Task.Cast,
        {
          x: backend.pointer(x),
          out: backend.pointer(out),
          count,
          block: BLOCK,
          kind: castKind(call) as CastKind,
        },
        Math.ceil(count / BLOCK),
      );
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
      backend.launch(
        Task.OneHot,
        {
          x: backend.pointer(indices),
          out: backend.pointer(out),
          count,
          block,
          depth,
          on: toBits(dtype, onValue),
          off: toBits(dtype, offValue),
        },
        Math.ceil(count / block),
      );
      return out;
    },
  },
];
