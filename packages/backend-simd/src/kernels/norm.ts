/**
 * Batch normalization in training with its gradient, and sums over all axes but the last. See
 * assembly/norm.ts.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { float } from '../runtime';
import { type Kernel, size } from './types';

/** Numbers in a block of rows: its second pass finds them in the cache. */
const BLOCK_NUMBERS = 16_384;
const CHANNEL_BLOCK = 64;

interface Rows {
  rows: number;
  channels: number;
  block: number;
  blocks: number;
}

function rowsOf({ shape }: TensorInfo): Rows {
  const channels = shape.at(-1) ?? 1;
  const rows = size(shape) / channels;
  const block = Math.max(1, Math.min(rows, Math.floor(BLOCK_NUMBERS / channels)));
  return { rows, channels, block, blocks: Math.ceil(rows / block) };
}

/** The fields of assembly/norm.ts's NormArgs, in its order; what is left out is 0. */
const FIELDS = [
  ...([
    'x',
    'y',
    'dy',
    'residual',
    'out',
    'outResidual',
    'partials',
    'a',
    'b',
    'c',
    'mean',
    'deviation',
    'gamma',
    'beta',
  ] as const),
  ...(['movingMean', 'movingVariance', 'newMean', 'newVariance', 'dGamma', 'dBeta'] as const),
];
type Places = Partial<Record<(typeof FIELDS)[number], number>>;

function words(
  places: Places,
  { rows, channels, block, blocks }: Rows,
  { relu = false, epsilon = 0, momentum = 0 } = {},
): number[] {
  const list = FIELDS.map((field) => places[field] ?? 0);
  return [
    ...list,
    rows,
    channels,
    block,
    blocks,
    relu ? 1 : 0,
    CHANNEL_BLOCK,
    float(epsilon),
    float(momentum),
  ];
}

const channelTiles = ({ channels }: Rows) => Math.ceil(channels / CHANNEL_BLOCK);
const pointer = (backend: SimdBackend, tensor: TensorInfo | undefined) =>
  tensor ? backend.pointer(tensor) : 0;

/** One output tensor a name, each `[channels]`. */
const vectors = (backend: SimdBackend, channels: number, count: number) =>
  Array.from({ length: count }, () => backend.output([channels]));

