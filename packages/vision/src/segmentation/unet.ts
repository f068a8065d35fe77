/** U-Net, Ronneberger et al. 2015, https://arxiv.org/abs/1505.04597. */
import { withSeed } from '@deepend/compiler';
import { checkOptions, rule } from '@deepend/core';
import * as nn from '@deepend/nn';
import * as tf from '@tensorflow/tfjs-core';

export interface UNetOptions {
  /**
   * Number of classes, the background included.
   * @example 21
   */
  numClasses: number;
  /** Channels of the images. @default 3 */
  inChannels?: number;
  /**
   * Channels of each stage; height and width are halved from stage to stage.
   * @default [16, 32, 64, 128]
   */
  channels?: readonly number[];
  /** Seeds the initial weights: any safe integer. @default the next of `nn.manualSeed`'s */
  seed?: number;
}

const unetRules = rule.object({
  numClasses: rule.integer({ min: 2 }),
  inChannels: rule.positiveInteger().default(3),
  channels: rule
    .list(rule.positiveInteger(), 'a list of two or more positive integers', { min: 2 })
    .default([16, 32, 64, 128]),
  seed: rule.seed().optional(),
});

/**
 * Two 3 × 3 convolutions, each with batch normalization and ReLU:
 * `[batch, height, width, inChannels]` → `[batch, height, width, outChannels]`.
 */
export class DoubleConv extends nn.Sequential {
  constructor(inChannels: number, outChannels: number) {
    const conv = (from: number) =>
      new nn.Conv2d(from, outChannels, 3, { padding: 1, bias: false, init: 'he-normal' });
    super(
      ...[conv(inChannels), new nn.BatchNorm2d(outChannels), new nn.ReLU()],
      ...[conv(outChannels), new nn.BatchNorm2d(outChannels), new nn.ReLU()],
    );
  }
}

/**
 * A small U-Net for semantic segmentation: `[batch, height, width, inChannels]` → logits
 * `[batch, height, width, numClasses]`. Each stage halves height and width by max-pooling; on the
 * way back transposed convolutions double them, and the stage's own features are concatenated.
 * Unlike in the paper, convolutions are padded, so that masks keep the image's size, and batch
 * normalization follows each. Parameters `down.0.0.weight`, ..., `up.0.weight`, `merge.0.0.weight`,
 * ..., `head.weight`.
 * @example
 * const net = new vision.UNet({ numClasses: 11, seed: 1 });
 * await train(net, trainIter, testIter, {
 *   ...{ numEpochs: 5, lr: 0.002, optimizer: 'adam', loss: crossEntropy() },
 *   metrics: [metrics.meanIou()],
 * });
 */
export class UNet extends nn.Module {
  readonly inChannels: number;
  readonly down: nn.Sequential[];
  readonly pool = new nn.MaxPool2d(2);
  readonly up: nn.ConvTranspose2d[];
  readonly merge: nn.Sequential[];
  readonly head: nn.Conv2d;
  readonly #options: UNetOptions;

  constructor(options: UNetOptions) {
    super();
    const checked = checkOptions('[vision] UNet', unetRules, options);
    const { numClasses, inChannels, channels, seed } = checked;
    this.#options = options;
    this.inChannels = inChannels;
    const pairs = channels.slice(1).map((deep, i) => [channels[i] as number, deep] as const);
    const made = withSeed(seed, () => ({
      down: channels.map((to, i) => new DoubleConv(channels[i - 1] ?? inChannels, to)),
      up: pairs.map(([to, from]) => new nn.ConvTranspose2d(from, to, 2, { stride: 2 })),
      merge: pairs.map(([to]) => new DoubleConv(2 * to, to)),
      head: new nn.Conv2d(channels[0] as number, numClasses, 1),
    }));
    this.down = made.down;
    this.up = made.up;
    this.merge = made.merge;
    this.head = made.head;
  }

  override config() {
    return [this.#options];
  }

  /** @throws RangeError when height or width is no multiple of the stages' total stride */
  override forward(images: tf.Tensor): tf.Tensor {
    const stride = 2 ** this.up.length;
    const [, height = 0, width = 0, channels] = images.shape;
    const fits = height % stride === 0 && width % stride === 0;
    if (images.rank !== 4 || channels !== this.inChannels || !fits) {
      throw new RangeError(
        `[vision] ${this.name}: expected images [batch, height, width, ${this.inChannels}] whose ` +
          `height and width are multiples of ${stride}, got [${images.shape.join(', ')}]; resize ` +
          'or pad them',
      );
    }
    return tf.tidy(() => {
      const skips: tf.Tensor[] = [];
      for (const [stage, block] of this.down.entries()) {
        const before = skips.at(-1);
        skips[stage] = block.forward(before ? this.pool.forward(before) : images);
      }
      let x = skips.pop() as tf.Tensor; // [batch, height / stride, width / stride, deepest]
      for (let stage = skips.length - 1; stage >= 0; stage--) {
        const enlarged = (this.up[stage] as nn.ConvTranspose2d).forward(x);
        const both = tf.concat([skips[stage] as tf.Tensor, enlarged], 3);
        x = (this.merge[stage] as nn.Sequential).forward(both);
      }
      return this.head.forward(x); // [batch, height, width, numClasses]
    });
  }
}
