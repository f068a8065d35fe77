import { workspaceBytes } from '@deepend/backend-simd/workspace';
import { compile, isModule } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import type * as tfl from '@tensorflow/tfjs-layers';

export interface MemoryOptions {
  /**
   * Number of values that the optimizer keeps for each weight: 0 for plain SGD, 1 for momentum, 2
   * for Adam. @default 0
   */
  slots?: 0 | 1 | 2;
}

/** Peak memory, in bytes. */
export interface MemoryEstimate {
  /**
   * The peak of a training step: weights, the optimizer's slots, the batch, activations, gradients,
   * kernels' workspace.
   */
  training: number;
  /** The peak of inference on a batch, weights and batch included. */
  inference: number;
  /** All weights, including moving statistics; included in both of the others. */
  weights: number;
}

const memoryOptions = rule.object({
  batchSize: rule.positiveInteger(),
  slots: rule
    .custom<0 | 1 | 2>((value) => [0, 1, 2].includes(value as number), '0, 1 or 2')
    .optional(),
});

/**
 * Estimates how much memory a batch needs, from the lifetimes of the tensors in the compiled plan;
 * nothing is computed. On the backend `simd` it is within a few percent; other backends briefly
 * hold more. Memory of JavaScript itself (a loader's images, some 100 MiB for Node) is not
 * included.
 * @param batchSize number of images
 * @throws Error when the compiler cannot make a plan for the model
 * @example
 * const { training } = estimateMemory(book.resnet18({ inputShape: [96, 96, 1] }), 256);
 * console.log(`${Math.round(training / 2 ** 20)} MiB`);
 */
export function estimateMemory(
  model: tfl.LayersModel,
  batchSize: number,
  options: MemoryOptions = {},
): MemoryEstimate {
  const { slots = 0 } = checkOptions('[models] estimateMemory', memoryOptions, {
    batchSize,
    ...options,
  });
  if (isModule(model)) {
    throw new TypeError(
      `[models] estimateMemory: expected a tf.LayersModel, got the nn.Module '${model.name}', ` +
        'whose memory only a step shows: call planOf(module).peakBytes(batchSize) of ' +
        '@deepend/compiler after its forwardBackward',
    );
  }
  const plan = compile(model);
  const weights = bytesOf([...new Set(model.weights)]);
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
