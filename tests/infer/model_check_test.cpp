// `rouage model check`, the import of foreign nets, and the detection of a wrong pixel scale.
#include "infer/model_check.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "small_package.h"

namespace rouage::infer {
namespace {

using testing::nets;
using testing::SmallPackage;

const Check* find(const std::vector<Check>& checks, const std::string& name) {
  const auto at = std::find_if(checks.begin(), checks.end(), [&](const Check& c) { return c.check == name; });
  return at == checks.end() ? nullptr : &*at;
}

TEST(ModelCheck, PassesASoundPackageAndListsWhatItMeasured) {
  const SmallPackage small;
  const auto checks = check_package(small.folder, {});
  std::vector<std::string> names;
  for (const Check& c : checks) {
    EXPECT_TRUE(c.passed) << c.check << ": " << c.detail;
    names.push_back(c.check);
  }
  EXPECT_EQ(names, (std::vector<std::string>{"digests", "figures", "calibration", "sessions", "shapes", "finite",
                                             "spread", "head", "guided"}));
}

TEST(ModelCheck, FindsEachKindOfDamage) {
  {
    SmallPackage small("outputs");
    testing::replace(
        small.yaml,
        "  - {index: 1, label: remarkable, kind: score, calibration: {method: platt, a: 1, b: 0, set_on: drawn}}\n",
        "");
    small.write();
    EXPECT_FALSE(find(check_package(small.folder, {}), "shapes")->passed);
  }
  {
    SmallPackage small("size");
    testing::replace(small.yaml, "size: 16", "size: 32");
    small.write();
    EXPECT_FALSE(find(check_package(small.folder, {}), "shapes")->passed);
  }
  {
    SmallPackage small("calibration");
    testing::replace(small.yaml, "threshold: 0.4", "threshold: 1");
    small.write();
    EXPECT_FALSE(find(check_package(small.folder, {}), "calibration")->passed);
  }
  {
    SmallPackage small("figures");
    testing::replace(small.yaml, "value: 0.8", "value: 0.95");
    small.write();
    EXPECT_FALSE(find(check_package(small.folder, {}), "figures")->passed);
  }
  {
    const SmallPackage small("digest");
    testing::put(small.folder / "tiny.onnx", "x");
    const auto checks = check_package(small.folder, {});
    ASSERT_EQ(checks.size(), 1U);
    EXPECT_FALSE(checks[0].passed);
  }
  EXPECT_FALSE(check_package("/no/such/package", {}).at(0).passed);
}

struct Net {
  const char* file;
  const char* scale;
};
constexpr Net kNets[] = {{"scale_1024.onnx", "scale_1024"},
                         {"scale_255.onnx", "scale_255"},
                         {"scale_unit.onnx", "unit"},
                         {"scale_standard.onnx", "film_standardise"}};

TEST(PixelScale, EachNetIsExplainedByTheScaleItWasMadeOn) {
  for (const Net& net : kNets) {
    PackageInput input;
    input.name = "input";
    input.size = 224;
    input.resize = "squeeze_area";
    const ScaleReport report = probe_scales(Session::open(nets() / net.file, {}), input, "output");
    std::printf("%s:", net.file);
    for (const ScaleAnswer& a : report.answers)
      std::printf("  %s spread %.3g saturated %.2f", a.normalisation.c_str(), a.spread, a.saturated);
    std::printf("\n");
    EXPECT_EQ(report.best, net.scale) << net.file;
    EXPECT_NO_THROW(require_scale(report, net.scale)) << net.file;
  }
}

// COG-6
TEST(PixelScale, AWrongScaleIsDetectedNotSilentlyAnswered) {
  for (const Net& net : kNets) {
    const auto out = testing::fresh_folder("import");
    ImportOptions options;
    options.session.threads = 1;
    if (std::string(net.scale) == "scale_1024") {
      const Package p = import_torchxrayvision(nets() / net.file, options, out / "package");
      EXPECT_EQ(p.input.normalisation, "scale_1024");
      continue;
    }
    try {
      import_torchxrayvision(nets() / net.file, options, out / "package");
      ADD_FAILURE() << net.file << " was taken for a net on -1024..1024";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::ScaleMismatch) << e.what();
      EXPECT_FALSE(std::filesystem::exists(out / "package")) << "nothing may be left behind";
    }
  }
}

TEST(Import, TheNetForThousandIsRefusedWhenAnotherScaleIsClaimed) {
  for (const char* claimed : {"unit", "film_standardise"}) {
    ImportOptions options;
    options.normalisation = claimed;
    try {
      import_torchxrayvision(nets() / "scale_1024.onnx", options, testing::fresh_folder("claimed") / "p");
      ADD_FAILURE() << claimed;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::ScaleMismatch);
    }
  }
}

TEST(Import, MakesAPackageThatReadsChecksAndKnowsItsLabels) {
  const auto out = testing::fresh_folder("import") / "xrv";
  ImportOptions options;
  options.name = "my \"net\"";
  const Package p = import_torchxrayvision(nets() / "scale_1024.onnx", options, out);
  EXPECT_EQ(p.name, "my \"net\"");
  ASSERT_EQ(p.outputs.size(), 18U);
  EXPECT_EQ(p.outputs[7].label, "Effusion");
  EXPECT_EQ(p.outputs[17].label, "Enlarged Cardiomediastinum");
  EXPECT_FALSE(p.outputs[7].probability(1.0)) << "no calibration comes with it";
  for (const Check& c : check_package(out, {})) EXPECT_TRUE(c.passed) << c.check << ": " << c.detail;
}

TEST(Import, RefusesOtherShapes) {
  try {
    import_torchxrayvision(nets() / "tiny.onnx", {}, testing::fresh_folder("shape") / "p");
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::ModelInvalid);
  }
}

TEST(ShuffledPackage, KeepsEveryValueAndLosesTheirOrder) {
  const SmallPackage small;
  const Package package = read_package(small.folder);
  const auto out = testing::fresh_folder("shuffled");
  EXPECT_EQ(write_shuffled_package(package, 1, out / "a"), 4);  // w and head_w in each of two graphs
  write_shuffled_package(package, 1, out / "b");
  const Package a = read_package(out / "a");
  EXPECT_EQ(a.digest, read_package(out / "b").digest) << "one seed, one result";
  EXPECT_NE(a.digest, package.digest);
  auto before = load(package, {})->head_weight().values, after = load(a, {})->head_weight().values;
  EXPECT_NE(before, after);
  std::sort(before.begin(), before.end());
  std::sort(after.begin(), after.end());
  EXPECT_EQ(before, after);
}

}  // namespace
}  // namespace rouage::infer
