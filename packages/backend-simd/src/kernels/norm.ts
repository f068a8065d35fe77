/**
 * Fused kernels that `compiler`'s plan runs by name: batch normalization in training with its
 * gradient, and sums over all axes but the last. See assembly/norm.ts.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { NormArgs } from '../generated/bindings';
import { BLOCK_NUMBERS } from '../limits';
import { type Attrs, type Call, type FusedKernel, size } from './types';

const CHANNEL_BLOCK = 64;

type Rows = Pick<NormArgs, 'rows' | 'channels' | 'block' | 'blocks'>;

function splitRows({ shape }: TensorInfo): Rows {
  const channels = shape.at(-1) ?? 1;
  const rows = size(shape) / channels;
  const block = Math.max(1, Math.min(rows, Math.floor(BLOCK_NUMBERS / channels)));
  return { rows, channels, block, blocks: Math.ceil(rows / block) };
}

const countChannelBlocks = ({ channels }: Rows) => Math.ceil(channels / CHANNEL_BLOCK);

/** Addresses that a kernel does not use are left out. */
type Addresses = Partial<
  Omit<NormArgs, keyof Rows | 'relu' | 'channelBlock' | 'epsilon' | 'momentum'>
>;

/** One literal without spreads: this runs for every layer of every step. */
const normArgs = (
  at: Addresses,
  { rows, channels, block, blocks }: Rows,
  { relu = false, ceiling, epsilon = 0, momentum = 0 }: Attrs = {},
): NormArgs => ({
  x: at.x ?? 0,
  y: at.y ?? 0,
  dy: at.dy ?? 0,
  residual: at.residual ?? 0,
  out: at.out ?? 0,
  outResidual: at.outResidual ?? 0,
  partials: at.partials ?? 0,
  a: at.a ?? 0,
  b: at.b ?? 0,
  c: at.c ?? 0,
  mean: at.mean ?? 0,
  invStd: at.invStd ?? 0,
  gamma: at.gamma ?? 0,
  beta: at.beta ?? 0,
  movingMean: at.movingMean ?? 0,
  movingVariance: at.movingVariance ?? 0,
  newMean: at.newMean ?? 0,
  newVariance: at.newVariance ?? 0,
  dGamma: at.dGamma ?? 0,
  dBeta: at.dBeta ?? 0,
  rows,
  channels,
  block,
  blocks,
  relu: relu ? (ceiling === undefined ? 1 : 2) : 0,
  channelBlock: CHANNEL_BLOCK,
  epsilon,
  momentum,
});

const pointer = (backend: SimdBackend, tensor: TensorInfo | undefined) =>
  tensor ? backend.pointer(tensor) : 0;

type Inputs = Record<string, TensorInfo> & { x: TensorInfo };

/** y = x · scale + shift, with given statistics. */
function normalize({ inputs, attrs, backend }: Call): TensorInfo {
  const { x, residual } = inputs as Inputs;
  const rows = splitRows(x);
  const y = backend.output([...x.shape]);
  const values = (name: string) => inputs[name] && (backend.values(inputs[name]) as Float32Array);
  const gamma = values('gamma');
  const beta = values('beta');
  const mean = values('mean');
  const variance = values('variance');
  backend.temporary(2 * rows.channels * 4, (a) => {
    const factors = new Float32Array(backend.buffer, a, 2 * rows.channels);
    for (let c = 0; c < rows.channels; c++) {
      const factor = (gamma?.[c] ?? 1) / Math.sqrt((variance?.[c] ?? 1) + attrs.epsilon);
      factors[c] = factor;
      factors[rows.channels + c] = (beta?.[c] ?? 0) - (mean?.[c] ?? 0) * factor;
    }
    const addresses = {
      x: pointer(backend, x),
      out: pointer(backend, y),
      residual: pointer(backend, residual),
      a,
      b: a + rows.channels * 4,
    };
    backend.launch(Task.NormApply, normArgs(addresses, rows, attrs), rows.blocks);
  });
  return y;
}

