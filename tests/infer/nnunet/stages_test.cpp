// Each stage alone: crop and mask, normalisation, shapes, windows, weights, rows of numbers.
#include <nlohmann/json.hpp>
#include <random>

#include "base/error.h"
#include "infer/float16.h"
#include "infer/nnunet/crop.h"
#include "infer/nnunet/geometry.h"
#include "infer/nnunet/predict.h"
#include "infer/nnunet/preprocess.h"
#include "infer/nnunet/rows.h"
#include "infer/nnunet/window.h"
#include "npy.h"
#include "python.h"
#include "reference_twin.h"

namespace rouage::infer::nnunet {
namespace {

using testing::plain_grid;

ErrorCode code_of(const std::function<void()>& act) {
  try {
    act();
  } catch (const Error& e) {
    return e.code();
  }
  return ErrorCode::Internal;
}

image::Volume<float> volume_of(const Shape3& zyx, std::vector<float> values) {
  return {plain_grid({zyx[2], zyx[1], zyx[0]}, {1, 1, 1}), std::move(values), ""};
}

TEST(Crop, FindsTheBoxOfWhatIsNotZeroInAnyChannel) {
  image::Volume<float> a = volume_of({5, 6, 7}, std::vector<float>(210, 0.0F)), b = a;
  a.at(2, 3, 1) = -1;  // i, j, k
  b.at(5, 1, 3) = 4;
  const std::array<int, 3> forward{0, 1, 2};
  const Box box = nonzero_box({transposed_view(a, forward), transposed_view(b, forward)}, 2);
  EXPECT_EQ(box.first, (Shape3{1, 1, 2}));
  EXPECT_EQ(box.end, (Shape3{4, 4, 6}));
  const Box turned = nonzero_box({transposed_view(a, {2, 0, 1}), transposed_view(b, {2, 0, 1})}, 1);
  EXPECT_EQ(turned.first, (Shape3{2, 1, 1}));
  EXPECT_EQ(turned.end, (Shape3{6, 4, 4}));
}

TEST(Crop, TakesTheWholeVolumeWhenAllIsZero) {
  const image::Volume<float> empty = volume_of({2, 3, 4}, std::vector<float>(24, 0.0F));
  EXPECT_EQ(nonzero_box({transposed_view(empty, {0, 1, 2})}, 1).end, (Shape3{2, 3, 4}));
}

TEST(Crop, FillsInnerZerosOnlyAndJoinsByFaces) {
  std::mt19937 random(3);
  for (const unsigned share : {2U, 3U, 4U, 8U}) {
    for (int n = 0; n < 10; ++n) {
      const auto upto = [&](unsigned most) { return static_cast<std::uint32_t>(1 + random() % most); };
      const Shape3 shape{upto(6), upto(9), upto(9)};
      std::vector<float> values(voxels(shape));
      for (float& v : values) v = random() % share ? 1.0F : 0.0F;
      const image::Volume<float> volume = volume_of(shape, values);
      const testing::Array array{shape, {values.begin(), values.end()}};
      EXPECT_EQ(filled_mask({transposed_view(volume, {0, 1, 2})}, 2), testing::ref_filled_mask({array}));
    }
  }
}

TEST(Crop, FillsAsScipyDoes) {
  if (!testing::have_python_twins()) GTEST_SKIP() << "no python3 with scikit-image, scipy and torch";
  testing::PythonTwin twin("fill");
  std::mt19937 random(5);
  const Shape3 shape{7, 12, 11};
  std::vector<float> values(voxels(shape));
  for (float& v : values) v = random() % 4 ? 1.0F : 0.0F;
  twin.array("a", "<f4", shape, values);
  twin.job({{"op", "fill"}, {"in", "a"}, {"out", "b"}});
  twin.run();
  const image::Volume<float> volume = volume_of(shape, values);
  EXPECT_EQ(filled_mask({transposed_view(volume, {0, 1, 2})}, 2), twin.result("b").as<std::uint8_t>());
}

struct Normalised {
  std::vector<float> values;
  Normalizer normalizer;
};
Normalised normalised(const std::vector<float>& values, const ChannelRule& rule,
                      const std::vector<std::uint8_t>& mask = {}) {
  const image::Volume<float> volume = volume_of({1, 1, static_cast<std::uint32_t>(values.size())}, values);
  Normalised out{std::vector<float>(values.size()), normalizer_of(transposed_view(volume, {0, 1, 2}), rule, mask, 1)};
  scale(values, out.normalizer.scaling, out.values);
  return out;
}

TEST(Normalise, CtClipsThenSubtractsThenDivides) {
  const ChannelRule rule{"CT", Normalization::ct, false, 10, 4, -20, 30};
  EXPECT_EQ(normalised({-100, -20, 10, 12, 500}, rule).values, (std::vector<float>{-7.5F, -7.5F, 0, 0.5F, 5}));
}

TEST(Normalise, ZScoreTakesThePopulationsDeviation) {
  const auto out = normalised({1, 3, 5, 7}, {"MR", Normalization::z_score});
  EXPECT_FLOAT_EQ(out.values[0], -3.0F / std::sqrt(5.0F));
  EXPECT_FLOAT_EQ(static_cast<float>(out.normalizer.high), 3.0F / std::sqrt(5.0F));
}

TEST(Normalise, ZScoreOfAConstantDividesByTheLeastDivisor) {
  EXPECT_EQ(normalised({0, 0, 0}, {"MR", Normalization::z_score}).values, (std::vector<float>{0, 0, 0}));
}

TEST(Normalise, ZScoreInsideTheMaskLooksAtNothingElse) {
  const ChannelRule rule{"MR", Normalization::z_score, true};
  const auto out = normalised({0, 2, 6, 0}, rule, {0, 1, 1, 0});
  EXPECT_EQ(out.values[1], -1.0F);
  EXPECT_EQ(out.values[2], 1.0F);
  EXPECT_EQ(out.normalizer.low, -1.0);
}

TEST(Normalise, RescaleEndsAtOne) {
  EXPECT_EQ(normalised({-2, 0, 6}, {"x", Normalization::rescale_to_01}).values, (std::vector<float>{0, 0.25F, 1}));
}

TEST(Normalise, RgbDividesBy255AndRefusesOtherValues) {
  EXPECT_EQ(normalised({0, 51, 255}, {"R", Normalization::rgb_to_01}).values, (std::vector<float>{0, 0.2F, 1}));
  EXPECT_EQ(code_of([] { normalised({0, 256}, {"R", Normalization::rgb_to_01}); }), ErrorCode::InputRange);
}

TEST(Normalise, RefusesWhatIsNotANumber) {
  EXPECT_EQ(code_of([] { normalised({0, NAN}, {"x"}); }), ErrorCode::VolumeInvalid);
  EXPECT_EQ(code_of([] { normalised({0, INFINITY}, {"x"}); }), ErrorCode::VolumeInvalid);
}

TEST(Geometry, RoundsHalvesToEven) {
  EXPECT_EQ(resampled_shape({5, 7, 9}, {1, 1, 1}, {2, 2, 2}), (Shape3{2, 4, 4}));  // 2.5, 3.5, 4.5
}

TEST(Geometry, RefusesAnAbsurdSpacing) {
  EXPECT_EQ(code_of([] { resampled_shape({10, 10, 10}, {1e9, 1, 1}, {1, 1, 1}); }), ErrorCode::VolumeInvalid);
  EXPECT_EQ(code_of([] { resampled_shape({1, 10, 10}, {0.1, 1, 1}, {1, 1, 1}); }), ErrorCode::VolumeInvalid);
}

TEST(Geometry, TakesAnAxisAloneOnlyAboveThreeAndOnlyOne) {
  const std::optional<bool> decide;
  EXPECT_EQ(separate_axis(decide, {3, 1, 1}, {1, 1, 1}), std::nullopt);
  EXPECT_EQ(separate_axis(decide, {3.01, 1, 1}, {1, 1, 1}), 0);
  EXPECT_EQ(separate_axis(decide, {1, 1, 1}, {1, 5, 1}), 1);
  EXPECT_EQ(separate_axis(decide, {1, 4, 4}, {1, 1, 1}), std::nullopt);
  EXPECT_EQ(separate_axis(decide, {1, 4, 4.0000001}, {1, 1, 1}), 2);
  EXPECT_EQ(separate_axis(false, {9, 1, 1}, {9, 1, 1}), std::nullopt);
  EXPECT_EQ(separate_axis(true, {1, 1, 1.1}, {5, 1, 1}), 2);
  EXPECT_EQ(separate_axis(true, {1, 1, 1}, {5, 1, 1}), std::nullopt);
}

TEST(Geometry, StartsOfWindows) {
  EXPECT_EQ(window_starts(48, 48, 0.5), (std::vector<std::uint32_t>{0}));
  EXPECT_EQ(window_starts(49, 48, 0.5), (std::vector<std::uint32_t>{0, 1}));
  EXPECT_EQ(window_starts(114, 48, 0.5), (std::vector<std::uint32_t>{0, 22, 44, 66}));
  EXPECT_EQ(window_starts(84, 48, 0.8), (std::vector<std::uint32_t>{0, 36}));
  EXPECT_EQ(window_starts(15, 4, 0.5).back(), 11U);
}

TEST(Weights, EqualScipysInEveryBit) {
  if (!testing::have_python_twins()) GTEST_SKIP() << "no python3 with scikit-image, scipy and torch";
  testing::PythonTwin twin("gaussian");
  const std::vector<Shape3> patches{{48, 48, 48}, {16, 64, 64}, {7, 20, 33}, {28, 96, 40}, {1, 9, 9}};
  for (std::size_t i = 0; i < patches.size(); ++i)
    twin.job({{"op", "gaussian"}, {"shape", patches[i]}, {"out", "g" + std::to_string(i)}});
  twin.job({{"op", "gaussian"}, {"shape", {40, 56}}, {"out", "flat"}});
  twin.run();
  for (std::size_t i = 0; i < patches.size(); ++i)
    EXPECT_EQ(gaussian_weights(patches[i], false), twin.result("g" + std::to_string(i)).as<std::uint16_t>()) << i;
  EXPECT_EQ(gaussian_weights({1, 40, 56}, true), twin.result("flat").as<std::uint16_t>());
}

TEST(Mirroring, GoesThroughSubsetsBySize) {
  NnunetModel model;
  model.mirror_axes = {0, 1, 2};
  EXPECT_EQ(flips_of(model, true), (std::vector<unsigned>{0, 1, 2, 4, 3, 5, 6, 7}));
  EXPECT_EQ(flips_of(model, false), (std::vector<unsigned>{0}));
  model.mirror_axes = {0, 1};
  model.two_dimensional = true;
  EXPECT_EQ(flips_of(model, true), (std::vector<unsigned>{0, 2, 4, 6}));
}

TEST(Rows, DoublesAreRoundedToHalvesOnce) {
  // Just above a tie of binary16; through float32 it would become the tie and round down to even.
  const std::vector<double> values{1.0 + 0x1p-11 + 0x1p-40,
                                   1.0 + 0x1p-11,
                                   -(1.0 + 0x1p-11 + 0x1p-40),
                                   3e-8,
                                   2.9802322387695312e-08,
                                   0.0,
                                   65519.99,
                                   1e-12};
  std::vector<float> out(values.size());
  round_to_half(std::span<const double>(values), out);
  EXPECT_EQ(out, (std::vector<float>{1.0F + 0x1p-10F, 1.0F, -1.0F - 0x1p-10F, 0x1p-24F, 0.0F, 0.0F, 65504.0F, 0.0F}));
}

TEST(Rows, HalvesOfAnyLengthEqualThePlainConversion) {
  std::mt19937 random(1);
  for (const std::size_t n : {1U, 7U, 8U, 9U, 300U}) {
    std::vector<float> values(n), rounded(n), widened(n);
    for (float& v : values)
      v = std::ldexp(static_cast<float>(random() % 100000) - 50000.0F, static_cast<int>(random() % 40) - 35);
    std::vector<std::uint16_t> halves(n);
    narrow(values, halves);
    EXPECT_EQ(halves, floats_to_halves(values));
    widen(Halves(halves), std::span(widened));
    EXPECT_EQ(widened, halves_to_floats(halves));
    round_to_half(std::span<const float>(values), std::span(rounded));
    EXPECT_EQ(rounded, widened);
  }
}

TEST(Rows, TheRegionRuleIsTorchsSigmoidInFloat32) {
  // sigmoid(2^-24) is 0.5 in float32, sigmoid(2^-23) the next above: torch 1.13 says so.
  std::vector<std::int32_t> labels(5, 0);
  write_region(std::vector<float>{0x1p-24F, 0x1p-23F, 0.0F, -1.0F, 3.0F}, 7, labels);
  EXPECT_EQ(labels, (std::vector<std::int32_t>{0, 7, 0, 0, 7}));
}

TEST(Rows, ATieKeepsTheLowerClass) {
  std::vector<float> best(3, -INFINITY);
  std::vector<std::int32_t> labels(3, 0);
  keep_best(std::vector<float>{1, 2, 3}, 0, best, labels);
  keep_best(std::vector<float>{1, 3, 2}, 1, best, labels);
  EXPECT_EQ(labels, (std::vector<std::int32_t>{0, 1, 0}));
}

}  // namespace
}  // namespace rouage::infer::nnunet
