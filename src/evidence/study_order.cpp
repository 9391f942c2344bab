// The order of readings: what the design promised and what the table says.
#include <algorithm>
#include <cmath>
#include <set>

#include "evidence/study_plan.h"

namespace rouage::evidence {
namespace {

struct Reading {
  double sequence = 0;
  std::optional<double> day{};
  std::string arm{};
};
struct ReaderOrder {
  std::map<std::string, std::uint64_t> readings{}, first{};  ///< by arm: all, and the first of a case
  std::set<std::string> cases{};
  std::uint64_t repeated = 0, ties = 0;
  std::optional<double> washout{};  ///< the shortest, days
};

using Readings = std::map<std::string, std::map<std::string, std::vector<Reading>>>;  ///< reader, case

Readings read_readings(const ReadingOrder& order, const DataTable& table) {
  const std::size_t reader = table.column(order.reader), kase = table.column(order.kase), arm = table.column(order.arm),
                    when = table.column(order.when);
  const std::optional<std::size_t> day = order.day.empty() ? std::nullopt : std::optional(table.column(order.day));
  Readings readings;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::optional<double> sequence = table.number(row, when);
    if (!sequence || table.text(row, reader).empty() || table.text(row, kase).empty()) continue;
    readings[table.text(row, reader)][table.text(row, kase)].push_back(
        {*sequence, day ? table.number(row, *day) : std::nullopt, table.text(row, arm)});
  }
  return readings;
}

ReaderOrder summarise(std::map<std::string, std::vector<Reading>> cases) {
  ReaderOrder sum;
  for (auto& [name, readings] : cases) {
    sum.cases.insert(name);
    std::stable_sort(readings.begin(), readings.end(),
                     [](const Reading& a, const Reading& b) { return a.sequence < b.sequence; });
    ++sum.first[readings.front().arm];
    std::set<std::string> seen;
    for (std::size_t i = 0; i < readings.size(); ++i) {
      ++sum.readings[readings[i].arm];
      if (!seen.insert(readings[i].arm).second) ++sum.repeated;
      if (i == 0) continue;
      if (readings[i].sequence == readings[i - 1].sequence) ++sum.ties;
      if (readings[i].day && readings[i - 1].day) {
        const double apart = *readings[i].day - *readings[i - 1].day;
        sum.washout = sum.washout ? std::min(*sum.washout, apart) : apart;
      }
    }
  }
  return sum;
}

}  // namespace

std::vector<page::ReportBlock> reading_order_blocks(const StudyPlan& plan, bool french) {
  std::vector<page::ReportBlock> blocks;
  const ReadingOrder& order = *plan.reading_order;
  const DataTable table = DataTable::read(find_data(plan, order.data)->path);
  std::map<std::string, ReaderOrder> readers;
  std::set<std::string> arms;
  for (auto& [reader, cases] : read_readings(order, table)) {
    readers[reader] = summarise(cases);
    for (const auto& [arm, n] : readers[reader].readings) arms.insert(arm);
  }
  page::ReportTable shown;
  shown.header = {french ? "lecteur" : "reader", french ? "cas" : "cases"};
  for (const std::string& arm : arms) {
    shown.header.push_back(arm);
    shown.header.push_back(arm + (french ? ", lu d'abord" : ", read first"));
  }
  shown.header.emplace_back(french ? "relus dans le même bras" : "repeated in an arm");
  if (!order.day.empty())
    shown.header.emplace_back(french ? "plus court intervalle (jours)" : "shortest interval (days)");
  std::vector<std::string> warnings;
  for (const auto& [reader, sum] : readers) {
    std::vector<std::string> row{reader, std::to_string(sum.cases.size())};
    for (const std::string& arm : arms) {
      const auto count = [&](const std::map<std::string, std::uint64_t>& of) {
        const auto found = of.find(arm);
        return found == of.end() ? std::uint64_t{0} : found->second;
      };
      row.push_back(std::to_string(count(sum.readings)));
      row.push_back(std::to_string(count(sum.first)));
      const double share = static_cast<double>(count(sum.first)) / static_cast<double>(sum.cases.size());
      const double fair = 1 / static_cast<double>(arms.size());
      // Beyond three standard errors of a fair draw the order was not balanced.
      if (std::abs(share - fair) > 3 * std::sqrt(fair * (1 - fair) / static_cast<double>(sum.cases.size())) &&
          arms.size() > 1)
        warnings.push_back(reader + ": " +
                           (french ? "ordre des bras non équilibré (" : "the order of the arms is not balanced (") +
                           arm + ")");
    }
    row.push_back(std::to_string(sum.repeated));
    if (!order.day.empty()) row.push_back(sum.washout ? number_text(*sum.washout) : "-");
    if (sum.repeated > 0)
      warnings.push_back(reader + ": " + (french ? "cas relus dans le même bras" : "cases read again in the same arm"));
    if (sum.ties > 0)
      warnings.push_back(reader + ": " +
                         (french ? "lectures de même rang : leur ordre n'est pas connu"
                                 : "readings of the same place in the sequence: their order is not known"));
    if (order.washout_days > 0 && sum.washout && *sum.washout < order.washout_days)
      warnings.push_back(reader + ": " +
                         (french ? "intervalle plus court que prévu" : "an interval shorter than planned"));
    shown.rows.push_back(std::move(row));
  }
  blocks.emplace_back(std::move(shown));
  for (std::string& warning : warnings) blocks.emplace_back(page::ReportText{std::move(warning), true});
  return blocks;
}

}  // namespace rouage::evidence
