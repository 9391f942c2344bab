/// What all connections of a server share, and how one is made. The only header that names Asio; internal.
#pragma once
#include <atomic>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "app/http.h"
#include "app/task_pool.h"

namespace rouage::app {

/// A connection, whatever its stream. Thread-safe.
class Link {
 public:
  virtual ~Link() = default;
  virtual void start() = 0;
  virtual void close_when_idle() = 0;
  virtual void abort() = 0;
};

struct Hall {
  HttpOptions options;
  Routes routes;
  std::unique_ptr<TaskPool> quick, uploads;
  std::atomic<bool> stopping{false};

  /// Counts a caller in; false: a limit is reached. Each one that came in leaves once.
  bool may_enter(const std::string& address);
  void enter(const std::shared_ptr<Link>& link);
  void leave(const std::shared_ptr<Link>& link, const std::string& address);
  std::vector<std::shared_ptr<Link>> inside();
  /// Waits until nobody is inside; false when `patience_s` passed before.
  bool wait_empty(double patience_s);

 private:
  std::mutex mutex_;
  std::condition_variable left_;
  std::set<std::shared_ptr<Link>> links_;
  std::map<std::string, int> by_address_;
};

/// tls: null for plain HTTP.
std::shared_ptr<Link> connection_of(Hall& hall, boost::asio::ip::tcp::socket socket, boost::asio::ssl::context* tls,
                                    const std::string& address);

}  // namespace rouage::app
