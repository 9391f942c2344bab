#include "app/commitment_tables.h"

#include <nlohmann/json.hpp>

namespace rouage::app {

void make_commitment_tables(store::Database& database) {
  database.migrate("commitment",
                   {"CREATE TABLE commitment (transaction_uid TEXT PRIMARY KEY, ae_title TEXT NOT NULL, "
                    "address TEXT NOT NULL, instances TEXT NOT NULL, tries BIGINT NOT NULL, "
                    "due_s DOUBLE PRECISION NOT NULL, reported_s DOUBLE PRECISION, message TEXT NOT NULL)",
                    "CREATE INDEX commitment_due ON commitment (reported_s, due_s)"});
}

void insert_commitment(store::Transaction& tx, const CommitmentRequest& request, double now_s) {
  const nlohmann::json instances = request.instances;
  tx.run(
      "INSERT INTO commitment (transaction_uid, ae_title, address, instances, tries, due_s, message) "
      "VALUES (?, ?, ?, ?, 0, ?, '') ON CONFLICT (transaction_uid) DO NOTHING",
      {request.transaction_uid, request.ae_title, request.address, instances.dump(), now_s});
}

std::optional<StoredCommitment> due_commitment(store::Transaction& tx, double now_s) {
  const auto row = tx.first(
      "SELECT transaction_uid, ae_title, address, instances, tries FROM commitment "
      "WHERE reported_s IS NULL AND due_s <= ? ORDER BY due_s LIMIT 1",
      {now_s});
  if (!row) return std::nullopt;
  StoredCommitment found{{row->text(0), row->text(1), row->text(2), {}}, static_cast<int>(row->integer(4))};
  found.request.instances = nlohmann::json::parse(row->text(3)).get<std::vector<std::pair<std::string, std::string>>>();
  return found;
}

void commitment_reported(store::Transaction& tx, const std::string& transaction_uid, double now_s) {
  tx.run("UPDATE commitment SET reported_s = ? WHERE transaction_uid = ?", {now_s, transaction_uid});
}

void commitment_later(store::Transaction& tx, const std::string& transaction_uid, double due_s,
                      const std::string& why) {
  tx.run("UPDATE commitment SET tries = tries + 1, due_s = ?, message = ? WHERE transaction_uid = ?",
         {due_s, why, transaction_uid});
}

std::uint64_t commitments_waiting(store::Transaction& tx) {
  const auto row = tx.first("SELECT COUNT(*) FROM commitment WHERE reported_s IS NULL");
  return row ? static_cast<std::uint64_t>(row->integer(0)) : 0;
}

}  // namespace rouage::app
