#include <algorithm>
#include <bit>

#include "infer/unet/kernels.h"
#include "infer/unet/kernels_tables.h"

#define ROUAGE_KERNEL

namespace rouage::infer::unet {
namespace plain {
namespace {
#include "infer/unet/kernels_body.h"
}  // namespace
}  // namespace plain

template <>
const Kernels<float>& plain_kernels<float>() {
  return plain::kTable<float>;
}
template <>
const Kernels<Bf16>& plain_kernels<Bf16>() {
  return plain::kTable<Bf16>;
}

}  // namespace rouage::infer::unet
