/// Hostile and partial series, each named: what stands, what is split, what is refused, and what is said.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>

#include "base/host.h"
#include "dicom/series/made_series.h"

namespace {

using namespace rouage;
using namespace rouage::dicom::made_series;
using dicom::SeriesOptions;

void move_to(DcmDataset& dataset, const std::string& position) {
  put(dataset, DCM_ImagePositionPatient, position);
}

/// Every voxel of a made series of whole slices 0..n-1.
void expect_made_values(const dicom::SeriesVolume& found, int slices) {
  ASSERT_EQ(found.volume.grid.size,
            (std::array<std::uint32_t, 3>{kColumns, kRows, static_cast<std::uint32_t>(slices)}));
  for (int k = 0; k < slices; ++k)
    for (int j = 0; j < kRows; ++j)
      for (int i = 0; i < kColumns; ++i) EXPECT_EQ(found.volume.at(i, j, k), made_hu(i, j, k)) << i << j << k;
}

void expect_refused(const Outcome& outcome, ErrorCode code, const std::string& part, const std::string& tag) {
  ASSERT_TRUE(outcome.error) << "read without an error";
  EXPECT_EQ(outcome.error->code(), code) << outcome.error->what();
  EXPECT_NE(outcome.error->detail().find(part), std::string::npos) << outcome.error->what();
  EXPECT_NE(outcome.error->tag().find(tag), std::string::npos) << outcome.error->what();
  EXPECT_FALSE(outcome.error->file().empty());
  EXPECT_FALSE(outcome.error->remedy().empty());
}

TEST(SeriesHostile, AWholeSeriesStands) {
  const Outcome outcome = read(make_ct("whole", 8));
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 1u);
  const auto& found = outcome.reading.volumes[0];
  expect_made_values(found, 8);
  EXPECT_EQ(found.volume.unit, "[hnsf'U]");
  EXPECT_EQ(found.volume.grid.origin_mm, (image::Point3{-3, -4, -10}));
  EXPECT_EQ(found.volume.grid.step_mm[0], (image::Point3{1.5, 0, 0}));  // columns: the second value of Pixel Spacing
  EXPECT_EQ(found.volume.grid.step_mm[1], (image::Point3{0, 2, 0}));
  EXPECT_EQ(found.volume.grid.step_mm[2], (image::Point3{0, 0, kStep}));
  ASSERT_EQ(found.instances.size(), 8u);
  for (std::size_t k = 0; k < 8; ++k) {
    EXPECT_EQ(found.instances[k].sop_instance_uid, "1.2.3.4.100." + std::to_string(k + 1));
    EXPECT_EQ(found.instances[k].file_digest, file_digest(found.files[k], kMebibyte));
  }
  EXPECT_TRUE(found.warnings.empty()) << found.warnings[0];
  EXPECT_EQ(found.frame_of_reference_uid, "1.2.3.4.4");
}

// GEO-8
TEST(SeriesHostile, ReversedFileOrderAndReversedNumbersChangeNothing) {
  const auto folder =
      make_ct("reversed", 8, [](int k, DcmDataset& d) { put(d, DCM_InstanceNumber, std::to_string(100 - k)); });
  auto files = files_below(folder);
  const auto forward = dicom::read_series(files, {});
  std::reverse(files.begin(), files.end());
  const auto backward = dicom::read_series(files, {});
  expect_made_values(forward.volumes.at(0), 8);
  EXPECT_EQ(forward.volumes[0].volume.values, backward.volumes.at(0).volume.values);
  EXPECT_EQ(forward.volumes[0].files, backward.volumes[0].files);
}

// GEO-9
TEST(SeriesHostile, OneMissingSliceIsNamedAndRefused) {
  const auto folder = make_ct("missing", 8);
  fs::remove(folder / "031.dcm");  // k = 4, at z = 0
  expect_refused(read(folder), ErrorCode::SeriesRefused,
                 "1 slice is missing of 8 (2.5 mm steps), at (-3.00, -4.00, 0.00)", "(0020,0032)");
}

