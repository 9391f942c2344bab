#include "receive/priors.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <thread>
#include <tuple>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "receive/priors_source.h"

namespace rouage::receive {
namespace {

constexpr std::size_t kMostStudiesLookedAt = 50;
constexpr double kDaysAYear = 365.2425;

std::optional<std::chrono::sys_days> day_of(const std::string& date) {
  if (date.size() < 8 || date.find_first_not_of("0123456789") < 8) return std::nullopt;
  const std::chrono::year_month_day day{std::chrono::year{std::stoi(date.substr(0, 4))},
                                        std::chrono::month{static_cast<unsigned>(std::stoi(date.substr(4, 2)))},
                                        std::chrono::day{static_cast<unsigned>(std::stoi(date.substr(6, 2)))}};
  if (!day.ok()) return std::nullopt;
  return std::chrono::sys_days{day};
}

std::string date_text(std::chrono::sys_days days) {
  const std::chrono::year_month_day day{days};
  return fmt::format("{:04}{:02}{:02}", static_cast<int>(day.year()), static_cast<unsigned>(day.month()),
                     static_cast<unsigned>(day.day()));
}

/// "*" and "?", without recursion: the last star is the only one that may grow.
bool glob(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, star = std::string_view::npos, mark = 0;
  while (t < text.size()) {
    if (p < pattern.size() && (pattern[p] == '?' || (pattern[p] != '*' && pattern[p] == text[t]))) {
      ++p;
      ++t;
    } else if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      mark = t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++mark;
    } else {
      return false;
    }
  }
  return std::all_of(pattern.begin() + static_cast<std::ptrdiff_t>(p), pattern.end(), [](char c) { return c == '*'; });
}

bool fits_one(const std::vector<std::string>& globs, const std::string& text) {
  return !text.empty() && std::any_of(globs.begin(), globs.end(), [&](const std::string& pattern) {
    return glob(lower_case(pattern), lower_case(text));
  });
}

std::vector<std::string> wanted_modalities(const PriorRules& rules, const CurrentStudy& current) {
  return rules.modalities.empty() ? std::vector<std::string>{current.modality} : rules.modalities;
}

bool contains(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

/// Why the study is no prior, by what a study query tells.
std::optional<std::string> unfit_study(const PriorRules& rules, const CurrentStudy& current, const FoundStudy& found) {
  if (found.study.study_instance_uid == current.study_instance_uid) return "it is the current study";
  if (!dicom::valid_uid(found.study.study_instance_uid)) return "its UID is not valid";
  if (auto why = other_person(current, found.study.patient_id, found.issuer, found.birth_date, found.sex)) return why;
  const auto day = day_of(found.study.study_date), today = day_of(current.study_date);
  if (!day || !today) return "its date is not known";
  if (*day > *today) return "it is later than the current study";
  if (*day == *today && (found.study.study_time.empty() || found.study.study_time >= current.study_time))
    return "it is not earlier than the current study";
  if (static_cast<double>((*today - *day).count()) > rules.years * kDaysAYear)
    return fmt::format("it is older than {} years", number_text(rules.years));
  const std::vector<std::string> wanted = wanted_modalities(rules, current);
  const std::vector<std::string> has = split(found.modalities, '\\');
  if (!found.modalities.empty() &&
      std::none_of(has.begin(), has.end(), [&](const std::string& m) { return contains(wanted, m); }))
    return "none of its modalities is wanted";
  return std::nullopt;
}

/// Asks again what may succeed later.
template <typename Question>
auto persistently(const PriorsSource& source, const Deadline& deadline, Question question) {
  for (int attempt = 1;; ++attempt) {
    try {
      return question();
    } catch (const Error& error) {
      if (!error_entry(error.code()).retry || attempt >= source.tries || deadline.left_s() < 2) throw;
      std::this_thread::sleep_for(std::chrono::seconds(1));
    }
  }
}

std::unique_ptr<PriorsPeer> peer_of(const PriorsSource& source, const Deadline& deadline) {
  if (source.peer) return dimse_priors(source, deadline);
  if (!source.url.empty()) return web_priors(source, deadline);
  throw Error(ErrorCode::ConfigInvalid, "a source of priors without peer or URL");
}

/// A query key that would match other patients too.
bool ambiguous(const std::string& id) {
  return id.empty() || id.find_first_of("*?\\") != std::string::npos;
}

/// The series of one candidate that fit, or why there is none.
void choose_series(PriorsPeer& peer, const PriorRules& rules, const CurrentStudy& current, PriorStudy study,
                   PriorsFound& found) {
  std::string why = "it has no series";
  int instances = 0;
  for (PriorSeries& series : peer.series(study.study_instance_uid)) {
    if (!dicom::valid_uid(series.series_instance_uid)) continue;
    if (auto unfit = unfit_series(rules, current, study, series)) {
      why = *unfit;
      continue;
    }
    instances += series.instances;
    study.series.push_back(std::move(series));
  }
  if (study.series.empty()) {
    found.passed_over.push_back(study.study_date + ": " + why);
  } else if (instances > rules.most_instances) {
    found.passed_over.push_back(
        fmt::format("{}: {} instances are more than {}", study.study_date, instances, rules.most_instances));
  } else {
    const PriorSeries& first = study.series.front();
    study.why = fmt::format("{} of {}, {} series of {}{}", first.modality, study.study_date, study.series.size(),
                            first.modality, first.body_part.empty() ? "" : ", " + first.body_part);
    found.studies.push_back(std::move(study));
  }
}

std::vector<FoundStudy> candidates(PriorsPeer& peer, const PriorsSource& source, const PriorRules& rules,
                                   const CurrentStudy& current, const Deadline& deadline, PriorsFound& found) {
  const auto today = *day_of(current.study_date);
  const auto first = today - std::chrono::days(static_cast<int>(std::ceil(rules.years * kDaysAYear)));
  const std::string days = date_text(first) + "-" + date_text(today);
  std::vector<std::string> ids = {current.patient_id};
  ids.insert(ids.end(), current.other_ids.begin(), current.other_ids.end());
  std::vector<FoundStudy> fit;
  for (const std::string& id : ids) {
    if (ambiguous(id)) continue;
    for (FoundStudy& study : persistently(source, deadline, [&] { return peer.studies(id, days); })) {
      if (const auto why = unfit_study(rules, current, study)) {
        if (study.study.study_instance_uid != current.study_instance_uid)
          found.passed_over.push_back(study.study.study_date + ": " + *why);
      } else {
        fit.push_back(std::move(study));
      }
    }
  }
  std::sort(fit.begin(), fit.end(), [](const FoundStudy& a, const FoundStudy& b) {
    return std::tie(a.study.study_date, a.study.study_time) > std::tie(b.study.study_date, b.study.study_time);
  });
  return fit;
}

}  // namespace

Deadline::Deadline(double seconds) : at_s_(monotonic_s() + seconds) {}

double Deadline::left_s() const {
  return std::max(0.0, at_s_ - monotonic_s());
}

std::string PriorsSource::name() const {
  return "priors:" + (peer ? peer->ae_title : url);
}

CurrentStudy current_study_of(const dicom::IndexEntry& entry) {
  return {entry.patient_id,         entry.issuer_of_patient_id, entry.birth_date, entry.sex,      {},
          entry.study_instance_uid, entry.study_date,           entry.study_time, entry.modality, entry.body_part,
          entry.study_description};
}

std::optional<std::string> other_person(const CurrentStudy& current, const std::string& patient_id,
                                        const std::string& issuer, const std::string& birth_date,
                                        const std::string& sex) {
  const auto differ = [](const std::string& a, const std::string& b) { return !a.empty() && !b.empty() && a != b; };
  const bool known_id =
      !patient_id.empty() && (patient_id == current.patient_id || contains(current.other_ids, patient_id));
  if (!known_id) return "another patient id";
  if (differ(current.issuer, issuer)) return "the same patient id, given by another issuer";
  if (differ(current.birth_date, birth_date)) return "the same patient id with another birth date";
  if (differ(current.sex, sex)) return "the same patient id with another sex";
  return std::nullopt;
}

std::optional<std::string> unfit_series(const PriorRules& rules, const CurrentStudy& current, const PriorStudy& study,
                                        const PriorSeries& series) {
  const std::vector<std::string> wanted = wanted_modalities(rules, current);
  if (!contains(wanted, series.modality)) return "modality " + series.modality + " is not wanted";
  if (rules.body_parts.empty() && rules.descriptions.empty()) {
    if (current.body_part.empty() || series.body_part.empty() ||
        lower_case(current.body_part) == lower_case(series.body_part))
      return std::nullopt;
    return "body part " + series.body_part + " is not " + current.body_part;
  }
  if (fits_one(rules.body_parts, series.body_part) || fits_one(rules.descriptions, series.description) ||
      fits_one(rules.descriptions, study.description))
    return std::nullopt;
  return "neither body part nor description is wanted";
}

PriorsFound find_priors(const PriorsSource& source, const PriorRules& rules, const CurrentStudy& current,
                        double deadline_s) {
  PriorsFound found;
  if (ambiguous(current.patient_id)) {
    found.failure = "the current study has no patient id that names one patient";
    return found;
  }
  if (!day_of(current.study_date)) {
    found.failure = "the current study has no date";
    return found;
  }
  const Deadline deadline(deadline_s);
  try {
    const std::unique_ptr<PriorsPeer> peer = peer_of(source, deadline);
    std::size_t looked_at = 0;
    for (FoundStudy& study : candidates(*peer, source, rules, current, deadline, found)) {
      if (found.studies.size() >= rules.most || looked_at++ >= kMostStudiesLookedAt) break;
      if (deadline.passed()) throw Error(ErrorCode::PeerUnreachable, "the time for priors is over");
      persistently(source, deadline, [&] { choose_series(*peer, rules, current, study.study, found); });
    }
  } catch (const Error& error) {
    found.failure = error.what();
    log_event(LogLevel::warning, "receive", "priors not found", {{"source", source.name()}, {"why", error.what()}});
  }
  return found;
}

}  // namespace rouage::receive
