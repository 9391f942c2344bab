/// One worker child process as a value. What decodes pixels and runs nets does so there: a child that crashes, hangs or
/// eats memory ends one item, and the next ask() starts a fresh one.
///
///   Child child({.program = program_path(), .arguments = {"work", "--child"}, .memory_mb = 4096});
///   ChildAnswer answer = child.ask(R"({"film": "x.dcm"})", 300, cancelled);     // starts it when it is not there
///   if (!answer.answered()) ...answer.text says how it ended: "took longer than 300 s"...
///
/// The child reads one line a request from standard input and writes one line an answer to standard output; standard
/// error is shared. It gets no other descriptor of ours, default signals, and SIGKILL when the *thread* that started it
/// ends (PR_SET_PDEATHSIG, prctl(2)): that thread must live as long as the child is wanted.
/// One Child is used by one thread at a time; any number of threads may start children at once.
#pragma once
#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rouage::route {

struct ChildSettings {
  std::string program;                             ///< path of the executable
  std::vector<std::string> arguments;              ///< without the program's own name
  std::map<std::string, std::string> environment;  ///< set where this process' own has no such name
  std::uint64_t memory_mb = 0;         ///< resident memory, looked at every 50 ms; above it the child is ended; 0: none
  std::uint64_t address_space_mb = 0;  ///< RLIMIT_AS from its first instruction on; 0: none
  std::string hello;                   ///< first line that a fresh child reads; "": none is sent
  bool greets = false;                 ///< its first line is no answer: empty when it can work, else why it cannot
};

struct ChildAnswer {
  enum class Kind { answered, unfit, crashed, ended, too_long, too_much_memory, too_much_said, cancelled };
  Kind kind = Kind::answered;
  std::string text;  ///< the child's line (answered, unfit), or how it ended, for people
  bool answered() const { return kind == Kind::answered; }
};

class Child {
 public:
  explicit Child(ChildSettings settings);
  ~Child();
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;

  /// One request, one answer. Any outcome but `answered` leaves no child behind. `cancelled` is asked every 100 ms.
  /// Errors: Internal (the program cannot be started).
  ChildAnswer ask(const std::string& line, double deadline_s, const std::function<bool()>& cancelled);

  // What ask() is made of, for who serves several children in one thread.
  void start();                        ///< nothing when it is alive and silent.  Errors: Internal.
  void send(const std::string& line);  ///< never waits: what the child does not read yet is kept
  std::optional<ChildAnswer> look();   ///< never waits: its next line, or how it ended; too_long is for the caller
  /// Until one of them has something to say, at most `longest_s`.
  static void wait(std::span<Child* const> children, double longest_s);

  bool alive() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  bool at_work() const { return asked_; }
  std::uint64_t resident_bytes() const;  ///< of the living child; 0 when there is none
  void kill();                           ///< at once
  void end();                            ///< an idle child leaves when its input closes (5 s), one at work is killed

 private:
  void flush();
  std::optional<ChildAnswer> take_line();
  ChildAnswer bury(double patience_s);
  void close_pipes();

  ChildSettings settings_;
  pid_t pid_ = -1;
  int to_ = -1, from_ = -1;
  std::string outbox_, inbox_;
  std::size_t searched_ = 0;  ///< of the inbox: no line ends before it
  bool greeted_ = false, asked_ = false;
  std::uint64_t highest_bytes_ = 0;
  double looked_at_memory_s_ = 0;
};

}  // namespace rouage::route
