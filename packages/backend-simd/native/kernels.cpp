/**
 * All kernels for one instruction set. The build compiles this file once for each of them, with
 * -DDEEPEND_ISA=<name> and the compiler's flags for it.
 */
#include "conv.hpp"
#include "elementwise.hpp"
#include "groups.hpp"
#include "generated/arguments.hpp"
#include "kernels.hpp"
#include "matmul.hpp"
#include "move.hpp"
#include "norm.hpp"
#include "pooling.hpp"
#include "reduce.hpp"
#include "update.hpp"
#include "winograd.hpp"

#if defined(DEEPEND_WIDTH)
#define DEEPEND_REGISTER "m" // wider than a register
#elif defined(__aarch64__)
#define DEEPEND_REGISTER "w"
#else
#define DEEPEND_REGISTER "x"
#endif

namespace DEEPEND_ISA {

#include "generated/dispatch.hpp"

/** More independent sums than the latency of a multiply-add times the units. */
constexpr int CHAINS = 12;

double spin(int loops) {
  V sum[CHAINS];
  for (int i = 0; i < CHAINS; i++) sum[i] = splat(float(i));
  const V half = splat(0.5f);
  for (int loop = 0; loop < loops; loop++) {
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++) {
      sum[i] = madd(sum[i], half, half); // its fixed point is 1, so that no number grows
      asm volatile("" : "+" DEEPEND_REGISTER (sum[i].v)); // keeps the compiler from folding the loop
    }
  }
  return 2.0 * CHAINS * W * loops;
}

const deepend::Kernels kernels = {runTile, NR, spin};

}  // namespace DEEPEND_ISA
