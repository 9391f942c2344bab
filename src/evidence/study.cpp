// A study from its plan to its report.
#include "evidence/study.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "evidence/study_plan.h"

namespace rouage::evidence {
namespace {
using Json = nlohmann::ordered_json;

RunAnalysis run_one(const StudyPlan& plan, const PlannedAnalysis& planned, const StudyRequest& request) {
  RunAnalysis run{.planned = &planned};
  AnalysisRequest asked{.inputs = {},
                        .options = planned.options,
                        .common = {.level = plan.level,
                                   .seed = plan.seed,
                                   .draws = plan.draws,
                                   .threads = request.threads,
                                   .language = request.language}};
  for (const auto& [input, data] : planned.inputs) asked.inputs[input] = find_data(plan, data)->path;
  try {
    run.outcome = find_analysis(planned.kind)->run(asked);
  } catch (const Error& e) {
    if (e.code() == ErrorCode::Internal || e.code() == ErrorCode::FileMissing) throw;
    run.refused = e.what();
  }
  return run;
}

Json number(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

std::string study_json(const StudyPlan& plan, const std::vector<RunAnalysis>& runs,
                       const std::vector<Decision>& decisions, const std::vector<std::string>& differences) {
  Json json{
      {"title", plan.title}, {"plan", plan.digest}, {"registered", differences.empty()}, {"differences", differences}};
  json["hypotheses"] = Json::array();
  for (const Decision& d : decisions) {
    Json one{{"id", d.hypothesis->id},           {"primary", d.hypothesis->primary},
             {"value", number(d.value)},         {"lower", number(d.lower)},
             {"upper", number(d.upper)},         {"p", number(d.p)},
             {"adjusted_p", number(d.adjusted)}, {"shown", d.shown}};
    if (!d.why.empty()) one["why"] = d.why;
    json["hypotheses"].push_back(std::move(one));
  }
  json["analyses"] = Json::array();
  for (const RunAnalysis& run : runs) {
    Json one{{"name", run.planned->name}, {"kind", run.planned->kind}};
    if (run.refused.empty())
      one["outcome"] = Json::parse(outcome_json(run.outcome));
    else
      one["refused"] = run.refused;
    json["analyses"].push_back(std::move(one));
  }
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace

StudyReport run_study(const StudyRequest& request) {
  const bool french = request.language == "fr";
  const StudyPlan plan = read_plan(request.plan);
  const std::vector<std::string> differences = differences_from_lock(plan, request.plan, french);
  if (!differences.empty() && !request.unregistered)
    throw Error(ErrorCode::ConfigInvalid, differences.front())
        .file(request.plan)
        .remedy("register the plan before the analysis (--register), or run it as exploratory (--unregistered)");
  std::vector<RunAnalysis> runs;
  for (const PlannedAnalysis& planned : plan.analyses) runs.push_back(run_one(plan, planned, request));
  const std::vector<Decision> decisions = decide(plan, runs, french);
  const page::Report report = compose_report(plan, runs, decisions, differences, french);
  StudyReport result{.html = page::report_html(report),
                     .json = study_json(plan, runs, decisions, differences),
                     .summary = {},
                     .pdf = page::report_pdf(report),
                     .registered = differences.empty()};
  for (const std::string& difference : differences) result.summary += difference + "\n";
  for (const Decision& d : decisions)
    result.summary += d.hypothesis->id + ": " +
                      (d.shown ? (french ? "démontrée" : "shown") : (french ? "non démontrée" : "not shown")) +
                      (d.shown || d.why.empty() ? "" : " (" + d.why + ")") + "\n";
  for (const RunAnalysis& run : runs)
    if (!run.refused.empty()) result.summary += run.planned->name + ": " + run.refused + "\n";
  return result;
}

}  // namespace rouage::evidence
