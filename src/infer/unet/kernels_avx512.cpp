#include <algorithm>
#include <bit>

#include "infer/unet/kernels.h"
#include "infer/unet/kernels_tables.h"

#if defined(__x86_64__)
#define ROUAGE_KERNEL __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,fma,prefer-vector-width=512")))

namespace rouage::infer::unet {
namespace avx512 {
namespace {
#include "infer/unet/kernels_body.h"
}  // namespace
}  // namespace avx512

template <>
const Kernels<float>& avx512_kernels<float>() {
  return avx512::kTable<float>;
}
template <>
const Kernels<Bf16>& avx512_kernels<Bf16>() {
  return avx512::kTable<Bf16>;
}

}  // namespace rouage::infer::unet
#endif
