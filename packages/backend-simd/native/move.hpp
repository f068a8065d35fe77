/**
 * Copies with strides, for transpose, pad, slice, concat, tile and reverse, of 32 bits of any type.
 */
#pragma once
#include "gemm.hpp"
#include "norm.hpp"

namespace DEEPEND_ISA {

/** The index within an innermost dimension of `size`; `rest` becomes the index of the others. */
INLINE int takeIndex(int& rest, int size) {
  const int index = rest % size;
  rest /= size;
  return index;
}

/** out[Σ i·o] = x[Σ i·x] for every index. One tile of the job is a block of rows and columns. */
inline void copyStrided(const CopyArgs& args, int tile, Thread& t) {
  const int first = tile % args.columnBlocks * args.columnBlock;
  const int length = min(args.columnBlock, args.size0 - first);
  const ptrdiff_t x0 = args.x0, o0 = args.o0;
  int r = tile / args.columnBlocks * args.block;
  const int end = min(args.rows, r + args.block);
  while (r < end) {
    // Within the innermost dimension of the rows, the next row is one stride away. Only at its end
    // is the start computed again.
    const int runEnd = min(end, r + args.size1 - r % args.size1);
    int rest = r;
    const int i1 = takeIndex(rest, args.size1);
    const int i2 = takeIndex(rest, args.size2);
    const int i3 = takeIndex(rest, args.size3);
    const int i4 = takeIndex(rest, args.size4);
    auto place = [&](int s0, int s1, int s2, int s3, int s4, int s5) {
      return ptrdiff_t(first) * s0 + ptrdiff_t(i1) * s1 + ptrdiff_t(i2) * s2 +
             ptrdiff_t(i3) * s3 + ptrdiff_t(i4) * s4 + ptrdiff_t(rest) * s5;
    };
    const uint32_t* from = t.at<uint32_t>(args.x) +
                           place(args.x0, args.x1, args.x2, args.x3, args.x4, args.x5);
    uint32_t* to = t.at<uint32_t>(args.out) +
                   place(args.o0, args.o1, args.o2, args.o3, args.o4, args.o5);
    for (; r < runEnd; r++, from += args.x1, to += args.o1) {
      if (x0 == 1 && o0 == 1) std::memcpy(to, from, size_t(length) * 4);
      else
        for (int i = 0; i < length; i++) to[i * o0] = from[i * x0];
    }
  }
}

/**
 * Transposes matrices. One tile of the job is a block of one matrix, or several matrices if they
 * are small.
 */
inline void transposeMatrix(const TransposeArgs& args, int tile, Thread& t) {
  const int firstColumn = tile % args.columnBlocks * args.columnBlock;
  tile /= args.columnBlocks;
  const int firstRow = tile % args.rowBlocks * args.rowBlock;
  tile /= args.rowBlocks;
  const int endRow = min(args.rows, firstRow + args.rowBlock);
  const int endColumn = min(args.columns, firstColumn + args.columnBlock);
  const size_t xStep = args.xRow, oStep = args.oColumn;
  const int endMatrix = min(args.matrices, (tile + 1) * args.matrixBlock);
  for (int m = tile * args.matrixBlock; m < endMatrix; m++) {
    int rest = m;
    const int i1 = takeIndex(rest, args.size1);
    const int i2 = takeIndex(rest, args.size2);
    const int i3 = takeIndex(rest, args.size3);
    auto place = [&](int s1, int s2, int s3, int s4) {
      return ptrdiff_t(i1) * s1 + ptrdiff_t(i2) * s2 + ptrdiff_t(i3) * s3 + ptrdiff_t(rest) * s4;
    };
    const float* x = t.at(args.x) + place(args.x1, args.x2, args.x3, args.x4);
    float* out = t.at(args.out) + place(args.o1, args.o2, args.o3, args.o4);
    // Sixteen rows at a time fill whole cache lines of the result.
    for (int r0 = firstRow; r0 < endRow; r0 += 16) {
      const int r1 = min(endRow, r0 + 16);
      for (int c = firstColumn; c < endColumn; c += 4) {
        int r = r0;
        if (c + 4 <= endColumn)
          for (; r + 4 <= r1; r += 4) transpose4(x + r * xStep + c, xStep, out + c * oStep + r, oStep);
        for (int column = c; column < min(endColumn, c + 4); column++)
          for (int row = r; row < r1; row++)
            std::memcpy(out + column * oStep + row, x + row * xStep + column, 4);
      }
    }
  }
}

}  // namespace DEEPEND_ISA
