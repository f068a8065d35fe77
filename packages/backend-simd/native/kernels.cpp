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

namespace DEEPEND_ISA {

#include "generated/dispatch.hpp"

const deepend::Kernels kernels = {runTile, NR};

}  // namespace DEEPEND_ISA
