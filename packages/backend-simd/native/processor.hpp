/** What the processor and the operating system support, by CPUID. */
#pragma once
#if defined(__x86_64__)
#include <cpuid.h>
#include <cstdint>

namespace deepend {

struct Registers {
  uint32_t eax, ebx, ecx, edx;
};

inline Registers cpuid(uint32_t leaf) {
  Registers r = {};
  if (!__get_cpuid_count(leaf, 0, &r.eax, &r.ebx, &r.ecx, &r.edx)) return {};
  return r;
}

inline bool hasAll(uint32_t word, std::initializer_list<int> bits) {
  for (int bit : bits)
    if (!(word >> bit & 1)) return false;
  return true;
}

/** Whether the system saves these registers when it switches threads. @param state bits of XCR0 */
inline bool savesState(uint32_t state) {
  if (!hasAll(cpuid(1).ecx, {27})) return false; // OSXSAVE
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low & state) == state;
}

/** x86-64-v3: AVX2, FMA, BMI, F16C, LZCNT and MOVBE. */
inline bool supportsAvx2() {
  return hasAll(cpuid(1).ecx, {12, 22, 28, 29}) && savesState(0x06) &&
         hasAll(cpuid(7).ebx, {3, 5, 8}) && hasAll(cpuid(0x80000001).ecx, {5});
}

/** x86-64-v4: AVX-512 F, DQ, CD, BW and VL. The sanitizers' build has its width in AVX2. */
inline bool supportsAvx512() {
#if defined(DEEPEND_EMULATES_AVX512)
  return supportsAvx2();
#endif
  return supportsAvx2() && savesState(0xe6) && hasAll(cpuid(7).ebx, {16, 17, 28, 30, 31});
}

}  // namespace deepend
#endif
