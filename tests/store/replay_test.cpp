// Senders replayed: how often a series is called complete too early, or waited for in vain, beside fixed timers.
#include <gtest/gtest.h>

#include <cstdio>
#include <limits>

#include "senders.h"

namespace rouage::store::testing {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();
constexpr double kWatched = 2 * 3600;

using Policy = std::function<Judgement(const SeriesEvidence&, double now_s)>;

struct Outcome {
  bool false_complete = false;  ///< called complete before all of it was here
  double delay_s = kNever;      ///< from the last arrival to the final "complete"
  bool partial = false;         ///< handed on as known to be incomplete
  std::string text;
  bool called() const { return delay_s < kNever; }
};

/// Rates of one policy over the scripts.
struct Rates {
  int early = 0, waits = 0;  ///< waits: the series was whole, and a minute later not yet called so
  void add(const Script& script, const Outcome& outcome) {
    early += outcome.false_complete ? 1 : 0;
    SeriesEvidence series;
    for (const Event& event : script.events) event.happen(series);
    const bool whole = series.instances.size() == script.truth;
    waits += whole && !outcome.false_complete && outcome.delay_s > 60.5 ? 1 : 0;
  }
};

/// Events and, between them, every moment at which the policy wants to be asked again.
Outcome replay(const Script& script, const Policy& policy) {
  std::vector<Event> events = script.events;
  std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time_s < b.time_s; });
  SeriesEvidence series;
  Outcome outcome;
  double now = 0;
  std::size_t next = 0;
  while (now <= kWatched) {
    while (next < events.size() && events[next].time_s <= now) events[next++].happen(series);
    const Judgement judgement = policy(series, now);
    if (judgement.state != SeriesState::waiting && !series.handed_on) {
      series.handed_on = true;
      outcome.text = judgement.text;
      outcome.partial = judgement.state == SeriesState::partial;
      if (judgement.state == SeriesState::complete) {
        if (series.instances.size() < script.truth) outcome.false_complete = true;
        outcome.delay_s = now - script.last_s;
      }
    }
    double then = next < events.size() ? events[next].time_s : kNever;
    if (judgement.state == SeriesState::waiting) then = std::min(then, std::max(judgement.ask_again_s, now + 1e-6));
    if (then == kNever) break;
    now = then;
  }
  return outcome;
}

Policy timer(double quiet_s) {
  return [quiet_s](const SeriesEvidence& s, double now) -> Judgement {
    const double until = s.last_s + quiet_s;
    if (!s.instances.empty() && now >= until) return {SeriesState::complete, Evidence::quiet, "quiet", 0, 0};
    return {SeriesState::waiting, Evidence::none, "", s.instances.empty() ? now + quiet_s : until, 0};
  };
}

Policy evidence(const SenderHabits& habits) {
  return [habits](const SeriesEvidence& s, double now) { return judge(s, habits, {}, now); };
}

/// What is learned from ten earlier series of the same sender.
SenderHabits habits_after_ten(const Script& now) {
  const Script script = now.accident ? steady(now.count) : now;
  SenderHabits habits;
  for (int i = 0; i < 10; ++i) {
    SeriesEvidence series;
    std::vector<Event> events = script.events;
    std::stable_sort(events.begin(), events.end(), [](const Event& a, const Event& b) { return a.time_s < b.time_s; });
    for (const Event& event : events) event.happen(series);
    learn(habits, series);
  }
  return habits;
}

std::vector<Script> scripts() {
  return {steady(),
          steady(kSlices),
          pause_in_the_middle(true, {}),
          pause_in_the_middle(true, kSlices),
          pause_in_the_middle(false, {}),
          pause_in_the_middle(false, kSlices),
          even_then_odd(),
          out_of_order(180),
          interleaved(),
          two_associations(),
          retransmission(),
          lost_slice(kSlices, kSlices),
          lost_slice(50, {}),
          wrong_count(60),
          wrong_count(120),
          mpps(-1, "before the images"),
          mpps(400, "4 minutes late"),
          broken_off(),
          never_released(),
          dynamic(),
          film()};
}

