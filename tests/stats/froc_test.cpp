/// Free-response curves and matching, by hand.
#include "stats/froc.h"

#include <gtest/gtest.h>

#include <cmath>

namespace rouage::stats {
namespace {

/// Two abnormal cases (two lesions and one), two normal ones.
const FrocTruth kTruth{.weights = {{0.5, 0.5}, {1}, {}, {}}};
const FrocCell kCell{.marks = {{0, 0, 5}, {1, 0, 3}, {2, -1, 4}, {0, -1, 2}, {2, -1, 1}, {0, 0, 1}}};

TEST(Froc, CurveStepsDownTheRatings) {
  const FrocCurve curve = froc_curve(kTruth, kCell);
  EXPECT_EQ(curve.nlf, (std::vector<double>{0, 0, 0.25, 0.25, 0.5, 0.75}));
  const std::vector<double> llf{0, 1.0 / 3, 1.0 / 3, 2.0 / 3, 2.0 / 3, 2.0 / 3};
  for (std::size_t i = 0; i < llf.size(); ++i) EXPECT_NEAR(curve.llf[i], llf[i], 1e-15);
  EXPECT_EQ(curve.wllf.back(), 0.75);
  EXPECT_EQ(curve.fpf.back(), 0.5);
  EXPECT_NEAR(llf_at(curve, 0.125), 1.0 / 3, 1e-15);
  EXPECT_NEAR(llf_at(curve, 1), 2.0 / 3, 1e-15);
  EXPECT_NEAR(mean_llf(curve), (1.0 / 3 + 6 * 2.0 / 3) / 7, 1e-15);
  EXPECT_NEAR(average_precision(kTruth, kCell), (1 + 2.0 / 3) / 3, 1e-15);
}

TEST(Froc, ADrawThatCountsACaseTwiceIsTheDoubledData) {
  const std::vector<std::uint32_t> times{2, 1, 0, 1};
  const FrocCurve curve = froc_curve(kTruth, kCell, times);
  EXPECT_EQ(curve.nlf.back(), 0.5);
  EXPECT_NEAR(curve.llf.back(), 3.0 / 5, 1e-15);
}

TEST(Froc, ReadersWhoMarkNothingHaveChanceAreaAndNoHits) {
  EXPECT_EQ(froc_figure(kTruth, {}, FrocFigure::wAFROC).value, 0.5);
  EXPECT_EQ(froc_figure(kTruth, {}, FrocFigure::MaxLLF).value, 0);
  EXPECT_EQ(froc_figure(kTruth, {}, FrocFigure::HrSp).value, 1);
  EXPECT_TRUE(std::isnan(froc_figure({.weights = {{}, {}}}, {}, FrocFigure::wAFROC).value)) << "one class";
}

TEST(Froc, MarksFindTheirLesions) {
  const std::vector<Box> lesions{{0, {0, 0, 0}, {10, 10, 0}}, {0, {20, 0, 0}, {30, 10, 0}}};
  const auto point = [](double x, double y, double rating) {
    return PlacedMark{.place = {0, {x, y, 0}, {x, y, 0}}, .rating = rating};
  };
  const std::vector<PlacedMark> marks{point(5, 5, 1), point(6, 5, 3), point(25, 12, 2)};
  const FrocCell inside = match_marks(lesions, marks, {});
  ASSERT_EQ(inside.marks.size(), 2U) << "the second mark on a lesion is neither";
  EXPECT_EQ(inside.marks[0].lesion, 0);
  EXPECT_EQ(inside.marks[0].rating, 3);
  EXPECT_EQ(inside.marks[1].lesion, -1) << "the centre lies outside";
  const FrocCell near = match_marks(lesions, marks, {.kind = Matching::distance, .most_distance = 8});
  EXPECT_EQ(near.marks[1].lesion, 1);
  const std::vector<PlacedMark> boxes{{.place = {0, {0, 0, 0}, {10, 5, 0}}, .rating = 1}};
  EXPECT_EQ(match_marks(lesions, boxes, {.kind = Matching::overlap, .least_overlap = 0.5}).marks[0].lesion, 0);
  EXPECT_EQ(match_marks(lesions, boxes, {.kind = Matching::overlap, .least_overlap = 0.51}).marks[0].lesion, -1);
}

}  // namespace
}  // namespace rouage::stats
