#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <limits>
#include <map>
#include <sstream>

#include "base/error.h"
#include "stats/random.h"
#include "stats/survival.h"

namespace rouage::stats {
namespace {

namespace fs = std::filesystem;
const fs::path kFolder = fs::path(ROUAGE_SHARED_DIR) / "data" / "survival";
constexpr double kAll = std::numeric_limits<double>::infinity();

struct Predictions {
  std::vector<double> time, score;
  std::vector<std::uint8_t> event;

  SurvivalView view(std::size_t from = 0, std::size_t to = SIZE_MAX) const {
    const std::size_t n = std::min(to, time.size()) - from;
    return {.time = std::span(time).subspan(from, n), .event = std::span(event).subspan(from, n)};
  }
};

/// whas500_predictions.csv: event,time,risk.
Predictions worcester() {
  Predictions p;
  std::ifstream file(kFolder / "whas500_predictions.csv");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string event, time, risk;
    std::getline(cells, event, ',');
    std::getline(cells, time, ',');
    std::getline(cells, risk, ',');
    p.event.push_back(std::stod(event) > 0);
    p.time.push_back(std::stod(time));
    p.score.push_back(std::stod(risk));
  }
  return p;
}

/// 300 patients, causes 0 to 2, tied whole times.
Predictions simulated(std::uint64_t seed) {
  Random random(seed);
  Predictions p;
  for (int i = 0; i < 300; ++i) {
    const double score = random.normal();
    const double death = -10 * std::log(1 - random.uniform()) * std::exp(-0.8 * score), end = 2 + random.uniform() * 20;
    p.score.push_back(score);
    p.time.push_back(std::ceil(std::min(death, end)));
    p.event.push_back(death > end ? 0 : random.below(3) == 0 ? 2 : 1);
  }
  return p;
}

/// What R prints for a script that reads time, event, score from `d`; empty: R or a package is not there.
std::map<std::string, double> r_says(const Predictions& p, const std::string& packages, const std::string& script) {
  const fs::path base = fs::temp_directory_path() / ("rouage-survival-r-" + std::to_string(::getpid()));
  const std::string csv = base.string() + ".csv", code = base.string() + ".R";
  {
    std::ofstream table(csv);
    table.precision(17);
    table << "time,event,score\n";
    for (std::size_t i = 0; i < p.time.size(); ++i)
      table << p.time[i] << ',' << int{p.event[i]} << ',' << p.score[i] << '\n';
    std::ofstream(code) << "for (k in strsplit('" << packages << "', ' ')[[1]]) suppressWarnings(suppressMessages("
                        << "if (!require(k, character.only=TRUE, quietly=TRUE)) quit(status=3)))\n"
                        << "d <- read.csv('" << csv << "'); say <- function(n, v) cat(n, format(v, digits=15), '\\n')\n"
                        << script;
  }
  std::map<std::string, double> said;
  if (FILE* pipe = ::popen(("Rscript --vanilla " + code + " 2>/dev/null").c_str(), "r")) {
    char name[100];
    double value = 0;
    while (std::fscanf(pipe, "%99s %lf", name, &value) == 2) said[name] = value;
    ::pclose(pipe);
  }
  fs::remove(csv);
  fs::remove(code);
  return said;
}

/// reference_published.csv (scikit-survival's tests). Its weights read the censoring curve at T: so does this test for
/// C. The AUC reads it before T: 2e-7 instead of the 5e-8 of the printed digits (one event ties with a censoring).
TEST(SurvivalPrediction, UnoAndTimeDependentAucAsPublished) {
  if (!fs::exists(kFolder)) GTEST_SKIP() << "no ../shared/data/survival";
  const Predictions p = worcester();
  EXPECT_NEAR(uno_concordance(p.view(), p.score, kAll, {}, CensoringSide::at).value.value(), 0.7929275009049014, 1e-9);
  const CensoringCurve censoring = censoring_curve(p.view(0, 300));
  const std::vector<double> times{200, 400, 600, 800, 1000, 1200, 1400};
  const std::vector<double> published{0.7720669, 0.7765915, 0.7962623, 0.8759295, 0.8759295, 0.8759513, 0.9147647};
  const SurvivalView later = p.view(300);
  const auto auc = time_dependent_auc(later, std::span(p.score).subspan(300), times, {}, &censoring);
  for (std::size_t k = 0; k < times.size(); ++k) EXPECT_NEAR(auc[k].value.value(), published[k], 2e-7) << times[k];
  EXPECT_NEAR(integrated_auc(later, auc).value(), 0.8045058, 1e-7);
}

/// survival::concordance with its error, for both weights, on tied times and a late tau.
TEST(SurvivalPrediction, ConcordanceAsR) {
  const Predictions p = simulated(1);
  Predictions one = p;
  for (auto& e : one.event) e = e > 0;
  const auto r =
      r_says(one, "survival",
             "for (w in c('n', 'n/G2')) { f <- concordance(Surv(time, event) ~ score, d, reverse=TRUE, "
             "timewt=w, timefix=FALSE)\n say(paste0('c', w), f$concordance); say(paste0('se', w), sqrt(f$var)) }\n");
  if (r.empty()) GTEST_SKIP() << "no R with survival";
  const Concordance harrell = harrell_concordance(one.view(), one.score),
                    uno = uno_concordance(one.view(), one.score, kAll);
  EXPECT_NEAR(harrell.value.value(), r.at("cn"), 1e-10);
  EXPECT_NEAR(harrell.standard_error.value(), r.at("sen"), 1e-10);
  EXPECT_NEAR(uno.value.value(), r.at("cn/G2"), 1e-10);
  EXPECT_NEAR(uno.standard_error.value(), r.at("sen/G2"), 1e-10);
}

/// pec's Brier score and reference (Kaplan-Meier), the weights of the same marginal censoring model.
TEST(SurvivalPrediction, BrierAsPec) {
  Predictions p = simulated(2);
  for (auto& e : p.event) e = e > 0;
  const std::vector<double> times{3, 6, 9, 12};
  const auto r =
      r_says(p, "survival prodlim pec",
             "S <- sapply(c(3,6,9,12), function(t) plogis(2 - t/6 - d$score))\n"
             "f <- pec(list(m=S), Surv(time, event) ~ 1, data=d, times=c(3,6,9,12), exact=FALSE, start=NULL, "
             "cens.model='marginal', reference=FALSE, verbose=FALSE)\n"
             "for (k in 1:4) say(paste0('b', k - 1), f$AppErr$m[k])\n");
  if (r.size() < 4) GTEST_SKIP() << "no R with pec";
  std::vector<double> predicted;
  for (const double score : p.score)
    for (const double t : times) predicted.push_back(1 / (1 + std::exp(-(2 - t / 6 - score))));
  const auto brier = brier_scores(p.view(), predicted, times, {});
  for (std::size_t k = 0; k < times.size(); ++k)
    EXPECT_NEAR(brier[k].value.value(), r.at("b" + std::to_string(k)), 1e-9) << times[k];
}

/// Without censoring the Brier score is the mean square, and the AUC the share of ordered pairs.
TEST(SurvivalPrediction, WithoutCensoringNothingIsWeighted) {
  Predictions p = simulated(3);
  for (auto& e : p.event) e = 1;
  const std::vector<double> times{5}, half(p.time.size(), 0.5);
  EXPECT_NEAR(brier_scores(p.view(), half, times, {})[0].value.value(), 0.25, 1e-12);
  double won = 0, pairs = 0;
  for (std::size_t i = 0; i < p.time.size(); ++i)
    for (std::size_t j = 0; j < p.time.size(); ++j)
      if (p.time[i] <= 5 && p.time[j] > 5) {
        won += p.score[i] > p.score[j] ? 1 : p.score[i] == p.score[j] ? 0.5 : 0;
        ++pairs;
      }
  EXPECT_NEAR(time_dependent_auc(p.view(), p.score, times, {})[0].value.value(), won / pairs, 1e-12);
  EXPECT_NEAR(uno_concordance(p.view(), p.score, kAll).value.value(),
              harrell_concordance(p.view(), p.score).value.value(), 1e-12);
}

/// The same bytes with one thread and with three; the interval holds the figure.
// EVI-3
TEST(SurvivalPrediction, DrawsDoNotDependOnThreads) {
  Predictions p = simulated(4);
  for (auto& e : p.event) e = e > 0;
  const std::vector<double> times{4, 8};
  const auto one = time_dependent_auc(p.view(), p.score, times, {.draws = 200, .threads = 1});
  const auto three = time_dependent_auc(p.view(), p.score, times, {.draws = 200, .threads = 3});
  for (std::size_t k = 0; k < 2; ++k) {
    EXPECT_EQ(one[k].lower, three[k].lower);
    EXPECT_EQ(one[k].upper, three[k].upper);
    EXPECT_LT(one[k].lower.value(), one[k].value.value());
    EXPECT_GT(one[k].upper.value(), one[k].value.value());
  }
}

/// cmprsk::cuminc: the incidences to 1e-10; its variance is of another form (Aalen 1978), so errors agree to 2 %.
TEST(CompetingRisks, IncidenceAsCmprsk) {
  const Predictions p = simulated(5);
  const auto r = r_says(p, "cmprsk",
                        "f <- timepoints(cuminc(d$time, d$event), c(4, 8, 12))\n"
                        "for (a in 1:2) for (k in 1:3) { say(paste0('f', a, k - 1), f$est[a, k]); "
                        "say(paste0('v', a, k - 1), f$var[a, k]) }\n");
  if (r.empty()) GTEST_SKIP() << "no R with cmprsk";
  const std::vector<double> times{4, 8, 12};
  for (const std::uint8_t cause : {1, 2}) {
    const IncidenceCurve curve = cumulative_incidence(p.view(), cause);
    for (std::size_t k = 0; k < 3; ++k) {
      const std::string key = std::to_string(cause) + std::to_string(k);
      EXPECT_NEAR(curve.at(times[k]), r.at("f" + key), 1e-10) << key;
      EXPECT_NEAR(curve.error_at(times[k]) / std::sqrt(r.at("v" + key)), 1, 0.02) << key;
    }
  }
}

/// One cause alone: 1 - Kaplan-Meier with Greenwood's error; all causes together with survival make 1.
TEST(CompetingRisks, OneCauseIsKaplanMeier) {
  Predictions p = simulated(6);
  const SurvivalCurve all = kaplan_meier(p.view(), 0.95);
  EXPECT_NEAR(cumulative_incidence(p.view(), 1).at(9) + cumulative_incidence(p.view(), 2).at(9) + all.survival_at(9), 1,
              1e-12);
  for (auto& e : p.event) e = e > 0;
  const IncidenceCurve one = cumulative_incidence(p.view(), 1);
  EXPECT_NEAR(one.at(9), 1 - all.survival_at(9), 1e-12);
  EXPECT_NEAR(one.error_at(9), all.error_at(9), 1e-12);
}

TEST(SurvivalPrediction, SaysWhatIsNotDefined) {
  const std::vector<double> time{1, 2, 3}, entry{0, 0, 1}, score{1, 2, 3}, times{0.5, 2, 9};
  const std::vector<std::uint8_t> event{1, 0, 1};
  const auto auc = time_dependent_auc({.time = time, .event = event}, score, times, {});
  EXPECT_FALSE(auc[0].value);
  EXPECT_TRUE(auc[1].value);
  EXPECT_FALSE(auc[2].value);
  EXPECT_FALSE(auc[2].why.empty());
  EXPECT_THROW(uno_concordance({.time = time, .event = event, .entry = entry}, score, kAll), Error);
  EXPECT_THROW(brier_scores({.time = time, .event = event}, score, times, {}), Error);
}

}  // namespace
}  // namespace rouage::stats
