/**
 * The stock layers with PyTorch's conventions: symmetric explicit padding, batch norm with epsilon 1e-5 and moving average 0.9.
 * Each is a `Block`: a function from symbolic tensor to symbolic tensor.
 */
import * as tfl from '@tensorflow/tfjs-layers';
import { type Init, layerConfig } from './naming';

/** A part of a net: takes a symbolic tensor and returns one. */
export type Block = (x: tfl.SymbolicTensor) => tfl.SymbolicTensor;

export interface ConvOptions {
  kernel: number;
  stride?: number;
  padding?: number;
  bias?: boolean;
  name: string;
}

const apply = (layer: tfl.layers.Layer, x: tfl.SymbolicTensor | tfl.SymbolicTensor[]) => layer.apply(x) as tfl.SymbolicTensor;

/** Glorot & Bengio 2010 (Xavier uniform), and He et al. 2015 with fan-out, as torchvision begins its ResNets. */
const INITIALIZERS: Record<Init, (seed: number, fanOut: number) => ReturnType<typeof tfl.initializers.zeros>> = {
  'xavier-uniform': (seed) => tfl.initializers.glorotUniform({ seed }),
  // tfjs's own variance scaling cuts the tails off and so misses the deviation by 12 %.
  'he-normal': (seed, fanOut) => tfl.initializers.randomNormal({ mean: 0, stddev: Math.sqrt(2 / fanOut), seed }),
};

/** Adds `padding` rows and columns of zeros on every side. Stock tfjs's `same` pads unevenly at stride 2; PyTorch never does. */
export const pad =
  (padding: number, name: string): Block =>
  (x) =>
    padding === 0 ? x : apply(tfl.layers.zeroPadding2d({ padding: [padding, padding], name: layerConfig(name).name }), x);

/** Convolution with square kernels: `[batch, h, w, c]` → `[batch, ⌊(h + 2·padding − kernel) / stride⌋ + 1, …, filters]`. */
export const conv =
  (filters: number, { kernel, stride = 1, padding = 0, bias = true, name }: ConvOptions): Block =>
  (x) => {
    const padded = pad(padding, `${name}_pad`)(x);
    const { seed, init, name: layerName } = layerConfig(name);
    const config = { filters, kernelSize: kernel, strides: stride, useBias: bias, name: layerName };
    const kernelInitializer = INITIALIZERS[init](seed, kernel * kernel * filters);
    return apply(tfl.layers.conv2d({ ...config, padding: 'valid', kernelInitializer }), padded);
  };

/** Batch normalization, Ioffe & Szegedy 2015. tfjs's own defaults are epsilon 1e-3 and 0.99. */
export const batchNorm =
  (name: string): Block =>
  (x) =>
    apply(tfl.layers.batchNormalization({ epsilon: 1e-5, momentum: 0.9, name: layerConfig(name).name }), x);

export const relu =
  (name: string): Block =>
  (x) =>
    apply(tfl.layers.reLU({ name: layerConfig(name).name }), x);

export const sigmoid =
  (name: string): Block =>
  (x) =>
    apply(tfl.layers.activation({ activation: 'sigmoid', name: layerConfig(name).name }), x);

/** Max-pooling. Its padding is zeros, which equals PyTorch's −∞ where the input is a ReLU's output. */
export const maxPool =
  ({ size, stride = size, padding = 0, name }: { size: number; stride?: number; padding?: number; name: string }): Block =>
  (x) =>
    apply(
      tfl.layers.maxPooling2d({ poolSize: size, strides: stride, padding: 'valid', name: layerConfig(name).name }),
      pad(padding, `${name}_pad`)(x),
    );

/** Mean of each `size`×`size` square, side by side: height and width become ⌊1 / size⌋ of theirs. */
export const averagePool =
  ({ size, name }: { size: number; name: string }): Block =>
  (x) =>
    apply(tfl.layers.averagePooling2d({ poolSize: size, strides: size, padding: 'valid', name: layerConfig(name).name }), x);

/** `[batch, height, width, channels]` → `[batch, height·width·channels]`, channels last: PyTorch puts them first. */
export const flatten =
  (name: string): Block =>
  (x) =>
    apply(tfl.layers.flatten({ name: layerConfig(name).name }), x);

/** Srivastava et al. 2014. Where its random numbers come from is the training plan's to say. */
export const dropout =
  (rate: number, name: string): Block =>
  (x) =>
    apply(tfl.layers.dropout({ rate, name: layerConfig(name).name }), x);

/** `[batch, height, width, channels]` → `[batch, channels]`. */
export const globalAveragePool =
  (name: string): Block =>
  (x) =>
    apply(tfl.layers.globalAveragePooling2d({ name: layerConfig(name).name }), x);

export const dense =
  (units: number, name: string): Block =>
  (x) => {
    const { seed, init, name: layerName } = layerConfig(name);
    return apply(tfl.layers.dense({ units, kernelInitializer: INITIALIZERS[init](seed, units), name: layerName }), x);
  };

export const add =
  (name: string) =>
  (a: tfl.SymbolicTensor, b: tfl.SymbolicTensor): tfl.SymbolicTensor =>
    apply(tfl.layers.add({ name: layerConfig(name).name }), [a, b]);

/** One block after the other. */
export const chain =
  (...blocks: readonly Block[]): Block =>
  (x) =>
    blocks.reduce((at, block) => block(at), x);
