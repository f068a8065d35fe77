/**
 * All kernels for one instruction set. The build compiles this file once for each of them, with
 * -DDEEPEND_ISA=<name> and the compiler's flags for it.
 */
#include "attention.hpp"
#include "conv.hpp"
#include "elementwise.hpp"
#include "embedding.hpp"
#include "gather.hpp"
#include "groups.hpp"
#include "generated/arguments.hpp"
#include "kernels.hpp"
#include "layer-norm.hpp"
#include "logical.hpp"
#include "matmul.hpp"
#include "move.hpp"
#include "norm.hpp"
#include "pooling.hpp"
#include "recurrent.hpp"
#include "reduce.hpp"
#include "resize.hpp"
#include "top-k.hpp"
#include "update.hpp"
#include "winograd.hpp"

namespace DEEPEND_ISA {

#include "generated/dispatch.hpp"

/** More independent sums than the latency of a multiply-add times the units. */
constexpr int CHAINS = 12;

double spin(int loops) {
  V sum[CHAINS];
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) sum[i] = splat(float(i));
  const V half = splat(0.5f);
  for (int loop = 0; loop < loops; loop++)
#pragma GCC unroll 12
    for (int i = 0; i < CHAINS; i++)
      sum[i] = madd(sum[i], half, half); // its fixed point is 1, so that no number grows
  V total = zero<W>();
#pragma GCC unroll 12
  for (int i = 0; i < CHAINS; i++) total = total + sum[i];
  alignas(64) float all[W];
  store(all, total);
  volatile float kept = all[0]; // so that the loop is not left out
  (void)kept;
  return 2.0 * CHAINS * W * loops;
}

const deepend::Kernels kernels = {runTile, NR, spin};

}  // namespace DEEPEND_ISA
