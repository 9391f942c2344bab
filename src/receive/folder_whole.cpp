// Is a DICOM file all there? PS3.10 7 and PS3.5 7: headers of elements are walked, values are skipped, so that a copy
// that was cut off in its pixels is seen before it is taken. Every number comes from the file: all are checked.
#include <unistd.h>

#include <array>
#include <cstring>
#include <string>
#include <vector>

#include "receive/folder_files.h"

namespace rouage::receive {
namespace {

constexpr std::uint32_t kUndefined = 0xFFFFFFFF;
constexpr std::uint64_t kPadding = 4096;
constexpr std::size_t kDeepest = 64;
constexpr int kMostElements = 2'000'000;

enum class Answer { whole, cut, unknown };

class Walk {
 public:
  Walk(int fd, std::uint64_t size) : fd_(fd), size_(size) {}
  Answer run();

 private:
  struct Header {
    std::uint16_t group = 0, element = 0;
    std::uint32_t length = 0;
    bool holds_items = false;  ///< SQ, or UN and OB of undefined length
    bool implicit_inside = false;
    bool strange = false;
  };
  bool bytes(std::uint64_t at, std::uint8_t* out, std::size_t count);
  /// Moves `at` behind the header. False at the end of the file; `strange` when this is no VR that the standard knows.
  bool header(std::uint64_t& at, bool implicit, bool big, Header& out);
  Answer meta(std::uint64_t& at, std::string& syntax);
  Answer dataset(std::uint64_t at, bool implicit, bool big);
  bool only_zeros(std::uint64_t at);

  int fd_;
  std::uint64_t size_;
  std::array<std::uint8_t, 65536> window_{};
  std::uint64_t window_at_ = 0;
  std::size_t window_size_ = 0;
};

bool Walk::bytes(std::uint64_t at, std::uint8_t* out, std::size_t count) {
  if (at > size_ || size_ - at < count) return false;
  if (at < window_at_ || at + count > window_at_ + window_size_) {
    // Small steps: most values that are skipped are larger than any read-ahead is worth.
    const ssize_t n = ::pread(fd_, window_.data(), window_.size(), static_cast<off_t>(at));
    window_at_ = at;
    window_size_ = n > 0 ? static_cast<std::size_t>(n) : 0;
    if (window_size_ < count) return false;
  }
  std::memcpy(out, window_.data() + (at - window_at_), count);
  return true;
}

std::uint32_t number(const std::uint8_t* bytes, int count, bool big) {
  std::uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = (value << 8) | bytes[big ? i : count - 1 - i];
  return value;
}

bool long_form(const char* vr) {
  for (const char* one : {"OB", "OW", "OF", "OD", "OL", "OV", "SQ", "UN", "UC", "UR", "UT", "SV", "UV"})
    if (vr[0] == one[0] && vr[1] == one[1]) return true;
  return false;
}

bool Walk::header(std::uint64_t& at, bool implicit, bool big, Header& out) {
  std::array<std::uint8_t, 12> raw{};
  if (!bytes(at, raw.data(), 8)) return false;
  out.group = static_cast<std::uint16_t>(number(raw.data(), 2, big));
  out.element = static_cast<std::uint16_t>(number(raw.data() + 2, 2, big));
  const bool delimiter = out.group == 0xFFFE;
  if (implicit || delimiter) {
    out.length = number(raw.data() + 4, 4, big);
    out.holds_items = !delimiter && out.length == kUndefined;
    out.implicit_inside = implicit;
    at += 8;
    return true;
  }
  const char vr[2] = {static_cast<char>(raw[4]), static_cast<char>(raw[5])};
  const auto letter = [](char c) { return c >= 'A' && c <= 'Z'; };
  out.strange = !letter(vr[0]) || !letter(vr[1]);
  if (!long_form(vr)) {
    out.length = number(raw.data() + 6, 2, big);
    at += 8;
    return true;
  }
  if (!bytes(at, raw.data(), 12)) return false;
  out.length = number(raw.data() + 8, 4, big);
  out.holds_items = out.length == kUndefined;
  out.implicit_inside = vr[0] == 'U' && vr[1] == 'N';  // PS3.5 6.2.2 note 2
  at += 12;
  return true;
}

Answer Walk::meta(std::uint64_t& at, std::string& syntax) {
  std::array<std::uint8_t, 4> mark{};
  if (!bytes(128, mark.data(), 4) || std::memcmp(mark.data(), "DICM", 4) != 0) return Answer::unknown;
  at = 132;
  while (true) {
    std::array<std::uint8_t, 2> group{};
    if (!bytes(at, group.data(), 2)) return Answer::cut;
    if (number(group.data(), 2, false) != 2) return Answer::whole;
    Header element;
    if (!header(at, false, false, element)) return Answer::cut;
    if (element.strange || element.length == kUndefined) return Answer::unknown;
    if (element.element == 0x0010 && element.length <= 64) {
      syntax.resize(element.length);
      if (!bytes(at, reinterpret_cast<std::uint8_t*>(syntax.data()), element.length)) return Answer::cut;
      syntax = std::string(trimmed(syntax));
    }
    at += element.length;
  }
}

bool Walk::only_zeros(std::uint64_t at) {
  for (std::uint8_t byte = 0; at < size_; ++at)
    if (!bytes(at, &byte, 1) || byte != 0) return false;
  return true;
}

/// One loop with a stack of what is open: items of sequences, and datasets inside items, both of undefined length.
Answer Walk::dataset(std::uint64_t at, bool implicit, bool big) {
  struct Open {
    bool items;  ///< between items; else inside of one
    bool implicit;
  };
  std::vector<Open> open;
  for (int count = 0; count < kMostElements; ++count) {
    if (at == size_ && open.empty()) return Answer::whole;
    if (at > size_) return Answer::cut;
    if (open.empty() && size_ - at < kPadding && only_zeros(at)) return Answer::whole;
    Header element;
    const bool here_implicit = open.empty() ? implicit : open.back().implicit;
    if (!header(at, here_implicit, big, element)) return Answer::cut;
    if (element.group == 0 && element.element == 0) return Answer::cut;  // space that is still to be written
    if (element.strange) return Answer::unknown;
    if (!open.empty() && element.group == 0xFFFE) {
      const bool sequence_ends = open.back().items && element.element == 0xE0DD;
      const bool item_ends = !open.back().items && element.element == 0xE00D;
      if (sequence_ends || item_ends) {
        open.pop_back();
      } else if (open.back().items && element.element == 0xE000) {
        if (element.length == kUndefined)
          open.push_back({false, open.back().implicit});
        else
          at += element.length;
      } else {
        return Answer::unknown;
      }
    } else if (!open.empty() && open.back().items) {
      return Answer::unknown;
    } else if (element.length == kUndefined) {
      if (!element.holds_items) return Answer::unknown;
      open.push_back({true, element.implicit_inside});
    } else {
      at += element.length;
    }
    if (open.size() > kDeepest) return Answer::unknown;
  }
  return Answer::unknown;
}

Answer Walk::run() {
  std::uint64_t at = 0;
  std::string syntax;
  const Answer start = meta(at, syntax);
  if (start != Answer::whole) return start;
  if (syntax == "1.2.840.10008.1.2.1.99") return Answer::unknown;  // deflated: one stream to its end
  return dataset(at, syntax == "1.2.840.10008.1.2", syntax == "1.2.840.10008.1.2.2");
}

}  // namespace

bool ends_whole(int fd, std::uint64_t size) {
  return Walk(fd, size).run() != Answer::cut;
}

}  // namespace rouage::receive
