// `rouage rules`: is the file right, and what would it do with these files or this study.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>

#include "app/commands.h"
#include "app/config.h"
#include "app/gateway.h"
#include "app/http_get.h"
#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kPatience_s = 20;
constexpr std::uint32_t kModality = 0x00080060;

struct RulesOptions {
  std::vector<std::string> inputs;
  std::string rules, config, host, sender, called_ae, order_priority, order_procedure;
  int port = 0;
  bool json = false;
};

/// One series and what is known of it.
struct Case {
  std::string study, series;
  route::SeriesFacts facts;
};

struct Cases {
  std::vector<Case> cases;
  int refused = 0;
};

void refuse(Cases& cases, const Error& error) {
  ++cases.refused;
  fmt::print(stderr, "refused: {}\n", error.what());
}

/// Files grouped by series; the first readable one stands for its series, as in the gateway.
void add_files(const fs::path& path, const std::vector<std::uint32_t>& tags, const RulesOptions& options,
               Cases& cases) {
  std::map<std::string, std::set<std::string>> instances;
  std::map<std::string, Case> found;
  for (const fs::path& file : files_below(path)) {
    try {
      const dicom::IndexEntry entry = dicom::index_entry(file);
      instances[entry.series_instance_uid].insert(entry.sop_instance_uid);
      const auto [place, added] = found.try_emplace(entry.series_instance_uid);
      if (!added) continue;
      Case& one = place->second;
      one.study = entry.study_instance_uid;
      one.series = entry.series_instance_uid;
      one.facts.attributes = dicom::attributes_of(entry);
      for (const std::uint32_t tag : tags)
        if (!one.facts.attributes.contains(tag)) one.facts.attributes[tag] = dicom::attribute_text(file, tag);
      one.facts.age_a = age_in_years(one.facts.attributes);
    } catch (const Error& error) {
      refuse(cases, error);
    }
  }
  for (auto& [series, one] : found) {
    one.facts.instances = static_cast<int>(instances[series].size());
    one.facts.sender = options.sender;
    one.facts.called_ae = options.called_ae;
    one.facts.order_priority = options.order_priority;
    one.facts.order_procedure = options.order_procedure;
    cases.cases.push_back(std::move(one));
  }
}

/// The gateway that runs, asked by HTTP.
class Server {
 public:
  Server(const Config& config, const RulesOptions& options)
      : host_(!options.host.empty()              ? options.host
              : config.http.address == "0.0.0.0" ? "127.0.0.1"
                                                 : config.http.address),
        port_(options.port > 0 ? options.port : config.http.port),
        token_(config.http.bearer_token) {}

  Json get(const std::string& path) const {
    const HttpAnswer answer = http_get(host_, port_, path, token_, kPatience_s);
    if (answer.status == 401 || answer.status == 403)
      throw Error(ErrorCode::NotAuthorised, "the server asks for its bearer token").remedy("give its --config");
    if (answer.status == 204 || answer.status == 404) return Json::array();
    Json json = Json::parse(answer.body, nullptr, false);
    if (answer.status != 200 || !json.is_array())
      throw Error(ErrorCode::RequestInvalid, fmt::format("the server answered {} to {}", answer.status, path));
    return json;
  }

 private:
  std::string host_;
  int port_;
  std::string token_;
};

void add_study(const Server& server, const std::string& study, const RulesOptions& options, Cases& cases) {
  const std::size_t before = cases.cases.size();
  for (const Json& state : server.get("/api/series?study=" + study)) {
    Case one;
    one.study = study;
    one.series = state.at("series").get<std::string>();
    const std::string series = "/dicomweb/studies/" + study + "/series/" + one.series + "/instances";
    const Json first = server.get(series + "?limit=1");
    if (first.empty()) continue;
    const std::string sop = first[0].at("00080018").at("Value").at(0).get<std::string>();
    const Json metadata = server.get(series + "/" + sop + "/metadata");
    if (metadata.empty()) continue;
    one.facts.attributes = dicom::attributes_from_json(metadata[0].dump());
    one.facts.age_a = age_in_years(one.facts.attributes);
    one.facts.instances = state.at("instances").get<int>();
    one.facts.sender = options.sender.empty() ? state.at("sender").get<std::string>() : options.sender;
    one.facts.called_ae = options.called_ae;
    one.facts.order_priority = options.order_priority;
    one.facts.order_procedure = options.order_procedure;
    cases.cases.push_back(std::move(one));
  }
  if (cases.cases.size() == before) refuse(cases, Error(ErrorCode::NotFound, "study " + study));
}

/// No gateway runs: its store is opened.
void add_study(const store::Store& store, const std::string& study, const std::vector<std::uint32_t>& tags,
               Cases& cases) {
  constexpr std::size_t kMostSeries = 1000;
  const std::vector<store::Store::SeriesState> states = store.series_states(study, kMostSeries);
  for (const store::Store::SeriesState& state : states) {
    store::SeriesReady series;
    series.study_instance_uid = study;
    series.series_instance_uid = state.series_instance_uid;
    series.modality = state.modality;
    series.sender = state.sender;
    series.instances = state.instances;
    cases.cases.push_back(
        {study, state.series_instance_uid, series_facts(store, tags, series, [](const fs::path& file) {
           return dicom::attributes_from_json(dicom::dicom_json(file, {}));
         })});
  }
  if (states.empty()) refuse(cases, Error(ErrorCode::NotFound, "study " + study));
}

void add_studies(const std::vector<std::string>& studies, const std::vector<std::uint32_t>& tags,
                 const RulesOptions& options, Cases& cases) {
  const Config config = options.config.empty() ? demo_config() : read_config(options.config);
  const Server server(config, options);
  std::unique_ptr<store::Store> store;
  for (const std::string& study : studies) {
    if (!store) try {
        add_study(server, study, options, cases);
        continue;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::PeerUnreachable || !fs::exists(config.store.folder)) throw;
        store = std::make_unique<store::Store>(config.store);
      }
    add_study(*store, study, tags, cases);
  }
}

