/**
 * Stock layers of TensorFlow.js with PyTorch's conventions: symmetric explicit padding, batch norm
 * with epsilon 1e-5 and moving average 0.9. Each function returns a `Block`, a function from
 * symbolic tensor to symbolic tensor. A layer's name is optional: by default it is numbered in its
 * scope (`relu1`, `relu2`, ...).
 */
import * as tfl from '@tensorflow/tfjs-layers';
import { GroupedConv2D, type GroupedConv2DConfig } from './grouped-conv';
import { INITIALIZERS } from './initializers';
import { isDry, layerConfig, numbered, remember } from './naming';

/** A part of a model: takes a symbolic tensor and returns one. */
export type Block = (x: tfl.SymbolicTensor) => tfl.SymbolicTensor;

export const shapeOf = (x: tfl.SymbolicTensor): number[] =>
  x.shape.slice(1).map((size) => size ?? 0);

/** Thrown when a layer's output would have no pixels left. */
export class ImageTooSmallError extends RangeError {
  override name = 'ImageTooSmallError';
}

/**
 * Applies a layer to symbolic tensors. In a dry build it only computes the output's shape.
 * @throws ImageTooSmallError when the output would have no pixels; the error names the layer
 */
export function apply(
  layer: tfl.layers.Layer,
  x: tfl.SymbolicTensor | tfl.SymbolicTensor[],
): tfl.SymbolicTensor {
  const shapes = Array.isArray(x) ? x.map(({ shape }) => shape) : x.shape;
  const shape = layer.computeOutputShape(shapes) as tfl.Shape;
  if (shape.slice(1).some((size) => size !== null && size < 1)) {
    const inner = ([_, ...sizes]: tfl.Shape) => `[${sizes.join(', ')}]`;
    const given = Array.isArray(x)
      ? x.map((one) => inner(one.shape)).join(' and ')
      : inner(x.shape);
    throw new ImageTooSmallError(
      `layer '${layer.name}' (${layer.getClassName()}) would give ${inner(shape)} from ${given}`,
    );
  }
  // Blocks read only the shape of a symbolic tensor.
  if (isDry()) return { shape, dtype: 'float32' } as tfl.SymbolicTensor;
  remember(layer);
  return layer.apply(x) as tfl.SymbolicTensor;
}

type Sides = readonly [before: number, after: number];

/**
 * Adds rows and columns of zeros around the image. tfjs's `same` pads unevenly at stride 2, which
 * PyTorch never does.
 */
const padSides =
  (rows: Sides, columns: Sides, name: string): Block =>
  (x) =>
    [...rows, ...columns].every((count) => count === 0)
      ? x
      : apply(
          tfl.layers.zeroPadding2d({
            padding: [[...rows], [...columns]],
            name: layerConfig(name).name,
          }),
          x,
        );

/** Adds `padding` rows and columns of zeros on every side. */
export const pad = (padding: number, name: string): Block =>
  padSides([padding, padding], [padding, padding], name);

/**
 * Adds `count` channels of zeros after the last one. With `channelsFirst`, ZeroPadding2D pads the
 * last two axes, of which the last holds the channels here.
 */
export const padChannels =
  (count: number, name: string): Block =>
  (x) =>
    apply(
      tfl.layers.zeroPadding2d({
        padding: [
          [0, 0],
          [0, count],
        ],
        dataFormat: 'channelsFirst',
        name: layerConfig(name).name,
      }),
      x,
    );

export interface ConvOptions {
  /**
   * Height and width of the kernel, in pixels.
   * @example 3
   */
  kernel: number;
  /** Pixels between positions of the kernel. @default 1 */
  stride?: number;
  /** Pixels of zeros that are added on each side. @default 0 */
  padding?: number;
  /** Whether each output channel has a bias. @default true */
  bias?: boolean;
  /**
   * Groups that input and output channels are split into; each is convolved separately. @default 1
   */
  groups?: number;
  /** @default conv1, conv2, ..., numbered in the scope */
  name?: string | undefined;
}

