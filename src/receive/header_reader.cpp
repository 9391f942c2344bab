#include "receive/header_reader.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <mutex>
#include <vector>

#include "base/host.h"
#include "base/service.h"
#include "receive/entry_json.h"

extern char** environ;  // NOLINT: POSIX asks for this declaration

namespace rouage::receive {
namespace {

constexpr std::size_t kLongestLength = 20, kLongestRequest = 1024 * 1024;

/// How an attempt to send or to receive a message ended.
enum class Passed { good, ended, late, too_long };

/// Waits until `socket` is ready; `deadline_s` on monotonic_s(), 0: none.
Passed wait_for(int socket, short what, double deadline_s) {
  while (true) {
    const double left_s = deadline_s == 0 ? 3600 : deadline_s - monotonic_s();
    if (left_s <= 0) return Passed::late;
    pollfd waiting{socket, what, 0};
    const int ready = ::poll(&waiting, 1, static_cast<int>(left_s * 1000) + 1);
    if (ready > 0) return Passed::good;
    if (ready < 0 && errno != EINTR) return Passed::ended;
  }
}

Passed send_message(int socket, std::string_view payload, double deadline_s) {
  std::string message = std::to_string(payload.size());
  message.reserve(message.size() + 1 + payload.size());
  message += '\n';
  message += payload;
  std::string_view rest = message;
  while (!rest.empty()) {
    if (const Passed ready = wait_for(socket, POLLOUT, deadline_s); ready != Passed::good) return ready;
    const ssize_t sent = ::send(socket, rest.data(), rest.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent <= 0) return Passed::ended;
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
  return Passed::good;
}

/// Exactly `length` bytes appended to `payload`, which grows as they come: a claimed length takes no memory.
Passed receive_bytes(int socket, std::size_t length, double deadline_s, std::string& payload) {
  constexpr std::size_t kPiece = 256 * 1024;
  while (length > 0) {
    if (const Passed ready = wait_for(socket, POLLIN, deadline_s); ready != Passed::good) return ready;
    const std::size_t before = payload.size(), piece = std::min(length, kPiece);
    payload.resize(before + piece);
    const ssize_t got = ::recv(socket, payload.data() + before, piece, MSG_DONTWAIT);
    const int cause = errno;
    payload.resize(before + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got < 0 && (cause == EINTR || cause == EAGAIN)) continue;
    if (got <= 0) return Passed::ended;
    length -= static_cast<std::size_t>(got);
  }
  return Passed::good;
}

Passed receive_message(int socket, std::uint64_t most, double deadline_s, std::string& payload) {
  std::string digits;
  while (digits.empty() || digits.back() != '\n') {
    if (digits.size() > kLongestLength) return Passed::too_long;
    if (const Passed got = receive_bytes(socket, 1, deadline_s, digits); got != Passed::good) return got;
  }
  digits.pop_back();
  if (digits.empty() || digits.find_first_not_of("0123456789") != std::string::npos) return Passed::ended;
  const std::uint64_t length = digits.size() > 18 ? UINT64_MAX : std::stoull(digits);
  if (length > most) return Passed::too_long;
  payload.clear();
  return receive_bytes(socket, static_cast<std::size_t>(length), deadline_s, payload);
}

struct Child {
  pid_t pid = -1;
  int socket = -1;
  bool busy = false;
};

void end(Child& child) {
  if (child.pid <= 0) return;
  ::close(child.socket);
  ::kill(child.pid, SIGKILL);
  int status = 0;
  while (::waitpid(child.pid, &status, 0) < 0 && errno == EINTR) {
  }
  child.pid = child.socket = -1;
}

/// The program with its hidden subcommand, the socket as its standard input and output.
void start(Child& child, const ReaderOptions& options) {
  int pair[2] = {-1, -1};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0)
    throw Error(ErrorCode::WorkerEnded, std::string("no socket to a reader: ") + std::strerror(errno));
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, pair[1], STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, pair[1], STDOUT_FILENO);
  // Libraries open descriptors without telling: a connection that a child keeps open is never seen to end.
  ::posix_spawn_file_actions_addclosefrom_np(&actions, STDERR_FILENO + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  ::sigaddset(&defaults, SIGPIPE);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  std::vector<std::string> words{"rouage",
                                 options.command,
                                 "--child",
                                 "--memory-mb",
                                 std::to_string(options.memory_mb),
                                 "--deadline-s",
                                 number_text(options.deadline_s)};
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  const std::string program = options.program.empty() ? program_path().string() : options.program.string();
  const int problem = ::posix_spawn(&child.pid, program.c_str(), &actions, &attributes, arguments.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  ::close(pair[1]);
  child.socket = pair[0];
  if (problem == 0) return;
  ::close(pair[0]);
  child.pid = child.socket = -1;
  throw Error(ErrorCode::WorkerEnded, std::string("no reader process: ") + std::strerror(problem));
}

/// A runaway child ends by itself, also when its parent is gone: SIGALRM's default action.
void begin_deadline(double deadline_s) {
  constexpr unsigned kGrace_s = 5;
  ::alarm(deadline_s > 0 ? static_cast<unsigned>(deadline_s) + kGrace_s : 0);
}

}  // namespace

struct ReaderChildren::State {
  ReaderOptions options;
  std::mutex mutex;
  std::condition_variable freed;
  std::vector<Child> children;

