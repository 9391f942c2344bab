// The order of the evidence, one kind at a time.
#include "store/completeness.h"

#include <gtest/gtest.h>

#include "senders.h"

namespace rouage::store {
namespace {

using testing::range;
using testing::slice;
using testing::SliceOptions;

SeriesEvidence series_of(const std::vector<int>& numbers, const SliceOptions& options = {}, bool released = true) {
  SeriesEvidence series;
  for (std::size_t i = 0; i < numbers.size(); ++i)
    note_instance(series, slice(numbers[i], 0.01 * static_cast<double>(i), 1, options));
  if (released) note_association_end(series, 1, AssociationEnd::released, series.last_s);
  return series;
}

TEST(Geometry, EvenSlicesHaveNoHole) {
  const Geometry geometry = geometry_of(series_of(range(1, 20)));
  EXPECT_EQ(geometry.kind, Geometry::Kind::even);
  EXPECT_NEAR(geometry.spacing_mm, 2.5, 1e-9);
}

TEST(Geometry, CountsTheMissingSlices) {
  std::vector<int> numbers = range(1, 20);
  numbers.erase(numbers.begin() + 8, numbers.begin() + 11);
  const Geometry geometry = geometry_of(series_of(numbers, {.numbered = false}));
  EXPECT_EQ(geometry.kind, Geometry::Kind::holes);
  EXPECT_EQ(geometry.missing, 3);
}

TEST(Geometry, EverySecondSliceIsDoubtfulByItsNumbers) {
  EXPECT_EQ(geometry_of(series_of(range(2, 40, 2))).kind, Geometry::Kind::doubtful);
  EXPECT_EQ(geometry_of(series_of(range(2, 40, 2), {.numbered = false})).kind, Geometry::Kind::even);
}

TEST(Geometry, UnevenOrFewSlicesSayNothing) {
  SeriesEvidence uneven;
  double place = 0;
  for (int i = 1; i <= 12; ++i) {
    InstanceFacts facts = slice(i, i, 1);
    facts.position_mm = place += 1 + 0.37 * (i % 5);
    note_instance(uneven, facts);
  }
  EXPECT_EQ(geometry_of(uneven).kind, Geometry::Kind::unknown);
  EXPECT_EQ(geometry_of(series_of(range(1, 3))).kind, Geometry::Kind::unknown);
}

TEST(Geometry, TwoStacksAreJudgedApart) {
  SeriesEvidence series = series_of(range(1, 20));
  for (int i = 21; i <= 30; ++i) {
    InstanceFacts facts = slice(i, i, 1);
    facts.stack = "coronal";
    facts.position_mm = 7.0 * i;
    note_instance(series, facts);
  }
  EXPECT_EQ(geometry_of(series).kind, Geometry::Kind::even);
}

TEST(Judge, AFulfilledListDecidesAtOnce) {
  SeriesEvidence series = series_of(range(1, 10), {}, false);
  note_list(series, {testing::uid_of(1), testing::uid_of(2)});
  // The list leaves out what is here: it was made of something else.
  EXPECT_NE(judge(series, {}, {}, 1).decided_by, Evidence::list);
  std::vector<std::string> all;
  for (int i = 1; i <= 10; ++i) all.push_back(testing::uid_of(i));
  note_list(series, all);
  EXPECT_EQ(judge(series, {}, {}, 1).decided_by, Evidence::list);
  note_list(series, {testing::uid_of(11)});
  const Judgement waiting = judge(series, {}, {}, 1000);
  EXPECT_EQ(waiting.state, SeriesState::waiting);
  EXPECT_EQ(waiting.missing, 1);
}

TEST(Judge, ACountThatIsNotReachedKeepsTheSeriesWaiting) {
  const Judgement judgement = judge(series_of(range(1, 10), {.count = 12}), {}, {}, 1000);
  EXPECT_EQ(judgement.state, SeriesState::waiting);
  EXPECT_EQ(judgement.missing, 2);
  EXPECT_EQ(judge(series_of(range(1, 10), {.count = 12}), {}, {}, 4000).state, SeriesState::partial);
}

TEST(Judge, ASenderWhoseCountsAreWrongIsNotBelieved) {
  SenderHabits habits;
  for (int i = 0; i < 10; ++i) learn(habits, series_of(range(1, 10), {.count = 12}));
  EXPECT_EQ(habits.counts_wrong, 10);
  EXPECT_EQ(judge(series_of(range(1, 10), {.count = 12}), habits, {}, 100).state, SeriesState::complete);
}

TEST(Judge, AHoleOutweighsAFulfilledCount) {
  std::vector<int> numbers = range(1, 20);
  numbers.erase(numbers.begin() + 5);
  EXPECT_EQ(judge(series_of(numbers, {.count = 19}), {}, {}, 1000).state, SeriesState::waiting);
}

TEST(Judge, AsksAgainExactlyWhenTheAnswerCanChange) {
  const SeriesEvidence series = series_of(range(1, 10));
  const Judgement waiting = judge(series, {}, {}, 1);
  ASSERT_EQ(waiting.state, SeriesState::waiting);
  EXPECT_EQ(judge(series, {}, {}, waiting.ask_again_s - 0.001).state, SeriesState::waiting);
  EXPECT_EQ(judge(series, {}, {}, waiting.ask_again_s).state, SeriesState::complete);
}

TEST(Learn, RemembersTheLastSeriesOnly) {
  SenderHabits habits;
  for (std::size_t i = 0; i < 2 * SenderHabits::kRemembered; ++i) learn(habits, series_of(range(1, 3)));
  EXPECT_EQ(habits.longest_pauses_s.size(), SenderHabits::kRemembered);
  EXPECT_EQ(habits.series, static_cast<int>(2 * SenderHabits::kRemembered));
}

}  // namespace
}  // namespace rouage::store