/**
 * Convolution with square kernels: `[batch, h, w, c]` → `[batch, ⌊(h + 2·padding − kernel) /
 * stride⌋ + 1, …, filters]`.
 */
export const conv =
  (
    filters: number,
    { kernel, stride = 1, padding = 0, bias = true, groups = 1, name }: ConvOptions,
  ): Block =>
  (x) => {
    const own = numbered('conv', name);
    const padded = pad(padding, `${own}_pad`)(x);
    const { seed, init, name: layerName } = layerConfig(own);
    const area = kernel * kernel;
    const fans = { fanIn: (area * (x.shape.at(-1) ?? 1)) / groups, fanOut: area * filters };
    const kernelInitializer = INITIALIZERS[init].conv({ seed, ...fans });
    const config = {
      filters,
      kernelSize: kernel,
      strides: stride,
      useBias: bias,
      kernelInitializer,
      name: layerName,
    };
    if (groups > 1)
      return apply(new GroupedConv2D({ ...config, groups } as GroupedConv2DConfig), padded);
    return apply(tfl.layers.conv2d({ ...config, padding: 'valid' }), padded);
  };

/**
 * Depthwise convolution, `[batch, h, w, c]` → `[batch, h', w', c]`: each channel is convolved with
 * its own kernel.
 */
export const depthwiseConv =
  ({ kernel, stride = 1, padding = 0, bias = true, name }: Omit<ConvOptions, 'groups'>): Block =>
  (x) => {
    const own = numbered('conv', name);
    const padded = pad(padding, `${own}_pad`)(x);
    const { seed, init, name: layerName } = layerConfig(own);
    const area = kernel * kernel;
    // PyTorch counts every output channel in the fan-out, though each comes from one input channel.
    const depthwiseInitializer = INITIALIZERS[init].conv({
      seed,
      fanIn: area,
      fanOut: area * (x.shape.at(-1) ?? 1),
    });
    const config = {
      kernelSize: kernel,
      strides: stride,
      useBias: bias,
      depthwiseInitializer,
      name: layerName,
    };
    return apply(tfl.layers.depthwiseConv2d({ ...config, padding: 'valid' }), padded);
  };

export interface BatchNormOptions {
  /** @default 1e-5 */
  epsilon?: number;
  /**
   * Initializes the factor gamma with 0, so that the residual block around it starts as the
   * identity. @default false
   */
  zero?: boolean;
}

/** Batch normalization, Ioffe & Szegedy 2015. tfjs's own defaults are epsilon 1e-3 and 0.99. */
export const batchNorm =
  (name?: string, { epsilon = 1e-5, zero = false }: BatchNormOptions = {}): Block =>
  (x) =>
    apply(
      tfl.layers.batchNormalization({
        epsilon,
        momentum: 0.9,
        ...(zero && { gammaInitializer: 'zeros' }),
        name: layerConfig(numbered('bn', name)).name,
      }),
      x,
    );

export const relu =
  (name?: string): Block =>
  (x) =>
    apply(tfl.layers.reLU({ name: layerConfig(numbered('relu', name)).name }), x);

/** min(max(x, 0), 6), Sandler et al. 2018. */
export const relu6 =
  (name?: string): Block =>
  (x) =>
    apply(tfl.layers.reLU({ maxValue: 6, name: layerConfig(numbered('relu', name)).name }), x);

export const sigmoid =
  (name?: string): Block =>
  (x) =>
    apply(
      tfl.layers.activation({
        activation: 'sigmoid',
        name: layerConfig(numbered('sigmoid', name)).name,
      }),
      x,
    );

/** x · sigmoid(x), Ramachandran et al. 2017, https://arxiv.org/abs/1710.05941. */
export const swish =
  (name?: string): Block =>
  (x) =>
    apply(
      tfl.layers.activation({
        activation: 'swish',
        name: layerConfig(numbered('swish', name)).name,
      }),
      x,
    );

