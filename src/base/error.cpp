#include "base/error.h"

#include <filesystem>

namespace rouage {

const ErrorEntry& error_entry(ErrorCode code) {
  for (const ErrorEntry& entry : kErrorTable)
    if (entry.code == code) return entry;
  return kErrorTable.front();
}

Error::Error(ErrorCode code, std::string detail) : code_(code), detail_(std::move(detail)) {
  compose();
}

Error& Error::file(const std::filesystem::path& path) {
  if (file_.empty()) file_ = path.string();
  compose();
  return *this;
}

Error& Error::tag(std::string_view tag) {
  if (tag_.empty()) tag_ = tag;
  compose();
  return *this;
}

Error& Error::remedy(std::string_view remedy) {
  if (remedy_.empty()) remedy_ = remedy;
  compose();
  return *this;
}

std::string Error::remedy() const {
  return remedy_.empty() ? std::string(error_entry(code_).remedy_en) : remedy_;
}

void Error::compose() {
  what_.clear();
  if (!file_.empty()) what_ += file_ + ": ";
  if (!tag_.empty()) what_ += tag_ + ": ";
  what_ += error_entry(code_).en;
  if (!detail_.empty()) what_ += ": " + detail_;
  const std::string advice = remedy();
  if (!advice.empty()) what_ += "; " + advice;
}

}  // namespace rouage
