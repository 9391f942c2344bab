#include "evidence/survival_table.h"

#include <fmt/format.h>
#include <algorithm>
#include <charconv>
#include <limits>
#include <map>

#include "base/error.h"

namespace rouage::evidence::survival {
namespace {

bool missing(const std::string& cell) {
  const std::string lower = lower_case(cell);
  return cell.empty() || lower == "na" || lower == "nan" || lower == "n/a" || cell == ".";
}

std::optional<double> plain_number(const std::string& cell) {
  double value = 0;
  const auto [end, failure] = std::from_chars(cell.data(), cell.data() + cell.size(), value);
  if (cell.empty() || failure != std::errc() || end != cell.data() + cell.size()) return std::nullopt;
  return value;
}

std::optional<bool> event_of(const DataTable& table, std::size_t row, std::size_t column, const Roles& roles) {
  if (roles.event_values.empty()) {
    try {
      return table.flag(row, column);
    } catch (Error& error) {
      throw error.remedy("--event-value says which cells mean the event, e.g. --event-value dead");
    }
  }
  const std::string& cell = table.text(row, column);
  if (missing(cell)) return std::nullopt;
  return std::find(roles.event_values.begin(), roles.event_values.end(), cell) != roles.event_values.end();
}

std::uint32_t index_in(std::map<std::string, std::uint32_t>& known, const std::string& name) {
  return known.try_emplace(name, static_cast<std::uint32_t>(known.size())).first->second;
}

[[noreturn]] void refuse(const DataTable& table, std::size_t row, const std::string& what) {
  throw Error(ErrorCode::TableInvalid, fmt::format("line {}: {}", table.line(row), what)).file(table.name());
}

}  // namespace

std::uint64_t Subjects::events() const {
  return static_cast<std::uint64_t>(std::count_if(event.begin(), event.end(), [](auto e) { return e != 0; }));
}

Subjects subjects_of(const DataTable& table, const Roles& roles, const std::vector<std::string>& needed) {
  const std::size_t time_at = table.column(roles.time), event_at = table.column(roles.event);
  std::vector<std::size_t> need;
  for (const std::string& name : needed) need.push_back(table.column(name));
  for (const std::string* name : {&roles.strata, &roles.cluster})
    if (!name->empty()) need.push_back(table.column(*name));
  Subjects subjects;
  std::map<std::string, std::uint32_t> strata, clusters;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::optional<double> time = table.number(row, time_at);
    const bool competes = std::find(roles.competing_values.begin(), roles.competing_values.end(),
                                    table.text(row, event_at)) != roles.competing_values.end();
    const std::optional<bool> event = competes ? std::optional(false) : event_of(table, row, event_at, roles);
    const std::optional<double> entry =
        roles.start.empty() ? std::optional<double>(-1) : table.number(row, table.column(roles.start));
    const std::optional<double> weight =
        roles.weight.empty() ? std::optional<double>(1) : table.number(row, table.column(roles.weight));
    const bool whole =
        std::none_of(need.begin(), need.end(), [&](std::size_t column) { return missing(table.text(row, column)); });
    if (!time || !event || !entry || !weight || !whole) {
      ++subjects.left_out;
      continue;
    }
    if (*time < 0) refuse(table, row, fmt::format("the time {} is negative", *time));
    if (!roles.start.empty() && *entry >= *time)
      refuse(table, row, fmt::format("{} {} is not before {} {}", roles.start, *entry, roles.time, *time));
    if (*weight <= 0) refuse(table, row, fmt::format("the weight {} is not above 0", *weight));
    subjects.row.push_back(row);
    subjects.time.push_back(*time);
    subjects.event.push_back(*event);
    subjects.cause.push_back(competes ? 2 : *event);
    if (!roles.start.empty()) subjects.entry.push_back(*entry);
    if (!roles.weight.empty()) subjects.weight.push_back(*weight);
    if (!roles.strata.empty())
      subjects.stratum.push_back(index_in(strata, table.text(row, table.column(roles.strata))));
    if (!roles.cluster.empty())
      subjects.cluster.push_back(index_in(clusters, table.text(row, table.column(roles.cluster))));
  }
  if (subjects.row.empty())
    throw Error(ErrorCode::StatisticUndefined, "no row has all that is needed").file(table.name());
  return subjects;
}

Levels levels_of(const DataTable& table, const Subjects& subjects, const std::string& column) {
  const std::size_t at = table.column(column);
  Levels levels;
  for (const std::size_t row : subjects.row) levels.names.push_back(table.text(row, at));
  const std::vector<std::string> cells = levels.names;
  const bool numbers =
      std::all_of(cells.begin(), cells.end(), [](const auto& c) { return plain_number(c).has_value(); });
  std::sort(levels.names.begin(), levels.names.end(), [&](const std::string& a, const std::string& b) {
    if (!numbers) return a < b;
    const double first = *plain_number(a), second = *plain_number(b);
    return first != second ? first < second : a < b;
  });
  levels.names.erase(std::unique(levels.names.begin(), levels.names.end()), levels.names.end());
  if (levels.names.size() > 50)
    throw Error(ErrorCode::TableInvalid, fmt::format("column {} has more than 50 levels", column)).file(table.name());
  std::map<std::string, std::uint32_t> index;
  for (const std::string& name : levels.names) index_in(index, name);
  for (const std::string& cell : cells) levels.of.push_back(index.at(cell));
  return levels;
}

Covariates covariates_of(const DataTable& table, const Subjects& subjects, const std::vector<std::string>& columns) {
  Covariates result;
  std::vector<std::vector<double>> values;
  for (const std::string& column : columns) {
    const std::size_t at = table.column(column);
    bool numeric = true;
    std::vector<double> numbers;
    for (const std::size_t row : subjects.row) {
      try {
        numbers.push_back(table.number(row, at).value_or(0));
      } catch (const Error&) {
        numeric = false;
        break;
      }
    }
    if (numeric) {
      result.names.push_back(column);
      values.push_back(std::move(numbers));
      continue;
    }
    const Levels levels = levels_of(table, subjects, column);
    result.notes.push_back(fmt::format("{}: compared with {}", column, levels.names[0]));
    for (std::uint32_t level = 1; level < levels.names.size(); ++level) {
      result.names.push_back(column + "=" + levels.names[level]);
      values.emplace_back();
      for (const std::uint32_t of : levels.of) values.back().push_back(of == level ? 1 : 0);
    }
  }
  for (std::size_t i = 0; i < subjects.row.size(); ++i)
    for (const auto& column : values) result.values.push_back(column[i]);
  return result;
}

}  // namespace rouage::evidence::survival
