#include "base/toml_section.h"

#include <fmt/format.h>

#include <toml++/toml.h>
#include <algorithm>
#include <numeric>
#include <set>
#include <sstream>

#include "base/host.h"

namespace rouage {

struct Section::Node {
  std::shared_ptr<toml::table> document;  ///< keeps the whole file alive
  const toml::table* table = nullptr;     ///< nullptr: the section is absent
  std::string file;
  std::set<std::string> asked;
  std::vector<Section> taken;
  std::shared_ptr<Node> child(const toml::table* inner) const {
    return std::make_shared<Node>(Node{document, inner, file, {}, {}});
  }
  const toml::node* find(const std::string& key) {
    asked.insert(key);
    return table == nullptr ? nullptr : table->get(key);
  }
};

Section::Section(std::shared_ptr<Node> node, std::string path) : node_(std::move(node)), path_(std::move(path)) {}

bool Section::has(const std::string& key) const {
  return node_->table != nullptr && node_->table->contains(key);
}

void Section::wrong(const std::string& key, const std::string& detail) const {
  const toml::node* node = node_->table == nullptr ? nullptr : node_->table->get(key);
  const std::string name = path_.empty() ? key : path_ + "." + key;
  const std::string line = node == nullptr ? "" : fmt::format("line {}: ", node->source().begin.line);
  throw Error(ErrorCode::ConfigInvalid, fmt::format("{}{} {}", line, name, detail)).file(node_->file);
}

std::string Section::text(const std::string& key, const std::string& fallback) {
  const toml::node* node = node_->find(key);
  if (node == nullptr) return fallback;
  if (!node->is_string()) wrong(key, "must be a text in quotes");
  return node->value<std::string>().value();
}

bool Section::flag(const std::string& key, bool fallback) {
  const toml::node* node = node_->find(key);
  if (node == nullptr) return fallback;
  if (!node->is_boolean()) wrong(key, "must be true or false");
  return node->value<bool>().value();
}

std::int64_t Section::integer(const std::string& key, std::int64_t fallback, std::int64_t least, std::int64_t most) {
  const toml::node* node = node_->find(key);
  if (node == nullptr) return fallback;
  if (!node->is_integer()) wrong(key, "must be a whole number");
  const std::int64_t value = node->value<std::int64_t>().value();
  if (value < least || value > most) wrong(key, fmt::format("is {}; allowed are {} to {}", value, least, most));
  return value;
}

double Section::number(const std::string& key, double fallback, double least, double most) {
  const toml::node* node = node_->find(key);
  if (node == nullptr) return fallback;
  if (!node->is_number()) wrong(key, "must be a number");
  const double value = node->value<double>().value();
  if (!(value >= least && value <= most)) wrong(key, fmt::format("is {}; allowed are {} to {}", value, least, most));
  return value;
}

std::vector<std::string> Section::texts(const std::string& key) {
  const toml::node* node = node_->find(key);
  std::vector<std::string> values;
  if (node == nullptr) return values;
  if (!node->is_array()) wrong(key, "must be a list of texts");
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_string()) wrong(key, "must hold texts only");
    values.push_back(element.value<std::string>().value());
  }
  return values;
}

std::string Section::choice(const std::string& key, const std::string& fallback,
                            const std::vector<std::string>& allowed) {
  std::string value = text(key, fallback);
  if (std::find(allowed.begin(), allowed.end(), value) == allowed.end())
    wrong(key, fmt::format("is \"{}\"; allowed are {}", value, fmt::join(allowed, ", ")));
  return value;
}

Section Section::table(const std::string& key) {
  const toml::node* node = node_->find(key);
  if (node != nullptr && !node->is_table()) wrong(key, "must be a table");
  Section section(node_->child(node == nullptr ? nullptr : node->as_table()), path_.empty() ? key : path_ + "." + key);
  node_->taken.push_back(section);
  return section;
}

std::vector<Section> Section::tables(const std::string& key) {
  const toml::node* node = node_->find(key);
  std::vector<Section> sections;
  if (node == nullptr) return sections;
  if (!node->is_array()) wrong(key, fmt::format("must be written as [[{}]]", key));
  for (const toml::node& element : *node->as_array()) {
    if (!element.is_table()) wrong(key, fmt::format("must be written as [[{}]]", key));
    sections.emplace_back(node_->child(element.as_table()), fmt::format("{}[{}]", key, sections.size() + 1));
    node_->taken.push_back(sections.back());
  }
  return sections;
}

std::vector<std::pair<std::string, Section>> Section::named_tables() {
  std::vector<std::pair<std::string, Section>> sections;
  if (node_->table == nullptr) return sections;
  for (const auto& [key, value] : *node_->table) sections.emplace_back(key.str(), table(std::string(key.str())));
  return sections;
}

std::map<std::string, std::string> Section::all_texts() {
  std::map<std::string, std::string> values;
  if (node_->table == nullptr) return values;
  for (const auto& [key, value] : *node_->table) values[std::string(key.str())] = text(std::string(key.str()), "");
  return values;
}

void Section::finish() const {
  if (node_->table != nullptr)
    for (const auto& [key, value] : *node_->table) {
      if (node_->asked.contains(std::string(key.str()))) continue;
      const std::string near =
          nearest_word(std::string(key.str()), std::vector<std::string>(node_->asked.begin(), node_->asked.end()));
      wrong(std::string(key.str()), "is not known" + (near.empty() ? "" : "; did you mean " + near + "?"));
    }
  for (const Section& section : node_->taken) section.finish();
}

TomlFile::TomlFile(const std::filesystem::path& file) : TomlFile(read_text(file, kMebibyte), file.string()) {}

TomlFile::TomlFile(const std::string& text, const std::string& name) {
  node_ = std::make_shared<Section::Node>();
  node_->file = name;
  try {
    node_->document = std::make_shared<toml::table>(toml::parse(std::string_view(text)));
  } catch (const toml::parse_error& error) {
    throw Error(ErrorCode::ConfigInvalid, fmt::format("line {}: {}", error.source().begin.line, error.description()))
        .file(name);
  }
  node_->table = node_->document.get();
}

Section TomlFile::root() const {
  return {node_, ""};
}

std::string nearest_word(const std::string& word, const std::vector<std::string>& known) {
  std::string best;
  std::size_t best_distance = std::max<std::size_t>(2, word.size() / 3) + 1;
  for (const std::string& candidate : known) {
    std::vector<std::size_t> row(candidate.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < word.size(); ++i) {
      std::size_t diagonal = row[0]++;
      for (std::size_t j = 0; j < candidate.size(); ++j) {
        const std::size_t changed = diagonal + (word[i] == candidate[j] ? 0 : 1);
        diagonal = row[j + 1];
        row[j + 1] = std::min({changed, row[j] + 1, diagonal + 1});
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = candidate;
    }
  }
  return best;
}

}  // namespace rouage
