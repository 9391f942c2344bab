#include "evidence/report.h"

#include <fmt/format.h>
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "stats/assistance.h"
#include "stats/distributions.h"
#include "stats/ordinal.h"
#include "stats/text_scores.h"

namespace rouage::evidence {
namespace {

std::uint32_t index_in(std::vector<std::string>& names, const std::string& name) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found != names.end()) return static_cast<std::uint32_t>(found - names.begin());
  names.push_back(name);
  return static_cast<std::uint32_t>(names.size() - 1);
}

/// case,rater,source,rating: reports of several sources, rated.
struct Rated {
  std::vector<std::string> sources{}, cases{}, raters{};
  std::vector<double> levels{};  ///< ratings that occur, ascending
  std::vector<std::uint32_t> source{}, case_of{}, rater{}, rating{};
};

Rated rated(const DataTable& table, const std::vector<std::string>& order) {
  const std::size_t case_at = table.column("case"), rater_at = table.column("rater"),
                    source_at = table.column("source"), rating_at = table.column("rating");
  Rated out{.sources = order};
  std::vector<double> values;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    const auto value = table.number(row, rating_at);
    if (!value) continue;
    values.push_back(*value);
    out.source.push_back(index_in(out.sources, table.text(row, source_at)));
    out.case_of.push_back(index_in(out.cases, table.text(row, case_at)));
    out.rater.push_back(index_in(out.raters, table.text(row, rater_at)));
  }
  for (const std::string& source : order)
    if (std::count(out.source.begin(), out.source.end(), index_in(out.sources, source)) == 0)
      throw Error(ErrorCode::OptionInvalid, "--sources names \"" + source + "\", which no row has").file(table.name());
  out.levels = values;
  std::sort(out.levels.begin(), out.levels.end());
  out.levels.erase(std::unique(out.levels.begin(), out.levels.end()), out.levels.end());
  if (out.levels.size() > 50)
    throw Error(ErrorCode::TableInvalid, "more than 50 different ratings").file(table.name()).remedy("rate on a scale");
  for (const double value : values)
    out.rating.push_back(
        static_cast<std::uint32_t>(std::lower_bound(out.levels.begin(), out.levels.end(), value) - out.levels.begin()));
  return out;
}

stats::OrdinalData model_of(const Rated& data, bool sources) {
  stats::OrdinalData model{.categories = static_cast<std::uint32_t>(data.levels.size()), .outcome = data.rating};
  if (sources) {
    model.predictors = static_cast<std::uint32_t>(data.sources.size() - 1);
    for (const std::uint32_t source : data.source)
      for (std::uint32_t k = 1; k <= model.predictors; ++k) model.x.push_back(source == k ? 1 : 0);
  }
  if (data.cases.size() > 1)
    model.terms.push_back({.levels = static_cast<std::uint32_t>(data.cases.size()), .group = data.case_of});
  if (data.raters.size() > 1)
    model.terms.push_back({.levels = static_cast<std::uint32_t>(data.raters.size()), .group = data.rater});
  return model;
}

/// Each pair of sources: odds of a better rating, second over first.
void add_odds(Outcome& outcome, const Rated& data, const stats::OrdinalFit& fit, double level,
              const std::string& method) {
  const double z = stats::normal_quantile((1 + level) / 2);
  const std::size_t shift = fit.thresholds.size(), width = shift + fit.coefficients.size();
  for (std::size_t a = 0; a < data.sources.size(); ++a)
    for (std::size_t b = a + 1; b < data.sources.size(); ++b) {
      Figure figure{.name = "odds_ratio",
                    .stratum = data.sources[b] + " / " + data.sources[a],
                    .level = level,
                    .method = method + "; above 1: better ratings; Wald interval",
                    .n = data.cases.size(),
                    .why = fit.why};
      if (fit.why.empty()) {
        const auto covariance = [&](std::size_t i, std::size_t j) {
          return i == 0 || j == 0 ? 0 : fit.covariance[(shift + i - 1) * width + shift + j - 1];
        };
        const double difference = fit.coefficients[b - 1] - (a == 0 ? 0 : fit.coefficients[a - 1]);
        const double error = std::sqrt(covariance(a, a) + covariance(b, b) - 2 * covariance(a, b));
        figure.value = std::exp(difference);
        figure.lower = std::exp(difference - z * error);
        figure.upper = std::exp(difference + z * error);
        outcome.tests.push_back({.name = "odds_ratio_is_one",
                                 .method = method + ", Wald, not adjusted for several pairs",
                                 .stratum = figure.stratum,
                                 .statistic = difference / error,
                                 .value = difference,
                                 .p = 2 * stats::normal_upper(std::abs(difference / error))});
      }
      outcome.estimates.push_back(std::move(figure));
    }
}

