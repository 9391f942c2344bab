#include "infer/unet/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include "infer/unet/kernels_tables.h"
#include "infer/unet/volume_net.h"

namespace rouage::infer {
namespace unet {
namespace {

Cpu ask() {
  Cpu made;
#if defined(__x86_64__)
  made.avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  made.avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  // Leaf 7, subleaf 1: EAX bit 5 is avx512_bf16. CPUs with amx_bf16 have it too.
  if (__get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) != 0) made.bf16 = made.avx512 && ((eax >> 5) & 1U) != 0;
#endif
  return made;
}

template <typename T>
const Kernels<T>& pick() {
#if defined(__x86_64__)
  if (cpu().avx512) return avx512_kernels<T>();
  if (cpu().avx2) return avx2_kernels<T>();
#endif
  return plain_kernels<T>();
}

}  // namespace

const Cpu& cpu() {
  static const Cpu asked = ask();
  return asked;
}

template <>
const Kernels<float>& kernels<float>() {
  return pick<float>();
}
template <>
const Kernels<Bf16>& kernels<Bf16>() {
  return pick<Bf16>();
}
template <>
const Kernels<float>& ref_kernels<float>() {
  return plain_kernels<float>();
}
template <>
const Kernels<Bf16>& ref_kernels<Bf16>() {
  return plain_kernels<Bf16>();
}

}  // namespace unet

bool bf16_supported() {
  return unet::cpu().bf16;
}

}  // namespace rouage::infer
