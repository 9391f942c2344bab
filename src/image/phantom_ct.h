/// A digital CT of thorax and abdomen with known truth: analytic shapes, synthetic and called so. It looks like no
/// patient; it tests geometry, segmentation and writers.
///
///   image::PhantomCt phantom = image::phantom_ct({});
///   phantom.hu, phantom.truth, phantom.names[phantom.truth.at(i, j, k)]
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "image/volume.h"

namespace rouage::image {

struct PhantomCtOptions {
  std::array<std::uint32_t, 3> size{192, 160, 120};  ///< voxels along x (to the left), y (to the back), z (to the head)
  std::array<double, 3> spacing_mm{2.0, 2.0, 3.5};
  std::string orientation = "LPS";  ///< of the result's axes: "RAS", "PIR"... (Grid::orientation)
  std::uint64_t seed = 1;           ///< of the noise
  double noise_hu = 10;             ///< standard deviation; 0: none
  bool contrast = false;            ///< aorta and heart 180 HU instead of 42
};

struct PhantomCt {
  Volume<float> hu;                ///< whole numbers, -1024..3071; unit "[hnsf'U]"
  LabelMap truth;                  ///< by the centre of each voxel; 0: air, the table's inside
  std::vector<std::string> names;  ///< of the labels; names[0] is "background"
};

/// The field of view is centred on (0, 0, 0): 384 x 320 x 420 mm by default; a smaller one cuts the body. Labels: body
/// (what is in none of the others), lung_left, lung_right, trachea, heart, aorta, liver, spleen, kidney_left,
/// kidney_right, vertebrae, spinal_canal, ribs, sternum, table, marker. The marker is a block of 2000 HU with three
/// different sides outside the body, at the patient's left, front and head: it tells every axis and direction.
/// Errors: VolumeInvalid (a size of 0 or over 1024, a spacing that is not positive, no orientation).
/// Pure; the same options give the same values on every machine.
PhantomCt phantom_ct(const PhantomCtOptions& options);

/// Centre of the marker, LPS mm, and its half sides: for tests of left, front and head.
inline constexpr Point3 kPhantomMarker{120, -110, 150};
inline constexpr Point3 kPhantomMarkerHalf{18, 12, 24};

}  // namespace rouage::image
