#include "stats/survival.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "base/values.h"
#include "stats/distributions.h"
#include "stats/random.h"

namespace rouage::stats {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = fs::path(ROUAGE_SHARED_DIR) / "data" / "survival";

/// Cells of a CSV with optional quotes.
struct Csv {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows;

  explicit Csv(const std::string& name) {
    std::ifstream file(kFolder / name);
    std::string line;
    while (std::getline(file, line)) {
      std::vector<std::string> cells(1);
      bool quoted = false;
      for (const char c : line) {
        if (c == '"')
          quoted = !quoted;
        else if (c == ',' && !quoted)
          cells.emplace_back();
        else if (c != '\r')
          cells.back() += c;
      }
      (header.empty() ? header : rows.emplace_back()) = cells;
    }
  }
  std::size_t at(const std::string& name) const {
    for (std::size_t i = 0; i < header.size(); ++i)
      if (header[i] == name) return i;
    throw std::runtime_error("no column " + name);
  }
  std::vector<double> numbers(const std::string& name) const {
    std::vector<double> values;
    for (const auto& row : rows)
      values.push_back(row[at(name)].empty() || row[at(name)] == "NA" ? std::nan("") : std::stod(row[at(name)]));
    return values;
  }
  std::vector<std::string> texts(const std::string& name) const {
    std::vector<std::string> values;
    for (const auto& row : rows) values.push_back(row[at(name)]);
    return values;
  }
};

struct Trial {
  std::vector<double> time, entry;
  std::vector<std::uint8_t> event;
  std::vector<std::string> names;
  std::vector<double> x;  ///< [row][column], complete rows only
  std::vector<std::string> group;

