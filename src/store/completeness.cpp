#include "store/completeness.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

namespace rouage::store {
namespace {

bool any_open(const SeriesEvidence& series) {
  return std::any_of(series.associations.begin(), series.associations.end(),
                     [](const auto& a) { return a.second == AssociationEnd::open; });
}

/// The series' own count: the largest that any instance says.
std::optional<int> said_count(const SeriesEvidence& series) {
  std::optional<int> count;
  for (const auto& [uid, facts] : series.instances)
    if (facts.said_count) count = std::max(count.value_or(0), *facts.said_count);
  return count;
}

bool all_stand_alone(const SeriesEvidence& series) {
  return std::all_of(series.instances.begin(), series.instances.end(),
                     [](const auto& i) { return i.second.stands_alone; });
}

/// One judgement in the making: the evidence, and the time since the last thing happened.
struct Case {
  const SeriesEvidence& series;
  const SenderHabits& habits;
  const CompletenessRules& rules;
  double now_s;
  int here;

  double touched_s() const { return std::max(series.last_s, series.ended_s); }
  bool counts_trusted() const {
    return habits.counts_wrong == 0 && habits.counts_right >= CompletenessRules::kKnownSeries;
  }
  bool counts_distrusted() const { return habits.counts_wrong > habits.counts_right / 10; }
  bool known() const { return habits.series >= CompletenessRules::kKnownSeries; }