TEST(SeriesHostile, TwoMissingSlicesAreNamedAndRefused) {
  const auto folder = make_ct("two-missing", 9);
  fs::remove(folder / "017.dcm");  // k = 2, z = -5
  fs::remove(folder / "038.dcm");  // k = 5, z = 2.5
  const Outcome outcome = read(folder);
  expect_refused(outcome, ErrorCode::SeriesRefused, "2 slices are missing of 9", "(0020,0032)");
  EXPECT_NE(outcome.error->detail().find("-5.00"), std::string::npos);
  EXPECT_NE(outcome.error->detail().find("2.50"), std::string::npos);
}

TEST(SeriesHostile, AGapIsFilledOnlyOnRequestAndSaid) {
  const auto folder = make_ct("fill", 8);
  fs::remove(folder / "031.dcm");
  const Outcome outcome = read(folder, {.uneven = dicom::Uneven::resample});
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  const auto& found = outcome.reading.volumes.at(0);
  // The made values rise linearly along k, so that linear interpolation restores the missing slice (tolerance: float).
  expect_made_values(found, 8);
  EXPECT_TRUE(found.resampled);
  EXPECT_TRUE(says(found.warnings, "resampled"));
  EXPECT_EQ(found.instances.size(), 7u);
}

TEST(SeriesHostile, AWideGapIsNeverFilled) {
  const auto folder = make_ct("wide", 12);
  for (const char* name : {"024.dcm", "031.dcm", "038.dcm"}) fs::remove(folder / name);  // k = 3, 4, 5
  expect_refused(read(folder, {.uneven = dicom::Uneven::resample}), ErrorCode::SeriesRefused, "3 slices are missing",
                 "(0020,0032)");
}

TEST(SeriesHostile, ADuplicateFileWithTheSamePixelsIsDroppedAndSaid) {
  const auto folder = make_ct("copy", 6);
  fs::copy_file(folder / "003.dcm", folder / "zz-copy.dcm");
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  expect_made_values(outcome.reading.volumes.at(0), 6);
  ASSERT_EQ(outcome.reading.skipped.size(), 1u);
  EXPECT_NE(outcome.reading.skipped[0].why.detail().find("same pixels: dropped"), std::string::npos);
}

TEST(SeriesHostile, ADuplicatePlaceWithTheSamePixelsIsDroppedAndSaid) {
  const auto folder = make_ct("same-place", 6);
  add_slice(folder, "zz.dcm", 2, [](int, DcmDataset& d) { put(d, DCM_SOPInstanceUID, "1.2.3.4.999"); });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  expect_made_values(outcome.reading.volumes.at(0), 6);
  EXPECT_TRUE(says(outcome.reading.volumes[0].warnings, "1 slices repeated another"));
}

// GEO-9
TEST(SeriesHostile, ADuplicatePlaceWithOtherPixelsIsRefused) {
  const auto folder = make_ct("other-pixels", 6);
  add_slice(folder, "zz.dcm", 2, [](int, DcmDataset& d) {
    put(d, DCM_SOPInstanceUID, "1.2.3.4.999");
    put(d, DCM_RescaleIntercept, "-1000");
  });
  expect_refused(read(folder), ErrorCode::SeriesRefused, "two slices at", "(0020,0032)");
}

TEST(SeriesHostile, OneInstanceUidWithTwoPicturesIsRefused) {
  const auto folder = make_ct("two-pictures", 6);
  add_slice(folder, "zz.dcm", 2, [](int, DcmDataset& d) { put(d, DCM_RescaleIntercept, "-1000"); });
  expect_refused(read(folder), ErrorCode::SeriesRefused, "different pixels", "(0020,0032)");
}

// GEO-9
TEST(SeriesHostile, UnevenSpacingIsRefusedAndResampledOnRequest) {
  const auto uneven = [](int k, DcmDataset& d) {
    if (k >= 4) move_to(d, "-3\\-4\\" + std::to_string(-10 + kStep * k + 0.6));
  };
  const auto folder = make_ct("uneven", 8, uneven);
  expect_refused(read(folder), ErrorCode::SeriesRefused, "not evenly spaced", "(0020,0032)");
  const Outcome asked = read(folder, {.uneven = dicom::Uneven::resample});
  ASSERT_FALSE(asked.error) << asked.error->what();
  const auto& grid = asked.reading.volumes.at(0).volume.grid;
  EXPECT_NEAR(grid.position(0, 0, grid.size[2] - 1)[2], -10 + kStep * 7 + 0.6, 1e-9);  // the ends stay where they are
  EXPECT_EQ(asked.reading.volumes[0].volume.at(1, 1, 0), made_hu(1, 1, 0));
}

