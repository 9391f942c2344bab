#include "evidence/roc.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "evidence/case_rows.h"
#include "stats/diagnostic.h"
#include "stats/roc.h"

namespace rouage::evidence {
namespace {

/// What was asked, read once.
struct RocRequest {
  AnalysisOptions common;
  bool logit = false, lower_is_positive = false, binormal = true;
  stats::PartialRange partial{};
  bool wants_partial = false;
  std::vector<double> specificities{}, sensitivities{};
  std::vector<std::string> score_names{};
  bool french() const { return common.language == "fr"; }
};

constexpr int kBandPoints = 50;

double number_of(const std::string& text, const std::string& option) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || end != text.c_str() + text.size() || !(value >= 0 && value <= 1))
    throw Error(ErrorCode::OptionInvalid, "--" + option + " wants numbers within 0 and 1, got \"" + text + "\"");
  return value;
}

RocRequest read_request(const AnalysisEntry& entry, const AnalysisRequest& request) {
  RocRequest asked{.common = request.common};
  asked.logit = option_text(entry, request, "scale") == "logit";
  asked.lower_is_positive = option_flag(request, "lower-is-positive");
  asked.binormal = !option_flag(request, "no-binormal");
  asked.score_names = option_list(entry, request, "score");
  if (asked.score_names.empty()) throw Error(ErrorCode::OptionInvalid, "--score names no column");
  for (const std::string& text : option_list(entry, request, "specificity"))
    asked.specificities.push_back(number_of(text, "specificity"));
  for (const std::string& text : option_list(entry, request, "sensitivity"))
    asked.sensitivities.push_back(number_of(text, "sensitivity"));
  const std::vector<std::string> range = option_list(entry, request, "partial");
  if (range.empty()) return asked;
  if (range.size() != 2) throw Error(ErrorCode::OptionInvalid, "--partial wants two numbers").remedy("--partial 0.9,1");
  asked.wants_partial = true;
  asked.partial = {.low = number_of(range[0], "partial"),
                   .high = number_of(range[1], "partial"),
                   .of_sensitivity = option_text(entry, request, "partial-of") == "sensitivity"};
  if (asked.partial.low > asked.partial.high) std::swap(asked.partial.low, asked.partial.high);
  if (asked.partial.low == asked.partial.high)
    throw Error(ErrorCode::OptionInvalid, "--partial has no width").remedy("--partial 0.9,1");
  return asked;
}

std::string area_method(const CaseRows& rows, const RocRequest& asked) {
  return std::string(rows.patient.empty() ? "DeLong (1988)" : "Obuchowski (1997), clustered by patient") +
         (asked.logit ? ", logit interval" : "");
}

Figure area_figure(const stats::Area& area, const std::string& stratum, const CaseRows& rows, const RocRequest& asked) {
  return {.name = "auc",
          .stratum = stratum,
          .value = area.value,
          .lower = area.lower,
          .upper = area.upper,
          .level = asked.common.level,
          .method = area_method(rows, asked),
          .n = rows.truth.size(),
          .why = area.why};
}

stats::Area area_of(const CaseRows& rows, std::size_t score, const RocRequest& asked) {
  const stats::AreaOptions options{.level = asked.common.level, .threads = asked.common.threads, .logit = asked.logit};
  if (rows.patient.empty()) return stats::auc_delong(rows.scores[score], rows.truth, options);
  return stats::auc_clustered(stats::placements_of(rows.scores[score], rows.truth), rows.truth, rows.patient, options);
}

/// Names of what is drawn, in the order of `values`; the band's grid comes last, unnamed.
struct DrawnNames {
  std::vector<std::string> name, stratum, method;
};

