#include "evidence/mrmc.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "base/error.h"
#include "stats/froc.h"
#include "stats/mrmc.h"

namespace rouage::evidence {
namespace {

constexpr double kMissing = std::numeric_limits<double>::quiet_NaN();

/// Names in the order of the file.
struct Names {
  std::vector<std::string> list;
  std::map<std::string, std::uint32_t> index;
  std::uint32_t of(const std::string& name) {
    const auto [at, fresh] = index.try_emplace(name, static_cast<std::uint32_t>(list.size()));
    if (fresh) list.push_back(name);
    return at->second;
  }
};

/// As numbers where all are, else by alphabet: the order of the rows decides nothing.
std::vector<std::string> in_order(std::vector<std::string> names) {
  std::sort(names.begin(), names.end(), [](const std::string& a, const std::string& b) {
    const bool digits_a = !a.empty() && a.find_first_not_of("0123456789") == std::string::npos;
    const bool digits_b = !b.empty() && b.find_first_not_of("0123456789") == std::string::npos;
    if (digits_a != digits_b) return digits_a;
    if (digits_a && a.size() != b.size()) return a.size() < b.size();
    return a < b;
  });
  return names;
}

Names sorted_names(const DataTable& table, std::size_t column) {
  Names found, sorted;
  for (std::size_t row = 0; row < table.rows(); ++row) found.of(table.text(row, column));
  for (const std::string& name : in_order(found.list)) sorted.of(name);
  return sorted;
}

struct Study {
  std::vector<std::string> arms, readers;
  std::vector<stats::CellFigure> cells;
  stats::CaseScope scope;
  std::uint64_t cases = 0;
  std::vector<std::string> notes{};
  std::vector<std::vector<double>> ratings{};  ///< ROC only
  std::vector<std::uint8_t> truth{};           ///< ROC only
};

[[noreturn]] void bad_row(const DataTable& table, std::size_t row, const std::string& what) {
  throw Error(ErrorCode::TableInvalid, fmt::format("line {}: {}", table.line(row), what)).file(table.name());
}

/// Cells to hold before memory is taken: a table of many names would ask for their product.
void check_size(const DataTable& table, std::size_t arms, std::size_t readers, std::size_t cases) {
  const double cells = static_cast<double>(arms) * static_cast<double>(readers) * static_cast<double>(cases);
  if (arms == 0 || readers == 0) throw Error(ErrorCode::TableInvalid, "no rows").file(table.name());
  if (cells > 2e8)
    throw Error(ErrorCode::TableInvalid, fmt::format("{} arms x {} readers x {} cases", arms, readers, cases))
        .file(table.name())
        .remedy("columns are reader, treatment, case, truth, rating; at most 200 million cells");
}

Study read_ratings(const DataTable& table) {
  const std::size_t reader_at = table.column("reader"), truth_at = table.column("truth"),
                    case_at = table.column("case"), rating_at = table.column("rating");
  const std::size_t arm_at = table.find("treatment") ? table.column("treatment") : table.column("arm");
  Names arms = sorted_names(table, arm_at), readers = sorted_names(table, reader_at), cases;
  Study study{.arms = arms.list, .readers = readers.list, .cells = {}, .scope = {}, .notes = {}, .ratings = {}};
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::uint32_t k = cases.of(table.text(row, case_at));
    const std::optional<bool> truth = table.flag(row, truth_at);
    if (!truth) bad_row(table, row, "no truth");
    if (k == study.truth.size())
      study.truth.push_back(*truth ? 1 : 0);
    else if ((study.truth[k] != 0) != *truth)
      bad_row(table, row, "case " + cases.list[k] + " has another truth above");
  }
  check_size(table, arms.list.size(), readers.list.size(), cases.list.size());
  study.cases = cases.list.size();
  study.ratings.assign(arms.list.size() * readers.list.size(), std::vector<double>(cases.list.size(), kMissing));
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const std::optional<double> rating = table.number(row, rating_at);
    if (!rating) continue;
    double& cell = study.ratings[std::size_t{arms.of(table.text(row, arm_at))} * readers.list.size() +
                                 readers.of(table.text(row, reader_at))][cases.of(table.text(row, case_at))];
    if (!std::isnan(cell)) bad_row(table, row, "this reader rated this case in this arm already");
    cell = *rating;
  }
  std::uint64_t missing = 0;
  for (const auto& cell : study.ratings)
    missing +=
        static_cast<std::uint64_t>(std::count_if(cell.begin(), cell.end(), [](double x) { return std::isnan(x); }));
  if (missing > 0)
    study.notes.push_back(fmt::format(
        "{} of {} combinations of arm, reader and case have no rating: each figure uses the cases that it has, "
        "covariances come from the cases that two figures share (nested and split-plot designs too)",
        missing, study.ratings.size() * study.cases));
  return study;
}

