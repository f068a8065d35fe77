/** Pooling of images `[batch, height, width, channels]`, with PyTorch's options. */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { Module } from '../module';
import { checkInput, checkPair, type Pair, pairRule, toPair } from './checks';
import { given } from './seeded';
import { adaptiveMean, separable } from './separable';

const AXES = { axes: ['batch', 'height', 'width', 'channels'] };

export interface MaxPoolModuleOptions {
  /** @default the kernel's size */
  stride?: Pair;
  /** Places added on both sides, which are never the greatest. @default 0 */
  padding?: Pair;
  /** Whether a last window may reach over the edge. @default false */
  ceilMode?: boolean;
}

export interface AvgPoolModuleOptions extends MaxPoolModuleOptions {
  /** Whether the mean is over the padding's zeros too. @default true */
  countIncludePad?: boolean;
}

const maxRules = {
  stride: pairRule(1).optional(),
  padding: pairRule(0).optional(),
  ceilMode: rule.boolean().optional(),
};
const RULES = {
  max: rule.object(maxRules),
  avg: rule.object({ ...maxRules, countIncludePad: rule.boolean().optional() }),
};

/** What the windows cover along one axis. */
interface Window {
  readonly kernel: number;
  readonly stride: number;
  readonly padding: number;
  /** Places after the padding that a last window reaches to. */
  readonly over: number;
}

abstract class Pool extends Module {
  readonly kernelSize: Pair;
  readonly #options: AvgPoolModuleOptions;

  constructor(kernelSize: Pair, options: AvgPoolModuleOptions, kind: 'max' | 'avg') {
    super();
    const where = `[nn] ${new.target.name}`;
    checkPair(where, 'kernelSize', kernelSize);
    this.#options = checkOptions(where, RULES[kind], options);
    this.kernelSize = kernelSize;
    const kernel = toPair(kernelSize);
    const pad = toPair(this.#options.padding ?? 0);
    if (pad.some((size, axis) => 2 * size > (kernel[axis] as number))) {
      throw new RangeError(
        `${where}: option "padding" must be at most half of the kernel [${kernel.join(', ')}], ` +
          `got [${pad.join(', ')}]`,
      );
    }
  }

  override config(): readonly unknown[] {
    return [this.kernelSize, given(this.#options)];
  }

  /** The windows over the height and the width of `x`. */
  protected windows(x: tf.Tensor): [Window, Window] {
    checkInput(`[nn] ${this.name}`, x, AXES);
    const kernels = toPair(this.kernelSize);
    const strides = toPair(this.#options.stride ?? this.kernelSize);
    const pads = toPair(this.#options.padding ?? 0);
    return ([0, 1] as const).map((axis) => {
      const [kernel, stride, padding] = [kernels[axis], strides[axis], pads[axis]];
      const size = x.shape[axis + 1] as number;
      const room = size + 2 * padding - kernel;
      if (room < 0) {
        throw new RangeError(
          `[nn] ${this.name}: a window of ${kernel} does not fit into inputs ` +
            `[${x.shape.join(', ')}] with padding ${padding}; give larger images`,
        );
      }
      let steps = Math.floor(room / stride);
      // A last window may reach over the edge if it starts within the image or its left padding.
      if (this.#options.ceilMode && room % stride > 0 && (steps + 1) * stride < size + padding)
        steps++;
      return { kernel, stride, padding, over: Math.max(0, steps * stride - room) };
    }) as [Window, Window];
  }
}

const isPadded = (windows: readonly Window[]) =>
  windows.some(({ padding, over }) => padding + over > 0);

const padWith = (x: tf.Tensor, [high, wide]: [Window, Window], value: number): tf.Tensor4D =>
  (isPadded([high, wide])
    ? tf.pad(
        x,
        [
          [0, 0],
          [high.padding, high.padding + high.over],
          [wide.padding, wide.padding + wide.over],
          [0, 0],
        ],
        value,
      )
    : x) as tf.Tensor4D;

const SMALLEST = -3.4e38; // no infinity: it times 0 in a gradient is not a number

/**
 * The greatest value of each window. `torch.nn.MaxPool2d`.
 * @throws RangeError for images smaller than the window
 */
export class MaxPool2d extends Pool {
  constructor(kernelSize: Pair, options: MaxPoolModuleOptions = {}) {
    super(kernelSize, options, 'max');
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const windows = this.windows(x);
    const [high, wide] = windows;
    return tf.tidy(() =>
      tf.maxPool(
        padWith(x, windows, SMALLEST),
        [high.kernel, wide.kernel],
        [high.stride, wide.stride],
        'valid',
      ),
    );
  }
}

/**
 * The mean of each window. `torch.nn.AvgPool2d`.
 * @throws RangeError for images smaller than the window
 */
export class AvgPool2d extends Pool {
  readonly #countIncludePad: boolean;

  constructor(kernelSize: Pair, options: AvgPoolModuleOptions = {}) {
    super(kernelSize, options, 'avg');
    this.#countIncludePad = options.countIncludePad ?? true;
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const windows = this.windows(x);
    return tf.tidy(() => {
      const y = meansOf(padWith(x, windows, 0), windows);
      const isWhole = this.#countIncludePad && windows.every(({ over }) => over === 0);
      return isWhole || !isPadded(windows) ? y : tf.div(y, this.#shares(x, windows));
    });
  }

  /** The fraction of each window that counts, `[1, height, width, 1]`. */
  #shares(x: tf.Tensor, [high, wide]: [Window, Window]): tf.Tensor {
    const [, height = 0, width = 0] = x.shape;
    const counted = ({ padding, ...window }: Window): Window =>
      this.#countIncludePad ? { ...window, padding: 0 } : { ...window, padding };
    const extra = (padding: number) => (this.#countIncludePad ? 2 * padding : 0);
    const ones = tf.ones([1, height + extra(high.padding), width + extra(wide.padding), 1]);
    return meansOf(padWith(ones, [counted(high), counted(wide)], 0), [high, wide]);
  }
}

const meansOf = (x: tf.Tensor4D, [high, wide]: [Window, Window]): tf.Tensor =>
  tf.avgPool(x, [high.kernel, wide.kernel], [high.stride, wide.stride], 'valid');

/** Means of windows that cover the image: `[batch, outputSize, outputSize, channels]`. */
export class AdaptiveAvgPool2d extends Module {
  readonly outputSize: Pair;

  /** @param outputSize `[height, width]` of the result, or one number for both */
  constructor(outputSize: Pair) {
    super();
    checkPair('[nn] AdaptiveAvgPool2d', 'outputSize', outputSize);
    this.outputSize = outputSize;
  }

  override config() {
    return [this.outputSize];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    checkInput(`[nn] ${this.name}`, x, AXES);
    const [, height = 0, width = 0] = x.shape;
    const [rows, columns] = toPair(this.outputSize);
    if (rows === 1 && columns === 1) return tf.mean(x, [1, 2], true);
    return separable(x, adaptiveMean(height, rows), adaptiveMean(width, columns));
  }
}