  SurvivalView view() const { return {.time = time, .event = event, .entry = entry}; }
  CoxDesign design() const { return {.data = view(), .covariates = x, .columns = names.size()}; }
};

std::vector<std::string> words_of(std::string formula) {
  formula = formula.substr(formula.find('~') + 1);
  formula = formula.substr(0, formula.find(';'));
  while (!formula.empty() && formula.back() == ')') formula.pop_back();
  std::vector<std::string> words;
  for (const std::string& word : split(formula, '+')) words.emplace_back(trimmed(word));
  return words;
}

/// The data set of a reference row, its covariates or its group as the formula says.
Trial trial_of(const std::string& set, const std::string& model) {
  const Csv csv(set + ".csv");
  const std::map<std::string, std::pair<std::string, std::string>> columns{
      {"rossi", {"week", "arrest"}},
      {"whas500", {"lenfol", "fstat"}},
      {"veteran", {"Survival_in_days", "Status"}},
      {"lung1_clinical", {"Survival.time", "deadstatus.event"}},
      {"stanford_heart", {"stop", "event"}}};
  const auto& [time, event] = columns.at(set);
  const std::vector<double> times = csv.numbers(time);
  const std::vector<std::string> status = csv.texts(event);
  const std::vector<std::string> words = words_of(model);
  const bool cox = model.starts_with("coxph") || model.starts_with("Cox");
  Trial trial;
  std::vector<std::vector<double>> x;
  if (cox)
    for (const std::string& word : words) {
      if (word == "male") {
        x.emplace_back();
        for (const std::string& gender : csv.texts("gender")) x.back().push_back(gender == "male" ? 1 : 0);
      } else {
        x.push_back(csv.numbers(word == "T" ? "clinical.T.Stage" : word == "N" ? "Clinical.N.Stage" : word));
      }
      trial.names.push_back(word);
    }
  const std::vector<double> starts = set == "stanford_heart" ? csv.numbers("start") : std::vector<double>{};
  const std::vector<std::string> groups =
      cox || words[0] == "1" ? std::vector<std::string>(times.size()) : csv.texts(words[0]);
  for (std::size_t i = 0; i < times.size(); ++i) {
    bool whole = cox || words[0] == "1" || (!groups[i].empty() && groups[i] != "NA");
    for (const auto& column : x) whole = whole && !std::isnan(column[i]);
    if (!whole) continue;
    trial.time.push_back(times[i]);
    trial.event.push_back(status[i] == "1" || status[i] == "1.0" || status[i] == "dead");
    if (!starts.empty()) trial.entry.push_back(starts[i]);
    trial.group.push_back(groups[i]);
    for (const auto& column : x) trial.x.push_back(column[i]);
  }
  return trial;
}

struct Groups {
  std::vector<std::string> names;
  std::vector<std::uint32_t> of;
};

Groups groups_of(const std::vector<std::string>& texts) {
  const std::set<std::string> sorted(texts.begin(), texts.end());
  Groups groups{{sorted.begin(), sorted.end()}, {}};
  for (const std::string& text : texts)
    groups.of.push_back(static_cast<std::uint32_t>(std::distance(sorted.begin(), sorted.find(text))));
  return groups;
}

SurvivalCurve curve_of(const Trial& trial, const std::string& group) {
  std::vector<double> time;
  std::vector<std::uint8_t> event;
  for (std::size_t i = 0; i < trial.time.size(); ++i)
    if (trial.group[i] == group) {
      time.push_back(trial.time[i]);
      event.push_back(trial.event[i]);
    }
  return kaplan_meier({.time = time, .event = event}, 0.95);
}

/// One figure of a Cox model by the reference's name for it.
double cox_value(const Trial& trial, const CoxFit& fit, const std::string& quantity, const std::string& level) {
  std::size_t j = 0;
  while (j < trial.names.size() && trial.names[j] != level && trial.names[j] + "1" != level) ++j;
  if (quantity == "coef") return fit.coefficient.at(j);
  if (quantity == "se") return fit.standard_error.at(j);
  if (quantity == "p_wald") return 2 * normal_upper(std::abs(fit.coefficient.at(j) / fit.standard_error.at(j)));
  if (quantity == "loglik_null") return fit.loglik_null;
  if (quantity == "loglik") return fit.loglik;
  if (quantity == "neg_loglik") return -fit.loglik;
  if (quantity == "lr_chisq") return fit.likelihood_ratio.statistic.value();
  if (quantity == "score_chisq") return fit.score.statistic.value();
  if (quantity == "wald_chisq") return fit.wald.statistic.value();
  if (quantity == "n") return static_cast<double>(fit.rows);
  if (quantity == "events") return static_cast<double>(fit.events);
  if (quantity == "cox.zph_chisq") return fit.proportional.at(j).statistic.value();
  if (quantity == "cox.zph_p") return fit.proportional.at(j).p.value();
  const Concordance c = harrell_concordance(trial.view(), fit.linear_predictor);
  return quantity == "concordance" ? c.value.value() : c.standard_error.value();
}

double curve_value(const Trial& trial, const std::string& quantity, const std::string& level) {
  const std::size_t cut = level.find(" t=");
  const std::string named = level.substr(0, cut),
                    group = named.substr(named.find('=') == std::string::npos ? 0 : named.find('=') + 1);
  const SurvivalCurve curve = curve_of(trial, group);
  if (quantity == "median") return survival_quantile(curve, 0.5).value.value_or(std::nan(""));
  const double t = std::stod(level.substr(cut + 3));
  if (quantity == "S(t)") return curve.survival_at(t);
  return quantity == "n_risk" ? curve.at_risk_at(t) : curve.error_at(t);
}

double rank_value(const Trial& trial, const std::string& quantity, const std::string& level) {
  const Groups groups = groups_of(trial.group);
  const LogRank result = log_rank(trial.view(), groups.of, static_cast<std::uint32_t>(groups.names.size()));
  if (quantity == "logrank_chisq" || quantity == "chisq") return result.test.statistic.value();
  if (quantity == "df") return result.test.df;
  if (quantity == "p") return result.test.p.value();
  const std::string name = level.substr(level.find('=') == std::string::npos ? 0 : level.find('=') + 1);
  const auto at =
      static_cast<std::size_t>(std::find(groups.names.begin(), groups.names.end(), name) - groups.names.begin());
  return quantity == "observed" ? result.observed.at(at) : result.expected.at(at);
}

/// All 486 rows that R 4.2.2 with survival 3.5-3 gave (../shared/data/survival/README.md). R stops its iterations at
/// 1e-9 of the likelihood, hence 1e-6 relative; Wald's statistic is printed there with two decimals.
TEST(SurvivalReference, EveryFigureOfRIsReached) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "no ../shared/data/survival";
  const Csv reference("reference_R.csv");
  std::map<std::string, std::pair<Trial, CoxFit>> fits;
  std::map<std::string, Trial> trials;
  std::size_t reached = 0;
  for (const auto& row : reference.rows) {
    const std::string &set = row[0], &model = row[1], &quantity = row[2], &level = row[3];
    const std::string key = set + model;
    if (!trials.count(key)) trials[key] = trial_of(set, model);
    const Trial& trial = trials[key];
    double value = 0;
    if (model.starts_with("coxph")) {
      if (!fits.count(key))
        fits[key] = {trial, cox_regression(trial.design(),
                                           {.ties = model.find("breslow") == std::string::npos ? CoxTies::efron
                                                                                               : CoxTies::breslow})};
      value = cox_value(trial, fits[key].second, quantity, level);
    } else {
      value = model.starts_with("survfit") ? curve_value(trial, quantity, level) : rank_value(trial, quantity, level);
    }
    ++reached;
    if (row[4] == "NA" || row[4].empty()) {
      EXPECT_TRUE(std::isnan(value)) << key << ' ' << quantity << ' ' << level;
      continue;
    }
    const double expected = std::stod(row[4]);
    const double tolerance = quantity == "wald_chisq" ? 0.00501 : 1e-6 * std::abs(expected) + 1e-9;
    EXPECT_NEAR(value, expected, tolerance) << key << ' ' << quantity << ' ' << level;
  }
  EXPECT_EQ(reached, 486U);
}

