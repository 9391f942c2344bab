// Queries: what the index finds, less what may not leave yet.
#include <algorithm>

#include "base/error.h"
#include "store/query_tables.h"
#include "store/store_state.h"

namespace rouage::store {
namespace {

using dicom::Attributes;

/// Attributes that every answer of a level holds (PS3.4 C.6.2.1 and PS3.18 10.6.3.3).
std::set<std::uint32_t> required(Level level) {
  switch (level) {
    case Level::patient:
      return {0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00201200, 0x00201202, 0x00201204};
    case Level::study:
      return {0x00080020, 0x00080030, 0x00080050, 0x00080061, 0x00080090, 0x00081030, 0x00100010,
              0x00100020, 0x00100030, 0x00100040, 0x0020000D, 0x00200010, 0x00201206, 0x00201208};
    case Level::series:
      return {0x00080060, 0x0008103E, 0x0020000D, 0x0020000E, 0x00200011, 0x00201209};
    case Level::instance:
      break;
  }
  return {0x00080016, 0x00080018, 0x0020000D, 0x0020000E, 0x00200013};
}

/// What of a study may be seen by this exit.
struct Visible {
  std::set<std::string> modalities;
  std::int64_t series = 0, instances = 0;
  bool some_hidden = false;
};

class Answerer {
 public:
  Answerer(const Store::State& state, const Query& query) : s_(state), query_(query), wanted_(required(query.level)) {
    wanted_.insert(query.wanted.begin(), query.wanted.end());
    for (const auto& [tag, value] : query.match) wanted_.insert(tag);
    conditions_ = sql::conditions_of(query, [&](const std::string& id) { return s_.merges.same_patient(id); });
  }

  bool run(const std::function<bool(const Attributes&)>& match);

 private:
  bool leaves(const std::string& study, const std::string& sop) const {
    return s_.may_leave(query_.exit, query_.policy, study, sop);
  }
  Visible visible(Transaction& tx, std::int64_t study_id, const std::string& study_uid) const;
  std::int64_t visible_instances(Transaction& tx, const sql::Hit& hit) const;
  std::optional<Attributes> answer(Transaction& tx, const sql::Hit& hit);
  bool answer_patient(Transaction& tx, const sql::Hit& hit, Attributes& all);
  bool answer_study(Transaction& tx, const sql::Hit& hit, Attributes& all) const;
  bool answer_series(Transaction& tx, const sql::Hit& hit, Attributes& all) const;
  bool wants(std::uint32_t tag) const { return wanted_.contains(tag); }
  void add_from_file(Transaction& tx, const sql::Hit& hit, Attributes& all) const;

