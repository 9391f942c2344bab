#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/host.h"
#include "evidence/evidence.h"

namespace rouage::evidence {
namespace {

/// One character at a time over quoted, separated cells (RFC 4180, separators of people's own).
class CellReader {
 public:
  CellReader(std::string_view text, char separator, std::string name)
      : text_(text), separator_(separator), name_(std::move(name)) {}

  bool at_end() const { return at_ >= text_.size(); }
  std::size_t line() const { return line_; }

  std::vector<std::string> row() {
    std::vector<std::string> cells;
    while (true) {
      cells.push_back(cell());
      if (at_end()) return cells;
      const char c = text_[at_++];
      if (c == separator_) continue;
      if (c == '\r' && at_ < text_.size() && text_[at_] == '\n') ++at_;
      ++line_;
      return cells;
    }
  }

 private:
  bool ends_cell(char c) const { return c == separator_ || c == '\n' || c == '\r'; }

  std::string cell() {
    if (at_end() || text_[at_] != '"') {
      const std::size_t start = at_;
      while (at_ < text_.size() && !ends_cell(text_[at_])) ++at_;
      return std::string(trimmed(text_.substr(start, at_ - start)));
    }
    const std::size_t opened = line_;
    std::string value;
    for (++at_; at_ < text_.size(); ++at_) {
      if (text_[at_] == '"') {
        if (at_ + 1 >= text_.size() || text_[at_ + 1] != '"') break;
        ++at_;
      }
      if (text_[at_] == '\n') ++line_;
      value += text_[at_];
    }
    if (at_end()) refuse(opened, "a quote is never closed");
    ++at_;
    if (!at_end() && !ends_cell(text_[at_])) refuse(line_, "text follows a closing quote");
    return value;
  }

  [[noreturn]] void refuse(std::size_t line, const std::string& what) const {
    throw Error(ErrorCode::TableInvalid, fmt::format("line {}: {}", line, what)).file(name_);
  }

  std::string_view text_;
  char separator_;
  std::string name_;
  std::size_t at_ = 0, line_ = 1;
};

/// The separator that the header has most of, outside quotes; a single column has none.
char separator_of(std::string_view text) {
  constexpr std::array kSeparators{',', ';', '\t'};
  std::array<std::size_t, kSeparators.size()> counts{};
  bool quoted = false;
  for (const char c : text) {
    if (c == '"') quoted = !quoted;
    if (!quoted && c == '\n') break;
    for (std::size_t i = 0; i < kSeparators.size(); ++i)
      if (!quoted && c == kSeparators[i]) ++counts[i];
  }
  return kSeparators[static_cast<std::size_t>(std::max_element(counts.begin(), counts.end()) - counts.begin())];
}

bool blank(const std::vector<std::string>& cells) {
  return std::all_of(cells.begin(), cells.end(), [](const std::string& cell) { return cell.empty(); });
}

bool says_missing(const std::string& cell) {
  const std::string lower = lower_case(cell);
  return cell.empty() || lower == "na" || lower == "nan" || lower == "n/a" || cell == ".";
}

constexpr std::array kTrue{"1",   "true", "yes", "y", "present", "positive",
                           "pos", "vrai", "oui", "o", "présent", "positif"};
constexpr std::array kFalse{"0", "false", "no", "n", "absent", "negative", "neg", "faux", "non", "négatif"};

}  // namespace

DataTable DataTable::read(const std::filesystem::path& path) {
  return parse(read_text(path), path.string());
}

DataTable DataTable::parse(std::string_view text, const std::string& name) {
  constexpr std::string_view kMark = "\xEF\xBB\xBF";
  if (text.starts_with(kMark)) text.remove_prefix(kMark.size());
  if (text.starts_with("\xFF\xFE") || text.starts_with("\xFE\xFF") || !valid_utf8(text))
    throw Error(ErrorCode::TableInvalid, "not UTF-8").file(name).remedy("export it as \"CSV UTF-8\"");
  DataTable table;
  table.name_ = name;
  const char separator = separator_of(text);
  table.decimal_comma_ = separator != ',';
  CellReader reader(text, separator, name);
  while (!reader.at_end()) {
    const std::size_t line = reader.line();
    std::vector<std::string> cells = reader.row();
    if (blank(cells)) continue;
    if (table.header_.empty()) {
      table.header_ = std::move(cells);
      while (!table.header_.empty() && table.header_.back().empty()) table.header_.pop_back();
      continue;
    }
    while (cells.size() > table.header_.size() && cells.back().empty()) cells.pop_back();
    if (cells.size() != table.header_.size())
      throw Error(ErrorCode::TableInvalid,
                  fmt::format("line {} has {} cells, the header {}", line, cells.size(), table.header_.size()))
          .file(name);
    table.cells_.push_back(std::move(cells));
    table.lines_.push_back(line);
  }
  if (table.header_.empty()) throw Error(ErrorCode::TableInvalid, "the table is empty").file(name);
  for (std::size_t i = 0; i < table.header_.size(); ++i)
    for (std::size_t j = i + 1; j < table.header_.size(); ++j)
      if (table.header_[i] == table.header_[j])
        throw Error(ErrorCode::TableInvalid, "two columns are called " + table.header_[i]).file(name);
  return table;
}

std::optional<std::size_t> DataTable::find(std::string_view name) const {
  const auto found = std::find(header_.begin(), header_.end(), name);
  if (found == header_.end()) return std::nullopt;
  return static_cast<std::size_t>(found - header_.begin());
}

std::size_t DataTable::column(std::string_view name) const {
  if (const auto found = find(name)) return *found;
  throw Error(ErrorCode::TableInvalid,
              fmt::format("no column is called \"{}\"; there are: {}", name, fmt::join(header_, ", ")))
      .file(name_);
}

std::optional<double> DataTable::number(std::size_t row, std::size_t column) const {
  const std::string& cell = cells_[row][column];
  if (says_missing(cell)) return std::nullopt;
  std::string digits = cell.front() == '+' ? cell.substr(1) : cell;
  if (decimal_comma_ && digits.find('.') == std::string::npos) std::replace(digits.begin(), digits.end(), ',', '.');
  double value = 0;
  const auto [end, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (failure != std::errc() || end != digits.data() + digits.size() || !std::isfinite(value))
    throw Error(ErrorCode::TableInvalid,
                fmt::format("line {}, column {}: \"{}\" is not a number", lines_[row], header_[column], cell))
        .file(name_);
  return value;
}

std::optional<bool> DataTable::flag(std::size_t row, std::size_t column) const {
  const std::string& cell = cells_[row][column];
  if (says_missing(cell)) return std::nullopt;
  const std::string lower = lower_case(cell);
  if (std::find(kTrue.begin(), kTrue.end(), lower) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), lower) != kFalse.end()) return false;
  if (const char* end = lower.data() + lower.size(); end != lower.data()) {
    double value = 0;
    const auto [stop, failure] = std::from_chars(lower.data(), end, value);  // "1.0" of a spreadsheet
    if (failure == std::errc() && stop == end && (value == 0 || value == 1)) return value == 1;
  }
  throw Error(ErrorCode::TableInvalid,
              fmt::format("line {}, column {}: \"{}\" is neither 0 nor 1", lines_[row], header_[column], cell))
      .file(name_);
}

}  // namespace rouage::evidence