void add_model(Outcome& outcome, const Rated& data, const std::string& link, double level) {
  const stats::OrdinalOptions options{.link = link == "probit" ? stats::Link::probit : stats::Link::logit};
  stats::OrdinalFit fit{.why = data.sources.size() < 2 ? "one source only" : ""};
  if (fit.why.empty()) fit = stats::cumulative_link_fit(model_of(data, true), options);
  const std::string method =
      "cumulative link mixed model (logit), random intercepts of case and rater, Laplace; as Huang et al. (2023)";
  if (options.link == stats::Link::logit) add_odds(outcome, data, fit, level, method);
  Test test{.name = "sources_equal", .method = "likelihood ratio, cumulative link mixed model (" + link + ")"};
  const stats::OrdinalFit none =
      fit.why.empty() ? stats::cumulative_link_fit(model_of(data, false), options) : stats::OrdinalFit{.why = fit.why};
  test.why = fit.why.empty() ? none.why : fit.why;
  if (test.why.empty()) {
    const auto df = static_cast<double>(data.sources.size() - 1);
    test.statistic = std::max(0.0, 2 * (fit.log_likelihood - none.log_likelihood));
    test.df = {df};
    test.p = stats::chi_square_upper(*test.statistic, df);
    Detail detail{.title = "random effects (link's scale)", .header = {"of", "standard deviation"}};
    std::size_t t = 0;
    if (data.cases.size() > 1) detail.rows.push_back({"case", fmt::format("{:.4g}", fit.sd[t++])});
    if (data.raters.size() > 1) detail.rows.push_back({"rater", fmt::format("{:.4g}", fit.sd[t])});
    outcome.details.push_back(std::move(detail));
  }
  outcome.tests.push_back(std::move(test));
}

/// How often each rating, by source; and the mean rating, for orientation.
void add_distribution(Outcome& outcome, const Rated& data) {
  Detail detail{.title = "ratings by source", .header = {"source", "n"}};
  for (const double level : data.levels) detail.header.push_back(number_text(level));
  for (std::uint32_t s = 0; s < data.sources.size(); ++s) {
    std::vector<std::size_t> counts(data.levels.size(), 0);
    std::size_t n = 0;
    for (std::size_t row = 0; row < data.source.size(); ++row)
      if (data.source[row] == s) {
        ++counts[data.rating[row]];
        ++n;
      }
    std::vector<std::string> line{data.sources[s], fmt::format("{}", n)};
    for (const std::size_t count : counts) line.push_back(fmt::format("{}", count));
    detail.rows.push_back(std::move(line));
  }
  outcome.details.push_back(std::move(detail));
}

/// Column `error`: a category a rating, empty for none.
void add_errors(Outcome& outcome, const DataTable& table, double level) {
  const auto error_at = table.find("error");
  if (!error_at) return;
  const std::size_t source_at = table.column("source"), rating_at = table.column("rating");
  std::map<std::string, std::size_t> totals;
  std::map<std::string, std::map<std::string, std::size_t>> counts;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    if (!table.number(row, rating_at)) continue;
    ++totals[table.text(row, source_at)];
    if (const std::string& error = table.text(row, *error_at); !error.empty())
      ++counts[error][table.text(row, source_at)];
  }
  for (const auto& [error, by_source] : counts)
    for (const auto& [source, total] : totals) {
      const auto found = by_source.find(source);
      const auto k = static_cast<double>(found == by_source.end() ? 0 : found->second);
      const auto n = static_cast<double>(total);
      const double tail = (1 - level) / 2;
      outcome.estimates.push_back({.name = "error_share",
                                   .stratum = "source=" + source + "; error=" + error,
                                   .value = k / n,
                                   .lower = k > 0 ? stats::beta_quantile(tail, k, n - k + 1) : 0,
                                   .upper = k < n ? stats::beta_quantile(1 - tail, k + 1, n - k) : 1,
                                   .level = level,
                                   .method = "share of ratings, Clopper-Pearson (1934); ratings taken as independent",
                                   .n = total});
    }
}