void set_figures(Study& study, const std::string& figure, double threshold) {
  for (const auto& ratings : study.ratings) {
    if (figure == "auc") {
      study.cells.push_back(
          stats::pair_figure(stats::area_items(ratings, study.truth), static_cast<std::uint32_t>(study.cases)));
      continue;
    }
    const std::uint8_t wanted = figure == "sensitivity" ? 1 : 0;
    std::vector<double> over, under;
    for (std::size_t k = 0; k < ratings.size(); ++k) {
      const bool used = study.truth[k] == wanted && !std::isnan(ratings[k]);
      under.push_back(used ? 1 : 0);
      over.push_back(used && (ratings[k] >= threshold) == (wanted == 1) ? 1 : 0);
    }
    study.cells.push_back(stats::share_figure(over, under));
  }
  if (figure == "auc") return;
  for (std::uint32_t k = 0; k < study.truth.size(); ++k)
    if (study.truth[k] == (figure == "sensitivity" ? 1 : 0)) study.scope.push_back(k);
}

std::vector<double> weights_of(const DataTable& table, std::size_t row) {
  std::vector<double> weights;
  double sum = 0;
  for (const std::string& part : split(table.text(row, table.column("weights")), '|')) {
    if (trimmed(part).empty()) continue;
    char* end = nullptr;
    const std::string text(trimmed(part));
    weights.push_back(std::strtod(text.c_str(), &end));
    if (*end != 0 || !(weights.back() > 0) || weights.back() > 1) bad_row(table, row, "weights are numbers above 0");
    sum += weights.back();
  }
  const double lesions = table.number(row, table.column("lesions")).value_or(0);
  if (static_cast<double>(weights.size()) != lesions)
    bad_row(table, row, fmt::format("{} lesions, but {} weights", lesions, weights.size()));
  if (!weights.empty() && std::abs(sum - 1) > 0.02) bad_row(table, row, "the weights of a case must sum to 1");
  for (double& weight : weights) weight /= sum;  // thirds are written with few digits
  return weights;
}