DrawnNames drawn_names(const RocRequest& asked) {
  DrawnNames names;
  const auto add = [&](const std::string& name, const std::string& stratum, const std::string& method) {
    names.name.push_back(name);
    names.stratum.push_back(stratum);
    names.method.push_back(method);
  };
  add("average_precision", "", "sum over thresholds");
  add("pr_auc", "", "Davis and Goadrich (2006)");
  add("youden", "", "largest over all thresholds");
  const std::string of = asked.partial.of_sensitivity ? "sensitivity" : "specificity";
  const std::string range = fmt::format("{}={:g}-{:g}", of, asked.partial.low, asked.partial.high);
  if (asked.wants_partial) {
    add("partial_auc", range, "trapezoids");
    add("partial_auc_standardised", range, "McClish (1989)");
  }
  for (const double at : asked.specificities)
    add("sensitivity_at_specificity", fmt::format("specificity={:g}", at), "on the empirical curve");
  for (const double at : asked.sensitivities)
    add("specificity_at_sensitivity", fmt::format("sensitivity={:g}", at), "on the empirical curve");
  return names;
}

std::vector<double> drawn_values(const stats::RocCurve& curve, const RocRequest& asked) {
  std::vector<double> values{stats::average_precision(curve), stats::precision_recall_area(curve),
                             stats::largest_youden(curve)};
  if (asked.wants_partial)
    for (const bool standardised : {false, true})
      values.push_back(stats::partial_area(curve, asked.partial, standardised));
  for (const double at : asked.specificities) values.push_back(stats::sensitivity_at(curve, at));
  for (const double at : asked.sensitivities) values.push_back(stats::specificity_at(curve, at));
  for (int i = 0; i <= kBandPoints; ++i)
    values.push_back(stats::sensitivity_at(curve, 1 - i / static_cast<double>(kBandPoints)));
  return values;
}

/// At most 2,000 points of the curve: what a plot can show.
page::PlotLine curve_line(const stats::RocCurve& curve, const std::string& name) {
  page::PlotLine line{.name = name};
  const std::size_t step = std::max<std::size_t>(1, curve.tp.size() / 2000);
  for (std::size_t i = 0; i < curve.tp.size(); i += step) {
    line.x.push_back(curve.fp[i] / curve.negatives);
    line.y.push_back(curve.tp[i] / curve.positives);
  }
  line.x.push_back(1);
  line.y.push_back(1);
  return line;
}

std::string plot_name(const std::string& kind, const std::string& finding) {
  std::string name = kind;
  if (!finding.empty()) name += "_" + lower_case(finding);
  for (char& c : name)
    if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '_';
  return name;
}

/// The two plots of a finding, scores added one by one.
struct RocPlots {
  page::Plot roc, pr;
};

RocPlots empty_plots(const std::string& finding, const RocRequest& asked) {
  const bool fr = asked.french();
  RocPlots plots;
  plots.roc.name = plot_name("roc", finding);
  plots.roc.title = fr ? "Courbe ROC" : "ROC curve";
  plots.roc.caption =
      fmt::format(fmt::runtime(fr ? "bande : {:g} % de la sensibilité, point par point, par rééchantillonnage"
                                  : "band: {:g} % of the sensitivity, point by point, bootstrap"),
                  100 * asked.common.level);
  plots.roc.x.label = fr ? "1 - spécificité" : "1 - specificity";
  plots.roc.y.label = fr ? "sensibilité" : "sensitivity";
  plots.roc.square = true;
  plots.roc.lines.push_back({.name = fr ? "hasard" : "chance", .x = {0, 1}, .y = {0, 1}, .dashed = true, .colour = -2});
  plots.pr.name = plot_name("precision_recall", finding);
  plots.pr.title = fr ? "Précision et rappel" : "Precision and recall";
  plots.pr.x.label = fr ? "rappel (sensibilité)" : "recall (sensitivity)";
  plots.pr.y.label = fr ? "précision (VPP)" : "precision (PPV)";
  if (!finding.empty()) {
    plots.roc.title += ", " + finding;
    plots.pr.title += ", " + finding;
  }
  return plots;
}

