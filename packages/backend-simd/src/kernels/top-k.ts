/** The largest numbers of rows. See assembly/top-k.ts. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { ReduceOp, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { reduce } from './reduce';
import { type Call, isFloat, type Kernel, size } from './types';

/** Numbers that one tile reads. */
const TILE = 8192;

/** A maximum is NaN where one of its numbers is. */
const hasNaN = (backend: SimdBackend, x: TensorInfo): boolean =>
  backend.attempt(() =>
    backend.temporary(4, (at) => {
      const pass = { outer: 1, length: size(x.shape), inner: 1 };
      reduce(backend, ReduceOp.Max, backend.pointer(x), at, pass, 1);
      return Number.isNaN(new Float32Array(backend.buffer, at, 1)[0]);
    }),
  );

/** Stock cpu has no order of its own for NaN: where its algorithm leaves it, there it is. */
function takes(call: Call): boolean {
  const x = call.inputs.x as TensorInfo;
  const isTaken = isFloat(call) && size(x.shape) > 0 && call.attrs.k > 0;
  return isTaken && call.backend.hasOwnType(x) && !hasNaN(call.backend, x);
}

/** Sorted even if `sorted` is false. Equal numbers, also infinite ones, in the order of indices. */
function topK({ inputs, attrs, backend }: Call): TensorInfo[] {
  const x = inputs.x as TensorInfo;
  const k = attrs.k as number;
  const n = x.shape.at(-1) as number;
  const rows = size(x.shape) / n;
  const shape = [...x.shape.slice(0, -1), k];
  const [values, indices] = [backend.output(shape), backend.output(shape, 'int32')];
  const block = Math.max(1, Math.floor(TILE / n));
  backend.launch(
    Task.TopK,
    {
      x: backend.pointer(x),
      values: backend.pointer(values),
      indices: backend.pointer(indices),
      rows,
      n,
      k,
      block,
    },
    Math.ceil(rows / block),
  );
  return [values, indices];
}

export const topKKernels: readonly Kernel[] = [{ name: 'TopK', takes, run: topK }];
