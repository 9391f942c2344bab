#include "receive/folder_journal.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstring>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::receive {
namespace {

constexpr std::string_view kFirstLine = "rouage folder journal 1";
constexpr std::uint64_t kJournalCap = 4096 * kMebibyte;

/// Bytes that would break a line or a field, and '%' itself, as %HH.
std::string escaped_path(const std::string& path) {
  std::string out;
  for (const char c : path) {
    const auto code = static_cast<unsigned char>(c);
    if (code <= 0x20 || code == '%' || code == 0x7F)
      out += fmt::format("%{:02X}", code);
    else
      out += c;
  }
  return out;
}

std::string plain_path(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    int code = 0;
    if (text[i] == '%' && i + 2 < text.size() &&
        std::from_chars(text.data() + i + 1, text.data() + i + 3, code, 16).ec == std::errc{}) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

const char* letter(FolderJournal::Line::Kind kind) {
  switch (kind) {
    case FolderJournal::Line::Kind::taken:
      return "T";
    case FolderJournal::Line::Kind::refused:
      return "R";
    case FolderJournal::Line::Kind::gone:
      return "G";
  }
  return "G";
}

std::string text_of(const FolderJournal::Line& line) {
  return fmt::format("{} {} {} {} {}\n", letter(line.kind), line.stamp.size, line.stamp.modified_ns, line.digest.hex(),
                     escaped_path(line.path));
}

std::optional<Digest> digest_from(std::string_view hex) {
  Digest digest;
  if (hex.size() != 64) return std::nullopt;
  for (std::size_t i = 0; i < 32; ++i) {
    const char* at = hex.data() + 2 * i;
    if (std::from_chars(at, at + 2, digest.bytes[i], 16).ptr != at + 2) return std::nullopt;
  }
  return digest;
}

std::optional<FolderJournal::Line> line_from(std::string_view text) {
  const std::vector<std::string> fields = split(text, ' ');
  if (fields.size() != 5 || fields[0].size() != 1 || fields[4].empty()) return std::nullopt;
  FolderJournal::Line line;
  using Kind = FolderJournal::Line::Kind;
  line.kind = fields[0] == "T" ? Kind::taken : fields[0] == "R" ? Kind::refused : Kind::gone;
  const auto number = [](const std::string& digits, auto& value) {
    return std::from_chars(digits.data(), digits.data() + digits.size(), value).ptr == digits.data() + digits.size();
  };
  const auto digest = digest_from(fields[3]);
  if (!digest || !number(fields[1], line.stamp.size) || !number(fields[2], line.stamp.modified_ns)) return std::nullopt;
  line.digest = *digest;
  line.path = plain_path(fields[4]);
  return line;
}

void append_durably(const std::filesystem::path& file, std::string_view text) {
  const OpenFile open(::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  const auto fail = [&] {
    const ErrorCode code = errno == ENOSPC || errno == EDQUOT ? ErrorCode::DiskFull : ErrorCode::FileUnwritable;
    throw Error(code, std::strerror(errno)).file(file);
  };
  if (!open) fail();
  while (!text.empty()) {
    const ssize_t n = ::write(open.get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail();
    text.remove_prefix(static_cast<std::size_t>(n));
  }
  if (::fdatasync(open.get()) != 0) fail();
}

}  // namespace

FolderJournal::FolderJournal(std::filesystem::path file) : file_(std::move(file)) {
  std::filesystem::create_directories(file_.parent_path());
  read();
}

void FolderJournal::read() {
  if (!std::filesystem::exists(file_)) {
    write_file_atomic(file_, std::string(kFirstLine) + "\n");
    return;
  }
  const std::string text = read_text(file_, kJournalCap);
  bool torn = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = text.find('\n', at);
    if (end == std::string::npos) {
      torn = true;  // the machine went down while this was written: the file will be met again
      break;
    }
    if (const auto line = line_from(std::string_view(text).substr(at, end - at))) remember(*line);
    ++lines_;
    at = end + 1;
  }
  if (torn || lines_ > 2 * entries_.size() + 1000) compact();
}

void FolderJournal::remember(const Line& line) {
  if (line.kind == Line::Kind::gone)
    entries_.erase(line.path);
  else
    entries_[line.path] = {line.stamp, line.digest, line.kind == Line::Kind::taken};
}

void FolderJournal::compact() {
  std::string text = std::string(kFirstLine) + "\n";
  for (const auto& [path, entry] : entries_)
    text += text_of({entry.taken ? Line::Kind::taken : Line::Kind::refused, path, entry.stamp, entry.digest});
  write_file_atomic(file_, text);
  lines_ = entries_.size() + 1;
}

const FolderJournal::Entry* FolderJournal::find(const std::string& path) const {
  const auto found = entries_.find(path);
  return found == entries_.end() ? nullptr : &found->second;
}

void FolderJournal::add(const std::vector<Line>& lines) {
  if (lines.empty()) return;
  std::string text;
  for (const Line& line : lines) {
    remember(line);
    text += text_of(line);
  }
  append_durably(file_, text);
  lines_ += lines.size();
  if (lines_ > 2 * entries_.size() + 10'000) compact();
}

}  // namespace rouage::receive