void add_to_plots(RocPlots& plots, const stats::RocCurve& curve, const std::vector<stats::BootstrapInterval>& band,
                  const std::string& name) {
  const int colour = static_cast<int>(plots.pr.lines.size());
  page::PlotBand drawn{.colour = colour};
  for (std::size_t i = 0; i < band.size(); ++i) {
    if (!band[i].lower || !band[i].upper) continue;
    drawn.x.push_back(static_cast<double>(i) / kBandPoints);
    drawn.low.push_back(*band[i].lower);
    drawn.high.push_back(*band[i].upper);
  }
  if (drawn.x.size() > 1) plots.roc.bands.push_back(std::move(drawn));
  page::PlotLine line = curve_line(curve, name);
  line.colour = colour;
  plots.roc.lines.push_back(std::move(line));
  stats::PrecisionRecall pr = stats::precision_recall(curve, 200);
  plots.pr.lines.push_back({.name = name, .x = std::move(pr.recall), .y = std::move(pr.precision), .colour = colour});
}

void add_drawn(Outcome& outcome, const CaseRows& rows, std::size_t score, const std::string& stratum,
               const RocRequest& asked, RocPlots& plots) {
  const stats::SortedCases cases = stats::sort_cases(rows.scores[score], rows.truth);
  const stats::RocCurve curve = stats::roc_curve(cases);
  const stats::WeighedFigures figures = [&](std::span<const std::uint32_t> times) {
    return drawn_values(stats::roc_curve(cases, times), asked);
  };
  const auto plan = stats::resampling_of(rows.truth.size(), rows.patient, rows.truth);
  const auto intervals =
      stats::bootstrap_intervals(figures, plan, {.level = asked.common.level, .draws = asked.common.draws},
                                 {asked.common.seed, asked.common.threads});
  const std::vector<double> values = drawn_values(curve, asked);
  const DrawnNames names = drawn_names(asked);
  const std::string how =
      rows.patient.empty() ? "; percentile bootstrap, stratified" : "; percentile bootstrap over patients, stratified";
  for (std::size_t f = 0; f < names.name.size(); ++f)
    outcome.estimates.push_back({.name = names.name[f],
                                 .stratum = joined_stratum(stratum, names.stratum[f]),
                                 .value = values[f],
                                 .lower = intervals[f].lower,
                                 .upper = intervals[f].upper,
                                 .level = asked.common.level,
                                 .method = names.method[f] + how,
                                 .n = rows.truth.size(),
                                 .why = intervals[f].why});
  const std::vector<stats::BootstrapInterval> band(intervals.begin() + static_cast<std::ptrdiff_t>(names.name.size()),
                                                   intervals.end());
  add_to_plots(plots, curve, band, asked.score_names[score]);
}

/// The thresholds behind the operating points, with exact intervals there.
void add_points(Outcome& outcome, const CaseRows& rows, std::size_t score, const std::string& stratum,
                const RocRequest& asked) {
  const stats::SortedCases cases = stats::sort_cases(rows.scores[score], rows.truth);
  const stats::RocCurve curve = stats::roc_curve(cases);
  Detail detail{.title = (asked.french() ? "points de fonctionnement " : "operating points ") + stratum,
                .header = {"rule", "positive at or above", "sensitivity", "", "", "specificity", "", ""}};
  const auto add = [&](const std::string& rule, const stats::OperatingPoint& point) {
    std::vector<std::string> cells{
        rule, std::isinf(point.threshold) ? "never"
                                          : number_text(asked.lower_is_positive ? -point.threshold : point.threshold)};
    for (const auto& [k, n] : {std::pair{point.tp, point.tp + point.fn}, std::pair{point.tn, point.tn + point.fp}}) {
      const Estimate share = stats::clopper_pearson(k, n, asked.common.level);
      for (const double x : {share.value, share.lower, share.upper}) cells.push_back(fixed_text(x, 4));
    }
    detail.rows.push_back(std::move(cells));
  };
  add("Youden", stats::youden_point(cases, curve));
  for (const double at : asked.specificities)
    add(fmt::format("specificity >= {:g}", at), stats::point_with_specificity(cases, curve, at));
  for (const double at : asked.sensitivities)
    add(fmt::format("sensitivity >= {:g}", at), stats::point_with_sensitivity(cases, curve, at));
  outcome.details.push_back(std::move(detail));
}

