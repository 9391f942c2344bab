// The two golden cases of the real nnU-Net: every array it left, at the tolerances of the data's README.
#include <nlohmann/json.hpp>

#include "infer/nnunet/crop.h"
#include "infer/nnunet/nnunet.h"
#include "infer/nnunet/preprocess.h"
#include "infer/nnunet/window.h"
#include "infer/session.h"
#include "npy.h"

namespace rouage::infer {
namespace {

using testing::read_npy;

struct Case {
  std::filesystem::path folder;
  NnunetModel model;
  image::Volume<float> image;
  nlohmann::json expected;
};

Case load(const std::string& name) {
  Case c;
  c.folder = testing::golden() / name;
  const auto text = [&](const char* file) {
    std::ifstream in(c.folder / file);
    return std::string(std::istreambuf_iterator<char>(in), {});
  };
  c.model = parse_nnunet(text("plans.json"), text("dataset.json"), "");
  c.model.folds = {{"fold_0", c.folder / "model.onnx"}};
  c.expected = nlohmann::json::parse(text("expected.json"));
  testing::Nifti nifti = testing::read_nifti(c.folder / "case_0000.nii.gz");
  c.image = {testing::plain_grid(nifti.size, nifti.pixdim), std::move(nifti.values), ""};
  return c;
}

NetFactory onnx_nets(const NnunetModel& model) {
  return [&model](std::size_t fold) -> PatchNet {
    auto net = std::make_shared<Session>(Session::open(model.folds[fold].onnx, {.threads = 2}));
    const Shape3 p = model.patch;
    const auto channels = static_cast<std::int64_t>(model.net_channels());
    return [net, p, channels](std::span<const float> patch, std::span<float> logits) {
      Tensor in{{1, channels, p[0], p[1], p[2]}, {patch.begin(), patch.end()}};
      const auto out = net->run({{"input", in}}, {"logits"});
      std::copy(out[0].values.begin(), out[0].values.end(), logits.begin());
    };
  };
}

class Golden : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(testing::golden() / GetParam())) GTEST_SKIP() << "no golden data";
  }
};

Shape3 shape3(const nlohmann::json& list) {
  return {list[0], list[1], list[2]};
}

TEST_P(Golden, PreprocessesToTheSameNumbers) {
  const Case c = load(GetParam());
  const std::vector<nnunet::View<float>> views{nnunet::transposed_view(c.image, c.model.transpose_forward)};
  const nnunet::Box box = nnunet::nonzero_box(views, 2);
  for (std::size_t a = 0; a < 3; ++a) {
    EXPECT_EQ(box.first[a], c.expected["properties"]["bbox_used_for_cropping"][a][0]);
    EXPECT_EQ(box.end[a], c.expected["properties"]["bbox_used_for_cropping"][a][1]);
  }
  const nnunet::Geometry g = nnunet::geometry_of(c.model, views[0].size, box, nnunet::spacing_of(c.image.grid), 0.5);
  EXPECT_EQ(g.padded, shape3(c.expected["padded_shape"]));
  for (std::size_t a = 0; a < 3; ++a) EXPECT_EQ(nlohmann::json(g.starts[a]), c.expected["steps"][a]);
  const nnunet::Preprocessed data = nnunet::preprocess(views, nullptr, c.model, g, 2);
  const std::vector<float> wanted = read_npy(c.folder / "preprocessed.npy").as<float>();
  ASSERT_EQ(data.images.size(), 1U);
  ASSERT_EQ(data.images[0].size(), wanted.size());
  double worst = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    worst = std::max(worst, std::abs(static_cast<double>(data.images[0][i]) - wanted[i]));
  EXPECT_LE(worst, 1e-5);
  RecordProperty("largest_difference", std::to_string(worst));
}

TEST_P(Golden, WeighsWindowsBitForBit) {
  const Case c = load(GetParam());
  EXPECT_EQ(nnunet::gaussian_weights(c.model.patch, false), read_npy(c.folder / "gaussian.npy").as<std::uint16_t>());
}

