/** TinySSD, a single-shot detector: d2l 14.7, zh 13.7; Liu et al. 2016, arXiv 1512.02325. */
import { withSeed } from '@deepend/compiler';
import { checkOptions, type ImageShape, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';
import { multiboxPrior } from '../anchors/prior';
import type { Detector, DetectorOutputs } from './detector';

export interface TinySSDOptions {
  /** `[height, width, channels]` of the images. @example [64, 64, 3] */
  inputShape: ImageShape;
  /** Number of classes without the background. @example 4 */
  numClasses: number;
  /** Output channels of the blocks before the first feature map. @default [16, 32, 64] */
  baseFilters?: readonly number[];
  /**
   * Output channels of the blocks between further feature maps; the last map is the maximum of the
   * one before it. @default [128, 128, 128]
   */
  filters?: readonly number[];
  /**
   * Sizes of the anchors on each feature map, as fractions of the image.
   * @default the book's: [0.2, 0.272], [0.37, 0.447], [0.54, 0.619], [0.71, 0.79], [0.88, 0.961]
   */
  sizes?: readonly (readonly number[])[];
  /** Width over height of the anchors, on all maps. @default [1, 2, 0.5] */
  ratios?: readonly number[];
  /** Seeds the initial values: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const channels = (min: number) =>
  rule.list(rule.positiveInteger(), 'a list of positive integers', { min });
const positives = (what: string) => rule.list(rule.positiveNumber(), what, { min: 1 });
const OPTIONS = rule.object({
  inputShape: rule.imageShape(),
  numClasses: rule.positiveInteger(),
  baseFilters: channels(1).optional(),
  filters: channels(0).optional(),
  sizes: rule.list(positives('a list of sizes'), 'a list of lists of sizes', { min: 1 }).optional(),
  ratios: positives('a list of positive numbers').optional(),
  seed: rule.seed().optional(),
});
const BOOK_SIZES = [
  [0.2, 0.272],
  [0.37, 0.447],
  [0.54, 0.619],
  [0.71, 0.79],
  [0.88, 0.961],
];
const WHERE = '[vision] TinySSD';

/**
 * The book's single-shot detector. Blocks of two convolutions halve an image to feature maps of
 * several sizes; two convolutions on each predict the class of each anchor and the offset of its
 * box. d2l 14.7, zh 13.7.
 *
 * `forward`: float32 `[batch, height, width, channels]` → `classes` `[batch, anchors, classes +
 * 1]`, logits with the background first, and `offsets` `[batch, 4 * anchors]`.
 * @throws TypeError or RangeError for a bad option, for another number of lists of sizes than of
 *   feature maps, and for images that are too small
 * @example
 * const net = new vision.TinySSD({ inputShape: [64, 64, 3], numClasses: 10 });
 */
export class TinySSD extends nn.Module implements Detector {
  /** [x1, y1, x2, y2] of all anchors, as fractions of the image. */
  readonly anchors: Float32Array;
  readonly numClasses: number;
  readonly blocks: readonly nn.Sequential[];
  readonly classHeads: readonly nn.Conv2d[];
  readonly boxHeads: readonly nn.Conv2d[];
  readonly #options: TinySSDOptions;

  constructor(options: TinySSDOptions) {
    super();
    const checked = checkOptions(WHERE, OPTIONS, options);
    const {
      inputShape,
      numClasses,
      baseFilters = [16, 32, 64],
      filters = [128, 128, 128],
    } = checked;
    const { sizes = BOOK_SIZES, ratios = [1, 2, 0.5], seed } = checked;
    const maps = mapsOf(inputShape, baseFilters.length, filters.length);
    checkSizes(sizes, maps.length);
    this.#options = options;
    this.numClasses = numClasses;
    this.anchors = concatenated(
      maps.map((shape, i) => multiboxPrior(shape, { sizes: sizes[i] as number[], ratios })),
    );
    const inputs = [baseFilters.at(-1) as number, ...filters, filters.at(-1) ?? baseFilters.at(-1)];
    const head = (i: number, outputs: number) => {
      const anchors = (sizes[i] as number[]).length + ratios.length - 1;
      return new nn.Conv2d(inputs[i] as number, anchors * outputs, 3, { padding: 1 });
    };
    [this.blocks, this.classHeads, this.boxHeads] = withSeed(seed, () => [
      [
        baseNet(inputShape[2], baseFilters),
        ...filters.map((n, i) => downSample(inputs[i] as number, n)),
      ],
      maps.map((_, i) => head(i, numClasses + 1)),
      maps.map((_, i) => head(i, 4)),
    ]);
  }

  override config() {
    return [this.#options];
  }

  override forward(images: tf.Tensor): DetectorOutputs {
    return tf.tidy(() => {
      const [batch = 0] = images.shape;
      const numOutputs = this.#options.numClasses + 1;
      const classes: tf.Tensor[] = [];
      const offsets: tf.Tensor[] = [];
      let y = images;
      this.classHeads.forEach((head, i) => {
        const block = this.blocks[i];
        y = block ? (block.forward(y) as tf.Tensor) : tf.max(y, [1, 2], true);
        classes.push(tf.reshape(head.forward(y), [batch, -1, numOutputs]));
        const boxes = (this.boxHeads[i] as nn.Conv2d).forward(y);
        offsets.push(tf.reshape(boxes, [batch, -1]));
      });
      return {
        classes: tf.concat(classes, 1) as tf.Tensor3D,
        offsets: tf.concat(offsets, 1) as tf.Tensor2D,
      };
    });
  }
}

/** The book's `down_sample_blk`: two convolutions, then half the height and width. */
function downSample(inputs: number, outputs: number): nn.Sequential {
  const convolution = (from: number) => [
    new nn.Conv2d(from, outputs, 3, { padding: 1 }),
    new nn.BatchNorm2d(outputs),
    new nn.ReLU(),
  ];
  return new nn.Sequential(...convolution(inputs), ...convolution(outputs), new nn.MaxPool2d(2));
}

const baseNet = (channels: number, filters: readonly number[]): nn.Sequential =>
  new nn.Sequential(...filters.map((n, i) => downSample(filters[i - 1] ?? channels, n)));

/** Height and width of each feature map. */
function mapsOf(shape: ImageShape, base: number, further: number): [number, number][] {
  const halved = (times: number): [number, number] => [
    Math.floor(shape[0] / 2 ** times),
    Math.floor(shape[1] / 2 ** times),
  ];
  const maps = Array.from({ length: further + 1 }, (_, i) => halved(base + i));
  const least = 2 ** (base + further);
  if (Math.min(shape[0], shape[1]) < least)
    throw new RangeError(
      `${WHERE}: option "inputShape" must be at least ${least} pixels high and wide for ` +
        `${base + further} blocks that halve it, got [${shape.join(', ')}]; use fewer "filters"`,
    );
  return [...maps, [1, 1]];
}

function checkSizes(sizes: readonly (readonly number[])[], count: number): void {
  if (sizes.length !== count)
    throw new RangeError(
      `${WHERE}: option "sizes" must have a list for each of the ${count} feature maps, got ` +
        `${sizes.length}`,
    );
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const whole = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