void add_binormal(Outcome& outcome, const CaseRows& rows, std::size_t score, const std::string& stratum, double level) {
  const stats::Binormal fit = stats::binormal_fit(rows.scores[score], rows.truth, level);
  Figure area{.name = "auc_binormal",
              .stratum = stratum,
              .value = fit.area,
              .lower = fit.lower,
              .upper = fit.upper,
              .level = level,
              .method = "binormal maximum likelihood, Dorfman and Alf (1969), LABROC categories, Metz (1998)",
              .n = rows.truth.size(),
              .why = fit.why};
  if (!rows.patient.empty() && fit.area) {
    area.lower = area.upper = std::nullopt;
    area.why = "no interval: the model takes cases as independent, and patients repeat";
  }
  outcome.estimates.push_back(area);
  for (const auto& [name, value] : {std::pair{"binormal_a", fit.a}, std::pair{"binormal_b", fit.b}})
    outcome.estimates.push_back({.name = name,
                                 .stratum = stratum,
                                 .value = value,
                                 .level = level,
                                 .method = area.method,
                                 .n = rows.truth.size(),
                                 .why = fit.why.empty() ? "a parameter: its interval is in auc_binormal" : fit.why});
}

Figure difference_figure(const stats::AreaComparison& test, const std::string& stratum, const std::string& method,
                         std::uint64_t n, double level) {
  return {.name = "auc_difference",
          .stratum = stratum,
          .value = test.difference,
          .lower = test.lower,
          .upper = test.upper,
          .level = level,
          .method = method,
          .n = n,
          .why = test.why};
}

void add_paired(Outcome& outcome, const CaseRows& rows, const std::string& stratum, const RocRequest& asked) {
  std::vector<stats::Placements> places;
  for (const auto& scores : rows.scores) places.push_back(stats::placements_of(scores, rows.truth));
  const std::string method =
      rows.patient.empty() ? "paired, DeLong (1988)" : "paired, Obuchowski (1997), clustered by patient";
  for (std::size_t a = 0; a < places.size(); ++a)
    for (std::size_t b = a + 1; b < places.size(); ++b) {
      const auto test = stats::compare_paired(places[a], places[b], rows.truth, rows.patient, asked.common.level);
      const std::string where = joined_stratum(stratum, asked.score_names[a] + " - " + asked.score_names[b]);
      outcome.estimates.push_back(difference_figure(test, where, method, rows.truth.size(), asked.common.level));
      outcome.tests.push_back({.name = "auc_difference",
                               .method = method,
                               .stratum = where,
                               .statistic = test.z,
                               .value = test.difference,
                               .p = test.p,
                               .why = test.why});
    }
}

/// Areas in each level of a stratum, and whether they differ.
void add_stratum(Outcome& outcome, const CaseRows& rows, std::size_t column, std::size_t score,
                 const std::string& stratum, const std::string& name, const RocRequest& asked) {
  std::vector<stats::Area> areas;
  const std::vector<std::string> levels = levels_of(rows.strata[column]);
  bool shared = false;
  std::uint64_t patients = 0;
  for (const std::string& level : levels) {
    const CaseRows part = rows_of(rows, column, level);
    patients += part.patients();
    areas.push_back(area_of(part, score, asked));
    outcome.estimates.push_back(area_figure(areas.back(), joined_stratum(stratum, name + "=" + level), part, asked));
  }
  shared = !rows.patient.empty() && patients > rows.patients();
  const std::string where = joined_stratum(stratum, name);
  const std::string warning = shared ? "; patients in several strata are taken as independent" : "";
  if (levels.size() == 2) {
    const auto test = stats::compare_unpaired(areas[0], areas[1], asked.common.level);
    outcome.estimates.push_back(
        difference_figure(test, joined_stratum(stratum, name + "=" + levels[0] + " - " + name + "=" + levels[1]),
                          "unpaired, DeLong (1988)" + warning, rows.truth.size(), asked.common.level));
  }
  const auto many = stats::compare_many(areas);
  Test test{.name = "auc_interaction",
            .method = "chi-square of the areas weighed by precision" + warning,
            .stratum = where,
            .statistic = many.z,
            .p = many.p,
            .why = many.why};
  double groups = 0;
  for (const stats::Area& area : areas) groups += area.value && area.se ? 1 : 0;
  if (groups >= 2) test.df = {groups - 1};
  outcome.tests.push_back(std::move(test));
}

