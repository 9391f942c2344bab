#include "store/series_tables.h"

#include <charconv>

#include "base/values.h"

namespace rouage::store::sql {
namespace {

constexpr char kSeriesColumns[] =
    "SELECT s.id, t.study_uid, s.series_uid, s.modality, s.sender, s.state, s.reason, s.version, s.handed_instances, "
    "s.own, s.first_s, s.last_s, s.instances, s.called, s.prior FROM series s JOIN study t ON t.id = s.study ";

OpenSeriesRow series_of(const Row& row) {
  return {row.integer(0),
          row.text(1),
          row.text(2),
          row.text(3),
          row.text(4),
          row.text(5),
          row.text(6),
          static_cast<int>(row.integer(7)),
          static_cast<int>(row.integer(8)),
          row.integer(9) != 0,
          row.real(10),
          row.real(11),
          row.text(13),
          row.integer(14) != 0};
}

std::string joined(const std::vector<std::string>& parts, char by) {
  std::string text;
  for (const std::string& part : parts) {
    if (!text.empty()) text += by;
    text += part;
  }
  return text;
}

}  // namespace

std::vector<OpenSeriesRow> open_series(Transaction& tx) {
  std::vector<OpenSeriesRow> all;
  tx.each(std::string(kSeriesColumns) + "WHERE s.settled = 0", {}, [&](const Row& row) {
    all.push_back(series_of(row));
    return true;
  });
  return all;
}

std::optional<OpenSeriesRow> series_row(Transaction& tx, std::int64_t id) {
  const auto row = tx.first(std::string(kSeriesColumns) + "WHERE s.id = ?", {id});
  return row ? std::optional(series_of(*row)) : std::nullopt;
}

std::vector<InstanceFacts> facts_of(Transaction& tx, std::int64_t series_id) {
  std::vector<InstanceFacts> all;
  tx.each(
      "SELECT sop_uid, arrival_s, association, stack, position_mm, number, said_count, stands_alone FROM instance "
      "WHERE "
      "series = ? AND copy = 0 ORDER BY arrival_s",
      {series_id}, [&](const Row& row) {
        InstanceFacts facts;
        facts.sop_instance_uid = row.text(0);
        facts.time_s = row.real(1);
        facts.association = static_cast<std::uint64_t>(row.integer(2));
        facts.stack = row.text(3);
        if (!row.null(4)) facts.position_mm = row.real(4);
        int number = 0;
        const std::string text = row.text(5);
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
        if (problem == std::errc() && end == text.data() + text.size()) facts.instance_number = number;
        if (!row.null(6)) facts.said_count = static_cast<int>(row.integer(6));
        facts.stands_alone = row.integer(7) != 0;
        all.push_back(std::move(facts));
        return true;
      });
  return all;
}

bool record_judgement(Transaction& tx, std::int64_t series_id, const std::string& state, const std::string& reason,
                      int version, int instances) {
  return tx.run(
             "UPDATE series SET state = ?, reason = ?, version = ?, handed_instances = ? WHERE id = ? AND version <= ?",
             {state, reason, std::int64_t{version}, std::int64_t{instances}, series_id, std::int64_t{version}}) > 0;
}

void record_waiting(Transaction& tx, std::int64_t series_id, const std::string& reason, int version) {
  tx.run("UPDATE series SET state = 'waiting', reason = ?, version = ? WHERE id = ? AND version <= ?",
         {reason, std::int64_t{version}, series_id, std::int64_t{version}});
}

void settle(Transaction& tx, std::int64_t series_id) {
  // Not when an instance came meanwhile.
  tx.run("UPDATE series SET settled = 1 WHERE id = ? AND instances <= handed_instances", {series_id});
}

std::vector<StateRow> states(Transaction& tx, const std::string& study_uid, std::size_t most) {
  std::vector<StateRow> all;
  const auto limit = static_cast<std::int64_t>(most);
  const auto add = [&](const Row& row) {
    all.push_back({series_of(row), static_cast<int>(row.integer(12))});
    return true;
  };
  if (study_uid.empty())
    tx.each(std::string(kSeriesColumns) + "WHERE s.is_result = 0 ORDER BY s.id DESC LIMIT ?", {limit}, add);
  else
    tx.each(std::string(kSeriesColumns) + "WHERE t.study_uid = ? AND s.is_result = 0 ORDER BY s.id LIMIT ?",
            {study_uid, limit}, add);
  return all;
}

void put_list(Transaction& tx, const std::string& series_uid, const std::string& message_uid, const std::string& source,
              const std::string& study_uid, bool closed, const std::vector<std::string>& instances, double now_s) {
  tx.run(
      "INSERT INTO series_list (series_uid, message_uid, source, study_uid, closed, instances, at_s) VALUES (?, ?, ?, "
      "?, "
      "?, ?, ?) ON CONFLICT (series_uid, message_uid) DO UPDATE SET closed = excluded.closed, instances = "
      "excluded.instances, at_s = excluded.at_s",
      {series_uid, message_uid, source, study_uid, std::int64_t{closed ? 1 : 0}, joined(instances, '\\'), now_s});
}

std::vector<std::string> listed(Transaction& tx, const std::string& series_uid) {
  std::vector<std::string> all;
  tx.each("SELECT instances FROM series_list WHERE series_uid = ? AND closed = 1", {series_uid}, [&](const Row& row) {
    for (const std::string& uid : split(row.text(0), '\\'))
      if (!uid.empty()) all.push_back(uid);
    return true;
  });
  return all;
}

void forget_lists_before(Transaction& tx, double before_s) {
  tx.run("DELETE FROM series_list WHERE at_s < ?", {before_s});
}

void put_association_end(Transaction& tx, std::uint64_t association, bool released, double ended_s) {
  tx.run("INSERT INTO association_end (id, released, ended_s) VALUES (?, ?, ?) ON CONFLICT (id) DO NOTHING",
         {static_cast<std::int64_t>(association), std::int64_t{released ? 1 : 0}, ended_s});
}

std::map<std::uint64_t, AssociationEndRow> association_ends(Transaction& tx) {
  std::map<std::uint64_t, AssociationEndRow> ends;
  tx.each("SELECT id, released, ended_s FROM association_end", {}, [&](const Row& row) {
    ends[static_cast<std::uint64_t>(row.integer(0))] = {row.integer(1) != 0, row.real(2)};
    return true;
  });
  return ends;
}

void forget_associations_before(Transaction& tx, double before_s) {
  tx.run("DELETE FROM association_end WHERE ended_s < ?", {before_s});
}

std::uint64_t largest_association(Transaction& tx) {
  const auto ended = tx.first("SELECT MAX(id) FROM association_end");
  const auto carried =
      tx.first("SELECT MAX(i.association) FROM series s JOIN instance i ON i.series = s.id WHERE s.settled = 0");
  return static_cast<std::uint64_t>(std::max(ended->integer(0), carried->integer(0)));
}

std::map<std::string, SenderHabits> habits(Transaction& tx) {
  std::map<std::string, SenderHabits> all;
  tx.each("SELECT sender, pauses, series, split, counts_right, counts_wrong, kept_open FROM sender_habit", {},
          [&](const Row& row) {
            SenderHabits& h = all[row.text(0)];
            for (const std::string& pause : split(row.text(1), ' ')) {
              double value = 0;
              const auto [end, problem] = std::from_chars(pause.data(), pause.data() + pause.size(), value);
              if (problem == std::errc()) h.longest_pauses_s.push_back(value);
            }
            h.series = static_cast<int>(row.integer(2));
            h.split = static_cast<int>(row.integer(3));
            h.counts_right = static_cast<int>(row.integer(4));
            h.counts_wrong = static_cast<int>(row.integer(5));
            h.kept_open = static_cast<int>(row.integer(6));
            return true;
          });
  return all;
}

void put_habits(Transaction& tx, const std::string& sender, const SenderHabits& h) {
  std::vector<std::string> pauses;
  for (const double pause : h.longest_pauses_s) pauses.push_back(fixed_text(pause, 3));
  tx.run(
      "INSERT INTO sender_habit (sender, pauses, series, split, counts_right, counts_wrong, kept_open) VALUES (?, ?, "
      "?, "
      "?, ?, ?, ?) ON CONFLICT (sender) DO UPDATE SET pauses = excluded.pauses, series = excluded.series, split = "
      "excluded.split, counts_right = excluded.counts_right, counts_wrong = excluded.counts_wrong, kept_open = "
      "excluded.kept_open",
      {sender, joined(pauses, ' '), std::int64_t{h.series}, std::int64_t{h.split}, std::int64_t{h.counts_right},
       std::int64_t{h.counts_wrong}, std::int64_t{h.kept_open}});
}

bool insert_message(Transaction& tx, const MessageRow& m, double now_s) {
  return tx.run(
             "INSERT INTO message (id, message_key, kind, patient_id, issuer, accession, fields, raw, at_s) VALUES (?, "
             "?, "
             "?, ?, ?, ?, ?, ?, ?) ON CONFLICT (message_key) DO NOTHING",
             {m.id, m.key, m.kind, m.patient_id, m.issuer, m.accession, m.fields, m.raw, now_s}) > 0;
}

std::int64_t largest_message_id(Transaction& tx) {
  return tx.first("SELECT MAX(id) FROM message")->integer(0);
}

namespace {
std::vector<MessageRow> messages(Transaction& tx, const std::string& sql, const std::string& value) {
  std::vector<MessageRow> all;
  tx.each(sql, {value}, [&](const Row& row) {
    MessageRow message;
    message.id = row.integer(0);
    message.fields = row.text(1);
    message.raw = row.text(2);
    all.push_back(std::move(message));
    return true;
  });
  return all;
}
}  // namespace

std::vector<MessageRow> messages_by_accession(Transaction& tx, const std::string& accession) {
  return messages(tx, "SELECT id, fields, raw FROM message WHERE accession = ? ORDER BY id DESC LIMIT 100", accession);
}
std::vector<MessageRow> messages_by_patient(Transaction& tx, const std::string& patient_id) {
  return messages(tx, "SELECT id, fields, raw FROM message WHERE patient_id = ? ORDER BY id DESC LIMIT 100",
                  patient_id);
}

void insert_merge(Transaction& tx, const Merge& m, std::int64_t message, double now_s) {
  tx.run(
      "INSERT INTO patient_merge (old_id, old_issuer, new_id, new_issuer, message, at_s) VALUES (?, ?, ?, ?, ?, ?) ON "
      "CONFLICT (old_id, old_issuer, message) DO NOTHING",
      {m.old_id, m.old_issuer, m.new_id, m.new_issuer, message, now_s});
}

std::vector<Merge> merges(Transaction& tx) {
  std::vector<Merge> all;
  tx.each("SELECT old_id, old_issuer, new_id, new_issuer FROM patient_merge ORDER BY message", {}, [&](const Row& row) {
    all.push_back({row.text(0), row.text(1), row.text(2), row.text(3)});
    return true;
  });
  return all;
}

}  // namespace rouage::store::sql