  /// One child to its caller alone, alive. Given back by `give`.
  Child& take() {
    std::unique_lock lock(mutex);
    Child* free = nullptr;
    freed.wait(lock, [&] {
      for (Child& child : children)
        if (!child.busy && (free == nullptr || (free->pid <= 0 && child.pid > 0))) free = &child;
      return free != nullptr;
    });
    free->busy = true;
    return *free;
  }
  void give(Child& child) {
    {
      const std::lock_guard lock(mutex);
      child.busy = false;
    }
    freed.notify_one();
  }
  Passed talk(Child& child, const std::string& request, std::string& answer) const {
    const double until_s = monotonic_s() + options.deadline_s;
    const Passed sent = send_message(child.socket, request, until_s);
    return sent != Passed::good ? sent : receive_message(child.socket, options.answer_bytes, until_s, answer);
  }
};

ReaderChildren::ReaderChildren(ReaderOptions options) : state_(std::make_unique<State>()) {
  state_->options = std::move(options);
  state_->children.resize(static_cast<std::size_t>(std::max(1, state_->options.children)));
}

ReaderChildren::~ReaderChildren() {
  for (Child& child : state_->children) end(child);
}

std::string ReaderChildren::ask(const std::string& request) {
  static Counter& lost = metrics().counter("rouage_reader_children_lost_total", "readers that a file ended");
  Child& child = state_->take();
  const std::unique_ptr<Child, std::function<void(Child*)>> giving(&child, [&](Child* c) { state_->give(*c); });
  std::string answer;
  Passed passed = Passed::ended;
  // Twice: the first child may have been ended by something else (the operator, want of memory) before it was asked.
  for (int attempt = 0; attempt < 2 && passed == Passed::ended; ++attempt) {
    if (child.pid <= 0) start(child, state_->options);
    passed = state_->talk(child, request, answer);
    if (passed == Passed::good) break;
    end(child);
    lost.add();
  }
  if (passed == Passed::ended) throw Error(ErrorCode::HeaderInvalid, "the reader crashed on it, twice");
  if (passed == Passed::late)
    throw Error(ErrorCode::HeaderInvalid,
                fmt::format("the reader took longer than {} s", number_text(state_->options.deadline_s)));
  if (passed == Passed::too_long) throw Error(ErrorCode::HeaderInvalid, "the reader's answer is too long");
  if (answer.empty() || (answer.front() != '+' && answer.front() != '-'))
    throw Error(ErrorCode::HeaderInvalid, "the reader's answer is not one");
  const bool good = answer.front() == '+';
  answer.erase(0, 1);
  if (!good) throw error_from_json(answer);
  return answer;
}

int answer_as_child(std::uint64_t memory_mb, double deadline_s,
                    const std::function<std::string(const std::string&)>& answer) {
  std::signal(SIGINT, SIG_IGN);  // the parent decides when to stop; its end closes our input
  std::signal(SIGTERM, SIG_IGN);
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  // The heap only: files are mapped, and may be larger than the memory that reading them takes.
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlim_t bytes = memory_mb * kMebibyte;
  const rlimit memory{bytes, bytes};
  if (memory_mb > 0) ::setrlimit(RLIMIT_DATA, &memory);
#else
  (void)memory_mb;
#endif
  const int channel = ::fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
  ::dup2(STDERR_FILENO, STDOUT_FILENO);  // whatever a library prints is no answer
  std::string request;
  while (receive_message(channel, kLongestRequest, 0, request) == Passed::good) {
    begin_deadline(deadline_s);
    std::string message;
    try {
      message = "+" + answer(request);
    } catch (const Error& error) {
      message = "-" + error_to_json(error);
    } catch (const std::bad_alloc&) {
      message = "-" + error_to_json(Error(ErrorCode::HeaderInvalid, "the reader's memory limit was reached"));
    } catch (const std::exception& error) {
      message = "-" + error_to_json(Error(ErrorCode::Internal, error.what()));
    }
    begin_deadline(0);
    if (send_message(channel, message, 0) != Passed::good) return 0;
  }
  return 0;
}

HeaderReader::HeaderReader(ReaderOptions options)
    : children_([&] {
        if (options.command.empty()) options.command = "read-headers";
        return std::move(options);
      }()) {}

dicom::IndexEntry HeaderReader::read(const std::filesystem::path& file) {
  try {
    return entry_from_json(children_.ask(file.string()));
  } catch (Error& error) {
    throw error.file(file);
  }
}

int read_headers_as_child(std::uint64_t memory_mb, double deadline_s) {
  return answer_as_child(memory_mb, deadline_s,
                         [](const std::string& path) { return entry_to_json(dicom::index_entry(path)); });
}

}  // namespace rouage::receive
