/// A front with a store in memory: files are moved aside, what was asked is remembered.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "base/error.h"
#include "dimse/peers.h"
#include "receive/dimse_front.h"

namespace rouage::receive {

namespace fs = std::filesystem;
using test::Scratch;

class KeepingSink : public InstanceSink {
 public:
  explicit KeepingSink(const fs::path& folder) : incoming_(folder / "incoming"), kept_(folder / "kept") {
    fs::create_directories(incoming_);
    fs::create_directories(kept_);
  }
  fs::path incoming() const override { return incoming_; }
  std::optional<Error> no_room(std::uint64_t) const override {
    if (full) return Error(ErrorCode::DiskFull, "2 GB are kept free");
    return {};
  }
  std::vector<Receipt> accept(std::vector<Arrival> arrivals) override {
    std::vector<Receipt> receipts;
    for (const Arrival& arrival : arrivals) {
      if (delay_ms > 0) ::usleep(static_cast<useconds_t>(delay_ms * 1000));
      const std::lock_guard lock(mutex_);
      const fs::path place = kept_ / (arrival.entry.sop_instance_uid + ".dcm");
      const bool known = fs::exists(place);
      fs::rename(arrival.file, place);
      objects_[arrival.entry.sop_instance_uid] = arrival;
      objects_[arrival.entry.sop_instance_uid].file = place;
      receipts.push_back({known ? Outcome::duplicate : Outcome::stored, ErrorCode::Internal, ""});
    }
    return receipts;
  }
  void association_opened(std::uint64_t association, const Origin& origin) override {
    const std::lock_guard lock(mutex_);
    opened_[association] = origin;
  }
  void association_ended(std::uint64_t association, bool released) override {
    const std::lock_guard lock(mutex_);
    ended_[association] = released;
  }
  void note_lists(const std::vector<SeriesList>& lists) override {
    const std::lock_guard lock(mutex_);
    lists_.insert(lists_.end(), lists.begin(), lists.end());
  }
  void note_message(const OrderMessage&) override {}

  std::map<std::string, Arrival> objects() const { return locked(objects_); }
  void forget() {
    const std::lock_guard lock(mutex_);
    objects_.clear();
  }
  std::map<std::uint64_t, Origin> opened() const { return locked(opened_); }
  std::map<std::uint64_t, bool> ended() const { return locked(ended_); }
  std::vector<SeriesList> lists() const { return locked(lists_); }

  std::atomic<bool> full{false};
  std::atomic<int> delay_ms{0};

 private:
  template <typename Value>
  Value locked(const Value& value) const {
    const std::lock_guard lock(mutex_);
    return value;
  }
  fs::path incoming_, kept_;
  mutable std::mutex mutex_;
  std::map<std::string, Arrival> objects_;
  std::map<std::uint64_t, Origin> opened_;
  std::map<std::uint64_t, bool> ended_;
  std::vector<SeriesList> lists_;
};

/// Answers from what the sink holds; Study Root and Patient Root alike.
class KeepingAnswers : public Answers {
 public:
  explicit KeepingAnswers(const KeepingSink& sink) : sink_(sink) {}
  dimse::Status find(const dimse::Caller&, const std::string&, const dicom::Attributes& keys,
                     const std::function<bool(const dicom::Attributes&)>& match) override {
    if (fail_with) throw Error(*fail_with);
    std::set<std::string> said;
    for (int round = 0; round < repeat; ++round)
      for (const auto& [uid, arrival] : sink_.objects()) {
        dicom::Attributes answer;
        const dicom::Attributes all = dicom::attributes_of(arrival.entry);
        for (const auto& [tag, value] : keys) {
          const auto found = all.find(tag);
          answer[tag] = found == all.end() ? value : found->second;
        }
        ++given;
        if (!match(answer)) return {};
      }
    return {};
  }
  dimse::Services::Retrieval retrieve(const dimse::Caller&, const std::string&, const dicom::Attributes& keys,
                                      const std::string& move_to) override {
    dimse::Services::Retrieval retrieval;
    const auto study = keys.find(0x0020000D);
    for (const auto& [uid, arrival] : sink_.objects()) {
      if (study != keys.end() && !study->second.empty() && study->second != arrival.entry.study_instance_uid) continue;
      retrieval.objects.push_back({arrival.file, arrival.entry.sop_class_uid, uid, arrival.entry.transfer_syntax_uid});
    }
    const auto peer = destinations.find(move_to);
    if (peer != destinations.end()) retrieval.destination = peer->second;
    return retrieval;
  }
  dimse::Status commitment(const dimse::Caller&, const std::string& transaction_uid,
                           const std::vector<std::pair<std::string, std::string>>& instances) override {
    const std::lock_guard lock(mutex_);
    asked[transaction_uid] = instances;
    return {};
  }
  dimse::Status committed(const dimse::Caller&, const std::string& transaction_uid,
                          const std::vector<std::string>& committed, const std::vector<std::string>& failed) override {
    const std::lock_guard lock(mutex_);
    reported[transaction_uid] = {committed, failed};
    return {};
  }

  std::map<std::string, dimse::Peer> destinations;
  std::map<std::string, std::vector<std::pair<std::string, std::string>>> asked;
  std::map<std::string, std::pair<std::vector<std::string>, std::vector<std::string>>> reported;
  std::optional<ErrorCode> fail_with;
  int repeat = 1;
  std::atomic<int> given{0};

 private:
  const KeepingSink& sink_;
  std::mutex mutex_;
};

class DimseFrontTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* program : {"storescu", "echoscu", "dcmdump"})
      if (!test::program_exists(program)) GTEST_SKIP() << program << " (dcmtk) is not installed";
    if (!fs::exists(test::shared("dicom/ct_all_syntaxes"))) GTEST_SKIP() << "../shared/data is not here";
    options_.port = 0;
    options_.patience_s = 5;
    options_.log.least = LogLevel::error;
    set_log_options(options_.log);
  }
  void start() { front_ = std::make_unique<DimseFront>(options_, sink_, answers_); }
  std::string at() const { return "127.0.0.1 " + std::to_string(front_->port()); }
  dimse::Peer peer() const {
    return {.host = "127.0.0.1", .port = front_->port(), .ae_title = "ROUAGE", .answer_timeout_s = 20};
  }
  static fs::path all_syntaxes() { return test::shared("dicom/ct_all_syntaxes"); }
  static fs::path ct() { return all_syntaxes() / "CTImage.dcm"; }
  static test::Outcome storescu(const std::string& rest) { return test::shell("storescu " + rest); }
  bool echo_within(double seconds) const {
    const double begun = monotonic_s();
    const test::Outcome outcome = test::shell("echoscu -to 5 -ta 5 " + at());
    return outcome.status == 0 && monotonic_s() - begun < seconds;
  }

  int connect_after_stop() const { return test::connect_to(front_->port()); }

  Scratch scratch_{"front"};
  DimseFrontOptions options_;
  KeepingSink sink_{scratch_.path()};
  KeepingAnswers answers_{sink_};
  std::unique_ptr<DimseFront> front_;
};

}  // namespace rouage::receive
