/// The thread of one destination. Internal.
#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/service.h"
#include "results/delivery_sender.h"

namespace rouage::results {

/// Rung when something changed; outlives the Deliveries where a commit that rings it comes late.
class Bell {
 public:
  void ring();
  /// Until it was rung after `heard`, or for `seconds`. Returns what to hand in next.
  std::uint64_t wait(std::uint64_t heard, double seconds);

 private:
  std::mutex mutex_;
  std::condition_variable rung_;
  std::uint64_t count_ = 0;
};

/// What all workers share.
struct DeliveryContext {
  store::Database* database = nullptr;
  const store::ReleasePermit* permit = nullptr;
  std::string own_ae;
  Deliveries::Delivered delivered;  ///< told of every object that a destination took; may be empty
  std::shared_ptr<Bell> bell = std::make_shared<Bell>();
  std::atomic<bool> stopping{false};  ///< begin nothing new
  std::atomic<bool> cut{false};       ///< end what is under way
};

/// first, 2 first, 4 first... at most longest: the wait after `failures` tries.
double wait_after(int failures, const Destination& destination);
/// The answer to a commitment: what is committed is delivered, the rest is sent again.
void take_commitment(DeliveryContext& context, const Destination& destination, int tries,
                     const std::vector<std::string>& committed, const std::vector<std::string>& failed);

class DeliveryWorker {
 public:
  DeliveryWorker(DeliveryContext& context, Destination destination);
  ~DeliveryWorker();
  void start();
  /// True when it has ended within `patience_s`.
  bool ended(double patience_s);
  void join();
  const Destination& destination() const { return destination_; }

 private:
  void run();
  double round();
  std::vector<DueObject> claim(double now_s);
  /// Asks ReleasePermit; what may not leave is recorded so.
  bool may_leave(const DueObject& object);
  void send_claimed(const std::vector<DueObject>& claimed);
  void send(const std::vector<DueObject>& batch);
  /// False: the rest of the batch is to be given back.
  bool send_one(const DueObject& object);
  Attempt try_to_send(const DueObject& object);
  bool record(const DueObject& object, const Attempt& attempt);
  void go_away(const Attempt& attempt, const DueObject* object);
  bool ask_commitments(double now_s);
  bool ask_commitment(const CommitmentRequest& request, double now_s);
  void show(double now_s);
  Sender& sender();

  DeliveryContext& context_;
  Destination destination_;
  std::unique_ptr<Sender> sender_;
  std::unique_ptr<Committer> committer_;
  std::thread thread_;
  std::mutex mutex_;
  std::condition_variable done_;
  bool running_ = false;
  int failed_in_a_row_ = 0;
  double shown_s_ = 0;
  bool dirty_ = true;  ///< something changed since the figures were shown
};

}  // namespace rouage::results
