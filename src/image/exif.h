/// The orientation that a camera or an export program wrote into a JPEG (Exif 2.3, JEITA CP-3451C, tag 0x0112).
#pragma once
#include <cstdint>
#include <span>

#include "image/picture.h"

namespace rouage::image {

/// `app1`: contents of an APP1 segment. 1..8 as the standard numbers them; 1 where nothing valid is said.
int exif_orientation(std::span<const std::uint8_t> app1);

/// The picture turned so that orientation 1 holds. orientation: 1..8, else the picture is returned as it is.
Picture upright(Picture picture, int orientation);

}  // namespace rouage::image
