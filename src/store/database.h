/// One database for all rooms: SQLite (WAL, synchronous=FULL) in the store's folder by default, or PostgreSQL; the same
/// SQL on both. SQL text stands only in files named *_tables.cpp, with numbered migrations.
///
///   database.migrate("route", {"CREATE TABLE item (...)", ...});            // steps are only ever appended
///   database.write([&](Transaction& tx) { tx.run("UPDATE item SET state = ? WHERE id = ?", {"done", id}); });
///   auto rows = database.read([&](Transaction& tx) { return tx.rows("SELECT id FROM item WHERE state = ?", {"due"});
///   });
///
/// Types that both understand: BIGINT, TEXT, DOUBLE PRECISION; keys are given by the program, not by the database.
/// write() returns after the commit is durable. Writers that come together share one commit (group commit): each runs
/// in a savepoint of its own, so that one that throws undoes only itself. Thread-safe.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <variant>
#include <vector>

namespace rouage::store {

using Value = std::variant<std::monostate, std::int64_t, double, std::string>;

class Row {
 public:
  explicit Row(std::vector<Value> values) : values_(std::move(values)) {}
  bool null(std::size_t column) const { return std::holds_alternative<std::monostate>(values_.at(column)); }
  std::string text(std::size_t column) const;      ///< NULL -> ""; numbers as text
  std::int64_t integer(std::size_t column) const;  ///< NULL -> 0; text is read as a number
  double real(std::size_t column) const;
  std::size_t size() const { return values_.size(); }

 private:
  std::vector<Value> values_;
};

/// One transaction (or savepoint). `?` marks the values in order. Errors: DatabaseFailed (with the statement).
class Transaction {
 public:
  virtual ~Transaction() = default;
  /// Returns the number of rows changed.
  virtual std::int64_t run(const std::string& sql, const std::vector<Value>& values = {}) = 0;
  /// `row` returns false to stop. Rows are streamed.
  virtual void each(const std::string& sql, const std::vector<Value>& values,
                    const std::function<bool(const Row&)>& row) = 0;
  std::vector<Row> rows(const std::string& sql, const std::vector<Value>& values = {});
  std::optional<Row> first(const std::string& sql, const std::vector<Value>& values = {});
  /// Called after this transaction's commit is durable, on the committing thread; must not throw.
  virtual void after_commit(std::function<void()> action) = 0;
};

struct DatabaseOptions {
  std::filesystem::path folder;  ///< SQLite: FOLDER/index.sqlite
  std::string postgresql;        ///< a libpq connection string instead: "host=... dbname=... user=..."
  int readers = 4;
  /// SQLite: the log's file is made so large at open. A commit into a file that grows waits for the file system's
  /// journal as well, which doubles its time.
  std::uint64_t prepared_log_bytes = 0;
};

class Database {
 public:
  /// Errors: DatabaseFailed, StoreVersion (a room's migrations are newer than this program).
  explicit Database(DatabaseOptions options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  void migrate(const std::string& room, const std::vector<std::string>& steps);

  /// Runs `work` in the next group; returns its value when durable, or throws what it threw.
  template <typename Work>
  auto write(Work work) -> std::invoke_result_t<Work, Transaction&> {
    using Result = std::invoke_result_t<Work, Transaction&>;
    if constexpr (std::is_void_v<Result>) {
      write_erased([&](Transaction& tx) { work(tx); });
    } else {
      std::optional<Result> result;
      write_erased([&](Transaction& tx) { result.emplace(work(tx)); });
      return std::move(*result);
    }
  }
  /// A consistent snapshot; sees every commit that was durable before.
  template <typename Work>
  auto read(Work work) -> std::invoke_result_t<Work, Transaction&> {
    using Result = std::invoke_result_t<Work, Transaction&>;
    if constexpr (std::is_void_v<Result>) {
      read_erased([&](Transaction& tx) { work(tx); });
    } else {
      std::optional<Result> result;
      read_erased([&](Transaction& tx) { result.emplace(work(tx)); });
      return std::move(*result);
    }
  }

  /// A whole, consistent copy of a SQLite index while it is in use (VACUUM INTO). PostgreSQL: Error Usage (pg_dump).
  void backup_to(const std::filesystem::path& file);
  bool is_postgresql() const;

 private:
  void write_erased(const std::function<void(Transaction&)>& work);
  void read_erased(const std::function<void(Transaction&)>& work);
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::store
