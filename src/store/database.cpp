#include "store/database.h"

#include <fmt/format.h>

#include <charconv>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/service.h"
#include "store/connection.h"
#include "store/database_tables.h"

namespace rouage::store {
namespace {

constexpr std::size_t kMostInGroup = 128;
constexpr int kTries = 3;  ///< of a group whose connection was lost before COMMIT

std::int64_t integer_of(const std::string& text) {
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem == std::errc() && end == text.data() + text.size()) return value;
  double real = 0;  // "12.0", 1e6: sums of expressions
  const auto [real_end, real_problem] = std::from_chars(text.data(), text.data() + text.size(), real);
  return real_problem == std::errc() ? static_cast<std::int64_t>(real) : 0;
}

}  // namespace

std::string Row::text(std::size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* text = std::get_if<std::string>(&value)) return *text;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return std::to_string(*integer);
  if (const auto* real = std::get_if<double>(&value)) return number_text(*real);
  return {};
}

std::int64_t Row::integer(std::size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return *integer;
  if (const auto* real = std::get_if<double>(&value)) return static_cast<std::int64_t>(*real);
  if (const auto* text = std::get_if<std::string>(&value)) return integer_of(*text);
  return 0;
}

double Row::real(std::size_t column) const {
  const Value& value = values_.at(column);
  if (const auto* real = std::get_if<double>(&value)) return *real;
  if (const auto* integer = std::get_if<std::int64_t>(&value)) return static_cast<double>(*integer);
  double parsed = 0;
  if (const auto* text = std::get_if<std::string>(&value))
    std::from_chars(text->data(), text->data() + text->size(), parsed);
  return parsed;
}

std::vector<Row> Transaction::rows(const std::string& sql, const std::vector<Value>& values) {
  std::vector<Row> all;
  each(sql, values, [&](const Row& row) {
    all.push_back(row);
    return true;
  });
  return all;
}

std::optional<Row> Transaction::first(const std::string& sql, const std::vector<Value>& values) {
  std::optional<Row> one;
  each(sql, values, [&](const Row& row) {
    one = row;
    return false;
  });
  return one;
}

/// Writers stand in line; the first in line writes for all who stand behind it, so that they share one flush and no
/// thread is woken only to write. Readers take a connection of their own.
struct Database::State {
  DatabaseOptions options;

  struct Pending {
    const std::function<void(Transaction&)>* work = nullptr;
    std::exception_ptr error;
    std::vector<std::function<void()>> after;
    bool done = false;
    std::condition_variable turn;
  };
  std::mutex mutex;  ///< of line, writing, leader
  std::deque<Pending*> line;
  bool writing = false;
  std::thread::id leader;
  std::unique_ptr<Connection> writer;  ///< of the leader only

  std::mutex readers_mutex;
  std::condition_variable reader_free;
  std::vector<std::unique_ptr<Connection>> readers;
  int readers_out = 0;

  void run_group(const std::vector<Pending*>& group);
  bool try_group(const std::vector<Pending*>& group, int tries);
  void run_one(Pending& pending, bool alone);
  std::unique_ptr<Connection> take_reader();
  void give_reader(std::unique_ptr<Connection> reader);
};

/// Throws only when the transaction as a whole is gone.
void Database::State::run_one(Pending& pending, bool alone) {
  pending.error = nullptr;
  pending.after.clear();
  ConnectionTransaction tx(*writer);
  if (!alone) writer->savepoint();
  try {
    (*pending.work)(tx);
  } catch (...) {
    pending.error = std::current_exception();
  }
  if (pending.error) {
    if (alone || !writer->alive()) std::rethrow_exception(pending.error);
    writer->rollback_to_savepoint();
  } else {
    pending.after = tx.take_actions();
  }
  if (!alone) writer->release_savepoint();
}

/// True when the group has its outcome, false when it is to be tried again.
bool Database::State::try_group(const std::vector<Pending*>& group, int tries) {
  bool committing = false;
  const bool alone = group.size() == 1;
  try {
    if (!writer) writer = std::make_unique<Connection>(options, true);
    writer->begin();
    for (Pending* pending : group) run_one(*pending, alone);
    committing = true;
    writer->commit();
    return true;
  } catch (...) {
    const std::exception_ptr cause = std::current_exception();
    const bool lost = writer && !writer->alive();
    if (writer && !lost) writer->rollback();
    if (lost) writer.reset();
    // Lost before COMMIT: nothing of it is there, and it can be done again. Lost in COMMIT: nobody knows, so the
    // callers are told to try again, which is right because everything they write has effect once.
    if (lost && !committing && tries + 1 < kTries) return false;
    // SQLite gave up the whole transaction for one statement (a full disk): each gets its own chance.
    if (!lost && !committing && !alone) {
      for (Pending* pending : group) run_group({pending});
      return true;
    }
    for (Pending* pending : group) {
      if (!pending->error) pending->error = cause;
      pending->after.clear();
    }
    return true;
  }
}

