// RTE-1: a film that crashes, hangs or exhausts a worker ends that film only. The worker is attacked from outside, as
// a crash in a codec would: no door for tests stands in the program.
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>

#include <chrono>
#include <thread>

#include "program.h"

using namespace program;

namespace {

/// Process ids whose parent is `parent`.
std::vector<pid_t> children_of(pid_t parent) {
  std::vector<pid_t> children;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    if (name.find_first_not_of("0123456789") != std::string::npos) continue;
    const std::string stat = slurp(entry.path() / "stat");
    const auto after_name = stat.rfind(')');
    if (after_name == std::string::npos) continue;
    std::istringstream rest(stat.substr(after_name + 2));
    std::string state;
    pid_t its_parent = 0;
    rest >> state >> its_parent;
    if (its_parent == parent) children.push_back(static_cast<pid_t>(std::stol(name)));
  }
  return children;
}

/// Starts the program with arguments, sends `signal` once to its worker as soon as one exists, and waits.
int run_attacked(const std::vector<std::string>& arguments, int signal, const fs::path& out) {
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::setenv("ROUAGE_HOME", ROUAGE_SOURCE_DIR, 1);
    if (std::freopen(out.c_str(), "w", stdout) == nullptr) ::_exit(126);
    std::vector<char*> argv;
    std::string program = std::string(ROUAGE_BINARY_DIR) + "/rouage";
    argv.push_back(program.data());
    std::vector<std::string> copies = arguments;
    for (std::string& argument : copies) argv.push_back(argument.data());
    argv.push_back(nullptr);
    ::execv(program.c_str(), argv.data());
    ::_exit(127);
  }
  bool attacked = false;
  int status = 0;
  while (::waitpid(pid, &status, WNOHANG) == 0) {
    if (!attacked)
      for (const pid_t child : children_of(pid)) {
        // Give it the time to take its first film.
        std::this_thread::sleep_for(std::chrono::milliseconds(40));
        attacked = ::kill(child, signal) == 0 || attacked;
      }
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  EXPECT_TRUE(attacked);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int refused_in(const fs::path& out, int& films) {
  int refused = 0;
  std::istringstream stream(slurp(out));
  for (std::string line; std::getline(stream, line);) {
    const Json json = Json::parse(line);
    if (json["level"] != "image") continue;
    ++films;
    if (json["status"] == "refused") {
      ++refused;
      EXPECT_EQ(json["error"]["code"], "WorkerEnded");
    }
  }
  return refused;
}

}  // namespace

TEST(Worker, ThatCrashesEndsOneFilmOnly) {
  const Folder folder("crash"), told("crash-told");
  make_phantoms(folder, 5);
  int films = 0;
  run_attacked({"analyze", folder.path().string(), "--jobs", "1", "--json", "--out", (folder / "out").string()},
               SIGSEGV, told / "lines");
  const int refused = refused_in(told / "lines", films);
  EXPECT_EQ(films, 5);
  EXPECT_LE(refused, 1);
  const Outcome again = run("analyze " + folder.path().string() + " --json --out " + (folder / "out").string());
  for (const Json& line : again.lines())
    if (line["input"].get<std::string>().find("film") != std::string::npos) {
      EXPECT_NE(line["status"], "refused") << line["reason"];
    }
}

TEST(Worker, ThatHangsIsEndedAtItsDeadline) {
  const Folder folder("hang");
  make_phantoms(folder, 3);
  int films = 0;
  run_attacked(
      {"analyze", (folder / "film1.dcm").string(), (folder / "film2.dcm").string(), (folder / "film3.dcm").string(),
       "--jobs", "1", "--json", "--deadline-s", "3", "--out", (folder / "out").string()},
      SIGSTOP, folder / "lines");
  const int refused = refused_in(folder / "lines", films);
  EXPECT_EQ(films, 3);
  EXPECT_EQ(refused, 1);
}

TEST(Worker, ThatNeedsMoreMemoryThanAllowedEndsOneFilmOnly) {
  const Folder folder("memory");
  make_phantoms(folder, 1);
  // 5000 x 5000 pixels are 100 MB as floats, several times over: more than the worker is given beside its nets.
  run("phantom film --out " + (folder / "large.dcm").string() + " --columns 5000 --rows 5000 --noise 0");
  const Outcome outcome =
      run("analyze " + folder.path().string() + " --jobs 1 --memory-mb 700 --json --out " + (folder / "out").string());
  int done = 0;
  for (const Json& line : outcome.lines())
    if (line["level"] == "image" && line["input"].get<std::string>().find("film1") != std::string::npos)
      done += line["status"] != "refused";
  EXPECT_EQ(done, 1) << outcome.err;
}

// RTE-4: the worker's first line says that it cannot work: nothing is read, and the run ends with the reason.
TEST(Worker, WhosePackageIsNotWhatItSaysEndsTheRun) {
  const Folder folder("unfit");
  const fs::path package = fs::path(ROUAGE_SOURCE_DIR) / "models" / "rouage-chest";
  if (!fs::exists(package)) GTEST_SKIP() << "models/rouage-chest is absent";
  make_phantoms(folder, 2);
  fs::copy(package, folder / "package");
  std::ofstream(folder / "package" / "weights.bin", std::ios::app) << "x";
  const Outcome outcome =
      run("analyze " + (folder / "film1.dcm").string() + " " + (folder / "film2.dcm").string() + " --json --model " +
          (folder / "package").string() + " --out " + (folder / "out").string());
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_TRUE(outcome.lines().empty());
  EXPECT_NE(outcome.err.find("weights.bin"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("SHA-256"), std::string::npos) << outcome.err;
}

TEST(Worker, WithoutTheRuntimeEndsTheRun) {
  const Folder folder("noruntime");
  make_phantoms(folder, 1);
  const Outcome outcome =
      run("analyze " + (folder / "film1.dcm").string() + " --json --out " + (folder / "out").string(),
          "ROUAGE_ONNXRUNTIME=/nowhere.so ROUAGE_HOME=" ROUAGE_SOURCE_DIR " ");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("/nowhere.so is not there"), std::string::npos) << outcome.err;
}
