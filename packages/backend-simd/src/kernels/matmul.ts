/** Matrix products: batched, with any transposition, bias and activation. */
import { backend_util, type TensorInfo } from '@tensorflow/tfjs-core';
import { Task } from '../../assembly/ops';
import type { SimdBackend } from '../backend';
import { ONE_BLOCK } from '../limits';
import { runtime } from '../runtime';
import { type Call, isFloat, type Kernel, size } from './types';

/** Columns of a panel: a property of the build that computes. */
export const panelColumns = (): number => runtime().panelColumns;
const ACTIVATIONS: Record<string, number> = { linear: 0, relu: 1, relu6: 2 };

export const activationCode = (name: string | undefined): number | undefined =>
  ACTIVATIONS[name ?? 'linear'];

export interface Panels {
  /** Address of the matrices to pack, each k × columns. Strides are in floats. */
  b: number;
  count: number;
  k: number;
  columns: number;
  kStride: number;
  nStride: number;
  matrixStride: number;
  /** Indices of the matrices to pack. @default all */
  list?: readonly number[];
  /**
   * Whether the matrices are factors of one long product, so that each panel contains the rows of
   * all matrices, one matrix after another.
   * @default false
   */
  joined?: boolean;
}

export const countPanels = (columns: number): number => Math.ceil(columns / panelColumns());

