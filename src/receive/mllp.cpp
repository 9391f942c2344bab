#include "receive/mllp.h"

#include <algorithm>

namespace rouage::receive {
namespace {

constexpr char kBegin = 0x0B, kEnd = 0x1C, kReturn = 0x0D, kFeed = 0x0A;

}  // namespace

void MllpFramer::break_off(const char* why) {
  state_ = State::broken;
  why_ = why;
  message_ = {};
}

std::size_t MllpFramer::push(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && (state_ == State::between || state_ == State::inside)) {
    if (state_ == State::between) {
      const std::size_t begin = bytes.find(kBegin, at);
      const std::size_t end = begin == std::string_view::npos ? bytes.size() : begin;
      const std::string_view skipped = bytes.substr(at, end - at);
      noise_ += static_cast<std::size_t>(
          std::count_if(skipped.begin(), skipped.end(), [](char c) { return c != kReturn && c != kFeed && c != ' '; }));
      at = end;
      if (noise_ > kNoiseCap) {
        break_off("this is not MLLP: no message begins");
        return at;
      }
      if (begin == std::string_view::npos) return at;
      ++at;
      state_ = State::inside;
      noise_ = 0;
      continue;
    }
    if (ending_) {
      ending_ = false;
      if (bytes[at] == kReturn || bytes[at] == kFeed)
        state_ = State::complete;
      else
        break_off("the end of a message (0x1C) is not followed by 0x0D");
      ++at;
      return at;
    }
    std::size_t stop = at;
    while (stop < bytes.size() && bytes[stop] != kEnd && bytes[stop] != kBegin) ++stop;
    if (message_.size() + (stop - at) > cap_) {
      break_off("the message is larger than the limit");
      return stop;
    }
    message_.append(bytes.substr(at, stop - at));
    at = stop;
    if (at == bytes.size()) return at;
    if (bytes[at] == kBegin) {
      message_.clear();
      ++restarts_;
    } else {
      ending_ = true;
    }
    ++at;
  }
  return at;
}

std::string MllpFramer::take() {
  state_ = State::between;
  std::string whole;
  whole.swap(message_);
  return whole;
}

}  // namespace rouage::receive
