// Maps: an exact decomposition of the logit, and checks that they are no decoration.
#include "cogs/chest/explanation.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "cogs/chest/explanation_checks.h"
#include "fixture.h"

namespace rouage::cogs::chest {
namespace {

// COG-4
TEST(ActivationMap, ItsMeanAndTheBiasAreTheLogit) {
  const testing::ChestBench bench;
  const auto model = bench.context.model("rouage-chest");
  const infer::Package& p = model->package();
  for (const image::Film& film : infer::probe_films()) {
    const auto out = model->answer(infer::film_tensor(film, p.input), {p.logits, p.features});
    for (int k = 0; k < 3; ++k) {  // the estimated age too
      const Map map = activation_map(out[1], model->head_weight(), k);
      double mean = 0;
      for (const float v : map.values) mean += v / map.values.size();
      EXPECT_NEAR(mean + model->head_bias().values[k], out[0].values[k], 1e-5);
    }
  }
}

TEST(ActivationMap, IsTheWeightedSumOfTheFeatures) {
  infer::Tensor features{{1, 2, 2, 3}, {1, 2, 3, 4, 5, 6, 10, 20, 30, 40, 50, 60}};
  infer::Tensor head{{2, 2}, {1, 0, 2, -1}};
  const Map map = activation_map(features, head, 1);
  EXPECT_EQ(map.columns, 3U);
  EXPECT_EQ(map.rows, 2U);
  EXPECT_EQ(map.values, (std::vector<float>{-8, -16, -24, -32, -40, -48}));
  EXPECT_THROW(activation_map(features, head, 2), Error);
  head.shape = {1, 4};
  EXPECT_THROW(activation_map(features, head, 0), Error);
}

TEST(Relief, IsZeroAtTheMeanAndOneAtTheMaximum) {
  const Relief r = relief({2, 2, {1, 2, 3, 6}});
  EXPECT_EQ(r.map.values, (std::vector<float>{0, 0, 0, 1}));
  EXPECT_DOUBLE_EQ(r.maximum, 3);
  const Relief flat = relief({2, 2, {0.1F, 0.1F, 0.1F, 0.1F}});
  EXPECT_EQ(flat.maximum, 0);
  EXPECT_EQ(flat.map.values, std::vector<float>(4, 0.0F));
}

TEST(Enlarging, IsLinearBetweenCentresAndClampedAtTheEdge) {
  const Map map = enlarged({2, 1, {0, 4}}, 4, 2);
  const std::vector<float> row{0, 1, 3, 4};  // centres at 1/4, 3/4... of two cells
  for (int i = 0; i < 8; ++i) EXPECT_FLOAT_EQ(map.values[i], row[i % 4]);
  EXPECT_EQ(enlarged(map, 4, 2).values, map.values);
}

TEST(GuidedMap, ShowsOnlyWhereBothTheGradientAndTheMapAre) {
  const testing::ChestBench bench;
  const auto model = bench.context.model("rouage-chest");
  const infer::Package& p = model->package();
  const infer::Tensor input = infer::film_tensor(infer::probe_films()[1], p.input);
  const auto out = model->answer(input, {p.features});
  for (int k = 0; k < 3; ++k) {
    const Map coarse = activation_map(out[0], model->head_weight(), k);
    const Map where = enlarged(relief(coarse).map, 16, 16);
    infer::Tensor target{{1, 3}, {0, 0, 0}};
    target.values[k] = 1;
    const auto gradient = model->guided()->run({{"image", input}, {"target", target}}, {"guided_gradient"})[0];
    const Map guided = guided_map(*model, input, k, coarse);
    ASSERT_EQ(guided.values.size(), 256U);
    for (int i = 0; i < 256; ++i)
      EXPECT_FLOAT_EQ(guided.values[i], std::max(0.0F, gradient.values[i]) * where.values[i]);
  }
}

TEST(OcclusionMaps, FallMostWhereTheNetLooks) {
  // tiny.onnx with a picture that is grey but for one bright square: covering the square changes the answer most.
  const testing::ChestBench bench;
  const auto model = bench.context.model("rouage-chest");
  infer::Tensor input{{1, 1, 16, 16}, std::vector<float>(256, 0.0F)};
  for (int y = 10; y < 12; ++y)
    for (int x = 4; x < 6; ++x) input.values[y * 16 + x] = 3;
  const std::atomic<bool> go{false}, stop{true};
  const auto maps = occlusion_maps(*model, input, &go);
  ASSERT_EQ(maps.size(), 3U);
  for (const Map& map : maps) {
    std::size_t strongest = 0;
    for (std::size_t i = 0; i < map.values.size(); ++i)
      if (std::abs(map.values[i]) > std::abs(map.values[strongest])) strongest = i;
    EXPECT_NEAR(strongest % 8, 2, 1);
    EXPECT_NEAR(strongest / 8, 5, 1);
  }
  EXPECT_THROW(occlusion_maps(*model, input, &stop), Error);
}

TEST(PointingGame, CountsTheCentreOfTheHighestCell) {
  const Map map{4, 2, {0, 0, 0, 0, 0, 0, 9, 0}};
  const auto [x, y] = pointed_at(map, 400, 100);
  EXPECT_DOUBLE_EQ(x, 250);
  EXPECT_DOUBLE_EQ(y, 75);
  EXPECT_TRUE(pointing_hit(map, {240, 70, 260, 80}, 400, 100));
  EXPECT_FALSE(pointing_hit(map, {251, 70, 260, 80}, 400, 100));
}

TEST(HitRate, HasWilsonsInterval) {
  // 8 of 10: 0.4902 to 0.9433; 0 of 10: 0 to 0.2775 (Newcombe 1998, Statistics in Medicine 17:857, method 3, by hand)
  EXPECT_NEAR(hit_rate(8, 10).lower, 0.4902, 1e-4);
  EXPECT_NEAR(hit_rate(8, 10).upper, 0.9433, 1e-4);
  EXPECT_NEAR(hit_rate(0, 10).upper, 0.2775, 1e-4);
  EXPECT_EQ(hit_rate(0, 10).lower, 0);
  EXPECT_EQ(hit_rate(0, 0).upper, 1);
}

TEST(RankCorrelation, SeesOrderNotSize) {
  const Map a{4, 1, {1, 2, 3, 4}}, same{4, 1, {1, 10, 100, 1000}}, reversed{4, 1, {4, 3, 2, 1}},
      ties{4, 1, {1, 1, 2, 2}}, flat{4, 1, {1, 1, 1, 1}};
  EXPECT_DOUBLE_EQ(rank_correlation(a, same), 1);
  EXPECT_DOUBLE_EQ(rank_correlation(a, reversed), -1);
  EXPECT_NEAR(rank_correlation(a, ties), 2 / std::sqrt(5.0), 1e-12);
  EXPECT_EQ(rank_correlation(a, flat), 0);
}

}  // namespace
}  // namespace rouage::cogs::chest
