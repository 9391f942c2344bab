// Resampling beside skimage and scipy: their golden outputs, and the libraries themselves where they are installed.
#include "infer/nnunet/resize.h"

#include <nlohmann/json.hpp>
#include <random>

#include "npy.h"
#include "python.h"
#include "reference_twin.h"

namespace rouage::infer::nnunet {
namespace {

using testing::Npy;
using testing::read_npy;

PlaneSource dense(const Shape3& shape, const std::vector<double>& values) {
  PlaneSource source{
      shape, {}, *std::min_element(values.begin(), values.end()), *std::max_element(values.begin(), values.end())};
  source.read = [shape, &values](int across, std::uint32_t index, std::span<double> plane) {
    std::size_t position = 0;
    Shape3 at{};
    const std::size_t a = static_cast<std::size_t>(across), r = across == 0 ? 1 : 0, c = across == 2 ? 1 : 2;
    at[a] = index;
    for (at[r] = 0; at[r] < shape[r]; ++at[r])
      for (at[c] = 0; at[c] < shape[c]; ++at[c])
        plane[position++] = values[(std::size_t{at[0]} * shape[1] + at[1]) * shape[2] + at[2]];
  };
  return source;
}

Shape3 shape3(const nlohmann::json& list) {
  return {list[0].get<std::uint32_t>(), list[1].get<std::uint32_t>(), list[2].get<std::uint32_t>()};
}
Spacing3 spacing3(const nlohmann::json& list) {
  return {list[0], list[1], list[2]};
}

std::vector<double> resized(const Shape3& from, const std::vector<double>& values, const ResizeJob& job) {
  std::vector<double> out(voxels(job.to));
  resize(dense(from, values), job, std::span<double>(out));
  return out;
}

void expect_close(const std::vector<double>& found, const std::vector<double>& wanted, double tolerance,
                  const std::string& name) {
  ASSERT_EQ(found.size(), wanted.size()) << name;
  double worst = 0;
  for (std::size_t i = 0; i < found.size(); ++i) worst = std::max(worst, std::abs(found[i] - wanted[i]));
  EXPECT_LE(worst, tolerance) << name;
}

double range(const std::vector<double>& v) {
  return *std::max_element(v.begin(), v.end()) - *std::min_element(v.begin(), v.end());
}

/// One channel of a golden `resample_data_or_seg_to_shape` case.
void check_to_shape(const nlohmann::json& unit, const Shape3& from, const std::vector<double>& values,
                    const std::vector<double>& wanted) {
  const std::string name = unit["name"];
  const Shape3 to = shape3(unit["shape"]);
  const auto axis = separate_axis(std::nullopt, spacing3(unit["current_spacing"]), spacing3(unit["new_spacing"]));
  if (unit["is_seg"]) {
    const std::vector<std::int32_t> labels(values.begin(), values.end());
    const ResampleRule rule{Resampling::data_or_seg_to_shape, unit["order"], unit["order_z"], std::nullopt};
    const auto found = resize_labels(labels, from, to, rule, axis, 2);
    EXPECT_EQ(std::vector<double>(found.begin(), found.end()), wanted) << name;
    return;
  }
  const ResizeJob job{to, unit["order"], unit["order_z"], axis, 2};
  const std::vector<double> found = resized(from, values, job);
  // float32: equal or 1 ulp of the largest value; float16: the rounding of the same double.
  const double ulp = unit["dtype_out"] == "float16" ? 0x1p-11 : 0x1p-23;
  const double most = std::max(std::abs(*std::max_element(wanted.begin(), wanted.end())),
                               std::abs(*std::min_element(wanted.begin(), wanted.end())));
  expect_close(found, wanted, most * ulp, name);
}

TEST(Resize, EqualsTheGoldenUnits) {
  const auto folder = testing::golden() / "resize_units";
  if (!std::filesystem::exists(folder / "index.json")) GTEST_SKIP() << "no golden data at " << folder;
  const auto index = nlohmann::json::parse(std::ifstream(folder / "index.json"));
  ASSERT_EQ(index.size(), 22U);
  for (const auto& unit : index) {
    const Npy in = read_npy(folder / (unit["input"].get<std::string>() + ".npy"));
    const Npy out = read_npy(folder / (unit["name"].get<std::string>() + ".npy"));
    const std::vector<double> values = in.doubles(), wanted = out.doubles();
    const std::size_t channels = in.shape.size() == 4 ? in.shape[0] : 1, skip = in.shape.size() - 3;
    const Shape3 from{static_cast<std::uint32_t>(in.shape[skip]), static_cast<std::uint32_t>(in.shape[skip + 1]),
                      static_cast<std::uint32_t>(in.shape[skip + 2])};
    for (std::size_t c = 0; c < channels; ++c) {
      const auto part = [&](const std::vector<double>& v) {
        const std::size_t n = v.size() / channels;
        return std::vector<double>(v.begin() + static_cast<long>(c * n), v.begin() + static_cast<long>((c + 1) * n));
      };
      if (unit["fn"] == "resize")
        expect_close(resized(from, part(values), {shape3(unit["shape"]), unit["order"], 0, std::nullopt, 2}),
                     part(wanted), unit["order"] == 0 ? 0 : 1e-12 * range(part(values)), unit["name"]);
      else
        check_to_shape(unit, from, part(values), part(wanted));
    }
  }
}

struct RandomCase {
  Shape3 from, to;
  std::vector<double> values;
};

RandomCase random_case(std::mt19937& random) {
  RandomCase c;
  for (std::size_t a = 0; a < 3; ++a) {
    c.from[a] = 1 + random() % 12;
    c.to[a] = random() % 4 == 0 ? c.from[a] : 1 + random() % 20;
  }
  c.values.resize(voxels(c.from));
  for (double& v : c.values) v = static_cast<float>(static_cast<int>(random() % 20001) - 10000) / 1000.0F;
  return c;
}

TEST(Resize, EqualsThePlainTwinForAnyShape) {
  constexpr unsigned kSeed = 20261124;
  std::mt19937 random(kSeed);
  for (int n = 0; n < 40; ++n) {
    const RandomCase c = random_case(random);
    const testing::Array in{c.from, c.values};
    for (const int order : {0, 1, 3}) {
      const auto found = resized(c.from, c.values, {c.to, order, 0, std::nullopt, 1 + n % 3});
      expect_close(found, testing::ref_resize(in, c.to, order).values, 1e-11, "seed " + std::to_string(kSeed));
    }
    for (int axis = 0; axis < 3; ++axis) {
      Spacing3 spacing{1, 1, 1};
      spacing[static_cast<std::size_t>(axis)] = 4;
      const ResampleRule rule{Resampling::data_or_seg_to_shape, n % 2 ? 3 : 1, n % 3 ? 0 : 1, std::nullopt};
      const auto found = resized(c.from, c.values, {c.to, rule.order, rule.order_z, axis, 2});
      expect_close(found, testing::ref_resample(in, c.to, rule, spacing, spacing).values, 1e-11,
                   "separate axis " + std::to_string(axis));
    }
  }
}

TEST(Resize, EqualsScipyAndTorchForRandomShapes) {
  if (!testing::have_python_twins()) GTEST_SKIP() << "no python3 with scikit-image, scipy and torch";
  testing::PythonTwin twin("resize");
  std::mt19937 random(7);
  std::vector<RandomCase> cases;
  for (int n = 0; n < 24; ++n) {
    RandomCase c = random_case(random);
    const std::string name = std::to_string(n);
    std::vector<float> floats(c.values.begin(), c.values.end());
    std::vector<std::int32_t> labels;
    for (const double v : c.values) labels.push_back(static_cast<int>(std::floor(v)) % 3);
    twin.array("a" + name, "<f4", c.from, floats);
    twin.array("s" + name, "<i4", c.from, labels);
    const nlohmann::json axis = n % 4 == 3 ? nlohmann::json() : nlohmann::json(n % 4);
    for (const int order : {0, 1, 3})
      twin.job({{"op", "resize"},
                {"in", "a" + name},
                {"out", "r" + name + "_" + std::to_string(order)},
                {"shape", c.to},
                {"order", order}});
    twin.job({{"op", "to_shape"},
              {"in", "a" + name},
              {"out", "t" + name},
              {"shape", c.to},
              {"order", 3},
              {"order_z", n % 2},
              {"axis", axis}});
    twin.job({{"op", "seg"}, {"in", "s" + name}, {"out", "l" + name}, {"shape", c.to}, {"order", 1}, {"axis", axis}});
    twin.job({{"op", "torch"}, {"in", "a" + name}, {"out", "u" + name}, {"shape", c.to}, {"axis", axis}});
    twin.job({{"op", "torch_seg"}, {"in", "s" + name}, {"out", "v" + name}, {"shape", c.to}, {"axis", axis}});
    cases.push_back(std::move(c));
  }
  twin.run();
  for (int n = 0; n < 24; ++n) {
    const RandomCase& c = cases[static_cast<std::size_t>(n)];
    const std::string name = std::to_string(n);
    const std::optional<int> axis = n % 4 == 3 ? std::nullopt : std::optional(n % 4);
    for (const int order : {0, 1, 3})
      expect_close(resized(c.from, c.values, {c.to, order, 0, std::nullopt, 2}),
                   twin.result("r" + name + "_" + std::to_string(order)).doubles(), 1e-11,
                   "order " + std::to_string(order));
    std::vector<float> found(voxels(c.to));
    resize(dense(c.from, c.values), {c.to, 3, n % 2, axis, 2}, std::span<float>(found));
    expect_close({found.begin(), found.end()}, twin.result("t" + name).doubles(), 1e-6,
                 "to_shape " + name);  // 1 ulp of 10
    std::vector<std::int32_t> labels;
    for (const double v : c.values) labels.push_back(static_cast<int>(std::floor(v)) % 3);
    const ResampleRule rule{Resampling::data_or_seg_to_shape, 1, 0, std::nullopt};
    const auto seg = resize_labels(labels, c.from, c.to, rule, axis, 2);
    EXPECT_EQ(std::vector<double>(seg.begin(), seg.end()), twin.result("l" + name).doubles()) << "labels " << name;
    resize_torch(dense(c.from, c.values), {c.to, 1, 0, axis, 2}, found);
    expect_close({found.begin(), found.end()}, twin.result("u" + name).doubles(), 2e-5,
                 "torch " + name);  // the last bit of a float32 coordinate near 12, on steps of 20
    const auto torch = resize_labels(labels, c.from, c.to, {Resampling::torch, 1, 0, std::nullopt}, axis, 2);
    EXPECT_EQ(std::vector<double>(torch.begin(), torch.end()), twin.result("v" + name).doubles())
        << "torch labels " << name;
  }
}

TEST(Resize, NeverLeavesTheRangeOfItsInput) {
  std::vector<double> step(20, 0.0);
  std::fill(step.begin() + 10, step.end(), 1.0);
  const auto out = resized({20, 1, 1}, step, {{50, 1, 1}, 3, 0, std::nullopt, 1});
  EXPECT_EQ(*std::min_element(out.begin(), out.end()), 0.0);  // a cubic overshoots by about 0.07 on both sides
  EXPECT_EQ(*std::max_element(out.begin(), out.end()), 1.0);
}

}  // namespace
}  // namespace rouage::infer::nnunet
