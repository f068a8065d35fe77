/** Operations on pairs of numbers, with broadcasting, and the choice between two by a third. */
import { backend_util, type TensorInfo, util } from '@tensorflow/tfjs-core';
import { BinaryOp } from '../../assembly/ops';
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { BLOCK, collapse, type Dimension, padded, rowsAndColumns, stridesOf } from './strides';
import { type Call, isFloat, type Kernel, size } from './types';

/** Where a tensor lies; `shape` where it may be broadcast. */
interface Place {
  readonly at: number;
  readonly shape: readonly number[];
}

/**
 * An operand's strides over the result's dimensions: 0 where one number serves a whole dimension.
 */
function broadcastStrides(shape: readonly number[], rank: number): number[] {
  const own = stridesOf(shape).map((stride, axis) => (shape[axis] === 1 ? 0 : stride));
  return [...new Array<number>(rank - shape.length).fill(0), ...own];
}

/** The walk over a result and its two operands, collapsed. */
function walkOf(a: readonly number[], b: readonly number[], out: readonly number[]): Dimension[] {
  if (util.arraysEqual(a as number[], b as number[])) return [{ size: size(out), steps: [1, 1] }];
  const [aStrides, bStrides] = [broadcastStrides(a, out.length), broadcastStrides(b, out.length)];
  return collapse(
    out.map((length, i) => ({
      size: length,
      steps: [aStrides[i] as number, bStrides[i] as number],
    })),
  );
}

/** out = a ∘ b; out may be one of the two where nothing is broadcast. */
export function pairwise(backend: SimdBackend, op: BinaryOp, a: Place, b: Place, out: Place): void {
  if (size(out.shape) === 0) return;
  const walk = walkOf(a.shape, b.shape, out.shape);
  const { columns, outer, rows, rowBlock, columnBlock, columnBlocks, tiles } = rowsAndColumns(walk);
  const [aStep = 1, bStep = 1] = columns.steps;
  const words = [
    a.at,
    b.at,
    out.at,
    op,
    columns.size,
    aStep,
    bStep,
    rows,
    rowBlock,
    columnBlock,
    columnBlocks,
  ];
  const sizes = outer.map((dimension) => dimension.size);
  words.push(...padded(sizes, 4, 1));
  for (const operand of [0, 1]) {
    const steps = outer.map((dimension) => dimension.steps[operand] as number);
    words.push(...padded(steps, 5, 0));
  }
  backend.launch(Task.Binary, words, tiles);
}

const placeOf = (backend: SimdBackend, x: TensorInfo): Place => ({
  at: backend.pointer(x),
  shape: x.shape,
});

/** A kernel of two inputs by these names. */
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
      pairwise(backend, op, placeOf(backend, a), placeOf(backend, b), placeOf(backend, out));
      return out;
    },
  };
}

function addN({ inputs, backend }: Call): TensorInfo {
  const [first, ...rest] = Object.values(inputs) as [TensorInfo, ...TensorInfo[]];
  if (rest.length === 0) return backend.alias(first, first.shape);
  const out = backend.output(first.shape);
  const sum = placeOf(backend, out);
  for (const [i, x] of rest.entries()) {
    pairwise(
      backend,
      BinaryOp.Add,
      i === 0 ? placeOf(backend, first) : sum,
      placeOf(backend, x),
      sum,
    );
  }
  return out;
}

/** Three of one shape; stock cpu knows what else a condition may be. */
function takesSelect({ inputs: { condition, t, e } }: Call): boolean {
  const shapes = new Set([condition, t, e].map((x) => x?.shape.join()));
  return (
    shapes.size === 1 &&
    condition?.dtype === 'bool' &&
    t?.dtype === 'float32' &&
    e?.dtype === 'float32'
  );
}

function select({ inputs, backend }: Call): TensorInfo {
  const { condition, t, e } = inputs as { condition: TensorInfo; t: TensorInfo; e: TensorInfo };
  const out = backend.output(t.shape);
  const count = size(t.shape);
  const places = [condition, t, e, out].map((x) => backend.pointer(x));
  backend.launch(Task.Select, [...places, count, BLOCK], Math.ceil(count / BLOCK));
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
  pair('Greater', BinaryOp.Greater),
  pair('GreaterEqual', BinaryOp.GreaterEqual),
  pair('Less', BinaryOp.Less),
  pair('LessEqual', BinaryOp.LessEqual),
  pair('Equal', BinaryOp.Equal),
  pair('NotEqual', BinaryOp.NotEqual),
  { name: 'AddN', takes: isFloat, run: addN },
  { name: 'Select', takes: takesSelect, run: select },
];
