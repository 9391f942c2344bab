/// What the tests of deliveries share: a database, result sets of real objects, peers as child processes.
#pragma once
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "results/delivery.h"
#include "store/database.h"

namespace rouage::test {

/// Polls every 20 ms; false when it did not come true in time. Times are generous: the machine is shared.
bool wait_until(const std::function<bool()>& true_now, double seconds = 30);
/// A TCP port of the loopback that nobody listens on now.
int free_port();
bool port_answers(int port);

/// A child process, killed and reaped with this object.
class Child {
 public:
  Child() = default;
  explicit Child(const std::vector<std::string>& command, const std::filesystem::path& log = "/dev/null");
  /// A fork that runs `work` and ends.
  explicit Child(const std::function<void()>& work);
  ~Child();
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, -1)) {}
  Child& operator=(Child&& other) noexcept;
  void kill();

 private:
  int pid_ = -1;
};

/// Permits by hand: everything that is not withheld; counts what was asked.
class HandPermit : public store::ReleasePermit {
 public:
  store::ExitAnswer ask(const store::ExitRequest& request) const override;
  void withhold(const std::string& study);
  void release(const std::string& study);
  std::vector<store::ExitRequest> asked() const;

 private:
  mutable std::mutex mutex_;
  std::set<std::string> withheld_;
  mutable std::vector<store::ExitRequest> asked_;
};

/// An open SQLite database in a new folder.
struct TestDatabase {
  std::filesystem::path folder;
  std::unique_ptr<store::Database> database;
  /// Closed and opened again, as after a restart.
  void reopen();
};
TestDatabase new_database(const std::string& name);

/// The results of the sample film as files in `folder`: sr, cad_sr, seg, gsps, key_objects and the study's FHIR bundle,
/// in this order. `study`: number of the study; each number gives other UIDs.
results::ResultSet sample_set(const std::filesystem::path& folder, int study);

/// Waits 0.2 s at first and 1 s at most, so that a test sees several tries; policy at_once.
results::Destination quick_destination(const std::string& name, results::DestinationKind kind);

/// The number of deliveries in a state, of one destination or of all.
std::size_t count_of(const results::Deliveries& deliveries, results::DeliveryState state,
                     const std::string& destination = "");
results::Delivery delivery_of(const results::Deliveries& deliveries, const std::string& destination,
                              const std::string& role);
void plan(store::Database& database, results::Deliveries& deliveries, const results::ResultSet& set);

/// tests/results/http_recorder.py on a free port: keeps every request in its folder, answers as replies.json says.
class Recorder {
 public:
  /// replies: a JSON list of {"status", "body", "headers", "delay_s"}; the last one is repeated.
  explicit Recorder(const std::string& replies, const std::vector<std::string>& arguments = {});
  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  int port() const { return port_; }
  const std::filesystem::path& folder() const { return folder_; }
  /// Bodies and headers ("name: value" lines, lower-case names) in the order of arrival.
  std::vector<std::string> bodies() const;
  std::vector<std::string> headers() const;
  void replies(const std::string& json) const;

 private:
  std::vector<std::string> files(const std::string& ending) const;
  std::filesystem::path folder_;
  int port_ = 0;
  Child child_;
};

}  // namespace rouage::test