void Database::State::run_group(const std::vector<Pending*>& group) {
  for (int tries = 0; !try_group(group, tries); ++tries)
    log_event(LogLevel::warning, "store", "database connection lost, trying again");
}

std::unique_ptr<Connection> Database::State::take_reader() {
  std::unique_lock lock(readers_mutex);
  reader_free.wait(lock, [&] { return !readers.empty() || readers_out < options.readers; });
  ++readers_out;
  if (readers.empty()) return nullptr;
  auto reader = std::move(readers.back());
  readers.pop_back();
  return reader;
}

void Database::State::give_reader(std::unique_ptr<Connection> reader) {
  const std::lock_guard lock(readers_mutex);
  --readers_out;
  if (reader && reader->alive()) readers.push_back(std::move(reader));
  reader_free.notify_one();
}

Database::Database(DatabaseOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->options.readers = std::max(1, state_->options.readers);
  state_->writer = std::make_unique<Connection>(state_->options, true);
}

Database::~Database() = default;

void Database::migrate(const std::string& room, const std::vector<std::string>& steps) {
  write([&](Transaction& tx) { sql::migrate(tx, room, steps); });
}

bool Database::is_postgresql() const {
  return !state_->options.postgresql.empty();
}

void Database::write_erased(const std::function<void(Transaction&)>& work) {
  State& s = *state_;
  State::Pending pending;
  pending.work = &work;
  std::unique_lock lock(s.mutex);
  if (s.writing && s.leader == std::this_thread::get_id())
    throw Error(ErrorCode::Internal, "a write inside a write would wait for itself: use the Transaction given");
  s.line.push_back(&pending);
  pending.turn.wait(lock, [&] { return pending.done || (!s.writing && s.line.front() == &pending); });
  if (!pending.done) {
    const std::size_t count = std::min(s.line.size(), kMostInGroup);
    const std::vector<State::Pending*> group(s.line.begin(), s.line.begin() + static_cast<std::ptrdiff_t>(count));
    s.writing = true;
    s.leader = std::this_thread::get_id();
    lock.unlock();
    s.run_group(group);
    for (State::Pending* one : group)
      for (const auto& action : one->after) action();
    lock.lock();
    s.writing = false;
    s.line.erase(s.line.begin(), s.line.begin() + static_cast<std::ptrdiff_t>(count));
    for (State::Pending* one : group) {
      one->done = true;
      if (one != &pending) one->turn.notify_one();
    }
    if (!s.line.empty()) s.line.front()->turn.notify_one();
  }
  lock.unlock();
  if (pending.error) std::rethrow_exception(pending.error);
}

void Database::read_erased(const std::function<void(Transaction&)>& work) {
  State& s = *state_;
  std::unique_ptr<Connection> reader = s.take_reader();
  try {
    for (int tries = 0;; ++tries) {
      if (!reader) reader = std::make_unique<Connection>(s.options, false);
      try {
        reader->begin();
        break;
      } catch (const Error&) {
        // A connection that the server closed while it lay idle.
        if (reader->alive() || tries + 1 >= kTries) throw;
        reader.reset();
      }
    }
    ConnectionTransaction tx(*reader);
    work(tx);
    reader->commit();
  } catch (...) {
    if (reader && reader->alive()) reader->rollback();
    s.give_reader(std::move(reader));
    throw;
  }
  s.give_reader(std::move(reader));
}

void Database::backup_to(const std::filesystem::path& file) {
  if (is_postgresql())
    throw Error(ErrorCode::Usage, "the index is in PostgreSQL").remedy("use pg_dump, as docs/commands/store.md says");
  if (std::filesystem::exists(file)) throw Error(ErrorCode::FileUnwritable, "the file exists").file(file);
  std::string quoted = "'";
  for (const char c : file.string()) quoted += c == '\'' ? std::string("''") : std::string(1, c);
  Connection copier(state_->options, true);
  copier.run(sql::vacuum_into(quoted + "'"), {});
}

}  // namespace rouage::store
