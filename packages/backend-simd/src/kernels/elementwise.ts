/** Binary operations with broadcasting, and select. */
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { BinaryOp, Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { BLOCK, collapse, type Dimension, rowMajorStrides, rowsAndColumns } from './strides';
import { type Call, isFloat, type Kernel, size } from './types';

/** Address and shape of an operand or a result. */
interface Place {
  readonly at: number;
  readonly shape: readonly number[];
}

/** An operand's strides over the result's dimensions, 0 in dimensions that are broadcast. */
function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const own = rowMajorStrides(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
  return [...new Array<number>(rank - shape.length).fill(0), ...own];
}

/** The collapsed walk over a result and its two operands. */
function planWalk(a: readonly number[], b: readonly number[], out: readonly number[]): Dimension[] {
  if ([a, b].every((shape) => util.arraysEqual(shape as number[], out as number[])))
    return [{ size: size(out), steps: [1, 1] }];
  const aStrides = broadcastStrides(a, out.length);
  const bStrides = broadcastStrides(b, out.length);
  return collapse(
    out.map((length, i) => ({
      size: length,
      steps: [aStrides[i] as number, bStrides[i] as number],
    })),
  );
}

/** How a task walks over a result and its two operands. */
export function walkPairs(a: Place, b: Place, out: Place) {
  const walk = planWalk(a.shape, b.shape, out.shape);
  const { columns, outer, rows, rowBlock, columnBlock, columnBlocks, tiles } = rowsAndColumns(walk);
  const [aStep = 1, bStep = 1] = columns.steps;
  const args = {
    a: a.at,
    b: b.at,
    out: out.at,
    inner: columns.size,
    aStep,
    bStep,
    rows,
    rowBlock,
    columnBlock,
    columnBlocks,
    size1: outer[0]?.size ?? 1,
    size2: outer[1]?.size ?? 1,
    size3: outer[2]?.size ?? 1,
    size4: outer[3]?.size ?? 1,
    a0: outer[0]?.steps[0] ?? 0,
    a1: outer[1]?.steps[0] ?? 0,
    a2: outer[2]?.steps[0] ?? 0,
    a3: outer[3]?.steps[0] ?? 0,
    a4: outer[4]?.steps[0] ?? 0,
    b0: outer[0]?.steps[1] ?? 0,
    b1: outer[1]?.steps[1] ?? 0,
    b2: outer[2]?.steps[1] ?? 0,
    b3: outer[3]?.steps[1] ?? 0,
    b4: outer[4]?.steps[1] ?? 0,
  };
  return { args, tiles };
}

/** out = a ∘ b. Without broadcasting, out may be one of the operands. */
export function pairwise(backend: SimdBackend, op: BinaryOp, a: Place, b: Place, out: Place): void {
  if (size(out.shape) === 0) return;
  const { args, tiles } = walkPairs(a, b, out);
  backend.launch(Task.Binary, { ...args, op }, tiles);
}

export const locate = (backend: SimdBackend, x: TensorInfo): Place => ({
  at: backend.pointer(x),
  shape: x.shape,
});

/** A kernel of two inputs with these names. */
function pair(name: string, op: BinaryOp, [first, second] = ['a', 'b']): Kernel {
  return {
    name,
    run({ inputs, backend }) {
      const [a, b] = [inputs[first as string], inputs[second as string]] as [
        TensorInfo,
        TensorInfo,
      ];
      const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
      const out = backend.output(shape, op >= BinaryOp.Greater ? 'bool' : 'float32');
      pairwise(backend, op, locate(backend, a), locate(backend, b), locate(backend, out));
      return out;
    },
  };
}

/** A comparison of float32 or of int32. */
function comparison(name: string, float: BinaryOp, int: BinaryOp): Kernel {
  const [floats, ints] = [pair(name, float), pair(name, int)];
  const areInts = ({ inputs: { a, b } }: Call) => a?.dtype === 'int32' && b?.dtype === 'int32';
  return {
    name,
    takes: (call) => isFloat(call) || areInts(call),
    run: (call) => (areInts(call) ? ints : floats).run(call),
  };
}

function addN({ inputs, backend }: Call): TensorInfo {
  const [first, ...rest] = Object.values(inputs) as [TensorInfo, ...TensorInfo[]];
  if (rest.length === 0) return backend.alias(first, first.shape);
  const out = backend.output(first.shape);
  const sum = locate(backend, out);
  for (const [i, x] of rest.entries()) {
    pairwise(
      backend,
      BinaryOp.Add,
      i === 0 ? locate(backend, first) : sum,
      locate(backend, x),
      sum,
    );
  }
  return out;
}

/** Three tensors of one shape. Stock cpu handles conditions of other shapes. */
function takesSelect({ inputs: { condition, t, e } }: Call): boolean {
  const shapes = new Set([condition, t, e].map((x) => x?.shape.join()));
  return (
    shapes.size === 1 &&
    condition?.dtype === 'bool' &&
    t?.dtype === e?.dtype &&
    ['float32', 'int32', 'bool'].includes(t?.dtype as string)
  );
}

function select({ inputs, backend }: Call): TensorInfo {
  const { condition, t, e } = inputs as { condition: TensorInfo; t: TensorInfo; e: TensorInfo };
  const out = backend.output(t.shape, t.dtype);
  const count = size(t.shape);
  backend.launch(
    Task.Select,
    {
      condition: backend.pointer(condition),
      a: backend.pointer(t),
      b: backend.pointer(e),
      out: backend.pointer(out),
      count,
      block: BLOCK,
      bytes: t.dtype === 'bool' ? 1 : 4,
    },
    Math.ceil(count / BLOCK),
  );
  return out;
}

export const elementwiseKernels: readonly Kernel[] = [
  pair('Add', BinaryOp.Add),
  pair('Sub', BinaryOp.Sub),
  pair('Multiply', BinaryOp.Mul),
  pair('RealDiv', BinaryOp.Div),
  pair('Maximum', BinaryOp.Max),
  pair('Minimum', BinaryOp.Min),
  pair('SquaredDifference', BinaryOp.SquaredDifference),
  pair('Prelu', BinaryOp.Prelu, ['x', 'alpha']),
  pair('EluGrad', BinaryOp.EluGrad, ['dy', 'y']),
  comparison('Greater', BinaryOp.Greater, BinaryOp.GreaterInt),
  comparison('GreaterEqual', BinaryOp.GreaterEqual, BinaryOp.GreaterEqualInt),
  comparison('Less', BinaryOp.Less, BinaryOp.LessInt),
  comparison('LessEqual', BinaryOp.LessEqual, BinaryOp.LessEqualInt),
  comparison('Equal', BinaryOp.Equal, BinaryOp.EqualInt),
  comparison('NotEqual', BinaryOp.NotEqual, BinaryOp.NotEqualInt),
  { name: 'AddN', takes: isFloat, run: addN },
  { name: 'Select', takes: takesSelect, run: select },
];
