/// One row for the examination out of its films.
#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/values.h"
#include "cogs/chest/chest.h"
#include "cogs/chest/reasons.h"
#include "cogs/chest/regions.h"

namespace rouage::cogs::chest {
namespace {

template <typename T, typename Same>
void add_once(std::vector<T>& list, const T& value, const Same& same) {
  if (std::none_of(list.begin(), list.end(), [&](const T& other) { return same(other, value); })) list.push_back(value);
}

CogResult study_row(Status status) {
  CogResult result;
  result.status = status;
  result.level = Level::study;
  return result;
}

Provenance joined_provenance(const std::vector<const CogResult*>& films) {
  Provenance p = films.front()->provenance;
  std::set<std::string> inputs, upstream;
  for (const CogResult* film : films) {
    inputs.insert(film->provenance.input_uids.begin(), film->provenance.input_uids.end());
    upstream.insert(film->provenance.upstream_uids.begin(), film->provenance.upstream_uids.end());
    for (const ModelIdentity& m : film->provenance.models)
      add_once(p.models, m,
               [](const ModelIdentity& a, const ModelIdentity& b) { return a.name == b.name && a.digest == b.digest; });
  }
  p.input_uids.assign(inputs.begin(), inputs.end());
  p.upstream_uids.assign(upstream.begin(), upstream.end());
  return p;
}

const Finding* find(const CogResult& film, const std::string& label) {
  for (const Finding& f : film.findings)
    if (f.label == label) return &f;
  return nullptr;
}

double strength(const Finding& f) {
  return f.probability.value_or(f.raw_score);
}

/// The strongest film's finding, with the regions and sides of every film on which it is positive.
Finding joined_finding(const std::vector<const CogResult*>& films, const std::string& label) {
  const Finding* strongest = nullptr;
  Laterality side = Laterality::none;
  std::vector<std::string> regions;
  bool positive = false;
  for (const CogResult* film : films) {
    const Finding* f = find(*film, label);
    if (f == nullptr) continue;
    if (strongest == nullptr || strength(*f) > strength(*strongest)) strongest = f;
    side = joined(side, f->laterality);
    regions.insert(regions.end(), f->regions.begin(), f->regions.end());
    positive = positive || f->positive;
  }
  Finding made = *strongest;
  made.level = Level::study;
  made.laterality = side;
  made.regions = std::move(regions);
  made.positive = positive;
  return made;
}

void add_findings(const std::vector<const CogResult*>& films, const std::string& study, const std::string& key,
                  CogResult& result) {
  std::vector<std::string> labels;
  for (const CogResult* film : films)
    for (const Finding& f : film->findings) add_once(labels, f.label, std::equal_to<>());
  for (const std::string& label : labels) {
    Finding made = joined_finding(films, label);
    made.id = derived_id("finding", {key, label});
    made.tracking_uid = derived_uid({"finding", study, result.provenance.models.front().name, label});
    result.findings.push_back(std::move(made));
  }
}

/// "remarkable" and other scores: the highest film's. Sex: the mean. The projection belongs to a film, not to a study.
void add_scores(const std::vector<const CogResult*>& films, CogResult& result) {
  std::map<std::string, std::vector<double>> values;
  for (const CogResult* film : films) {
    for (const auto& [name, value] : film->scores) values[name].push_back(value);
    result.score_operating_points.insert(film->score_operating_points.begin(), film->score_operating_points.end());
  }
  for (const auto& [name, list] : values) {
    if (name.starts_with("view_")) {
      result.score_operating_points.erase(name);
      continue;
    }
    double sum = 0;
    for (const double v : list) sum += v;
    result.scores[name] =
        name.starts_with("sex_") ? sum / static_cast<double>(list.size()) : *std::max_element(list.begin(), list.end());
  }
}

void add_measurements(const std::vector<const CogResult*>& films, const std::string& study, const std::string& key,
                      CogResult& result) {
  std::vector<std::string> names;
  for (const CogResult* film : films)
    for (const Measurement& m : film->measurements) add_once(names, m.name, std::equal_to<>());
  for (const std::string& name : names) {
    std::optional<Measurement> made;
    double weights = 0, sum = 0, variances = 0;
    for (const CogResult* film : films)
      for (const Measurement& m : film->measurements) {
        if (m.name != name) continue;
        if (!made) made = m;
        const double variance = m.uncertainty && *m.uncertainty > 0 ? *m.uncertainty * *m.uncertainty : 1;
        sum += m.value / variance;
        weights += 1 / variance;
        variances += 1;
        if (!m.uncertainty) made->uncertainty.reset();
      }
    made->value = sum / weights;
    // The mean variance (harmonic), not variance / n: films of one patient share their error.
    if (made->uncertainty) made->uncertainty = std::sqrt(variances / weights);
    made->level = Level::study;
    made->id = derived_id("measurement", {key, name});
    made->tracking_uid = derived_uid({"measurement", study, result.provenance.models.front().name, name});
    result.measurements.push_back(std::move(*made));
  }
}

CogResult ineligible_study(const std::vector<CogResult>& films) {
  CogResult result = study_row(Status::ineligible);
  std::vector<const CogResult*> all;
  for (const CogResult& film : films) {
    all.push_back(&film);
    for (const Ineligibility& r : film.reasons)
      add_once(result.reasons, r, [](const Ineligibility& a, const Ineligibility& b) { return a.code == b.code; });
    for (const std::string& w : film.warnings) add_once(result.warnings, w, std::equal_to<>());
  }
  if (films.empty()) {
    result.provenance.cog = "chest";
    result.provenance.cog_version = kVersion;
  } else {
    result.provenance = joined_provenance(all);
  }
  if (result.reasons.empty()) result.reasons.push_back(reason("no_film"));
  return result;
}

}  // namespace

CogResult combine(const std::vector<CogResult>& films, const std::string& study_instance_uid) {
  std::vector<const CogResult*> read;
  for (const CogResult& film : films)
    if (film.status == Status::done) read.push_back(&film);
  if (read.empty()) return ineligible_study(films);
  CogResult result = study_row(Status::done);
  result.provenance = joined_provenance(read);
  std::vector<std::string> parts = result.provenance.uid_parts();
  parts.insert(parts.end(), {"study", study_instance_uid});
  const std::string key = digest_of(parts).hex();
  add_findings(read, study_instance_uid, key, result);
  add_scores(read, result);
  add_measurements(read, study_instance_uid, key, result);
  for (const CogResult* film : read)
    result.regions.insert(result.regions.end(), film->regions.begin(), film->regions.end());
  for (const CogResult& film : films) {
    for (const std::string& w : film.warnings) add_once(result.warnings, w, std::equal_to<>());
    if (film.status == Status::ineligible)
      for (const Ineligibility& r : film.reasons)
        add_once(result.warnings, "a film was left out: " + r.text, std::equal_to<>());
  }
  return result;
}

}  // namespace rouage::cogs::chest
