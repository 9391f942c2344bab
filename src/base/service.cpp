#include "base/service.h"

#include <fmt/format.h>
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <nlohmann/json.hpp>

namespace rouage {
namespace {

std::mutex log_mutex;
LogOptions log_options;

std::string_view level_name(LogLevel level) {
  switch (level) {
    case LogLevel::debug:
      return "debug";
    case LogLevel::info:
      return "info";
    case LogLevel::warning:
      return "warning";
    case LogLevel::error:
      break;
  }
  return "error";
}

std::string shown(const LogField& field, const LogOptions& options) {
  if (!field.patient || options.patient_data) return field.value;
  return "#" + digest_of(std::array{options.salt, field.value}).short_hex();
}

std::string json_line(LogLevel level, std::string_view room, std::string_view event,
                      const std::vector<LogField>& fields, const LogOptions& options) {
  nlohmann::ordered_json line{
      {"time", utc_text(utc_now_s())}, {"level", level_name(level)}, {"room", room}, {"event", event}};
  for (const LogField& field : fields) line[field.key] = shown(field, options);
  return line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string text_line(LogLevel level, std::string_view room, std::string_view event,
                      const std::vector<LogField>& fields, const LogOptions& options) {
  std::string line = fmt::format("{} {:<7} {:<8} {}", utc_text(utc_now_s()), level_name(level), room, event);
  for (const LogField& field : fields) {
    std::string value = shown(field, options);
    // A peer's text must not forge a line of the log.
    std::replace_if(
        value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < ' '; }, ' ');
    line += fmt::format("  {}={}", field.key, value);
  }
  return line + "\n";
}

}  // namespace

double utc_now_s() {
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

std::string utc_text(double utc_s) {
  const auto milliseconds = static_cast<std::int64_t>(std::floor(utc_s * 1000 + 0.5));
  const std::time_t whole = milliseconds / 1000;
  std::tm parts{};
  gmtime_r(&whole, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec, milliseconds % 1000);
}

Gate::Pass Gate::enter() {
  const std::lock_guard lock(mutex_);
  if (closed_) return Pass(nullptr);
  ++inside_;
  return Pass(this);
}

Gate::Pass::~Pass() {
  if (gate_ == nullptr) return;
  const std::lock_guard lock(gate_->mutex_);
  --gate_->inside_;
  gate_->left_.notify_all();
}

bool Gate::close(double patience_s) {
  std::unique_lock lock(mutex_);
  closed_ = true;
  return left_.wait_for(lock, std::chrono::duration<double>(patience_s), [this] { return inside_ == 0; });
}

void set_log_options(LogOptions options) {
  const std::lock_guard lock(log_mutex);
  log_options = std::move(options);
}

void log_event(LogLevel level, std::string_view room, std::string_view event, const std::vector<LogField>& fields) {
  const std::lock_guard lock(log_mutex);
  if (level < log_options.least) return;
  const std::string line = log_options.json ? json_line(level, room, event, fields, log_options)
                                            : text_line(level, room, event, fields, log_options);
  // A log that cannot be written must not stop the server.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace rouage
