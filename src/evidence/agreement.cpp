#include "evidence/agreement.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "stats/agreement.h"

namespace rouage::evidence {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// Cells by subject and rater, "" where there is none.
struct Grid {
  std::vector<std::string> raters, subjects;
  std::vector<std::string> cells;              ///< [subject][rater]
  std::vector<std::optional<double>> numbers;  ///< the same, where the kind wants numbers
  std::vector<std::uint32_t> patient;          ///< one a subject; empty: each for itself
};

std::uint32_t index_in(std::vector<std::string>& names, std::map<std::string, std::uint32_t>& known,
                       const std::string& name) {
  const auto [at, fresh] = known.try_emplace(name, static_cast<std::uint32_t>(names.size()));
  if (fresh) names.push_back(name);
  return at->second;
}

/// One row a subject, one column a rater.
Grid wide(const DataTable& table, const std::vector<std::string>& columns, bool numeric, const std::string& patient) {
  Grid grid;
  grid.raters = columns;
  std::vector<std::size_t> at;
  at.reserve(columns.size());
  for (const std::string& column : columns) at.push_back(table.column(column));
  std::vector<std::string> patients;
  std::map<std::string, std::uint32_t> known;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    grid.subjects.push_back(fmt::format("line {}", table.line(row)));
    if (!patient.empty()) grid.patient.push_back(index_in(patients, known, table.text(row, table.column(patient))));
    for (const std::size_t column : at) {
      grid.cells.push_back(table.text(row, column));
      grid.numbers.push_back(numeric ? table.number(row, column) : std::nullopt);
    }
  }
  return grid;
}

/// case,reader,rating: one row a rating.
Grid tall(const DataTable& table, bool numeric) {
  const std::size_t case_at = table.column("case"), reader_at = table.column("reader"),
                    rating_at = table.column("rating");
  Grid grid;
  std::map<std::string, std::uint32_t> cases, readers;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> place(table.rows());
  for (std::size_t row = 0; row < table.rows(); ++row)
    place[row] = {index_in(grid.subjects, cases, table.text(row, case_at)),
                  index_in(grid.raters, readers, table.text(row, reader_at))};
  grid.cells.resize(grid.subjects.size() * grid.raters.size());
  grid.numbers.resize(grid.cells.size());
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::size_t cell = place[row].first * grid.raters.size() + place[row].second;
    if (!grid.cells[cell].empty())
      throw Error(ErrorCode::TableInvalid, fmt::format("line {}: reader {} rated case {} twice", table.line(row),
                                                       table.text(row, reader_at), table.text(row, case_at)))
          .file(table.name())
          .remedy(
              "one rating a reader and case; repeated readings are other readers here (\"A, first\", \"A, second\")");
    grid.cells[cell] = table.text(row, rating_at);
    if (numeric) grid.numbers[cell] = table.number(row, rating_at);
  }
  return grid;
}

/// Categories in the given order, else numbers ascending, else words by alphabet.
std::vector<std::string> categories_of(const Grid& grid, std::vector<std::string> given) {
  if (!given.empty()) return given;
  std::vector<std::string> found;
  for (const std::string& cell : grid.cells)
    if (!cell.empty() && std::find(found.begin(), found.end(), cell) == found.end()) {
      found.push_back(cell);
      if (found.size() > 1000)
        throw Error(ErrorCode::TableInvalid, "more than 1,000 categories").remedy("--kind interval for measurements");
    }
  const auto number = [](const std::string& text) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str(), &end);
    return end == text.c_str() + text.size() ? value : kMissing;
  };
  const bool all_numbers =
      std::none_of(found.begin(), found.end(), [&](const auto& t) { return std::isnan(number(t)); });
  std::sort(found.begin(), found.end(),
            [&](const std::string& a, const std::string& b) { return all_numbers ? number(a) < number(b) : a < b; });
  return found;
}

