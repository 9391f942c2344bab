#include "route/child.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <utility>

#include "base/error.h"
#include "base/host.h"

extern char** environ;

namespace rouage::route {
namespace {

constexpr std::size_t kAnswerLimit = 64 * kMebibyte;
constexpr double kMemoryPeriod_s = 0.05, kLeavingPatience_s = 5;
constexpr int kFirstOwnDescriptor = 4;  // 0 to 2 are the child's, 3 tells us whether exec succeeded
constexpr int kLastSignal = 64;

struct Pipe {
  int read = -1, write = -1;
  Pipe() = default;
  Pipe(const Pipe&) = delete;
  Pipe& operator=(const Pipe&) = delete;
  ~Pipe() {
    if (read >= 0) ::close(read);
    if (write >= 0) ::close(write);
  }
};

/// Both ends above the descriptors that the child's are copied onto.
void open_pipe(Pipe& pipe) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0)
    throw Error(ErrorCode::Internal, std::string("no pipe to a worker: ") + std::strerror(errno));
  pipe.read = ::fcntl(ends[0], F_DUPFD_CLOEXEC, kFirstOwnDescriptor);
  pipe.write = ::fcntl(ends[1], F_DUPFD_CLOEXEC, kFirstOwnDescriptor);
  ::close(ends[0]);
  ::close(ends[1]);
  if (pipe.read < 0 || pipe.write < 0)
    throw Error(ErrorCode::Internal, std::string("no pipe to a worker: ") + std::strerror(errno));
}

/// All that the new process needs, made before fork: after it, in a process of many threads, nothing may allocate.
struct Launch {
  const char* program;
  char* const* arguments;
  char* const* environment;
  int request, answer, failure;
  std::uint64_t address_space_bytes;
  pid_t parent;
};

/// Between fork and exec: async-signal-safe calls only (signal-safety(7)).
[[noreturn]] void become(const Launch& launch) {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal <= kLastSignal; ++signal) ::sigaction(signal, &standard, nullptr);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != launch.parent) ::_exit(0);  // it died before we could ask to be told
  ::dup2(launch.request, STDIN_FILENO);
  ::dup2(launch.answer, STDOUT_FILENO);
  ::dup3(launch.failure, kFirstOwnDescriptor - 1, O_CLOEXEC);
  ::close_range(kFirstOwnDescriptor, ~0U, 0);  // sockets of a library that forgot to mark them
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
  if (launch.address_space_bytes > 0) {
    const rlimit memory{launch.address_space_bytes, launch.address_space_bytes};
    ::setrlimit(RLIMIT_AS, &memory);
  }
  sigset_t nothing;
  ::sigemptyset(&nothing);
  ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
  ::execve(launch.program, launch.arguments, launch.environment);
  const int why = errno;
  [[maybe_unused]] const ssize_t told = ::write(kFirstOwnDescriptor - 1, &why, sizeof why);
  ::_exit(127);
}

/// fork with every signal blocked: no handler of ours runs in the child.
pid_t fork_quietly(const Launch& launch) {
  sigset_t all, before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become(launch);
  const int why = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = why;
  return pid;
}

std::vector<std::string> environment_with(const std::map<std::string, std::string>& added) {
  std::vector<std::string> lines;
  for (char** entry = environ; *entry != nullptr; ++entry) lines.emplace_back(*entry);
  for (const auto& [name, value] : added)
    if (::getenv(name.c_str()) == nullptr) lines.push_back(name + "=" + value);
  return lines;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// 0, or the errno of a failed exec.
int exec_failure(int descriptor) {
  int why = 0;
  ssize_t got;
  do {
    got = ::read(descriptor, &why, sizeof why);
  } while (got < 0 && errno == EINTR);
  return got == static_cast<ssize_t>(sizeof why) ? why : 0;
}

ChildAnswer ending_of(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return {ChildAnswer::Kind::crashed,
            "the worker crashed (signal " + std::to_string(signal) + ", " + ::strsignal(signal) + ")"};
  }
  return {ChildAnswer::Kind::ended, "the worker ended (exit " + std::to_string(WEXITSTATUS(status)) + ")"};
}

}  // namespace

