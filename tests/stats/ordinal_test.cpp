#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <sstream>

#include "stats/ordinal.h"
#include "stats/random.h"

namespace rouage::stats {
namespace {

/// What Rscript prints; empty where R or the package is absent.
std::string r_says(const std::string& script) {
  const std::string command = "Rscript -e '" + script + "' 2>/dev/null";
  FILE* pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::string text;
  std::array<char, 4096> buffer{};
  while (const std::size_t got = std::fread(buffer.data(), 1, buffer.size(), pipe)) text.append(buffer.data(), got);
  return pclose(pipe) == 0 ? text : "";
}

/// Lines "outcome x1 .. xp group1 .. groupt", then a line "fit" and numbers.
struct Peer {
  OrdinalData data;
  std::vector<double> numbers;
};

Peer read_peer(const std::string& text, std::uint32_t categories, std::uint32_t predictors, std::size_t terms) {
  Peer peer;
  peer.data.categories = categories;
  peer.data.predictors = predictors;
  peer.data.terms.resize(terms);
  std::istringstream in(text);
  std::string word;
  while (in >> word && word != "fit") {
    peer.data.outcome.push_back(static_cast<std::uint32_t>(std::stoul(word)));
    for (std::uint32_t k = 0; k < predictors; ++k) {
      double x = 0;
      in >> x;
      peer.data.x.push_back(x);
    }
    for (RandomTerm& term : peer.data.terms) {
      std::uint32_t group = 0;
      in >> group;
      term.group.push_back(group);
      term.levels = std::max(term.levels, group + 1);
    }
  }
  double number = 0;
  while (in >> number) peer.numbers.push_back(number);
  return peer;
}

const std::string kWine =
    "suppressMessages(library(ordinal)); data(wine); w<-wine;"
    "write.table(data.frame(as.integer(w$rating)-1, w$temp==\"warm\", w$contact==\"yes\", as.integer(w$judge)-1,"
    "as.integer(w$bottle)-1)*1, row.names=F, col.names=F); cat(\"fit\\n\");";

/// R's ordinal 2022: thresholds, coefficients, sd, log-likelihood, standard errors of the former two. Tolerance: both
/// stop near, not at, the optimum (clmm at a gradient of 1e-4 by default).
void expect_like_clmm(const std::string& options, OrdinalOptions ours) {
  const std::string text = r_says(kWine + "f<-clmm(rating~temp+contact+(1|judge),data=w" + options +
                                  ",control=clmm.control(gradTol=1e-7)); cat(coef(f), sqrt(unlist(VarCorr(f))),"
                                  "as.numeric(logLik(f)), sqrt(diag(vcov(f)))[1:6], unlist(ranef(f)))");
  if (text.empty()) GTEST_SKIP() << "Rscript with ordinal is absent";
  Peer peer = read_peer(text, 5, 2, 2);
  peer.data.terms.resize(1);
  const OrdinalFit fit = cumulative_link_fit(peer.data, ours);
  ASSERT_EQ(fit.why, "");
  ASSERT_EQ(peer.numbers.size(), 6U + 1 + 1 + 6 + 9);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(fit.thresholds[i], peer.numbers[i], 1e-4);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(fit.coefficients[i], peer.numbers[4 + i], 1e-4);
  EXPECT_NEAR(fit.sd[0], peer.numbers[6], 1e-4);
  EXPECT_NEAR(fit.log_likelihood, peer.numbers[7], 1e-5);
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(std::sqrt(fit.covariance[i * 7]), peer.numbers[8 + i], 1e-3);
  for (std::size_t i = 0; i < 9; ++i) EXPECT_NEAR(fit.effects[0][i], peer.numbers[14 + i], 1e-3);
}

TEST(CumulativeLink, LaplaceAsClmm) {
  expect_like_clmm("", {});
}
TEST(CumulativeLink, ProbitAsClmm) {
  expect_like_clmm(",link=\"probit\"", {.link = Link::probit});
}
TEST(CumulativeLink, QuadratureAsClmm) {
  expect_like_clmm(",nAGQ=10", {.nodes = 10});
}

TEST(CumulativeLink, TwoCrossedTermsAsClmm) {
  const std::string text =
      r_says(kWine +
             "f<-clmm(rating~temp+contact+(1|judge)+(1|bottle),data=w,control=clmm.control(gradTol=1e-7));"
             "cat(coef(f), sqrt(unlist(VarCorr(f)[c(\"judge\",\"bottle\")])), as.numeric(logLik(f)))");
  if (text.empty()) GTEST_SKIP() << "Rscript with ordinal is absent";
  const Peer peer = read_peer(text, 5, 2, 2);
  const OrdinalFit fit = cumulative_link_fit(peer.data, {});
  ASSERT_EQ(fit.why, "");
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(fit.thresholds[i], peer.numbers[i], 2e-3);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_NEAR(fit.coefficients[i], peer.numbers[4 + i], 2e-3);
  EXPECT_NEAR(fit.log_likelihood, peer.numbers[8], 1e-4);
}

/// lme4::glmer with crossed random intercepts and a random slope of the readers, on simulated readings (seed 3).
TEST(MixedLogistic, CrossedReadersAndCasesAsGlmer) {
  const std::string text = r_says(
      "suppressMessages(library(lme4)); set.seed(3); d<-expand.grid(r=1:8,k=1:60,a=0:1);"
      "d$y<-rbinom(nrow(d),1,plogis(-0.4+0.8*d$a+rnorm(8,0,0.6)[d$r]+rnorm(60)[d$k]+rnorm(8,0,0.7)[d$r]*d$a));"
      "write.table(data.frame(d$y,d$a,d$k-1,d$r-1,d$r-1),row.names=F,col.names=F); cat(\"fit\\n\");"
      "g<-glmer(y~a+(1|k)+(1|r)+(0+a|r),data=d,family=binomial,control=glmerControl(optimizer=\"bobyqa\","
      "optCtrl=list(rhoend=1e-8)),nAGQ=1); v<-as.data.frame(VarCorr(g)); s<-v$sdcor;"
      "cat(fixef(g), s[v$grp==\"k\"], sort(s[v$grp!=\"k\"]), as.numeric(logLik(g)), sqrt(diag(as.matrix(vcov(g)))))");
  if (text.empty()) GTEST_SKIP() << "Rscript with lme4 is absent";
  Peer peer = read_peer(text, 2, 1, 3);
  peer.data.terms[2].covariate = peer.data.x;
  peer.data.terms[2].coefficient = 0;
  const OrdinalFit fit = cumulative_link_fit(peer.data, {});
  ASSERT_EQ(fit.why, "");
  // Category 1 of two: the threshold is minus the intercept. Tolerances: glmer's optimiser leaves 1e-3.
  EXPECT_NEAR(fit.thresholds[0], -peer.numbers[0], 2e-3);
  EXPECT_NEAR(fit.coefficients[0], peer.numbers[1], 2e-3);
  EXPECT_NEAR(fit.sd[0], peer.numbers[2], 2e-3);
  EXPECT_NEAR(std::min(fit.sd[1], fit.sd[2]), peer.numbers[3], 2e-3);
  EXPECT_NEAR(std::max(fit.sd[1], fit.sd[2]), peer.numbers[4], 2e-3);
  // glmer stops its inner iterations at 1e-7 of the penalised residuals (tolPwrss), R prints seven digits: 1e-3.
  EXPECT_NEAR(fit.log_likelihood, peer.numbers[5], 1e-3);
  EXPECT_NEAR(fit.standard_error(0), peer.numbers[7], 0.01 * peer.numbers[7]);
  for (const double v : fit.total_variance[2]) EXPECT_GT(v, 0);
}

/// Without random effects and predictors the thresholds are the logits of the cumulative shares.
TEST(CumulativeLink, WithoutPredictorsIsTheCumulativeShare) {
  const OrdinalData data{.categories = 3, .outcome = {0, 0, 1, 1, 1, 2, 2, 2, 2, 2}};
  const OrdinalFit fit = cumulative_link_fit(data, {});
  ASSERT_EQ(fit.why, "");
  EXPECT_NEAR(fit.thresholds[0], std::log(0.2 / 0.8), 1e-5);
  EXPECT_NEAR(fit.thresholds[1], 0, 1e-5);
}

TEST(CumulativeLink, DegenerateDataSaysWhy) {
  OrdinalData data{.categories = 2, .outcome = {0, 0, 0, 0}};
  EXPECT_NE(cumulative_link_fit(data, {}).why, "");
  data = {.categories = 2, .outcome = {0, 0, 0, 1, 1, 1}, .predictors = 1, .x = {0, 0, 0, 1, 1, 1}};
  EXPECT_NE(cumulative_link_fit(data, {}).why.find("separation"), std::string::npos);
  data.x = {1, 1, 1, 1, 1, 1};
  EXPECT_EQ(cumulative_link_fit(data, {}).why, "a predictor that does not vary");
  data.x[0] = std::nan("");
  EXPECT_NE(cumulative_link_fit(data, {}).why, "");
}

/// Simulated under the null, 12 raters and 30 cases: the Wald test rejects about 5 % (60 studies: at most 9, the
/// 99.8 % point of the binomial).
TEST(CumulativeLink, HoldsItsLevelUnderTheNull) {
  int rejected = 0;
  for (std::uint64_t study = 0; study < 60; ++study) {
    Random random(17, study);
    std::vector<double> cases(30);
    for (double& effect : cases) effect = random.normal();
    OrdinalData data{.categories = 3, .predictors = 1};
    data.terms.push_back({.levels = 30});
    for (std::uint32_t k = 0; k < 30; ++k)
      for (int repeat = 0; repeat < 4; ++repeat) {
        const double uniform = 0.5 / (1ULL << 53) + random.uniform();
        const double latent = cases[k] + std::log(uniform / (1 - uniform));
        data.outcome.push_back(latent < -0.7 ? 0U : latent < 0.7 ? 1U : 2U);
        data.x.push_back(repeat % 2);
        data.terms[0].group.push_back(k);
      }
    const OrdinalFit fit = cumulative_link_fit(data, {});
    ASSERT_EQ(fit.why, "");
    rejected += std::abs(fit.coefficients[0] / fit.standard_error(0)) > 1.959964;
  }
  EXPECT_LE(rejected, 9);
}

}  // namespace
}  // namespace rouage::stats