constexpr std::array kPriorityNames{"emergency", "high", "routine", "background"};

Json step_json(const route::Step& step) {
  return {{"cog", step.cog},
          {"rule", step.rule},
          {"priority", kPriorityNames.at(static_cast<std::size_t>(step.priority))},
          {"deadline_s", step.deadline_s},
          {"priors", step.priors},
          {"companion", step.companion},
          {"waits_for", step.waits_for},
          {"options", step.options},
          {"destinations", step.destinations}};
}

Json case_json(const Case& one, const route::Explanation& explanation) {
  Json lines = Json::array(), steps = Json::array();
  for (const route::Explanation::Line& line : explanation.lines)
    lines.push_back({{"rule", line.rule}, {"fired", line.fired}, {"why", line.why}});
  for (const route::Step& step : explanation.steps) steps.push_back(step_json(step));
  return {{"study", one.study},
          {"series", one.series},
          {"instances", one.facts.instances},
          {"rules", lines},
          {"steps", steps}};
}

void print_case(const Case& one, const route::Explanation& explanation) {
  const auto modality = one.facts.attributes.find(kModality);
  fmt::print("series {} ({}, {} instance{}{})\n", one.series,
             modality == one.facts.attributes.end() ? "no modality" : modality->second, one.facts.instances,
             one.facts.instances == 1 ? "" : "s", one.facts.sender.empty() ? "" : ", from " + one.facts.sender);
  for (const route::Explanation::Line& line : explanation.lines)
    fmt::print("  {} {}: {}\n", line.fired ? '+' : '-', line.rule, line.why);
  for (const route::Step& step : explanation.steps)
    fmt::print("  => {} ({}{})\n", step.cog, kPriorityNames.at(static_cast<std::size_t>(step.priority)),
               step.priors > 0 ? fmt::format(", {} prior{}", step.priors, step.priors == 1 ? "" : "s") : "");
  if (explanation.steps.empty()) fmt::print("  => nothing runs\n");
}

int test_rules(const RulesOptions& options) {
  fs::path file = options.rules;
  if (file.empty() && !options.config.empty()) file = read_config(options.config).route.rules;
  const route::Rules rules = route::read_rules(file, cog_facts());
  Cases cases;
  std::vector<std::string> studies;
  for (const std::string& input : options.inputs) {
    if (!fs::exists(input) && dicom::valid_uid(input))
      studies.push_back(input);
    else
      add_files(input, rules.tags(), options, cases);
  }
  if (!studies.empty()) add_studies(studies, rules.tags(), options, cases);
  Json document = Json::array();
  for (const Case& one : cases.cases) {
    const route::Explanation explanation = route::explain(rules, one.facts);
    if (options.json)
      document.push_back(case_json(one, explanation));
    else
      print_case(one, explanation);
  }
  if (options.json) fmt::print("{}\n", document.dump(-1, ' ', false, Json::error_handler_t::replace));
  if (cases.cases.empty()) return 3;
  return cases.refused > 0 ? 1 : 0;
}

int check_rules(const RulesOptions& options) {
  const route::Rules rules = route::read_rules(options.rules, cog_facts());
  const std::vector<std::string> destinations = route::destinations_of(rules);
  if (options.json) {
    fmt::print("{}\n", Json{{"rules", rules.rules.size()}, {"destinations", destinations}}.dump());
    return 0;
  }
  std::string named;
  for (const std::string& destination : destinations) named += (named.empty() ? "" : ", ") + destination;
  fmt::print("{}: {} rule{}, each right{}\n", options.rules, rules.rules.size(), rules.rules.size() == 1 ? "" : "s",
             named.empty() ? "" : "; destinations that they name: " + named);
  return 0;
}

}  // namespace

void add_rules(CLI::App& program, int& exit_code) {
  CLI::App* rules = program.add_subcommand(
      "rules", "Routing rules: test what they do, check a file. Docs: docs/commands/rules.md, docs/formats/rules.md");
  rules->require_subcommand(1);
  const auto options = std::make_shared<RulesOptions>();

  CLI::App* test = rules->add_subcommand("test", "Which rule fires for files or for a study, and why");
  test->add_option("STUDY_OR_FILES", options->inputs,
                   "DICOM files, folders, or the Study Instance UID of a study that the gateway holds")
      ->required();
  test->add_option("--rules", options->rules, "rules file; without it the configuration's, else the built-in rules")
      ->check(CLI::ExistingFile);
  test->add_option("--config", options->config, "the gateway's configuration: rules, address, token, store");
  test->add_option("--host", options->host, "another host than the configuration's");
  test->add_option("--port", options->port, "another HTTP port")->check(CLI::Range(1, 65535));
  test->add_option("--sender", options->sender, "as if this AE title had sent it");
  test->add_option("--called-ae", options->called_ae, "as if it had been sent to this AE title");
  test->add_option("--order-priority", options->order_priority, "as if the order said so (HL7: S, A, R...)");
  test->add_option("--order-procedure", options->order_procedure, "as if the order were for this procedure code");
  test->add_flag("--json", options->json, "JSON on standard output");
  test->callback([options, &exit_code] { exit_code = test_rules(*options); });

  CLI::App* check = rules->add_subcommand("check", "Is a rules file right; exit 2 when it is not, the mistake named");
  check->add_option("FILE", options->rules, "the rules file")->required();
  check->add_flag("--json", options->json, "JSON on standard output");
  check->callback([options, &exit_code] { exit_code = check_rules(*options); });
}

}  // namespace rouage::app
