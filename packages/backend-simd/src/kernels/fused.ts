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
  rmsprop: UpdateRule.Rmsprop,
  rmspropMomentum: UpdateRule.RmspropMomentum,
  rmspropCentered: UpdateRule.RmspropCentered,
  rmspropCenteredMomentum: UpdateRule.RmspropCenteredMomentum,
  adagrad: UpdateRule.Adagrad,
  lion: UpdateRule.Lion,
} as const;

/** One weight's part in an update. */
interface UpdateEntry {
  readonly weight: TensorInfo;
  readonly gradient: TensorInfo;
  readonly slots?: readonly TensorInfo[];
  readonly lr: number;
  readonly decay?: number;
  readonly shrink?: number;
  readonly correction?: number;
}

export const fusedKernels: Kernel[] = [
  {
    // {dy, y} + name → dx, from the activation's output
    name: 'deepend.activationGradient',
    run({ inputs, attrs, backend }) {
      const { dy, y } = inputs as { dy: TensorInfo; y: TensorInfo };
      const out = backend.output([...dy.shape]);
      const place = (tensor: TensorInfo) => ({ at: backend.pointer(tensor), shape: dy.shape });
      pairwise(
        backend,
        GRADIENTS[attrs.name as keyof typeof GRADIENTS],
        place(dy),
        place(y),
        place(out),
      );
      return out;
    },
  },
  {
    // {logits, labels} → [loss, correct, dLogits]: mean loss, number of right answers, and the
    // loss's gradient
    name: 'deepend.softmaxCrossEntropy',
    run({ inputs, backend }) {
      const { logits, labels } = inputs as { logits: TensorInfo; labels: TensorInfo };
      const [rows = 0, columns = 0] = logits.shape;
      const [loss, correct, dLogits] = [
        backend.output([]),
        backend.output([]),
        backend.output([rows, columns]),
      ];
      const kind =
        labels.shape.length === 1
          ? SoftmaxKind.CrossEntropyIndices
          : SoftmaxKind.CrossEntropyProbabilities;
      backend.temporary(2 * rows * 4, (losses) => {
        const places = [logits, dLogits, labels].map((tensor) => backend.pointer(tensor));
        const list = [
          ...places,
          losses,
          losses + rows * 4,
          rows,
          columns,
          ROW_BLOCK,
          kind,
          float(1 / rows),
        ];
        backend.launch(Task.Softmax, list, Math.ceil(rows / ROW_BLOCK));
        backend.launch(Task.ReducePartials, [losses, backend.pointer(loss), 1, rows, 1, 1], 1);
        backend.launch(
          Task.ReducePartials,
          [losses + rows * 4, backend.pointer(correct), 1, rows, 1, 1],
          1,
        );
      });
      return [loss, correct, dLogits];
    },
  },
  {
    // attrs: { rule, entries: [{ weight, gradient, slots?, lr, decay?, shrink?, correction? }],
    // beta1, beta2, epsilon }: every weight in one
    // pass, in place, and the slots with them. Gives nothing.
    name: 'deepend.update',
    run({ attrs, backend }) {
      let tiles = 0;
      const table = (attrs.entries as readonly UpdateEntry[]).flatMap((entry) => {
        const { weight, gradient, slots = [], lr, decay = 0, shrink = 1, correction = 1 } = entry;
        const places = [weight, gradient, slots[0], slots[1], slots[2]].map((tensor) =>
          tensor ? backend.pointer(tensor) : 0,
        );
        const [count, first] = [size(weight.shape), tiles];
        tiles += Math.ceil(count / UPDATE_BLOCK);
        return [...places, count, first, ...[lr, decay, shrink, correction].map(float)];
      });
      const words = ruleWords(attrs);
      backend.words(table, (at) =>
        backend.launch(Task.Update, [at, attrs.entries.length, UPDATE_BLOCK, ...words], tiles),
      );
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

/**
 * As assembly/update.ts reads them. 1 − β is rounded by itself: float32's 1 − 0.999 is off by a
 * hundred-thousandth.
 */
function ruleWords({ rule, beta1 = 0, beta2 = 0, epsilon = 0 }: Attrs): number[] {
  return [
    RULES[rule as keyof typeof RULES],
    ...[beta1, 1 - beta1, beta2, 1 - beta2, epsilon].map(float),
  ];
}
