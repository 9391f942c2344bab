// The texts that people read, in English and French, from src/page/texts/*.json.
#include <algorithm>
#include <map>
#include <span>

#include "base/error.h"
#include "page/page.h"
#include "page/texts_en.h"
#include "page/texts_fr.h"

namespace rouage::page {
namespace {

using Row = std::pair<std::string_view, std::string_view>;

std::span<const Row> catalogue(std::string_view language) {
  if (language == "en") return kTexts_en;
  if (language == "fr") return kTexts_fr;
  throw Error(ErrorCode::Internal, "there are no texts in the language '" + std::string(language) + "'");
}

/// The rows are sorted by key (scripts/generate-texts); nullptr when the key is not there.
const Row* find_row(std::string_view language, std::string_view key) {
  const auto rows = catalogue(language);
  const auto at =
      std::lower_bound(rows.begin(), rows.end(), key, [](const Row& r, std::string_view k) { return r.first < k; });
  return at != rows.end() && at->first == key ? &*at : nullptr;
}

}  // namespace

std::string text(std::string_view language, std::string_view key, const std::map<std::string, std::string>& values) {
  const Row* row = find_row(language, key);
  if (row == nullptr) throw Error(ErrorCode::Internal, "there is no text '" + std::string(key) + "'");
  std::string filled;
  std::string_view rest = row->second;
  while (!rest.empty()) {
    const std::size_t open = rest.find('{');
    const std::size_t close = open == std::string_view::npos ? open : rest.find('}', open);
    if (close == std::string_view::npos) break;
    filled += rest.substr(0, open);
    const std::string name(rest.substr(open + 1, close - open - 1));
    const auto value = values.find(name);
    if (value == values.end())
      throw Error(ErrorCode::Internal, "the text '" + std::string(key) + "' needs a value for {" + name + "}");
    filled += value->second;
    rest.remove_prefix(close + 1);
  }
  filled += rest;
  return filled;
}

std::vector<std::string> text_keys(std::string_view language) {
  std::vector<std::string> keys;
  for (const Row& row : catalogue(language)) keys.emplace_back(row.first);
  return keys;
}

std::string label_text(std::string_view language, std::string_view label) {
  std::string key = "label." + std::string(label);
  std::replace(key.begin(), key.end(), ' ', '_');  // torchxrayvision writes "Lung Opacity"
  const Row* row = find_row(language, key);
  return std::string(row != nullptr ? row->second : label);
}

}  // namespace rouage::page
