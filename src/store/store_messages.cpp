// HL7 messages: kept as they came; a merge is one more fact, nothing is rewritten.
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "store/store_state.h"

namespace rouage::store {
namespace {

using receive::OrderMessage;
using Json = nlohmann::json;

/// The fields of a message by name, for the index' one text column.
template <typename Message, typename Visit>
void each_field(Message& m, const Visit& visit) {
  visit("message_type", m.message_type);
  visit("control_id", m.control_id);
  visit("sender", m.sender);
  visit("patient_id", m.patient_id);
  visit("issuer", m.issuer);
  visit("patient_name", m.patient_name);
  visit("birth_date", m.birth_date);
  visit("sex", m.sex);
  visit("merged_patient_id", m.merged_patient_id);
  visit("merged_issuer", m.merged_issuer);
  visit("accession_number", m.accession_number);
  visit("placer_order", m.placer_order);
  visit("filler_order", m.filler_order);
  visit("study_instance_uid", m.study_instance_uid);
  visit("procedure_code", m.procedure_code);
  visit("procedure_text", m.procedure_text);
  visit("clinical_question", m.clinical_question);
  visit("priority", m.priority);
  visit("scheduled_at", m.scheduled_at);
  visit("status", m.status);
  visit("report_text", m.report_text);
  visit("report_status", m.report_status);
  visit("report_at", m.report_at);
}

std::string fields_text(const OrderMessage& message) {
  Json json = Json::object();
  each_field(message, [&](const char* name, const std::string& value) {
    if (!value.empty()) json[name] = value;
  });
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

OrderMessage message_of(const std::string& fields, const std::string& raw) {
  OrderMessage message;
  message.raw = raw;
  try {
    const Json json = Json::parse(fields);
    each_field(message, [&](const char* name, std::string& value) { value = json.value(name, std::string()); });
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::StoreDamaged, std::string("a message's fields: ") + error.what());
  }
  return message;
}

/// A text that the database can hold: PostgreSQL takes no NUL.
std::string without_nul(std::string text) {
  std::erase(text, '\0');
  return text;
}

}  // namespace

void Store::note_message(const OrderMessage& message) {
  State& s = *state_;
  const double now_s = s.clock.now();
  // A sender begins its control ids anew some day: the id alone does not make two messages one.
  const std::string key = message.sender + "|" + message.control_id + "|" + sha256(message.raw).hex();
  const bool merge = !message.merged_patient_id.empty() && !message.patient_id.empty();
  const sql::Merge gone{message.merged_patient_id, message.merged_issuer, message.patient_id, message.issuer};
  s.database->write([&](Transaction& tx) {
    const std::int64_t id = ++s.last_message;
    if (!sql::insert_message(tx,
                             {.id = id,
                              .key = without_nul(key),
                              .kind = without_nul(message.message_type),
                              .patient_id = without_nul(message.patient_id),
                              .issuer = without_nul(message.issuer),
                              .accession = without_nul(message.accession_number),
                              .fields = fields_text(message),
                              .raw = without_nul(message.raw)},
                             now_s))
      return;
    if (!merge) return;
    sql::insert_merge(tx, gone, id, now_s);
    tx.after_commit([&s, gone] { s.merges.add(gone); });
  });
}

std::vector<OrderMessage> Store::messages_for(const std::string& accession_number,
                                              const std::string& patient_id) const {
  const State& s = *state_;
  std::map<std::int64_t, sql::MessageRow, std::greater<>> found;  // latest first, each once
  s.database->read([&](Transaction& tx) {
    const auto add = [&](std::vector<sql::MessageRow> rows) {
      for (sql::MessageRow& row : rows) found.emplace(row.id, std::move(row));
    };
    if (!accession_number.empty()) add(sql::messages_by_accession(tx, accession_number));
    if (patient_id.empty()) return;
    for (const std::string& id : s.merges.same_patient(patient_id)) add(sql::messages_by_patient(tx, id));
  });
  std::vector<OrderMessage> messages;
  for (const auto& [id, row] : found) messages.push_back(message_of(row.fields, row.raw));
  return messages;
}

std::vector<std::string> Store::merged_ids(const std::string& patient_id) const {
  std::vector<std::string> ids = state_->merges.same_patient(patient_id);
  std::erase(ids, patient_id);
  return ids;
}

}  // namespace rouage::store