/// The published rows of Cox, log-rank and Harrell's C, to the digits that are printed. One row is left out:
/// scikit-survival's tied_time counts an event and a censoring at the same time (14, comparable here as there), ours as
/// R's counts two events at the same time.
TEST(SurvivalReference, EveryPublishedFigureIsReached) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "no ../shared/data/survival";
  const Csv reference("reference_published.csv");
  std::size_t reached = 0;
  for (const auto& row : reference.rows) {
    const std::string &set = row[0], &model = row[1], &quantity = row[2], &level = row[3];
    double value = 0;
    if (model.starts_with("Cox")) {
      const Trial trial = trial_of(set, "Cox ~ fin + age + race + wexp + mar + paro + prio");
      const bool efron = model.find("breslow") == std::string::npos;
      value = cox_value(trial, cox_regression(trial.design(), {.ties = efron ? CoxTies::efron : CoxTies::breslow}),
                        quantity, level);
    } else if (model.starts_with("log-rank")) {
      value = rank_value(trial_of(set, "survdiff ~ " + model.substr(model.find("by ") + 3)), quantity, level);
    } else if (model.starts_with("Harrell")) {
      const Csv csv("whas500_predictions.csv");
      const std::vector<double> time = csv.numbers("time"), risk = csv.numbers("risk");
      std::vector<std::uint8_t> event;
      for (const double e : csv.numbers("event")) event.push_back(e > 0);
      const Concordance c = harrell_concordance({.time = time, .event = event}, risk);
      const std::map<std::string, double> values{{"cindex", c.value.value()},
                                                 {"concordant", c.concordant},
                                                 {"discordant", c.discordant},
                                                 {"tied_risk", c.tied_score},
                                                 {"tied_time", c.tied_time}};
      value = values.at(quantity);
    } else {
      continue;
    }
    if (quantity == "tied_time") continue;
    ++reached;
    const std::string digits =
        row[4].substr(row[4].find('.') == std::string::npos ? row[4].size() : row[4].find('.') + 1);
    const double last = std::pow(10, -static_cast<double>(std::min<std::size_t>(digits.size(), 7)));
    EXPECT_NEAR(value, std::stod(row[4]), last) << set << ' ' << model << ' ' << quantity << ' ' << level;
  }
  EXPECT_EQ(reached, 30U);
}