export const normKernels: Kernel[] = [
  {
    // {x, gamma?, beta?, mean, variance, residual?} + epsilon, relu → y, with statistics that are
    // given
    name: 'deepend.normalize',
    run({ inputs, attrs, backend }) {
      const { x, residual } = inputs as Record<string, TensorInfo> & { x: TensorInfo };
      const rows = rowsOf(x);
      const y = backend.output([...x.shape]);
      const values = (name: string) =>
        inputs[name] && (backend.values(inputs[name]) as Float32Array);
      const [gamma, beta, mean, variance] = ['gamma', 'beta', 'mean', 'variance'].map(values);
      backend.temporary(2 * rows.channels * 4, (a) => {
        const factors = new Float32Array(backend.buffer, a, 2 * rows.channels);
        for (let c = 0; c < rows.channels; c++) {
          const factor = (gamma?.[c] ?? 1) / Math.sqrt((variance?.[c] ?? 1) + attrs.epsilon);
          factors[c] = factor;
          factors[rows.channels + c] = (beta?.[c] ?? 0) - (mean?.[c] ?? 0) * factor;
        }
        const places: Places = {
          x: pointer(backend, x),
          out: pointer(backend, y),
          residual: pointer(backend, residual),
          a,
        };
        backend.launch(
          Task.NormApply,
          words({ ...places, b: a + rows.channels * 4 }, rows, attrs),
          rows.blocks,
        );
      });
      return y;
    },
  },
  {
    // {x, gamma?, beta?, movingMean, movingVariance, residual?} → [y, mean, 1/√(variance + ε)];
    // moves the statistics in place
    name: 'deepend.batchNorm',
    run({ inputs, attrs, backend }) {
      const { x, gamma, beta, movingMean, movingVariance, residual } = inputs as Record<
        string,
        TensorInfo
      > & { x: TensorInfo };
      const rows = rowsOf(x);
      const y = backend.output([...x.shape]);
      const [mean, deviation] = vectors(backend, rows.channels, 2) as [TensorInfo, TensorInfo];
      const moving = {
        movingMean: pointer(backend, movingMean),
        movingVariance: pointer(backend, movingVariance),
      };
      backend.temporary((2 * rows.blocks + 2) * rows.channels * 4, (partials) => {
        const a = partials + 2 * rows.blocks * rows.channels * 4;
        const places: Places = {
          x: pointer(backend, x),
          out: pointer(backend, y),
          partials,
          a,
          b: a + rows.channels * 4,
        };
        Object.assign(places, {
          gamma: pointer(backend, gamma),
          beta: pointer(backend, beta),
          residual: pointer(backend, residual),
        });
        Object.assign(places, {
          mean: pointer(backend, mean),
          deviation: pointer(backend, deviation),
          ...moving,
        });
        const list = words(
          { ...places, newMean: moving.movingMean, newVariance: moving.movingVariance },
          rows,
          attrs,
        );
        backend.launch(Task.NormPartial, list, rows.blocks);
        backend.launch(Task.NormCombine, list, channelTiles(rows));
        backend.launch(Task.NormApply, list, rows.blocks);
      });
      return [y, mean, deviation];
    },
  },
  {
    // {x, y, dy, mean, deviation, gamma?} → [dx, dGamma, dBeta] and, with attrs.residual, dz; y is
    // read for its ReLU alone
    name: 'deepend.batchNormGradient',
    run({ inputs, attrs, backend }) {
      const { x, y, dy, mean, deviation, gamma } = inputs as Record<string, TensorInfo> & {
        x: TensorInfo;
      };
      const rows = rowsOf(x);
      const dx = backend.output([...x.shape]);
      const dz = attrs.residual ? backend.output([...x.shape]) : undefined;
      const [dGamma, dBeta] = vectors(backend, rows.channels, 2) as [TensorInfo, TensorInfo];
      backend.temporary((2 * rows.blocks + 3) * rows.channels * 4, (partials) => {
        const a = partials + 2 * rows.blocks * rows.channels * 4;
        const places: Places = {
          x: pointer(backend, x),
          y: pointer(backend, y),
          dy: pointer(backend, dy),
          out: pointer(backend, dx),
        };
        Object.assign(places, {
          partials,
          a,
          b: a + rows.channels * 4,
          c: a + 2 * rows.channels * 4,
        });
        Object.assign(places, {
          mean: pointer(backend, mean),
          deviation: pointer(backend, deviation),
          gamma: pointer(backend, gamma),
        });
        Object.assign(places, {
          outResidual: pointer(backend, dz),
          dGamma: pointer(backend, dGamma),
          dBeta: pointer(backend, dBeta),
        });
        const list = words(places, rows, attrs);
        backend.launch(Task.NormBackPartial, list, rows.blocks);
        backend.launch(Task.NormBackCombine, list, channelTiles(rows));
        backend.launch(Task.NormBackApply, list, rows.blocks);
      });
      return dz ? [dx, dGamma, dBeta, dz] : [dx, dGamma, dBeta];
    },
  },
  {
    // {x} → the sum of each channel, [channels]
    name: 'deepend.channelSums',
    run({ inputs, backend }) {
      const x = inputs.x as TensorInfo;
      const rows = rowsOf(x);
      const out = backend.output([rows.channels]);
      backend.temporary(rows.blocks * rows.channels * 4, (partials) => {
        backend.launch(
          Task.ChannelSumsPartial,
          words({ x: pointer(backend, x), partials }, rows),
          rows.blocks,
        );
        const list = [
          partials,
          pointer(backend, out),
          rows.channels,
          rows.blocks,
          rows.channels,
          rows.channels,
        ];
        backend.launch(Task.ReducePartials, list, 1);
      });
      return out;
    },
  },
];
