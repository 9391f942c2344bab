// `rouage segment`, `rouage phantom ct` and `rouage model import nnunet`, run as a user runs them.
#include <gtest/gtest.h>

#include "image/volume_files.h"
#include "program.h"

using namespace program;

namespace {

fs::path golden(const std::string& name) {
  return fs::path(ROUAGE_SHARED_DIR) / "data" / "nnunet_golden" / name;
}

/// The golden case's net as a package, as design.md lays it out.
void make_package(const fs::path& folder, const std::string& name) {
  fs::create_directories(folder / "fold_0");
  for (const char* file : {"plans.json", "dataset.json"}) fs::copy(golden(name) / file, folder / file);
  fs::copy(golden(name) / "model.onnx", folder / "fold_0" / "model.onnx");
}

std::size_t different(const fs::path& a, const fs::path& b) {
  const auto x = rouage::image::read_label_map(a), y = rouage::image::read_label_map(b);
  EXPECT_EQ(x.values.size(), y.values.size());
  std::size_t count = 0;
  for (std::size_t i = 0; i < x.values.size(); ++i) count += x.values[i] == y.values[i] ? 0 : 1;
  return count;
}

class SegmentGolden : public testing::TestWithParam<std::pair<std::string, double>> {};

/// Shares of voxels of the golden README: exact and f32 0.01 %, bf16 0.05 %. Both cases, the whole command.
// SEG-4
TEST_P(SegmentGolden, LabelMapIsTheReferences) {
  const auto& [precision, share] = GetParam();
  for (const std::string name : {"ct_iso", "mr_aniso"}) {
    if (!fs::exists(golden(name))) GTEST_SKIP() << "../shared/data/nnunet_golden is absent";
    const Folder folder("segment-" + precision);
    make_package(folder / "package", name);
    const fs::path out = folder / "out.nii.gz";
    const Outcome outcome =
        run("segment " + (golden(name) / "case_0000.nii.gz").string() + " --model " + (folder / "package").string() +
            " --out " + out.string() + " --precision " + precision + " --json");
    if (precision == "bf16" && outcome.exit_code != 0 && outcome.err.find("bf16") != std::string::npos)
      GTEST_SKIP() << "this CPU has no bf16";
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    const fs::path expected = golden(name) / "seg.nii.gz";
    const auto voxels = rouage::image::read_label_map(expected).values.size();
    EXPECT_LE(static_cast<double>(different(out, expected)), share * static_cast<double>(voxels)) << name;
    const Json json = Json::parse(outcome.out);
    EXPECT_EQ(json["status"], "done");
    EXPECT_EQ(json["labels"].size(), 4U);
    EXPECT_EQ(json["precision"], precision);
    EXPECT_EQ(json["model"]["digest"].get<std::string>().size(), 64U);
  }
}
INSTANTIATE_TEST_SUITE_P(Precisions, SegmentGolden,
                         testing::Values(std::pair{std::string("exact"), 1e-4}, std::pair{std::string("f32"), 1e-4},
                                         std::pair{std::string("bf16"), 5e-4}),
                         [](const auto& precision) { return precision.param.first; });

// SEG-3
TEST(Segment, OneAndTwoThreadsGiveTheSameBytes) {
  if (!fs::exists(golden("mr_aniso"))) GTEST_SKIP() << "../shared/data/nnunet_golden is absent";
  const Folder folder("segment-threads");
  make_package(folder / "package", "mr_aniso");
  std::string bytes[2];
  for (const int threads : {1, 2}) {
    const fs::path out = folder / ("out" + std::to_string(threads) + ".nii.gz");
    const Outcome outcome =
        run("segment " + (golden("mr_aniso") / "case_0000.nii.gz").string() + " --model " +
            (folder / "package").string() + " --out " + out.string() + " --threads " + std::to_string(threads));
    ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
    std::ifstream file(out, std::ios::binary);
    bytes[threads - 1].assign(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_EQ(bytes[0], bytes[1]);
}

/// A phantom as DICOM, its lungs by rules: every object is written, left is at the patient's left in all of them, and
/// the same command again gives the same bytes.
TEST(Segment, OfADicomSeriesWritesEveryObjectTwiceTheSame) {
  const Folder folder("segment-dicom");
  ASSERT_EQ(run("phantom ct --size 96,80,80 --spacing-mm 4,4,5.25 --out " + (folder / "ct").string() + " --truth " +
                (folder / "truth.nii.gz").string())
                .exit_code,
            0);
  const auto segment = [&](const std::string& out) {
    return run("segment " + (folder / "ct").string() + " --out " + (folder / out).string() + " --json");
  };
  const Outcome first = segment("a");
  ASSERT_EQ(first.exit_code, 0) << first.err;
  const Json json = Json::parse(first.out);
  for (const char* name : {"labels.nii.gz", "seg.dcm", "label-map.dcm", "rtstruct.dcm", "sr.dcm", "results.json"})
    EXPECT_TRUE(fs::exists(folder / "a" / name)) << name;
  for (const Json& label : json["labels"])
    if (label["label"] == "lung_left") {
      EXPECT_EQ(label["laterality"], "Left");
      EXPECT_GT(label["volume_ml"], 500);
    }
  ASSERT_EQ(segment("b").exit_code, 0);
  for (const char* name : {"labels.nii.gz", "seg.dcm", "label-map.dcm", "rtstruct.dcm", "sr.dcm"}) {
    std::ifstream a(folder / "a" / name, std::ios::binary), b(folder / "b" / name, std::ios::binary);
    EXPECT_TRUE(std::equal(std::istreambuf_iterator<char>(a), {}, std::istreambuf_iterator<char>(b), {})) << name;
  }
  const auto map = rouage::image::read_label_map(folder / "a" / "labels.nii.gz");
  double left = 0, left_count = 0, right = 0, right_count = 0;
  for (std::uint32_t k = 0; k < map.grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < map.grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < map.grid.size[0]; ++i) {
        const std::uint16_t label = map.at(i, j, k);
        if (label == 2) left += map.grid.position(i, j, k)[0], ++left_count;
        if (label == 3) right += map.grid.position(i, j, k)[0], ++right_count;
      }
  EXPECT_GT(left / left_count, 30);  // LPS: x grows to the patient's left
  EXPECT_LT(right / right_count, -30);
}

// SEG-9
TEST(Segment, AVolumeThatIsNoCtIsIneligibleAndNotAnError) {
  const Folder folder("segment-ineligible");
  ASSERT_EQ(run("phantom ct --size 32,32,32 --out " + (folder / "ct.nii.gz").string()).exit_code, 0);
  const Outcome outcome =
      run("segment " + (folder / "ct.nii.gz").string() + " --out " + (folder / "out").string() + " --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["status"], "ineligible");
  EXPECT_EQ(json["reasons"][0]["code"], "unit_missing");
  EXPECT_FALSE(fs::exists(folder / "out"));
}

TEST(Segment, SaysWhatIsWrong) {
  const Folder folder("segment-wrong");
  EXPECT_EQ(run("segment nowhere.nii.gz --out x.nii.gz").exit_code, 3);
  EXPECT_EQ(run("segment --out x.nii.gz").exit_code, 2);
  if (!fs::exists(golden("ct_iso"))) GTEST_SKIP() << "../shared/data/nnunet_golden is absent";
  make_package(folder / "package", "ct_iso");
  const std::string image = (golden("ct_iso") / "case_0000.nii.gz").string(),
                    model = " --model " + (folder / "package").string();
  const std::string out = " --out " + (folder / "out.nii.gz").string();
  const Outcome channels = run("segment " + image + " " + image + model + out);
  EXPECT_NE(channels.exit_code, 0);
  EXPECT_NE(channels.err.find("1 channel"), std::string::npos) << channels.err;
  const Outcome memory = run("segment " + image + model + out + " --memory 1M");
  EXPECT_NE(memory.exit_code, 0);
  EXPECT_NE(memory.err.find("MiB are needed, 1 MiB allowed"), std::string::npos) << memory.err;
  EXPECT_FALSE(fs::exists(folder / "out.nii.gz"));
}

TEST(ModelImport, OfAnNnunetFolderWithOnnxIsListedShownAndChecked) {
  if (!fs::exists(golden("mr_aniso"))) GTEST_SKIP() << "../shared/data/nnunet_golden is absent";
  const Folder folder("import-nnunet");
  make_package(folder / "trained", "mr_aniso");
  const Outcome import = run("model import nnunet " + (folder / "trained").string() + " --out " +
                             (folder / "package").string() + " --name made --licence CC0 --json");
  ASSERT_EQ(import.exit_code, 0) << import.err;
  EXPECT_EQ(Json::parse(import.out)["name"], "made");
  EXPECT_EQ(Json::parse(run("model show " + (folder / "package").string() + " --json").out)["labels"].size(), 5U);
  const Outcome check = run("model check " + (folder / "package").string() + " --json");
  EXPECT_EQ(check.exit_code, 0) << check.out << check.err;
  std::ofstream(folder / "package" / "fold_0" / "model.onnx", std::ios::app) << "x";
  EXPECT_NE(run("model check " + (folder / "package").string() + " --json").exit_code, 0);
}

}  // namespace
