/** Operations that take numbers one by one. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { UnaryOp } from '../../assembly/ops';
import { Task } from '../../assembly/task';
import { float } from '../runtime';
import { BLOCK } from './strides';
import { type Attrs, type Kernel, size } from './types';

type Parameters = readonly [alpha: number, beta?: number];

/** TensorFlow.js's name, the assembly's number, and what the operation is told besides. */
const ROWS: readonly (readonly [
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

export const unaryKernels: readonly Kernel[] = ROWS.map(([name, op, parameters]) => ({
  name,
  run({ inputs, attrs, backend }) {
    const x = inputs.x as TensorInfo;
    const out = backend.output(x.shape);
    const count = size(x.shape);
    const [alpha, beta = 0] = parameters?.(attrs) ?? [0];
    const words = [
      backend.pointer(x),
      backend.pointer(out),
      count,
      BLOCK,
      op,
      float(alpha),
      float(beta),
    ];
    backend.launch(Task.Unary, words, Math.ceil(count / BLOCK));
    return out;
  },
}));
