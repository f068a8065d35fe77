/** Scaled dot-product attention and its gradient. See assembly/attention.ts. */
import type { TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import type { AttentionArgs } from '../generated/bindings';
import { type Attrs, type Call, type FusedKernel, size } from './types';

type Inputs = Record<string, TensorInfo>;

/** Features of a head: panels of a block of keys lie in a thread's scratch memory. */
const MAX_DIM = 1024;
/** Tiles below which a head's queries are split. */
const MIN_TILES = 16;
/** Least and most queries of a tile. */
const [MIN_ROWS, MAX_ROWS] = [48, 3072];

const pointer = (backend: SimdBackend, tensor: TensorInfo | undefined) =>
  tensor ? backend.pointer(tensor) : 0;

/** Depends only on the shape, so that results do not depend on the number of threads. */
function rowBlockOf(queries: number, matrices: number): number {
  const parts = Math.max(Math.ceil(MIN_TILES / matrices), Math.ceil(queries / MAX_ROWS));
  return Math.max(MIN_ROWS, Math.ceil(queries / parts / MIN_ROWS) * MIN_ROWS);
}

/** Strides of a mask `[batch | 1, heads | 1, queries | 1, keys]`. */
function maskStrides(mask: TensorInfo | undefined) {
  const [batch = 1, heads = 1, queries = 1, keys = 1] = mask?.shape ?? [];
  return {
    maskBatch: batch > 1 ? heads * queries * keys : 0,
    maskHead: heads > 1 ? queries * keys : 0,
    maskRow: queries > 1 ? keys : 0,
  };
}

function argsOf({ q, k, v, mask }: Inputs, attrs: Attrs, backend: SimdBackend): AttentionArgs {
  const [batch = 0, heads = 0, queries = 0, dim = 0] = (q as TensorInfo).shape;
  const [keys = 0, valueDim = 0] = (v as TensorInfo).shape.slice(2);
  const rowBlock = rowBlockOf(queries, batch * heads);
  return {
    q: pointer(backend, q),
    k: pointer(backend, k),
    v: pointer(backend, v),
    mask: pointer(backend, mask),
    ...{ out: 0, logSum: 0, dy: 0, dq: 0, dk: 0, dv: 0 },
    ...{ heads, queries, keys, dim, valueDim },
    ...maskStrides(mask),
    rowBlock,
    rowBlocks: Math.ceil(queries / rowBlock),
    causal: attrs.causal ? 1 : 0,
    scale: attrs.scale,
  };
}

function attention({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { q, v } = inputs as { q: TensorInfo; v: TensorInfo };
  const rows = q.shape.slice(0, 3); // [batch, heads, queries]
  const y = backend.output([...rows, v.shape[3] as number]);
  const logSum = backend.output(rows);
  const args = argsOf(inputs, attrs, backend);
  const matrices = size(rows.slice(0, 2));
  const outputs = { out: pointer(backend, y), logSum: pointer(backend, logSum) };
  backend.launch(Task.Attention, { ...args, ...outputs }, matrices * args.rowBlocks);
  return [y, logSum];
}

function attentionGradient({ inputs, attrs, backend }: Call): TensorInfo[] {
  const { q, k, v, y, logSum, dy } = inputs as Inputs;
  const gradients = [q, k, v].map((x) => backend.output((x as TensorInfo).shape));
  const [dq, dk, dv] = gradients.map((x) => pointer(backend, x)) as [number, number, number];
  const args = argsOf(inputs, attrs, backend);
  const saved = {
    out: pointer(backend, y),
    logSum: pointer(backend, logSum),
    dy: pointer(backend, dy),
  };
  backend.launch(
    Task.AttentionGradient,
    { ...args, ...saved, dq, dk, dv },
    size((q as TensorInfo).shape.slice(0, 2)),
  );
  return gradients;
}

/** Every dimension has a size, and a head is not too wide. */
function takes({ inputs: { q, v } }: Pick<Call, 'inputs'>): boolean {
  const isEmpty = size(q?.shape ?? [0]) === 0 || size(v?.shape ?? [0]) === 0;
  return !isEmpty && Math.max(q?.shape[3] ?? 0, v?.shape[3] ?? 0) <= MAX_DIM;
}

export const attentionKernels: readonly FusedKernel[] = [
  { name: 'deepend.attention', takes, run: attention },
  { name: 'deepend.attentionGradient', takes, run: attentionGradient },
];
