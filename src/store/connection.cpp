#include "store/connection.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <soci/postgresql/soci-postgresql.h>
#include <soci/soci.h>
#include <soci/sqlite3/soci-sqlite3.h>
#include <unistd.h>

#include <array>

#include "base/error.h"
#include "base/service.h"
#include "store/database_tables.h"

namespace rouage::store {
namespace {

constexpr int kSqliteFull = 13;  ///< SQLITE_FULL
constexpr std::size_t kMostStatements = 400;

/// The error of the family for one of SOCI's. Values are not said: they name patients.
Error failed(const std::exception& cause, const std::string& sql) {
  ErrorCode code = ErrorCode::DatabaseFailed;
  if (const auto* sqlite = dynamic_cast<const soci::sqlite3_soci_error*>(&cause))
    if ((sqlite->result() & 0xFF) == kSqliteFull) code = ErrorCode::DiskFull;
  if (const auto* postgresql = dynamic_cast<const soci::postgresql_soci_error*>(&cause))
    if (postgresql->sqlstate() == "53100") code = ErrorCode::DiskFull;
  std::string what = cause.what();
  if (const auto* soci_error = dynamic_cast<const soci::soci_error*>(&cause)) what = soci_error->get_error_message();
  const std::string first_line = what.substr(0, what.find('\n'));
  return Error(code, fmt::format("{} in: {}", first_line, sql.substr(0, 400)));
}

/// SOCI's names instead of question marks: ":v1", ":v2"... Text in quotes stays as it is.
std::string named(const std::string& sql) {
  std::string out;
  bool quoted = false;
  int count = 0;
  for (const char c : sql) {
    if (c == '\'') quoted = !quoted;
    if (c == '?' && !quoted)
      out += ":v" + std::to_string(++count);
    else
      out += c;
  }
  return out;
}

char kind_of(const Value& value) {
  if (std::holds_alternative<std::int64_t>(value)) return 'i';
  if (std::holds_alternative<double>(value)) return 'd';
  return 's';
}

Value value_of(const soci::row& row, std::size_t column) {
  if (row.get_indicator(column) == soci::i_null) return {};
  switch (row.get_properties(column).get_data_type()) {
    case soci::dt_string:
    case soci::dt_xml:
      return row.get<std::string>(column);
    case soci::dt_double:
      return row.get<double>(column);
    case soci::dt_integer:
      return std::int64_t{row.get<int>(column)};
    case soci::dt_long_long:
      return std::int64_t{row.get<long long>(column)};
    case soci::dt_unsigned_long_long:
      return static_cast<std::int64_t>(row.get<unsigned long long>(column));
    case soci::dt_date:
    case soci::dt_blob:
      break;
  }
  throw Error(ErrorCode::DatabaseFailed, "a column has a type that is not used here");
}

std::string sqlite_connect_string(const std::filesystem::path& folder) {
  std::error_code problem;
  if (std::filesystem::create_directories(folder, problem)) {
    using std::filesystem::perms;  // objects of patients: not for everybody on this machine
    std::filesystem::permissions(folder, perms::owner_all | perms::group_read | perms::group_exec, problem);
  }
  if (!std::filesystem::is_directory(folder)) throw Error(ErrorCode::FileUnwritable, "no such folder").file(folder);
  const std::string file = (folder / "index.sqlite").string();
  if (file.find('"') != std::string::npos) throw Error(ErrorCode::Usage, "a quotation mark in the store's path");
  return "dbname=\"" + file + "\" timeout=15";
}

/// Zeros behind what the log holds: SQLite stops reading at the first frame whose checksum is wrong, and writes over
/// them. Only the time of a commit depends on it, so what goes wrong here is only logged. Written page by page: the
/// kernel keeps a large write as one large folio, and then walks through all its blocks at each frame.
void prepare_log(const std::filesystem::path& file, std::uint64_t bytes) {
  // A disk with so little room needs it for what must be written.
  if (free_bytes(file.parent_path()) < 10 * bytes) return;
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
  if (descriptor < 0) return;  // not yet there: nothing was ever written
  std::error_code problem;
  const std::vector<char> zeros(4096);
  std::uint64_t size = std::filesystem::file_size(file, problem);
  const std::uint64_t before = size;
  bool good = !problem;
  while (good && size < bytes) {
    const ssize_t written = ::write(descriptor, zeros.data(), std::min<std::uint64_t>(zeros.size(), bytes - size));
    good = written > 0;
    if (good) size += static_cast<std::uint64_t>(written);
  }
  good = good && ::fsync(descriptor) == 0;
  // What another program left no room for is given back at once.
  const bool given_back = good || problem || ::ftruncate(descriptor, static_cast<off_t>(before)) == 0;
  ::close(descriptor);
  if (!good)
    log_event(LogLevel::warning, "store", "the index' log could not be prepared",
              {{"file", file.string()}, {"given_back", given_back ? "yes" : "no"}});
}

}  // namespace

struct Connection::Session {
  soci::session session;
  bool postgresql = false, writer = false;
};

/// A statement whose values live at fixed places, to be filled before each execution.
struct Connection::Prepared {
  struct Place {
    std::string text;
    long long integer = 0;
    double real = 0;
    soci::indicator indicator = soci::i_ok;
  };
  soci::statement statement;
  std::vector<Place> places;
  soci::row row;
  bool sqlite;

