#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>

#include "base/host.h"

namespace rouage {
namespace {

std::string duration_text(double seconds) {
  const auto whole = std::lround(seconds);
  if (whole >= 3600) return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60, whole % 60);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

std::size_t terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 20 ? size.ws_col : 80;
}

}  // namespace

double monotonic_s() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::string utc_now_text() {
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  gmtime_r(&now, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                     parts.tm_hour, parts.tm_min, parts.tm_sec);
}

ProgressBar::ProgressBar(std::string what, std::size_t total)
    : what_(std::move(what)), total_(total), started_s_(monotonic_s()), terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (terminal_ && drawn_s_ >= 0) std::fputs("\r\033[K", stderr);
}

void ProgressBar::advance(std::size_t done, std::string_view note) {
  const double now = monotonic_s();
  if (!terminal_ || total_ == 0 || (now - drawn_s_ < 0.1 && done < total_)) return;
  drawn_s_ = now;
  const double elapsed = now - started_s_;
  const double fraction = static_cast<double>(done) / static_cast<double>(total_);
  const std::string left = done > 0 ? duration_text(elapsed * (1 - fraction) / fraction) : "?";
  const int filled = static_cast<int>(fraction * 24);
  std::string line = fmt::format("{} [{:=<{}}{:<{}}] {}/{}  left {}  {}", what_, "", filled, "", 24 - filled, done,
                                 total_, left, note);
  if (line.size() > terminal_columns() - 1) line.resize(terminal_columns() - 1);
  std::fprintf(stderr, "\r\033[K%s", line.c_str());
  std::fflush(stderr);
}

}  // namespace rouage
