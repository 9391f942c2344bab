#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/host.h"

namespace rouage {
namespace {

/// Code points, which is the printed width of the alphabets that our tables hold (no combining marks, no wide signs).
std::size_t printed_width(std::string_view utf8) {
  return static_cast<std::size_t>(
      std::count_if(utf8.begin(), utf8.end(), [](char c) { return (static_cast<std::uint8_t>(c) & 0xC0) != 0x80; }));
}

/// One record of RFC 4180 from `at` on; `line` counts the line ends passed.
std::vector<std::string> csv_record(std::string_view text, std::size_t& at, int& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (; at < text.size(); ++at) {
    const char c = text[at];
    if (c == '\n') ++line;
    if (quoted) {
      if (c != '"')
        cells.back() += c;
      else if (at + 1 < text.size() && text[at + 1] == '"')
        cells.back() += text[++at];
      else
        quoted = false;
    } else if (c == '"' && cells.back().empty()) {
      quoted = true;
    } else if (c == ',') {
      cells.emplace_back();
    } else if (c == '\n') {
      ++at;
      return cells;
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  if (quoted)
    throw Error(ErrorCode::TableInvalid, "a quote is opened and never closed before line " + std::to_string(line));
  return cells;
}

}  // namespace

TextTable::TextTable(std::vector<std::string> headers, std::string alignments) : alignments_(std::move(alignments)) {
  rows_.push_back(std::move(headers));
}

void TextTable::row(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

std::string TextTable::text() const {
  std::vector<std::size_t> widths;
  for (const auto& row : rows_)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], printed_width(row[i]));
    }
  std::string text;
  for (const auto& row : rows_) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - printed_width(row[i]), ' ');
      const bool right = i < alignments_.size() && alignments_[i] == '>';
      if (i > 0) line += "  ";
      line += right ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

int CsvTable::column(std::string_view name) const {
  const auto found = std::find(header.begin(), header.end(), name);
  return found == header.end() ? -1 : static_cast<int>(found - header.begin());
}

CsvTable read_csv(const std::filesystem::path& path) {
  const std::string content = read_text(path);
  std::string_view text = content;
  if (text.substr(0, 3) == "\xEF\xBB\xBF") text.remove_prefix(3);
  CsvTable table;
  std::size_t at = 0;
  int line = 1;
  try {
    table.header = csv_record(text, at, line);
    while (at < text.size()) {
      const int first_line = line;
      auto cells = csv_record(text, at, line);
      if (cells.size() == 1 && cells[0].empty()) continue;
      if (cells.size() != table.header.size())
        throw Error(ErrorCode::TableInvalid, "line " + std::to_string(first_line) + " has " +
                                                 std::to_string(cells.size()) + " cells, the header has " +
                                                 std::to_string(table.header.size()));
      table.rows.push_back(std::move(cells));
    }
  } catch (Error& error) {
    throw error.file(path);
  }
  return table;
}

}  // namespace rouage
