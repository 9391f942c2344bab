/// The statements of completeness and of HL7 messages.
#pragma once
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "store/completeness.h"
#include "store/database.h"

namespace rouage::store::sql {

struct OpenSeriesRow {
  std::int64_t id = 0;
  std::string study_uid, series_uid, modality, sender, state, reason;
  int version = 0, handed_instances = 0;
  bool own = false;
  double first_s = 0, last_s = 0;
  std::string called;
  bool prior = false;
};
std::vector<OpenSeriesRow> open_series(Transaction& tx);
std::optional<OpenSeriesRow> series_row(Transaction& tx, std::int64_t id);
/// Facts of the current instances of a series, in the order of their arrival.
std::vector<InstanceFacts> facts_of(Transaction& tx, std::int64_t series_id);

/// Records a judgement: false when the series has gone on to another version meanwhile.
bool record_judgement(Transaction& tx, std::int64_t series_id, const std::string& state, const std::string& reason,
                      int version, int instances);
void record_waiting(Transaction& tx, std::int64_t series_id, const std::string& reason, int version);
void settle(Transaction& tx, std::int64_t series_id);

struct StateRow {
  OpenSeriesRow series;
  int instances = 0;
};
std::vector<StateRow> states(Transaction& tx, const std::string& study_uid, std::size_t most);

void put_list(Transaction& tx, const std::string& series_uid, const std::string& message_uid, const std::string& source,
              const std::string& study_uid, bool closed, const std::vector<std::string>& instances, double now_s);
/// Instances that closed lists name for a series.
std::vector<std::string> listed(Transaction& tx, const std::string& series_uid);
void forget_lists_before(Transaction& tx, double before_s);

void put_association_end(Transaction& tx, std::uint64_t association, bool released, double ended_s);
struct AssociationEndRow {
  bool released = false;
  double ended_s = 0;
};
std::map<std::uint64_t, AssociationEndRow> association_ends(Transaction& tx);
void forget_associations_before(Transaction& tx, double before_s);
std::uint64_t largest_association(Transaction& tx);

std::map<std::string, SenderHabits> habits(Transaction& tx);
void put_habits(Transaction& tx, const std::string& sender, const SenderHabits& habits);

/// HL7. `key`: what makes a resent message one; false when it was known.
struct MessageRow {
  std::int64_t id = 0;
  std::string key, kind, patient_id, issuer, accession, fields, raw;
};
bool insert_message(Transaction& tx, const MessageRow& message, double now_s);
std::int64_t largest_message_id(Transaction& tx);
/// Id, fields and raw of the 100 latest.
std::vector<MessageRow> messages_by_accession(Transaction& tx, const std::string& accession);
std::vector<MessageRow> messages_by_patient(Transaction& tx, const std::string& patient_id);

struct Merge {
  std::string old_id, old_issuer, new_id, new_issuer;
};
void insert_merge(Transaction& tx, const Merge& merge, std::int64_t message, double now_s);
std::vector<Merge> merges(Transaction& tx);

}  // namespace rouage::store::sql
