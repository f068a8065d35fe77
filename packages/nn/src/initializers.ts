/**
 * Initializers of kernels. Each is an initializer of stock TensorFlow.js, so that stock tfjs can
 * load the saved model, but `random.ts` draws its numbers: stock tfjs takes ten seconds for VGG-16,
 * and truncates its normal distribution.
 */
import * as tf from '@tensorflow/tfjs-core';
import * as tfl from '@tensorflow/tfjs-layers';
import { normal, uniform } from './random';

/** How the kernels of a model are initialized; biases are initialized with 0. */
export type Init = 'xavier-uniform' | 'he-normal';

type Initializer = ReturnType<typeof tfl.initializers.zeros>;

interface Kernel {
  readonly seed: number;
  /** Inputs of one output, and outputs that one input contributes to. */
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

/** The initializers of convolutions' and of linear layers' kernels, by the option `init`. */
export const INITIALIZERS: Record<
  Init,
  Record<'conv' | 'dense', (kernel: Kernel) => Initializer>
> = {
  // Glorot & Bengio 2010: the book's runs
  'xavier-uniform': { conv: glorot, dense: glorot },
  // He et al. 2015 with fan-out, and PyTorch's default for linear layers: torchvision's ResNets
  'he-normal': {
    conv: ({ seed, fanOut }) => normalWith(Math.sqrt(2 / fanOut), seed),
    dense: ({ seed, fanIn }) => uniformWithin(1 / Math.sqrt(fanIn), seed),
  },
};

/** The initializers' names. */
export const INITS = ['xavier-uniform', 'he-normal'] as const satisfies readonly Init[];