Study read_marks(const DataTable& cases_table, const DataTable& marks, stats::FrocFigure figure) {
  Names cases, arms = sorted_names(marks, marks.column("modality")),
               readers = sorted_names(marks, marks.column("reader"));
  stats::FrocTruth truth;
  for (std::size_t row = 0; row < cases_table.rows(); ++row) {
    if (cases.of(cases_table.text(row, cases_table.column("case"))) != truth.weights.size())
      bad_row(cases_table, row, "this case is there already");
    truth.weights.push_back(weights_of(cases_table, row));
  }
  check_size(marks, arms.list.size(), readers.list.size(), cases.list.size());
  std::vector<stats::FrocCell> cells(arms.list.size() * readers.list.size());
  for (std::size_t row = 0; row < marks.rows(); ++row) {
    const auto k = cases.index.find(marks.text(row, marks.column("case")));
    if (k == cases.index.end()) bad_row(marks, row, "this case is not in the cases file");
    const std::optional<double> rating = marks.number(row, marks.column("rating"));
    if (!rating) bad_row(marks, row, "a mark without rating");
    const bool on_lesion = marks.text(row, marks.column("mark")) == "LL";
    const double lesion = on_lesion ? marks.number(row, marks.column("lesion")).value_or(0) : 0;
    if (!on_lesion && marks.text(row, marks.column("mark")) != "NL") bad_row(marks, row, "mark is NL or LL");
    if (on_lesion && !(lesion >= 1 && lesion <= static_cast<double>(truth.weights[k->second].size())))
      bad_row(marks, row, "the case has no such lesion (they are numbered from 1)");
    cells[std::size_t{arms.of(marks.text(row, marks.column("modality")))} * readers.list.size() +
          readers.of(marks.text(row, marks.column("reader")))]
        .marks.push_back({k->second, on_lesion ? static_cast<std::int32_t>(lesion) - 1 : -1, *rating});
  }
  Study study{.arms = arms.list, .readers = readers.list, .cells = {}, .scope = {}, .notes = {}, .ratings = {}};
  study.cases = cases.list.size();
  for (const stats::FrocCell& cell : cells) study.cells.push_back(stats::froc_figure(truth, cell, figure));
  study.scope = stats::froc_scope(truth, figure);
  return study;
}

struct Kind {
  stats::Generality generality;
  const char* word;
  const char* name;
};
constexpr Kind kKinds[] = {{stats::Generality::readers_and_cases, "rrrc", "random readers and cases"},
                           {stats::Generality::cases, "frrc", "fixed readers, random cases"},
                           {stats::Generality::readers, "rrfc", "random readers, fixed cases"}};

/// name: lower case, as design.md has it.
struct Writer {
  Outcome& outcome;
  const Study& study;
  const stats::ReaderStudy& figures;
  std::string name, covariances;
  double level;
  bool bounded;  ///< the figure lies within 0 and 1

  void add(const std::string& figure, const std::string& stratum, const stats::ReaderEffect& e,
           const std::string& method, bool cut) const {
    Figure f{.name = figure, .stratum = stratum, .value = e.value, .lower = e.lower, .upper = e.upper};
    if (cut && f.lower) f.lower = std::max(*f.lower, 0.0);
    if (cut && f.upper) f.upper = std::min(*f.upper, 1.0);
    f.level = level;
    f.method = method;
    f.n = study.cases;
    f.why = e.why;
    outcome.estimates.push_back(std::move(f));
  }

  void add_test(const std::string& stratum, const stats::ReaderEffect& e, const std::string& method) const {
    Test t{.name = name + "_difference", .method = method, .stratum = stratum, .statistic = e.statistic};
    t.value = e.value;
    if (e.df) t.df = {*e.df};
    t.p = e.p;
    t.why = e.why;
    outcome.tests.push_back(std::move(t));
  }

  std::string arms_of(const stats::ReaderEffect& e) const {
    return "arms=" + study.arms[e.first] + "-" + study.arms[e.second];
  }

  void add_readers() const {
    stats::ReaderAnalysis one;
    for (std::uint32_t i = 0; i < figures.arms; ++i)
      for (std::uint32_t j = 0; j < figures.readers; ++j) {
        const std::size_t cell = std::size_t{i} * figures.readers + j;
        stats::ReaderStudy single = stats::study_from(1, 1, {figures.value[cell]}, {});
        single.covariances.arm_variance = {figures.covariances.cell_variance[cell]};
        single.covariances.arm_cov2 = {0};
        single.covariances.reader_variance = single.covariances.reader_cov1 = {0};
        one = stats::analyse(single, stats::Generality::cases, level);
        add(name, "arm=" + study.arms[i] + "; reader=" + study.readers[j], one.arms[0],
            covariances + " variance, normal interval", bounded);
      }
  }