stats::Ratings ratings_of(const Grid& grid, const std::vector<std::string>& categories) {
  stats::Ratings ratings{.subjects = static_cast<std::uint32_t>(grid.subjects.size()),
                         .raters = static_cast<std::uint32_t>(grid.raters.size()),
                         .categories = static_cast<std::uint32_t>(categories.size()),
                         .values = {}};
  for (std::size_t cell = 0; cell < grid.cells.size(); ++cell) {
    if (grid.cells[cell].empty()) {
      ratings.values.push_back(-1);
      continue;
    }
    const auto found = std::find(categories.begin(), categories.end(), grid.cells[cell]);
    if (found == categories.end())
      throw Error(ErrorCode::TableInvalid, fmt::format("{}: \"{}\" is none of --categories",
                                                       grid.subjects[cell / grid.raters.size()], grid.cells[cell]));
    ratings.values.push_back(static_cast<int>(found - categories.begin()));
  }
  return ratings;
}

Figure figure_of(const std::string& name, const std::string& stratum, const stats::Coefficient& c, double level,
                 const std::string& method) {
  return {.name = name,
          .stratum = stratum,
          .value = c.value,
          .lower = c.lower,
          .upper = c.upper,
          .level = level,
          .method = method,
          .n = c.n,
          .why = c.why};
}

std::string weight_name(stats::Weighting weighting) {
  if (weighting == stats::Weighting::identity) return "unweighted";
  return weighting == stats::Weighting::linear ? "linear weights" : "quadratic weights";
}

stats::AlphaMetric metric_of(const std::string& kind) {
  if (kind == "ordinal") return stats::AlphaMetric::ordinal;
  if (kind == "ratio") return stats::AlphaMetric::ratio;
  return kind == "interval" ? stats::AlphaMetric::interval : stats::AlphaMetric::nominal;
}

void add_categorical(Outcome& outcome, const Grid& grid, const std::vector<std::string>& categories,
                     stats::Weighting weighting, double level) {
  const stats::Ratings ratings = ratings_of(grid, categories);
  const std::vector<double> weights = stats::weights_of(weighting, {}, ratings.categories);
  const std::string how = ", " + weight_name(weighting);
  outcome.estimates.push_back(figure_of("agreement", "", stats::observed_agreement(ratings, weights, level), level,
                                        "share of agreeing pairs, t interval over subjects" + how));
  for (std::uint32_t a = 0; a < ratings.raters; ++a)
    for (std::uint32_t b = a + 1; b < ratings.raters && ratings.raters <= 12; ++b) {
      stats::Ratings pair{.subjects = ratings.subjects, .raters = 2, .categories = ratings.categories, .values = {}};
      for (std::uint32_t s = 0; s < ratings.subjects; ++s)
        for (const std::uint32_t r : {a, b}) pair.values.push_back(ratings.values[std::size_t{s} * ratings.raters + r]);
      const std::string stratum = ratings.raters == 2 ? "" : "readers=" + grid.raters[a] + "," + grid.raters[b];
      outcome.estimates.push_back(figure_of("cohen_kappa", stratum, stats::cohen_kappa(pair, weights, level), level,
                                            "Cohen (1960, 1968), variance of Fleiss, Cohen and Everitt (1969)" + how));
      if (const auto p = stats::cohen_kappa_p(pair, weights))
        outcome.tests.push_back({.name = "cohen_kappa_is_zero",
                                 .method = "Wald, null variance of Fleiss, Cohen and Everitt (1969)",
                                 .stratum = stratum,
                                 .p = p});
    }
  outcome.estimates.push_back(figure_of("fleiss_kappa", "", stats::fleiss_kappa(ratings, weights, level), level,
                                        "Fleiss (1971), linearised variance of Gwet (2014)" + how));
  outcome.estimates.push_back(figure_of(weighting == stats::Weighting::identity ? "gwet_ac1" : "gwet_ac2", "",
                                        stats::gwet_ac(ratings, weights, level), level,
                                        "Gwet (2008, 2014), linearised variance" + how));
}

void add_intraclass(Outcome& outcome, const Grid& grid, const std::vector<double>& values, double level) {
  const stats::Intraclass icc = stats::intraclass(values, static_cast<std::uint32_t>(grid.subjects.size()),
                                                  static_cast<std::uint32_t>(grid.raters.size()), level);
  for (const stats::IntraclassForm& form : icc.forms)
    outcome.estimates.push_back(figure_of(
        lower_case(form.name), "", form.single_or_mean, level,
        fmt::format("{}, McGraw and Wong (1996); Shrout and Fleiss (1979) {}", form.name, form.shrout_fleiss)));
  outcome.details.push_back({.title = "mean squares",
                             .header = {"source", "mean square"},
                             .rows = {{"subjects", fmt::format("{:.6g}", icc.ms_subjects)},
                                      {"raters", fmt::format("{:.6g}", icc.ms_raters)},
                                      {"error", fmt::format("{:.6g}", icc.ms_error)},
                                      {"within subjects", fmt::format("{:.6g}", icc.ms_within)}}});
  if (icc.subjects < grid.subjects.size())
    outcome.notes.push_back(fmt::format("intraclass correlation: {} of {} subjects are complete and count",
                                        icc.subjects, grid.subjects.size()));
}