Child::Child(ChildSettings settings) : settings_(std::move(settings)) {
  // A child that dies while we write to it must be an error code here, not the end of this process.
  std::signal(SIGPIPE, SIG_IGN);
}

Child::~Child() {
  end();
}

void Child::start() {
  // One that died while idle, or speaks unasked, must not cost the next item.
  if (alive() && !asked_ && look()) kill();
  if (alive()) return;
  Pipe request, answer, failure;
  open_pipe(request);
  open_pipe(answer);
  open_pipe(failure);
  std::vector<std::string> arguments{settings_.program};
  arguments.insert(arguments.end(), settings_.arguments.begin(), settings_.arguments.end());
  std::vector<std::string> environment = environment_with(settings_.environment);
  const std::vector<char*> argument_pointers = pointers_to(arguments);
  const std::vector<char*> environment_pointers = pointers_to(environment);
  const pid_t pid = fork_quietly({.program = settings_.program.c_str(),
                                  .arguments = argument_pointers.data(),
                                  .environment = environment_pointers.data(),
                                  .request = request.read,
                                  .answer = answer.write,
                                  .failure = failure.write,
                                  .address_space_bytes = settings_.address_space_mb * kMebibyte,
                                  .parent = ::getpid()});
  if (pid < 0) throw Error(ErrorCode::Internal, std::string("no worker process: ") + std::strerror(errno));
  ::close(std::exchange(failure.write, -1));
  if (const int why = exec_failure(failure.read); why != 0) {
    ::waitpid(pid, nullptr, 0);
    throw Error(ErrorCode::Internal, std::string("the worker cannot be started: ") + std::strerror(why))
        .file(settings_.program);
  }
  pid_ = pid;
  to_ = std::exchange(request.write, -1);
  from_ = std::exchange(answer.read, -1);
  ::fcntl(to_, F_SETFL, O_NONBLOCK);
  ::fcntl(from_, F_SETFL, O_NONBLOCK);
  outbox_ = settings_.hello.empty() ? "" : settings_.hello + "\n";
  inbox_.clear();
  searched_ = 0;
  greeted_ = !settings_.greets;
  asked_ = false;
  highest_bytes_ = 0;
  looked_at_memory_s_ = 0;
  flush();
}

void Child::send(const std::string& line) {
  outbox_ += line + "\n";
  asked_ = true;
  flush();
}