/** x · Φ(x), Hendrycks & Gimpel 2016, https://arxiv.org/abs/1606.08415. */
export const gelu =
  (name?: string): Block =>
  (x) =>
    apply(
      // tfjs has it, and its types do not.
      tfl.layers.activation({
        activation: 'gelu' as 'relu',
        name: layerConfig(numbered('gelu', name)).name,
      }),
      x,
    );

/**
 * Normalizes the channels of each pixel, Ba et al. 2016, https://arxiv.org/abs/1607.06450.
 * @param options.epsilon added to the variance @default 1e-5
 */
export const layerNorm =
  (name?: string, { epsilon = 1e-5 }: { epsilon?: number } = {}): Block =>
  (x) =>
    apply(
      tfl.layers.layerNormalization({ epsilon, name: layerConfig(numbered('ln', name)).name }),
      x,
    );

/**
 * Multiplies each channel by a factor of its own, Touvron et al. 2021,
 * https://arxiv.org/abs/2103.17239: `[batch, h, w, c]` → the same shape. TensorFlow.js has no layer
 * for it but a depthwise 1×1 convolution. A name that ends in `layer_scale` makes it PyTorch's
 * parameter of that name, of shape `[c, 1, 1]`.
 * @param options.initial the factor of every channel in a new model @default 1e-6
 */
export const layerScale =
  (name = 'layer_scale', { initial = 1e-6 }: { initial?: number } = {}): Block =>
  (x) =>
    apply(
      tfl.layers.depthwiseConv2d({
        kernelSize: 1,
        useBias: false,
        depthwiseInitializer: tfl.initializers.constant({ value: initial }),
        name: layerConfig(name).name,
      }),
      x,
    );

export interface PoolOptions {
  /**
   * Height and width of the window, in pixels.
   * @example 2
   */
  size: number;
  /** @default size */
  stride?: number;
  /** Pixels that are added on each side. @default 0 */
  padding?: number;
  /**
   * Whether a last window that reaches beyond the image counts too, as with PyTorch's `ceil_mode`.
   * @default false
   */
  ceil?: boolean;
  /** @default pool1, pool2, ..., numbered in the scope */
  name?: string | undefined;
}

/** Max-pooling. It pads with zeros, which gives PyTorch's values (it pads with −∞) after a ReLU. */
export const maxPool =
  ({ size, stride = size, padding = 0, ceil = false, name }: PoolOptions): Block =>
  (x) => {
    const [rows, columns] = shapeOf(x).map((length): Sides => {
      const rest = ceil ? missing(length, { size, stride, padding }) : 0;
      return [padding, padding + rest];
    }) as [Sides, Sides];
    const own = numbered('pool', name);
    const config = { poolSize: size, strides: stride, name: layerConfig(own).name };
    return apply(
      tfl.layers.maxPooling2d({ ...config, padding: 'valid' }),
      padSides(rows, columns, `${own}_pad`)(x),
    );
  };

/**
 * Number of pixels that the last window reaches beyond the padded image. A window that would start
 * in the padding after the image is left out, as in PyTorch.
 */
function missing(
  length: number,
  { size, stride, padding }: { size: number; stride: number; padding: number },
): number {
  const steps = Math.ceil((length + 2 * padding - size) / stride);
  const last = steps * stride >= length + padding ? steps - 1 : steps;
  return Math.max(last * stride + size - length - 2 * padding, 0);
}

/**
 * Mean of each `size`×`size` window: `[batch, h, w, c]` → `[batch, ⌊(h − size) / stride⌋ + 1, …,
 * c]`.
 */
