#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <mutex>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "receive/priors.h"
#include "receive/priors_source.h"

namespace rouage::receive {
namespace {

/// What every fetched object must say of itself.
std::optional<std::string> unexpected(const CurrentStudy& current, const std::string& study_instance_uid,
                                      const dicom::IndexEntry& entry) {
  if (entry.study_instance_uid != study_instance_uid) return "an object of another study came";
  return other_person(current, entry.patient_id, entry.issuer_of_patient_id, entry.birth_date, entry.sex);
}

class Fetch {
 public:
  Fetch(const PriorsSource& source, const CurrentStudy& current, InstanceSink& sink,
        const std::function<dicom::IndexEntry(const std::filesystem::path&)>& read_header, double deadline_s)
      : source_(source), current_(current), sink_(sink), read_header_(read_header), deadline_(deadline_s) {}

  FetchReport run(const PriorsFound& found) {
    const double begun = monotonic_s();
    for (const PriorStudy& study : found.studies) {
      if (deadline_.passed()) break;
      fetch_study(study);
    }
    report_.in_time = !deadline_.passed();
    if (!report_.in_time) fail("the time for priors is over");
    report_.seconds = monotonic_s() - begun;
    metrics().histogram("rouage_priors_fetch_seconds", "time to fetch the priors of a study").observe(report_.seconds);
    metrics()
        .counter("rouage_priors_objects_total", "objects of priors kept")
        .add(static_cast<double>(report_.objects));
    return report_;
  }

 private:
  void fail(const std::string& why) {
    constexpr std::size_t kMostSaid = 50;
    if (report_.failures.size() < kMostSaid) report_.failures.push_back(why);
  }

  void fetch_study(const PriorStudy& study) {
    const bool by_move = source_.peer && !source_.move_to.empty();
    if (by_move && !source_.gate) {
      fail("C-MOVE needs the gate in front of our listener");
      return;
    }
    if (by_move) source_.gate->expect(study.study_instance_uid, source_.peer->ae_title, current_);
    bool whole = true;
    for (const PriorSeries& series : study.series) whole = !deadline_.passed() && fetch_series(study, series) && whole;
    if (by_move) {
      const PriorsGate::Count count = source_.gate->forget(study.study_instance_uid);
      report_.objects += count.kept + count.duplicates;
      report_.duplicates += count.duplicates;
      report_.refused += count.refused;
      for (const std::string& failure : count.failures) fail(failure);
      whole = whole && count.refused == 0;
    }
    if (whole) report_.studies_whole.push_back(study.study_instance_uid);
  }

  bool fetch_series(const PriorStudy& study, const PriorSeries& series) {
    for (int attempt = 1;; ++attempt) {
      try {
        bool good = true;
        const auto peer = source_.peer ? dimse_priors(source_, deadline_) : web_priors(source_, deadline_);
        const bool all = peer->fetch(study, series, sink_, [&](const auto& file, std::uint64_t bytes, const Digest& d) {
          good = take(study, file, bytes, d) && good;
          return !deadline_.passed();
        });
        if (!all) fail(fmt::format("{} series of {} came in part", series.modality, study.study_date));
        return all && good;
      } catch (const Error& error) {
        if (error_entry(error.code()).retry && attempt < source_.tries && deadline_.left_s() > 2) continue;
        fail(fmt::format("{} series of {}: {}", series.modality, study.study_date, error.what()));
        return false;
      }
    }
  }

  /// One object that lies in the incoming folder. False: not kept.
  bool take(const PriorStudy& study, const std::filesystem::path& file, std::uint64_t bytes, const Digest& digest) {
    const auto drop = [&](const std::string& why) {
      std::error_code ignored;
      std::filesystem::remove(file, ignored);
      ++report_.refused;
      fail(why);
      return false;
    };
    try {
      Arrival arrival{file, bytes, digest, read_header_(file), {}};
      if (const auto why = unexpected(current_, study.study_instance_uid, arrival.entry))
        return drop("not kept: " + *why);
      arrival.origin.way = Origin::Way::priors;
      arrival.origin.sender = source_.name();
      std::vector<Arrival> one;
      one.push_back(std::move(arrival));
      const Receipt receipt = sink_.accept(std::move(one)).at(0);
      if (receipt.outcome == Outcome::refused) {
        ++report_.refused;
        fail("not kept: " + receipt.text);
        return false;
      }
      ++report_.objects;
      if (receipt.outcome == Outcome::duplicate) ++report_.duplicates;
      return true;
    } catch (const Error& error) {
      return drop("not kept: " + error.detail());
    }
  }

