// One poll loop owns every connection; workers own a message while they store it. A connection has at most one message
// with the workers, so its order is kept and a fast sender waits in TCP, not in our memory.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <map>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "receive/dimse_address.h"
#include "receive/hl7.h"
#include "receive/mllp.h"

namespace rouage::receive {
namespace {

constexpr std::size_t kReadStep = 64 * 1024;
constexpr int kTickMs = 200;

class Descriptor {
 public:
  explicit Descriptor(int fd = -1) : fd_(fd) {}
  ~Descriptor() { reset(); }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  int get() const { return fd_; }
  bool open() const { return fd_ >= 0; }
  void reset() {
    if (fd_ >= 0) ::close(std::exchange(fd_, -1));
  }

 private:
  int fd_;
};

struct Connection {
  Descriptor socket;
  std::string address, pending, out;  ///< pending: read, not yet framed; out: answers not yet written
  MllpFramer framer;
  bool busy = false;  ///< a worker has its message, of `with_worker` bytes
  std::size_t with_worker = 0;
  bool closing = false;  ///< when `out` is written
  bool ended = false;    ///< the peer will send no more
  bool spoke = false;
  double opened_s = 0, last_s = 0, message_s = 0, answer_s = 0;
};

struct Job {
  std::uint64_t connection = 0;
  std::string message, address;
};
struct Done {
  std::uint64_t connection = 0;
  std::string answers;
  bool close = false;
};

std::string counted_type(const ParsedMessage& parsed) {
  static constexpr std::array<std::string_view, 5> kTypes = {"ORM^O01", "OMI^O23", "ORU^R01", "ADT^A08", "ADT^A40"};
  const std::string type = parsed.header.type();
  return std::find(kTypes.begin(), kTypes.end(), type) == kTypes.end() ? "other" : type;
}

const char* kind_name(Verdict::Kind kind) {
  switch (kind) {
    case Verdict::Kind::accepted:
      return "accepted";
    case Verdict::Kind::in_error:
      return "in_error";
    case Verdict::Kind::rejected:
      return "rejected";
    case Verdict::Kind::try_later:
      return "try_later";
  }
  return "rejected";
}

void say(const ParsedMessage& parsed, const std::string& address) {
  metrics()
      .counter("rouage_hl7_messages_total", "HL7 messages by type and answer",
               {{"type", counted_type(parsed)}, {"answer", kind_name(parsed.verdict.kind)}})
      .add();
  std::vector<LogField> fields = {{"type", parsed.header.type()},
                                  {"control_id", parsed.header.control_id},
                                  {"sender", parsed.header.sender()},
                                  {"address", address},
                                  {"answer", kind_name(parsed.verdict.kind)}};
  if (!parsed.verdict.text.empty()) fields.push_back({"why", parsed.verdict.text});
  if (!parsed.verdict.location.empty()) fields.push_back({"where", parsed.verdict.location});
  for (const std::string& warning : parsed.warnings) fields.push_back({"mended", warning});
  const bool good = parsed.verdict.kind == Verdict::Kind::accepted;
  log_event(good ? LogLevel::info : LogLevel::warning, "receive", good ? "hl7 message kept" : "hl7 message refused",
            fields);
}

}  // namespace

struct MllpServer::State {
  MllpOptions options;
  InstanceSink& sink;
  std::vector<AddressBlock> allowed;
  Descriptor listener, wake;
  int port = 0;
  std::map<std::uint64_t, Connection> connections;  // of the loop only
  std::uint64_t next_id = 1;
  double accept_again_s = 0, said_refusal_s = -1000;
  std::thread loop;
  std::vector<std::thread> workers;
  std::mutex mutex;
  std::condition_variable work;
  std::deque<Job> jobs;
  std::vector<Done> finished;
  bool stop_workers = false;
  std::atomic<bool> stopping{false};
  std::atomic<double> stop_by_s{0};

