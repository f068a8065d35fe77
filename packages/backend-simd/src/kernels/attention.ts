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

/** A layer's sizes, and where its heads lie. */
interface Heads {
  readonly batch: number;
  readonly heads: number;
  readonly queries: number;
  readonly keys: number;
  readonly dim: number;
  readonly valueDim: number;
  readonly steps: Steps;
}

type StepNames = `${'q' | 'k' | 'v' | 'out'}${'Batch' | 'Head' | 'Row'}`;
type Steps = Readonly<Record<StepNames, number>>;
/** Strides of the batch, the heads and the rows. */
type Triple = readonly [number, number, number];

const stepsOf = (q: Triple, k: Triple, v: Triple, out: Triple): Steps => ({
  ...{ qBatch: q[0], qHead: q[1], qRow: q[2] },
  ...{ kBatch: k[0], kHead: k[1], kRow: k[2] },
  ...{ vBatch: v[0], vHead: v[1], vRow: v[2] },
  ...{ outBatch: out[0], outHead: out[1], outRow: out[2] },
});

/** Of tensors `[batch, heads, rows, dim]`. */
function separateHeads({ q, v }: Inputs): Heads {
  const [batch = 0, heads = 0, queries = 0, dim = 0] = (q as TensorInfo).shape;
  const [keys = 0, valueDim = 0] = (v as TensorInfo).shape.slice(2);
  const strides = (rows: number, width: number): Triple => [
    heads * rows * width,
    rows * width,
    width,
  ];
  const key = strides(keys, dim);
  const steps = stepsOf(
    strides(queries, dim),
    key,
    strides(keys, valueDim),
    strides(queries, valueDim),
  );
  return { batch, heads, queries, keys, dim, valueDim, steps };
}

/** Of one tensor of queries, keys and values: `[batch, time, 3 · heads · dim]`, or time first. */
function joinedHeads({ qkv }: Inputs, { heads, batchFirst }: Attrs): Heads {
  const [first = 0, second = 0, wide = 0] = (qkv as TensorInfo).shape;
  const [batch, time] = batchFirst ? [first, second] : [second, first];
  const dim = wide / 3 / heads;
  const strides = (width: number): Triple =>
    batchFirst ? [time * width, dim, width] : [width, dim, batch * width];
  const steps = stepsOf(strides(wide), strides(wide), strides(wide), strides(wide / 3));
  return { batch, heads, queries: time, keys: time, dim, valueDim: dim, steps };
}

/** Addresses of queries, keys, values, and the other tensors that a task reads or writes. */
type Addresses = Partial<
  Pick<AttentionArgs, 'q' | 'k' | 'v' | 'out' | 'logSum' | 'dy' | 'dq' | 'dk' | 'dv'>
>;

function argsOf(at: Addresses, sizes: Heads, { inputs, attrs, backend }: Call): AttentionArgs {
  const { batch, steps, ...counts } = sizes;
  const rowBlock = rowBlockOf(sizes.queries, batch * sizes.heads);
  return {
    ...{ q: 0, k: 0, v: 0, out: 0, logSum: 0, dy: 0, dq: 0, dk: 0, dv: 0 },
    ...at,
    mask: pointer(backend, inputs.mask),
    ...counts,
    ...steps,
    ...maskStrides(inputs.mask),
    rowBlock,
    rowBlocks: Math.ceil(sizes.queries / rowBlock),
    causal: attrs.causal ? 1 : 0,
    scale: attrs.scale,
  };
}

/** @param shape of the output */
function forward(call: Call, at: Addresses, sizes: Heads, shape: number[]): TensorInfo[] {
  const { backend } = call;
  const { batch, heads, queries } = sizes;
  const y = backend.output(shape);
  const logSum = backend.output([batch, heads, queries]);
  const to = { out: pointer(backend, y), logSum: pointer(backend, logSum) };
  const args = argsOf({ ...at, ...to }, sizes, call);
  backend.launch(Task.Attention, args, batch * heads * args.rowBlocks);
  return [y, logSum];
}

function backward(call: Call, at: Addresses, sizes: Heads): void {
  const { inputs, backend } = call;
  const from = {
    out: pointer(backend, inputs.y),
    logSum: pointer(backend, inputs.logSum),
    dy: pointer(backend, inputs.dy),
  };
  const args = argsOf({ ...at, ...from }, sizes, call);
  backend.launch(Task.AttentionGradient, args, sizes.batch * sizes.heads);
}

const pointersOf = ({ q, k, v }: Inputs, backend: SimdBackend) => ({
  q: pointer(backend, q),
  k: pointer(backend, k),
  v: pointer(backend, v),
});

function attention(call: Call): TensorInfo[] {
  const { q, v } = call.inputs as { q: TensorInfo; v: TensorInfo };
  const shape = [...q.shape.slice(0, 3), v.shape[3] as number];
  return forward(call, pointersOf(call.inputs, call.backend), separateHeads(call.inputs), shape);
}

function attentionGradient(call: Call): TensorInfo[] {
  const { inputs, backend } = call;
  const gradients = [inputs.q, inputs.k, inputs.v].map((x) =>
    backend.output([...(x as TensorInfo).shape]),
  );
  const [dq, dk, dv] = gradients.map((x) => pointer(backend, x)) as [number, number, number];
  backward(call, { ...pointersOf(inputs, backend), dq, dk, dv }, separateHeads(inputs));
  return gradients;
}

/** Addresses of the three parts of the first position. */
function thirds(at: number, { heads, dim }: Heads): Triple {
  const bytes = heads * dim * 4;
  return [at, at + bytes, at + 2 * bytes];
}

function selfAttention(call: Call): TensorInfo[] {
  const qkv = call.inputs.qkv as TensorInfo;
  const sizes = joinedHeads(call.inputs, call.attrs);
  const [q, k, v] = thirds(pointer(call.backend, qkv), sizes);
  const shape = [...qkv.shape.slice(0, 2), sizes.heads * sizes.dim];
  return forward(call, { q, k, v }, sizes, shape);
}

function selfAttentionGradient(call: Call): TensorInfo[] {
  const { inputs, backend } = call;
  const qkv = inputs.qkv as TensorInfo;
  const sizes = joinedHeads(inputs, call.attrs);
  const dQkv = backend.output([...qkv.shape]);
  const [q, k, v] = thirds(pointer(backend, qkv), sizes);
  const [dq, dk, dv] = thirds(pointer(backend, dQkv), sizes);
  backward(call, { q, k, v, dq, dk, dv }, sizes);
  return [dQkv];
}

/** Every dimension has a size, and a head is not too wide. */
function takes({ inputs: { q, v } }: Pick<Call, 'inputs'>): boolean {
  const isEmpty = size(q?.shape ?? [0]) === 0 || size(v?.shape ?? [0]) === 0;
  return !isEmpty && Math.max(q?.shape[3] ?? 0, v?.shape[3] ?? 0) <= MAX_DIM;
}

const takesJoined = ({ inputs: { qkv }, attrs }: Pick<Call, 'inputs' | 'attrs'>): boolean =>
  size(qkv?.shape ?? [0]) > 0 && (qkv?.shape[2] ?? 0) / 3 / attrs.heads <= MAX_DIM;

export const attentionKernels: readonly FusedKernel[] = [
  { name: 'deepend.attention', takes, run: attention },
  { name: 'deepend.attentionGradient', takes, run: attentionGradient },
  { name: 'deepend.selfAttention', takes: takesJoined, run: selfAttention },
  { name: 'deepend.selfAttentionGradient', takes: takesJoined, run: selfAttentionGradient },
];
