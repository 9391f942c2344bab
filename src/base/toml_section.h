/// A table of a TOML file, read strictly: a key that nobody asked for is an error with its line and the nearest key
/// that exists; a value of another type too. Nothing is silently ignored.
///
///   TomlFile file(path);                       // or TomlFile(text, "name")
///   Section http = file.root().table("http");
///   options.port = http.integer("port", options.port, 0, 65535);
///   file.root().finish();                      // ConfigInvalid for what is left over
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"

namespace rouage {

class Section {
 public:
  struct Node;
  Section(std::shared_ptr<Node> node, std::string path);

  bool has(const std::string& key) const;
  std::string text(const std::string& key, const std::string& fallback);
  bool flag(const std::string& key, bool fallback);
  std::int64_t integer(const std::string& key, std::int64_t fallback, std::int64_t least, std::int64_t most);
  double number(const std::string& key, double fallback, double least, double most);
  std::vector<std::string> texts(const std::string& key);
  /// One of `allowed`, else an error that lists them.
  std::string choice(const std::string& key, const std::string& fallback, const std::vector<std::string>& allowed);
  Section table(const std::string& key);                        ///< absent: an empty one
  std::vector<Section> tables(const std::string& key);          ///< [[key]]
  std::vector<std::pair<std::string, Section>> named_tables();  ///< every sub-table of this one, by name
  std::map<std::string, std::string> all_texts();               ///< every key of this table; the values are texts
  /// Errors: ConfigInvalid for every key that was never asked for, here and in the tables that were taken.
  void finish() const;
  /// An error about `key` of this section, with its line.
  [[noreturn]] void wrong(const std::string& key, const std::string& detail) const;

 private:
  std::shared_ptr<Node> node_;
  std::string path_;
};

class TomlFile {
 public:
  /// Errors: FileMissing, ConfigInvalid (syntax, with the line).
  explicit TomlFile(const std::filesystem::path& file);
  TomlFile(const std::string& text, const std::string& name);
  Section root() const;

 private:
  std::shared_ptr<Section::Node> node_;
};

/// The nearest of `known` to `word` by edit distance, "" when none is near.
std::string nearest_word(const std::string& word, const std::vector<std::string>& known);

}  // namespace rouage
