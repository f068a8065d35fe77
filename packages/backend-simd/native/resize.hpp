/** Resizes images, and the gradient. See assembly/resize.ts and resize-gradient.ts. */
#pragma once
#include <cstring>
#include "norm.hpp"

namespace DEEPEND_ISA {

/** Interpolates a source row horizontally, to `outWidth` pixels in double precision. */
inline void blendAcross(const ResizeArgs& args, const float* row, double* out, Thread& t) {
  const ResizeEntry* columns = t.at<ResizeEntry>(args.columnTable);
  for (int c = 0; c < args.outWidth; c++) {
    const float *left = row + size_t(columns[c].first) * args.channels,
                *right = row + size_t(columns[c].second) * args.channels;
    for (int d = 0; d < args.channels; d++) {
      const double a = left[d], b = right[d];
      *out++ = a + (b - a) * columns[c].fraction;
    }
  }
}

/**
 * In double precision and in stock cpu's order, so that the results are equal to the bit. The last
 * two source rows are kept after horizontal interpolation: when an image is enlarged, several new
 * rows lie between the same two. One tile of the job is a block of the result's rows.
 */
inline void resizeBilinear(const ResizeArgs& args, int tile, Thread& t) {
  const int count = args.outWidth * args.channels;
  const size_t stride = size_t(args.width) * args.channels;
  const ResizeEntry* rows = t.at<ResizeEntry>(args.rowTable);
  double *top = reinterpret_cast<double*>(t.scratch), *bottom = top + count;
  int inTop = -1, inBottom = -1;
  const int end = min(args.rows, (tile + 1) * args.block);
  for (int r = tile * args.block; r < end; r++) {
    const ResizeEntry& row = rows[r % args.outHeight];
    const int first = r / args.outHeight * args.height + row.first;
    const int second = first - row.first + row.second;
    if (inTop != first && inBottom == first) {
      double* kept = top;
      top = bottom;
      inTop = first;
      bottom = kept;
      inBottom = -1;
    }
    if (inTop != first) {
      blendAcross(args, t.at(args.x) + first * stride, top, t);
      inTop = first;
    }
    if (second != first && inBottom != second) {
      blendAcross(args, t.at(args.x) + second * stride, bottom, t);
      inBottom = second;
    }
    const double* below = second == first ? top : bottom;
    float* out = t.at(args.out) + size_t(r) * count;
    for (int i = 0; i < count; i++)
      out[i] = float(top[i] + (below[i] - top[i]) * row.fraction);
  }
}

/** Reads only `first` of each entry. One tile of the job is a block of the result's rows. */
inline void resizeNearest(const ResizeArgs& args, int tile, Thread& t) {
  const size_t pixel = args.channels, stride = args.width * pixel;
  const ResizeEntry *rows = t.at<ResizeEntry>(args.rowTable),
                    *columns = t.at<ResizeEntry>(args.columnTable);
  const int end = min(args.rows, (tile + 1) * args.block);
  for (int r = tile * args.block; r < end; r++) {
    const float* row = t.at(args.x) +
                       (size_t(r / args.outHeight) * args.height + rows[r % args.outHeight].first) *
                           stride;
    float* out = t.at(args.out) + size_t(r) * args.outWidth * pixel;
    for (int c = 0; c < args.outWidth; c++, out += pixel)
      std::memcpy(out, row + columns[c].first * pixel, pixel * 4);
  }
}

/** out[0 … count) = Σ over taps [first, end) of weight · x[index][0 … count). */
inline void collect(const ResizeTap* first, const ResizeTap* end, const float* x, size_t step,
                    float* out, int count) {
  int i = 0;
  for (; i + 2 * W <= count; i += 2 * W) {
    V v0 = zero<W>(), v1 = v0;
    for (const ResizeTap* tap = first; tap < end; tap++) {
      const float* at = x + tap->index * step + i;
      const V weight = splat(tap->weight);
      v0 = madd(load(at), weight, v0);
      v1 = madd(load(at + W), weight, v1);
    }
    store(out + i, v0);
    store(out + i + W, v1);
  }
  eachChannels(count - i, [&](int c, int some) {
    V v = zero<W>();
    for (const ResizeTap* tap = first; tap < end; tap++)
      v = madd(loadUpTo(x + tap->index * step + i + c, some), splat(tap->weight), v);
    storeUpTo(out + i + c, v, some);
  });
}

/** One tile of the job is a block of the source's rows. */
inline void resizeGradient(const ResizeGradientArgs& args, int tile, Thread& t) {
  const int channels = args.channels, count = args.outWidth * channels;
  const ResizeTap *rowTaps = t.at<ResizeTap>(args.rowTaps),
                  *columnTaps = t.at<ResizeTap>(args.columnTaps);
  const int32_t *rowStarts = t.at<int32_t>(args.rowStarts),
                *columnStarts = t.at<int32_t>(args.columnStarts);
  float* line = reinterpret_cast<float*>(t.scratch);
  const int end = min(args.rows, (tile + 1) * args.block);
  for (int r = tile * args.block; r < end; r++) {
    const int y = r % args.height;
    const float* dy = t.at(args.dy) + size_t(r / args.height) * args.outHeight * count;
    collect(rowTaps + rowStarts[y], rowTaps + rowStarts[y + 1], dy, count, line, count);
    float* out = t.at(args.out) + size_t(r) * args.width * channels;
    for (int c = 0; c < args.width; c++, out += channels)
      collect(columnTaps + columnStarts[c], columnTaps + columnStarts[c + 1], line, channels, out,
              channels);
  }
}

}  // namespace DEEPEND_ISA
