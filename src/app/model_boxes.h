/// `rouage model check --boxes`: a table of expert boxes, played as a pointing game.
#pragma once
#include <filesystem>
#include <vector>

#include "cogs/pointing.h"

namespace rouage::app {

struct BoxReport {
  std::vector<cogs::PointingRow> rows;
  int boxes = 0, unknown = 0;  ///< boxes in the table; boxes whose finding the package does not have
};

/// CSV with the columns file (from the table's folder), finding, x, y, w, h (left, top, width, height in pixels) and,
/// where the boxes were drawn on a film of another size, px_frame (its width). Films: DICOM, PNG, JPEG.
/// ChestX-ray14's box list writes Infiltrate for Infiltration.
/// Errors: TableInvalid (names the line), and what reading a film or a package throws.
BoxReport play_boxes(const std::filesystem::path& package, const std::filesystem::path& boxes);

}  // namespace rouage::app
