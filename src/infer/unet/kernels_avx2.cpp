#include <algorithm>
#include <bit>

#include "infer/unet/kernels.h"
#include "infer/unet/kernels_tables.h"

#if defined(__x86_64__)
#define ROUAGE_KERNEL __attribute__((target("avx2,fma")))

namespace rouage::infer::unet {
namespace avx2 {
namespace {
#include "infer/unet/kernels_body.h"
}  // namespace
}  // namespace avx2

template <>
const Kernels<float>& avx2_kernels<float>() {
  return avx2::kTable<float>;
}
template <>
const Kernels<Bf16>& avx2_kernels<Bf16>() {
  return avx2::kTable<Bf16>;
}

}  // namespace rouage::infer::unet
#endif