struct Outcome {
  std::vector<std::uint16_t> logits;  ///< [classes][z][y][x]
  image::LabelMap labels;
  SegmentResult result;
};

Outcome outcome_of(const Case& c, Accumulation accumulation, int threads) {
  Outcome r;
  r.labels.grid = c.image.grid;
  SegmentSinks sinks;
  sinks.labels = [&](std::uint32_t k, std::span<const std::uint16_t> slice) {
    EXPECT_EQ(r.labels.values.size(), k * slice.size());
    r.labels.values.insert(r.labels.values.end(), slice.begin(), slice.end());
  };
  sinks.logits = [&](const LogitsPlane& plane) {
    const std::size_t area = std::size_t{plane.shape[1]} * plane.shape[2], depth = plane.shape[0];
    r.logits.resize(plane.classes * depth * area);
    for (std::size_t k = 0; k < plane.classes; ++k)
      std::copy_n(plane.halves.begin() + static_cast<long>(k * area), area,
                  r.logits.begin() + static_cast<long>((k * depth + plane.index) * area));
  };
  SegmentOptions options;
  options.accumulation = accumulation;
  options.threads = threads;
  r.result = segment({{&c.image, 1}}, c.model, options, onnx_nets(c.model), sinks);
  return r;
}

std::vector<std::uint8_t> argmax(const std::vector<std::uint16_t>& halves, std::size_t classes) {
  const std::vector<float> values = halves_to_floats(halves);
  const std::size_t n = values.size() / classes;
  std::vector<std::uint8_t> out(n, 0);
  for (std::size_t c = 1; c < classes; ++c)
    for (std::size_t i = 0; i < n; ++i)
      if (values[c * n + i] > values[out[i] * n + i]) out[i] = static_cast<std::uint8_t>(c);
  return out;
}

void expect_labels(const Case& c, const image::LabelMap& labels) {
  const std::vector<float> wanted = testing::read_nifti(c.folder / "seg.nii.gz").values;
  ASSERT_EQ(labels.values.size(), wanted.size());
  std::size_t differ = 0;
  std::map<int, std::array<double, 3>> counts;  // found, wanted, both
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    const int found = labels.values[i], other = static_cast<int>(wanted[i]);
    differ += found != other;
    ++counts[found][0];
    ++counts[other][1];
    if (found == other) ++counts[found][2];
  }
  EXPECT_LE(static_cast<double>(differ), 1e-4 * static_cast<double>(wanted.size()));
  for (const auto& [label, n] : counts) EXPECT_GE(2 * n[2] / (n[0] + n[1]), 0.999) << "Dice of label " << label;
  ::testing::Test::RecordProperty("labels_that_differ", std::to_string(differ));
}

struct LogitDifference {
  double equal_share = 0, worst = 0;
  std::size_t argmax_differ = 0;
};
LogitDifference compare_logits(const Case& c, const Outcome& r) {
  const std::vector<std::uint16_t> wanted = read_npy(c.folder / "logits.npy").as<std::uint16_t>();
  EXPECT_EQ(r.logits.size(), wanted.size());
  LogitDifference d;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    d.equal_share += r.logits[i] == wanted[i];
    d.worst = std::max(d.worst, std::abs(static_cast<double>(half_to_float(r.logits[i])) - half_to_float(wanted[i])));
  }
  d.equal_share /= static_cast<double>(wanted.size());
  const auto a = argmax(r.logits, c.model.classes()), b = argmax(wanted, c.model.classes());
  for (std::size_t i = 0; i < a.size(); ++i) d.argmax_differ += a[i] != b[i];
  return d;
}