/// By hand: times 1, 2+, 3, 4+ (+: censored). S = 3/4, then 3/4 * 1/2.
TEST(KaplanMeier, ByHand) {
  const std::vector<double> time{1, 2, 3, 4};
  const std::vector<std::uint8_t> event{1, 0, 1, 0};
  const SurvivalCurve curve = kaplan_meier({.time = time, .event = event}, 0.95);
  EXPECT_DOUBLE_EQ(curve.survival_at(0.5), 1);
  EXPECT_DOUBLE_EQ(curve.survival_at(1), 0.75);
  EXPECT_DOUBLE_EQ(curve.survival_before(3), 0.75);
  EXPECT_DOUBLE_EQ(curve.survival_at(9), 0.375);
  EXPECT_NEAR(curve.error_at(3), 0.375 * std::sqrt(1.0 / 12 + 1.0 / 2), 1e-15);
  EXPECT_NEAR(curve.hazard[2], 0.25 + 0.5, 1e-15);
  EXPECT_NEAR(restricted_mean(curve, 4).value, 1 + 2 * 0.75 + 0.375, 1e-15);
  EXPECT_DOUBLE_EQ(survival_quantile(curve, 0.5).value.value(), 3);
  EXPECT_FALSE(survival_quantile(curve, 0.9).value);
}

/// Without censoring S is a share, and Greenwood's error the binomial one.
TEST(KaplanMeier, WithoutCensoringIsTheShare) {
  Random random(3);
  std::vector<double> time;
  for (int i = 0; i < 200; ++i) time.push_back(std::floor(random.uniform() * 40));
  const std::vector<std::uint8_t> event(200, 1);
  const SurvivalCurve curve = kaplan_meier({.time = time, .event = event}, 0.95);
  for (const double t : {3.0, 17.0, 30.0}) {
    const double share =
        static_cast<double>(std::count_if(time.begin(), time.end(), [&](double v) { return v > t; })) / 200;
    EXPECT_NEAR(curve.survival_at(t), share, 1e-12);
    EXPECT_NEAR(curve.error_at(t), std::sqrt(share * (1 - share) / 200), 1e-12);
  }
}

TEST(KaplanMeier, WhoEntersLateIsNotAtRiskBefore) {
  const std::vector<double> time{2, 5, 6}, entry{0, 3, 0};
  const std::vector<std::uint8_t> event{1, 1, 0};
  const SurvivalCurve curve = kaplan_meier({.time = time, .event = event, .entry = entry}, 0.95);
  EXPECT_EQ(curve.at_risk, (std::vector<double>{2, 2, 1}));
  EXPECT_DOUBLE_EQ(curve.survival_at(5), 0.25);
}

