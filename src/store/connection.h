/// One SOCI session with its prepared statements; used by one thread at a time.
#pragma once
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "store/database.h"

namespace rouage::store {

class Connection {
 public:
  /// SQLite: `writer` may change the file, the others only read. Errors: DatabaseFailed.
  Connection(const DatabaseOptions& options, bool writer);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  /// Prepared once per text and kinds of values, then bound again. Returns the rows changed.
  std::int64_t run(const std::string& sql, const std::vector<Value>& values);
  void each(const std::string& sql, const std::vector<Value>& values, const std::function<bool(const Row&)>& row);
  void begin();
  void commit();
  void rollback() noexcept;
  void savepoint();
  void release_savepoint();
  void rollback_to_savepoint();
  /// False after the server went away: to be thrown away.
  bool alive() const;

 private:
  struct Session;
  struct Prepared;
  Prepared& prepared(const std::string& sql, const std::vector<Value>& values);
  std::unique_ptr<Session> session_;
  std::map<std::string, std::unique_ptr<Prepared>> statements_;
};

/// What work sees of a connection.
class ConnectionTransaction : public Transaction {
 public:
  explicit ConnectionTransaction(Connection& connection) : connection_(connection) {}
  std::int64_t run(const std::string& sql, const std::vector<Value>& values) override {
    return connection_.run(sql, values);
  }
  void each(const std::string& sql, const std::vector<Value>& values,
            const std::function<bool(const Row&)>& row) override {
    connection_.each(sql, values, row);
  }
  void after_commit(std::function<void()> action) override { actions_.push_back(std::move(action)); }
  std::vector<std::function<void()>> take_actions() { return std::move(actions_); }

 private:
  Connection& connection_;
  std::vector<std::function<void()>> actions_;
};

}  // namespace rouage::store
