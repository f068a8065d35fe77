/** Unary operations. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task, UnaryOp } from '../../assembly/ops';
import { BLOCK } from './strides';
import { type Attrs, type Kernel, size } from './types';

type Parameters = readonly [alpha: number, beta?: number];

/** TensorFlow.js's name, the operation's code, and how its parameters follow from attributes. */
const OPERATIONS: readonly (readonly [
  name: string,
  op: UnaryOp,
  parameters?: (attrs: Attrs) => Parameters,
])[] = [
  ['Relu', UnaryOp.Relu],
  ['Relu6', UnaryOp.Relu6],
  ['Neg', UnaryOp.Neg],
  ['Abs', UnaryOp.Abs],
  ['Square', UnaryOp.Square],
  ['Sqrt', UnaryOp.Sqrt],
  ['Rsqrt', UnaryOp.Rsqrt],
  ['Step', UnaryOp.Step, ({ alpha }) => [alpha]],
  ['Reciprocal', UnaryOp.Reciprocal],
  ['Floor', UnaryOp.Floor],
  ['Ceil', UnaryOp.Ceil],
  ['Round', UnaryOp.Round],
  ['LeakyRelu', UnaryOp.LeakyRelu, ({ alpha }) => [alpha]],
  ['ClipByValue', UnaryOp.Clip, ({ clipValueMin, clipValueMax }) => [clipValueMin, clipValueMax]],
  ['Exp', UnaryOp.Exp],
  ['Expm1', UnaryOp.Expm1],
  ['Elu', UnaryOp.Elu],
  ['Sigmoid', UnaryOp.Sigmoid],
  ['Tanh', UnaryOp.Tanh],
  ['Log', UnaryOp.Log],
  ['Log1p', UnaryOp.Log1p],
  ['Softplus', UnaryOp.Softplus],
  ['Sin', UnaryOp.Sin],
  ['Cos', UnaryOp.Cos],
];

export const unaryKernels: readonly Kernel[] = OPERATIONS.map(([name, op, parameters]) => ({
  name,
  run({ inputs, attrs, backend }) {
    const x = inputs.x as TensorInfo;
    const out = backend.output(x.shape);
    const count = size(x.shape);
    const [alpha, beta = 0] = parameters?.(attrs) ?? [0];
    backend.launch(
      Task.Unary,
      { x: backend.pointer(x), out: backend.pointer(out), count, block: BLOCK, op, alpha, beta },
      Math.ceil(count / BLOCK),
    );
    return out;
  },
}));