std::string cell(const Outcome& outcome) {
  if (outcome.false_complete) return "TOO EARLY";
  if (outcome.partial) return "partial";
  if (!outcome.called()) return "never";
  char text[32];
  std::snprintf(text, sizeof text, "%.1f s", outcome.delay_s);
  return text;
}

// STO-1
TEST(Replay, NoSeriesIsCalledCompleteWhereCountsOrGeometryCanTellThatItIsNot) {
  Rates unknown_rates, known_rates, five_rates, sixty_rates;
  std::printf("%-58s %12s %12s %12s %12s\n", "sender", "unknown", "known", "timer 5 s", "timer 60 s");
  for (const Script& script : scripts()) {
    const Outcome unknown = replay(script, evidence({})), known = replay(script, evidence(habits_after_ten(script)));
    const Outcome five = replay(script, timer(5)), sixty = replay(script, timer(60));
    std::printf("%-58s %12s %12s %12s %12s\n", script.name.c_str(), cell(unknown).c_str(), cell(known).c_str(),
                cell(five).c_str(), cell(sixty).c_str());
    unknown_rates.add(script, unknown);
    known_rates.add(script, known);
    five_rates.add(script, five);
    sixty_rates.add(script, sixty);
    if (script.tellable) {
      EXPECT_FALSE(unknown.false_complete) << script.name << ": " << unknown.text;
      EXPECT_FALSE(known.false_complete) << script.name << ": " << known.text;
    }
  }
  std::printf("%-58s %12d %12d %12d %12d\n", "called complete too early", unknown_rates.early, known_rates.early,
              five_rates.early, sixty_rates.early);
  std::printf("%-58s %12d %12d %12d %12d\n", "whole, and waited for over a minute", unknown_rates.waits,
              known_rates.waits, five_rates.waits, sixty_rates.waits);
  EXPECT_EQ(known_rates.early, 0);
  EXPECT_LT(unknown_rates.early, sixty_rates.early);
}

TEST(Replay, AWholeSeriesOfAnOrdinarySenderIsNotWaitedForInVain) {
  // Two seconds for a straggler, and no more, once the sender is known.
  EXPECT_LE(replay(steady(), evidence(habits_after_ten(steady()))).delay_s, 3);
  EXPECT_LE(replay(steady(kSlices), evidence({})).delay_s, 3);
  EXPECT_LE(replay(film(), evidence({})).delay_s, 0.2);
  EXPECT_LE(replay(mpps(-1, "before"), evidence({})).delay_s, 0.01);
}

TEST(Replay, ASeriesWithAHoleIsHandedOnAsPartialAndNeverAsComplete) {
  for (const Script& script : {lost_slice(50, {}), lost_slice(kSlices, kSlices)}) {
    const Outcome outcome = replay(script, evidence({}));
    EXPECT_TRUE(outcome.partial) << script.name;
    EXPECT_FALSE(outcome.called()) << script.name;
    EXPECT_NE(outcome.text.find("given up"), std::string::npos) << outcome.text;
  }
}

// STO-2
TEST(Replay, ALateInstanceReopensTheSeries) {
  SeriesEvidence series;
  for (int i = 1; i <= 10; ++i) note_instance(series, slice(i, i, 1));
  note_association_end(series, 1, AssociationEnd::released, 11);
  const Judgement first = judge(series, {}, {}, 200);
  ASSERT_EQ(first.state, SeriesState::complete) << first.text;
  series.handed_on = true;
  EXPECT_FALSE(note_instance(series, slice(10, 250, 2)));  // a retransmission reopens nothing
  EXPECT_EQ(series.version, 0);
  EXPECT_TRUE(note_instance(series, slice(11, 300, 2)));
  EXPECT_EQ(series.version, 1);
  EXPECT_EQ(judge(series, {}, {}, 301).state, SeriesState::waiting);
}

}  // namespace
}  // namespace rouage::store::testing
