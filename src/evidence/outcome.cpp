#include <fmt/format.h>
#include <cmath>

#include <nlohmann/json.hpp>

#include "base/host.h"
#include "evidence/evidence.h"
#include "page/page.h"

namespace rouage::evidence {
namespace {
using Json = nlohmann::ordered_json;

Json number(const std::optional<double>& value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  return *value;
}

Json figure_json(const Figure& figure) {
  Json json{{"name", figure.name},           {"stratum", figure.stratum},
            {"value", number(figure.value)}, {"lower", number(figure.lower)},
            {"upper", number(figure.upper)}, {"level", figure.level},
            {"method", figure.method},       {"n", figure.n}};
  if (!figure.why.empty()) json["why"] = figure.why;
  return json;
}

Json test_json(const Test& test) {
  Json df = Json::array();
  for (const double d : test.df) df.push_back(number(d));
  Json json{{"name", test.name},
            {"method", test.method},
            {"statistic", number(test.statistic)},
            {"value", number(test.value)},
            {"df", df},
            {"p", number(test.p)}};
  if (!test.stratum.empty()) json["stratum"] = test.stratum;
  if (!test.why.empty()) json["why"] = test.why;
  return json;
}

/// Four significant digits, in the language's decimals.
std::string shown(const std::optional<double>& value, const std::string& language) {
  if (!value || !std::isfinite(*value)) return "-";
  std::string text = fmt::format("{:.4g}", *value);
  if (language == "fr")
    if (const auto dot = text.find('.'); dot != std::string::npos) text[dot] = ',';
  return text;
}

std::string degrees(const Test& test) {
  std::string text;
  for (const double d : test.df)
    text += (text.empty() ? "" : ", ") + (std::isfinite(d) ? fmt::format("{:.4g}", d) : "inf");
  return text.empty() ? "-" : text;
}

}  // namespace

std::string outcome_json(const Outcome& outcome) {
  Json json{{"analysis", outcome.analysis}, {"estimates", Json::array()}, {"tests", Json::array()}};
  for (const Figure& figure : outcome.estimates) json["estimates"].push_back(figure_json(figure));
  for (const Test& test : outcome.tests) json["tests"].push_back(test_json(test));
  json["details"] = Json::array();
  for (const Detail& detail : outcome.details)
    json["details"].push_back({{"title", detail.title}, {"header", detail.header}, {"rows", detail.rows}});
  json["notes"] = outcome.notes;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string outcome_text(const Outcome& outcome, const std::string& language) {
  const bool french = language == "fr";
  const auto word = [&](const char* en, const char* fr) { return std::string(french ? fr : en); };
  std::string text;
  if (!outcome.estimates.empty()) {
    TextTable table({word("figure", "chiffre"), word("stratum", "strate"), word("value", "valeur"),
                     word("interval", "intervalle"), "n", word("method", "méthode")},
                    "<<>>><");
    for (const Figure& figure : outcome.estimates) {
      const bool interval = figure.lower && figure.upper;
      table.row({figure.name, figure.stratum, shown(figure.value, language),
                 interval ? shown(figure.lower, language) + word(" to ", " à ") + shown(figure.upper, language) : "-",
                 std::to_string(figure.n), figure.why.empty() ? figure.method : figure.why});
    }
    text += table.text();
  }
  if (!outcome.tests.empty()) {
    TextTable table({"test", word("statistic", "statistique"), word("df", "ddl"), "p", word("method", "méthode")},
                    "<>>><");
    for (const Test& test : outcome.tests)
      table.row({test.stratum.empty() ? test.name : test.name + " (" + test.stratum + ")",
                 shown(test.statistic, language), degrees(test), shown(test.p, language),
                 test.why.empty() ? test.method : test.why});
    text += "\n" + table.text();
  }
  for (const Detail& detail : outcome.details) {
    TextTable table(detail.header, "<" + std::string(detail.header.empty() ? 0 : detail.header.size() - 1, '>'));
    for (const auto& row : detail.rows) table.row(row);
    text += "\n" + detail.title + "\n" + table.text();
  }
  for (const std::string& note : outcome.notes) text += "\n" + note + "\n";
  return text;
}

}  // namespace rouage::evidence
