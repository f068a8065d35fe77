/** And, or and not of masks, and masks broadcast to a larger shape. See assembly/logical.ts. */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { LogicalOp, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { locate, walkPairs } from './elementwise';
import { type Call, type Kernel, size } from './types';

const isMask = ({ inputs }: Call): boolean =>
  Object.values(inputs).every((x) => x.dtype === 'bool');

function join(
  backend: SimdBackend,
  op: LogicalOp,
  [a, b]: readonly [TensorInfo, TensorInfo],
  shape: number[],
): TensorInfo {
  const out = backend.output(shape, 'bool');
  if (size(shape) === 0) return out;
  const [first, second, to] = [a, b, out].map((x) => locate(backend, x)) as [
    ReturnType<typeof locate>,
    ReturnType<typeof locate>,
    ReturnType<typeof locate>,
  ];
  const { args, tiles } = walkPairs(first, second, to);
  backend.launch(Task.Logical, { ...args, op }, tiles);
  return out;
}

const pair = (name: string, op: LogicalOp): Kernel => ({
  name,
  takes: isMask,
  run({ inputs, backend }) {
    const { a, b } = inputs as { a: TensorInfo; b: TensorInfo };
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    return join(backend, op, [a, b], shape);
  },
});

/** Whether `Tile` only repeats along dimensions of size 1, as broadcasting does. */
export function isBroadcast(call: Call): boolean {
  const { shape } = call.inputs.x as TensorInfo;
  return isMask(call) && shape.every((length, axis) => length === 1 || call.attrs.reps[axis] === 1);
}

export function broadcastMask({ inputs, attrs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const shape = x.shape.map((length, axis) => length * attrs.reps[axis]);
  return join(backend, LogicalOp.Or, [x, x], shape);
}

export const logicalKernels: readonly Kernel[] = [
  pair('LogicalAnd', LogicalOp.And),
  pair('LogicalOr', LogicalOp.Or),
  {
    name: 'LogicalNot',
    takes: isMask,
    run({ inputs, backend }) {
      const x = inputs.x as TensorInfo;
      return join(backend, LogicalOp.Not, [x, x], x.shape);
    },
  },
];
