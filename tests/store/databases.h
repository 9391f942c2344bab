/// The databases on which the store's tests run: SQLite always, PostgreSQL when one can be started here.
#pragma once
#include <filesystem>
#include <string>

#include "store/database.h"

namespace rouage::store::testing {

/// A folder of this test, empty, removed at the end of the program.
std::filesystem::path scratch_folder(const std::string& name);

/// Connection string of a new, empty PostgreSQL database; "" when PostgreSQL cannot run here. The server is started
/// once a process, on a free port, and stopped at its end.
std::string new_postgresql_database();
/// As an administrator does it: every session of the server's databases is ended.
void end_postgresql_sessions();

}  // namespace rouage::store::testing
