/** The builds of the kernels, one for each instruction set. */
#pragma once
#include "thread.hpp"

namespace deepend {

struct Kernels {
  /** Computes a tile of a task. @param args the task's arguments, as TypeScript wrote them */
  void (*runTile)(int task, const void* args, int tile, Thread& thread);
  /** Columns of a panel of a matrix product's second factor. */
  int nr;
  /** Multiply-adds on registers alone. @returns the number of floating-point operations */
  double (*spin)(int loops);
};

}  // namespace deepend

#define DEEPEND_DECLARE(isa) \
  namespace isa {            \
  extern const deepend::Kernels kernels; \
  }
DEEPEND_DECLARE(baseline)
DEEPEND_DECLARE(avx2)
DEEPEND_DECLARE(avx512)
#undef DEEPEND_DECLARE