/// A fast path beside a plain count of all pairs, with ties of score and time, weights, strata and late entries.
TEST(Harrell, IsTheCountOfAllPairs) {
  Random random(5);
  constexpr std::size_t kRows = 150;
  std::vector<double> time, entry, weight, score;
  std::vector<std::uint8_t> event;
  std::vector<std::uint32_t> stratum;
  for (std::size_t i = 0; i < kRows; ++i) {
    entry.push_back(static_cast<double>(random.below(5)));
    time.push_back(entry.back() + 1 + static_cast<double>(random.below(20)));
    event.push_back(random.below(3) > 0);
    weight.push_back(1 + static_cast<double>(random.below(3)));
    score.push_back(static_cast<double>(random.below(12)));
    stratum.push_back(static_cast<std::uint32_t>(random.below(2)));
  }
  double good = 0, bad = 0, same = 0;
  std::vector<double> influence(kRows);
  for (int pass = 0; pass < 2; ++pass) {
    const double all = good + bad + same, somers = pass ? (good - bad) / all : 0;
    for (std::size_t i = 0; i < kRows; ++i)
      for (std::size_t j = 0; j < kRows; ++j) {
        const bool later = time[j] > time[i] || (time[j] == time[i] && !event[j]);
        if (i == j || !event[i] || stratum[i] != stratum[j] || !later || entry[j] >= time[i]) continue;
        const double w = weight[i] * weight[j];
        if (pass == 0) {
          (score[i] > score[j] ? good : score[i] < score[j] ? bad : same) += w;
          continue;
        }
        const double sign = score[i] > score[j] ? 1 : score[i] < score[j] ? -1 : 0;
        influence[i] += w * (sign - somers) / (2 * all);
        influence[j] += w * (sign - somers) / (2 * all);
      }
  }
  const Concordance c =
      harrell_concordance({.time = time, .event = event, .entry = entry, .weight = weight, .stratum = stratum}, score);
  EXPECT_NEAR(c.concordant, good, 1e-9);
  EXPECT_NEAR(c.discordant, bad, 1e-9);
  EXPECT_NEAR(c.tied_score, same, 1e-9);
  for (std::size_t i = 0; i < kRows; ++i) EXPECT_NEAR(c.influence[i], influence[i], 1e-12) << i;
}

/// Under the null the log-rank test rejects 5 % of 2,000 simulated trials (standard error 0.5 points; 3 are allowed).
TEST(LogRankTest, HoldsItsLevel) {
  int rejected = 0;
  for (std::uint64_t study = 0; study < 2000; ++study) {
    Random random(7, study);
    std::vector<double> time;
    std::vector<std::uint8_t> event;
    std::vector<std::uint32_t> group;
    for (int i = 0; i < 80; ++i) {
      const double death = -std::log(1 - random.uniform()), end = random.uniform() * 3;
      time.push_back(std::min(death, end));
      event.push_back(death <= end);
      group.push_back(static_cast<std::uint32_t>(i % 2));
    }
    rejected += log_rank({.time = time, .event = event}, group, 2).test.p.value() < 0.05;
  }
  EXPECT_NEAR(rejected / 2000.0, 0.05, 0.015);
}

/// Two groups and no ties: Cox's score test is the log-rank test; three groups' trend with two groups is the same too.
TEST(Cox, ItsScoreTestIsTheLogRankTest) {
  Random random(11);
  std::vector<double> time, x;
  std::vector<std::uint8_t> event;
  std::vector<std::uint32_t> group;
  for (int i = 0; i < 100; ++i) {
    group.push_back(static_cast<std::uint32_t>(random.below(2)));
    x.push_back(group.back());
    time.push_back(-std::log(1 - random.uniform()) / (1 + x.back()));
    event.push_back(random.below(4) > 0);
  }
  const CoxFit fit = cox_regression({.data = {.time = time, .event = event}, .covariates = x, .columns = 1}, {});
  const LogRank rank = log_rank({.time = time, .event = event}, group, 2);
  EXPECT_NEAR(fit.score.statistic.value(), rank.test.statistic.value(), 1e-9);
  EXPECT_NEAR(rank.trend.statistic.value(), rank.test.statistic.value(), 1e-9);
}

/// Score residuals sum to nothing at the maximum, and so do martingale residuals; the robust error needs them.
TEST(Cox, ResidualsSumToNothing) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "no ../shared/data/survival";
  for (const CoxTies ties : {CoxTies::efron, CoxTies::breslow})
    for (const char* set : {"rossi", "stanford_heart"}) {
      const Trial trial =
          trial_of(set, std::string(set) == "rossi" ? "coxph ~ fin + age + prio" : "coxph ~ age + year + surgery");
      const CoxFit fit = cox_regression(trial.design(), {.ties = ties, .robust = true});
      double sum = 0, first = 0;
      for (const double r : fit.martingale) sum += r;
      for (std::size_t i = 0; i < trial.time.size(); ++i) first += fit.dfbeta[i * trial.names.size()];
      EXPECT_NEAR(sum, 0, 1e-9);
      EXPECT_NEAR(first, 0, 1e-9);
      EXPECT_NEAR(fit.robust_error[0] / fit.standard_error[0], 1, 0.25);
    }
}

