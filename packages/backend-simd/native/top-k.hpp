/** The largest numbers of rows. See assembly/top-k.ts. */
#pragma once
#include "norm.hpp"

namespace DEEPEND_ISA {

/** A heap of numbers with their indices; the root comes last in the order of the result. */
struct TopHeap {
  float* values;
  int32_t* indices;

  /** Whether a number comes after another: it is smaller, or equal with a higher index. */
  static bool isAfter(float value, int index, float other, int otherIndex) {
    return value < other || (value == other && index > otherIndex);
  }

  void put(int at, float value, int index) {
    values[at] = value;
    indices[at] = index;
  }

  /** Puts a number into the hole `at`: below it lie only numbers that come before it. */
  void sink(int at, int end, float value, int index) {
    for (int child = 2 * at + 1; child < end; child = 2 * at + 1) {
      if (child + 1 < end &&
          isAfter(values[child + 1], indices[child + 1], values[child], indices[child]))
        child++;
      if (!isAfter(values[child], indices[child], value, index)) break;
      put(at, values[child], indices[child]);
      at = child;
    }
    put(at, value, index);
  }
};

inline bool anyAbove(const float* x, float least) {
  const Int<W> mask = load(x) > splat(least);
  int any = 0;
  for (int j = 0; j < W; j++) any |= mask.v[j];
  return any != 0;
}

inline void topOfRow(const float* x, int n, TopHeap heap, int k) {
  for (int i = 0; i < k; i++) heap.put(i, x[i], i);
  for (int i = k / 2 - 1; i >= 0; i--) heap.sink(i, k, heap.values[i], heap.indices[i]);
  for (int i = k; i < n; i++) {
    while (i + W <= n && !anyAbove(x + i, heap.values[0])) i += W;
    if (i < n && x[i] > heap.values[0]) heap.sink(0, k, x[i], i);
  }
  for (int end = k - 1; end > 0; end--) {
    const float value = heap.values[end];
    const int index = heap.indices[end];
    heap.put(end, heap.values[0], heap.indices[0]);
    heap.sink(0, end, value, index);
  }
}

/** Of numbers without NaN. One tile is a block of rows. */
inline void topK(const TopKArgs& args, int tile, Thread& t) {
  const int end = min(args.rows, (tile + 1) * args.block);
  for (int r = tile * args.block; r < end; r++) {
    const size_t to = size_t(r) * args.k;
    const TopHeap heap = {t.at(args.values) + to, t.at<int32_t>(args.indices) + to};
    topOfRow(t.at(args.x) + size_t(r) * args.n, args.n, heap, args.k);
  }
}

}  // namespace DEEPEND_ISA