/// A child that is dead already shows it when it is read from.
void Child::flush() {
  while (alive() && !outbox_.empty()) {
    const ssize_t written = ::write(to_, outbox_.data(), outbox_.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return;
    outbox_.erase(0, static_cast<std::size_t>(written));
  }
}

std::optional<ChildAnswer> Child::take_line() {
  const auto end = inbox_.find('\n', searched_);
  searched_ = inbox_.size();
  if (end == std::string::npos) return std::nullopt;
  std::string line = inbox_.substr(0, end);
  inbox_.erase(0, end + 1);
  searched_ = 0;
  if (greeted_) {
    asked_ = false;
    return ChildAnswer{ChildAnswer::Kind::answered, std::move(line)};
  }
  greeted_ = true;
  if (line.empty()) return take_line();
  asked_ = false;
  kill();
  return ChildAnswer{ChildAnswer::Kind::unfit, std::move(line)};
}

std::optional<ChildAnswer> Child::look() {
  if (!alive()) return ChildAnswer{ChildAnswer::Kind::ended, "the worker is not there"};
  flush();
  std::array<char, 65536> chunk{};
  ssize_t got = 0;
  do {
    got = ::read(from_, chunk.data(), chunk.size());
    if (got > 0) inbox_.append(chunk.data(), static_cast<std::size_t>(got));
    if (inbox_.size() > kAnswerLimit) {
      kill();
      return ChildAnswer{ChildAnswer::Kind::too_much_said, "the worker answered more than 64 MB"};
    }
  } while (got > 0 || (got < 0 && errno == EINTR));
  const bool closed = got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
  if (std::optional<ChildAnswer> line = take_line()) return line;
  if (closed) return bury(kLeavingPatience_s);
  if (settings_.memory_mb > 0 && monotonic_s() - looked_at_memory_s_ >= kMemoryPeriod_s) {
    looked_at_memory_s_ = monotonic_s();
    highest_bytes_ = std::max(highest_bytes_, resident_bytes());
    if (highest_bytes_ > settings_.memory_mb * kMebibyte) {
      kill();
      return ChildAnswer{ChildAnswer::Kind::too_much_memory,
                         "the worker needed more memory than its " + std::to_string(settings_.memory_mb) + " MB"};
    }
  }
  return std::nullopt;
}

ChildAnswer Child::ask(const std::string& line, double deadline_s, const std::function<bool()>& cancelled) {
  constexpr double kPeriod_s = 0.1;
  const double until_s = monotonic_s() + deadline_s;
  start();
  send(line);
  Child* const self = this;
  while (true) {
    if (std::optional<ChildAnswer> said = look()) return *said;
    const double left_s = until_s - monotonic_s();
    if (left_s <= 0) {
      kill();
      return {ChildAnswer::Kind::too_long, "took longer than " + number_text(deadline_s) + " s"};
    }
    if (cancelled && cancelled()) {
      kill();
      return {ChildAnswer::Kind::cancelled, "cancelled"};
    }
    wait({&self, 1}, std::min(left_s, settings_.memory_mb > 0 ? kMemoryPeriod_s : kPeriod_s));
  }
}

void Child::wait(std::span<Child* const> children, double longest_s) {
  std::vector<pollfd> waits;
  for (const Child* child : children) {
    if (!child->alive()) return;
    waits.push_back({child->from_, POLLIN, 0});
    if (!child->outbox_.empty()) waits.push_back({child->to_, POLLOUT, 0});
  }
  ::poll(waits.data(), waits.size(), std::max(1, static_cast<int>(longest_s * 1000)));
}

std::uint64_t Child::resident_bytes() const {
  if (!alive()) return 0;
  const std::string path = "/proc/" + std::to_string(pid_) + "/statm";
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return 0;
  std::array<char, 128> text{};
  const ssize_t got = ::read(descriptor, text.data(), text.size() - 1);
  ::close(descriptor);
  if (got <= 0) return 0;
  char* after_size = nullptr;
  std::strtoull(text.data(), &after_size, 10);
  const std::uint64_t pages = std::strtoull(after_size, nullptr, 10);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

void Child::close_pipes() {
  if (to_ >= 0) ::close(std::exchange(to_, -1));
  if (from_ >= 0) ::close(std::exchange(from_, -1));
}

/// Waits for its end; one that does not leave by itself is killed after `patience_s`.
ChildAnswer Child::bury(double patience_s) {
  close_pipes();
  int status = 0;
  const double until_s = monotonic_s() + patience_s;
  pid_t ended = 0;
  auto pause = std::chrono::microseconds(100);
  while ((ended = ::waitpid(pid_, &status, WNOHANG)) == 0 && monotonic_s() < until_s) {
    std::this_thread::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::microseconds(20000));
  }
  if (ended == 0) {
    ::kill(pid_, SIGKILL);
    while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
  }
  pid_ = -1;
  asked_ = false;
  outbox_.clear();
  // Who dies close to its limit died of it: a failed allocation ends most programs by a signal of their own.
  if (settings_.memory_mb > 0 && highest_bytes_ > settings_.memory_mb * kMebibyte / 10 * 9)
    return {ChildAnswer::Kind::too_much_memory,
            "the worker needed more memory than its " + std::to_string(settings_.memory_mb) + " MB"};
  return ending_of(status);
}

void Child::kill() {
  if (!alive()) return;
  ::kill(pid_, SIGKILL);
  bury(kLeavingPatience_s);
}

void Child::end() {
  if (!alive()) return;
  if (asked_) return kill();
  bury(kLeavingPatience_s);
}

}  // namespace rouage::route