// SEG-4
TEST_P(Golden, ExactModeFollowsTheReferencesFloat16) {
  const Case c = load(GetParam());
  const Outcome r = outcome_of(c, Accumulation::exact, 2);
  const LogitDifference d = compare_logits(c, r);
  EXPECT_GE(d.equal_share, 0.975);  // the rest is the two runtimes' rounding of the net
  EXPECT_LE(d.worst, 0.03);
  EXPECT_LE(d.argmax_differ, 5U);
  expect_labels(c, r.labels);
  EXPECT_EQ(r.result.preprocessed, shape3({c.expected["preprocessed_shape"][1], c.expected["preprocessed_shape"][2],
                                           c.expected["preprocessed_shape"][3]}));
  RecordProperty("bit_equal", std::to_string(d.equal_share));
  RecordProperty("worst", std::to_string(d.worst));
  RecordProperty("argmax_differ", std::to_string(d.argmax_differ));
}

TEST_P(Golden, Float32ModeDiffersOnlyWhereTheReferenceRounds) {
  const Case c = load(GetParam());
  const Outcome r = outcome_of(c, Accumulation::float32, 2);
  const LogitDifference d = compare_logits(c, r);
  EXPECT_LE(d.worst, 0.5);  // in corners the reference's own products are whole numbers
  EXPECT_LE(d.argmax_differ, 20U);
  expect_labels(c, r.labels);
}

// SEG-3
TEST_P(Golden, GivesTheSameBytesWithAnyNumberOfThreads) {
  const Case c = load(GetParam());
  for (const Accumulation mode : {Accumulation::exact, Accumulation::float32}) {
    const Outcome one = outcome_of(c, mode, 1), three = outcome_of(c, mode, 3);
    EXPECT_EQ(one.labels.values, three.labels.values);
    EXPECT_EQ(one.logits, three.logits);
    EXPECT_EQ(one.result.label_voxels, three.result.label_voxels);
  }
}

/// From the reference's own logits, so that no net is between: every voxel of the file must be equal.
TEST_P(Golden, ExportsTheReferencesLogitsToItsOwnLabelMap) {
  const Case c = load(GetParam());
  const testing::Npy npy = read_npy(c.folder / "logits.npy");
  const std::vector<std::uint16_t> logits = npy.as<std::uint16_t>();
  ExportGeometry geometry;
  geometry.grid = nnunet::shape_of(c.image.grid);
  for (std::size_t a = 0; a < 3; ++a) {
    geometry.box_first[a] = c.expected["properties"]["bbox_used_for_cropping"][a][0];
    geometry.box_end[a] = c.expected["properties"]["bbox_used_for_cropping"][a][1];
    geometry.shape[a] = static_cast<std::uint32_t>(npy.shape[a + 1]);
  }
  geometry.grid_spacing_mm = nnunet::spacing_of(c.image.grid);
  const std::size_t area = std::size_t{geometry.shape[1]} * geometry.shape[2];
  std::vector<std::uint16_t> labels;
  export_labels(
      geometry, c.model, {.threads = 2},
      [&](std::uint32_t z, std::span<std::uint16_t> halves) {
        for (std::size_t k = 0; k < c.model.classes(); ++k)
          std::copy_n(logits.begin() + static_cast<long>((k * geometry.shape[0] + z) * area), area,
                      halves.begin() + static_cast<long>(k * area));
      },
      [&](std::uint32_t, std::span<const std::uint16_t> slice) {
        labels.insert(labels.end(), slice.begin(), slice.end());
      });
  const std::vector<float> wanted = testing::read_nifti(c.folder / "seg.nii.gz").values;
  ASSERT_EQ(labels.size(), wanted.size());
  std::size_t differ = 0;
  for (std::size_t i = 0; i < wanted.size(); ++i) differ += labels[i] != static_cast<std::uint16_t>(wanted[i]);
  EXPECT_EQ(differ, 0U);
}

INSTANTIATE_TEST_SUITE_P(Cases, Golden, ::testing::Values("ct_iso", "mr_aniso"));

}  // namespace
}  // namespace rouage::infer