/** Calls `use` with the address of B in panels of eight columns, as the micro-kernels read it. */
export function withPanels<T>(backend: SimdBackend, p: Panels, use: (at: number) => T): T {
  const panels = countPanels(p.columns);
  const count = p.list?.length ?? p.count;
  return backend.temporary(count * panels * p.k * panelColumns() * 4, (at) => {
    const panelBytes = p.k * panelColumns() * 4;
    const pack = (list: number) =>
      backend.launch(
        Task.PackB,
        {
          b: p.b,
          out: at,
          k: p.k,
          columns: p.columns,
          kStride: p.kStride,
          nStride: p.nStride,
          panels,
          matrixStride: p.matrixStride,
          list,
          outMatrix: p.joined ? panelBytes : panels * panelBytes,
          outPanel: p.joined ? count * panelBytes : panelBytes,
        },
        count * panels,
      );
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
  /** Floats between the matrices of a batch; 0 if one serves the whole batch. */
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
  const launch = (b: number, { rowBlock, panelBlock }: Blocks, strides: BStrides) => {
    const rowBlocks = Math.ceil(m / rowBlock);
    const panelBlocks = Math.ceil(countPanels(n) / panelBlock);
    backend.launch(
      Task.MatMul,
      {
        a: p.a,
        b,
        c: p.c,
        bias: p.bias ?? 0,
        m,
        n,
        k,
        rowStride: transposeA ? 1 : k,
        kStride: transposeA ? m : 1,
        rowBlock,
        rowBlocks,
        panelBlock,
        panelBlocks,
        aMatrix: p.aMatrix ?? m * k,
        bMatrix: strides.matrix,
        activation: p.activation ?? 0,
        bRow: strides.row,
        bColumn: strides.column,
      },
      batch * rowBlocks * panelBlocks,
    );
  };
  if (m <= ONE_BLOCK && (batch === 1 || bMatrix > 0)) {
    // With few rows, as in a linear layer, each tile reads its part of B once and packs it itself.
    const blocks = { rowBlock: m, panelBlock: panelsPerTile(n, batch) };
    launch(p.b, blocks, { matrix: bMatrix, row: panels.kStride, column: panels.nStride });
  } else {
    const matrix = bMatrix === 0 ? 0 : countPanels(n) * panelColumns() * k;
    withPanels(backend, panels, (packed) =>
      launch(packed, chooseBlocks(m, n, batch), { matrix, row: 0, column: 0 }),
    );
  }
}

export type PackedProduct = Pick<Product, 'a' | 'b' | 'c' | 'm' | 'n' | 'k'> & { bias: number };

/** C = A · B + bias with B in panels: for products that share B. See `withPanels`. */
export function packedProduct(backend: SimdBackend, p: PackedProduct): void {
  const { m, n, k } = p;
  const panels = countPanels(n);
  const few = { rowBlock: m, panelBlock: Math.max(1, Math.min(16, Math.ceil(panels / 16))) };
  const { rowBlock, panelBlock } = m <= ONE_BLOCK ? few : chooseBlocks(m, n, 1);
  const rowBlocks = Math.ceil(m / rowBlock);
  const panelBlocks = Math.ceil(panels / panelBlock);
  backend.launch(
    Task.MatMul,
    {
      a: p.a,
      b: p.b,
      c: p.c,
      bias: p.bias,
      m,
      n,
      k,
      rowStride: k,
      kStride: 1,
      rowBlock,
      rowBlocks,
      panelBlock,
      panelBlocks,
      aMatrix: 0,
      bMatrix: 0,
      activation: 0,
      bRow: 0,
      bColumn: 0,
    },
    rowBlocks * panelBlocks,
  );
}

/** Rows and panels of a tile. */
interface Blocks {
  rowBlock: number;
  panelBlock: number;
}

/** Strides of B in floats. `row` and `column` are 0 if B is packed. */
interface BStrides {
  matrix: number;
  row: number;
  column: number;
}

/** Panels that a tile packs itself: they stay in the second-level cache. */
const panelsPerTile = (n: number, batch: number): number =>
  Math.max(1, Math.min(16, Math.floor((countPanels(n) * batch) / 16)));

/** Rows that a micro-kernel computes at once. */
const MR = 6;
/** What a tile's reading of its panels costs, in rows of computation. */
const PANEL_READ = 3;
/** Numbers of threads among which tiles should divide evenly, with the weight of each. */
const THREADS = [
  [1, 1],
  [2, 3],
  [4, 1],
  [8, 1],
] as const;

/**
 * Blocks that divide evenly among threads: of the sizes that fit the caches, the one whose tiles
 * keep the last thread busy the shortest time. Depends only on the shape, so that results do not
 * depend on the number of threads.
 */
function chooseBlocks(m: number, n: number, batch: number): Blocks {
  const most = m >= 960 ? 120 : m >= 240 ? 60 : 30;
  const panels = countPanels(n);
  const time = (rowBlock: number): number => {
    const tiles = Math.ceil(m / rowBlock) * batch * partsOf(panels, m, rowBlock, batch);
    const rounds = THREADS.map(
      ([threads, weight]) => weight * Math.ceil(tiles / threads) * threads,
    );
    const rows = Math.ceil(m / rowBlock) * (rowBlock + PANEL_READ);
    return (rounds.reduce((sum, r) => sum + r) / tiles) * rows;
  };
  let rowBlock = most;
  for (let rows = most - MR; rows >= most / 2; rows -= MR)
    if (time(rows) < time(rowBlock)) rowBlock = rows;
  return { rowBlock, panelBlock: Math.ceil(panels / partsOf(panels, m, rowBlock, batch)) };
}

/** The parts that panels are divided into: more for few rows, and so that they fit the cache. */
function partsOf(panels: number, m: number, rowBlock: number, batch: number): number {
  const blocks = Math.ceil(m / rowBlock) * batch;
  return Math.min(panels, Math.max(1, Math.ceil(16 / blocks), Math.ceil(panels / 64)));
}

function matMul({ inputs, attrs, backend }: Call): TensorInfo {
  const { a, b, bias } = inputs as { a: TensorInfo; b: TensorInfo; bias?: TensorInfo };
  const { transposeA = false, transposeB = false, activation } = attrs;
  const [rows, inner] = a.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [inner, rows] : [rows, inner];
  const n = (transposeB ? b.shape.at(-2) : b.shape.at(-1)) as number;
  const batchA = size(a.shape.slice(0, -2));
  const batchB = size(b.shape.slice(0, -2));
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

/** Batches of equal shape, or one matrix for the whole batch. Nothing is empty. */
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
  const outerA = a.shape.slice(0, -2);
  const outerB = b.shape.slice(0, -2);
  const batchA = size(outerA);
  const batchB = size(outerB);
  const innerA = a.shape.at(transposeA ? -2 : -1);
  const innerB = b.shape.at(transposeB ? -1 : -2);
  const n = b.shape.at(transposeB ? -2 : -1);
  const alike = batchA === batchB ? outerA.join() === outerB.join() : batchA === 1 || batchB === 1;
  const biasFits =
    !bias ||
    (size(bias.shape) === n && bias.shape.at(-1) === n && bias.shape.length <= outerA.length + 2);
  return innerA === innerB && alike && biasFits && size(a.shape) > 0 && size(b.shape) > 0;
}

/** `linear` of PyTorch's layout: x · weightᵀ + bias. */
const linear = ({ inputs: { x, weight, bias }, ...call }: Call): TensorInfo =>
  matMul({
    ...call,
    inputs: { a: x, b: weight, bias } as Record<string, TensorInfo>,
    attrs: { transposeB: true },
  });

export const matMulKernels: Kernel[] = [
  {
    name: 'deepend.linear',
    takes: ({ inputs: { x, weight } }) => size(x?.shape ?? []) > 0 && size(weight?.shape ?? []) > 0,
    run: linear,
  },
  { name: 'BatchMatMul', takes, run: matMul },
  { name: '_FusedMatMul', takes, run: matMul },
];
