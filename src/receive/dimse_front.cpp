#include "receive/dimse_front.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "receive/dimse_address.h"
#include "receive/dimse_conversation.h"
#include "receive/dimse_pipes.h"

namespace rouage::receive {
namespace {

constexpr double kFirstPause_s = 0.1, kLongestPause_s = 5, kSoundAfter_s = 30;
constexpr double kLastPatience_s = 10;

/// Unique over restarts: microseconds of the start, counted on (no gateway accepts a million associations a second).
std::uint64_t first_association() {
  return static_cast<std::uint64_t>(utc_now_s() * 1e6);
}

}  // namespace

struct DimseFront::State {
  State(DimseFrontOptions given, InstanceSink& sink_, Answers& answers_)
      : options(std::move(given)), sink(sink_), answers(answers_) {}

  void keep_listener();
  void start();
  void hear_listener(int control);
  void begin(Descriptor channel);
  void converse(Descriptor channel);
  bool pause(double seconds);
  void shut_channels();
  void end_listener();

  DimseFrontOptions options;
  InstanceSink& sink;
  Answers& answers;
  Descriptor listening;
  int port = 0;
  Gate gate;  ///< the threads of associations
  std::atomic<std::uint64_t> next_association{first_association()};
  std::mutex mutex;
  std::condition_variable changed;
  std::set<int> channels;
  Descriptor control;
  pid_t listener = -1;
  bool stopping = false, stopped = false;
  std::thread keeper;
};

void DimseFront::State::start() {
  const std::filesystem::path program = options.program.empty() ? program_path() : options.program;
  StartedListener started =
      start_listener(program, options.program_arguments, listening.number(), to_json(options).dump());
  const std::lock_guard lock(mutex);
  listener = started.process;
  control = std::move(started.control);
}

bool DimseFront::State::pause(double seconds) {
  std::unique_lock lock(mutex);
  return !changed.wait_for(lock, std::chrono::duration<double>(seconds), [this] { return stopping; });
}

/// The keeper's thread: the listener is started again whenever it ends.
void DimseFront::State::keep_listener() {
  static Counter& restarts = metrics().counter("rouage_dimse_listener_restarts_total", "listener processes that ended");
  double wait_s = kFirstPause_s;
  for (;;) {
    const double begun_s = monotonic_s();
    int channel = -1;
    {
      const std::lock_guard lock(mutex);
      channel = stopping ? -1 : control.number();
    }
    if (channel >= 0) hear_listener(channel);
    end_listener();
    if (monotonic_s() - begun_s > kSoundAfter_s) wait_s = kFirstPause_s;
    {
      const std::lock_guard lock(mutex);
      if (stopping) return;
    }
    restarts.add();
    log_event(LogLevel::error, "receive", "the DIMSE listener ended and is started again",
              {{"pause_s", fixed_text(wait_s, 1)}});
    if (!pause(wait_s)) return;
    wait_s = std::min(wait_s * 2, kLongestPause_s);
    try {
      start();
    } catch (const Error& error) {
      log_event(LogLevel::error, "receive", "the DIMSE listener cannot be started", {{"why", error.what()}});
    }
  }
}

void DimseFront::State::hear_listener(int channel) {
  while (std::optional<Handed> handed = take_over(channel))
    if (handed->descriptor) begin(std::move(handed->descriptor));
}

void DimseFront::State::end_listener() {
  pid_t process = -1;
  {
    const std::lock_guard lock(mutex);
    control.close();
    process = std::exchange(listener, -1);
  }
  if (process <= 0) return;
  // It leaves by itself when its channel closes; a listener that does not is ended.
  const double until_s = monotonic_s() + 2;
  while (::waitpid(process, nullptr, WNOHANG) == 0) {
    if (monotonic_s() > until_s) ::kill(process, SIGKILL);
    ::usleep(2000);
  }
}

void DimseFront::State::begin(Descriptor channel) {
  static Counter& opened = metrics().counter("rouage_dimse_associations_total", "connections that asked for one");
  Gate::Pass pass = gate.enter();
  if (!pass) return;  // closing the channel ends the process
  opened.add();
  try {
    std::thread([this, pass = std::move(pass), channel = std::move(channel)]() mutable {
      converse(std::move(channel));
    }).detach();
  } catch (const std::system_error& error) {
    log_event(LogLevel::error, "receive", "an association cannot be answered", {{"why", error.what()}});
  }
}

void DimseFront::State::converse(Descriptor channel) {
  static Gauge& open = metrics().gauge("rouage_dimse_associations_open", "associations at this moment");
  open.add(1);
  const int number = channel.number();
  {
    const std::lock_guard lock(mutex);
    channels.insert(number);
  }
  // A duplicate keeps the number ours until it is out of the set: another thread might shut it down.
  hold_conversation(Descriptor(::dup(number)), next_association++, options, sink, answers);
  {
    const std::lock_guard lock(mutex);
    channels.erase(number);
  }
  ::shutdown(number, SHUT_RDWR);
  open.add(-1);
}

void DimseFront::State::shut_channels() {
  const std::lock_guard lock(mutex);
  for (const int channel : channels) ::shutdown(channel, SHUT_RDWR);
}

DimseFront::DimseFront(DimseFrontOptions options, InstanceSink& sink, Answers& answers)
    : state_(std::make_unique<State>(std::move(options), sink, answers)) {
  for (const AllowedPeer& peer : state_->options.allowed)
    for (const std::string& block : peer.addresses) AddressBlock{block};
  dimse::check_options(state_->options.server);
  state_->listening = listen_on(state_->options.address, state_->options.port);
  state_->port = port_of(state_->listening.number());
  state_->start();
  state_->keeper = std::thread([state = state_.get()] { state->keep_listener(); });
}

DimseFront::~DimseFront() {
  stop();
}

int DimseFront::port() const {
  return state_->port;
}

int DimseFront::associations() const {
  const std::lock_guard lock(state_->mutex);
  return static_cast<int>(state_->channels.size());
}

int DimseFront::listener_process() const {
  const std::lock_guard lock(state_->mutex);
  return state_->listener;
}

void DimseFront::stop() {
  State& s = *state_;
  {
    const std::lock_guard lock(s.mutex);
    if (s.stopped) return;
    s.stopped = s.stopping = true;
    if (s.control) hand_over(s.control.number(), "stop");
  }
  s.changed.notify_all();
  s.listening.close();
  if (!s.gate.close(s.options.patience_s)) {
    log_event(LogLevel::warning, "receive", "associations were ended, the gateway stops");
    s.shut_channels();
    // A thread that waits for the disk holds on to the store: there is nothing better than to wait with it.
    while (!s.gate.close(kLastPatience_s))
      log_event(LogLevel::warning, "receive", "an association still waits for the store");
  }
  {
    // Wakes the keeper whether or not the listener has left.
    const std::lock_guard lock(s.mutex);
    if (s.control) ::shutdown(s.control.number(), SHUT_RDWR);
  }
  s.keeper.join();
}

}  // namespace rouage::receive
