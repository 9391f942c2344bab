#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "app/analyze.h"
#include "base/host.h"
#include "page/page.h"

namespace rouage::app {
namespace {

using Json = nlohmann::ordered_json;

/// Films shown finding by finding; with more, one row a film.
constexpr std::size_t kDetailedFilms = 6;

std::string percent(const Json& probability) {
  return probability.is_number() ? fixed_text(probability.get<double>(), 2) : "-";
}

std::string age_text(const Json& document) {
  for (const Json& m : document.value("measurements", Json::array()))
    if (m.value("name", "") == "estimated_age") {
      std::string text = fixed_text(m.value("value", 0.0), 0);
      if (m.contains("uncertainty") && m["uncertainty"].is_number())
        text += " ± " + fixed_text(m["uncertainty"].get<double>(), 0);
      return text;
    }
  return "";
}

/// The positive findings, most probable first; a row has room for four.
std::string positives_text(const Json& document, const std::string& language) {
  std::vector<std::pair<double, std::string>> positives;
  for (const Json& finding : document.value("findings", Json::array()))
    if (finding.value("positive", false)) {
      const Json probability = finding.value("probability", Json());
      positives.emplace_back(probability.is_number() ? probability.get<double>() : 0.0,
                             page::label_text(language, finding.value("label", "")) + " " + percent(probability));
    }
  std::stable_sort(positives.begin(), positives.end(), [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string text;
  constexpr std::size_t kShown = 4;
  for (std::size_t i = 0; i < std::min(kShown, positives.size()); ++i)
    text += (i > 0 ? ", " : "") + positives[i].second;
  if (positives.size() > kShown) text += ", +" + std::to_string(positives.size() - kShown);
  return text;
}

std::string score_text(const Json& document, const char* name) {
  const Json scores = document.value("scores", Json::object());
  return scores.contains(name) ? percent(scores[name]) : "";
}

std::string detailed(const Json& document, const std::string& language) {
  std::string text = "\n" + document.value("input", "") + "\n";
  if (document.value("status", "") != "done")
    return text + "  " + document.value("status", "") + ": " + document.value("reason", "") + "\n";
  TextTable table({page::text(language, "column.finding"), page::text(language, "column.probability"), ""}, "<><");
  table.row({page::label_text(language, "remarkable"), score_text(document, "remarkable"), ""});
  std::vector<Json> findings;
  for (const Json& finding : document.value("findings", Json::array())) findings.push_back(finding);
  std::stable_sort(findings.begin(), findings.end(), [](const Json& a, const Json& b) {
    const auto p = [](const Json& f) { return f["probability"].is_number() ? f["probability"].get<double>() : -1.0; };
    return p(a) > p(b);
  });
  for (const Json& finding : findings)
    table.row({page::label_text(language, finding.value("label", "")), percent(finding.value("probability", Json())),
               finding.value("positive", false) ? "●" : ""});
  if (const std::string age = age_text(document); !age.empty())
    table.row({page::label_text(language, "estimated_age"), age, ""});
  text += table.text();
  for (const Json& warning : document.value("warnings", Json::array()))
    text += "  ! " + warning.get<std::string>() + "\n";
  return text;
}

}  // namespace

Teller::Teller(const AnalyzeOptions& options, std::size_t inputs) : options_(options), inputs_(inputs) {}

void Teller::tell(const std::string& document) {
  if (!options_.json) return remember(document);
  std::fwrite(document.data(), 1, document.size(), stdout);
  std::fputc('\n', stdout);
  std::fflush(stdout);
}

/// A row of the table at the end; of the document itself nothing is kept.
void Teller::remember(const std::string& line) {
  const std::string& language = options_.settings.language;
  const Json document = Json::parse(line);
  const bool study = document.value("level", "") == "study";
  const std::string status = document.value("status", "");
  if (!study) ++counts_[status];
  if (!study && inputs_ <= kDetailedFilms) details_ += detailed(document, language);
  const std::string last = status == "done" ? positives_text(document, language) : document.value("reason", "");
  const std::string name = study ? page::text(language, "row.study") + " " + document.value("input", "")
                                 : std::filesystem::path(document.value("input", "")).filename().string();
  rows_.push_back({name, status, score_text(document, "remarkable"), age_text(document), last});
}

void Teller::close() {
  if (options_.json) return;
  const std::string& language = options_.settings.language;
  TextTable table({page::text(language, "column.film"), page::text(language, "column.status"),
                   page::label_text(language, "remarkable"), page::label_text(language, "estimated_age"),
                   page::text(language, "column.positive")},
                  "<<>><");
  for (std::vector<std::string>& row : rows_) table.row(std::move(row));
  fmt::print("{}{}\n", details_, details_.empty() ? "" : "\n");
  fmt::print("{}\n", table.text());
  fmt::print("{}\n{}\n",
             page::text(language, "summary",
                        {{"done", std::to_string(counts_["done"])},
                         {"ineligible", std::to_string(counts_["ineligible"])},
                         {"refused", std::to_string(counts_["refused"])},
                         {"out", options_.out}}),
             page::text(language, "research_only"));
}

}  // namespace rouage::app
