/** Test-time augmentation: predictions averaged over several views of each image. */
import { findEnding, isModule, planOf } from '@deepend/compiler';
import { checkOptions, formatValue, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import type { SymbolicTensor } from '@tensorflow/tfjs-layers';
import { logitsInParts } from './evaluate';
import { checkBatch } from './loader';
import type { AnyModel } from './model';
import { startDefaultDevice } from './start-device';

export interface TestTimeAugmentationOptions {
  /** Whether each view is also seen mirrored, left and right exchanged. @default true */
  horizontalFlip?: boolean;
  /**
   * Height and width of five crops, at the corners and in the middle, as torchvision's `FiveCrop`;
   * with flips they are its `TenCrop`. A number is the side of a square. @default the whole image
   */
  cropSize?: number | readonly [height: number, width: number];
  /**
   * What is averaged: the probabilities (softmax of the logits, or a model's own final softmax or
   * sigmoid), or the model's outputs as `predict` gives them. @default 'probabilities'
   */
  average?: 'probabilities' | 'outputs';
}

const isSide = (value: unknown) => Number.isInteger(value) && (value as number) >= 1;
const rules = () =>
  rule.object({
    horizontalFlip: rule.boolean().optional(),
    cropSize: rule
      .custom<number | [number, number]>(
        (value) =>
          isSide(value) || (Array.isArray(value) && value.length === 2 && value.every(isSide)),
        'an integer of at least 1 or [height, width] of such integers',
      )
      .optional(),
    average: rule.oneOf(['probabilities', 'outputs']).optional(),
  });

const WHERE = '[trainer] testTimeAugmentation';

/**
 * The mean prediction of a classifier over several views of each image, in inference mode:
 * `[batch, numClasses]`, which the caller disposes. Krizhevsky et al. 2012 average ten crops.
 * Mirror images help a model that was trained with `randomHorizontalFlip`; others may get worse.
 * @param features float32 `[batch, height, width, channels]`, which stay the caller's. With
 *   `cropSize` they are larger than the model's input
 * @throws TypeError or RangeError when the views do not fit the model, or there is only one
 * @example
 * const probabilities = await testTimeAugmentation(net, features);
 * const classes = tf.argMax(probabilities, 1); // [batch]
 */
export async function testTimeAugmentation(
  model: AnyModel,
  features: tf.Tensor,
  options: TestTimeAugmentationOptions = {},
): Promise<tf.Tensor2D> {
  const checked = checkOptions(WHERE, rules(), options);
  const { horizontalFlip = true, cropSize, average = 'probabilities' } = checked;
  if (!horizontalFlip && cropSize === undefined)
    throw new RangeError(`${WHERE}: expected flips or a "cropSize", got neither; use predict`);
  if (features?.rank !== 4) {
    throw new RangeError(
      `${WHERE}: expected features [batch, height, width, channels], got ` +
        `${formatValue(features?.shape)}`,
    );
  }
  const corners = cropSize === undefined ? [undefined] : fiveCrops(features.shape, cropSize);
  await startDefaultDevice(model);
  const flips = horizontalFlip ? [false, true] : [false];
  return tf.tidy(() => {
    const views = corners.flatMap((crop) => flips.map((flip) => ({ crop, flip })));
    let sum: tf.Tensor = tf.scalar(0);
    for (const view of views)
      sum = replace(sum, (before) =>
        tf.add(before, predictView(model, features, { view, average })),
      );
    return tf.div(sum, views.length) as tf.Tensor2D;
  });
}

/** Disposes a tensor after its successor is computed, and what that needed. */
function replace(before: tf.Tensor, next: (before: tf.Tensor) => tf.Tensor): tf.Tensor {
  const after = tf.tidy(() => next(before));
  before.dispose();
  return after;
}

interface Crop {
  readonly begin: readonly [top: number, left: number];
  readonly size: readonly [height: number, width: number];
}

interface View {
  /** @default the whole image */
  readonly crop: Crop | undefined;
  readonly flip: boolean;
}

/** The four corners and the middle, in torchvision's order. */
function fiveCrops(shape: readonly number[], cropSize: number | readonly [number, number]): Crop[] {
  const size = typeof cropSize === 'number' ? ([cropSize, cropSize] as const) : cropSize;
  const [, height = 0, width = 0] = shape;
  const [bottom, right] = [height - size[0], width - size[1]];
  if (bottom < 0 || right < 0) {
    throw new RangeError(
      `${WHERE}: expected images of at least ${size.join(' × ')}, got ${height} × ${width}; ` +
        'reduce "cropSize"',
    );
  }
  const middle = [halfEven(bottom), halfEven(right)] as const;
  const begins = [[0, 0], [0, right], [bottom, 0], [bottom, right], middle] as const;
  return begins.map((begin) => ({ begin, size }));
}

/** Half of an integer, rounded to the even one, as Python rounds torchvision's center. */
const halfEven = (count: number): number =>
  count % 4 === 3 ? (count + 1) / 2 : Math.floor(count / 2);

/** `[batch, numClasses]` of one view; call it inside `tf.tidy`. */
function predictView(
  model: AnyModel,
  features: tf.Tensor,
  { view: { crop, flip }, average }: { view: View; average: 'probabilities' | 'outputs' },
): tf.Tensor {
  const cropped = crop
    ? tf.slice(features, [0, ...crop.begin, 0], [-1, ...crop.size, -1])
    : features;
  const images = flip ? tf.reverse(cropped, 2) : cropped;
  const plan = planOf(model);
  const labels = tf.zeros([images.shape[0] as number], 'int32');
  checkBatch(WHERE, { features: images, labels }, plan, { checkLabels: false });
  const logits = logitsInParts(WHERE, plan, images) as tf.Tensor;
  if (logits.rank !== 2) {
    throw new RangeError(
      `${WHERE}: expected a model that gives [batch, numClasses], got ${formatValue(logits.shape)}`,
    );
  }
  if (average === 'probabilities' && !endsInProbabilities(model)) {
    if (logits.shape[1] !== 1) return tf.softmax(logits);
    throw new RangeError(
      `${WHERE}: expected logits of two or more classes, got [batch, 1], of which softmax makes ` +
        'ones; pass "average: \'outputs\'"',
    );
  }
  return plan.outputs(logits) as tf.Tensor;
}

const endsInProbabilities = (model: AnyModel): boolean =>
  !isModule(model) && findEnding(model.outputs[0] as SymbolicTensor) !== undefined;
