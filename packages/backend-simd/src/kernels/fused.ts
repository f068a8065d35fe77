/** The rest of deepend's fused operations: what `compiler`'s plan asks an engine for by name. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BinaryOp, UpdateRule } from '../../assembly/ops';
import { SoftmaxKind } from '../../assembly/softmax-kind';
import { Task } from '../../assembly/task';
import { float } from '../runtime';
import { pairwise } from './elementwise';
import { type Attrs, type Kernel, size } from './types';

/** Rows of logits in one tile. */
const ROW_BLOCK = 32;
const UPDATE_BLOCK = 16_384;

const RULES = {
  sgd: UpdateRule.Sgd,
  momentum: UpdateRule.Momentum,
  nesterov: UpdateRule.Nesterov,
  adam: UpdateRule.Adam,
} as const;

export const fusedKernels: Kernel[] = [
  {
    // {dy, y} + name → dx, from the activation's output
    name: 'deepend.activationGradient',
    run({ inputs, attrs, backend }) {
      const { dy, y } = inputs as { dy: TensorInfo; y: TensorInfo };
      const out = backend.output([...dy.shape]);
      const place = (tensor: TensorInfo) => ({ at: backend.pointer(tensor), shape: dy.shape });
      pairwise(backend, GRADIENTS[attrs.name as keyof typeof GRADIENTS], place(dy), place(y), place(out));
      return out;
    },
  },
  {
    // {logits, labels} → [loss, correct, dLogits]: mean loss, number of right answers, and the loss's gradient
    name: 'deepend.softmaxCrossEntropy',
    run({ inputs, backend }) {
      const { logits, labels } = inputs as { logits: TensorInfo; labels: TensorInfo };
      const [rows = 0, columns = 0] = logits.shape;
      const [loss, correct, dLogits] = [backend.output([]), backend.output([]), backend.output([rows, columns])];
      const kind = labels.shape.length === 1 ? SoftmaxKind.CrossEntropyIndices : SoftmaxKind.CrossEntropyProbabilities;
      backend.temporary(2 * rows * 4, (losses) => {
        const places = [logits, dLogits, labels].map((tensor) => backend.pointer(tensor));
        const list = [...places, losses, losses + rows * 4, rows, columns, ROW_BLOCK, kind, float(1 / rows)];
        backend.launch(Task.Softmax, list, Math.ceil(rows / ROW_BLOCK));
        backend.launch(Task.ReducePartials, [losses, backend.pointer(loss), 1, rows, 1, 1], 1);
        backend.launch(Task.ReducePartials, [losses + rows * 4, backend.pointer(correct), 1, rows, 1, 1], 1);
      });
      return [loss, correct, dLogits];
    },
  },
  {
    // attrs: { rule, weights, gradients, slots, lr, momentum (Adam's β₁), beta2, epsilon, weightDecay, step }: every weight in one
    // pass, in place, and the slots with them: one list of tensors for a momentum, two for Adam. Gives nothing.
    name: 'deepend.update',
    run({ attrs, backend }) {
      const {
        weights,
        gradients,
        slots = [],
      } = attrs as { weights: TensorInfo[]; gradients: TensorInfo[]; slots?: TensorInfo[][] };
      let tiles = 0;
      const table = weights.flatMap((weight, i) => {
        const count = size(weight.shape);
        const places = [weight, gradients[i], slots[0]?.[i], slots[1]?.[i]].map((tensor) =>
          tensor ? backend.pointer(tensor) : 0,
        );
        const first = tiles;
        tiles += Math.ceil(count / UPDATE_BLOCK);
        return [...places, count, first];
      });
      backend.words(table, (at) => backend.launch(Task.Update, [at, weights.length, UPDATE_BLOCK, ...ruleWords(attrs)], tiles));
      return [];
    },
  },
];

const GRADIENTS = {
  relu: BinaryOp.ReluGrad,
  relu6: BinaryOp.Relu6Grad,
  sigmoid: BinaryOp.SigmoidGrad,
  tanh: BinaryOp.TanhGrad,
} as const;

function ruleWords({ rule, lr, momentum = 0, beta2 = 0, epsilon = 0, weightDecay = 0, step = 1 }: Attrs): number[] {
  const corrections = [1 - momentum ** step, 1 - beta2 ** step];
  return [RULES[rule as keyof typeof RULES], ...[lr, momentum, beta2, epsilon, weightDecay, ...corrections].map(float)];
}
