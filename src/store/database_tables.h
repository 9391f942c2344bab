/// The statements that hold transactions and migrations together.
#pragma once
#include <string>
#include <vector>

#include "store/database.h"

namespace rouage::store::sql {

/// Run once on a new connection.
std::vector<std::string> sqlite_settings(bool writer);
std::vector<std::string> postgresql_settings();
const char* begin_write(bool postgresql);
const char* begin_read(bool postgresql);
const char* commit();
const char* rollback();
const char* savepoint();
const char* release_savepoint();
const char* rollback_to_savepoint();
std::string vacuum_into(const std::string& quoted_file);

/// Migrations of a room: the number of steps that were done. Errors: StoreVersion when more than `known`.
void migrate(Transaction& tx, const std::string& room, const std::vector<std::string>& steps);

}  // namespace rouage::store::sql
