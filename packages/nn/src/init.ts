/**
 * Initial values of parameters, with PyTorch's formulas (`torch.nn.init`). `random.ts` draws the
 * numbers, so that a seed gives the same ones on every backend.
 */
import { nextSeed } from '@deepend/compiler';
import { formatValue } from '@deepend/core';
import * as tf from '@tensorflow/tfjs-core';
import * as random from './random';
import { fromState, stateShape } from './weight-traits';

/** Makes the values of a parameter; a tensor that it returns is disposed. */
export type Initializer = (shape: number[], seed: number) => tf.Tensor | Float32Array | number[];

/** The names that `init` knows. */
export type InitName = keyof typeof NAMED;

/** Initial values: by name, one of `nn.init`, or a function of your own. */
export type InitialValues = InitName | Initializer;

const sizeOf = (shape: readonly number[]) => tf.util.sizeFromShape([...shape]);

/**
 * Inputs of one output, and outputs that one input contributes to: `shape` is `[out, in, ...]` as
 * PyTorch's weights are, and further axes are the kernel's window.
 */
function fans(where: string, shape: readonly number[]): { fanIn: number; fanOut: number } {
  if (shape.length < 2) {
    throw new RangeError(
      `${where}: expected a shape of at least two axes, [out, in, ...], got ` +
        `[${shape.join(', ')}]; initialize it with 'zeros', 'ones', 'normal' or 'uniform'`,
    );
  }
  const [out = 0, inputs = 0, ...window] = shape;
  return { fanIn: inputs * sizeOf(window), fanOut: out * sizeOf(window) };
}

/** One value everywhere. */
export const constant =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value);

/**
 * Uniform in [low, high).
 * @param options.low the smallest value @default 0
 * @param options.high the bound above @default 1
 */
export const uniform =
  ({ low = 0, high = 1 }: { low?: number; high?: number } = {}): Initializer =>
  (shape, seed) =>
    random.uniform(sizeOf(shape), (high - low) / 2, seed).map((value) => value + (low + high) / 2);

/**
 * Normal.
 * @param options.mean the mean @default 0
 * @param options.std the standard deviation @default 1
 */
export const normal =
  ({ mean = 0, std = 1 }: { mean?: number; std?: number } = {}): Initializer =>
  (shape, seed) => {
    const values = random.normal(sizeOf(shape), std, seed);
    return mean === 0 ? values : values.map((value) => value + mean);
  };

/**
 * Uniform within ±`gain`·√(6 / (fanIn + fanOut)). Glorot & Bengio 2010.
 * @param options.gain a factor, which depends on the activation that follows @default 1
 */
export const xavierUniform =
  ({ gain = 1 }: { gain?: number } = {}): Initializer =>
  (shape, seed) => {
    const { fanIn, fanOut } = fans('[nn] init xavier-uniform', shape);
    return random.uniform(sizeOf(shape), gain * Math.sqrt(6 / (fanIn + fanOut)), seed);
  };

/**
 * Normal with standard deviation `gain`·√(2 / (fanIn + fanOut)). Glorot & Bengio 2010.
 * @param options.gain a factor, which depends on the activation that follows @default 1
 */
export const xavierNormal =
  ({ gain = 1 }: { gain?: number } = {}): Initializer =>
  (shape, seed) => {
    const { fanIn, fanOut } = fans('[nn] init xavier-normal', shape);
    return random.normal(sizeOf(shape), gain * Math.sqrt(2 / (fanIn + fanOut)), seed);
  };

/**
 * Uniform within ±√(6 / ((1 + `a`²)·fanIn)). He et al. 2015, https://arxiv.org/abs/1502.01852.
 * @param options.a slope of the leaky ReLU that follows @default √5, PyTorch's for linear
 *   layers and convolutions, which makes the bound 1/√fanIn
 */
export const kaimingUniform =
  ({ a = Math.sqrt(5) }: { a?: number } = {}): Initializer =>
  (shape, seed) => {
    const { fanIn } = fans('[nn] init kaiming-uniform', shape);
    return random.uniform(
      sizeOf(shape),
      fanIn > 0 ? Math.sqrt(6 / ((1 + a * a) * fanIn)) : 0,
      seed,
    );
  };

