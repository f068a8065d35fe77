/** How the losses of positions become one number, and how the tape goes back through a loss. */
import { rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { MaskedLabels } from './labels';

/** PyTorch's `reduction`. */
export type Reduction = 'mean' | 'sum' | 'none';

/** The option of every loss. */
export interface ReductionOption<R extends Reduction = Reduction> {
  /**
   * `'mean'` over what counts, `'sum'`, or for a loss that you call yourself `'none'`: `loss` is
   * then a tensor of a loss for each position, 0 where one does not count. With `'sum'` the
   * gradients that train are those of the sum, so they grow with the batch; the history still has
   * the mean. @default 'mean'
   */
  reduction?: R | undefined;
}

export const reductionRule = () =>
  rule.oneOf(['mean', 'sum', 'none'] as const).default('mean' as const);

/** A loss that gives one for each position. */
export type LossOfPositions = (
  // biome-ignore lint/suspicious/noExplicitAny: outputs and labels are those of the loss
  outputs: any,
  labels: tf.Tensor | MaskedLabels,
) => {
  /** `[batch, ...]`: of the class indices' shape, or for losses of numbers of the outputs'. */
  readonly loss: tf.Tensor;
  readonly correct: tf.Scalar | null;
  /** The gradient of the sum of `loss`. */
  readonly dLogits: tf.Tensor;
};

interface Computed {
  readonly loss: tf.Tensor;
  readonly correct: tf.Scalar | null;
  readonly dLogits: tf.Tensor;
}

interface TapeState {
  readonly gradientDepth: number;
  readonly kernelDepth: number;
}

/**
 * Computes a loss so that TensorFlow.js's tape, where one records, goes back through `loss` by
 * `dLogits`: fused kernels have no gradients of their own.
 */
export function onTapeToo<R extends Computed>(
  outputs: tf.Tensor,
  compute: (outputs: tf.Tensor) => R,
): R {
  const { gradientDepth, kernelDepth } = (tf.engine() as unknown as { state: TapeState }).state;
  if (gradientDepth === 0 || kernelDepth > 0) return compute(outputs);
  const kept: { correct?: tf.Scalar | null; dLogits?: tf.Tensor } = {};
  const differentiable = tf.customGrad((...args) => {
    const save = args.pop() as unknown as tf.GradSaveFunc;
    const { loss, correct, dLogits } = compute(args[0] as tf.Tensor);
    kept.correct = correct && (tf.keep(correct.clone()) as tf.Scalar);
    kept.dLogits = tf.keep(dLogits.clone());
    save([dLogits]);
    const gradFunc = (dy: tf.Tensor, [slopes]: tf.Tensor[]) =>
      tf.mul(slopes as tf.Tensor, widen(dy, outputs.rank));
    return { value: loss, gradFunc };
  });
  try {
    const loss = differentiable(outputs);
    const [correct, dLogits] = [kept.correct?.clone() ?? null, kept.dLogits?.clone()];
    return { loss, correct, dLogits } as unknown as R;
  } finally {
    tf.dispose([kept.correct ?? [], kept.dLogits ?? []].flat());
  }
}

/** The gradient of a loss of each position, with the outputs' number of axes. */
const widen = (dy: tf.Tensor, rank: number): tf.Tensor =>
  dy.rank === 0 ? dy : tf.reshape(dy, [...dy.shape, ...Array(rank - dy.rank).fill(1)]);