  const PriorsSource& source_;
  const CurrentStudy& current_;
  InstanceSink& sink_;
  const std::function<dicom::IndexEntry(const std::filesystem::path&)>& read_header_;
  Deadline deadline_;
  FetchReport report_;
};

}  // namespace

FetchReport fetch_priors(const PriorsSource& source, const PriorsFound& found, const CurrentStudy& current,
                         InstanceSink& sink,
                         const std::function<dicom::IndexEntry(const std::filesystem::path&)>& read_header,
                         double deadline_s) {
  return Fetch(source, current, sink, read_header, deadline_s).run(found);
}

struct PriorsGate::State {
  struct Expected {
    std::string sender;
    CurrentStudy current;
    Count count;
    int fetches = 1;
  };
  InstanceSink& store;
  std::mutex mutex;
  std::map<std::string, Expected> expected;  // by study

  explicit State(InstanceSink& to) : store(to) {}

  /// The study that an arrival belongs to, when it is one that we asked for.
  Expected* of(const Arrival& arrival) {
    const auto found = expected.find(arrival.entry.study_instance_uid);
    const bool ours = found != expected.end() && arrival.origin.way == Origin::Way::dimse &&
                      arrival.origin.sender == found->second.sender;
    return ours ? &found->second : nullptr;
  }
};

PriorsGate::PriorsGate(InstanceSink& store) : state_(std::make_unique<State>(store)) {}
PriorsGate::~PriorsGate() = default;

void PriorsGate::expect(const std::string& study_instance_uid, const std::string& sender, const CurrentStudy& current) {
  const std::scoped_lock lock(state_->mutex);
  const auto [place, made] = state_->expected.try_emplace(study_instance_uid, State::Expected{sender, current, {}});
  if (!made) ++place->second.fetches;
}

PriorsGate::Count PriorsGate::forget(const std::string& study_instance_uid) {
  const std::scoped_lock lock(state_->mutex);
  const auto found = state_->expected.find(study_instance_uid);
  if (found == state_->expected.end()) return {};
  Count count = found->second.count;
  if (--found->second.fetches == 0) state_->expected.erase(found);
  return count;
}

/// Marks what was asked for; the rest passes unchanged. An object of a study that we asked for which names another
/// person is kept as the store would keep it, but not as a prior: the PACS sent it to us, and nothing is lost here.
std::vector<Receipt> PriorsGate::accept(std::vector<Arrival> arrivals) {
  std::vector<std::string> studies(arrivals.size());
  {
    const std::scoped_lock lock(state_->mutex);
    for (std::size_t i = 0; i < arrivals.size(); ++i) {
      State::Expected* expected = state_->of(arrivals[i]);
      if (expected == nullptr) continue;
      const std::string& study = arrivals[i].entry.study_instance_uid;
      if (const auto why = unexpected(expected->current, study, arrivals[i].entry)) {
        ++expected->count.refused;
        expected->count.failures.push_back("not taken as a prior: " + *why);
        continue;
      }
      arrivals[i].origin.way = Origin::Way::priors;
      studies[i] = study;
    }
  }
  std::vector<Receipt> receipts = state_->store.accept(std::move(arrivals));
  const std::scoped_lock lock(state_->mutex);
  for (std::size_t i = 0; i < studies.size() && i < receipts.size(); ++i) {
    const auto found = state_->expected.find(studies[i]);
    if (studies[i].empty() || found == state_->expected.end()) continue;
    Count& count = found->second.count;
    if (receipts[i].outcome == Outcome::refused)
      ++count.refused;
    else
      ++(receipts[i].outcome == Outcome::duplicate ? count.duplicates : count.kept);
  }
  return receipts;
}

std::filesystem::path PriorsGate::incoming() const {
  return state_->store.incoming();
}
std::optional<Error> PriorsGate::no_room(std::uint64_t bytes) const {
  return state_->store.no_room(bytes);
}
void PriorsGate::association_opened(std::uint64_t association, const Origin& origin) {
  state_->store.association_opened(association, origin);
}
void PriorsGate::association_ended(std::uint64_t association, bool released) {
  state_->store.association_ended(association, released);
}
void PriorsGate::note_lists(const std::vector<SeriesList>& lists) {
  state_->store.note_lists(lists);
}
void PriorsGate::note_message(const OrderMessage& message) {
  state_->store.note_message(message);
}

}  // namespace rouage::receive