  const Store::State& s_;
  const Query& query_;
  std::set<std::uint32_t> wanted_;
  sql::Conditions conditions_;
  std::set<std::string> patients_;  ///< answered already, by the id that survives
};

Visible Answerer::visible(Transaction& tx, std::int64_t study_id, const std::string& study_uid) const {
  Visible seen;
  for (const sql::SeriesContent& series : sql::content_of_study(tx, study_id)) {
    std::int64_t instances = series.instances;
    if (series.is_result) {
      instances = 0;
      for (const std::string& sop : sql::current_instances(tx, series.id)) {
        const bool allowed = leaves(study_uid, sop);
        instances += allowed ? 1 : 0;
        seen.some_hidden = seen.some_hidden || !allowed;
      }
    }
    if (instances == 0) continue;
    seen.modalities.insert(series.modality);
    ++seen.series;
    seen.instances += instances;
  }
  return seen;
}

std::int64_t Answerer::visible_instances(Transaction& tx, const sql::Hit& hit) const {
  std::int64_t instances = 0;
  for (const std::string& sop : sql::current_instances(tx, hit.series_id))
    if (!hit.is_result || leaves(hit.study_uid, sop)) ++instances;
  return instances;
}

bool Answerer::answer_patient(Transaction& tx, const sql::Hit& hit, Attributes& all) {
  const std::string& id = hit.attributes.at(0x00100020);
  const std::vector<std::string> same = s_.merges.same_patient(id);
  const std::string issuer = same.size() > 1 ? std::string() : hit.attributes.at(0x00100021);
  if (!patients_.insert(s_.merges.survivor(id) + "\\" + issuer).second) return false;
  std::int64_t studies = 0, series = 0, instances = 0;
  for (const sql::PatientStudy& study :
       sql::studies_of_patient(tx, same, same.size() > 1 ? std::nullopt : std::optional(issuer))) {
    const Visible seen = visible(tx, study.id, study.uid);
    studies += seen.instances > 0 ? 1 : 0;
    series += seen.series;
    instances += seen.instances;
  }
  all[0x00201200] = std::to_string(studies);
  all[0x00201202] = std::to_string(series);
  all[0x00201204] = std::to_string(instances);
  return instances > 0;
}

bool Answerer::answer_study(Transaction& tx, const sql::Hit& hit, Attributes& all) const {
  const Visible seen = visible(tx, hit.study_id, hit.study_uid);
  if (seen.instances == 0) return false;
  // It must be found by what may be seen of it, not by a withheld result.
  if (seen.some_hidden && conditions_.below_study()) {
    const auto found = sql::matching_instances(tx, hit.study_id, conditions_);
    const bool shown = std::any_of(found.begin(), found.end(), [&](const auto& instance) {
      return !instance.second || leaves(hit.study_uid, instance.first);
    });
    if (!shown) return false;
  }
  std::string modalities, classes;
  for (const std::string& modality : seen.modalities) modalities += (modalities.empty() ? "" : "\\") + modality;
  all[0x00080061] = modalities;
  all[0x00201206] = std::to_string(seen.series);
  all[0x00201208] = std::to_string(seen.instances);
  if (wants(0x00080062)) {
    for (const std::string& uid : sql::sop_classes_of_study(tx, hit.study_id))
      classes += (classes.empty() ? "" : "\\") + uid;
    all[0x00080062] = classes;
  }
  return true;
}

bool Answerer::answer_series(Transaction& tx, const sql::Hit& hit, Attributes& all) const {
  const std::int64_t instances = visible_instances(tx, hit);
  all[0x00201209] = std::to_string(instances);
  return instances > 0;
}

/// Attributes that the index does not hold come from an object itself.
void Answerer::add_from_file(Transaction& tx, const sql::Hit& hit, Attributes& all) const {
  static constexpr std::uint32_t kSpecificCharacterSet = 0x00080005;
  if (query_.level == Level::patient) return;
  std::optional<std::filesystem::path> file;
  for (const std::uint32_t tag : wanted_) {
    if (all.contains(tag) || tag == kSpecificCharacterSet || tag == 0x00080052 || tag == 0x00080054 ||
        tag == 0x00080056)
      continue;
    if (!file) {
      const auto found = query_.level == Level::instance ? std::optional(std::pair(hit.sop_uid, hit.digest))
                                                         : sql::any_file(tx, hit.study_id, hit.series_id);
      if (!found) return;
      file = s_.objects / object_path(hit.study_uid, found->first, found->second);
    }
    try {
      all[tag] = dicom::attribute_text(*file, tag);
    } catch (const Error&) {
      return;  // verify reports a file that is not there
    }
  }
}

std::optional<Attributes> Answerer::answer(Transaction& tx, const sql::Hit& hit) {
  Attributes all = hit.attributes;
  bool shown = true;
  if (query_.level == Level::patient) shown = answer_patient(tx, hit, all);
  if (query_.level == Level::study) shown = answer_study(tx, hit, all);
  if (query_.level == Level::series) shown = answer_series(tx, hit, all);
  if (query_.level == Level::instance) shown = !hit.is_result || leaves(hit.study_uid, hit.sop_uid);
  if (!shown) return {};
  all[0x00100020] = s_.merges.survivor(all[0x00100020]);
  return all;
}

bool Answerer::run(const std::function<bool(const Attributes&)>& match) {
  constexpr std::size_t kMostAtOnce = 500;
  std::size_t skip = query_.offset, answered = 0;
  return s_.database->read([&](Transaction& tx) {
    std::optional<sql::Hit> last;
    while (true) {
      const std::size_t step = std::min(kMostAtOnce, query_.limit - answered + skip + 1);
      const std::vector<sql::Hit> hits = sql::hits(tx, query_.level, conditions_, last, step);
      for (const sql::Hit& hit : hits) {
        auto all = answer(tx, hit);
        if (!all) continue;
        if (skip > 0) {
          --skip;
          continue;
        }
        if (answered == query_.limit) return true;
        add_from_file(tx, hit, *all);
        std::erase_if(*all, [&](const auto& attribute) { return !wants(attribute.first); });
        ++answered;
        if (!match(*all)) return false;
      }
      if (hits.size() < step) return false;
      last = hits.back();
    }
  });
}

}  // namespace

bool Store::query(const Query& query, const std::function<bool(const Attributes&)>& match) const {
  return Answerer(*state_, query).run(match);
}

std::vector<StoredObject> Store::objects(const Selection& selection) const {
  const State& s = *state_;
  std::vector<std::string> patients;
  if (!selection.patient_id.empty()) patients = s.merges.same_patient(selection.patient_id);
  std::vector<StoredObject> found =
      s.database->read([&](Transaction& tx) { return sql::objects(tx, selection, patients); });
  if (!selection.inside)
    std::erase_if(found, [&](const StoredObject& object) {
      return object.is_result &&
             !s.may_leave(selection.exit, selection.policy, object.study_instance_uid, object.sop_instance_uid);
    });
  for (StoredObject& object : found)
    object.file = s.objects / object_path(object.study_instance_uid, object.sop_instance_uid, object.digest);
  return found;
}

}  // namespace rouage::store
