/** The gradient of an embedding's table. See assembly/embedding.ts for how it works. */
#pragma once
#include <cstring>
#include "norm.hpp"

namespace DEEPEND_ISA {

/** One tile is a block of columns of all rows. */
inline void embeddingGradient(const EmbeddingArgs& args, int tile, Thread& t) {
  const int first = tile * args.block, columns = min(args.block, args.dim - first);
  const size_t step = args.dim;
  float* out = t.at(args.out) + first;
  for (int r = 0; r < args.num; r++) std::memset(out + r * step, 0, size_t(columns) * 4);
  const float* from = t.at(args.dy) + first;
  const int32_t* ids = t.at<int32_t>(args.ids);
  for (int i = 0; i < args.count; i++, from += step) {
    if (uint32_t(ids[i]) >= uint32_t(args.num)) continue;
    float* to = out + size_t(ids[i]) * step;
    eachChannels(columns, [&](int j, int count) {
      storeUpTo(to + j, loadUpTo(to + j, count) + loadUpTo(from + j, count), count);
    });
  }
}

}  // namespace DEEPEND_ISA
