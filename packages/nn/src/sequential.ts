import { checkOptions, type ImageShape, rule } from '@deepend/core';
import * as tfl from '@tensorflow/tfjs-layers';
import { INITS, type Init } from './initializers';
import { type Block, ImageTooSmallError } from './layers';
import { build } from './naming';

export interface SequentialOptions {
  /**
   * `[height, width, channels]` of one image, without the batch.
   * @example [28, 28, 1]
   */
  inputShape: ImageShape;
  /** How kernels are initialized; biases are initialized with 0. @default 'xavier-uniform' */
  init?: Init;
  /** Seeds the initial weights: any safe integer. @default 0 */
  seed?: number;
  /** The model's name. @default 'net' */
  name?: string;
}

const options = rule.object({
  inputShape: rule.imageShape(),
  init: rule.oneOf(INITS).optional(),
  seed: rule.seed().optional(),
  name: rule.string().optional(),
});

/**
 * Builds a model from blocks that are applied one after the other. Its weights are initialized
 * here; nothing resets them later.
 * @param blocks functions from symbolic tensor to symbolic tensor
 * @throws RangeError when the image is too small for a layer, before any weight is made; the error
 *   names the layer and the smallest size that works
 * @example
 * const model = sequential(
 *   [conv(16, { kernel: 3, padding: 1 }), batchNorm(), relu(), globalAveragePool(), dense(10)],
 *   { inputShape: [32, 32, 3] },
 * );
 */
export function sequential(
  blocks: readonly Block[],
  sequentialOptions: SequentialOptions,
): tfl.LayersModel {
  const checked = checkOptions('[nn] sequential', options, sequentialOptions);
  const { inputShape, init = 'xavier-uniform', seed = 0, name = 'net' } = checked;
  if (blocks.length === 0)
    throw new RangeError('[nn] sequential: expected at least one block, got an empty list');
  const problem = tooSmall(blocks, inputShape);
  if (problem) throw new RangeError(`[models] ${name}: ${problem}; ${advice(blocks, inputShape)}`);
  return build({ init, seed }, () => {
    const image = tfl.input({ shape: [...inputShape], name: 'input' });
    return tfl.model({ name, inputs: image, outputs: through(blocks, image) });
  });
}

const through = (blocks: readonly Block[], image: tfl.SymbolicTensor) =>
  blocks.reduce((x, block) => block(x), image);

/**
 * Why an image is too small; undefined when it is not, or when the caller's own block cannot run
 * without creating layers.
 */
function tooSmall(blocks: readonly Block[], inputShape: ImageShape): string | undefined {
  const image = { shape: [null, ...inputShape], dtype: 'float32' } as tfl.SymbolicTensor;
  try {
    build({ init: 'xavier-uniform', seed: 0, dry: true }, () => through(blocks, image));
  } catch (error) {
    if (error instanceof ImageTooSmallError) return error.message;
  }
  return undefined;
}

const LARGEST = 1024;

/**
 * Finds the smallest square image that works by bisection: a model that works at one size works at
 * every larger one.
 */
function advice(blocks: readonly Block[], [, , channels]: ImageShape): string {
  const fits = (size: number) => tooSmall(blocks, [size, size, channels]) === undefined;
  let [low, high] = [0, LARGEST];
  if (!fits(high)) return `no image up to ${LARGEST}×${LARGEST} is large enough`;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) high = middle;
    else low = middle;
  }
  return (
    `the smallest image that works is ${high}×${high}: give it larger ones (the ` +
    `\`resize\` option of the data loaders)`
  );
}
