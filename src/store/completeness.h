/// Is this series all there? Evidence, not a timer.
///
///   SeriesEvidence series;
///   note_instance(series, {.sop_instance_uid = ..., .position_mm = 12.5, .time_s = now, ...});
///   const Judgement judgement = judge(series, habits_of_sender, {}, now);
///   if (judgement.state == SeriesState::complete) ...judgement.text says why...  else ask again at
///   judgement.ask_again_s
///
/// Evidence in this order: a list of the instances (MPPS, IAN); holes in geometry; a count in the header; the end of
/// the associations that carried it; what its sender used to do; and only then a quiet period, learned per sender. A
/// later instance reopens the series: `version` rises, and results of the older version are superseded. Pure values: no
/// clock is read (times come from the caller, in seconds of one monotonic or UTC scale), nothing is kept.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace rouage::store {

/// What one received instance tells about its series.
struct InstanceFacts {
  std::string sop_instance_uid;
  double time_s = 0;                  ///< when its bytes were durable
  std::uint64_t association = 0;      ///< that carried it; 0: none (a folder, STOW-RS)
  std::string stack;                  ///< instances of one stack of slices: orientation, acquisition, image type
  std::optional<double> position_mm;  ///< Image Position (Patient) along the stack's normal
  std::optional<int> instance_number;
  std::optional<int>
      said_count;             ///< instances of the series by its own header: PET slices x time slices, (0020,1209)...
  bool stands_alone = false;  ///< a projection (CR, DX, MG...): nothing of it is missing when it is there
};

enum class AssociationEnd { open, released, aborted };

/// All that is known of one series.
struct SeriesEvidence {
  std::map<std::string, InstanceFacts> instances;  ///< by SOP Instance UID: a retransmission counts once
  std::set<std::string> listed;                    ///< SOP Instance UIDs that an MPPS or IAN names; empty: none came
  std::map<std::uint64_t, AssociationEnd> associations;
  double first_s = 0, last_s = 0;  ///< arrival of its first and latest new instance
  double longest_pause_s = 0;      ///< between two new instances
  double ended_s = 0;              ///< when the last of its associations ended
  bool broken_off = false;         ///< that one broke off: its sender will try again
  int version = 0;                 ///< rises when an instance comes after the series was complete or given up
  bool handed_on = false;          ///< judged complete or partial since the latest new instance
};

/// Adds an instance. False for a retransmission, which changes nothing but the association that it came by.
bool note_instance(SeriesEvidence& series, const InstanceFacts& facts);
void note_list(SeriesEvidence& series, const std::vector<std::string>& sop_instance_uids);
void note_association_end(SeriesEvidence& series, std::uint64_t association, AssociationEnd end, double time_s);

/// What a sender did with its last series: learned when a series is settled.
struct SenderHabits {
  std::vector<double> longest_pauses_s;    ///< of its last series, newest last; at most kRemembered
  int series = 0;                          ///< settled so far
  int split = 0;                           ///< of them over several associations
  int counts_right = 0, counts_wrong = 0;  ///< header counts, against what came in the end
  int kept_open = 0;                       ///< associations still open when nothing more came
  static constexpr std::size_t kRemembered = 50;
};
/// To be called once when a series has been quiet for long after its judgement (hours), or is closed by a person.
void learn(SenderHabits& habits, const SeriesEvidence& settled);

/// Periods in seconds; a site may change them.
struct CompletenessRules {
  double settle_s = 2;           ///< every judgement but a fulfilled list waits so long for a last straggler
  double film_settle_s = 0.25;   ///< projections, while their association is open (or where there is none)
  double unknown_quiet_s = 120;  ///< a sender of which fewer than kKnownSeries series are known
  double least_quiet_s = 5;      ///< a known one
  double most_quiet_s = 900;
  double open_quiet_s = 600;    ///< while an association that carried the series is still open
  double broken_quiet_s = 600;  ///< after an association broke off: senders try again within minutes
  double give_up_s = 3600;      ///< a series known to have holes is handed on as partial
  static constexpr int kKnownSeries = 5;
};

enum class SeriesState { waiting, complete, partial };
enum class Evidence { none, list, count, geometry, association, quiet, stands_alone };

struct Judgement {
  SeriesState state = SeriesState::waiting;
  Evidence decided_by = Evidence::none;
  std::string text;        ///< for people: why, with numbers
  double ask_again_s = 0;  ///< waiting only: nothing changes before this time unless something arrives
  int missing = 0;         ///< instances known to be missing; 0 where none is known to be
};

Judgement judge(const SeriesEvidence& series, const SenderHabits& habits, const CompletenessRules& rules, double now_s);

/// What the positions and numbers of the slices say.
struct Geometry {
  /// unknown: too few slices, no positions, or a spacing that is not even. doubtful: positions show no hole, instance
  /// numbers do (images were deleted, two echoes share one numbering, or every second slice is still to come).
  enum class Kind { unknown, even, doubtful, holes };
  Kind kind = Kind::unknown;
  int missing = 0;  ///< holes only: slices, or phases of slices
  double spacing_mm = 0;
  std::string text;
};
Geometry geometry_of(const SeriesEvidence& series);

}  // namespace rouage::store
