#include "dimse/watch.h"

#include <sys/socket.h>

namespace rouage::dimse {

SocketWatch::SocketWatch() : thread_([this] { watch(); }) {}

SocketWatch::~SocketWatch() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_one();
  thread_.join();
}

void SocketWatch::attach(int socket) {
  const std::lock_guard lock(mutex_);
  socket_ = socket;
  if (fired_ && socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
}

void SocketWatch::arm(double seconds) {
  bool sooner = false;
  {
    const std::lock_guard lock(mutex_);
    due_ = Clock::now() + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
    sooner = due_ < wake_;  // else the thread finds the later time by itself: no system call for each PDU
  }
  if (sooner) changed_.notify_one();
}

void SocketWatch::disarm() {
  const std::lock_guard lock(mutex_);
  due_ = Clock::time_point::max();
}

bool SocketWatch::fired() const {
  const std::lock_guard lock(mutex_);
  return fired_;
}

void SocketWatch::watch() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (due_ <= Clock::now()) {
      fired_ = true;
      due_ = Clock::time_point::max();
      if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
    }
    wake_ = due_;
    if (wake_ == Clock::time_point::max())
      changed_.wait(lock);
    else
      changed_.wait_until(lock, wake_);
  }
}

}  // namespace rouage::dimse
