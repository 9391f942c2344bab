/// Real series against pydicom and numpy: every voxel and the place of every slice.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/host.h"
#include "base/values.h"
#include "dicom/series/made_series.h"

namespace {

using namespace rouage;
using namespace rouage::dicom::made_series;

const fs::path kData = fs::path(ROUAGE_SHARED_DIR) / "data";

std::string numbers(const image::Point3& p) {
  return "[" + number_text(p[0]) + "," + number_text(p[1]) + "," + number_text(p[2]) + "]";
}

/// Raw floats and a JSON that says where they lie and which frames they came from.
void dump(const dicom::SeriesVolume& found, const fs::path& folder, int number) {
  const fs::path raw = folder / fmt::format("{}.raw", number);
  const auto& values = found.volume.values;
  std::ofstream(raw, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size() * 4));
  const auto& grid = found.volume.grid;
  std::ofstream json(folder / fmt::format("{}.json", number));
  json << "{\"raw\":\"" << raw.string() << "\",\"unit\":\"" << found.volume.unit
       << "\",\"padded\":" << found.padded_voxels << ",\"size\":[" << grid.size[0] << "," << grid.size[1] << ","
       << grid.size[2] << "],\"origin\":" << numbers(grid.origin_mm) << ",\"step\":[" << numbers(grid.step_mm[0]) << ","
       << numbers(grid.step_mm[1]) << "," << numbers(grid.step_mm[2]) << "],\"slices\":[";
  for (std::size_t k = 0; k < found.slices.size(); ++k)
    json << (k ? "," : "") << "[\"" << found.files[found.slices[k].instance].string() << "\"," << found.slices[k].frame
         << "]";
  json << "]}\n";
}

struct Real {
  std::string folder;
  std::size_t volumes, slices;  ///< of the first volume
  std::string unit;
};

TEST(SeriesReal, EveryVoxelAndPlaceIsWhatPydicomAndNumpyFind) {
  if (!fs::exists(kData)) GTEST_SKIP() << "no ../shared/data";
  if (std::system("/usr/bin/python3 -c 'import pydicom, numpy' 2>/dev/null") != 0)
    GTEST_SKIP() << "no python3-pydicom or python3-numpy";
  const Real rows[] = {
      {"ct_totalsegmentator/example_ct_dicom", 1, 20, "[hnsf'U]"},
      {"petct_sts_pairs/STS_001/CT/image", 1, 59, "[hnsf'U]"},
      {"petct_sts_pairs/STS_001/PET/image", 1, 59, "g/mL{SUVbw}"},
      {"petct_sts_pairs/STS_002/CT/image", 1, 48, "[hnsf'U]"},
      {"petct_sts_pairs/STS_002/PET/image", 1, 48, "g/mL{SUVbw}"},
      {"pet_raw_sts001/image", 1, 267, "Bq/mL"},
      {"pet_seg_qin_headneck/pet", 1, 109, "Bq/mL"},
      {"pet_nema_phantom/recon_1", 1, 54, ""},
      {"dicom/geometry/gantrytilting/001", 1, 4, "[hnsf'U]"},
      {"dicom/dcmqi_seg/ct-3slice", 1, 3, "[hnsf'U]"},
      {"dicom/dcmqi_seg/24x38x3/multiframe", 1, 3, ""},
      {"dicom/pydicom_data/eCT_Supplemental.dcm", 1, 2, ""},
  };
  const fs::path folder = fresh_folder("real");
  int number = 0;
  for (const Real& row : rows) {
    const Outcome outcome = read(kData / row.folder, {.threads = 2});
    ASSERT_FALSE(outcome.error) << row.folder << ": " << outcome.error->what();
    ASSERT_EQ(outcome.reading.volumes.size(), row.volumes) << row.folder;
    EXPECT_TRUE(outcome.reading.refused.empty()) << row.folder;
    EXPECT_EQ(outcome.reading.volumes[0].volume.grid.size[2], row.slices) << row.folder;
    EXPECT_EQ(outcome.reading.volumes[0].volume.unit, row.unit) << row.folder;
    for (const auto& found : outcome.reading.volumes) dump(found, folder, number++);
  }
  EXPECT_EQ(
      std::system(
          ("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/dicom/series/series_compare.py " + folder.string()).c_str()),
      0);
  fs::remove_all(folder);
}

TEST(SeriesReal, ASliceMissingFromARealSeriesIsNamed) {
  if (!fs::exists(kData)) GTEST_SKIP() << "no ../shared/data";
  const Outcome outcome = read(kData / "dicom/geometry/sliceincrement/002");
  ASSERT_TRUE(outcome.error);
  EXPECT_EQ(outcome.error->code(), ErrorCode::SeriesRefused);
  EXPECT_NE(outcome.error->detail().find("1 slice is missing of 5"), std::string::npos) << outcome.error->what();
}

TEST(SeriesReal, OneSliceInSevenTransferSyntaxesIsTheSameSlice) {
  const fs::path folder = kData / "dicom/ct_all_syntaxes";
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared/data/dicom";
  // Seven files of one instance: six are copies with the same pixels; the seventh has none.
  const Outcome outcome = read(folder, {.single_slice = dicom::SingleSlice::use_thickness});
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  ASSERT_EQ(outcome.reading.volumes.size(), 1u);
  std::size_t copies = 0;
  for (const auto& skipped : outcome.reading.skipped)
    copies += skipped.why.detail().find("same pixels: dropped") != std::string::npos ? 1 : 0;
  EXPECT_GE(copies, 5u);
}

TEST(SeriesReal, EveryConformanceFileIsReadOrRefusedButNeverEndsTheProgram) {
  if (!fs::exists(kData / "dicom")) GTEST_SKIP() << "no ../shared/data/dicom";
  std::size_t volumes = 0, refused = 0;
  for (const fs::path& file : files_below(kData / "dicom")) {
    const Outcome outcome = read(file, {.single_slice = dicom::SingleSlice::use_thickness});
    volumes += outcome.reading.volumes.size();
    refused += outcome.error ? 1 : 0;
    if (outcome.error) EXPECT_FALSE(outcome.error->detail().empty()) << file;
  }
  EXPECT_GT(volumes, 20u);
  EXPECT_GT(refused, 80u);
}

}  // namespace
