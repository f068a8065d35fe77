/**
 * How weights begin. Each initializer is stock TensorFlow.js's, so that a saved model names nothing
 * of deepend's, with its numbers
 * drawn by `random.ts`: stock tfjs takes ten seconds for VGG-16, and cuts the tails off its normal
 * ones.
 */
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { normal, uniform } from './random';

/** How the kernels of a model begin; biases begin at 0. */
export type Init = 'xavier-uniform' | 'he-normal';

type Initializer = ReturnType<typeof tfl.initializers.zeros>;

interface Kernel {
  readonly seed: number;
  /** Numbers that one output is computed from, and outputs that one number goes into. */
  readonly fanIn: number;
  readonly fanOut: number;
}

const drawing = (initializer: Initializer, draw: (size: number) => Float32Array): Initializer => {
  initializer.apply = (shape) =>
    tf.tensor(draw(tf.util.sizeFromShape(shape as number[])), shape as number[]);
  return initializer;
};

const uniformWithin = (bound: number, seed: number) =>
  drawing(tfl.initializers.randomUniform({ minval: -bound, maxval: bound, seed }), (size) =>
    uniform(size, bound, seed),
  );

const normalWith = (stddev: number, seed: number) =>
  drawing(tfl.initializers.randomNormal({ mean: 0, stddev, seed }), (size) =>
    normal(size, stddev, seed),
  );

const glorot = ({ seed, fanIn, fanOut }: Kernel) => {
  const bound = Math.sqrt(6 / (fanIn + fanOut));
  return drawing(tfl.initializers.glorotUniform({ seed }), (size) => uniform(size, bound, seed));
};

/** A row: the kernels of convolutions, and those of linear layers. */
export const INITIALIZERS: Record<
  Init,
  Record<'conv' | 'dense', (kernel: Kernel) => Initializer>
> = {
  // Glorot & Bengio 2010: the book's runs
  'xavier-uniform': { conv: glorot, dense: glorot },
  // He et al. 2015 with fan-out, and PyTorch's own beginning for linear layers: torchvision's
  // ResNets
  'he-normal': {
    conv: ({ seed, fanOut }) => normalWith(Math.sqrt(2 / fanOut), seed),
    dense: ({ seed, fanIn }) => uniformWithin(1 / Math.sqrt(fanIn), seed),
  },
};

/** The initializers' names. */
export const INITS = ['xavier-uniform', 'he-normal'] as const satisfies readonly Init[];