TEST(SeriesHostile, NoiseOfAMicrometreAndRoundedPositionsAreTolerated) {
  const auto folder = make_ct("jitter", 10, [](int k, DcmDataset& d) {
    move_to(d, "-3.000001\\-4\\" + std::to_string(-10 + kStep * k + (k % 2 ? 1e-6 : -1e-6)));
    put(d, DCM_ImageOrientationPatient, k % 2 ? "1\\0\\0\\0\\1\\0" : "0.999999\\0.000001\\0\\0\\1\\0.000001");
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  expect_made_values(outcome.reading.volumes.at(0), 10);
  EXPECT_TRUE(outcome.reading.volumes[0].warnings.empty());
}

TEST(SeriesHostile, AStepThatStaysWithinTheToleranceIsSaid) {
  // 0.08 mm in one step (a bed position of a real PET series), no slice further than 1 % of 7 mm from the even grid.
  const auto folder = make_ct(
      "bed", 10, [](int k, DcmDataset& d) { move_to(d, "-3\\-4\\" + std::to_string(7.0 * k - (k >= 5 ? 0.08 : 0))); });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  EXPECT_TRUE(says(outcome.reading.volumes.at(0).warnings, "one step differs by 0.08 mm"));
}

/// Rows rise to the front by 14 degrees while the table moves along z: Image Position moves straight up.
void tilt(int k, DcmDataset& d) {
  put(d, DCM_ImageOrientationPatient, "1\\0\\0\\0\\0.970295726276\\-0.241921895600");
  move_to(d, "-3\\-4\\" + std::to_string(-10 + 5.0 * k));
}

// GEO-11
TEST(SeriesHostile, ATiltedGantryKeepsItsShearAndIsSaid) {
  const Outcome outcome = read(make_ct("tilted", 6, tilt));
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  const auto& found = outcome.reading.volumes.at(0);
  expect_made_values(found, 6);
  EXPECT_NEAR(found.volume.grid.shear(), 0.2419219, 1e-6);
  EXPECT_TRUE(says(found.warnings, "14.00 degrees (gantry tilt)"));
  EXPECT_EQ(found.volume.grid.position(0, 0, 5), (image::Point3{-3, -4, 15}));
}

TEST(SeriesHostile, ATiltedGantryIsStraightenedOnRequest) {
  // A plane wave along y in patient space: after straightening each voxel must hold the value of its own place.
  const auto folder = make_ct("straight", 6, [](int k, DcmDataset& d) {
    tilt(k, d);
    std::vector<Uint16> values;
    for (int j = 0; j < kRows; ++j)
      for (int i = 0; i < kColumns; ++i)
        values.push_back(static_cast<Uint16>(1000 + std::lround(20 * (2 * j * 0.970295726276))));
    d.putAndInsertUint16Array(DCM_PixelData, values.data(), values.size());
  });
  const Outcome kept = read(folder), asked = read(folder, {.tilt = dicom::Tilt::resample, .padded_value = -2000.0F});
  ASSERT_FALSE(asked.error);
  const auto& found = asked.reading.volumes.at(0);
  EXPECT_TRUE(found.resampled);
  EXPECT_LT(found.volume.grid.shear(), 1e-9);
  EXPECT_EQ(found.source_grid, kept.reading.volumes.at(0).volume.grid);
  int inside = 0;
  for (std::uint32_t k = 0; k < found.volume.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < found.volume.grid.size[1]; ++j) {
      const float value = found.volume.at(1, j, k);
      const auto place = found.source_grid.index_of(found.volume.grid.position(1, j, k));
      if (place[1] < 0 || place[1] > kRows - 1) continue;
      // Linear in y, so bilinear interpolation is exact up to the rounding of the stored values (half a HU each).
      EXPECT_NEAR(value, 1000 - 1024 + 20 * 2 * place[1] * 0.970295726276, 0.75);
      ++inside;
    }
  EXPECT_GT(inside, 6);
}

TEST(SeriesHostile, SlicesShiftedSidewaysAreRefused) {
  expect_refused(read(make_ct("sideways", 8,
                              [](int k, DcmDataset& d) {
                                if (k == 3) move_to(d, "-1\\-4\\" + std::to_string(-10 + kStep * k));
                              })),
                 ErrorCode::SeriesRefused, "beside the line of the others", "(0020,0032)");
}

// GEO-10
TEST(SeriesHostile, MixedOrientationsBecomeVolumesOfTheirOwn) {
  const auto folder = make_ct("mixed", 12, [](int k, DcmDataset& d) {
    if (k < 6) return;
    put(d, DCM_ImageOrientationPatient, "1\\0\\0\\0\\0\\-1");
    move_to(d, "-3\\" + std::to_string(kStep * k) + "\\20");
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 2u);
  for (const auto& found : outcome.reading.volumes) EXPECT_EQ(found.volume.grid.size[2], 6u);
  std::vector<std::string> texts{outcome.reading.volumes[0].split_by, outcome.reading.volumes[1].split_by};
  EXPECT_TRUE(says(texts, "normal")) << texts[0] << texts[1];
}

TEST(SeriesHostile, ALocalizerInsideIsLeftOutAndSaid) {
  const auto folder = make_ct("localizer", 6);
  add_slice(folder, "scout.dcm", 50, [](int, DcmDataset& d) {
    put(d, DCM_ImageType, "ORIGINAL\\PRIMARY\\LOCALIZER");
    put(d, DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\-1");
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  expect_made_values(outcome.reading.volumes.at(0), 6);
  ASSERT_EQ(outcome.reading.skipped.size(), 1u);
  EXPECT_NE(outcome.reading.skipped[0].why.detail().find("localizer"), std::string::npos);
  EXPECT_TRUE(says(outcome.reading.volumes[0].warnings, "localizers"));
}

TEST(SeriesHostile, AScoutThatDoesNotCallItselfALocalizerIsLeftOutToo) {
  const auto folder = make_ct("scout", 6);
  add_slice(folder, "scout.dcm", 50,
            [](int, DcmDataset& d) { put(d, DCM_ImageOrientationPatient, "0\\1\\0\\0\\0\\-1"); });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(outcome.reading.volumes.size(), 1u);
  EXPECT_TRUE(outcome.reading.refused.empty());
  EXPECT_NE(outcome.reading.skipped.at(0).why.detail().find("scout"), std::string::npos);
}

TEST(SeriesHostile, RescaleThatChangesInCtIsAppliedPerSliceAndSaid) {
  const auto folder = make_ct("rescale", 6, [](int k, DcmDataset& d) {
    if (k == 4) put(d, DCM_RescaleSlope, "2");
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  const auto& found = outcome.reading.volumes.at(0);
  EXPECT_EQ(found.volume.at(1, 2, 4), 2 * (made_hu(1, 2, 4) + 1024) - 1024);
  EXPECT_EQ(found.volume.at(1, 2, 3), made_hu(1, 2, 3));
  EXPECT_TRUE(says(found.warnings, "rescale changes from slice to slice"));
}

// GEO-10
TEST(SeriesHostile, TwoAcquisitionsAtTheSamePlacesAreSplit) {
  const auto folder = make_ct("acquisitions", 12, [](int k, DcmDataset& d) {
    if (k < 6) return;
    put(d, DCM_AcquisitionNumber, "2");
    move_to(d, "-3\\-4\\" + std::to_string(-10 + kStep * (k - 6)));
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 2u);
  EXPECT_EQ(outcome.reading.volumes[0].split_by, "acquisition 1");
  EXPECT_EQ(outcome.reading.volumes[1].split_by, "acquisition 2");
  expect_made_values(outcome.reading.volumes[0], 6);
  EXPECT_EQ(outcome.reading.volumes[1].volume.at(0, 0, 0), made_hu(0, 0, 6));
}

TEST(SeriesHostile, TwoInterleavedCtAcquisitionsAreSplitAlthoughNoPlaceRepeats) {
  const auto folder =
      make_ct("interleaved", 12, [](int k, DcmDataset& d) { put(d, DCM_AcquisitionNumber, k % 2 ? "2" : "1"); });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 2u);
  EXPECT_NEAR(outcome.reading.volumes[0].volume.grid.spacing_mm()[2], 2 * kStep, 1e-9);
}

TEST(SeriesHostile, AcquisitionNumbersOfStepAndShootStayOneVolume) {
  const auto folder =
      make_ct("sequence", 12, [](int k, DcmDataset& d) { put(d, DCM_AcquisitionNumber, std::to_string(k / 4)); });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 1u);
  expect_made_values(outcome.reading.volumes[0], 12);
}

TEST(SeriesHostile, PhasesAndKernelsAreSplitByWhatTheyAre) {
  const auto folder = make_ct("phases", 24, [](int k, DcmDataset& d) {
    put(d, DCM_TriggerTime, k / 12 ? "400" : "0");
    put(d, DCM_ConvolutionKernel, (k / 6) % 2 ? "Br64" : "Br38");
    move_to(d, "-3\\-4\\" + std::to_string(-10 + kStep * (k % 6)));
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  ASSERT_EQ(outcome.reading.volumes.size(), 4u);
  EXPECT_EQ(outcome.reading.volumes[3].split_by, "kernel Br64, cardiac phase 400");
}

// GEO-10
TEST(SeriesHostile, TwoSeriesInOneFolderAreTwoVolumes) {
  const auto folder = make_ct("two-series", 12, [](int k, DcmDataset& d) {
    if (k >= 6) put(d, DCM_SeriesInstanceUID, "1.2.3.4.5");
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 2u);
  EXPECT_EQ(outcome.reading.volumes[0].series_instance_uid, "1.2.3.4.3");
  EXPECT_EQ(outcome.reading.volumes[1].series_instance_uid, "1.2.3.4.5");
  EXPECT_EQ(read(folder, {.series_instance_uid = "1.2.3.4.5"}).reading.volumes.size(), 1u);
  expect_refused(Outcome{{}, read(folder, {.series_instance_uid = "1.9"}).error->file("-").tag("-")},
                 ErrorCode::SeriesRefused, "no file is of the wanted series", "-");
}

TEST(SeriesHostile, ARefusedSeriesDoesNotHideAWholeOne) {
  const auto folder = make_ct("one-of-two", 12, [](int k, DcmDataset& d) {
    if (k >= 6) put(d, DCM_SeriesInstanceUID, "1.2.3.4.5");
  });
  fs::remove(folder / "066.dcm");  // k = 9
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  ASSERT_EQ(outcome.reading.volumes.size(), 1u);
  ASSERT_EQ(outcome.reading.refused.size(), 1u);
  EXPECT_EQ(outcome.reading.refused[0].series_instance_uid, "1.2.3.4.5");
  EXPECT_EQ(outcome.reading.refused[0].why.code(), ErrorCode::SeriesRefused);
}

TEST(SeriesHostile, ATruncatedFileInTheMiddleIsAMissingSlice) {
  const auto folder = make_ct("cut", 8);
  fs::resize_file(folder / "031.dcm", fs::file_size(folder / "031.dcm") - 5);
  const Outcome outcome = read(folder);
  expect_refused(outcome, ErrorCode::SeriesRefused, "1 slice is missing", "(0020,0032)");
  EXPECT_NE(outcome.error->detail().find("031.dcm: (7FE0,0010)"), std::string::npos) << outcome.error->detail();
}

TEST(SeriesHostile, ATruncatedFileAtTheEndLeavesAShorterVolumeAndIsSaid) {
  for (const auto cut : {5, 60}) {
    const auto folder = make_ct("cut-end", 8);
    fs::resize_file(folder / "003.dcm", fs::file_size(folder / "003.dcm") - static_cast<std::uintmax_t>(cut));
    const Outcome outcome = read(folder);
    ASSERT_FALSE(outcome.error);
    EXPECT_EQ(outcome.reading.volumes.at(0).volume.grid.size[2], 7u);
    EXPECT_EQ(outcome.reading.skipped.size(), 1u);
    EXPECT_TRUE(says(outcome.reading.volumes[0].warnings, "1 file could not be read"));
  }
}

// GEO-3
TEST(SeriesHostile, MissingPositionOrientationOrSpacingIsRefusedWithItsTag) {
  const std::pair<DcmTagKey, std::string> rows[] = {{DCM_ImagePositionPatient, "(0020,0032)"},
                                                    {DCM_ImageOrientationPatient, "(0020,0037)"},
                                                    {DCM_PixelSpacing, "(0028,0030)"},
                                                    {DCM_RescaleSlope, "(0028,1053)"}};
  for (const auto& [tag, text] : rows) {
    const auto all = make_ct("no-tag", 5, [&](int, DcmDataset& d) { d.findAndDeleteElement(tag); });
    expect_refused(read(all), ErrorCode::HeaderInvalid, "none of 5 files gave a slice", text);
    const auto one = make_ct("no-tag", 5, [&](int k, DcmDataset& d) {
      if (k == 2) d.findAndDeleteElement(tag);
    });
    expect_refused(read(one), ErrorCode::SeriesRefused, "1 slice is missing", "(0020,0032)");
  }
}

TEST(SeriesHostile, PositionsThatAreNoNumbersAreRefused) {
  for (const char* position : {"nan\\nan\\nan", "-3\\-4\\inf", "-3\\-4", "a\\b\\c", "-3\\-4\\1e999", "0\\0\\1e7"}) {
    const auto folder = make_ct("nan", 5, [&](int, DcmDataset& d) { move_to(d, position); });
    expect_refused(read(folder), ErrorCode::HeaderInvalid, "none of 5 files", "(0020,0032)");
  }
}

TEST(SeriesHostile, OrientationsThatAreNoDirectionsAreRefused) {
  for (const char* text : {"0\\0\\0\\0\\0\\0", "1\\0\\0\\1\\0\\0", "2\\0\\0\\0\\1\\0", "1\\0\\0\\0.6\\0.8\\0"}) {
    const auto folder =
        make_ct("no-direction", 5, [&](int, DcmDataset& d) { put(d, DCM_ImageOrientationPatient, text); });
    expect_refused(read(folder), ErrorCode::HeaderInvalid, "none of 5 files", "(0020,0037)");
  }
}

TEST(SeriesHostile, SpacingsThatAreNoDistancesAreRefused) {
  for (const char* text : {"0\\1", "-1\\1", "1", "1e9\\1"}) {
    const auto folder = make_ct("no-distance", 5, [&](int, DcmDataset& d) { put(d, DCM_PixelSpacing, text); });
    expect_refused(read(folder), ErrorCode::HeaderInvalid, "none of 5 files", "(0028,0030)");
  }
}

TEST(SeriesHostile, SlicesOfAnotherSizeAreSplitOffAndTheGapIsRefused) {
  const auto other = [](int k, DcmDataset& d) {
    if (k != 3) return;
    d.putAndInsertUint16(DCM_Rows, 4);
    d.putAndInsertUint16(DCM_Columns, 3);
  };
  const Outcome outcome = read(make_ct("other-size", 8, other));
  expect_refused(outcome, ErrorCode::SeriesRefused, "1 slice is missing of 8", "(0020,0032)");
  const Outcome wide = read(make_ct("other-spacing", 12, [](int k, DcmDataset& d) {
    if (k >= 6) put(d, DCM_PixelSpacing, "1\\1");
  }));
  ASSERT_FALSE(wide.error);
  EXPECT_EQ(wide.reading.volumes.size(), 2u);
}

TEST(SeriesHostile, HugeRowsAreRefusedBeforeMemoryIsTaken) {
  const auto folder = make_ct("huge", 3, [](int, DcmDataset& d) {
    d.putAndInsertUint16(DCM_Rows, 65535);
    d.putAndInsertUint16(DCM_Columns, 65535);
  });
  expect_refused(read(folder), ErrorCode::SeriesRefused, "65535", "(0028,0010)");
  const auto many = make_ct("many", 8);
  expect_refused(read(many, {.volume_bytes = 100}), ErrorCode::SeriesRefused, "need more than 100 bytes",
                 "(0028,0010)");
  EXPECT_EQ(read(many, {.most_files = 7}).error->code(), ErrorCode::SeriesRefused);
}

TEST(SeriesHostile, OneSliceAloneUsesItsThicknessOnlyWhenAsked) {
  const auto folder = make_ct("alone", 1);
  expect_refused(read(folder), ErrorCode::SeriesRefused, "one slice alone", "(0020,0032)");
  const Outcome asked = read(folder, {.single_slice = dicom::SingleSlice::use_thickness});
  ASSERT_FALSE(asked.error);
  EXPECT_EQ(asked.reading.volumes.at(0).volume.grid.step_mm[2], (image::Point3{0, 0, 2.5}));
  EXPECT_TRUE(says(asked.reading.volumes[0].warnings, "slice thickness of 2.5 mm"));
  const auto thin = make_ct("alone", 1, [](int, DcmDataset& d) { d.findAndDeleteElement(DCM_SliceThickness); });
  expect_refused(read(thin, {.single_slice = dicom::SingleSlice::use_thickness}), ErrorCode::SeriesRefused,
                 "no slice thickness", "(0018,0050)");
}

TEST(SeriesHostile, FilesThatAreNoSlicesAreSkippedWithTheirReason) {
  const auto folder = make_ct("others", 5);
  std::ofstream(folder / "notes.txt") << "not DICOM";
  std::ofstream(folder / "empty.dcm");
  add_slice(folder, "capture.dcm", 9,
            [](int, DcmDataset& d) { put(d, DCM_SOPClassUID, UID_SecondaryCaptureImageStorage); });
  add_slice(folder, "report.dcm", 9, [](int, DcmDataset& d) {
    put(d, DCM_SOPClassUID, UID_ComprehensiveSRStorage);
    d.findAndDeleteElement(DCM_PixelData);
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  expect_made_values(outcome.reading.volumes.at(0), 5);
  EXPECT_TRUE(outcome.reading.volumes[0].warnings.empty());  // none of them may have been a slice
  ASSERT_EQ(outcome.reading.skipped.size(), 4u);
  EXPECT_EQ(outcome.reading.skipped[3].why.code(), ErrorCode::SeriesRefused);
  EXPECT_EQ(outcome.reading.skipped[0].why.code(), ErrorCode::SeriesRefused);
  EXPECT_EQ(outcome.reading.skipped[1].why.code(), ErrorCode::NotDicom);
  EXPECT_EQ(outcome.reading.skipped[2].why.code(), ErrorCode::NotDicom);
}

TEST(SeriesHostile, EveryCutOfAFileIsSkippedOrReadButNeverMore) {
  const auto whole = make_ct("every-cut", 4);
  const Bytes bytes = read_file(whole / "003.dcm", kMebibyte);  // k = 0
  for (std::size_t length = 0; length < bytes.size(); length += 7) {
    write_file(whole / "003.dcm", std::span(bytes).first(length));
    const Outcome outcome = read(whole);
    ASSERT_FALSE(outcome.error) << length;
    EXPECT_EQ(outcome.reading.volumes.at(0).volume.grid.size[2], 3u) << length;
    EXPECT_EQ(outcome.reading.skipped.size(), 1u) << length;
  }
}

TEST(SeriesHostile, TheTotalOfAnnouncedSlicesIsCompared) {
  const auto folder = make_ct("announced", 6, [](int, DcmDataset& d) {
    put(d, DCM_SOPClassUID, UID_PositronEmissionTomographyImageStorage);
    put(d, DCM_Modality, "PT");
    put(d, DCM_Units, "BQML");
    d.putAndInsertUint16(DCM_NumberOfSlices, 9);
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error);
  EXPECT_EQ(outcome.reading.volumes.at(0).volume.unit, "Bq/mL");
  EXPECT_TRUE(says(outcome.reading.volumes[0].warnings, "Number of Slices is 9, 6 make this stack"));
}

}  // namespace
