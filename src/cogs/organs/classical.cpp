#include "cogs/organs/classical.h"

#include <array>

#include "base/error.h"
#include "base/values.h"
#include "cogs/organs/steps.h"

namespace rouage::cogs::organs {
namespace {

using image::LabelMap, image::Mask, image::Volume;

constexpr std::array<const char*, 5> kNames{"other_body", "lung_left", "lung_right", "bone", "airways"};
constexpr double kCoarseMm = 5;

void paint(LabelMap& labels, const Mask& mask, ClassicalLabel label) {
  for (std::size_t v = 0; v < labels.values.size(); ++v)
    if (mask.values[v]) labels.values[v] = static_cast<std::uint16_t>(label);
}

std::vector<ClassicalOrgan> measured(const LabelMap& labels, const Volume<float>& hu) {
  std::array<std::uint64_t, 6> voxels{};
  std::array<double, 6> sums{};
  for (std::size_t v = 0; v < labels.values.size(); ++v) {
    ++voxels[labels.values[v]];
    sums[labels.values[v]] += static_cast<double>(hu.values[v]);
  }
  std::vector<ClassicalOrgan> organs;
  for (std::uint16_t label = 1; label <= 5; ++label) {
    const auto n = static_cast<double>(voxels[label]);
    organs.push_back({label, kNames[label - 1u], n * labels.grid.voxel_ml(), n > 0 ? sums[label] / n : 0, ""});
  }
  return organs;
}

void warn_of_geometry(const Mask& body, std::vector<ClassicalWarning>& warnings) {
  for (const double step : body.grid.spacing_mm())
    if (step > kCoarseMm) {
      warnings.push_back({"coarse", "voxels of " + fixed_text(step, 1) + " mm: thin structures are lost"});
      break;
    }
  const auto box = image::bounding_box(body);
  if (box->first[0] == 0 || box->first[1] == 0 || box->last[0] + 1 == body.grid.size[0] ||
      box->last[1] + 1 == body.grid.size[1])
    warnings.push_back({"body_cut", "the body reaches the edge of the slices: volumes of body and bone are not whole"});
}

/// On a CT whose axes run L, P, S.
LabelMap segmented(const Volume<float>& hu, const ClassicalOptions& options, ClassicalOrgans& found) {
  LabelMap labels{hu.grid, std::vector<std::uint16_t>(hu.values.size()), ""};
  const Scan scan{hu, options.threads};
  const Mask body = body_of(scan);
  if (image::set_voxels(body) == 0) {
    found.refusal = "no_body";
    found.refusal_detail = "no piece of soft tissue is thick enough for a body";
    return labels;
  }
  warn_of_geometry(body, found.warnings);
  paint(labels, body, ClassicalLabel::other_body);
  std::array<std::string, 6> absent;
  {
    const Mask bone = bone_of(scan, body, found.warnings);
    paint(labels, bone, ClassicalLabel::bone);
    if (image::set_voxels(bone) == 0) absent[4] = "no_bone";
  }
  const Lungs lungs = lungs_of(scan, body, found.warnings);
  paint(labels, lungs.left, ClassicalLabel::lung_left);
  paint(labels, lungs.right, ClassicalLabel::lung_right);
  paint(labels, lungs.airways, ClassicalLabel::airways);
  absent[2] = lungs.absent_left;
  absent[3] = lungs.absent_right;
  absent[5] = lungs.absent_airways;
  found.organs = measured(labels, hu);
  for (ClassicalOrgan& organ : found.organs) organ.absent = absent[organ.label];
  return labels;
}

}  // namespace

ClassicalOrgans classical_organs(const Volume<float>& ct_hu, const ClassicalOptions& options) {
  if (ct_hu.values.size() != ct_hu.grid.voxels() || ct_hu.grid.voxels() >= (std::uint64_t{1} << 32))
    throw Error(ErrorCode::VolumeInvalid, "the CT does not hold one value a voxel, or has 2^32 voxels or more");
  ClassicalOrgans found;
  if (const auto refusal = refusal_of(ct_hu, options)) {
    found.refusal = refusal->reason;
    found.refusal_detail = refusal->detail;
    found.labels = {ct_hu.grid, std::vector<std::uint16_t>(ct_hu.values.size()), ""};
    return found;
  }
  const std::string own = ct_hu.grid.orientation();
  if (own == "LPS") {
    found.labels = segmented(ct_hu, options, found);
  } else {
    const LabelMap turned = segmented(image::reoriented(ct_hu, "LPS"), options, found);
    found.labels = image::reoriented(turned, own);
  }
  found.labels.grid = ct_hu.grid;  // to the last bit: turning there and back rounds the origin
  return found;
}

}  // namespace rouage::cogs::organs