export const averagePool =
  ({
    size,
    stride = size,
    name,
  }: {
    /**
     * Height and width of the window, in pixels.
     * @example 2
     */
    size: number;
    /** Pixels between windows. @default size */
    stride?: number;
    /** The layer's name. @default TensorFlow.js's */
    name?: string | undefined;
  }): Block =>
  (x) =>
    apply(
      tfl.layers.averagePooling2d({
        poolSize: size,
        strides: stride,
        padding: 'valid',
        name: layerConfig(numbered('pool', name)).name,
      }),
      x,
    );

/**
 * `[batch, height, width, channels]` → `[batch, height·width·channels]`, channels last; PyTorch's
 * has the channels first.
 */
export const flatten =
  (name?: string): Block =>
  (x) =>
    apply(tfl.layers.flatten({ name: layerConfig(numbered('flatten', name)).name }), x);

/**
 * Dropout, Srivastava et al. 2014. In training by deepend the seed of the run determines the mask.
 * A rate of 0 adds no layer.
 */
export const dropout =
  (rate: number, name?: string): Block =>
  (x) =>
    rate === 0
      ? x
      : apply(tfl.layers.dropout({ rate, name: layerConfig(numbered('dropout', name)).name }), x);

/**
 * Stochastic depth, Huang et al. 2016, https://arxiv.org/abs/1603.09382: in training, the whole
 * branch of a sample is dropped with probability `rate`, and multiplied by 1 / (1 − rate)
 * otherwise. Only deepend trains it; stock tfjs can load it and predict. A rate of 0 adds no layer.
 */
export const dropPath =
  (rate: number, name?: string): Block =>
  (x) => {
    if (rate === 0) return x;
    // Null is the batch; tfjs's types allow only numbers.
    const noiseShape = [null, 1, 1, 1] as unknown as number[];
    return apply(
      tfl.layers.dropout({ rate, noiseShape, name: layerConfig(numbered('drop', name)).name }),
      x,
    );
  };

/** `[batch, height, width, channels]` → `[batch, channels]`. */
export const globalAveragePool =
  (name?: string): Block =>
  (x) =>
    apply(tfl.layers.globalAveragePooling2d({ name: layerConfig(numbered('pool', name)).name }), x);

export const dense =
  (units: number, name?: string): Block =>
  (x) => {
    const { seed, init, name: layerName } = layerConfig(numbered('dense', name));
    const kernelInitializer = INITIALIZERS[init].dense({
      seed,
      fanIn: x.shape.at(-1) ?? 1,
      fanOut: units,
    });
    return apply(tfl.layers.dense({ units, kernelInitializer, name: layerName }), x);
  };

/** `[batch, channels]` → `[batch, 1, 1, channels]`. */
export const asPixel =
  (name?: string): Block =>
  (x) =>
    apply(
      tfl.layers.reshape({
        targetShape: [1, 1, x.shape.at(-1) ?? 1],
        name: layerConfig(numbered('reshape', name)).name,
      }),
      x,
    );

type Join = (...parts: readonly tfl.SymbolicTensor[]) => tfl.SymbolicTensor;

export const add =
  (name?: string): Join =>
  (...parts) =>
    apply(tfl.layers.add({ name: layerConfig(numbered('add', name)).name }), [...parts]);

/**
 * Multiplies elementwise; a part of shape `[batch, 1, 1, channels]` is broadcast over all pixels.
 */
export const multiply =
  (name?: string): Join =>
  (...parts) =>
    apply(tfl.layers.multiply({ name: layerConfig(numbered('multiply', name)).name }), [...parts]);

/** Concatenates along the channels; one part is returned as it is. */
export const concatenate =
  (name?: string): Join =>
  (...parts) =>
    parts.length === 1 && parts[0]
      ? parts[0]
      : apply(
          tfl.layers.concatenate({ axis: -1, name: layerConfig(numbered('concat', name)).name }),
          [...parts],
        );

/** Applies the blocks one after the other. */
export const chain =
  (...blocks: readonly Block[]): Block =>
  (x) =>
    blocks.reduce((at, block) => block(at), x);
