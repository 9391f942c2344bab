/// A store in memory, for tests of the ways in: what was accepted, in order; failures on demand.
#pragma once
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "receive/receive.h"

namespace rouage::receive::testing {

class MemorySink : public InstanceSink {
 public:
  explicit MemorySink(std::filesystem::path folder) : folder_(std::move(folder)) {
    std::filesystem::create_directories(folder_);
  }
  std::filesystem::path incoming() const override { return folder_; }
  std::optional<Error> no_room(std::uint64_t) const override {
    if (full) return Error(ErrorCode::DiskFull);
    return std::nullopt;
  }
  std::vector<Receipt> accept(std::vector<Arrival> arrivals) override {
    std::vector<Receipt> receipts;
    const std::scoped_lock lock(mutex_);
    for (const Arrival& arrival : arrivals) {
      std::filesystem::remove(arrival.file);
      if (refuse_with) {
        receipts.push_back({Outcome::refused, *refuse_with, "refused by the test"});
        continue;
      }
      const std::string uid = arrival.entry.sop_instance_uid;
      const auto known = digests_.find(uid);
      Outcome outcome = Outcome::stored;
      if (known != digests_.end())
        outcome = known->second == arrival.digest.hex() ? Outcome::duplicate : Outcome::conflict;
      else
        digests_[uid] = arrival.digest.hex();
      arrivals_.push_back(arrival);
      outcomes_.push_back(outcome);
      receipts.push_back({outcome, ErrorCode::Internal, ""});
    }
    return receipts;
  }
  void association_opened(std::uint64_t, const Origin&) override {}
  void association_ended(std::uint64_t, bool) override {}
  void note_lists(const std::vector<SeriesList>&) override {}
  void note_message(const OrderMessage& message) override {
    if (slow_s > 0) ::usleep(static_cast<useconds_t>(slow_s * 1e6));
    if (broken) throw Error(ErrorCode::DatabaseFailed, "by the test");
    const std::scoped_lock lock(mutex_);
    messages_.push_back(message);
  }

  std::vector<OrderMessage> messages() const {
    const std::scoped_lock lock(mutex_);
    return messages_;
  }
  std::vector<Arrival> arrivals() const {
    const std::scoped_lock lock(mutex_);
    return arrivals_;
  }
  std::size_t count(Outcome outcome) const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::count(outcomes_.begin(), outcomes_.end(), outcome));
  }

  std::atomic<bool> full{false}, broken{false};
  std::atomic<double> slow_s{0};
  std::optional<ErrorCode> refuse_with;

 private:
  std::filesystem::path folder_;
  mutable std::mutex mutex_;
  std::vector<OrderMessage> messages_;
  std::vector<Arrival> arrivals_;
  std::vector<Outcome> outcomes_;
  std::map<std::string, std::string> digests_;
};

/// A folder of this test, removed at its end.
class TestFolder {
 public:
  explicit TestFolder(const std::string& name)
      : path_(std::filesystem::temp_directory_path() / ("rouage-" + name + "-" + std::to_string(::getpid()))) {
    std::filesystem::remove_all(path_);
    std::filesystem::create_directories(path_);
  }
  ~TestFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TestFolder(const TestFolder&) = delete;
  TestFolder& operator=(const TestFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace rouage::receive::testing
