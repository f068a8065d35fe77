/**
 * Convolutions of channels-last data, with PyTorch's options. Filters lie in memory as
 * TensorFlow.js wants them; the state dict has PyTorch's layouts.
 */
import { checkOptions, rule } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import { conv2d, convTranspose2d } from '../functional/index';
import { Module } from '../module';
import { parameter } from '../parameter';
import { checkInput, checkPair, checkSize, type Pair, pairRule, toPair } from './checks';
import { biasWithin } from './linear';
import { given, seeded, type WeightOptions, weightRules } from './seeded';

export interface ConvModuleOptions<Size = Pair> extends WeightOptions {
  /** @default 1 */
  stride?: Size;
  /** Zeros added on both sides, or 'same' for an output of the input's size. @default 0 */
  padding?: Size | 'same' | 'valid';
  /** Distance between the kernel's taps. @default 1 */
  dilation?: Size;
  /** Groups of channels that are convolved separately. @default 1 */
  groups?: number;
  /** Whether it adds a bias. @default true */
  bias?: boolean;
}

const padding = rule.custom<Pair | 'same' | 'valid'>(
  (value) =>
    value === 'same' ||
    value === 'valid' ||
    [value].flat().every((size) => Number.isInteger(size) && (size as number) >= 0),
  "an integer of at least 0, [height, width] of two of them, 'same' or 'valid'",
);

const convRules = rule.object({
  stride: pairRule(1).optional(),
  padding: padding.optional(),
  dilation: pairRule(1).optional(),
  groups: rule.positiveInteger().optional(),
  bias: rule.boolean().optional(),
  ...weightRules,
});

/** A convolution's numbers, for two axes. */
interface Geometry {
  readonly kernel: [number, number];
  readonly stride: [number, number];
  readonly dilation: [number, number];
  /** `[[top, bottom], [left, right]]` */
  readonly padding: readonly [readonly [number, number], readonly [number, number]];
  readonly groups: number;
}

