/// Left stays left: a phantom with an asymmetric marker through every format in all 48 orders of its axes.
#include <gtest/gtest.h>

#include <cmath>

#include "image/volume/made_volumes.h"

namespace {

using namespace rouage;
using namespace rouage::image;
using rouage::image::made::distance;
using rouage::image::made::Folder;

/// Floats of NIfTI-1 place a voxel at 100 mm to 1e-5 mm; the others hold doubles.
constexpr double kPlaceMm = 1e-4;

TEST(Reoriented, EveryVoxelKeepsItsPlaceInAll48Orders) {
  for (const bool oblique : {false, true}) {
    const Volume<float> phantom = made::phantom(oblique);
    const auto all = made::orientations();
    ASSERT_EQ(all.size(), 48u);
    for (const std::string& letters : all) {
      const Volume<float> turned = reoriented(phantom, letters);
      EXPECT_EQ(turned.grid.orientation(), letters);
      EXPECT_EQ(reoriented(phantom.grid, letters), turned.grid);
      for (std::uint32_t k = 0; k < turned.grid.size[2]; ++k)
        for (std::uint32_t j = 0; j < turned.grid.size[1]; ++j)
          for (std::uint32_t i = 0; i < turned.grid.size[0]; ++i) {
            const Point3 index = phantom.grid.index_of(turned.grid.position(i, j, k));
            const auto at = [&](int a) { return static_cast<std::uint32_t>(std::lround(index[a])); };
            ASSERT_NEAR(index[0], std::round(index[0]), 1e-9);
            ASSERT_EQ(turned.at(i, j, k), phantom.at(at(0), at(1), at(2))) << letters;
          }
      EXPECT_EQ(reoriented(turned, "LPS").values, phantom.values) << letters;
    }
  }
}

TEST(Reoriented, WordsThatAreNoOrientationAreRefused) {
  const Volume<float> phantom = made::phantom(false);
  for (const char* word : {"", "LP", "LLS", "LRS", "LPSX", "XYZ", "lps"})
    EXPECT_EQ(made::refusal([&] { reoriented(phantom, word); }), ErrorCode::VolumeInvalid) << word;
}

/// GEO-1: a volume that is written and read again has each voxel where it was in the patient.
TEST(VolumeFiles, TheMarkerStaysLeftAnteriorSuperiorInEveryFormatAndOrder) {
  const Folder folder;
  for (const bool oblique : {false, true}) {
    const Volume<float> phantom = made::phantom(oblique);
    const Point3 truth = made::marker_place(phantom);
    for (const std::string& letters : made::orientations()) {
      const Volume<float> turned = reoriented(phantom, letters);
      for (const char* ending : {".nii", ".nii.gz", ".nrrd", ".mha"}) {
        const auto path = folder / (letters + ending);
        write_volume(path, turned);
        const Volume<float> back = read_volume(path);
        EXPECT_LT(distance(made::marker_place(back), truth), kPlaceMm) << letters << ending;
        EXPECT_TRUE(same_grid(back.grid, turned.grid, kPlaceMm)) << letters << ending;
        EXPECT_EQ(back.grid.orientation(), letters) << ending;
        EXPECT_EQ(back.values, turned.values) << letters << ending;
        EXPECT_TRUE(read_volume_header(path).warnings.empty()) << letters << ending;
      }
    }
  }
}

TEST(VolumeFiles, LabelMapsKeepTheMarkerInEveryFormatAndOrder) {
  const Folder folder;
  const Volume<float> phantom = made::phantom(true);
  LabelMap map{phantom.grid, {}, ""};
  for (const float value : phantom.values) map.values.push_back(static_cast<std::uint16_t>(value));
  const Point3 truth = made::marker_place(map);
  for (const std::string& letters : made::orientations())
    for (const char* ending : {".nii.gz", ".nrrd", ".mha"}) {
      const auto path = folder / (letters + ending);
      const LabelMap turned = reoriented(map, letters);
      write_label_map(path, turned, {.labels = {{1000, "marker"}}});
      const LabelMap back = read_label_map(path);
      EXPECT_LT(distance(made::marker_place(back), truth), kPlaceMm) << letters << ending;
      EXPECT_EQ(back.values, turned.values) << letters << ending;
    }
}

TEST(VolumeFiles, ATiltedGantryIsKept) {
  const Folder folder;
  Volume<float> volume = made::phantom(true);
  for (std::size_t x = 0; x < 3; ++x) volume.grid.step_mm[2][x] += 0.4 * volume.grid.step_mm[1][x];
  ASSERT_GT(volume.grid.shear(), 0.2);
  for (const char* ending : {".nii", ".nrrd", ".mha"}) {
    const auto path = folder / (std::string("tilted") + ending);
    write_volume(path, volume);
    EXPECT_TRUE(same_grid(read_grid(path), volume.grid, kPlaceMm)) << ending;
  }
  const VolumeHeader header = read_volume_header(folder / "tilted.nii");
  EXPECT_GT(header.nifti->sform_code, 0);
  EXPECT_EQ(header.nifti->qform_code, 0) << "a quaternion cannot say a shear";
}

TEST(VolumeFiles, AnUntiltedNiftiSaysItsPlaceTwice) {
  const Folder folder;
  for (const std::string& letters : made::orientations()) {
    write_volume(folder / "a.nii", reoriented(made::phantom(true), letters));
    const VolumeHeader header = read_volume_header(folder / "a.nii");
    EXPECT_EQ(header.nifti->qform_code, 1) << letters;
    EXPECT_EQ(header.nifti->sform_code, 1) << letters;
    EXPECT_FALSE(made::said(header, VolumeWarningCode::forms_disagree)) << letters;
  }
}

}  // namespace
