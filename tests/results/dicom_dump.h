/// DCMTK's reading of our bytes as stable text, and a tree of an SR document.
#pragma once
#include <string>

#include "base/values.h"

namespace rouage::test {

/// Every element of file meta information and data set, one a line; long values cut.
std::string dump(const Bytes& file);
/// The file parsed and written again by DCMTK (explicit VR little endian), dumped.
std::string dump_of_rewritten(const Bytes& file);
/// "" when DCMTK's SR reader accepts the document with all its relationship rules, else what it says.
std::string sr_complaint(const Bytes& file);
/// The SR tree as `dsrdump` shows it, with codes.
std::string sr_tree(const Bytes& file);

/// For goldens: the SR tree under a dump of all but the content; other objects: the whole dump.
std::string reviewable(const Bytes& file);

/// Compares with tests/results/golden/NAME.txt; with ROUAGE_UPDATE_GOLDEN=1 in the environment it is written instead.
/// Returns "" or the first line that differs.
std::string golden_difference(const std::string& name, const std::string& text);

}  // namespace rouage::test
