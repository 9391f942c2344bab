/// A limit of time on what a socket does: when it is over, the socket is shut down, and whoever reads or writes it
/// wakes up with an error. So a peer that sends one byte now and then cannot hold a message open.
#pragma once
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>

namespace rouage::dimse {

/// One thread of its own; all functions are thread-safe.
class SocketWatch {
 public:
  SocketWatch();
  ~SocketWatch();
  SocketWatch(const SocketWatch&) = delete;
  SocketWatch& operator=(const SocketWatch&) = delete;
  void attach(int socket);  ///< -1: none; the watch never closes it
  void arm(double seconds);
  void disarm();
  bool fired() const;

 private:
  using Clock = std::chrono::steady_clock;
  void watch();
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Clock::time_point due_ = Clock::time_point::max(), wake_ = Clock::time_point::max();
  int socket_ = -1;
  bool fired_ = false, stopping_ = false;
  std::thread thread_;
};

}  // namespace rouage::dimse
