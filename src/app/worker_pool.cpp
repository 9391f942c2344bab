#include "app/worker_pool.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace {

constexpr std::size_t kIdle = static_cast<std::size_t>(-1);
constexpr std::size_t kAnswerLimit = 64 * kMebibyte;

/// How a dead child is described to people.
std::string ending_of(int status) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    return std::string("the worker crashed (signal ") + std::to_string(signal) + ", " + ::strsignal(signal) + ")";
  }
  return "the worker ended (exit " + std::to_string(WEXITSTATUS(status)) + ")";
}

/// The first whole line of what was read so far, taken out of it.
std::optional<std::string> take_line(std::string& buffer) {
  const auto end = buffer.find('\n');
  if (end == std::string::npos) return std::nullopt;
  std::string line = buffer.substr(0, end);
  buffer.erase(0, end + 1);
  return line;
}

}  // namespace

struct WorkerPool::Child {
  pid_t pid = -1;
  int to = -1, from = -1;
  std::string buffer;
  std::size_t item = kIdle;
  double started_s = 0;
  bool greeted = false;  ///< has said that it can work
  bool alive() const { return pid > 0; }
};

WorkerPool::WorkerPool(PoolOptions options) : options_(std::move(options)) {
  // A child that dies while we write to it must be an error code here, not the end of this process.
  std::signal(SIGPIPE, SIG_IGN);
  for (int i = 0; i < options_.children; ++i) children_.push_back(std::make_unique<Child>());
}

WorkerPool::~WorkerPool() {
  for (const auto& child : children_) end(*child);
}

void WorkerPool::start(Child& child) {
  std::array<int, 2> request{}, answer{};
  if (::pipe2(request.data(), O_CLOEXEC) != 0 || ::pipe2(answer.data(), O_CLOEXEC) != 0)
    throw Error(ErrorCode::Internal, std::string("no pipe to a worker: ") + std::strerror(errno));
  const std::string program = program_path().string();
  const std::string memory = std::to_string(options_.memory_mb);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) throw Error(ErrorCode::Internal, std::string("no worker process: ") + std::strerror(errno));
  if (pid == 0) {
    ::dup2(request[0], STDIN_FILENO);
    ::dup2(answer[1], STDOUT_FILENO);
    // Large pages for the heap, where the kernel offers them: a quarter of the page faults of a cold start less.
    ::setenv("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1", 0);
    ::execl(program.c_str(), "rouage", "work", "--child", "--memory-mb", memory.c_str(), "--parent",
            std::to_string(parent).c_str(), nullptr);
    ::_exit(127);
  }
  ::close(request[0]);
  ::close(answer[1]);
  child = Child{
      .pid = pid, .to = request[1], .from = answer[0], .buffer = {}, .item = kIdle, .started_s = 0, .greeted = false};
  const std::string line = options_.settings_json + "\n";
  if (::write(child.to, line.data(), line.size()) < 0) end(child);
}

void WorkerPool::end(Child& child) {
  if (!child.alive()) return;
  ::close(child.to);
  ::close(child.from);
  int status = 0;
  // An idle child leaves when its input closes; one at work is stopped.
  if (child.item != kIdle) ::kill(child.pid, SIGKILL);
  ::waitpid(child.pid, &status, 0);
  child = Child{};
}

void WorkerPool::run(std::size_t count, const std::function<std::string(std::size_t)>& request,
                     const std::function<void(std::size_t, const PoolOutcome&)>& done,
                     const std::function<bool()>& stop) {
  std::size_t next = 0, running = 0;

  const auto fail = [&](Child& child, const std::string& why) {
    const std::size_t item = child.item;
    child.item = kIdle;
    --running;
    done(item, {.answered = false, .answer = {}, .failure = why});
  };
  const auto bury = [&](Child& child) {
    int status = 0;
    ::waitpid(child.pid, &status, 0);
    ::close(child.to);
    ::close(child.from);
    const std::string why = ending_of(status);
    if (child.item != kIdle) fail(child, why);
    child = Child{};
  };
  const auto feed = [&](Child& child) {
    if (!child.alive()) start(child);
    if (!child.alive()) throw Error(ErrorCode::Internal, "a worker process cannot be started");
    const std::string line = request(next) + "\n";
    child.item = next++;
    child.started_s = monotonic_s();
    ++running;
    std::string_view rest = line;
    while (!rest.empty()) {
      const ssize_t written = ::write(child.to, rest.data(), rest.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) return;  // dead already: its end is read below
      rest.remove_prefix(static_cast<std::size_t>(written));
    }
  };
  const auto read_from = [&](Child& child) {
    std::array<char, 65536> chunk{};
    const ssize_t got = ::read(child.from, chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) return;
    if (got <= 0) return bury(child);
    child.buffer.append(chunk.data(), static_cast<std::size_t>(got));
    if (child.buffer.size() > kAnswerLimit) ::kill(child.pid, SIGKILL);
    if (!child.greeted) {
      const std::optional<std::string> greeting = take_line(child.buffer);
      if (!greeting) return;
      child.greeted = true;
      if (!greeting->empty() && options_.unfit) options_.unfit(*greeting);
    }
    const std::optional<std::string> line = take_line(child.buffer);
    if (!line) return;
    const std::string& answer = *line;
    const std::size_t item = child.item;
    child.item = kIdle;
    --running;
    done(item, {.answered = true, .answer = answer, .failure = {}});
  };

  while (true) {
    for (const auto& child : children_)
      while (next < count && child->item == kIdle && !stop()) feed(*child);
    if (running == 0) return;
    std::vector<pollfd> waits;
    std::vector<Child*> waited;
    for (const auto& child : children_)
      if (child->item != kIdle) {
        waits.push_back({child->from, POLLIN, 0});
        waited.push_back(child.get());
      }
    ::poll(waits.data(), waits.size(), 200);
    for (std::size_t i = 0; i < waits.size(); ++i)
      if (waits[i].revents != 0) read_from(*waited[i]);
    for (const auto& child : children_)
      if (child->item != kIdle && monotonic_s() - child->started_s > options_.deadline_s) {
        const std::size_t item = child->item;
        end(*child);
        --running;
        done(item, {.answered = false,
                    .answer = {},
                    .failure = "took longer than " + number_text(options_.deadline_s) + " s"});
      }
  }
}

}  // namespace rouage::app