  State(MllpOptions given, InstanceSink& to) : options(std::move(given)), sink(to) {}
  void bind_listener();
  void run_loop();
  void run_worker();
  Done handle(const Job& job);
  void accept_all(double now);
  void refuse_connection(const std::string& address, const char* why, double now);
  void read_some(std::uint64_t id, Connection& connection, double now);
  void advance(std::uint64_t id, Connection& connection, double now);
  void write_some(Connection& connection, double now);
  void take_finished(double now);
  const char* overdue(const Connection& connection, double now) const;
  std::size_t buffered() const;
  bool drained() const;
  void nudge() const {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t n = ::write(wake.get(), &one, sizeof one);
  }
};

void MllpServer::State::bind_listener() {
  const bool six = options.address.find(':') != std::string::npos;
  sockaddr_in6 a6{};
  sockaddr_in a4{};
  const auto port_bits = htons(static_cast<std::uint16_t>(options.port));
  a6.sin6_family = AF_INET6;
  a6.sin6_port = port_bits;
  a4.sin_family = AF_INET;
  a4.sin_port = port_bits;
  const int parsed = six ? ::inet_pton(AF_INET6, options.address.c_str(), &a6.sin6_addr)
                         : ::inet_pton(AF_INET, options.address.c_str(), &a4.sin_addr);
  if (parsed != 1 || options.port < 0 || options.port > 65535)
    throw Error(ErrorCode::ConfigInvalid, "not a numeric address and port for HL7: " + options.address);
  for (const std::string& rule : options.allowed) allowed.emplace_back(rule);
  listener = Descriptor(::socket(six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  const int on = 1;
  ::setsockopt(listener.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr* address = six ? reinterpret_cast<const sockaddr*>(&a6) : reinterpret_cast<const sockaddr*>(&a4);
  const socklen_t length = six ? sizeof a6 : sizeof a4;
  if (!listener.open() || ::bind(listener.get(), address, length) != 0 || ::listen(listener.get(), 128) != 0)
    throw Error(ErrorCode::AddressInUse,
                options.address + ":" + std::to_string(options.port) + " (HL7): " + std::strerror(errno));
  sockaddr_in6 bound{};
  socklen_t bound_length = sizeof bound;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&bound), &bound_length);
  port = ntohs(bound.sin6_port);  // at the same place in both families
  wake = Descriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
}

void MllpServer::State::refuse_connection(const std::string& address, const char* why, double now) {
  metrics().counter("rouage_hl7_connections_refused_total", "HL7 connections closed at once").add();
  if (now - said_refusal_s < 1) return;  // a flood fills no log
  said_refusal_s = now;
  log_event(LogLevel::warning, "receive", "hl7 connection refused", {{"address", address}, {"why", why}});
}

void MllpServer::State::accept_all(double now) {
  while (true) {
    sockaddr_in6 from{};
    socklen_t length = sizeof from;
    Descriptor socket(
        ::accept4(listener.get(), reinterpret_cast<sockaddr*>(&from), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.open()) {
      if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) accept_again_s = now + 1;  // no descriptors left
      return;
    }
    std::array<char, INET6_ADDRSTRLEN> text{};
    if (from.sin6_family == AF_INET6)
      ::inet_ntop(AF_INET6, &from.sin6_addr, text.data(), text.size());
    else
      ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, text.data(), text.size());
    const std::string address(text.data());
    const auto same = std::count_if(connections.begin(), connections.end(),
                                    [&](const auto& c) { return c.second.address == address; });
    if (!allowed.empty() && !any_holds(allowed, address))
      refuse_connection(address, "not on the allow list", now);
    else if (connections.size() >= static_cast<std::size_t>(options.max_connections))
      refuse_connection(address, "too many connections", now);
    else if (same >= options.max_connections_per_address)
      refuse_connection(address, "too many connections of this address", now);
    else {
      const int on = 1;
      ::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      ::setsockopt(socket.get(), SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
      Connection connection{std::move(socket), address, {}, {}, MllpFramer(options.hl7.limits.message_bytes)};
      connection.opened_s = connection.last_s = now;
      connections.emplace(next_id++, std::move(connection));
    }
  }
}

std::size_t MllpServer::State::buffered() const {
  std::size_t sum = 0;
  for (const auto& [id, c] : connections) sum += c.framer.buffered() + c.pending.size() + c.out.size() + c.with_worker;
  return sum;
}

void MllpServer::State::read_some(std::uint64_t id, Connection& connection, double now) {
  std::array<char, kReadStep> chunk;
  const ssize_t n = ::recv(connection.socket.get(), chunk.data(), chunk.size(), 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    connection.ended = true;
    return;
  }
  connection.pending.append(chunk.data(), static_cast<std::size_t>(n));
  connection.last_s = now;
  if (buffered() > options.max_buffered_bytes) {
    log_event(LogLevel::warning, "receive", "hl7 connection closed",
              {{"address", connection.address}, {"why", "all connections together hold more than the limit"}});
    connection.ended = true;
    return;
  }
  advance(id, connection, now);
}

/// Frames what was read; a whole message goes to the workers.
void MllpServer::State::advance(std::uint64_t id, Connection& connection, double now) {
  if (connection.busy || connection.ended || stopping) return;
  const std::size_t used = connection.framer.push(connection.pending);
  connection.pending.erase(0, used);
  switch (connection.framer.state()) {
    case MllpFramer::State::between:
      connection.message_s = 0;
      break;
    case MllpFramer::State::inside:
      connection.spoke = true;
      if (connection.message_s == 0) connection.message_s = now;
      break;
    case MllpFramer::State::broken:
      log_event(LogLevel::warning, "receive", "hl7 connection closed",
                {{"address", connection.address}, {"why", connection.framer.why()}});
      connection.ended = true;
      break;
    case MllpFramer::State::complete: {
      connection.spoke = true;
      connection.busy = true;
      connection.message_s = 0;
      connection.with_worker = connection.framer.buffered();
      const std::scoped_lock lock(mutex);
      jobs.push_back({id, connection.framer.take(), connection.address});
      work.notify_one();
      break;
    }
  }
}

void MllpServer::State::write_some(Connection& connection, double now) {
  while (!connection.out.empty()) {
    const ssize_t n = ::send(connection.socket.get(), connection.out.data(), connection.out.size(), MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      connection.ended = true;
      return;
    }
    connection.out.erase(0, static_cast<std::size_t>(n));
    connection.last_s = connection.answer_s = now;
  }
  if (connection.closing) connection.ended = true;
}

void MllpServer::State::take_finished(double now) {
  std::uint64_t drain = 0;
  [[maybe_unused]] const ssize_t n = ::read(wake.get(), &drain, sizeof drain);
  std::vector<Done> done;
  {
    const std::scoped_lock lock(mutex);
    done.swap(finished);
  }
  for (Done& one : done) {
    const auto found = connections.find(one.connection);
    if (found == connections.end()) continue;  // gone: its sender asks again, and the store keeps one of both
    Connection& connection = found->second;
    connection.busy = false;
    connection.with_worker = 0;
    connection.out += one.answers;
    connection.answer_s = connection.last_s = now;
    connection.closing = connection.closing || one.close || stopping;
    write_some(connection, now);
    if (!connection.closing) advance(found->first, connection, now);
  }
}

const char* MllpServer::State::overdue(const Connection& c, double now) const {
  if (c.busy) return nullptr;
  if (!c.out.empty()) return now - c.answer_s > options.message_deadline_s ? "our answer is not taken" : nullptr;
  if (c.message_s > 0) return now - c.message_s > options.message_deadline_s ? "a message does not end" : nullptr;
  if (!c.spoke) return now - c.opened_s > options.first_byte_deadline_s ? "nothing was said" : nullptr;
  return now - c.last_s > options.idle_timeout_s ? "idle" : nullptr;
}

bool MllpServer::State::drained() const {
  return std::none_of(connections.begin(), connections.end(),
                      [](const auto& c) { return c.second.busy || (!c.second.out.empty() && !c.second.ended); });
}

void MllpServer::State::run_loop() {
  Gauge& open = metrics().gauge("rouage_hl7_connections", "open HL7 connections");
  std::vector<pollfd> polled;
  std::vector<std::uint64_t> ids;
  while (true) {
    double now = monotonic_s();
    if (stopping && (drained() || now > stop_by_s)) break;
    polled.clear();
    ids.clear();
    polled.push_back({wake.get(), POLLIN, 0});
    polled.push_back({listener.get(), static_cast<short>(!stopping && now >= accept_again_s ? POLLIN : 0), 0});
    for (auto& [id, c] : connections) {
      const bool read = !c.busy && !c.closing && !stopping && c.out.empty();
      polled.push_back({c.socket.get(), static_cast<short>((read ? POLLIN : 0) | (c.out.empty() ? 0 : POLLOUT)), 0});
      ids.push_back(id);
    }
    ::poll(polled.data(), polled.size(), kTickMs);
    now = monotonic_s();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      Connection& c = connections.at(ids[i]);
      const short events = polled[i + 2].revents;
      if ((events & POLLOUT) != 0) write_some(c, now);
      if ((events & POLLIN) != 0) read_some(ids[i], c, now);
      // A peer that hung up while its message is being stored: the message is kept, the answer has nobody.
      if ((events & (POLLERR | POLLNVAL)) != 0 || ((events & POLLHUP) != 0 && (events & POLLIN) == 0)) c.ended = true;
      if (const char* why = overdue(c, now); why != nullptr && !c.ended) {
        log_event(LogLevel::info, "receive", "hl7 connection closed", {{"address", c.address}, {"why", why}});
        c.ended = true;
      }
    }
    take_finished(now);
    if ((polled[1].revents & POLLIN) != 0) accept_all(now);
    std::erase_if(connections, [](const auto& c) { return c.second.ended; });
    open.set(static_cast<double>(connections.size()));
  }
  connections.clear();
  listener.reset();
  open.set(0);
}

Done MllpServer::State::handle(const Job& job) {
  ParsedMessage parsed = parse_message(job.message, options.hl7);
  if (parsed.verdict.kind == Verdict::Kind::accepted) {
    try {
      for (const OrderMessage& message : parsed.messages) sink.note_message(message);
    } catch (const std::exception& error) {
      parsed.verdict = {Verdict::Kind::try_later, 207, "the message could not be kept; send it again later", ""};
      log_event(LogLevel::error, "receive", "hl7 message not kept",
                {{"control_id", parsed.header.control_id}, {"why", error.what()}});
    }
  }
  say(parsed, job.address);
  Done done{job.connection, {}, false};
  for (const std::string& answer : acknowledgements(parsed.header, parsed.verdict, options.hl7, utc_now_s()))
    done.answers += '\x0B' + answer + "\x1C\r";
  // A sender that asked for no answer learns only so that its message was not kept.
  done.close = done.answers.empty() && parsed.verdict.kind == Verdict::Kind::try_later;
  return done;
}

void MllpServer::State::run_worker() {
  while (true) {
    Job job;
    {
      std::unique_lock lock(mutex);
      work.wait(lock, [&] { return stop_workers || !jobs.empty(); });
      if (jobs.empty()) return;
      job = std::move(jobs.front());
      jobs.pop_front();
    }
    Done done{job.connection, {}, true};
    try {
      done = handle(job);
    } catch (const std::exception& error) {  // no memory: no answer, the sender tries again
      log_event(LogLevel::error, "receive", "hl7 message not handled", {{"why", error.what()}});
    }
    const std::scoped_lock lock(mutex);
    finished.push_back(std::move(done));
    nudge();
  }
}

MllpServer::MllpServer(MllpOptions options, InstanceSink& sink)
    : state_(std::make_unique<State>(std::move(options), sink)) {
  state_->bind_listener();
}

MllpServer::~MllpServer() {
  stop(0);
}

void MllpServer::start() {
  if (state_->loop.joinable()) return;
  for (int i = 0; i < std::max(1, state_->options.workers); ++i)
    state_->workers.emplace_back([this] { state_->run_worker(); });
  state_->loop = std::thread([this] { state_->run_loop(); });
  log_event(LogLevel::info, "receive", "hl7 listening",
            {{"address", state_->options.address}, {"port", std::to_string(state_->port)}});
}

void MllpServer::stop(double patience_s) {
  if (!state_->loop.joinable()) {
    state_->listener.reset();
    return;
  }
  state_->stop_by_s = monotonic_s() + patience_s;
  state_->stopping = true;
  state_->nudge();
  state_->loop.join();
  {
    const std::scoped_lock lock(state_->mutex);
    state_->stop_workers = true;
    state_->jobs.clear();  // not begun: not acknowledged, their senders send them again
  }
  state_->work.notify_all();
  for (std::thread& worker : state_->workers) worker.join();
  state_->workers.clear();
}

int MllpServer::port() const {
  return state_->port;
}

}  // namespace rouage::receive
