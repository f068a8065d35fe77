/**
 * Batched matrix product: C = activation(op(A) · op(B) + bias). B is packed once; then each tile
 * computes a block of rows × columns.
 */
import {
  aTable,
  cTable,
  workspace,
  padTables,
  gemmRows,
  packPanel,
  finishRow,
  transpose4,
} from './gemm';
import { NR } from './micro';
import { min32 } from './simd';

/** Sums are cut into pieces of this many terms, on any number of threads. */
const KC: i32 = 384;

@unmanaged
export class PackArgs {
  b: u32; out: u32; k: i32; columns: i32;
  kStride: i32; nStride: i32; panels: i32; matrixStride: i32; // strides in floats
  list: u32; // address of the indices of the matrices to pack, as i32; 0: all in order
  outMatrix: u32; outPanel: u32; // bytes between packed matrices, and between their panels
}

/** One tile packs one panel of one matrix. */
export function packB(args: PackArgs, tile: i32): void {
  const place = tile / args.panels;
  const matrix = args.list ? load<i32>(<usize>args.list + <usize>place * 4) : place;
  const panel = tile % args.panels;
  const out =
    <usize>args.out + <usize>place * <usize>args.outMatrix + <usize>panel * <usize>args.outPanel;
  const b = <usize>args.b + <usize>matrix * <usize>args.matrixStride * 4;
  packPanel(b, out, args.k, panel * NR, args.columns, args.kStride, args.nStride);
}

@unmanaged
export class MatMulArgs {
  a: u32; b: u32; c: u32; bias: u32;
  m: i32; n: i32; k: i32;
  rowStride: i32; kStride: i32; // A's, in floats; one of them is 1
  rowBlock: i32; rowBlocks: i32; panelBlock: i32; panelBlocks: i32;
  aMatrix: i32; bMatrix: i32; // floats between matrices of the batch; 0 broadcasts
  activation: i32;
  // Strides of B in floats if it is not packed: a tile then computes all rows and packs the panels
  // that it needs. 0 if B is packed.
  bRow: i32; bColumn: i32;
}

/** One tile computes rowBlock rows × panelBlock panels of one matrix. */
export function matMul(args: MatMulArgs, tile: i32): void {
  const panelIndex = tile % args.panelBlocks;
  const rest = tile / args.panelBlocks;
  const rowIndex = rest % args.rowBlocks;
  const matrix = rest / args.rowBlocks;
  const row0 = rowIndex * args.rowBlock;
  const rows = min32(args.rowBlock, args.m - row0);
  const n0 = panelIndex * args.panelBlock * NR;
  const columns = min32(args.panelBlock * NR, args.n - n0);
  const panels = (columns + NR - 1) / NR;
  const stride = <usize>panels * 32;
  const direct = columns % NR == 0;
  const temporary = workspace();
  const spare = temporary + <usize>rows * stride; // receives the rows of the last block's padding
  const packed = spare + stride;
  const a = <usize>args.a + <usize>matrix * <usize>args.aMatrix * 4;
  const bStart = <usize>args.b + <usize>matrix * <usize>args.bMatrix * 4;
  const b = bStart + <usize>panelIndex * <usize>args.panelBlock * <usize>args.k * 32;
  const ownPanels = packed + <usize>rows * (<usize>KC * 4 + 64);
  const c =
    <usize>args.c +
    (<usize>matrix * <usize>args.m * <usize>args.n + <usize>row0 * <usize>args.n + <usize>n0) * 4;
  const cStride = direct ? <usize>args.n * 4 : stride;
  const cStart = direct ? c : temporary;
  for (let k0 = 0; k0 < args.k; k0 += KC) {
    const k = min32(KC, args.k - k0);
    fillRows(args, a, row0, rows, k0, k, packed);
    for (let row = 0; row < rows; row++)
      store<u32>(cTable() + <usize>row * 4, <u32>(cStart + <usize>row * cStride));
    const padded = padTables(rows, <usize>load<u32>(aTable()), spare);
    if (args.bRow) {
      const from = bStart + <usize>k0 * <usize>args.bRow * 4;
      const panelBytes = <usize>k * 32;
      for (let p = 0; p < panels; p++)
        packPanel(
          from, ownPanels + <usize>p * panelBytes, k, n0 + p * NR, args.n, args.bRow, args.bColumn,
        );
      gemmRows(padded, k, ownPanels, panels, panelBytes, k0 > 0);
    } else gemmRows(padded, k, b + <usize>k0 * 32, panels, <usize>args.k * 32, k0 > 0);
  }
  if (direct && !args.bias && !args.activation) return;
  const bias = args.bias ? <usize>args.bias + <usize>n0 * 4 : 0;
  for (let row = 0; row < rows; row++) {
    finishRow(
      cStart + <usize>row * cStride, c + <usize>row * <usize>args.n * 4, columns, bias,
      args.activation,
    );
  }
}

/** Points the table at A's rows. If A is transposed, its rows are copied to `packed` first. */
function fillRows(
  args: MatMulArgs, a: usize, row0: i32, rows: i32, k0: i32, k: i32, packed: usize,
): void {
  const table = aTable();
  if (args.kStride == 1) {
    for (let row = 0; row < rows; row++) {
      store<u32>(
        table + <usize>row * 4,
        <u32>(a + (<usize>(row0 + row) * <usize>args.rowStride + <usize>k0) * 4),
      );
    }
    return;
  }
  const rowBytes = <usize>k * 4 + 64;
  const step = <usize>args.kStride * 4;
  const source = a + (<usize>k0 * <usize>args.kStride + <usize>row0) * 4;
  for (let row = 0; row < rows; row++)
    store<u32>(table + <usize>row * 4, <u32>(packed + <usize>row * rowBytes));
  const rows4 = rows & ~3;
  const k4 = k & ~3;
  for (let p = 0; p < k4; p += 4) {
    for (let row = 0; row < rows4; row += 4) {
      transpose4(
        source + <usize>p * step + <usize>row * 4, step,
        packed + <usize>row * rowBytes + <usize>p * 4, rowBytes,
      );
    }
  }
  for (let row = 0; row < rows; row++) {
    for (let p = row < rows4 ? k4 : 0; p < k; p++) {
      store<f32>(
        packed + <usize>row * rowBytes + <usize>p * 4,
        load<f32>(source + <usize>p * step + <usize>row * 4),
      );
    }
  }
}
