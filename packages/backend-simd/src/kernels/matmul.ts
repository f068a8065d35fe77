/** Matrix products: batched, of any transposition, with bias and activation. */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/task';
import type { SimdBackend } from '../backend';
import { type Call, isFloat, type Kernel, size } from './types';

export const NR = 8;
const ACTIVATIONS: Record<string, number> = { linear: 0, relu: 1, relu6: 2 };

export const activationCode = (name: string | undefined): number | undefined =>
  ACTIVATIONS[name ?? 'linear'];

export interface Panels {
  /** Matrices to pack, each k × columns; strides count floats. */
  b: number;
  count: number;
  k: number;
  columns: number;
  kStride: number;
  nStride: number;
  matrixStride: number;
  /** Which matrices, where not all. */
  list?: readonly number[];
  /**
   * Whether all matrices make one long product: a panel then has the k of each behind the other.
   * @default false: one after the other
   */
  joined?: boolean;
}

export const panelsOf = (columns: number): number => Math.ceil(columns / NR);

/** B in panels of eight columns, as the micro-kernels read it, for the length of `use`. */
export function withPanels<T>(backend: SimdBackend, p: Panels, use: (at: number) => T): T {
  const panels = panelsOf(p.columns);
  const count = p.list?.length ?? p.count;
  return backend.temporary(count * panels * p.k * NR * 4, (at) => {
    const panelBytes = p.k * NR * 4;
    const steps = p.joined ? [panelBytes, count * panelBytes] : [panels * panelBytes, panelBytes];
    const source = [p.b, at, p.k, p.columns, p.kStride, p.nStride, panels, p.matrixStride];
    const pack = (list: number) =>
      backend.launch(Task.PackB, [...source, list, ...steps], count * panels);
    if (p.list) backend.words(p.list, pack);
    else pack(0);
    return use(at);
  });
}

export interface Product {
  a: number;
  b: number;
  c: number;
  bias?: number;
  activation?: number;
  m: number;
  n: number;
  k: number;
  transposeA?: boolean;
  transposeB?: boolean;
  batch?: number;
  /** Floats from one matrix to the next; 0 where one serves the whole batch. */
  aMatrix?: number;
  bMatrix?: number;
}

/** C = activation(op(A) · op(B) + bias). */
export function product(backend: SimdBackend, p: Product): void {
  const { m, n, k, batch = 1, transposeA = false, transposeB = false } = p;
  const bMatrix = p.bMatrix ?? k * n;
  const panels: Panels = {
    b: p.b,
    count: bMatrix === 0 ? 1 : batch,
    k,
    columns: n,
    kStride: transposeB ? 1 : n,
    nStride: transposeB ? k : 1,
    matrixStride: bMatrix,
  };
  const [a, c, bias, aMatrix, activation] = [
    p.a,
    p.c,
    p.bias ?? 0,
    p.aMatrix ?? m * k,
    p.activation ?? 0,
  ];
  const launch = (
    b: number,
    [rowBlock, panelBlock]: Blocks,
    [packedMatrix, bRow, bColumn]: [number, number, number],
  ) => {
    const [rowBlocks, panelBlocks] = [Math.ceil(m / rowBlock), Math.ceil(panelsOf(n) / panelBlock)];
    const words = [a, b, c, bias, m, n, k, transposeA ? 1 : k, transposeA ? m : 1];
    words.push(
      rowBlock,
      rowBlocks,
      panelBlock,
      panelBlocks,
      aMatrix,
      packedMatrix,
      activation,
      bRow,
      bColumn,
    );
    backend.launch(Task.MatMul, words, batch * rowBlocks * panelBlocks);
  };
  // Few rows: B is read once, so its panels are packed where they are used. A linear layer's
  // weights are such a B.
  if (m <= ONE_BLOCK && (batch === 1 || bMatrix > 0)) {
    launch(p.b, [m, panelsPerTile(n, batch)], [bMatrix, panels.kStride, panels.nStride]);
  } else {
    const packedMatrix = bMatrix === 0 ? 0 : panelsOf(n) * NR * k;
    withPanels(backend, panels, (packed) =>
      launch(packed, blocks(m, n, batch), [packedMatrix, 0, 0]),
    );
  }
}

type Blocks = [rowBlock: number, panelBlock: number];

/** Rows that one tile takes at most. */
const ONE_BLOCK = 120;

/** Panels that a tile packs for itself: they stay in the second-level cache. */
const panelsPerTile = (n: number, batch: number): number =>
  Math.max(1, Math.min(16, Math.floor((panelsOf(n) * batch) / 16)));

/**
 * How the result is cut into tiles: by its shape alone, so that every number of threads computes
 * the same.
 */
function blocks(m: number, n: number, batch: number): Blocks {
  const rowBlock = m >= 960 ? 120 : m >= 240 ? 60 : 30;
  const rows = Math.ceil(m / rowBlock) * batch;
  const panels = panelsOf(n);
  const parts = Math.min(panels, Math.max(1, Math.ceil(16 / rows), Math.ceil(panels / 64)));
  return [rowBlock, Math.ceil(panels / parts)];
}

function matMul({ inputs, attrs, backend }: Call): TensorInfo {
  const { a, b, bias } = inputs as { a: TensorInfo; b: TensorInfo; bias?: TensorInfo };
  const { transposeA = false, transposeB = false, activation } = attrs;
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [inner, rows] : [rows, inner];
  const n = (transposeB ? b.shape.at(-2) : b.shape.at(-1)) as number;
  const [batchA, batchB] = [size(a.shape.slice(0, -2)), size(b.shape.slice(0, -2))];
  const outer = backend_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const out = backend.output([...outer, m, n]);
  product(backend, {
    a: backend.pointer(a),
    b: backend.pointer(b),
    c: backend.pointer(out),
    bias: bias ? backend.pointer(bias) : 0,
    activation: activationCode(activation) ?? 0,
    m,
    n,
    k,
    transposeA,
    transposeB,
    batch: Math.max(batchA, batchB),
    aMatrix: batchA === 1 ? 0 : m * k,
    bMatrix: batchB === 1 ? 0 : k * n,
  });
  return out;
}

/** Batches of the same shape, or one matrix for all; nothing empty. */
function takes(call: Call): boolean {
  const { a, b, bias, preluActivationWeights } = call.inputs as Record<string, TensorInfo>;
  const { transposeA, transposeB, activation } = call.attrs;
  if (
    !isFloat(call) ||
    !a ||
    !b ||
    preluActivationWeights ||
    activationCode(activation) === undefined
  )
    return false;
  const [outerA, outerB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const [batchA, batchB] = [size(outerA), size(outerB)];
  const [innerA, innerB] = [a.shape.at(transposeA ? -2 : -1), b.shape.at(transposeB ? -1 : -2)];
  const n = b.shape.at(transposeB ? -2 : -1);
  const alike = batchA === batchB ? outerA.join() === outerB.join() : batchA === 1 || batchB === 1;
  const biasFits =
    !bias ||
    (size(bias.shape) === n && bias.shape.at(-1) === n && bias.shape.length <= outerA.length + 2);
  return innerA === innerB && alike && biasFits && size(a.shape) > 0 && size(b.shape) > 0;
}

export const matMulKernels: Kernel[] = [
  { name: 'BatchMatMul', takes, run: matMul },
  { name: '_FusedMatMul', takes, run: matMul },
];
