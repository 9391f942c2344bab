/// The three builds of kernels_body.h.
#pragma once
#include "infer/unet/kernels.h"

namespace rouage::infer::unet {

template <typename T>
const Kernels<T>& plain_kernels();
template <typename T>
const Kernels<T>& avx2_kernels();
template <typename T>
const Kernels<T>& avx512_kernels();

template <>
const Kernels<float>& plain_kernels<float>();
template <>
const Kernels<Bf16>& plain_kernels<Bf16>();
template <>
const Kernels<float>& avx2_kernels<float>();
template <>
const Kernels<Bf16>& avx2_kernels<Bf16>();
template <>
const Kernels<float>& avx512_kernels<float>();
template <>
const Kernels<Bf16>& avx512_kernels<Bf16>();

}  // namespace rouage::infer::unet
