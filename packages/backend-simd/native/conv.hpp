/**
 * Direct convolution without im2col, convolution over few channels, and the gradients of both. See
 * assembly/conv.ts, conv-gather.ts, conv-scatter.ts and conv-filter.ts for how they work.
 */
#pragma once
#include "gemm.hpp"
#include "generated/arguments.hpp"

namespace DEEPEND_ISA {

/** Channels in one product of a direct convolution. */
constexpr int CONV_KC = 512;
/** Pixels in one product of a filter's gradient: both factors stay in the second-level cache. */
constexpr int FILTER_KC = 128;

/**
 * Floats from one panel of FILTER_KC rows to the next. Not a power of two, so that the panels fall
 * into different cache sets.
 */
constexpr int FILTER_PANEL = FILTER_KC * NR + 16;

/** A position to compute: its image, the source pixel of tap (0, 0), and its output. */
struct Position {
  const float* image;
  float* out;
  int y, x;
};

INLINE ptrdiff_t outputOffset(const ConvArgs& args, int image, int y, int x) {
  return ptrdiff_t(image) * args.outImage + ptrdiff_t(y) * args.outRow +
         ptrdiff_t(x) * args.outColumn + args.outOffset;
}

/** Fills the positions of a block. @returns their number */
inline int fillPositions(const ConvArgs& args, int rowIndex, Position* positions, float* cStart,
                         size_t cStride, Thread& t) {
  const int gridSize = args.gridHeight * args.gridWidth;
  const int row0 = rowIndex * args.rowBlock;
  const int rows = min(args.rowBlock, args.batch * gridSize - row0);
  int image = row0 / gridSize, y = row0 % gridSize / args.gridWidth, x = row0 % args.gridWidth;
  const size_t imageFloats = size_t(args.height) * args.width * args.channels;
  for (int row = 0; row < rows; row++) {
    float* out = cStart + (cStride ? row * cStride : outputOffset(args, image, y, x));
    positions[row] = {t.at(args.source) + image * imageFloats, out, y * args.strideY,
                      x * args.strideX};
    if (++x < args.gridWidth) continue;
    x = 0;
    if (++y < args.gridHeight) continue;
    y = 0;
    image++;
  }
  return rows;
}

/** Lists the rows whose source pixel lies inside the image for this tap. @returns their number */
inline int fillTap(const ConvArgs& args, const int32_t* tap, int rows, const Position* positions,
                   int channel0, Thread& t) {
  const int dy = tap[0], dx = tap[1];
  int count = 0;
  for (int row = 0; row < rows; row++) {
    const Position& at = positions[row];
    const int y = at.y + dy, x = at.x + dx;
    if (unsigned(y) >= unsigned(args.height) || unsigned(x) >= unsigned(args.width)) continue;
    t.a[count] = at.image + (size_t(y) * args.width + x) * args.channels + channel0;
    t.c[count++] = at.out;
  }
  return count;
}

/** One tile computes rowBlock positions × panelBlock panels. */
inline void convDirect(const ConvArgs& args, int tile, Thread& t) {
  const int panelIndex = tile % args.panelBlocks, rowIndex = tile / args.panelBlocks;
  const int n0 = panelIndex * args.panelBlock * NR;
  const int columns = min(args.panelBlock * NR, args.outChannels - n0);
  const int panels = (columns + NR - 1) / NR;
  const size_t stride = size_t(panels) * NR;
  const bool direct = columns % NR == 0;
  Position* positions = reinterpret_cast<Position*>(t.scratch);
  float* spare = reinterpret_cast<float*>(positions + args.rowBlock);
  float* temporary = spare + stride;
  float* out = t.at(args.out) + n0;
  const int rows = fillPositions(args, rowIndex, positions, direct ? out : temporary,
                                 direct ? 0 : stride, t);
  for (int row = 0; row < rows; row++) std::memset(positions[row].out, 0, stride * 4);

  const size_t panelStride = size_t(args.channels) * NR;
  const size_t tapStride = size_t((args.outChannels + NR - 1) / NR) * panelStride;
  const int32_t* taps = t.at<int32_t>(args.taps);
  for (int i = 0; i < args.tapCount; i++) {
    const int32_t* tap = taps + 3 * i;
    const float* b = t.at(args.panels) + tap[2] * tapStride +
                     size_t(panelIndex) * args.panelBlock * panelStride;
    for (int k0 = 0; k0 < args.channels; k0 += CONV_KC) {
      int count = fillTap(args, tap, rows, positions, k0, t);
      if (!count) break;
      count = padTables(t, count, t.a[0], spare);
      gemmRows(t, count, min(CONV_KC, args.channels - k0), b + size_t(k0) * NR, panels,
               panelStride, true);
    }
  }
  if (direct && !args.bias && !args.activation) return;
  const float* bias = args.bias ? t.at(args.bias) + n0 : nullptr;
  const int gridSize = args.gridHeight * args.gridWidth;
  for (int row = 0; row < rows; row++) {
    const float* source = positions[row].out;
    const int index = rowIndex * args.rowBlock + row, within = index % gridSize;
    float* target = direct ? positions[row].out
                           : out + outputOffset(args, index / gridSize, within / args.gridWidth,
                                                within % args.gridWidth);
    finishRow(source, target, columns, bias, args.activation);
  }
}

/** Pads images with zeros. One tile is one image. */
inline void padImages(const PadArgs& args, int image, Thread& t) {
  const float* x = t.at(args.x) + size_t(image) * args.height * args.row;
  float* out = t.at(args.out) + size_t(image) * args.outHeight * args.outRow;
  std::memset(out, 0, size_t(args.outHeight) * args.outRow * 4);
  float* first = out + size_t(args.top) * args.outRow + args.left;
  const int rows = min(args.height, args.outHeight - args.top);
  const size_t bytes = size_t(min(args.row, args.outRow - args.left)) * 4;
  for (int y = 0; y < rows; y++)
    std::memcpy(first + size_t(y) * args.outRow, x + size_t(y) * args.row, bytes);
}

/** Copies `run` floats, and up to three more. @tparam R what is known of `run`: at most 4, 8, or 0 */
template <int R> INLINE void copyRun(float* to, const float* from, int run) {
  if constexpr (R == 4) return store(to, load<4>(from));
  if constexpr (R == 8) {
    store(to, load<4>(from));
    return store(to + 4, load<4>(from + 4));
  }
  for (int at = 0; at < run; at += 4) store(to + at, load<4>(from + at));
}

/**
 * Calls `use(i, start)` with the start of each window of positions [first, first + count), in
 * order. Divides once instead of once for each position.
 */
template <class Args, class Use>
INLINE void eachWindow(const Args& args, int first, int count, Thread& t, Use use) {
  int x = first % args.gridWidth;
  const int rest = first / args.gridWidth;
  int y = rest % args.gridHeight;
  const float* image = t.at(args.source) + size_t(rest / args.gridHeight) * args.image;
  for (int i = 0; i < count; i++) {
    use(i, image + size_t(y) * args.stepY + size_t(x) * args.stepX);
    if (++x < args.gridWidth) continue;
    x = 0;
    if (++y < args.gridHeight) continue;
    y = 0;
    image += args.image;
  }
}

/** Gathers the windows of positions [first, first + count), `outStep` floats apart. */
template <int R>
inline void gatherRuns(const GatherArgs& args, int first, int count, float* out, size_t outStep,
                       Thread& t) {
  const int run = args.run, kernelRows = args.kernelRows;
  eachWindow(args, first, count, t, [&](int i, const float* from) {
    float* to = out + i * outStep;
    for (int row = 0; row < kernelRows; row++, to += run, from += args.kernelStep)
      copyRun<R>(to, from, run);
  });
}

inline void gatherWindows(const GatherArgs& args, int first, int count, float* out,
                          size_t outStep, Thread& t) {
  if (args.run <= 4) gatherRuns<4>(args, first, count, out, outStep, t);
  else if (args.run <= 8) gatherRuns<8>(args, first, count, out, outStep, t);
  else gatherRuns<0>(args, first, count, out, outStep, t);
}

/** One tile computes rowBlock positions × panelBlock panels. */
inline void convGather(const GatherArgs& args, int tile, Thread& t) {
  const int panelIndex = tile % args.panelBlocks;
  const int first = tile / args.panelBlocks * args.rowBlock;
  const int rows = min(args.rowBlock, args.batch * args.gridHeight * args.gridWidth - first);
  const int n0 = panelIndex * args.panelBlock * NR;
  const int columns = min(args.panelBlock * NR, args.outChannels - n0);
  const int panels = (columns + NR - 1) / NR;
  const size_t stride = size_t(panels) * NR;
  const bool direct = columns % NR == 0;
  const int k = args.kernelRows * args.run;
  const size_t rowFloats = size_t((k + 3) & ~3) + 16;
  float* spare = reinterpret_cast<float*>(t.scratch);
  float* temporary = spare + stride;
  float* windows = temporary + size_t(args.rowBlock) * stride;
  float* out = t.at(args.out) + size_t(first) * args.outChannels + n0;
  gatherWindows(args, first, rows, windows, rowFloats, t);
  for (int row = 0; row < rows; row++) {
    t.a[row] = windows + row * rowFloats;
    t.c[row] = direct ? out + size_t(row) * args.outChannels : temporary + row * stride;
  }
  const float* b = t.at(args.panels) + size_t(panelIndex) * args.panelBlock * k * NR;
  gemmRows(t, padTables(t, rows, windows, spare), k, b, panels, size_t(k) * NR, false);
  if (direct && !args.bias && !args.activation) return;
  const float* bias = args.bias ? t.at(args.bias) + n0 : nullptr;
  for (int row = 0; row < rows; row++) {
    float* to = out + size_t(row) * args.outChannels;
    finishRow(direct ? to : temporary + row * stride, to, columns, bias, args.activation);
  }
}

/**
 * dW = Σ over positions of windowᵀ · dy. One tile of the job: (partial sum, block of output
 * channels).
 */
inline void convFilterGather(const GatherArgs& args, int tile, Thread& t) {
  const int panelIndex = tile % args.panelBlocks, partial = tile / args.panelBlocks;
  const int64_t positions = int64_t(args.batch) * args.gridHeight * args.gridWidth;
  const int begin = int(positions * partial / args.partials);
  const int end = int(positions * (partial + 1) / args.partials);
  const int n0 = panelIndex * args.panelBlock * NR;
  const int columns = min(args.panelBlock * NR, args.outChannels - n0);
  const int k = args.kernelRows * args.run;
  // Not a power of two, so that the rows fall into different cache sets.
  const size_t xStride = size_t((k + 7) & ~3) + 20;
  float* edge = reinterpret_cast<float*>(t.scratch);
  float* xs = edge + MR * WIDE * NR;
  float* dys = xs + FILTER_KC * xStride + 16;
  float* out = t.at(args.out) + size_t(partial) * args.partialStride + n0;
  for (int position = begin; position < end; position += FILTER_KC) {
    const int count = min(FILTER_KC, end - position);
    gatherWindows(args, position, count, xs, xStride, t);
    for (int p = 0; p < count; p++)
      packColumns(t.at(args.dy) + size_t(position + p) * args.outChannels + n0, dys + p * NR,
                  columns, FILTER_PANEL);
    columnProduct(count, {xs, xStride, MR}, k, dys, FILTER_PANEL, columns, out,
                  args.outChannels, edge, position > begin);
  }
}

/** Windows of one product. */
constexpr int SCATTER_BLOCK = 60;

/**
 * The input gradient over few channels: each pixel of dy times the whole filter gives a window of
 * dx, and overlapping windows are added in place, in order. One tile is one image.
 */
inline void convScatter(const ScatterArgs& args, int tile, Thread& t) {
  const int panels = (args.kernelRows * args.run + NR - 1) / NR;
  const size_t stride = size_t(panels) * NR;
  float* sum = reinterpret_cast<float*>(t.scratch);
  float* windows = sum + args.image + 16;
  float* spare = windows + SCATTER_BLOCK * stride;
  const float* dy = t.at(args.dy) + size_t(tile) * args.positions * args.outChannels;
  std::memset(sum, 0, size_t(args.image) * 4);
  int x = 0;
  float *at = sum, *line = sum;
  for (int first = 0; first < args.positions; first += SCATTER_BLOCK) {
    const int rows = min(SCATTER_BLOCK, args.positions - first);
    for (int i = 0; i < rows; i++) {
      t.a[i] = dy + size_t(first + i) * args.outChannels;
      t.c[i] = windows + i * stride;
    }
    gemmRows(t, padTables(t, rows, dy, spare), args.outChannels, t.at(args.panels), panels,
             size_t(args.outChannels) * NR, false);
    for (int i = 0; i < rows; i++) {
      for (int k = 0; k < args.kernelRows; k++) {
        const float* from = windows + i * stride + size_t(k) * args.run;
        float* to = at + size_t(k) * args.kernelStep;
        for (int j = 0; j < args.run; j++) to[j] += from[j];
      }
      at += args.stepX;
      if (++x < args.gridWidth) continue;
      x = 0;
      line += args.stepY;
      at = line;
    }
  }
  const float* from = sum + size_t(args.top) * args.row + args.left;
  float* out = t.at(args.out) + size_t(tile) * args.height * args.outRow;
  for (int y = 0; y < args.height; y++)
    std::memcpy(out + size_t(y) * args.outRow, from + size_t(y) * args.row,
                size_t(args.outRow) * 4);
}

/** The first position whose source coordinate is inside, and the one past the last. */
INLINE int firstInside(int offset, int stride) {
  return offset >= 0 ? 0 : (-offset + stride - 1) / stride;
}
INLINE int pastInside(int offset, int stride, int size, int grid) {
  const int last = size - 1 - offset;
  return last < 0 ? 0 : min(grid, last / stride + 1);
}

/** Pixels in one product: panels for WIDE accumulators take half of the first-level cache. */
constexpr int COLUMNS_KC = 4096 / (WIDE * NR) < 128 ? 128 : 4096 / (WIDE * NR);
/** Floats from one panel to the next, and from one group of MR channels to the next. */
constexpr int COLUMNS_PANEL = COLUMNS_KC * NR + 16;
constexpr int COLUMNS_GROUP = COLUMNS_KC * MR + 16;

/** Copies MR floats, and up to W - 1 more. */
INLINE void storeRow(float* to, const float* from) {
  for (int c = 0; c < MR; c += W) store(to + c, load(from + c));
}

/** One tile: (partial, tap, block of input channels, block of output channels). */
inline void convFilter(const FilterArgs& args, int tile, Thread& t) {
  const int panelIndex = tile % args.panelBlocks;
  int rest = tile / args.panelBlocks;
  const int rowIndex = rest % args.rowBlocks;
  rest /= args.rowBlocks;
  const int i = rest % args.tapCount, partial = rest / args.tapCount;
  const int32_t* tap = t.at<int32_t>(args.taps) + 3 * i;
  const int y0 = firstInside(tap[0], args.strideY), x0 = firstInside(tap[1], args.strideX);
  const int gridH =
      max(0, pastInside(tap[0], args.strideY, args.height, args.gridHeight) - y0);
  const int gridW = max(0, pastInside(tap[1], args.strideX, args.width, args.gridWidth) - x0);
  const int64_t pixels = int64_t(args.batch) * gridH * gridW;

  const int m0 = rowIndex * args.rowBlock;
  const int rows = min(args.rowBlock, args.channels - m0);
  const int n0 = panelIndex * args.panelBlock * NR;
  const int columns = min(args.panelBlock * NR, args.outChannels - n0);
  float* edge = reinterpret_cast<float*>(t.scratch);
  float* xs = edge + MR * WIDE * NR;
  float* dys = xs + size_t((rows + MR - 1) / MR) * COLUMNS_GROUP + W;
  float* out = t.at(args.out) + size_t(partial) * args.partialStride +
               size_t(i * args.channels + m0) * args.outChannels + n0;
  const int begin = int(pixels * partial / args.partials);
  const int end = int(pixels * (partial + 1) / args.partials);
  if (begin == end) {
    for (int m = 0; m < rows; m++)
      std::memset(out + size_t(m) * args.outChannels, 0, size_t(columns) * 4);
    return;
  }
  int image = begin / (gridH * gridW), y = begin / gridW % gridH, x = begin % gridW;
  for (int pixel = begin; pixel < end; pixel += COLUMNS_KC) {
    const int k = min(COLUMNS_KC, end - pixel);
    for (int p = 0; p < k; p++) {
      const int sourceY = (y0 + y) * args.strideY + tap[0];
      const int sourceX = (x0 + x) * args.strideX + tap[1];
      const size_t from = (size_t(image) * args.height + sourceY) * args.width + sourceX;
      const float* source = t.at(args.x) + from * args.channels + m0;
      float* to = xs + p * MR;
      // A group's row ends in the next one, which is written later.
      for (int c = 0; c < rows; c += MR, to += COLUMNS_GROUP) storeRow(to, source + c);
      const size_t position =
          (size_t(image) * args.gridHeight + y0 + y) * args.gridWidth + x0 + x;
      packColumns(t.at(args.dy) + position * args.outChannels + n0, dys + p * NR, columns,
                  COLUMNS_PANEL);
      if (++x < gridW) continue;
      x = 0;
      if (++y < gridH) continue;
      y = 0;
      image++;
    }
    columnProduct(k, {xs, MR, COLUMNS_GROUP}, rows, dys, COLUMNS_PANEL, columns, out, args.outChannels, edge,
                  pixel > begin);
  }
}

/** out[i] = Σ over partials, in order. One tile sums `block` floats. */
inline void reducePartials(const ReduceArgs& args, int tile, Thread& t) {
  const int start = tile * args.block, end = min(args.count, start + args.block);
  const float* source = t.at(args.source);
  float* out = t.at(args.out);
  for (int i = start; i < end; i += W) {
    V sum = zero<W>();
    for (int p = 0; p < args.partials; p++) sum = sum + load(source + size_t(p) * args.stride + i);
    if (i + W <= end) store(out + i, sum);
    else storeSome(out + i, sum, end - i);
  }
}

}  // namespace DEEPEND_ISA