  Prepared(soci::session& session, bool on_sqlite, const std::string& text, const std::vector<Value>& values,
           bool with_rows)
      : statement(session), places(values.size()), sqlite(on_sqlite) {
    statement.alloc();
    statement.prepare(named(text));
    for (std::size_t i = 0; i < values.size(); ++i) {
      Place& place = places[i];
      const char kind = kind_of(values[i]);
      if (kind == 'i')
        statement.exchange(soci::use(place.integer, place.indicator));
      else if (kind == 'd')
        statement.exchange(soci::use(place.real, place.indicator));
      else
        statement.exchange(soci::use(place.text, place.indicator));
    }
    if (with_rows) statement.exchange(soci::into(row));
    statement.define_and_bind();
  }

  void fill(const std::vector<Value>& values) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      Place& place = places[i];
      place.indicator = soci::i_ok;
      if (const auto* integer = std::get_if<std::int64_t>(&values[i]))
        place.integer = *integer;
      else if (const auto* real = std::get_if<double>(&values[i]))
        place.real = *real;
      else if (const auto* text = std::get_if<std::string>(&values[i]))
        place.text = *text;
      else
        place.indicator = soci::i_null;
    }
  }
  /// An unfinished SQLite statement would keep its snapshot, and with it the log, alive. SOCI's own reset is not
  /// exported; its next execute() resets again.
  void end_rows() {
    if (!sqlite) return;
    const auto* backend = static_cast<const soci::sqlite3_statement_backend*>(statement.get_backend());
    sqlite_api::sqlite3_reset(backend->stmt_);
  }
};

Connection::Connection(const DatabaseOptions& options, bool writer) : session_(std::make_unique<Session>()) {
  session_->postgresql = !options.postgresql.empty();
  session_->writer = writer;
  try {
    if (session_->postgresql) {
      session_->session.open(soci::postgresql, options.postgresql);
    } else {
      session_->session.open(soci::sqlite3, sqlite_connect_string(options.folder));
    }
    const auto settings = session_->postgresql ? sql::postgresql_settings() : sql::sqlite_settings(writer);
    for (const std::string& setting : settings) session_->session << setting;
    if (writer && !session_->postgresql && options.prepared_log_bytes > 0) {
      begin();  // makes the log's file
      commit();
      prepare_log(options.folder / "index.sqlite-wal", options.prepared_log_bytes);
    }
  } catch (const soci::soci_error& error) {
    throw failed(error, "opening");
  }
}

Connection::~Connection() {
  // Before the session: statements of a lost connection may throw when they are given up.
  try {
    statements_.clear();
    session_->session.close();
  } catch (const std::exception& error) {
    log_event(LogLevel::debug, "store", "database connection closed badly", {{"cause", error.what()}});
  }
}

Connection::Prepared& Connection::prepared(const std::string& sql, const std::vector<Value>& values) {
  std::string key(1, ' ');
  for (const Value& value : values) key += kind_of(value);
  key += ' ';
  key += sql;
  const auto at = statements_.find(key);
  if (at != statements_.end()) return *at->second;
  // Queries are composed of a bounded number of parts; the cap is for what nobody thought of.
  if (statements_.size() >= kMostStatements) statements_.clear();
  const bool with_rows = sql.starts_with("SELECT") || sql.find("RETURNING") != std::string::npos;
  auto made = std::make_unique<Prepared>(session_->session, !session_->postgresql, sql, values, with_rows);
  return *statements_.emplace(std::move(key), std::move(made)).first->second;
}

std::int64_t Connection::run(const std::string& sql, const std::vector<Value>& values) try {
  Prepared& statement = prepared(sql, values);
  statement.fill(values);
  statement.statement.execute(true);
  const std::int64_t changed = statement.statement.get_affected_rows();
  return changed;
} catch (const soci::soci_error& error) {
  throw failed(error, sql);
}

void Connection::each(const std::string& sql, const std::vector<Value>& values,
                      const std::function<bool(const Row&)>& row) {
  std::optional<Prepared*> statement;
  try {
    Prepared& found = prepared(sql, values);
    statement = &found;
    found.fill(values);
    bool more = found.statement.execute(true);
    while (more) {
      std::vector<Value> cells;
      cells.reserve(found.row.size());
      for (std::size_t i = 0; i < found.row.size(); ++i) cells.push_back(value_of(found.row, i));
      if (!row(Row(std::move(cells)))) break;
      more = found.statement.fetch();
    }
    found.end_rows();
  } catch (const soci::soci_error& error) {
    if (statement) (*statement)->end_rows();
    throw failed(error, sql);
  } catch (...) {
    if (statement) (*statement)->end_rows();
    throw;
  }
}

void Connection::begin() {
  const char* text = session_->writer ? sql::begin_write(session_->postgresql) : sql::begin_read(session_->postgresql);
  try {
    session_->session << text;
  } catch (const soci::soci_error& error) {
    throw failed(error, text);
  }
}
void Connection::commit() try { session_->session << sql::commit(); } catch (const soci::soci_error& error) {
  throw failed(error, sql::commit());
}
void Connection::rollback() noexcept {
  try {
    session_->session << sql::rollback();
  } catch (const std::exception& error) {
    // SQLite rolls back by itself when the disk is full; a lost server has done so too.
    log_event(LogLevel::debug, "store", "nothing to roll back", {{"cause", error.what()}});
  }
}
void Connection::savepoint() {
  run(sql::savepoint(), {});
}
void Connection::release_savepoint() {
  run(sql::release_savepoint(), {});
}
void Connection::rollback_to_savepoint() {
  run(sql::rollback_to_savepoint(), {});
}

bool Connection::alive() const {
  return !session_->postgresql || session_->session.is_connected();
}

}  // namespace rouage::store