page::Plot bland_altman_plot(const std::vector<double>& a, const std::vector<double>& b,
                             const stats::LimitsOfAgreement& limits, const Grid& grid, bool french) {
  page::Plot plot{.name = "bland_altman"};
  plot.title = french ? "Limites d'agrément (Bland et Altman)" : "Limits of agreement (Bland and Altman)";
  plot.x.label = french ? "moyenne des deux" : "mean of the two";
  plot.y.label = grid.raters[0] + " - " + grid.raters[1];
  page::PlotPoints points;
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (std::isnan(a[i]) || std::isnan(b[i])) continue;
    points.x.push_back((a[i] + b[i]) / 2);
    points.y.push_back(a[i] - b[i]);
    points.captions.push_back(grid.subjects[i]);
  }
  const auto [x_low, x_high] = std::minmax_element(points.x.begin(), points.x.end());
  const auto [y_low, y_high] = std::minmax_element(points.y.begin(), points.y.end());
  plot.x.low = *x_low;
  plot.x.high = *x_high > *x_low ? *x_high : *x_low + 1;
  plot.y.low = std::min(*y_low, limits.lower_limit.lower.value_or(*y_low));
  plot.y.high = std::max(*y_high, limits.upper_limit.upper.value_or(*y_high));
  if (!(plot.y.high > plot.y.low)) plot.y.high = plot.y.low + 1;
  const auto rule = [&](const stats::Coefficient& c, const char* en, const char* fr) {
    if (c.value) plot.rules.push_back({.at = *c.value, .vertical = false, .caption = french ? fr : en});
  };
  rule(limits.bias, "bias", "biais");
  rule(limits.lower_limit, "lower limit", "limite inférieure");
  rule(limits.upper_limit, "upper limit", "limite supérieure");
  int colour = 0;
  for (const auto* c : {&limits.lower_limit, &limits.bias, &limits.upper_limit}) {
    if (c->lower && c->upper)
      plot.bands.push_back({.x = {plot.x.low, plot.x.high},
                            .low = {*c->lower, *c->lower},
                            .high = {*c->upper, *c->upper},
                            .colour = colour});
    ++colour;
  }
  plot.points.push_back(std::move(points));
  return plot;
}

void add_limits(Outcome& outcome, const Grid& grid, const std::vector<double>& values, const AnalysisOptions& common) {
  std::vector<double> first, second;
  for (std::size_t s = 0; s < grid.subjects.size(); ++s) {
    first.push_back(values[2 * s]);
    second.push_back(values[2 * s + 1]);
  }
  const stats::LimitsOfAgreement limits =
      stats::bland_altman(first, second, grid.patient, common.level, common.draws, {common.seed, common.threads});
  const std::string how = limits.repeated
                              ? "Bland and Altman (2007), patients repeat; percentile bootstrap over patients"
                              : "Bland and Altman (1986); exact intervals, Carkeet (2015)";
  const double level = common.level;
  outcome.estimates.push_back(figure_of("bias", "", limits.bias, level, how));
  outcome.estimates.push_back(figure_of("difference_sd", "", limits.standard_deviation, level, how));
  outcome.estimates.push_back(figure_of("limit_of_agreement_lower", "", limits.lower_limit, level, how));
  outcome.estimates.push_back(figure_of("limit_of_agreement_upper", "", limits.upper_limit, level, how));
  if (limits.slope)
    outcome.tests.push_back({.name = "proportional_bias",
                             .method = "slope of the difference on the mean, t test",
                             .value = limits.slope,
                             .df = {static_cast<double>(limits.n) - 2},
                             .p = limits.slope_p,
                             .why = limits.slope_p ? "" : "the differences lie on a line"});
  outcome.plots.push_back(bland_altman_plot(first, second, limits, grid, common.language == "fr"));
}

