/// Queries as SQL: matching of PS3.4 C.2.2.2 on the columns of the index.
#pragma once
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "store/database.h"
#include "store/store.h"

namespace rouage::store::sql {

/// A piece of a WHERE clause with its values.
struct Clause {
  std::string sql;  ///< "" when it asks nothing
  std::vector<Value> values;
  void and_also(const Clause& more);
};

/// What a query asks of each table. Keys that the index does not hold are not matched (PS3.4 C.2.2.1.3: optional).
struct Conditions {
  Clause study, series, instance;
  bool names_a_uid = false;  ///< of a series or an instance: few rows
  bool below_study() const { return !series.sql.empty() || !instance.sql.empty(); }
};
/// same_patient: the ids that mean the patient of an id. Errors: RequestTooLarge (a list of more than 2,000 UIDs).
Conditions conditions_of(const Query& query,
                         const std::function<std::vector<std::string>(const std::string&)>& same_patient);

/// One match. Which of the ids are set depends on the level.
struct Hit {
  std::int64_t study_id = 0, series_id = 0;
  bool is_result = false;
  dicom::Attributes attributes;  ///< all that the index holds of its level and above
  std::string study_uid, sop_uid, digest;
};
/// The next `most` matches behind `last`, in the order of the level: patients by id, studies from the latest, series
/// and instances by their number in the index.
std::vector<Hit> hits(Transaction& tx, Level level, const Conditions& conditions, const std::optional<Hit>& last,
                      std::size_t most);

struct SeriesContent {
  std::int64_t id = 0;
  std::string modality;
  std::int64_t instances = 0;
  bool is_result = false;
};
std::vector<SeriesContent> content_of_study(Transaction& tx, std::int64_t study_id);
std::vector<std::string> current_instances(Transaction& tx, std::int64_t series_id);
std::vector<std::string> sop_classes_of_study(Transaction& tx, std::int64_t study_id);
struct PatientStudy {
  std::int64_t id = 0;
  std::string uid;
};
/// issuer absent: whichever.
std::vector<PatientStudy> studies_of_patient(Transaction& tx, const std::vector<std::string>& patient_ids,
                                             const std::optional<std::string>& issuer);
/// Instances of a study that meet what is asked of series and instances: UID, and whether it is a result.
std::vector<std::pair<std::string, bool>> matching_instances(Transaction& tx, std::int64_t study_id,
                                                             const Conditions& conditions);
/// Some current object of a study or (series_id > 0) a series, not a result where there is another.
std::optional<std::pair<std::string, std::string>> any_file(Transaction& tx, std::int64_t study_id,
                                                            std::int64_t series_id);

/// Objects of a selection. patient_ids: all ids that mean the patient; empty: any.
std::vector<StoredObject> objects(Transaction& tx, const Selection& selection,
                                  const std::vector<std::string>& patient_ids);

}  // namespace rouage::store::sql