void add_finding(Outcome& outcome, const DataTable& table, const FindingColumns& one, const RocRequest& asked) {
  CaseRows rows = read_cases(table, one.columns);
  if (asked.lower_is_positive)
    for (auto& scores : rows.scores)
      for (double& x : scores) x = -x;
  note_rows(outcome, rows, one.finding, asked.french());
  const std::string finding = one.finding.empty() ? "" : "finding=" + one.finding;
  RocPlots plots = empty_plots(one.finding, asked);
  for (std::size_t s = 0; s < rows.scores.size(); ++s) {
    const std::string stratum =
        rows.scores.size() == 1 ? finding : joined_stratum(finding, "score=" + asked.score_names[s]);
    const stats::Area area = area_of(rows, s, asked);
    outcome.estimates.push_back(area_figure(area, stratum, rows, asked));
    if (!area.value) continue;
    if (asked.binormal) add_binormal(outcome, rows, s, stratum, asked.common.level);
    add_drawn(outcome, rows, s, stratum, asked, plots);
    add_points(outcome, rows, s, stratum, asked);
    for (std::size_t column = 0; column < rows.strata.size(); ++column)
      add_stratum(outcome, rows, column, s, stratum, split(one.columns.strata[column], ':').front(), asked);
  }
  if (rows.scores.size() > 1) add_paired(outcome, rows, finding, asked);
  if (plots.pr.lines.empty()) return;
  outcome.plots.push_back(std::move(plots.roc));
  outcome.plots.push_back(std::move(plots.pr));
}

Outcome run_roc(const AnalysisRequest& request) {
  const AnalysisEntry entry = roc_entry();
  const RocRequest asked = read_request(entry, request);
  const DataTable table = DataTable::read(request.inputs.at("input"));
  Outcome outcome{.analysis = "roc"};
  for (const FindingColumns& one : finding_columns(entry, request, table)) add_finding(outcome, table, one, asked);
  return outcome;
}

}  // namespace

AnalysisEntry roc_entry() {
  AnalysisEntry entry{.name = "roc",
                      .title = "ROC: areas with DeLong's intervals and tests, partial areas, precision-recall",
                      .inputs = {{.name = "input", .help = "CSV case,truth,score[,patient,stratum...]"}},
                      .options = case_options(),
                      .run = run_roc};
  for (const OptionEntry& option : std::vector<OptionEntry>{
           {.name = "scale",
         .help = "of the area's interval; logit covers better near 1",
         .initial = "plain",
         .words = {"plain", "logit"}},
           {.name = "specificity", .help = "report the sensitivity there, comma between", .initial = "0.9"},
           {.name = "sensitivity", .help = "report the specificity there, comma between", .initial = "0.9"},
           {.name = "partial", .help = "range of the partial area, for example 0.9,1"},
           {.name = "partial-of",
           .help = "what the range is of",
           .initial = "specificity",
           .words = {"specificity", "sensitivity"}},
           {.name = "lower-is-positive", .help = "low scores are suspicious", .flag = true},
           {.name = "no-binormal", .help = "leave the binormal model out", .flag = true}})
    entry.options.push_back(option);
  return entry;
}

}  // namespace rouage::evidence
