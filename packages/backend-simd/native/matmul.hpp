/**
 * Batched matrix product: C = activation(op(A) · op(B) + bias). B is packed once; then each tile
 * computes a block of rows × columns.
 */
#pragma once
#include "gemm.hpp"
#include "generated/arguments.hpp"

namespace DEEPEND_ISA {

/** Sums are cut into pieces of this many terms, on any number of threads. */
constexpr int MATMUL_KC = 384;

/** One tile packs one panel of one matrix. */
inline void packB(const PackArgs& args, int tile, Thread& t) {
  const int place = tile / args.panels, panel = tile % args.panels;
  const int matrix = args.list ? t.at<int32_t>(args.list)[place] : place;
  float* out = t.at(args.out + place * args.outMatrix + panel * args.outPanel);
  const float* b = t.at(args.b) + ptrdiff_t(matrix) * args.matrixStride;
  packPanel(b, out, args.k, panel * NR, args.columns, args.kStride, args.nStride);
}

/** Points the table at A's rows. If A is transposed, its rows are copied to `packed` first. */
inline void fillRows(const MatMulArgs& args, const float* a, int row0, int rows, int k0, int k,
                     float* packed, Thread& t) {
  if (args.kStride == 1) {
    for (int row = 0; row < rows; row++)
      t.a[row] = a + size_t(row0 + row) * args.rowStride + k0;
    return;
  }
  const size_t rowFloats = size_t(k) + 16, step = args.kStride;
  const float* source = a + size_t(k0) * step + row0;
  for (int row = 0; row < rows; row++) t.a[row] = packed + row * rowFloats;
  const int rows4 = rows & ~3, k4 = k & ~3;
  for (int p = 0; p < k4; p += 4)
    for (int row = 0; row < rows4; row += 4)
      transpose4(source + p * step + row, step, packed + row * rowFloats + p, rowFloats);
  for (int row = 0; row < rows; row++)
    for (int p = row < rows4 ? k4 : 0; p < k; p++)
      packed[row * rowFloats + p] = source[p * step + row];
}

/** One tile computes rowBlock rows × panelBlock panels of one matrix. */
inline void matMul(const MatMulArgs& args, int tile, Thread& t) {
  const int panelIndex = tile % args.panelBlocks;
  const int rest = tile / args.panelBlocks;
  const int rowIndex = rest % args.rowBlocks, matrix = rest / args.rowBlocks;
  const int row0 = rowIndex * args.rowBlock;
  const int rows = min(args.rowBlock, args.m - row0);
  const int n0 = panelIndex * args.panelBlock * NR;
  const int columns = min(args.panelBlock * NR, args.n - n0);
  const int panels = (columns + NR - 1) / NR;
  const size_t stride = size_t(panels) * NR;
  const bool direct = columns % NR == 0;
  float* temporary = reinterpret_cast<float*>(t.scratch);
  float* spare = temporary + rows * stride; // receives the rows of the last block's padding
  float* packed = spare + stride;
  float* ownPanels = packed + size_t(rows) * (MATMUL_KC + 16);
  const float* a = t.at(args.a) + ptrdiff_t(matrix) * args.aMatrix;
  const float* bStart = t.at(args.b) + ptrdiff_t(matrix) * args.bMatrix;
  const float* b = bStart + size_t(panelIndex) * args.panelBlock * args.k * NR;
  float* c = t.at(args.c) + size_t(matrix) * args.m * args.n + size_t(row0) * args.n + n0;
  const size_t cStride = direct ? args.n : stride;
  float* cStart = direct ? c : temporary;
  for (int k0 = 0; k0 < args.k; k0 += MATMUL_KC) {
    const int k = min(MATMUL_KC, args.k - k0);
    fillRows(args, a, row0, rows, k0, k, packed, t);
    for (int row = 0; row < rows; row++) t.c[row] = cStart + row * cStride;
    const int padded = padTables(t, rows, t.a[0], spare);
    if (args.bRow) {
      const float* from = bStart + size_t(k0) * args.bRow;
      const size_t panelFloats = size_t(k) * NR;
      for (int p = 0; p < panels; p++)
        packPanel(from, ownPanels + p * panelFloats, k, n0 + p * NR, args.n, args.bRow,
                  args.bColumn);
      gemmRows(t, padded, k, ownPanels, panels, panelFloats, k0 > 0);
    } else {
      gemmRows(t, padded, k, b + size_t(k0) * NR, panels, size_t(args.k) * NR, k0 > 0);
    }
  }
  if (direct && !args.bias && !args.activation) return;
  const float* bias = args.bias ? t.at(args.bias) + n0 : nullptr;
  for (int row = 0; row < rows; row++)
    finishRow(cStart + row * cStride, c + size_t(row) * args.n, columns, bias, args.activation);
}

}  // namespace DEEPEND_ISA
