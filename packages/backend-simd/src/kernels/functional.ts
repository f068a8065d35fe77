/**
 * Fused kernels of `nn`'s functions: layer normalization, the gradient of an embedding, and curves.
 * See assembly/layer-norm.ts, embedding.ts and curves.ts.
 */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { BinaryOp, Task, UnaryOp } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { pairwise } from './elementwise';
import { sumRows } from './gather';
import { BLOCK } from './strides';
import { type Call, type FusedKernel, size } from './types';

/** Numbers that one tile reads. */
const TILE = 8192;
/** Most blocks of rows whose parts of dGamma and dBeta are kept. */
const MAX_BLOCKS = 64;

type Inputs = Record<string, TensorInfo>;

const pointer = (backend: SimdBackend, tensor: TensorInfo | undefined) =>
  tensor ? backend.pointer(tensor) : 0;

/** Depends only on the shape, so that results do not depend on the number of threads. */
const rowBlock = (rows: number, n: number) =>
  Math.max(1, Math.floor(TILE / n), Math.ceil(rows / MAX_BLOCKS));

function layerNorm({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { x, gamma, beta } = inputs as Inputs;
  const [rows = 0, n = 0] = (x as TensorInfo).shape;
  const block = rowBlock(rows, n);
  const [y, mean, invStd] = [[rows, n], [rows], [rows]].map((shape) => backend.output(shape));
  backend.launch(
    Task.LayerNorm,
    {
      x: pointer(backend, x),
      dy: 0,
      out: pointer(backend, y),
      mean: pointer(backend, mean),
      invStd: pointer(backend, invStd),
      gamma: pointer(backend, gamma),
      beta: pointer(backend, beta),
      partials: 0,
      rows,
      n,
      block,
      epsilon: attrs.epsilon,
    },
    Math.ceil(rows / block),
  );
  return [y, mean, invStd] as TensorInfo[];
}

function layerNormGradient({ inputs, backend }: Call): TensorInfo[] {
  const { x, dy, mean, invStd, gamma } = inputs as Inputs;
  const [rows = 0, n = 0] = (x as TensorInfo).shape;
  const block = rowBlock(rows, n);
  const blocks = Math.ceil(rows / block);
  const [dx, dGamma, dBeta] = [[rows, n], [n], [n]].map((shape) => backend.output(shape));
  backend.temporary(blocks * 2 * n * 4, (partials) => {
    backend.launch(
      Task.LayerNormGradient,
      {
        x: pointer(backend, x),
        dy: pointer(backend, dy),
        out: pointer(backend, dx),
        mean: pointer(backend, mean),
        invStd: pointer(backend, invStd),
        gamma: pointer(backend, gamma),
        beta: 0,
        partials,
        rows,
        n,
        block,
        epsilon: 0,
      },
      blocks,
    );
    for (const [i, to] of [dGamma, dBeta].entries()) {
      const source = partials + i * n * 4;
      backend.launch(
        Task.ReducePartials,
        { source, out: pointer(backend, to), count: n, partials: blocks, stride: 2 * n, block: n },
        1,
      );
    }
  });
  return [dx, dGamma, dBeta] as TensorInfo[];
}

function embeddingGradient({ inputs, attrs, backend }: Call): TensorInfo {
  const { dy, ids } = inputs as { dy: TensorInfo; ids: TensorInfo };
  const [count = 0, dim = 0] = dy.shape;
  const num = attrs.num as number;
  const out = backend.output([num, dim]);
  sumRows(backend, {
    dy: backend.pointer(dy),
    ids: backend.pointer(ids),
    out: backend.pointer(out),
    count,
    num,
    dim,
  });
  return out;
}

const CURVES = {
  gelu: { value: UnaryOp.Gelu, slope: BinaryOp.GeluGrad },
  geluTanh: { value: UnaryOp.GeluTanh, slope: BinaryOp.GeluTanhGrad },
  silu: { value: UnaryOp.Silu, slope: BinaryOp.SiluGrad },
} as const;

function curve({ inputs, attrs, backend }: Call): TensorInfo {
  const x = inputs.x as TensorInfo;
  const out = backend.output(x.shape);
  const { value: op } = CURVES[attrs.name as keyof typeof CURVES];
  const [at, to, count] = [backend.pointer(x), backend.pointer(out), size(x.shape)];
  backend.launch(
    Task.Unary,
    { x: at, out: to, count, block: BLOCK, op, alpha: 0, beta: 0 },
    Math.ceil(count / BLOCK),
  );
  return out;
}

function curveGradient({ inputs, attrs, backend }: Call): TensorInfo {
  const { dy, x } = inputs as { dy: TensorInfo; x: TensorInfo };
  const out = backend.output(x.shape);
  const place = (tensor: TensorInfo) => ({ at: backend.pointer(tensor), shape: x.shape });
  const { slope } = CURVES[attrs.name as keyof typeof CURVES];
  pairwise(backend, slope, place(dy), place(x), place(out));
  return out;
}

export const functionalKernels: readonly FusedKernel[] = [
  { name: 'deepend.layerNorm', run: layerNorm },
  { name: 'deepend.layerNormGradient', run: layerNormGradient },
  { name: 'deepend.embeddingGradient', run: embeddingGradient },
  { name: 'deepend.curve', run: curve },
  { name: 'deepend.curveGradient', run: curveGradient },
];
