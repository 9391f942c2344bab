#include "infer/package_yaml.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <map>
#include <optional>
#include <set>

#include "base/error.h"
#include "base/values.h"

namespace rouage::infer {
namespace {

/// A node with the path that leads to it, so that every complaint can say where.
class Reader {
 public:
  Reader(const YAML::Node& node, std::string path, int line) : node_(node), path_(std::move(path)), line_(line) {
    if (node_.IsDefined() && node_.Mark().line >= 0) line_ = node_.Mark().line + 1;
  }

  [[noreturn]] void refuse(const std::string& what) const {
    throw Error(ErrorCode::PackageInvalid, what).tag(fmt::format("line {}, {}", line_, path_.empty() ? "top" : path_));
  }

  bool has(const std::string& key) const { return child(key).IsDefined() && !child(key).IsNull(); }

  Reader at(const std::string& key) const {
    need_map();
    if (!has(key)) Reader(YAML::Node(YAML::NodeType::Undefined), joined(key), line_).refuse("this key is missing");
    return Reader(child(key), joined(key), line_);
  }

  std::vector<Reader> items() const {
    if (!node_.IsSequence()) refuse("a list is expected");
    std::vector<Reader> list;
    for (std::size_t i = 0; i < node_.size(); ++i) list.emplace_back(node_[i], fmt::format("{}[{}]", path_, i), line_);
    return list;
  }

  std::vector<std::string> keys() const {
    need_map();
    std::vector<std::string> list;
    for (const auto& entry : node_) {
      if (!entry.first.IsScalar()) refuse("a key that is no word");
      list.push_back(entry.first.Scalar());
    }
    std::vector<std::string> sorted = list;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
    if (twice != sorted.end()) Reader(child(*twice), joined(*twice), line_).refuse("this key stands there twice");
    return list;
  }

  void only(std::initializer_list<const char*> known) const {
    for (const std::string& key : keys())
      if (std::find(known.begin(), known.end(), key) == known.end())
        Reader(child(key), joined(key), line_)
            .refuse(fmt::format("unknown key; known here: {}", fmt::join(known, ", ")));
  }

  bool is_map() const { return node_.IsMap(); }
  bool is_number() const { return node_.IsScalar() && node_.Tag() != "!" && parsed().has_value(); }

  std::string text() const {
    if (!node_.IsScalar()) refuse("a word is expected");
    if (!valid_utf8(node_.Scalar())) refuse("the text is not UTF-8");
    return node_.Scalar();
  }
  std::string word() const {
    std::string value = text();
    if (trimmed(value).empty()) refuse("a word is expected, it is empty");
    return value;
  }
  double number() const {
    const std::optional<double> value = node_.IsScalar() ? parsed() : std::nullopt;
    if (!value || !std::isfinite(*value)) refuse("a finite number is expected");
    return *value;
  }
  int integer(int lowest, int highest) const {
    const double value = number();
    if (value != std::floor(value) || value < lowest || value > highest)
      refuse(fmt::format("a whole number from {} to {} is expected", lowest, highest));
    return static_cast<int>(value);
  }
  std::vector<std::string> words() const {
    std::vector<std::string> list;
    for (const Reader& item : items()) list.push_back(item.word());
    return list;
  }

