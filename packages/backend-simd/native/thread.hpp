/** What a kernel knows besides its arguments: the memory and its thread's own part of it. */
#pragma once
#include <cstddef>
#include <cstdint>

namespace deepend {

/** The most rows that one block of a matrix product has. */
constexpr int MAX_ROWS = 512;

/** One of the threads that compute. Kernels run on several threads at once, each with its own. */
struct Thread {
  char* base;    // of WebAssembly's memory; arguments are offsets from it
  char* scratch; // this thread's own memory, aligned to cache lines
  const float* a[MAX_ROWS + 16]; // rows of a matrix product's first factor
  float* c[MAX_ROWS + 16];       // rows of its result

  template <class T = float> T* at(uint32_t offset) const {
    return reinterpret_cast<T*>(base + offset);
  }
  /** The floats at an offset, or null for 0. */
  float* optional(uint32_t offset) const { return offset ? at(offset) : nullptr; }
};

inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }

}  // namespace deepend