/** Normalizes with the batch's statistics, and updates the moving statistics in place. */
function batchNorm({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { x, gamma, beta, movingMean, movingVariance, residual } = inputs as Inputs;
  const rows = splitRows(x);
  const { channels, blocks } = rows;
  const y = backend.output([...x.shape]);
  const mean = backend.output([channels]);
  const invStd = backend.output([channels]);
  backend.temporary((2 * blocks + 2) * channels * 4, (partials) => {
    const a = partials + 2 * blocks * channels * 4;
    const addresses = {
      x: pointer(backend, x),
      out: pointer(backend, y),
      residual: pointer(backend, residual),
      partials,
      a,
      b: a + channels * 4,
      mean: pointer(backend, mean),
      invStd: pointer(backend, invStd),
      gamma: pointer(backend, gamma),
      beta: pointer(backend, beta),
      movingMean: pointer(backend, movingMean),
      movingVariance: pointer(backend, movingVariance),
      newMean: pointer(backend, movingMean),
      newVariance: pointer(backend, movingVariance),
    };
    const args = normArgs(addresses, rows, attrs);
    backend.launch(Task.NormPartial, args, blocks);
    backend.launch(Task.NormCombine, args, countChannelBlocks(rows));
    backend.launch(Task.NormApply, args, blocks);
  });
  return [y, mean, invStd];
}

/** dx, dGamma, dBeta and, with attrs.residual, the shortcut's gradient dz. */
function batchNormGradient(call: Call): TensorInfo[] {
  const { inputs, attrs, backend } = call;
  const { x } = inputs as Inputs;
  const dx = backend.output([...x.shape]);
  const dz = attrs.residual ? backend.output([...x.shape]) : undefined;
  const sums = gradientSums(call, { dx, dz });
  return dz ? [dx, ...sums, dz] : [dx, ...sums];
}

/** Computes dGamma and dBeta and, from them, the gradients that it is given. */
function gradientSums(
  { inputs, attrs, backend }: Call,
  { dx, dz }: { dx?: TensorInfo; dz?: TensorInfo | undefined } = {},
): TensorInfo[] {
  const { x, y, dy, mean, invStd, gamma } = inputs as Inputs;
  const rows = splitRows(x);
  const { channels, blocks } = rows;
  const dGamma = backend.output([channels]);
  const dBeta = backend.output([channels]);
  backend.temporary((2 * blocks + 3) * channels * 4, (partials) => {
    const a = partials + 2 * blocks * channels * 4;
    const addresses = {
      x: pointer(backend, x),
      y: pointer(backend, y),
      dy: pointer(backend, dy),
      out: pointer(backend, dx),
      outResidual: pointer(backend, dz),
      partials,
      a,
      b: a + channels * 4,
      c: a + 2 * channels * 4,
      mean: pointer(backend, mean),
      invStd: pointer(backend, invStd),
      gamma: pointer(backend, gamma),
      dGamma: pointer(backend, dGamma),
      dBeta: pointer(backend, dBeta),
    };
    const args = normArgs(addresses, rows, attrs);
    backend.launch(Task.NormBackPartial, args, blocks);
    backend.launch(Task.NormBackCombine, args, countChannelBlocks(rows));
    if (dx) backend.launch(Task.NormBackApply, args, blocks);
  });
  return [dGamma, dBeta];
}

/** The mean and the unbiased variance of each channel, [channels]. */
function channelMoments({ inputs, backend }: Call): TensorInfo[] {
  const x = inputs.x as TensorInfo;
  const rows = splitRows(x);
  const { channels, blocks } = rows;
  const mean = backend.output([channels]);
  const unbiased = backend.output([channels]);
  backend.temporary((2 * blocks + 4) * channels * 4, (partials) => {
    const vector = (i: number) => partials + (2 * blocks + i) * channels * 4;
    // Moving statistics of zeros, which nothing keeps, become those of the batch.
    const moving = vector(3);
    new Float32Array(backend.buffer, moving, channels).fill(0);
    const addresses = {
      x: pointer(backend, x),
      partials,
      a: vector(0),
      b: vector(1),
      mean: pointer(backend, mean),
      invStd: vector(2),
      movingMean: moving,
      movingVariance: moving,
      newMean: pointer(backend, mean),
      newVariance: pointer(backend, unbiased),
    };
    const args = normArgs(addresses, rows, { epsilon: 1 });
    backend.launch(Task.NormPartial, args, blocks);
    backend.launch(Task.NormCombine, args, countChannelBlocks(rows));
  });
  return [mean, unbiased];
}

/** dx and, with attrs.residual, the shortcut's gradient dz. */
function batchNormApply({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { x, y, dy, mean, a, b, c } = inputs as Inputs;
  const rows = splitRows(x);
  const dx = backend.output([...x.shape]);
  const dz = attrs.residual ? backend.output([...x.shape]) : undefined;
  const addresses = {
    x: pointer(backend, x),
    y: pointer(backend, y),
    dy: pointer(backend, dy),
    out: pointer(backend, dx),
    outResidual: pointer(backend, dz),
    mean: pointer(backend, mean),
    a: pointer(backend, a),
    b: pointer(backend, b),
    c: pointer(backend, c),
  };
  backend.launch(Task.NormBackApply, normArgs(addresses, rows, attrs), rows.blocks);
  return dz ? [dx, dz] : [dx];
}

/** The sum of each channel, [channels]. */
function channelSums({ inputs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const rows = splitRows(x);
  const { channels, blocks } = rows;
  const out = backend.output([channels]);
  backend.temporary(blocks * channels * 4, (partials) => {
    const addresses = { x: pointer(backend, x), partials };
    backend.launch(Task.ChannelSumsPartial, normArgs(addresses, rows), blocks);
    backend.launch(
      Task.ReducePartials,
      {
        source: partials,
        out: pointer(backend, out),
        count: channels,
        partials: blocks,
        stride: channels,
        block: channels,
      },
      1,
    );
  });
  return out;
}

export const normKernels: readonly FusedKernel[] = [
  // {x, gamma?, beta?, mean, variance, residual?} + epsilon, relu, ceiling? → y
  { name: 'deepend.normalize', run: normalize },
  // {x, gamma?, beta?, movingMean, movingVariance, residual?} + epsilon, momentum, relu,
  // ceiling?
  // → [y, mean, 1 / √(variance + epsilon)]
  { name: 'deepend.batchNorm', run: batchNorm },
  // {x, y, dy, mean, invStd, gamma?} + relu, ceiling?, residual → [dx, dGamma, dBeta, dz?];
  // reads y only for the ReLU
  { name: 'deepend.batchNormGradient', run: batchNormGradient },
  // {x} → [mean, unbiased variance]
  { name: 'deepend.channelMoments', run: channelMoments },
  // {x, y, dy, mean, invStd} + relu, ceiling? → [dGamma, dBeta]; reads y only for the ReLU
  { name: 'deepend.batchNormSums', run: (call) => gradientSums(call) },
  // {x, y, dy, mean, a, b, c} + relu, ceiling?, residual → [dx, dz?]
  { name: 'deepend.batchNormApply', run: batchNormApply },
  // {x} → sums
  { name: 'deepend.channelSums', run: channelSums },
];