  void add_analysis(const Kind& kind) const {
    const stats::ReaderAnalysis a = stats::analyse(figures, kind.generality, level);
    const std::string end = std::string("; analysis=") + kind.word;
    const std::string method =
        fmt::format("Obuchowski-Rockette, Hillis (2008, 2014), {}, {} covariances", kind.name, covariances);
    Test equal{.name = "arms_equal", .method = method, .stratum = std::string("analysis=") + kind.word};
    equal.statistic = a.statistic;
    if (a.df1) equal.df = {*a.df1};
    if (a.df2) equal.df.push_back(*a.df2);
    equal.p = a.p;
    equal.why = a.why;
    outcome.tests.push_back(std::move(equal));
    for (std::size_t i = 0; i < a.arms.size(); ++i) add(name, "arm=" + study.arms[i] + end, a.arms[i], method, bounded);
    for (const stats::ReaderEffect& e : a.differences) {
      add(name + "_difference", arms_of(e) + end, e, method, false);
      add_test(arms_of(e) + end, e, method);
    }
    for (std::size_t i = 0; i < a.reader_differences.size(); ++i) {
      const stats::ReaderEffect& e = a.reader_differences[i];
      const std::string where = arms_of(e) + "; reader=" + study.readers[i % figures.readers] + end;
      add(name + "_difference", where, e, method, false);
      add_test(where, e, method);
    }
  }

  void add_components() const {
    const auto row = [](const char* what, double value) {
      return std::vector<std::string>{what, std::isfinite(value) ? fmt::format("{:.8g}", value) : "not defined"};
    };
    const stats::ReaderCovariances& c = figures.covariances;
    outcome.details.push_back(
        {.title = "variance components (Obuchowski-Rockette)",
         .header = {"component", "estimate"},
         .rows = {row("Var(R)", figures.var_reader), row("Var(T*R)", figures.var_both), row("Var(Error)", c.variance),
                  row("Cov1", c.cov1), row("Cov2", c.cov2), row("Cov3", c.cov3), row("MS(T)", figures.ms_arm),
                  row("MS(R)", figures.ms_reader), row("MS(T*R)", figures.ms_both)}});
  }
};

stats::ReaderStudy study_with(const Study& study, const std::string& covariances, const AnalysisOptions& common) {
  const auto arms = static_cast<std::uint32_t>(study.arms.size()),
             readers = static_cast<std::uint32_t>(study.readers.size());
  if (covariances == "jackknife")
    return stats::study_of(arms, readers, study.cells, stats::CovarianceMethod::jackknife, study.scope);
  if (covariances == "delong") return stats::study_of(arms, readers, study.cells, stats::CovarianceMethod::delong);
  if (study.ratings.empty() || !study.scope.empty())
    throw Error(ErrorCode::OptionInvalid, "--covariances " + covariances + " is for the area under the ROC curve")
        .remedy("--covariances jackknife");
  stats::ReaderStudy figures = stats::study_of(arms, readers, study.cells, stats::CovarianceMethod::jackknife);
  if (covariances == "unbiased")
    return stats::study_from(arms, readers, figures.value,
                             stats::unbiased_covariances(arms, readers, study.ratings, study.truth));
  if (common.draws < 100) throw Error(ErrorCode::OptionInvalid, "fewer than 100 draws say nothing of a covariance");
  const auto draws = stats::bootstrap_areas(study.ratings, study.truth, common.draws, common.seed, common.threads);
  return stats::study_from(arms, readers, figures.value,
                           stats::covariances_of(arms, readers, stats::bootstrap_vectors(draws)));
}