  Judgement waiting(double until_s, std::string text, int missing = 0) const {
    return {SeriesState::waiting, Evidence::none, std::move(text), until_s, missing};
  }
  /// Complete once `quiet_s` has passed since the last arrival or the last end of an association.
  Judgement complete_after(double quiet_s, Evidence by, const std::string& text) const {
    const double until_s = touched_s() + quiet_s;
    if (now_s >= until_s) return {SeriesState::complete, by, text, 0, 0};
    return waiting(until_s, fmt::format("{}; waiting {:.0f} s for a straggler", text, quiet_s));
  }
  /// Known to be incomplete: waits long, then is handed on as partial.
  Judgement incomplete(int missing, const std::string& text) const {
    const double until_s = series.last_s + rules.give_up_s;
    if (now_s < until_s) return waiting(until_s, text, missing);
    return {SeriesState::partial, Evidence::none, text + "; given up after " + fmt::format("{:.0f} s", rules.give_up_s),
            0, missing};
  }
};

/// How long this sender may be silent in the middle of a series.
double quiet_period(const Case& c) {
  const CompletenessRules& rules = c.rules;
  if (!c.known()) return rules.unknown_quiet_s;
  const double longest = *std::max_element(c.habits.longest_pauses_s.begin(), c.habits.longest_pauses_s.end());
  // The longest of n pauses is exceeded by the next one with probability 1/(n+1): half as much again covers most of it.
  return std::clamp(1.5 * longest + rules.settle_s, rules.least_quiet_s, rules.most_quiet_s);
}

/// A list by an MPPS or IAN. One that leaves out an instance that is here was made of something else.
std::optional<Judgement> by_list(const Case& c) {
  const SeriesEvidence& s = c.series;
  if (s.listed.empty()) return std::nullopt;
  for (const auto& [uid, facts] : s.instances)
    if (!s.listed.contains(uid)) return std::nullopt;
  const int missing = static_cast<int>(s.listed.size()) - c.here;
  if (missing > 0)
    return c.incomplete(
        missing, fmt::format("{} of {} instances of the modality's own list are missing", missing, s.listed.size()));
  return Judgement{SeriesState::complete, Evidence::list,
                   fmt::format("all {} instances of the modality's own list are here", c.here), 0, 0};
}

std::optional<Judgement> by_count(const Case& c, const Geometry& geometry) {
  const std::optional<int> said = said_count(c.series);
  if (!said || *said < c.here || c.counts_distrusted()) return std::nullopt;
  if (*said > c.here)
    return c.incomplete(*said - c.here, fmt::format("{} of {} instances by the header's count", c.here, *said));
  const std::string text = fmt::format("{} instances, as the header's count says{}", c.here,
                                       geometry.kind == Geometry::Kind::even ? ", and " + geometry.text : "");
  if (c.counts_trusted() || !any_open(c.series)) return c.complete_after(c.rules.settle_s, Evidence::count, text);
  // A count of an unknown sender, and more may come on an open association: as long as a sender may be silent.
  return c.complete_after(quiet_period(c), Evidence::count, text);
}

Judgement by_ends(const Case& c, const Geometry& geometry) {
  const std::string shape = geometry.text.empty() ? fmt::format("{} instances", c.here) : geometry.text;
  const bool doubtful = geometry.kind == Geometry::Kind::doubtful;
  if (any_open(c.series) && c.habits.kept_open == 0)
    return c.complete_after(doubtful ? std::max(c.rules.open_quiet_s, c.rules.most_quiet_s) : c.rules.open_quiet_s,
                            Evidence::quiet, shape + ", the association is still open");
  if (doubtful) return c.complete_after(c.rules.most_quiet_s, Evidence::quiet, shape);
  if (c.series.broken_off)
    return c.complete_after(std::max(c.rules.broken_quiet_s, quiet_period(c)), Evidence::quiet,
                            shape + ", its last association broke off");
  const bool released = !c.series.associations.empty() && !any_open(c.series);
  if (released && c.known() && c.habits.split == 0)
    return c.complete_after(
        c.rules.settle_s, Evidence::association,
        shape +
            fmt::format(", the association has ended, and this sender's last {} series came by one", c.habits.series));
  return c.complete_after(quiet_period(c), Evidence::quiet,
                          shape + (c.known() ? ", quiet for longer than this sender's pauses"
                                             : ", quiet for long (a sender that is not known yet)"));
}

}  // namespace

bool note_instance(SeriesEvidence& series, const InstanceFacts& facts) {
  if (facts.association != 0) series.associations.try_emplace(facts.association, AssociationEnd::open);
  if (!series.instances.emplace(facts.sop_instance_uid, facts).second) return false;
  if (series.instances.size() == 1)
    series.first_s = facts.time_s;
  else
    series.longest_pause_s = std::max(series.longest_pause_s, facts.time_s - series.last_s);
  series.last_s = facts.time_s;
  if (series.handed_on) {
    ++series.version;
    series.handed_on = false;
  }
  return true;
}

void note_list(SeriesEvidence& series, const std::vector<std::string>& sop_instance_uids) {
  series.listed.insert(sop_instance_uids.begin(), sop_instance_uids.end());
}

void note_association_end(SeriesEvidence& series, std::uint64_t association, AssociationEnd end, double time_s) {
  const auto at = series.associations.find(association);
  if (at == series.associations.end()) return;
  at->second = end;
  series.broken_off = end == AssociationEnd::aborted;
  series.ended_s = std::max(series.ended_s, time_s);
}

void learn(SenderHabits& habits, const SeriesEvidence& settled) {
  ++habits.series;
  habits.longest_pauses_s.push_back(settled.longest_pause_s);
  if (habits.longest_pauses_s.size() > SenderHabits::kRemembered)
    habits.longest_pauses_s.erase(habits.longest_pauses_s.begin());
  std::set<std::uint64_t> carried;
  for (const auto& [uid, facts] : settled.instances) carried.insert(facts.association);
  if (carried.size() > 1) ++habits.split;
  if (any_open(settled)) ++habits.kept_open;
  if (const std::optional<int> said = said_count(settled))
    ++(*said == static_cast<int>(settled.instances.size()) ? habits.counts_right : habits.counts_wrong);
}

Judgement judge(const SeriesEvidence& series, const SenderHabits& habits, const CompletenessRules& rules,
                double now_s) {
  const Case c{series, habits, rules, now_s, static_cast<int>(series.instances.size())};
  if (series.instances.empty()) return c.waiting(now_s + rules.give_up_s, "nothing of it is here");
  if (const auto judged = by_list(c)) return *judged;
  if (all_stand_alone(series) && !said_count(series))
    return c.complete_after(series.associations.empty() || any_open(series) ? rules.film_settle_s : 0,
                            Evidence::stands_alone, fmt::format("{} projections, each complete in itself", c.here));
  const Geometry geometry = geometry_of(series);
  if (geometry.kind == Geometry::Kind::holes) return c.incomplete(geometry.missing, geometry.text);
  if (const auto judged = by_count(c, geometry)) return *judged;
  return by_ends(c, geometry);
}

}  // namespace rouage::store