/**
 * Normal with standard deviation √(2 / fan). He et al. 2015, https://arxiv.org/abs/1502.01852.
 * @param options.mode which fan @default 'fan-in'
 */
export const heNormal =
  ({ mode = 'fan-in' }: { mode?: 'fan-in' | 'fan-out' } = {}): Initializer =>
  (shape, seed) => {
    const { fanIn, fanOut } = fans('[nn] init he-normal', shape);
    return random.normal(sizeOf(shape), Math.sqrt(2 / (mode === 'fan-in' ? fanIn : fanOut)), seed);
  };

/**
 * Weights of a transposed convolution that enlarges each channel by bilinear interpolation: for
 * stride s take a kernel of 2·s and padding s / 2. The book's `bilinear_kernel`, section 14.11
 * (zh 13.11). The shape is `[channels, channels, size, size]`.
 * @example
 * const enlarge = new nn.ConvTranspose2d(21, 21, 64, {
 *   stride: 32,
 *   padding: 16,
 *   bias: false,
 *   init: nn.init.bilinear(),
 * });
 */
export const bilinear = (): Initializer => (shape) => {
  const [inputs = 0, outputs = 0, ...window] = shape;
  if (shape.length !== 4 || inputs !== outputs) {
    throw new RangeError(
      '[nn] init bilinear: expected a shape [channels, channels, height, width] with as many ' +
        `input as output channels, got [${shape.join(', ')}]; use it for a transposed convolution`,
    );
  }
  const [rows, columns] = window.map(tent) as [number[], number[]];
  const kernel = rows.flatMap((row) => columns.map((column) => row * column));
  const values = new Float32Array(sizeOf(shape));
  for (let channel = 0; channel < inputs; channel++)
    values.set(kernel, channel * (outputs + 1) * kernel.length); // only from a channel to itself
  return values;
};

/** Falls linearly from the middle of `size` places, and would be 0 outside of them. */
function tent(size: number): number[] {
  const factor = Math.floor((size + 1) / 2);
  const center = size % 2 === 1 ? factor - 1 : factor - 0.5;
  return Array.from({ length: size }, (_, i) => 1 - Math.abs(i - center) / factor);
}

const NAMED = {
  zeros: constant(0),
  ones: constant(1),
  uniform: uniform(),
  normal: normal(),
  'xavier-uniform': xavierUniform(),
  'xavier-normal': xavierNormal(),
  'kaiming-uniform': kaimingUniform(),
  'he-normal': heNormal(),
  bilinear: bilinear(),
} satisfies Record<string, Initializer>;

/**
 * The function that makes a parameter's first values.
 * @throws TypeError for an initializer that does not exist
 */
export function initialValues(
  where: string,
  init: InitialValues,
): (shape: number[], seed: number) => tf.Tensor {
  const make = typeof init === 'function' ? init : NAMED[init];
  if (typeof make !== 'function') {
    throw new TypeError(
      `${where}: option "init" must be a function or one of ` +
        `${Object.keys(NAMED).join(', ')}, got ${formatValue(init)}`,
    );
  }
  return (shape, seed) => {
    const values = make(shape, seed);
    const count = values instanceof tf.Tensor ? values.size : values.length;
    if (count === sizeOf(shape)) {
      return values instanceof tf.Tensor
        ? tf.reshape(values, shape)
        : tf.tensor(values, shape, 'float32');
    }
    throw new RangeError(
      `${where}: "init" made ${count} values for the shape [${shape.join(', ')}], which has ` +
        `${sizeOf(shape)}`,
    );
  };
}

/**
 * Draws a parameter's values again, as `torch.nn.init` does in place.
 * @param options.seed any safe integer @default the next of `nn.manualSeed`'s
 * @example
 * net.apply((module) => {
 *   if (module instanceof nn.Linear) nn.init.fill(module.weight, 'xavier-uniform');
 * });
 */
export function fill(
  variable: tf.Variable,
  init: InitialValues,
  { seed }: { seed?: number } = {},
): void {
  const values = initialValues('[nn] init.fill', init);
  tf.tidy(() => fromState(variable, values([...stateShape(variable)], seed ?? nextSeed())));
}