page::Plot reader_forest(const Writer& writer, bool french) {
  page::Plot plot{.name = "readers", .title = french ? "Différence de chaque lecteur" : "Difference of each reader"};
  plot.x.label = writer.name + (french ? ", différence" : " difference");
  page::PlotPoints points;
  const stats::ReaderAnalysis a = stats::analyse(writer.figures, stats::Generality::cases, writer.level);
  double row = 0, low = 0, high = 0;
  for (std::size_t i = 0; i < a.reader_differences.size() && i < writer.figures.readers; ++i) {
    const stats::ReaderEffect& e = a.reader_differences[i];
    row += 1;
    points.x.push_back(e.value);
    points.y.push_back(row);
    points.x_low.push_back(e.lower.value_or(e.value));
    points.x_high.push_back(e.upper.value_or(e.value));
    low = std::min(low, points.x_low.back());
    high = std::max(high, points.x_high.back());
    plot.y.ticks.emplace_back(row, writer.study.readers[i]);
  }
  plot.x.low = low - 0.02;
  plot.x.high = high + 0.02;
  plot.y.label = french ? "lecteur" : "reader";
  plot.y.low = 0;
  plot.y.high = row + 1;
  plot.rules.push_back({.at = 0, .vertical = true});
  plot.points.push_back(std::move(points));
  return plot;
}

Outcome run_mrmc(const AnalysisRequest& request) {
  const AnalysisEntry entry = mrmc_entry();
  const std::string figure = option_text(entry, request, "figure");
  const std::string covariances = option_text(entry, request, "covariances");
  const DataTable table = DataTable::read(request.inputs.at("input"));
  const auto marks = request.inputs.find("marks");
  const std::optional<stats::FrocFigure> froc = stats::froc_figure_named(figure);
  if (froc.has_value() != (marks != request.inputs.end()))
    throw Error(ErrorCode::OptionInvalid,
                froc ? "--figure " + figure + " wants --marks" : "--marks wants a figure of marks")
        .remedy("--figure wAFROC --marks MARKS.csv, with the cases as --input");
  Study study;
  if (froc) {
    study = read_marks(table, DataTable::read(marks->second), *froc);
  } else {
    study = read_ratings(table);
    if (figure != "auc" && option_text(entry, request, "threshold").empty())
      throw Error(ErrorCode::OptionInvalid, "--figure " + figure + " wants --threshold");
    set_figures(study, figure, figure == "auc" ? 0 : option_number(entry, request, "threshold"));
  }
  const stats::ReaderStudy figures = study_with(study, covariances, request.common);
  Outcome outcome{.analysis = "mrmc"};
  outcome.notes = study.notes;
  const bool bounded = !froc || (*froc != stats::FrocFigure::MaxNLF && *froc != stats::FrocFigure::MaxNLFAllCases);
  const Writer writer{outcome, study, figures, lower_case(figure), covariances, request.common.level, bounded};
  writer.add_readers();
  for (const Kind& kind : kKinds) writer.add_analysis(kind);
  writer.add_components();
  if (figures.arms > 1) outcome.plots.push_back(reader_forest(writer, request.common.language == "fr"));
  return outcome;
}

}  // namespace

AnalysisEntry mrmc_entry() {
  return {
      .name = "mrmc",
      .title = "Reader studies: several readers, several cases, two or more arms (Obuchowski-Rockette)",
      .inputs = {{.name = "input",
                  .help = "CSV reader,treatment,case,truth,rating; with --marks: case,truth,lesions,weights"},
                 {.name = "marks",
                  .help = "CSV modality,reader,case,truth,mark,lesion,rating (mark NL or LL)",
                  .required = false}},
      .options = {{.name = "figure",
                   .help = "what is compared",
                   .initial = "auc",
                   .words = {"auc", "sensitivity", "specificity", "AFROC", "AFROC1", "wAFROC", "wAFROC1", "HrAuc",
                             "HrSe", "HrSp", "MaxLLF", "MaxNLF", "MaxNLFAllCases", "SongA1", "SongA2", "ExpTrnsfmSp"}},
                  {.name = "covariances",
                   .help = "of the errors of two figures",
                   .initial = "jackknife",
                   .words = {"jackknife", "delong", "unbiased", "bootstrap"}},
                  {.name = "threshold", .help = "rating from which a case is called positive"}},
      .run = run_mrmc};
}

}  // namespace rouage::evidence
