/// The steps of classical_organs on a CT whose axes run L, P, S: i to the left, j to the back, k to the head.
#pragma once
#include <optional>
#include <vector>

#include "cogs/organs/classical.h"
#include "image/volume_shapes.h"

namespace rouage::cogs::organs {

struct Scan {
  const image::Volume<float>& hu;
  int threads = 1;
};

/// Reason and detail, or nothing when the volume looks like a CT in Hounsfield units. Any orientation.
struct Refusal {
  std::string reason, detail;
};
std::optional<Refusal> refusal_of(const image::Volume<float>& hu, const ClassicalOptions& options);

/// Skin and all inside it, air included; arms too; the table left out.
image::Mask body_of(const Scan& scan);

struct Lungs {
  image::Mask left, right;  ///< with vessels and hilum, without trachea and main bronchi
  image::Mask airways;      ///< lumen of trachea and main bronchi
  std::string absent_left, absent_right, absent_airways;
};
Lungs lungs_of(const Scan& scan, const image::Mask& body, std::vector<ClassicalWarning>& warnings);

/// Air inside the body that is lung, and airways that hang together with it.
image::Mask lung_air(const Scan& scan, const image::Mask& body);
/// Lumen of the trachea and the main bronchi inside `air` (the lungs' air); empty when no trachea is seen.
image::Mask wide_airways(const Scan& scan, const image::Mask& body, const image::Mask& air);

/// Cortex and marrow.
image::Mask bone_of(const Scan& scan, const image::Mask& body, std::vector<ClassicalWarning>& warnings);

// ---- on masks of one grid
// ------------------------------------------------------------------------------------------------

void keep_common(image::Mask& mask, const image::Mask& with);
void take_away(image::Mask& mask, const image::Mask& what);
/// The part's voxels into its box of the whole.
void put_back(image::Mask& whole, const image::IndexBox& box, const image::Mask& part);

}  // namespace rouage::cogs::organs
