#include "results/delivery_worker.h"

#include <chrono>
#include <set>

#include "base/error.h"
#include "base/host.h"

namespace rouage::results {
namespace {

constexpr int kBatch = 32;
/// So many objects that fail one after the other: it is the destination, not the objects.
constexpr int kFailuresInARow = 3;
constexpr double kLongestSleepS = 60;
/// Counting a long queue costs something; scrapers come as often.
constexpr double kShowEveryS = 15;
constexpr double kDatabaseWaitS = 5;
constexpr std::uint64_t kMostObject = 1ULL << 40;

MetricLabels labels(const Destination& destination) {
  return {{"destination", destination.name}};
}

void set_queue_gauges(const Deliveries::QueueState& queue) {
  const auto gauge = [&queue](const char* state) -> Gauge& {
    return metrics().gauge("rouage_deliveries_waiting", "objects that are not delivered yet",
                           {{"destination", queue.destination}, {"state", state}});
  };
  gauge("due").set(static_cast<double>(queue.due));
  gauge("refused").set(static_cast<double>(queue.refused));
  gauge("waiting_release").set(static_cast<double>(queue.waiting_release));
  gauge("waiting_commitment").set(static_cast<double>(queue.waiting_commitment));
  metrics()
      .gauge("rouage_destination_reachable", "1 when the last try found the destination",
             {{"destination", queue.destination}})
      .set(queue.reachable ? 1 : 0);
}

}  // namespace

void Bell::ring() {
  {
    const std::lock_guard lock(mutex_);
    ++count_;
  }
  rung_.notify_all();
}

std::uint64_t Bell::wait(std::uint64_t heard, double seconds) {
  std::unique_lock lock(mutex_);
  rung_.wait_for(lock, std::chrono::duration<double>(seconds), [&] { return count_ != heard; });
  return count_;
}

double wait_after(int failures, const Destination& destination) {
  const int doublings = std::min(std::max(failures - 1, 0), 30);
  return std::min(destination.first_wait_s * static_cast<double>(1U << doublings), destination.longest_wait_s);
}

void take_commitment(DeliveryContext& context, const Destination& destination, int tries,
                     const std::vector<std::string>& committed, const std::vector<std::string>& failed) {
  const double now_s = utc_now_s();
  context.database->write([&](store::Transaction& tx) {
    for (const std::string& uid : committed) note_committed(tx, destination.name, uid, now_s);
    for (const std::string& uid : failed)
      note_not_committed(tx, destination.name, uid, now_s + wait_after(tries + 1, destination));
  });
  if (!failed.empty())
    log_event(LogLevel::warning, "results", "objects were not committed and are sent again",
              {{"destination", destination.name}, {"objects", std::to_string(failed.size())}});
  context.bell->ring();
}

DeliveryWorker::DeliveryWorker(DeliveryContext& context, Destination destination)
    : context_(context), destination_(std::move(destination)) {}

DeliveryWorker::~DeliveryWorker() {
  join();
}

void DeliveryWorker::start() {
  context_.database->write([&](store::Transaction& tx) { recover_deliveries(tx, destination_, utc_now_s()); });
  running_ = true;
  thread_ = std::thread([this] { run(); });
}

bool DeliveryWorker::ended(double patience_s) {
  std::unique_lock lock(mutex_);
  return done_.wait_for(lock, std::chrono::duration<double>(patience_s), [this] { return !running_; });
}

void DeliveryWorker::join() {
  if (thread_.joinable()) thread_.join();
}

void DeliveryWorker::run() {
  std::uint64_t heard = 0;
  while (!context_.stopping) {
    heard = context_.bell->wait(heard, 0);
    double wait_s = kDatabaseWaitS;
    try {
      wait_s = round();
    } catch (const std::exception& error) {
      // The database, or what nobody foresaw: this thread must live, or the destination is dead until a restart.
      log_event(LogLevel::error, "results", "a round of deliveries failed",
                {{"destination", destination_.name}, {"why", error.what()}});
    }
    if (wait_s > 0 && !context_.stopping) context_.bell->wait(heard, std::min(wait_s, kLongestSleepS));
  }
  const std::lock_guard lock(mutex_);
  running_ = false;
  done_.notify_all();
}

/// One step; seconds until the next may have something to do.
double DeliveryWorker::round() {
  const double now_s = utc_now_s();
  show(now_s);
  const DestinationStatus status =
      context_.database->read([&](store::Transaction& tx) { return destination_status(tx, destination_.name); });
  const double rest_s = status.next_try_s - now_s;
  // A longer rest than any is a clock that was set back.
  if (status.failures > 0 && rest_s > 0 && rest_s <= destination_.longest_wait_s) return rest_s;
  if (const std::vector<DueObject> batch = claim(now_s); !batch.empty()) {
    send_claimed(batch);
    return 0;
  }
  if (destination_.commitment && destination_.kind == DestinationKind::dicom && ask_commitments(now_s)) return 0;
  if (std::exchange(dirty_, false)) shown_s_ = 0;
  show(now_s);
  const auto next_s =
      context_.database->read([&](store::Transaction& tx) { return next_due_s(tx, destination_.name); });
  // Something that became due meanwhile, or a set that is not whole yet, must not become a spinning thread.
  return next_s ? std::max(*next_s - utc_now_s(), 0.05) : kLongestSleepS;
}

std::vector<DueObject> DeliveryWorker::claim(double now_s) {
  return context_.database->write(
      [&](store::Transaction& tx) { return claim_due(tx, destination_.name, now_s, kBatch); });
}

Sender& DeliveryWorker::sender() {
  if (!sender_) {
    switch (destination_.kind) {
      case DestinationKind::dicom:
        sender_ = make_dicom_sender(destination_, context_.own_ae);
        break;
      case DestinationKind::stow:
        sender_ = make_stow_sender(destination_, context_.cut);
        break;
      case DestinationKind::fhir:
        sender_ = make_fhir_sender(destination_, context_.cut);
        break;
      case DestinationKind::folder:
        sender_ = make_folder_sender(destination_);
        break;
    }
  }
  return *sender_;
}

bool DeliveryWorker::may_leave(const DueObject& object) {
  // The policy comes first: whatever the permit answers, a shadow destination gets nothing.
  const store::ExitAnswer answer = destination_.policy == store::Policy::never
                                       ? store::ExitAnswer{false, "the destination's policy is never"}
                                       : context_.permit->ask({destination_.name, destination_.policy,
                                                               object.study_instance_uid, object.sop_instance_uid});
  if (!answer.allowed) context_.database->write([&](store::Transaction& tx) { note_withheld(tx, object, answer.why); });
  return answer.allowed;
}

void DeliveryWorker::send_claimed(const std::vector<DueObject>& claimed) {
  dirty_ = true;
  // Asked here, so that a destination that may have nothing is not even called, and again right before each sending.
  std::vector<DueObject> batch;
  try {
    for (const DueObject& object : claimed)
      if (may_leave(object)) batch.push_back(object);
  } catch (...) {
    context_.database->write([&](store::Transaction& tx) { give_back(tx, claimed); });
    throw;
  }
  if (!batch.empty()) send(batch);
}

void DeliveryWorker::send(const std::vector<DueObject>& batch) {
  const auto give_back_rest = [&](std::size_t from) {
    const std::vector<DueObject> rest(batch.begin() + static_cast<std::ptrdiff_t>(from), batch.end());
    if (!rest.empty()) context_.database->write([&](store::Transaction& tx) { give_back(tx, rest); });
  };
  std::set<std::string> waiting;  // sets of which an object failed: what follows in them keeps its place
  std::size_t done = 0;
  try {
    if (const auto failure = sender().open(batch)) {
      if (failure->kind == Attempt::Kind::away) {
        go_away(*failure, &batch.front());
      } else {
        for (const DueObject& object : batch) record(object, *failure);
        done = batch.size();
      }
      give_back_rest(done);
      sender().close();
      return;
    }
    for (; done < batch.size() && !context_.stopping; ++done) {
      if (waiting.contains(batch[done].set)) continue;
      const int failed_before = failed_in_a_row_;
      if (!send_one(batch[done])) {
        ++done;
        break;
      }
      if (failed_in_a_row_ > failed_before) waiting.insert(batch[done].set);
    }
  } catch (...) {
    give_back_rest(done);
    sender_.reset();
    throw;
  }
  sender().close();
  give_back_rest(done);
}

bool DeliveryWorker::send_one(const DueObject& object) {
  if (!may_leave(object)) return true;
  return record(object, try_to_send(object));
}

Attempt DeliveryWorker::try_to_send(const DueObject& object) try {
  if (!object.digest.empty() && file_digest(object.file, kMostObject).hex() != object.digest)
    return {Attempt::Kind::refused, "the file is not the one that was planned: see rouage store verify", 0};
  return sender().send(object);
} catch (const Error& error) {
  const bool later = error_entry(error.code()).retry;
  return {later ? Attempt::Kind::again : Attempt::Kind::refused, error.what(), 0};
}

bool DeliveryWorker::record(const DueObject& object, const Attempt& attempt) {
  const double now_s = utc_now_s();
  const bool commit = destination_.commitment && destination_.kind == DestinationKind::dicom;
  if (attempt.kind == Attempt::Kind::delivered) {
    failed_in_a_row_ = 0;
    context_.database->write(
        [&](store::Transaction& tx) { note_delivered(tx, destination_.name, object, commit, attempt.message, now_s); });
    metrics().counter("rouage_delivered_total", "objects that a destination took", labels(destination_)).add();
    metrics()
        .histogram("rouage_delivery_seconds", "from the plan to the destination's answer", labels(destination_))
        .observe(now_s - object.planned_s);
    if (context_.delivered) context_.delivered(destination_, object.study_instance_uid, object.sop_class_uid);
    return true;
  }
  metrics().counter("rouage_delivery_failures_total", "tries that failed", labels(destination_)).add();
  if (attempt.kind == Attempt::Kind::refused) {
    context_.database->write([&](store::Transaction& tx) {
      note_refused(tx, object, now_s + destination_.longest_wait_s, attempt.message);
      note_here(tx, destination_.name);
    });
    log_event(LogLevel::warning, "results", "a destination refused an object",
              {{"destination", destination_.name},
               {"role", object.role},
               patient_field("sop_instance", object.sop_instance_uid),
               {"why", attempt.message}});
    return true;
  }
  if (attempt.kind == Attempt::Kind::away || ++failed_in_a_row_ >= kFailuresInARow) {
    go_away(attempt, &object);
    return false;
  }
  context_.database->write([&](store::Transaction& tx) {
    note_failed(tx, destination_.name, object, now_s + wait_after(object.tries + 1, destination_), attempt.message);
  });
  return true;
}

void DeliveryWorker::go_away(const Attempt& attempt, const DueObject* object) {
  failed_in_a_row_ = 0;
  const double now_s = utc_now_s();
  double wait_s = 0;
  context_.database->write([&](store::Transaction& tx) {
    const int failures = destination_status(tx, destination_.name).failures + 1;
    wait_s = std::min(std::max(wait_after(failures, destination_), attempt.wait_s), destination_.longest_wait_s);
    note_away(tx, destination_.name, failures, now_s + wait_s, attempt.message);
    if (object != nullptr) note_failed(tx, destination_.name, *object, now_s, attempt.message);
  });
  log_event(LogLevel::warning, "results", "a destination does not take anything now",
            {{"destination", destination_.name}, {"why", attempt.message}, {"again_in_s", fixed_text(wait_s, 0)}});
}

bool DeliveryWorker::ask_commitments(double now_s) {
  const auto requests = context_.database->write([&](store::Transaction& tx) {
    return claim_commitments(tx, destination_.name, now_s, now_s + destination_.commitment_wait_s, kBatch);
  });
  if (requests.empty()) return false;
  dirty_ = true;
  bool go_on = true;
  for (const CommitmentRequest& request : requests) {
    go_on = go_on && !context_.stopping;
    if (go_on)
      go_on = ask_commitment(request, now_s);
    else
      context_.database->write([&](store::Transaction& tx) {
        note_commitment_failed(tx, destination_.name, request, now_s, "Storage Commitment: not asked for yet");
      });
  }
  return true;
}

/// False: nobody answers.
bool DeliveryWorker::ask_commitment(const CommitmentRequest& request, double now_s) {
  if (!committer_) committer_ = make_dicom_committer(destination_, context_.own_ae);
  const Committer::Answer answer = committer_->ask(request);
  if (answer.attempt.kind == Attempt::Kind::delivered) {
    if (answer.committed || answer.failed)
      take_commitment(context_, destination_, request.tries, answer.committed.value_or(std::vector<std::string>{}),
                      answer.failed.value_or(std::vector<std::string>{}));
    return true;
  }
  const double wait_s = answer.attempt.kind == Attempt::Kind::refused ? destination_.longest_wait_s
                                                                      : wait_after(request.tries + 1, destination_);
  context_.database->write([&](store::Transaction& tx) {
    note_commitment_failed(tx, destination_.name, request, now_s + wait_s,
                           "Storage Commitment: " + answer.attempt.message);
  });
  if (answer.attempt.kind != Attempt::Kind::away) return true;
  go_away(answer.attempt, nullptr);
  return false;
}

void DeliveryWorker::show(double now_s) {
  if (now_s - shown_s_ < kShowEveryS && now_s >= shown_s_) return;
  shown_s_ = now_s;
  set_queue_gauges(context_.database->read([&](store::Transaction& tx) { return queue_state(tx, destination_.name); }));
}

}  // namespace rouage::results
