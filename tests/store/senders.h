/// Scripted senders: what a modality or a PACS does over the wire, and what was really there to be sent.
#pragma once
#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "store/completeness.h"

namespace rouage::store::testing {

struct Event {
  double time_s = 0;
  std::function<void(SeriesEvidence&)> happen;
};

/// One series as it comes.
struct Script {
  std::string name;
  std::vector<Event> events;
  std::size_t truth = 0;     ///< instances of the series, those included that are never sent
  double last_s = 0;         ///< arrival of the last instance that comes
  bool accident = false;     ///< not this sender's habit: its earlier series were steady ones
  std::optional<int> count;  ///< of those
  bool tellable = true;      ///< counts or geometry can tell that it is not whole, at every moment when it is not

  void instance(InstanceFacts facts) {
    last_s = std::max(last_s, facts.time_s);
    events.push_back({facts.time_s, [facts](SeriesEvidence& s) { note_instance(s, facts); }});
  }
  void end(std::uint64_t association, double time_s, AssociationEnd how = AssociationEnd::released) {
    events.push_back({time_s, [=](SeriesEvidence& s) { note_association_end(s, association, how, time_s); }});
  }
  void list(double time_s, const std::vector<int>& numbers);
};

struct SliceOptions {
  std::optional<int> count;
  bool numbered = true, placed = true;
  std::string stack = "axial";
};

inline std::string uid_of(int slice) {
  return "1.2.3." + std::to_string(slice);
}

inline InstanceFacts slice(int number, double time_s, std::uint64_t association, const SliceOptions& options = {}) {
  InstanceFacts facts;
  facts.sop_instance_uid = uid_of(number);
  facts.time_s = time_s;
  facts.association = association;
  facts.stack = options.stack;
  if (options.placed) facts.position_mm = -200 + 2.5 * number;
  if (options.numbered) facts.instance_number = number;
  facts.said_count = options.count;
  return facts;
}

inline void Script::list(double time_s, const std::vector<int>& numbers) {
  std::vector<std::string> uids;
  for (const int number : numbers) uids.push_back(uid_of(number));
  events.push_back({time_s, [uids](SeriesEvidence& s) { note_list(s, uids); }});
}

inline std::vector<int> range(int first, int last, int step = 1) {
  std::vector<int> numbers;
  for (int i = first; i <= last; i += step) numbers.push_back(i);
  return numbers;
}

/// Slices one after the other, `every_s` apart. Returns the time after the last.
inline double send(Script& script, const std::vector<int>& numbers, double start_s, double every_s,
                   std::uint64_t association, const SliceOptions& options = {}) {
  double time = start_s;
  for (const int number : numbers) {
    script.instance(slice(number, time, association, options));
    time += every_s;
  }
  return time;
}

constexpr int kSlices = 100;

inline Script steady(std::optional<int> count = {}) {
  Script s{.name = count ? "steady, with a count" : "steady", .truth = kSlices, .tellable = count.has_value()};
  s.end(1, send(s, range(1, kSlices), 0, 0.05, 1, {.count = count}));
  return s;
}

inline Script pause_in_the_middle(bool same_association, std::optional<int> count) {
  Script s{.name = std::string("a pause of 3 minutes, ") + (same_association ? "one association" : "then another one") +
                   (count ? ", with a count" : ""),
           .truth = kSlices,
           .tellable = count.has_value()};
  const double middle = send(s, range(1, 60), 0, 0.05, 1, {.count = count});
  if (!same_association) s.end(1, middle);
  const std::uint64_t second = same_association ? 1 : 2;
  s.end(second, send(s, range(61, kSlices), middle + 180, 0.05, second, {.count = count}));
  return s;
}

/// Every second slice first, the others after a pause: the spacing looks even in between.
inline Script even_then_odd() {
  Script s{.name = "even slices, a pause of 2 minutes, odd slices", .truth = kSlices};
  const double middle = send(s, range(2, kSlices, 2), 0, 0.05, 1);
  s.end(1, middle);
  s.end(2, send(s, range(1, kSlices, 2), middle + 120, 0.05, 2));
  return s;
}

inline Script out_of_order(double pause_s) {
  Script s{.name = "slices out of order, a pause in between", .truth = kSlices};
  std::vector<int> first, second;
  for (int i = 1; i <= kSlices; ++i) (i * 37 % 101 < 50 ? first : second).push_back(i);
  std::sort(first.begin(), first.end(), [](int a, int b) { return a * 37 % 101 < b * 37 % 101; });
  const double middle = send(s, first, 0, 0.05, 1);
  s.end(1, send(s, second, middle + pause_s, 0.05, 1));
  return s;
}

/// Another series travels on the same association, which stays open long after ours is whole.
inline Script interleaved() {
  Script s{.name = "interleaved with a long series on one association", .truth = kSlices, .tellable = false};
  send(s, range(1, kSlices), 0, 0.1, 1);
  s.end(1, 120);
  return s;
}

inline Script two_associations() {
  Script s{.name = "two associations at once", .truth = kSlices};
  s.end(1, send(s, range(1, kSlices, 2), 0, 0.1, 1));
  s.end(2, send(s, range(2, kSlices, 2), 8, 0.1, 2));
  return s;
}

inline Script retransmission() {
  Script s{.name = "sent twice", .truth = kSlices, .tellable = false};
  const double first = send(s, range(1, kSlices), 0, 0.05, 1);
  s.end(1, first);
  const double last = s.last_s;
  s.end(2, send(s, range(1, kSlices), first + 20, 0.05, 2));
  s.last_s = last;  // nothing new comes the second time
  return s;
}

inline Script lost_slice(int lost, std::optional<int> count) {
  Script s{.name = std::string("slice ") + std::to_string(lost) + " of 100 is lost" + (count ? ", with a count" : ""),
           .truth = kSlices,
           .accident = true,
           .count = count};
  std::vector<int> sent = range(1, kSlices);
  sent.erase(sent.begin() + lost - 1);
  s.end(1, send(s, sent, 0, 0.05, 1, {.count = count}));
  return s;
}

inline Script wrong_count(int said) {
  Script s{.name = "a count of " + std::to_string(said) + " for 100 slices", .truth = kSlices, .tellable = false};
  s.end(1, send(s, range(1, kSlices), 0, 0.05, 1, {.count = said}));
  return s;
}

inline Script mpps(double list_s, const char* when) {
  Script s{.name = std::string("an MPPS ") + when + ", and a pause of 3 minutes", .truth = kSlices};
  s.tellable = list_s < 0;  // a list that comes late tells nothing before
  const double middle = send(s, range(1, 60), 0, 0.05, 1);
  s.end(1, middle);
  s.end(2, send(s, range(61, kSlices), middle + 180, 0.05, 2));
  s.list(std::max(list_s, 0.0), range(1, kSlices));
  return s;
}

inline Script broken_off() {
  Script s{.name = "an association breaks off, sent again after 100 s",
           .truth = kSlices,
           .accident = true,
           .tellable = false};
  const double middle = send(s, range(1, 60), 0, 0.05, 1);
  s.end(1, middle, AssociationEnd::aborted);
  s.end(2, send(s, range(1, kSlices), middle + 100, 0.05, 2));
  return s;
}

inline Script never_released() {
  Script s{.name = "a sender that never releases", .truth = kSlices, .tellable = false};
  send(s, range(1, kSlices), 0, 0.05, 1);
  return s;
}

/// 20 places x 5 phases, phase after phase; a phase comes after a pause.
inline Script dynamic() {
  Script s{.name = "a dynamic series of 5 phases, a pause within one", .truth = 100};
  int number = 0;
  double time = 0;
  for (int phase = 0; phase < 5; ++phase)
    for (int place = 0; place < 20; ++place) {
      if (phase == 2 && place == 7) time += 150;
      InstanceFacts facts = slice(++number, time, 1);
      facts.position_mm = 3.0 * place;
      s.instance(facts);
      time += 0.05;
    }
  s.end(1, time);
  s.tellable = false;  // between two phases nothing is missing yet
  return s;
}

inline Script film() {
  Script s{.name = "one chest film", .truth = 1};
  InstanceFacts facts;
  facts.sop_instance_uid = uid_of(1);
  facts.association = 1;
  facts.stands_alone = true;
  s.instance(facts);
  s.end(1, 0.1);
  return s;
}

}  // namespace rouage::store::testing
