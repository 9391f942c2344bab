// The plan's file and its lock.
#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "base/host.h"
#include "base/toml_section.h"
#include "evidence/study_plan.h"

namespace rouage::evidence {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kLargestData = 64 * 1024 * kMebibyte, kLargestPlan = 4 * kMebibyte;

std::string needed(Section& section, const std::string& key) {
  const std::string value = section.text(key, "");
  if (trimmed(value).empty()) section.wrong(key, "must be given");
  return value;
}

bool is_date(const std::string& text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return false;
  for (const std::size_t i : {0, 1, 2, 3, 5, 6, 8, 9})
    if (text[i] < '0' || text[i] > '9') return false;
  const int month = (text[5] - '0') * 10 + text[6] - '0', day = (text[8] - '0') * 10 + text[9] - '0';
  return month >= 1 && month <= 12 && day >= 1 && day <= 31;
}

std::string needed_date(Section& section, const std::string& key) {
  const std::string date = section.text(key, "");
  if (!is_date(date)) section.wrong(key, "must be a day such as \"2026-11-24\"");
  return date;
}

void read_data(Section& root, StudyPlan& plan, const fs::path& folder) {
  std::set<std::string> names;
  for (Section& section : root.tables("data")) {
    PlannedData data{.name = needed(section, "name"), .file = needed(section, "file"), .path = {}};
    if (!names.insert(data.name).second) section.wrong("name", "stands twice");
    data.path = folder / data.file;
    plan.data.push_back(std::move(data));
  }
  if (plan.data.empty()) root.wrong("data", "must be given: [[data]] with name and file");
}

void read_analyses(Section& root, StudyPlan& plan) {
  std::vector<std::string> kinds;
  for (const AnalysisEntry& entry : all_analyses()) kinds.push_back(entry.name);
  std::set<std::string> names;
  for (Section& section : root.tables("analysis")) {
    PlannedAnalysis analysis{
        .name = needed(section, "name"), .kind = section.choice("kind", "", kinds), .inputs = {}, .options = {}};
    if (!names.insert(analysis.name).second) section.wrong("name", "stands twice");
    const AnalysisEntry& entry = *find_analysis(analysis.kind);
    Section inputs = section.table("inputs"), options = section.table("options");
    analysis.inputs = inputs.all_texts();
    analysis.options = options.all_texts();
    for (const auto& [name, data] : analysis.inputs) {
      if (std::none_of(entry.inputs.begin(), entry.inputs.end(), [&](const InputEntry& i) { return i.name == name; }))
        inputs.wrong(name, "is no input of " + entry.name);
      if (find_data(plan, data) == nullptr) inputs.wrong(name, "names \"" + data + "\", which is no [[data]]");
    }
    for (const InputEntry& input : entry.inputs)
      if (input.required && analysis.inputs.count(input.name) == 0) inputs.wrong(input.name, "must be given");
    for (const auto& [name, value] : analysis.options)
      if (std::none_of(entry.options.begin(), entry.options.end(),
                       [&](const OptionEntry& o) { return o.name == name; }))
        options.wrong(name, "is no option of " + entry.name);
    plan.analyses.push_back(std::move(analysis));
  }
  if (plan.analyses.empty()) root.wrong("analysis", "must be given: [[analysis]] with name, kind, inputs and options");
}

void check_analysis_name(Section& section, const StudyPlan& plan, const std::string& name) {
  if (std::none_of(plan.analyses.begin(), plan.analyses.end(),
                   [&](const PlannedAnalysis& a) { return a.name == name; }))
    section.wrong("analysis", "names \"" + name + "\", which is no [[analysis]]");
}

void read_hypotheses(Section& root, StudyPlan& plan) {
  constexpr double kAny = 1e300;
  std::set<std::string> ids;
  for (Section& section : root.tables("hypothesis")) {
    Hypothesis h{.id = needed(section, "id"),
                 .text = needed(section, "text"),
                 .analysis = needed(section, "analysis"),
                 .test = section.text("test", ""),
                 .figure = section.text("figure", ""),
                 .stratum = section.text("stratum", "")};
    if (!ids.insert(h.id).second) section.wrong("id", "stands twice");
    check_analysis_name(section, plan, h.analysis);
    h.primary = section.choice("rank", "primary", {"primary", "secondary"}) == "primary";
    h.direction = section.choice("direction", "either", {"either", "greater", "less"});
    if (section.has("above")) h.above = section.number("above", 0, -kAny, kAny);
    if (section.has("below")) h.below = section.number("below", 0, -kAny, kAny);
    if (h.test.empty() == h.figure.empty()) section.wrong("test", "or figure must be given, not both");
    if (!h.figure.empty() && h.above.has_value() == h.below.has_value())
      section.wrong("figure", "needs above or below: the bound that its whole interval must pass");
    // The interval decides at its own level: any other would test at another alpha than the plan says.
    if (!h.figure.empty() && std::abs(plan.level - (1 - plan.alpha)) > 1e-9)
      section.wrong("figure", "is decided by its interval: level must be 1 - multiplicity.alpha");
    if (!h.test.empty() && (h.above || h.below)) section.wrong("test", "goes with direction, not with above or below");
    if (!h.figure.empty() && (plan.multiplicity == "holm" || plan.multiplicity == "hochberg"))
      section.wrong("figure", "has no p value that " + plan.multiplicity +
                                  " could adjust; use multiplicity.method \"gatekeeping\"");
    plan.hypotheses.push_back(std::move(h));
  }
  for (const std::string& id : plan.order)
    if (ids.count(id) == 0) root.wrong("multiplicity", "orders \"" + id + "\", which is no [[hypothesis]]");
  if (plan.multiplicity == "gatekeeping" &&
      (plan.order.size() != ids.size() || std::set<std::string>(plan.order.begin(), plan.order.end()) != ids))
    root.wrong("multiplicity", "must name every hypothesis once in order");
}

void read_sizes(Section& root, StudyPlan& plan) {
  for (Section& section : root.tables("sample_size")) {
    PlannedSize size{.text = section.text("text", ""),
                     .analysis = needed(section, "analysis"),
                     .figure = needed(section, "figure"),
                     .stratum = section.text("stratum", "")};
    check_analysis_name(section, plan, size.analysis);
    size.planned = section.integer("planned", 0, 1, 1'000'000'000);
    if (!section.has("planned")) section.wrong("planned", "must be given");
    plan.sizes.push_back(std::move(size));
  }
}

void read_reading_order(Section& root, StudyPlan& plan) {
  if (!root.has("reading_order")) return;
  Section section = root.table("reading_order");
  ReadingOrder order{.data = needed(section, "data"),
                     .reader = needed(section, "reader"),
                     .when = needed(section, "sequence"),
                     .kase = needed(section, "case"),
                     .arm = needed(section, "arm"),
                     .day = section.text("day", "")};
  order.washout_days = section.number("washout_days", 0, 0, 100'000);
  if (find_data(plan, order.data) == nullptr) section.wrong("data", "is no [[data]]");
  if (order.washout_days > 0 && order.day.empty()) section.wrong("washout_days", "needs the column of days: day");
  plan.reading_order = std::move(order);
}

/// Deviations stand beside the plan: the plan itself does not change after registration.
void read_deviations(const fs::path& file, StudyPlan& plan) {
  fs::path beside = file;
  beside.replace_extension(".deviations.toml");
  if (!fs::exists(beside)) return;
  TomlFile toml(beside);
  Section root = toml.root();
  for (Section& section : root.tables("deviation"))
    plan.deviations.push_back(
        {.date = needed_date(section, "date"), .text = needed(section, "text"), .reason = needed(section, "reason")});
  root.finish();
}

std::map<std::string, std::string> read_items(Section section, const std::vector<ChecklistItem>& items) {
  std::map<std::string, std::string> said = section.all_texts();
  for (const auto& [number, text] : said)
    if (std::none_of(items.begin(), items.end(), [&](const ChecklistItem& i) { return number == i.number; }))
      section.wrong(number, "is no item of this checklist");
  return said;
}

fs::path lock_of(const fs::path& plan) {
  return fs::path(plan).concat(".lock");
}

std::string toml_text(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    if (static_cast<unsigned char>(c) >= 0x20) quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

const PlannedData* find_data(const StudyPlan& plan, const std::string& name) {
  for (const PlannedData& data : plan.data)
    if (data.name == name) return &data;
  return nullptr;
}

StudyPlan read_plan(const fs::path& file) {
  StudyPlan plan;
  plan.digest = file_digest(file, kLargestPlan).hex();
  TomlFile toml(file);
  Section root = toml.root();
  root.choice("format", "", {"rouage-study 1"});
  plan.title = needed(root, "title");
  plan.question = needed(root, "question");
  plan.date = needed_date(root, "date");
  plan.design = root.text("design", "");
  plan.intended_use = root.text("intended_use", "");
  plan.level = root.number("level", 0.95, 0.5, 0.9999);
  plan.seed = static_cast<std::uint64_t>(root.integer("seed", 1, 0, INT64_MAX));
  plan.draws = static_cast<std::uint64_t>(root.integer("draws", 2000, 100, 10'000'000));
  Section multiplicity = root.table("multiplicity");
  plan.multiplicity = multiplicity.choice("method", "none", {"none", "holm", "hochberg", "gatekeeping"});
  plan.alpha = multiplicity.number("alpha", 0.05, 1e-6, 0.5);
  plan.order = multiplicity.texts("order");
  read_data(root, plan, file.parent_path());
  read_analyses(root, plan);
  read_hypotheses(root, plan);
  read_sizes(root, plan);
  read_reading_order(root, plan);
  Section checklist = root.table("checklist");
  plan.stard = read_items(checklist.table("stard"), stard_items());
  plan.claim = read_items(checklist.table("claim"), claim_items());
  root.finish();
  read_deviations(file, plan);
  return plan;
}

fs::path register_study(const fs::path& file) {
  const StudyPlan plan = read_plan(file);
  std::string lock =
      "format = \"rouage-study-lock 1\"\nplan = \"" + plan.digest + "\"\ndate = " + toml_text(plan.date) + "\n";
  for (const PlannedData& data : plan.data)
    lock += "\n[[data]]\nname = " + toml_text(data.name) + "\nsha256 = \"" +
            file_digest(data.path, kLargestData).hex() + "\"\n";
  const fs::path path = lock_of(file);
  if (fs::exists(path) && read_text(path, kLargestPlan) != lock)
    throw Error(ErrorCode::ConfigInvalid, "another plan or other data were registered already")
        .file(path)
        .remedy("write a changed plan to a new file and register that; keep the old one with its lock");
  write_file_atomic(path, lock);
  return path;
}

std::vector<std::string> differences_from_lock(const StudyPlan& plan, const fs::path& file, bool french) {
  const fs::path path = lock_of(file);
  if (!fs::exists(path))
    return {french ? "le plan n'a pas été enregistré avant l'analyse"
                   : "the plan was not registered before the analysis"};
  TomlFile toml(path);
  Section root = toml.root();
  root.choice("format", "", {"rouage-study-lock 1"});
  std::vector<std::string> differences;
  if (needed(root, "plan") != plan.digest)
    differences.emplace_back(french ? "le plan a changé depuis son enregistrement"
                                    : "the plan changed since it was registered");
  root.text("date", "");
  std::map<std::string, std::string> known;
  for (Section& section : root.tables("data")) known[needed(section, "name")] = needed(section, "sha256");
  root.finish();
  for (const PlannedData& data : plan.data) {
    const auto registered = known.find(data.name);
    if (registered == known.end())
      differences.push_back((french ? "données non enregistrées : " : "data that were not registered: ") + data.name);
    else if (registered->second != file_digest(data.path, kLargestData).hex())
      differences.push_back(
          (french ? "données changées depuis l'enregistrement : " : "data that changed since registration: ") +
          data.name);
  }
  return differences;
}

}  // namespace rouage::evidence