// EVI-5
TEST(Cox, SaysWhichCoefficientHasNoBoundAndWhichIsAliased) {
  std::vector<double> time, x;
  std::vector<std::uint8_t> event;
  for (int i = 0; i < 40; ++i) {
    time.push_back(i + 1);
    event.push_back(i < 20);  // all events come first, and only where the first column is 1
    const double noise = (i * 7) % 5;
    for (const double value : {i < 20 ? 1.0 : 0.0, noise, 2 * noise + 1, 3.0}) x.push_back(value);
  }
  const CoxFit fit = cox_regression({.data = {.time = time, .event = event}, .covariates = x, .columns = 4}, {});
  EXPECT_EQ(fit.state,
            (std::vector<CoxState>{CoxState::infinite, CoxState::finite, CoxState::aliased, CoxState::aliased}));
  EXPECT_FALSE(fit.wald.statistic);
  EXPECT_TRUE(fit.likelihood_ratio.p);
  for (const auto& test : fit.proportional) EXPECT_FALSE(test.why.empty());
}

TEST(Cox, StrataHaveTheirOwnBaseline) {
  const std::vector<double> time{1, 2, 3, 4, 1, 2, 3, 4}, x{0, 1, 0, 1, 1, 0, 0, 1};
  const std::vector<std::uint8_t> event{1, 1, 1, 1, 1, 1, 1, 0};
  const std::vector<std::uint32_t> stratum{0, 0, 0, 0, 1, 1, 1, 1};
  const CoxFit fit =
      cox_regression({.data = {.time = time, .event = event, .stratum = stratum}, .covariates = x, .columns = 1}, {});
  EXPECT_EQ(fit.baseline.size(), 7U);
  EXPECT_DOUBLE_EQ(cox_survival(fit, 1, 0, 0.5), 1);
  EXPECT_LT(cox_survival(fit, 0, 0, 4), cox_survival(fit, 1, 0, 4));
}

TEST(Survival, RefusesWhatIsNoTime) {
  const auto code = [](std::vector<double> time, std::vector<double> entry, std::vector<std::uint8_t> event) {
    try {
      kaplan_meier({.time = time, .event = event, .entry = entry}, 0.95);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code({}, {}, {}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code({-1}, {}, {1}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code({std::nan("")}, {}, {1}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code({2}, {2}, {1}), ErrorCode::StatisticUndefined);
  EXPECT_EQ(code({2}, {1}, {1, 1}), ErrorCode::StatisticUndefined);
}

TEST(Survival, WithoutEventOrOrderNothingIsInvented) {
  const std::vector<double> time{1, 1, 1}, score{1, 2, 3};
  const std::vector<std::uint8_t> none{0, 0, 0}, all{1, 1, 1};
  const std::vector<std::uint32_t> group{0, 1, 1};
  EXPECT_DOUBLE_EQ(kaplan_meier({.time = time, .event = none}, 0.95).survival_at(1), 1);
  EXPECT_FALSE(harrell_concordance({.time = time, .event = none}, score).value);
  EXPECT_FALSE(harrell_concordance({.time = time, .event = all}, score).value);
  EXPECT_FALSE(log_rank({.time = time, .event = none}, group, 2).test.p);
  EXPECT_FALSE(log_rank({.time = time, .event = all}, group, 2).test.p);  // all die at once: no variance
  EXPECT_THROW(cox_regression({.data = {.time = time, .event = none}, .covariates = score, .columns = 1}, {}), Error);
}

}  // namespace
}  // namespace rouage::stats
