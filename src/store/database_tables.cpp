#include "store/database_tables.h"

#include <fmt/format.h>

#include "base/error.h"

namespace rouage::store::sql {

std::vector<std::string> sqlite_settings(bool writer) {
  // WAL: readers never wait for the writer. FULL: a commit is on the disk when it returns. The log is begun anew only
  // after 4,000 pages, so that its file is overwritten in place and seldom grows (a growing file costs a journal commit
  // of the file system at each flush).
  std::vector<std::string> settings = {"PRAGMA journal_mode=WAL", "PRAGMA synchronous=FULL",
                                       "PRAGMA busy_timeout=15000", "PRAGMA wal_autocheckpoint=4000",
                                       "PRAGMA temp_store=MEMORY",
                                       // as on PostgreSQL: person names are compared by a key of their own
                                       "PRAGMA case_sensitive_like=ON"};
  settings.emplace_back(writer ? "PRAGMA cache_size=-131072" : "PRAGMA cache_size=-32768");
  settings.emplace_back("PRAGMA mmap_size=1073741824");
  if (!writer) settings.emplace_back("PRAGMA query_only=1");
  return settings;
}

std::vector<std::string> postgresql_settings() {
  // Durable whatever the server's own default is.
  return {"SET client_min_messages = warning", "SET synchronous_commit = on"};
}

const char* begin_write(bool postgresql) {
  return postgresql ? "BEGIN" : "BEGIN IMMEDIATE";
}
const char* begin_read(bool postgresql) {
  return postgresql ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY" : "BEGIN";
}
const char* commit() {
  return "COMMIT";
}
const char* rollback() {
  return "ROLLBACK";
}
const char* savepoint() {
  return "SAVEPOINT work";
}
const char* release_savepoint() {
  return "RELEASE SAVEPOINT work";
}
const char* rollback_to_savepoint() {
  return "ROLLBACK TO SAVEPOINT work";
}
std::string vacuum_into(const std::string& quoted_file) {
  return "VACUUM INTO " + quoted_file;
}

void migrate(Transaction& tx, const std::string& room, const std::vector<std::string>& steps) {
  tx.run("CREATE TABLE IF NOT EXISTS schema_step (room TEXT NOT NULL PRIMARY KEY, step BIGINT NOT NULL)");
  const auto row = tx.first("SELECT step FROM schema_step WHERE room = ?", {room});
  const std::int64_t done = row ? row->integer(0) : 0;
  const auto known = static_cast<std::int64_t>(steps.size());
  if (done > known)
    throw Error(ErrorCode::StoreVersion,
                fmt::format("{} has {} schema steps, this program knows {}", room, done, known));
  for (std::int64_t step = done; step < known; ++step) tx.run(steps[static_cast<std::size_t>(step)]);
  if (!row)
    tx.run("INSERT INTO schema_step (room, step) VALUES (?, ?)", {room, known});
  else if (done < known)
    tx.run("UPDATE schema_step SET step = ? WHERE room = ?", {known, room});
}

}  // namespace rouage::store::sql