/** What `Conv1d` and `Conv2d` share: the weight `[out, in / groups, ...kernel]` and the bias. */
abstract class Conv extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Pair;
  weight: tf.Variable;
  bias: tf.Variable | null;
  readonly #options: ConvModuleOptions;
  readonly #geometry: Geometry;

  /** @param axes the kernel's number of axes */
  constructor(
    [inChannels, outChannels, kernelSize]: readonly [number, number, Pair],
    options: ConvModuleOptions,
    axes: 1 | 2,
  ) {
    super();
    const where = `[nn] ${new.target.name}`;
    checkSize(where, 'inChannels', inChannels);
    checkSize(where, 'outChannels', outChannels);
    if (axes === 1) checkSize(where, 'kernelSize', kernelSize);
    else checkPair(where, 'kernelSize', kernelSize);
    const checked = checkOptions(where, convRules, options);
    this.#options = options;
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = kernelSize;
    this.#geometry = geometryOf(
      where,
      { kernelSize, axes, channels: [inChannels, outChannels] },
      checked,
    );
    const { kernel, groups } = this.#geometry;
    const taps = kernel.slice(2 - axes);
    const inputs = inChannels / groups;
    [this.weight, this.bias] = seeded(checked.seed, () => {
      const weight = parameter([outChannels, inputs, ...taps], {
        init: checked.init ?? 'kaiming-uniform',
        layout: axes === 1 ? [2, 1, 0] : [2, 3, 1, 0],
      });
      const fanIn = inputs * tf.util.sizeFromShape(taps);
      return [weight, checked.bias === false ? null : biasWithin(outChannels, fanIn)];
    });
  }

  override config(): readonly unknown[] {
    return [this.inChannels, this.outChannels, this.kernelSize, given(this.#options)];
  }

  /** `[batch, height, width, in]` → `[batch, height, width, out]`. */
  protected convolve(x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor {
    checkReach(`[nn] ${this.name}`, x, this.#geometry);
    const { stride, dilation, padding, groups } = this.#geometry;
    // 'same' pads an even kernel by one more at the end.
    const isEven = padding.every(([before, after]) => before === after);
    const padded = isEven ? x : tf.pad(x, [[0, 0], ...padding.map(copyPair), [0, 0]]);
    return conv2d(padded as tf.Tensor4D, filter, {
      bias: (this.bias as tf.Tensor1D | null) ?? undefined,
      stride,
      dilation,
      padding: isEven ? [padding[0][0], padding[1][0]] : 0,
      groups,
    });
  }
}

function geometryOf(
  where: string,
  {
    kernelSize,
    axes,
    channels,
  }: { kernelSize: Pair; axes: 1 | 2; channels: readonly [number, number] },
  options: ConvModuleOptions,
): Geometry {
  const { groups = 1, padding = 0 } = options;
  // A sequence is an image of height 1.
  const both = (value: Pair, height: number): [number, number] =>
    axes === 1 ? [height, toPair(value)[1]] : toPair(value);
  const kernel = both(kernelSize, 1);
  const stride = both(options.stride ?? 1, 1);
  const dilation = both(options.dilation ?? 1, 1);
  const undivided = channels.find((count) => count % groups !== 0);
  if (undivided !== undefined) {
    throw new RangeError(
      `${where}: option "groups" must divide both numbers of channels, got ${groups} for ` +
        `${undivided} channels`,
    );
  }
  if (padding === 'same' && stride.some((step) => step !== 1)) {
    throw new RangeError(`${where}: padding: 'same' needs stride 1, got [${stride.join(', ')}]`);
  }
  const pads = ([0, 1] as const).map((axis): [number, number] => {
    if (padding === 'same') {
      const total = dilation[axis] * (kernel[axis] - 1);
      return [Math.floor(total / 2), Math.ceil(total / 2)];
    }
    const size = padding === 'valid' ? 0 : both(padding, 0)[axis];
    return [size, size];
  });
  return { kernel, stride, dilation, padding: [pads[0] ?? [0, 0], pads[1] ?? [0, 0]], groups };
}

/** @throws RangeError for an image that is smaller than the kernel */
function checkReach(where: string, x: tf.Tensor4D, { kernel, dilation, padding }: Geometry): void {
  for (const axis of [0, 1] as const) {
    const reach = dilation[axis] * (kernel[axis] - 1) + 1;
    const size = (x.shape[axis + 1] as number) + padding[axis][0] + padding[axis][1];
    if (size >= reach) continue;
    throw new RangeError(
      `${where}: the kernel reaches over ${reach} places, but inputs [${x.shape.join(', ')}] ` +
        `have ${size} with padding; give larger inputs, or more padding`,
    );
  }
}

const copyPair = ([a, b]: readonly [number, number]): [number, number] => [a, b];

/**
 * Convolution over images: `[batch, height, width, inChannels]` →
 * `[batch, height, width, outChannels]`. `torch.nn.Conv2d`: `weight` in the state dict is
 * `[outChannels, inChannels / groups, height, width]`, uniform within ±1/√fanIn at first.
 * @throws RangeError for inputs of other channels, or smaller than the kernel
 * @example
 * const layer = new nn.Conv2d(1, 6, 5, { padding: 2 });
 * layer.forward(tf.zeros([32, 28, 28, 1])).shape; // [32, 28, 28, 6]
 */
export class Conv2d extends Conv {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    options: ConvModuleOptions = {},
  ) {
    super([inChannels, outChannels, kernelSize], options, 2);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const axes = ['batch', 'height', 'width', 'channels'];
    checkInput(`[nn] ${this.name}`, x, { axes, last: this.inChannels });
    return tf.tidy(() => this.convolve(x as tf.Tensor4D, this.weight as tf.Tensor4D));
  }
}

/**
 * Convolution over sequences: `[batch, length, inChannels]` → `[batch, length, outChannels]`.
 * `torch.nn.Conv1d`: `weight` in the state dict is `[outChannels, inChannels / groups, length]`.
 * @throws RangeError for inputs of other channels, or shorter than the kernel
 */
export class Conv1d extends Conv {
  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: number,
    options: ConvModuleOptions<number> = {},
  ) {
    super([inChannels, outChannels, kernelSize], options, 1);
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const axes = ['batch', 'length', 'channels'];
    checkInput(`[nn] ${this.name}`, x, { axes, last: this.inChannels });
    return tf.tidy(() => {
      const image = tf.expandDims(x, 1) as tf.Tensor4D; // [batch, 1, length, channels]
      const filter = tf.expandDims(this.weight, 0) as tf.Tensor4D; // [1, kernel, in, out]
      return tf.squeeze(this.convolve(image, filter), [1]);
    });
  }
}

export interface ConvTransposeOptions extends WeightOptions {
  /** @default 1 */
  stride?: Pair;
  /** What is cut off on both sides of the output. @default 0 */
  padding?: Pair;
  /** Added on the lower and right side of the output, below the stride. @default 0 */
  outputPadding?: Pair;
  /** Whether it adds a bias. @default true */
  bias?: boolean;
}

const transposeRules = rule.object({
  stride: pairRule(1).optional(),
  padding: pairRule(0).optional(),
  outputPadding: pairRule(0).optional(),
  bias: rule.boolean().optional(),
  ...weightRules,
});

/**
 * Transposed convolution, which enlarges images: `[batch, height, width, inChannels]` →
 * `[batch, (height − 1)·stride − 2·padding + kernelSize + outputPadding, ..., outChannels]`.
 * `torch.nn.ConvTranspose2d`: `weight` in the state dict is `[inChannels, outChannels, height,
 * width]`.
 */
export class ConvTranspose2d extends Module {
  readonly inChannels: number;
  readonly outChannels: number;
  readonly kernelSize: Pair;
  weight: tf.Variable;
  bias: tf.Variable | null;
  readonly #options: ConvTransposeOptions;

  constructor(
    inChannels: number,
    outChannels: number,
    kernelSize: Pair,
    options: ConvTransposeOptions = {},
  ) {
    super();
    const where = '[nn] ConvTranspose2d';
    checkSize(where, 'inChannels', inChannels);
    checkSize(where, 'outChannels', outChannels);
    checkPair(where, 'kernelSize', kernelSize);
    const checked = checkOptions(where, transposeRules, options);
    const stride = toPair(checked.stride ?? 1);
    const extra = toPair(checked.outputPadding ?? 0);
    if (extra.some((size, axis) => size >= (stride[axis] as number))) {
      throw new RangeError(
        `${where}: option "outputPadding" must be below the stride [${stride.join(', ')}], got ` +
          `[${extra.join(', ')}]`,
      );
    }
    this.#options = options;
    this.inChannels = inChannels;
    this.outChannels = outChannels;
    this.kernelSize = kernelSize;
    [this.weight, this.bias] = seeded(checked.seed, () => {
      const taps = toPair(kernelSize);
      const weight = parameter([inChannels, outChannels, ...taps], {
        init: checked.init ?? 'kaiming-uniform',
        layout: [2, 3, 1, 0],
      });
      const fanIn = outChannels * taps[0] * taps[1]; // PyTorch reads the fan off the second axis
      return [weight, checked.bias === false ? null : biasWithin(outChannels, fanIn)];
    });
  }

  override config() {
    return [this.inChannels, this.outChannels, this.kernelSize, given(this.#options)];
  }

  override forward(x: tf.Tensor): tf.Tensor {
    const axes = ['batch', 'height', 'width', 'channels'];
    checkInput(`[nn] ${this.name}`, x, { axes, last: this.inChannels });
    const { stride = 1, padding = 0, outputPadding = 0 } = this.#options;
    const bias = (this.bias as tf.Tensor1D | null) ?? undefined;
    const options = { bias, stride, padding, outputPadding };
    return convTranspose2d(x as tf.Tensor4D, this.weight as tf.Tensor4D, options);
  }
}
