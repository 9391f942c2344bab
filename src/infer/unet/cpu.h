/// What this CPU computes by itself, asked once.
#pragma once

namespace rouage::infer::unet {

struct Cpu {
  bool avx2 = false;    ///< with fused multiply-add
  bool avx512 = false;  ///< foundation, byte/word, doubleword/quadword, vector length
  bool bf16 = false;    ///< avx512_bf16
};

const Cpu& cpu();

}  // namespace rouage::infer::unet
