#include "infer/checkpoint/nnunet_yaml.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "base/values.h"

namespace rouage::infer::checkpoint {
namespace {

[[noreturn]] void refuse(const YAML::Node& node, const std::string& key, const std::string& what) {
  const int line = node.IsDefined() ? node.Mark().line + 1 : 0;
  throw Error(ErrorCode::PackageInvalid, what).tag(fmt::format("line {}, {}", line, key));
}

/// A scalar in double quotes: any text stays one line.
std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return made + "\"";
}

std::string list_of(const std::vector<std::string>& words) {
  std::string made;
  for (const std::string& word : words) made += (made.empty() ? "" : ", ") + quoted(word);
  return "[" + made + "]";
}

YAML::Node child(const YAML::Node& top, const std::string& key) {
  const YAML::Node found = top[key];
  if (!found.IsDefined() || found.IsNull()) refuse(top, key, "this key is missing");
  return found;
}

std::string word(const YAML::Node& node, const std::string& key) {
  if (!node.IsScalar() || trimmed(node.Scalar()).empty() || !valid_utf8(node.Scalar()))
    refuse(node, key, "a word is expected");
  return node.Scalar();
}

std::vector<std::string> words(const YAML::Node& node, const std::string& key) {
  if (!node.IsSequence() || node.size() == 0) refuse(node, key, "a list of words is expected");
  std::vector<std::string> made;
  for (const auto& item : node) made.push_back(word(item, key));
  return made;
}

int whole(const YAML::Node& node, const std::string& key) {
  const std::string text = word(node, key);
  int value = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size() || value < 0)
    refuse(node, key, "a whole number is expected");
  return value;
}

void check_keys(const YAML::Node& map, const std::string& path, const std::set<std::string>& known) {
  if (!map.IsMap()) refuse(map, path, "a group of keys is expected");
  std::set<std::string> seen;
  for (const auto& entry : map) {
    const std::string key = word(entry.first, path);
    if (!known.empty() && !known.contains(key)) refuse(entry.first, key, "unknown key");
    if (!seen.insert(key).second) refuse(entry.first, key, "this key stands there twice");
  }
}

NnunetPackageLabel label(const YAML::Node& node) {
  check_keys(node, "labels", {"name", "values"});
  NnunetPackageLabel made{.name = word(child(node, "name"), "labels.name"), .values = {}};
  const YAML::Node values = child(node, "values");
  if (!values.IsSequence() || values.size() == 0) refuse(values, "labels.values", "a list of numbers is expected");
  for (const auto& value : values) made.values.push_back(whole(value, "labels.values"));
  return made;
}

/// plans.json, dataset.json, inference.json, fold_N/model.onnx: nothing else belongs to such a package.
bool belongs(const std::string& path) {
  if (path == "plans.json" || path == "dataset.json" || path == "inference.json") return true;
  const auto slash = path.find('/');
  if (!path.starts_with("fold_") || slash == std::string::npos || path.substr(slash) != "/model.onnx") return false;
  const std::string number = path.substr(5, slash - 5);
  return !number.empty() && number.size() < 6 && number.find_first_not_of("0123456789") == std::string::npos;
}

void read_files(const YAML::Node& files, NnunetPackage& package) {
  check_keys(files, "files", {});
  for (const auto& entry : files) {
    const std::string path = entry.first.Scalar(), hex = word(entry.second, path);
    if (!belongs(path)) refuse(entry.first, path, "such a file does not belong to the package");
    if (hex.size() != 64 || hex.find_first_not_of("0123456789abcdef") != std::string::npos)
      refuse(entry.second, path, "64 lower-case hexadecimal digits (SHA-256) are expected");
    package.files[path] = hex;
  }
  std::size_t nets = 0;
  for (const auto& [path, hex] : package.files) nets += path.starts_with("fold_") ? 1 : 0;
  for (const char* needed : {"plans.json", "dataset.json", "inference.json"})
    if (!package.files.contains(needed)) refuse(files, needed, "this file is not listed");
  if (nets == 0 || nets != package.folds.size()) refuse(files, "folds", "as many nets as folds are expected");
}

NnunetPackage package_of(const YAML::Node& top) {
  check_keys(top, "top",
             {"format", "name", "version", "maker", "licence", "intended_use", "cog", "engine", "configuration",
              "trainer", "weights_from", "folds", "channels", "labels", "files"});
  if (word(child(top, "format"), "format") != kNnunetFormat)
    refuse(child(top, "format"), "format", fmt::format("{} is expected", kNnunetFormat));
  NnunetPackage package;
  for (const auto& [key, value] :
       {std::pair("name", &package.name), std::pair("version", &package.version), std::pair("maker", &package.maker),
        std::pair("licence", &package.licence), std::pair("intended_use", &package.intended_use),
        std::pair("cog", &package.cog), std::pair("engine", &package.engine),
        std::pair("configuration", &package.configuration), std::pair("trainer", &package.trainer),
        std::pair("weights_from", &package.weights_from)})
    *value = word(child(top, key), key);
  if (package.engine != "nnunet") refuse(child(top, "engine"), "engine", "nnunet is expected");
  package.folds = words(child(top, "folds"), "folds");
  package.channels = words(child(top, "channels"), "channels");
  const YAML::Node labels = child(top, "labels");
  if (!labels.IsSequence() || labels.size() == 0) refuse(labels, "labels", "a list of labels is expected");
  for (const auto& item : labels) package.labels.push_back(label(item));
  read_files(child(top, "files"), package);
  return package;
}

}  // namespace

std::string nnunet_yaml(const NnunetPackage& package) {
  std::string yaml = fmt::format("format: {}\n", kNnunetFormat);
  for (const auto& [key, value] :
       {std::pair("name", &package.name), std::pair("version", &package.version), std::pair("maker", &package.maker),
        std::pair("licence", &package.licence), std::pair("intended_use", &package.intended_use),
        std::pair("cog", &package.cog), std::pair("engine", &package.engine),
        std::pair("configuration", &package.configuration), std::pair("trainer", &package.trainer),
        std::pair("weights_from", &package.weights_from)})
    yaml += fmt::format("{}: {}\n", key, quoted(*value));
  yaml += "folds: " + list_of(package.folds) + "\nchannels: " + list_of(package.channels) + "\nlabels:\n";
  for (const NnunetPackageLabel& label : package.labels) {
    std::string values;
    for (const int value : label.values) values += (values.empty() ? "" : ", ") + std::to_string(value);
    yaml += fmt::format("  - {{name: {}, values: [{}]}}\n", quoted(label.name), values);
  }
  yaml += "files:\n";
  for (const auto& [path, hex] : package.files) yaml += fmt::format("  {}: {}\n", path, hex);
  return yaml;
}

NnunetPackage parse_nnunet_yaml(const std::string& yaml) {
  try {
    return package_of(YAML::Load(yaml));
  } catch (const YAML::Exception& e) {
    throw Error(ErrorCode::PackageInvalid, e.msg).tag(fmt::format("line {}", e.mark.line + 1));
  }
}

}  // namespace rouage::infer::checkpoint