void add_measurements(Outcome& outcome, const Grid& grid, const AnalysisOptions& common) {
  std::vector<double> values;
  for (const auto& number : grid.numbers) values.push_back(number.value_or(kMissing));
  add_intraclass(outcome, grid, values, common.level);
  if (grid.raters.size() == 2) add_limits(outcome, grid, values, common);
}

/// Krippendorff's alpha of numbers, or of the categories' places.
void add_alpha(Outcome& outcome, const Grid& grid, const std::vector<std::string>& categories, const std::string& kind,
               const AnalysisOptions& common) {
  std::vector<double> values;
  for (std::size_t cell = 0; cell < grid.cells.size(); ++cell) {
    const auto found = std::find(categories.begin(), categories.end(), grid.cells[cell]);
    if (grid.numbers[cell])
      values.push_back(*grid.numbers[cell]);
    else
      values.push_back(found == categories.end() ? kMissing : static_cast<double>(found - categories.begin()));
  }
  const stats::Coefficient alpha = stats::krippendorff_alpha(
      values, static_cast<std::uint32_t>(grid.subjects.size()), static_cast<std::uint32_t>(grid.raters.size()),
      metric_of(kind), common.level, common.draws, {common.seed, common.threads});
  outcome.estimates.push_back(
      figure_of("krippendorff_alpha", "", alpha, common.level,
                fmt::format("Krippendorff (2011), {} metric, percentile bootstrap over subjects", kind)));
}

Outcome run_agreement(const AnalysisRequest& request) {
  const AnalysisEntry entry = agreement_entry();
  const std::string kind = option_text(entry, request, "kind");
  const bool numeric = kind == "interval" || kind == "ratio";
  const DataTable table = DataTable::read(request.inputs.at("input"));
  const std::vector<std::string> raters = option_list(entry, request, "raters");
  const Grid grid =
      raters.empty() ? tall(table, numeric) : wide(table, raters, numeric, option_text(entry, request, "patient"));
  if (grid.raters.size() < 2)
    throw Error(ErrorCode::StatisticUndefined, "agreement wants at least two raters").file(table.name());
  Outcome outcome{.analysis = "agreement"};
  std::vector<std::string> categories;
  if (numeric) {
    add_measurements(outcome, grid, request.common);
  } else {
    categories = categories_of(grid, option_list(entry, request, "categories"));
    if (categories.size() < 2)
      throw Error(ErrorCode::StatisticUndefined, "all ratings are the same").file(table.name());
    std::string words = option_text(entry, request, "weights");
    if (words.empty()) words = kind == "ordinal" ? "quadratic" : "identity";
    if (kind == "nominal" && words != "identity")
      throw Error(ErrorCode::OptionInvalid, "nominal categories have no distances").remedy("--kind ordinal");
    const auto weighting = words == "linear"      ? stats::Weighting::linear
                           : words == "quadratic" ? stats::Weighting::quadratic
                                                  : stats::Weighting::identity;
    add_categorical(outcome, grid, categories, weighting, request.common.level);
    outcome.notes.push_back(fmt::format("categories, in this order: {}", fmt::join(categories, ", ")));
  }
  add_alpha(outcome, grid, categories, kind, request.common);
  return outcome;
}

}  // namespace

AnalysisEntry agreement_entry() {
  return {.name = "agreement",
          .title = "Agreement of readers or methods: kappa, AC1/AC2, alpha, ICC, Bland-Altman",
          .inputs = {{.name = "input", .help = "CSV case,reader,rating; or one column a reader, named by --raters"}},
          .options = {{.name = "raters", .help = "columns of the readers or methods, comma between"},
                      {.name = "kind",
                       .help = "what a rating is",
                       .initial = "nominal",
                       .words = {"nominal", "ordinal", "interval", "ratio"}},
                      {.name = "weights",
                       .help = "of disagreements (default: identity; ordinal: quadratic)",
                       .initial = "",
                       .words = {"identity", "linear", "quadratic"}},
                      {.name = "categories", .help = "in order, where they are words, comma between"},
                      {.name = "patient", .help = "column that repeats where a patient was measured several times"}},
          .run = run_agreement};
}

}  // namespace rouage::evidence
