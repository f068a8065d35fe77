/** And, or and not of bytes, with broadcasting. See assembly/logical.ts. */
#pragma once
#include "elementwise.hpp"

namespace DEEPEND_ISA {

template <int OP> INLINE uint8_t joinBytes(uint8_t a, uint8_t b) {
  if (OP == LogicalOp_And) return a ? b : 0;
  if (OP == LogicalOp_Or) return a ? a : b;
  return a == 0;
}

/** One tile of the job is a block of rows and columns. */
inline void logical(const BinaryArgs& args, int tile, Thread& t) {
  const int32_t aStrides[] = {args.a0, args.a1, args.a2, args.a3, args.a4};
  const int32_t bStrides[] = {args.b0, args.b1, args.b2, args.b3, args.b4};
  const int first = tile % args.columnBlocks * args.columnBlock;
  const int end = min(args.inner, first + args.columnBlock);
  const int firstRow = tile / args.columnBlocks * args.rowBlock;
  const int endRow = min(args.rows, firstRow + args.rowBlock);
  withOperation<LogicalOp_Not>(args.op, [&](auto op) {
    constexpr int OP = decltype(op)::value;
    for (int r = firstRow; r < endRow; r++) {
      const uint8_t* a = t.at<uint8_t>(args.a) + rowPlace(args, r, aStrides);
      const uint8_t* b = t.at<uint8_t>(args.b) + rowPlace(args, r, bStrides);
      uint8_t* out = t.at<uint8_t>(args.out) + size_t(r) * args.inner;
      // The compiler makes vectors of loops whose steps it knows.
      if (args.aStep && args.bStep)
        for (int i = first; i < end; i++) out[i] = joinBytes<OP>(a[i], b[i]);
      else if (args.aStep)
        for (int i = first; i < end; i++) out[i] = joinBytes<OP>(a[i], b[0]);
      else if (args.bStep)
        for (int i = first; i < end; i++) out[i] = joinBytes<OP>(a[0], b[i]);
      else
        for (int i = first; i < end; i++) out[i] = joinBytes<OP>(a[0], b[0]);
    }
  });
}

}  // namespace DEEPEND_ISA
