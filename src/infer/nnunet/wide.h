/// One loop, compiled twice: for every x86-64, and for CPUs with AVX2. Neither has fused multiply-add, so both give the
/// same bits. (Not target_clones: its resolvers run before the sanitizers are ready.)
#pragma once

#if defined(__x86_64__)
#include <cpuid.h>
#endif

namespace rouage::infer::nnunet {

#if defined(__x86_64__)
/// AVX2 and the half-precision conversions (F16C).
inline bool cpu_is_wide() {
  static const bool wide = [] {
    unsigned a = 0, b = 0, c = 0, d = 0;
    return __builtin_cpu_supports("avx2") && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & (1U << 29)) != 0;
  }();
  return wide;
}
template <class Body>
__attribute__((target("avx2"))) void run_wide(const Body& body) {
  body();
}
#endif

/// body: a lambda marked ROUAGE_INLINE, so that its loop takes on the caller's instruction set.
template <class Body>
void on_this_cpu(const Body& body) {
#if defined(__x86_64__)
  if (cpu_is_wide()) return run_wide(body);
#endif
  body();
}

}  // namespace rouage::infer::nnunet

#define ROUAGE_INLINE __attribute__((always_inline))
