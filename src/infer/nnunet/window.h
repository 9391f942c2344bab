/// The gaussian weight of a window. Specification section 6.3.
#pragma once
#include "infer/nnunet/nnunet.h"

namespace rouage::infer::nnunet {

/// [patch[0]][patch[1]][patch[2]] float16; bit-equal to the reference. two_dimensional: patch[0] is 1 and has no
/// weight.
std::vector<std::uint16_t> gaussian_weights(const Shape3& patch, bool two_dimensional);

}  // namespace rouage::infer::nnunet