std::vector<stats::TextPair> texts_of(const DataTable& table) {
  const std::size_t candidate_at = table.column("candidate");
  std::vector<std::size_t> references{table.column("reference")};
  for (int k = 2; const auto more = table.find("reference" + std::to_string(k)); ++k) references.push_back(*more);
  std::vector<stats::TextPair> pairs;
  for (std::size_t row = 0; row < table.rows(); ++row) {
    stats::TextPair pair{.candidate = stats::words_of(table.text(row, candidate_at))};
    for (const std::size_t at : references)
      if (auto words = stats::words_of(table.text(row, at)); !words.empty())
        pair.references.push_back(std::move(words));
    if (pair.references.empty())
      throw Error(ErrorCode::TableInvalid, fmt::format("line {}: no reference text", table.line(row)))
          .file(table.name());
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

/// Mean of one value a text, interval by percentile bootstrap over texts.
void add_mean(Outcome& outcome, const std::string& name, const std::string& method, const std::vector<double>& values,
              const std::string& why, const AnalysisOptions& common) {
  Figure figure{.name = name, .level = common.level, .n = values.size(), .why = values.empty() ? why : ""};
  figure.method = method + ", percentile bootstrap over texts";
  if (!values.empty()) {
    stats::ArmReadings texts{.value = values, .readers = 1, .cases = static_cast<std::uint32_t>(values.size())};
    for (std::uint32_t i = 0; i < texts.cases; ++i) texts.case_of.push_back(i);
    texts.arm.assign(values.size(), 1);
    texts.reader.assign(values.size(), 0);
    const stats::ArmFigure mean =
        stats::arm_difference(texts, common.level, common.draws, {common.seed, common.threads}).second;
    figure.value = mean.value;
    figure.lower = mean.lower;
    figure.upper = mean.upper;
    figure.why = mean.why;
  }
  outcome.estimates.push_back(std::move(figure));
}

void add_corpus_bleu(Outcome& outcome, const std::vector<stats::TextPair>& pairs, std::size_t order,
                     const AnalysisOptions& common) {
  Figure figure{.name = fmt::format("bleu_{}", order), .level = common.level, .n = pairs.size()};
  figure.method = "corpus BLEU without smoothing, Papineni et al. (2002), percentile bootstrap over texts";
  figure.value = stats::corpus_bleu(pairs, order);
  if (!figure.value) figure.why = fmt::format("no candidate holds {} words in a row", order);
  if (figure.value) {
    const stats::BleuInterval interval = stats::corpus_bleu_interval(
        pairs, order, common.level, std::min<std::uint64_t>(common.draws, 500), {common.seed, common.threads});
    figure.lower = interval.lower;
    figure.upper = interval.upper;
    figure.why = interval.why;
  }
  outcome.estimates.push_back(std::move(figure));
}

void add_texts(Outcome& outcome, const DataTable& table, double beta, const AnalysisOptions& common) {
  const std::vector<stats::TextPair> pairs = texts_of(table);
  if (pairs.empty()) throw Error(ErrorCode::StatisticUndefined, "no text").file(table.name());
  for (std::size_t order = 1; order <= 4; ++order) add_corpus_bleu(outcome, pairs, order, common);
  std::vector<double> sentence, rouge;
  for (const stats::TextPair& pair : pairs) {
    sentence.push_back(stats::sentence_bleu(pair, 4).value_or(0));
    rouge.push_back(stats::rouge_l(pair, beta).value_or(0));
  }
  add_mean(outcome, "sentence_bleu_4", "mean BLEU-4 of texts, orders above 1 smoothed by one, Lin and Och (2004)",
           sentence, "", common);
  add_mean(outcome, "rouge_l", fmt::format("mean ROUGE-L F, beta {}, best reference, Lin (2004)", number_text(beta)),
           rouge, "", common);
  add_mean(outcome, "cider_d", "CIDEr-D, Vedantam et al. (2015), without stemming, idf of these references",
           stats::cider_d(pairs), "fewer than two texts give no idf", common);
  outcome.notes.push_back(common.language == "fr"
                              ? "BLEU, ROUGE-L et CIDEr comptent des mots communs : ils ne disent pas si un compte "
                                "rendu est juste ; un texte candidat vide compte 0"
                              : "BLEU, ROUGE-L and CIDEr count common words: they do not say whether a report is "
                                "right; an empty candidate counts 0");
}

Outcome run_report(const AnalysisRequest& request) {
  const AnalysisEntry entry = report_entry();
  Outcome outcome{.analysis = "report"};
  const auto ratings = request.inputs.find("input"), texts = request.inputs.find("texts");
  if (ratings == request.inputs.end() && texts == request.inputs.end())
    throw Error(ErrorCode::OptionInvalid, "neither ratings nor texts").remedy("--input FILE, --texts FILE or both");
  if (ratings != request.inputs.end()) {
    const DataTable table = DataTable::read(ratings->second);
    const Rated data = rated(table, option_list(entry, request, "sources"));
    if (data.rating.empty()) throw Error(ErrorCode::StatisticUndefined, "no rating").file(table.name());
    add_model(outcome, data, option_text(entry, request, "link"), request.common.level);
    add_distribution(outcome, data);
    add_errors(outcome, table, request.common.level);
  }
  if (texts != request.inputs.end()) {
    const double beta = option_number(entry, request, "beta");
    if (!(beta > 0 && beta <= 100)) throw Error(ErrorCode::OptionInvalid, "--beta must be above 0 and at most 100");
    add_texts(outcome, DataTable::read(texts->second), beta, request.common);
  }
  return outcome;
}

}  // namespace

AnalysisEntry report_entry() {
  return {.name = "report",
          .title = "Reports of several sources: clinicians' ordinal ratings, errors, nearness to reference texts",
          .inputs = {{.name = "input",
                      .help = "CSV case,rater,source,rating[,error]; higher ratings are better",
                      .required = false},
                     {.name = "texts", .help = "CSV candidate,reference[,reference2...]", .required = false}},
          .options = {{.name = "sources", .help = "sources in order, the first is the one compared with"},
                      {.name = "link",
                       .help = "of the model; odds ratios want logit",
                       .initial = "logit",
                       .words = {"logit", "probit"}},
                      {.name = "beta", .help = "weight of recall in ROUGE-L", .initial = "1.2"}},
          .run = run_report};
}

}  // namespace rouage::evidence
