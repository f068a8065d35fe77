import { workspaceBytes } from '@deepend/backend-simd/workspace';
import { compile } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import type * as tfl from '@tensorflow/tfjs-layers';

export interface MemoryOptions {
  /**
   * What the optimizer keeps beside each weight: 0 for plain SGD, 1 for momentum, 2 for Adam.
   * @default 0
   */
  slots?: 0 | 1 | 2;
}

/** Bytes. */
export interface MemoryEstimate {
  /**
   * What a training step holds at its fullest: weights, the optimizer's slots, the batch,
   * activations, gradients, kernels' workspace.
   */
  training: number;
  /** What inference on a batch holds at its fullest, weights and batch included. */
  inference: number;
  /** All weights alone, moving statistics too; in both of the others. */
  weights: number;
}

const memoryOptions = rule.object({
  batchSize: rule.positiveInteger(),
  slots: rule
    .custom<0 | 1 | 2>((value) => [0, 1, 2].includes(value as number), '0, 1 or 2')
    .optional(),
});

/**
 * How much memory a batch needs, before the run: worked out from the plan's lifetimes without
 * computing anything. It is the backend `simd`'s
 * account, where it is within a few percent; other backends hold more for a moment. What JavaScript
 * takes itself (a loader's images, some
 * 100 MiB for Node) comes on top.
 * @param batchSize images
 * @throws Error when no plan can be made of the model
 * @example
 * const { training } = estimateMemory(book.resnet18({ inputShape: [96, 96, 1] }), 256);
 * console.log(`${Math.round(training / 2 ** 20)} MiB`);
 */
export function estimateMemory(
  net: tfl.LayersModel,
  batchSize: number,
  options: MemoryOptions = {},
): MemoryEstimate {
  const { slots = 0 } = checkOptions('[models] estimateMemory', memoryOptions, {
    batchSize,
    ...options,
  });
  const plan = compile(net);
  const weights = bytesOf([...new Set(net.weights)]);
  const optimizer = slots * bytesOf(plan.parameters);
  return {
    training: weights + optimizer + plan.peakBytes(batchSize, { training: true, workspaceBytes }),
    inference: weights + plan.peakBytes(batchSize, { training: false, workspaceBytes }),
    weights,
  };
}

const bytesOf = (weights: readonly { readonly shape: readonly (number | null)[] }[]): number =>
  weights.reduce(
    (sum, { shape }) => sum + shape.reduce<number>((product, size) => product * (size ?? 1), 4),
    0,
  );
