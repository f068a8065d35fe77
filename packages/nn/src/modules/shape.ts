/** Modules that change shapes. */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { Module } from '../module';
import { checkedNumber } from './activation';
import { checkInput, type Pair, pairRule, toPair } from './checks';
import { given } from './seeded';
import { linearResize, separable } from './separable';

export interface FlattenOptions {
  /** The first axis that is flattened. @default 1, so that the batch stays */
  startAxis?: number;
  /**
   * Whether the last axis, the channels, goes to the front first, so that a linear layer that
   * follows has PyTorch's order of inputs. @default true for images (four axes), else false
   */
  channelsFirst?: boolean;
}

const flattenRules = rule.object({
  startAxis: rule.nonNegativeInteger().optional(),
  channelsFirst: rule.boolean().optional(),
});

/**
 * Flattens all axes after the batch. Images `[batch, height, width, channels]` become
 * `[batch, channels·height·width]` in PyTorch's order, so that its checkpoints fit.
 */
export class Flatten extends Module {
  readonly startAxis: number;
  readonly #options: FlattenOptions;

  constructor(options: FlattenOptions = {}) {
    super();
    this.#options = checkOptions('[nn] Flatten', flattenRules, options);
    this.startAxis = this.#options.startAxis ?? 1;
  }

  override config() {
    return [given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const { channelsFirst = x.rank === 4 && this.startAxis === 1 } = this.#options;
    const kept = x.shape.slice(0, this.startAxis);
    const flattened = x.shape.slice(this.startAxis);
    const shape = [...kept, tf.util.sizeFromShape(flattened)];
    const last = x.rank - 1;
    const isSame = flattened.length < 2 || shape.at(-1) === x.shape[last] || x.shape[last] === 1;
    if (!channelsFirst || isSame) return tf.reshape(x, shape);
    const axes = x.shape.map((_, axis) => axis);
    const order = [...axes.slice(0, this.startAxis), last, ...axes.slice(this.startAxis, last)];
    return tf.tidy(() => tf.reshape(tf.transpose(x, order), shape));
  }
}

export interface UpsampleOptions {
  /** `[height, width]` of the result; give it or `scaleFactor`. @default by `scaleFactor` */
  size?: Pair;
  /** How many times as high and wide the result is. @default by `size` */
  scaleFactor?: number;
  /** @default 'nearest' */
  mode?: 'nearest' | 'bilinear';
  /** For 'bilinear': whether the corners' centres stay in place. @default false */
  alignCorners?: boolean;
}

const upsampleRules = rule.object({
  size: pairRule(1).optional(),
  scaleFactor: rule.positiveNumber().optional(),
  mode: rule.oneOf(['nearest', 'bilinear']).optional(),
  alignCorners: rule.boolean().optional(),
});

/** Enlarges images `[batch, height, width, channels]`. `torch.nn.Upsample`. */
export class Upsample extends Module {
  readonly #options: UpsampleOptions;

  constructor(options: UpsampleOptions) {
    super();
    const where = '[nn] Upsample';
    const checked = checkOptions(where, upsampleRules, options);
    this.#options = checked;
    if ((checked.size === undefined) === (checked.scaleFactor === undefined))
      throw new TypeError(`${where}: give one of the options "size" and "scaleFactor"`);
    if (checked.alignCorners && checked.mode !== 'bilinear')
      throw new TypeError(`${where}: option "alignCorners" needs mode: 'bilinear'`);
  }

  override config() {
    return [given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    checkInput(`[nn] ${this.name}`, x, { axes: ['batch', 'height', 'width', 'channels'] });
    const { size, scaleFactor = 1, mode = 'nearest', alignCorners = false } = this.#options;
    const [, height = 0, width = 0] = x.shape;
    const [newHeight, newWidth] = size
      ? toPair(size)
      : [Math.floor(height * scaleFactor), Math.floor(width * scaleFactor)];
    const axis = (from: number, to: number) =>
      linearResize(from, to, {
        mode,
        alignCorners,
        scale: size || alignCorners ? undefined : 1 / scaleFactor,
      });
    return separable(x, axis(height, newHeight), axis(width, newWidth));
  }
}

/** Gives a `[batch, ...]` tensor's axes after the batch another shape. `torch.nn.Unflatten`. */
export class Reshape extends Module {
  readonly shape: readonly number[];

  /** @param shape without the batch; one size may be -1 */
  constructor(shape: readonly number[]) {
    super();
    this.shape = shape.map((size, i) =>
      checkedNumber('[nn] Reshape', `shape[${i}]`, size, { min: -1 }),
    );
  }

  override config() {
    return [this.shape];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    return tf.reshape(x, [x.shape[0] as number, ...this.shape]);
  }
}
