/// The table of storage commitments to be reported.
#pragma once
#include <optional>

#include "app/commitments.h"

namespace rouage::app {

struct StoredCommitment {
  CommitmentRequest request;
  int tries = 0;
};
void make_commitment_tables(store::Database& database);
void insert_commitment(store::Transaction& tx, const CommitmentRequest& request, double now_s);
/// The one that is due first, when it is due.
std::optional<StoredCommitment> due_commitment(store::Transaction& tx, double now_s);
void commitment_reported(store::Transaction& tx, const std::string& transaction_uid, double now_s);
void commitment_later(store::Transaction& tx, const std::string& transaction_uid, double due_s, const std::string& why);
std::uint64_t commitments_waiting(store::Transaction& tx);

}  // namespace rouage::app
