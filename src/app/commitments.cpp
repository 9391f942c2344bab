#include "app/commitments.h"

#include <condition_variable>
#include <mutex>
#include <thread>

#include "app/commitment_tables.h"
#include "base/service.h"

namespace rouage::app {
namespace {

constexpr double kFirstWait = 5, kLongestWait = 3600, kLookAgain = 5;
const std::string kCommitmentClass = "1.2.840.10008.1.20.1";

}  // namespace

struct Commitments::State {
  store::Store& store;
  std::string own_ae;
  std::function<std::optional<dimse::Peer>(const std::string&, const std::string&)> peer_of;
  std::mutex mutex;
  std::condition_variable wake;
  bool stopping = false;
  std::thread thread;

  State(store::Store& the_store, std::string ae, decltype(peer_of) find)
      : store(the_store), own_ae(std::move(ae)), peer_of(std::move(find)) {}

  void work() {
    std::unique_lock lock(mutex);
    while (!stopping) {
      lock.unlock();
      bool reported = false;
      try {
        reported = report_one();
      } catch (const Error& error) {
        log_event(LogLevel::error, "app", "storage commitment", {{"why", error.what()}});
      }
      lock.lock();
      if (!reported && !stopping) wake.wait_for(lock, std::chrono::duration<double>(kLookAgain));
    }
  }

  /// False when nothing was due.
  bool report_one() {
    const auto due = store.database().read([](store::Transaction& tx) { return due_commitment(tx, utc_now_s()); });
    if (!due) return false;
    const CommitmentRequest& request = due->request;
    const std::string why = report(request);
    store.database().write([&](store::Transaction& tx) {
      if (why.empty()) return commitment_reported(tx, request.transaction_uid, utc_now_s());
      const double wait = std::min(kLongestWait, kFirstWait * std::exp2(std::min(due->tries, 20)));
      commitment_later(tx, request.transaction_uid, utc_now_s() + wait, why);
    });
    if (!why.empty())
      log_event(LogLevel::warning, "app", "storage commitment not reported yet",
                {{"ae", request.ae_title}, {"why", why}});
    return true;
  }

  /// "" when the asker has our report; else why not.
  std::string report(const CommitmentRequest& request) const {
    const auto peer = peer_of(request.ae_title, request.address);
    if (!peer) return "the asker's address is not configured: add a [[peer]] with its ae";
    const std::vector<bool> here = store.holds(request.instances);
    std::vector<std::pair<std::string, std::string>> committed, failed;
    for (std::size_t i = 0; i < here.size(); ++i) (here[i] ? committed : failed).push_back(request.instances[i]);
    try {
      dimse::Scu scu(*peer, own_ae, {{.sop_class = kCommitmentClass, .transfer_syntaxes = {}, .as_scp = true}});
      const dimse::Status status = scu.report_commitment(request.transaction_uid, committed, failed);
      return status.good() ? "" : status.text;
    } catch (const Error& error) {
      return error.what();
    }
  }
};

Commitments::Commitments(store::Store& store, std::string own_ae,
                         std::function<std::optional<dimse::Peer>(const std::string&, const std::string&)> peer_of)
    : state_(std::make_unique<State>(store, std::move(own_ae), std::move(peer_of))) {
  make_commitment_tables(store.database());
}

Commitments::~Commitments() {
  stop();
}

void Commitments::add(const CommitmentRequest& request) {
  state_->store.database().write([&](store::Transaction& tx) { insert_commitment(tx, request, utc_now_s()); });
  state_->wake.notify_all();
}

void Commitments::start() {
  state_->thread = std::thread([state = state_.get()] { state->work(); });
}

void Commitments::stop() {
  {
    const std::lock_guard lock(state_->mutex);
    state_->stopping = true;
  }
  state_->wake.notify_all();
  if (state_->thread.joinable()) state_->thread.join();
}

std::uint64_t Commitments::waiting() const {
  return state_->store.database().read([](store::Transaction& tx) { return commitments_waiting(tx); });
}

}  // namespace rouage::app
