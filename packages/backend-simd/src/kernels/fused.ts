/**
 * Fused kernels that `compiler`'s plan runs by name: the gradient of activations, the cross-entropy
 * with its gradient, and the optimizers' update.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BinaryOp, SoftmaxKind, Task, UpdateRule } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { UpdateEntry } from '../generated/bindings';
import { pairwise } from './elementwise';
import { type Call, type FusedKernel, size } from './types';

/** Rows of logits in a tile. */
const ROW_BLOCK = 32;
/** Elements of a weight in a tile. */
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

/** How `compiler` describes the update of one weight. */
interface WeightUpdate {
  readonly weight: TensorInfo;
  readonly gradient: TensorInfo;
  readonly slots?: readonly TensorInfo[];
  readonly lr: number;
  readonly decay?: number;
  readonly shrink?: number;
  readonly correction?: number;
}

interface CrossEntropy {
  /** Factor of the losses and of the gradient. */
  readonly scale: number;
  /** Addresses of the losses of the rows, and of the weight of each row that is right. */
  readonly losses: number;
  readonly correct: number;
  readonly smoothing?: number;
}

/** Losses, right answers and `dLogits` of the rows. */
function crossEntropyRows({ inputs, backend }: Call, options: CrossEntropy): TensorInfo {
  const { logits, labels, weights, classWeights } = inputs as Record<string, TensorInfo>;
  const [rows = 0, columns = 0] = (logits as TensorInfo).shape;
  const dLogits = backend.output([rows, columns]);
  const isIndices = labels?.shape.length === 1;
  const pointer = (tensor: TensorInfo | undefined) => (tensor ? backend.pointer(tensor) : 0);
  backend.launch(
    Task.Softmax,
    {
      x: pointer(logits),
      out: pointer(dLogits),
      labels: pointer(labels),
      rows,
      columns,
      block: ROW_BLOCK,
      kind: isIndices ? SoftmaxKind.CrossEntropyIndices : SoftmaxKind.CrossEntropyProbabilities,
      weights: pointer(weights),
      classWeights: pointer(classWeights),
      smoothing: 0,
      ...options,
    },
    Math.ceil(rows / ROW_BLOCK),
  );
  return dLogits;
}

const sumOf = (backend: SimdBackend, source: number, count: number, out: TensorInfo) =>
  backend.launch(
    Task.ReducePartials,
    { source, out: backend.pointer(out), count: 1, partials: count, stride: 1, block: 1 },
    1,
  );

/** Mean loss of all rows. */
function softmaxCrossEntropy(call: Call): TensorInfo[] {
  const { backend } = call;
  const [rows = 0] = call.inputs.logits?.shape ?? [];
  const [loss, correct] = [backend.output([]), backend.output([])];
  return backend.temporary(2 * rows * 4, (losses) => {
    const right = losses + rows * 4;
    const dLogits = crossEntropyRows(call, { scale: 1 / rows, losses, correct: right });
    sumOf(backend, losses, rows, loss);
    sumOf(backend, right, rows, correct);
    return [loss, correct, dLogits];
  });
}

function weightedCrossEntropy(call: Call): TensorInfo[] {
  const { backend, attrs } = call;
  const [rows = 0] = call.inputs.logits?.shape ?? [];
  const [losses, correct] = [backend.output([rows]), backend.output([])];
  const [mass = 1] = call.inputs.mass ? (backend.values(call.inputs.mass) as Float32Array) : [];
  return backend.temporary(rows * 4, (right) => {
    const dLogits = crossEntropyRows(call, {
      scale: 1 / mass,
      losses: backend.pointer(losses),
      correct: right,
      smoothing: attrs.smoothing ?? 0,
    });
    sumOf(backend, right, rows, correct);
    return [losses, correct, dLogits];
  });
}

export const fusedKernels: readonly FusedKernel[] = [
  {
    // {dy, y} + name → dx, computed from the output y of the activation
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
  // [loss, correct, dLogits]: mean loss, number of correct predictions, and the loss's gradient
  {
    name: 'deepend.softmaxCrossEntropy',
    run: softmaxCrossEntropy,
  },
  { name: 'deepend.weightedCrossEntropy', run: weightedCrossEntropy },
  {
    // attrs: { rule, entries: [{ weight, gradient, slots?, lr, decay?, shrink?, correction? }],
    // beta1, beta2, epsilon }: updates every weight and its slots in place, in one pass. Returns no
    // tensors.
    name: 'deepend.update',
    run({ attrs, backend }) {
      let tiles = 0;
      const pointer = (tensor: TensorInfo | undefined) => (tensor ? backend.pointer(tensor) : 0);
      const entries = (attrs.entries as readonly WeightUpdate[]).map((entry): UpdateEntry => {
        const { weight, gradient, slots = [], lr, decay = 0, shrink = 1, correction = 1 } = entry;
        const count = size(weight.shape);
        const first = tiles;
        tiles += Math.ceil(count / UPDATE_BLOCK);
        return {
          weight: pointer(weight),
          gradient: pointer(gradient),
          slot1: pointer(slots[0]),
          slot2: pointer(slots[1]),
          slot3: pointer(slots[2]),
          count,
          first,
          lr,
          decay,
          shrink,
          correction,
        };
      });
      const { beta1 = 0, beta2 = 0, epsilon = 0 } = attrs;
      backend.records(UpdateEntry, entries, (table) =>
        backend.launch(
          Task.Update,
          {
            table,
            entries: entries.length,
            block: UPDATE_BLOCK,
            rule: RULES[attrs.rule as keyof typeof RULES],
            // 1 − β is rounded from double precision: float32 would be off by 1e-5 for 0.999.
            beta1,
            rest1: 1 - beta1,
            beta2,
            rest2: 1 - beta2,
            epsilon,
          },
          tiles,
        ),
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