 private:
  YAML::Node child(const std::string& key) const {
    if (!node_.IsMap()) return YAML::Node(YAML::NodeType::Undefined);
    const YAML::Node& constant = node_;  // the non-const operator[] would add the key
    return constant[key];
  }
  void need_map() const {
    if (!node_.IsMap()) refuse("a group of keys is expected");
  }
  std::string joined(const std::string& key) const { return path_.empty() ? key : path_ + "." + key; }
  std::optional<double> parsed() const {
    const std::string& digits = node_.Scalar();
    double value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (digits.empty() || error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return value;
  }

  YAML::Node node_;
  std::string path_;
  int line_;
};

double probability_of(const Reader& reader) {
  const double value = reader.number();
  if (value < 0 || value > 1) reader.refuse("a number from 0 to 1 is expected");
  return value;
}

PackageOperatingPoint operating_point(const Reader& r) {
  r.only({"name", "threshold", "sensitivity", "specificity", "positives", "negatives", "set_on"});
  PackageOperatingPoint point;
  point.name = r.at("name").word();
  point.threshold = probability_of(r.at("threshold"));
  if (r.has("sensitivity")) point.sensitivity = probability_of(r.at("sensitivity"));
  if (r.has("specificity")) point.specificity = probability_of(r.at("specificity"));
  if (r.has("positives")) point.positives = r.at("positives").integer(0, 1'000'000'000);
  if (r.has("negatives")) point.negatives = r.at("negatives").integer(0, 1'000'000'000);
  if (r.has("set_on")) point.set_on = r.at("set_on").word();
  return point;
}

PackageOutput output(const Reader& r) {
  r.only({"index", "label", "kind", "unit", "calibration", "operating_points", "scale", "offset", "uncertainty_sd",
          "set_on"});
  PackageOutput made;
  made.index = r.at("index").integer(0, 4095);
  made.label = r.at("label").word();
  made.kind = r.at("kind").word();
  static const std::set<std::string> kKinds{"finding", "score", "view", "sex", "age", "refusal"};
  if (!kKinds.contains(made.kind)) r.at("kind").refuse(fmt::format("one of {} is expected", fmt::join(kKinds, ", ")));
  if (r.has("unit")) made.unit = r.at("unit").word();
  if (r.has("set_on")) made.calibrated_on = r.at("set_on").word();
  if (r.has("calibration")) {
    const Reader c = r.at("calibration");
    c.only({"method", "a", "b", "set_on"});
    if (c.at("method").word() != "platt") c.at("method").refuse("only platt is known");
    made.platt_a = c.at("a").number();
    made.platt_b = c.at("b").number();
    if (*made.platt_a <= 0) c.at("a").refuse("a must be above 0: a higher output means more likely");
    if (c.has("set_on")) made.calibrated_on = c.at("set_on").word();
  }
  if (r.has("scale")) made.scale = r.at("scale").number();
  if (r.has("offset")) made.offset = r.at("offset").number();
  if (r.has("uncertainty_sd")) {
    made.uncertainty_sd = r.at("uncertainty_sd").number();
    if (*made.uncertainty_sd < 0) r.at("uncertainty_sd").refuse("a standard deviation is at least 0");
  }
  if (r.has("operating_points")) {
    std::set<std::string> names;
    for (const Reader& item : r.at("operating_points").items()) {
      made.operating_points.push_back(operating_point(item));
      if (!names.insert(made.operating_points.back().name).second)
        item.refuse("this operating point stands there twice");
    }
  }
  return made;
}

void outputs(const Reader& list, Package& package) {
  std::set<int> indices;
  std::set<std::string> labels;
  for (const Reader& item : list.items()) {
    package.outputs.push_back(output(item));
    if (!indices.insert(package.outputs.back().index).second) item.refuse("this index stands there twice");
    if (!labels.insert(package.outputs.back().label).second) item.refuse("this label stands there twice");
  }
  if (package.outputs.empty()) list.refuse("at least one output is expected");
}

void eligibility(const Reader& r, Package& package) {
  r.only({"modality", "body_part", "view", "minimum_age_a"});
  package.modalities = r.at("modality").words();
  if (r.has("body_part")) package.body_part = r.at("body_part").word();
  if (r.has("view")) package.views = r.at("view").words();
  if (r.has("minimum_age_a")) package.minimum_age_a = r.at("minimum_age_a").number();
}

void input(const Reader& r, Package& package) {
  r.only({"name", "size", "channels", "axes", "resize", "normalisation", "clip"});
  package.input.name = r.at("name").word();
  package.input.size = r.at("size").integer(8, 4096);
  if (r.has("channels")) package.input.channels = r.at("channels").integer(1, 4);
  package.input.resize = r.at("resize").word();
  if (package.input.resize != "squeeze_area") r.at("resize").refuse("only squeeze_area is known");
  package.input.normalisation = r.at("normalisation").word();
  static const std::set<std::string> kKnown{"film_standardise", "scale_1024", "unit", "scale_255"};
  if (!kKnown.contains(package.input.normalisation))
    r.at("normalisation").refuse(fmt::format("one of {} is expected", fmt::join(kKnown, ", ")));
  if (r.has("clip")) {
    package.input.clip = r.at("clip").number();
    if (package.input.clip < 0) r.at("clip").refuse("a limit is at least 0");
  }
}

void graphs(const Reader& top, Package& package) {
  const Reader g = top.at("graph");
  g.only({"file", "features", "logits", "head_weight", "head_bias"});
  package.model_file = g.at("file").word();
  package.logits = g.at("logits").word();
  if (g.has("features")) package.features = g.at("features").word();
  if (g.has("head_weight")) package.head_weight = g.at("head_weight").word();
  if (g.has("head_bias")) package.head_bias = g.at("head_bias").word();
  if (package.features.empty() != package.head_weight.empty())
    g.refuse("features and head_weight belong together: both or none");
  if (!top.has("guided")) return;
  const Reader guided = top.at("guided");
  guided.only({"file", "image", "target", "gradient"});
  package.guided_file = guided.at("file").word();
  package.guided_image = guided.has("image") ? guided.at("image").word() : package.input.name;
  package.guided_target = guided.at("target").word();
  package.guided_gradient = guided.at("gradient").word();
}

PackageFigure figure(const Reader& r) {
  r.only({"figure", "label", "stratum", "value", "lower", "upper", "level", "n", "positives", "data"});
  PackageFigure made;
  made.figure = r.at("figure").word();
  if (r.has("label")) made.label = r.at("label").text();
  if (r.has("stratum")) made.stratum = r.at("stratum").text();
  made.estimate.value = r.at("value").number();
  made.estimate.lower = r.at("lower").number();
  made.estimate.upper = r.at("upper").number();
  if (r.has("level")) made.estimate.level = probability_of(r.at("level"));
  made.n = r.at("n").integer(0, 1'000'000'000);
  if (r.has("positives")) made.positives = r.at("positives").integer(0, 1'000'000'000);
  if (r.has("data")) made.data = r.at("data").word();
  return made;
}

void flatten(const Reader& r, const std::string& prefix, std::map<std::string, double>& numbers) {
  for (const std::string& key : r.keys()) {
    if (!r.has(key)) continue;
    const Reader child = r.at(key);
    if (child.is_map()) flatten(child, prefix + key + ".", numbers);
    if (child.is_number()) numbers[prefix + key] = child.number();
  }
}

void files(const Reader& r, Package& package) {
  for (const std::string& name : r.keys()) {
    const std::string hex = r.at(name).word();
    const bool is_hex = hex.size() == 64 && hex.find_first_not_of("0123456789abcdef") == std::string::npos;
    if (!is_hex) r.at(name).refuse("64 lower-case hexadecimal digits (SHA-256) are expected");
    package.files[name] = hex;
  }
}

/// Groups and numbers at the top that this reader does not know are a cog's own settings (sharpness, aspect).
void settings(const Reader& top, Package& package) {
  static const std::set<std::string> kKnown{"format",       "name",   "version", "maker",       "licence",
                                            "intended_use", "cog",    "engine",  "eligibility", "input",
                                            "graph",        "guided", "outputs", "performance", "files"};
  for (const std::string& key : top.keys()) {
    if (kKnown.contains(key) || !top.has(key)) continue;
    const Reader child = top.at(key);
    if (child.is_map())
      flatten(child, key + ".", package.numbers);
    else if (child.is_number())
      package.numbers[key] = child.number();
    else
      child.refuse("unknown key");
  }
}

Package package_of(const Reader& top) {
  if (top.at("format").word() != kPackageFormat)
    top.at("format").refuse(fmt::format("this version of Rouage reads {}", kPackageFormat));
  Package package;
  package.name = top.at("name").word();
  package.version = top.at("version").word();
  package.maker = top.at("maker").word();
  package.licence = top.at("licence").word();
  package.intended_use = top.at("intended_use").word();
  package.cog = top.at("cog").word();
  package.engine = top.at("engine").word();
  eligibility(top.at("eligibility"), package);
  input(top.at("input"), package);
  graphs(top, package);
  outputs(top.at("outputs"), package);
  if (top.has("performance"))
    for (const Reader& item : top.at("performance").items()) package.performance.push_back(figure(item));
  files(top.at("files"), package);
  settings(top, package);
  return package;
}

}  // namespace

Package parse_package(const std::string& yaml) {
  try {
    return package_of(Reader(YAML::Load(yaml), "", 1));
  } catch (const YAML::Exception& e) {
    throw Error(ErrorCode::PackageInvalid, e.msg).tag(fmt::format("line {}", e.mark.line + 1));
  }
}

}  // namespace rouage::infer
