// The loops between the convolutions: each build against the plain one, and norms against double precision.
#include "infer/unet/passes.h"

#include <gtest/gtest.h>

#include <cmath>

#include "infer/unet/kernels.h"
#include "nets.h"

namespace rouage::infer::unet {
namespace {

using namespace rouage::testing;

std::vector<Bf16> halves(const std::vector<float>& values) {
  std::vector<Bf16> made;
  for (const float v : values) made.push_back(bf16_of(v));
  return made;
}

/// Instance norm by the definition, in double.
std::vector<float> reference(const std::vector<float>& in, std::size_t channels, const std::vector<float>& gamma,
                             const std::vector<float>& beta, double epsilon, double slope, const float* residual) {
  const std::size_t voxels = in.size() / channels;
  std::vector<float> out(in.size());
  for (std::size_t c = 0; c < channels; ++c) {
    double mean = 0, squares = 0;
    for (std::size_t v = 0; v < voxels; ++v) mean += in[v * channels + c];
    mean /= static_cast<double>(voxels);
    for (std::size_t v = 0; v < voxels; ++v) squares += std::pow(in[v * channels + c] - mean, 2);
    const double inverse = 1 / std::sqrt(squares / static_cast<double>(voxels) + epsilon);
    for (std::size_t v = 0; v < voxels; ++v) {
      double y = (in[v * channels + c] - mean) * inverse * gamma[c] + beta[c];
      if (residual != nullptr) y += residual[v * channels + c];
      out[v * channels + c] = static_cast<float>(y < 0 ? y * slope : y);
    }
  }
  return out;
}

class NormPass : public ::testing::TestWithParam<std::size_t> {};
INSTANTIATE_TEST_SUITE_P(Channels, NormPass, ::testing::Values(1, 3, 16, 32, 47, 320));

// 2e-5: float32 sums of blocks of 32,768 values around a mean that is 30 times the deviation.
TEST_P(NormPass, IsThatOfTheDefinitionAlsoFarFromZero) {
  const std::size_t channels = GetParam();
  const Shape shape{static_cast<std::uint32_t>(channels), {9, 21, 33}};
  std::vector<float> in = normal_patch(static_cast<std::size_t>(shape.values()), 1);
  for (std::size_t i = 0; i < in.size(); ++i) in[i] += 30.0F + static_cast<float>(i % channels);
  const auto gamma = normal_patch(channels, 2), beta = normal_patch(channels, 3), residual = normal_patch(in.size(), 4);
  NormRoom room(shape, 5 * 33, gamma, beta, 1e-5F);
  for (const float* more : {static_cast<const float*>(nullptr), residual.data()}) {
    std::vector<float> out = in;  // in place
    room.run(kernels<float>(), out.data(), more, out.data(), 0.01F, 2);
    const double scale = 1 + static_cast<double>(channels) / 30;
    EXPECT_LE(largest_difference(out, reference(in, channels, gamma, beta, 1e-5, 0.01, more)), 2e-5 * scale);
  }
}

TEST_P(NormPass, HasTheSameBitsWithAnyNumberOfThreads) {
  const std::size_t channels = GetParam();
  const Shape shape{static_cast<std::uint32_t>(channels), {8, 40, 40}};
  const auto in = normal_patch(static_cast<std::size_t>(shape.values()), 1);
  NormRoom room(shape, 2 * 40 * 40, normal_patch(channels, 2), normal_patch(channels, 3), 1e-5F);
  std::vector<float> one(in.size()), many(in.size());
  room.run<float>(kernels<float>(), in.data(), nullptr, one.data(), 0.01F, 1);
  for (const int threads : {2, 3, 7}) {
    room.run<float>(kernels<float>(), in.data(), nullptr, many.data(), 0.01F, threads);
    EXPECT_EQ(many, one) << threads;
  }
}

TEST_P(NormPass, AConstantChannelBecomesItsOffset) {
  const std::size_t channels = GetParam();
  const Shape shape{static_cast<std::uint32_t>(channels), {1, 2, 3}};
  const std::vector<float> in(static_cast<std::size_t>(shape.values()), 7.0F);
  const std::vector<float> beta(channels, 0.5F);
  NormRoom room(shape, shape.voxels(), std::vector<float>(channels, 2.0F), beta, 1e-5F);
  std::vector<float> out(in.size());
  room.run<float>(kernels<float>(), in.data(), nullptr, out.data(), 0.01F, 1);
  for (const float v : out) EXPECT_NEAR(v, 0.5F, 1e-3);
}

// The builds differ by fused multiply-adds only.
TEST(Kernels, EveryBuildGivesThePlainOnesNumbers) {
  const Shape shape{24, {3, 10, 14}};
  const std::size_t count = static_cast<std::size_t>(shape.values());
  const auto a = normal_patch(count, 1), b = normal_patch(count, 2);
  std::vector<float> fast(count), plain(count);
  add_pass(kernels<float>(), a.data(), b.data(), fast.data(), count, 0.1F, 2);
  add_pass(ref_kernels<float>(), a.data(), b.data(), plain.data(), count, 0.1F, 1);
  EXPECT_EQ(fast, plain);
  output_pass(kernels<float>(), a.data(), fast.data(), shape, shape.voxels(), 2);
  output_pass(ref_kernels<float>(), a.data(), plain.data(), shape, shape.voxels(), 1);
  EXPECT_EQ(fast, plain);
  std::vector<float> back(count);
  input_pass(kernels<float>(), fast.data(), back.data(), shape, 2);
  EXPECT_EQ(back, a);
  const std::vector<Bf16> ha = halves(a), hb = halves(b);
  std::vector<Bf16> hfast(count), hplain(count);
  add_pass(kernels<Bf16>(), ha.data(), hb.data(), hfast.data(), count, 0.1F, 2);
  add_pass(ref_kernels<Bf16>(), ha.data(), hb.data(), hplain.data(), count, 0.1F, 1);
  for (std::size_t i = 0; i < count; ++i) ASSERT_EQ(hfast[i].bits, hplain[i].bits) << i;
}

TEST(Kernels, Bf16RoundsToNearestEven) {
  EXPECT_EQ(bf16_of(1.0F).bits, 0x3F80);
  EXPECT_EQ(bf16_of(std::bit_cast<float>(0x3F808000U)).bits, 0x3F80);  // a tie, down to even
  EXPECT_EQ(bf16_of(std::bit_cast<float>(0x3F818000U)).bits, 0x3F82);  // a tie, up to even
  EXPECT_EQ(bf16_of(std::bit_cast<float>(0x3F808001U)).bits, 0x3F81);
  EXPECT_EQ(bf16_of(INFINITY).bits, 0x7F80);
  EXPECT_TRUE(std::isnan(value_of(bf16_of(std::bit_cast<float>(0x7FFFFFFFU)))));
}

TEST(Passes, PoolsTakeTheMeanOrTheLargest) {
  const Shape from{3, {2, 4, 6}}, to{3, {1, 2, 3}};
  const auto in = normal_patch(static_cast<std::size_t>(from.values()), 1);
  for (const Op op : {Op::average_pool, Op::max_pool}) {
    Node node;
    node.op = op;
    node.kernel = node.stride = {2, 2, 2};
    std::vector<float> out(static_cast<std::size_t>(to.values()));
    pool_pass(kernels<float>(), in.data(), out.data(), from, to, node, 2);
    for (std::size_t y = 0; y < 2; ++y)
      for (std::size_t x = 0; x < 3; ++x)
        for (std::size_t c = 0; c < 3; ++c) {
          double sum = 0, largest = -1e9;
          for (std::size_t t = 0; t < 8; ++t) {
            const double v = in[(((t >> 2) * 4 + 2 * y + ((t >> 1) & 1)) * 6 + 2 * x + (t & 1)) * 3 + c];
            sum += v;
            largest = std::max(largest, v);
          }
          EXPECT_NEAR(out[(y * 3 + x) * 3 + c], op == Op::max_pool ? largest : sum / 8, 1e-6);
        }
  }
}

}  // namespace
}  // namespace rouage::infer::unet
