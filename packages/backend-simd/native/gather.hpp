/** Rows by their indices, and the index of the largest number. See assembly/gather.ts. */
#pragma once
#include <cstring>
#include "norm.hpp"

namespace DEEPEND_ISA {

/** One tile is a block of the result's rows. */
inline void gatherRows(const GatherRowsArgs& args, int tile, Thread& t) {
  const int end = min(args.rows, (tile + 1) * args.block);
  const size_t inner = args.inner;
  const int32_t* ids = t.at<int32_t>(args.ids);
  const uint32_t* x = t.at<uint32_t>(args.x);
  uint32_t* to = t.at<uint32_t>(args.out) + size_t(tile) * args.block * inner;
  for (int r = tile * args.block; r < end; r++, to += inner) {
    const int place = r / args.count, i = r % args.count;
    const int id = ids[place / args.outer * args.count + i];
    const uint32_t* from = x + (size_t(place) * args.length + id) * inner;
    if (inner == 1) *to = *from;
    else std::memcpy(to, from, inner * 4);
  }
}

/** One tile is a block of results. */
inline void argExtreme(const ArgExtremeArgs& args, int tile, Thread& t) {
  const int end = min(args.count, (tile + 1) * args.block);
  const size_t step = args.inner;
  for (int r = tile * args.block; r < end; r++) {
    const float* x = t.at(args.x) + size_t(r / args.inner) * args.length * step + r % args.inner;
    int found = 0;
    for (int i = 1; i < args.length; i++) {
      const float value = x[i * step], best = x[found * step];
      if (args.isMin ? value < best : value > best) found = i;
    }
    t.at<int32_t>(args.out)[r] = found;
  }
}

}  // namespace DEEPEND_ISA
