/// Cumulative link mixed models: ordered (or two) outcomes, several crossed or nested random effects. Two categories
/// make the mixed logistic (or probit) model.
///
///   OrdinalData data{.categories = 5, .outcome = rating, .predictors = 2, .x = x, .terms = {{.levels = 9, .group =
///   judge}}};
///   OrdinalFit fit = cumulative_link_fit(data, {});
///
/// P(Y <= k) = F(threshold_k - x b - sum of random effects): a positive coefficient moves towards higher categories.
/// Likelihood by Laplace's approximation, or adaptive Gauss-Hermite quadrature with one random term; thresholds free
/// (Christensen, R package ordinal; Pinheiro and Bates 1995; Tutz and Hennevogl 1996).
#pragma once
#include <cstdint>
#include <string>
#include <vector>

namespace rouage::stats {

enum class Link { logit, probit };

/// Independent normal effects, one a level, times a covariate.
struct RandomTerm {
  std::uint32_t levels = 0;
  std::vector<std::uint32_t> group{};  ///< one a row: 0..levels-1
  std::vector<double> covariate{};     ///< one a row; empty: 1 (an intercept)
  int coefficient = -1;                ///< predictor whose slope these effects vary around: its totals get a variance
};

struct OrdinalData {
  std::uint32_t categories = 2;
  std::vector<std::uint32_t> outcome{};  ///< 0..categories-1, each of them taken by some row
  std::uint32_t predictors = 0;
  std::vector<double> x{};  ///< [row][predictor], without an intercept (the thresholds hold it)
  std::vector<RandomTerm> terms{};
};

struct OrdinalOptions {
  Link link = Link::logit;
  int nodes = 1;  ///< 1: Laplace; more: adaptive quadrature, which wants exactly one random term
};

struct OrdinalFit {
  std::string why{};  ///< not empty: no fit (an empty category, separation, no convergence); nothing else counts then
  std::vector<double> thresholds{}, coefficients{};
  std::vector<double> sd{};          ///< one a term: standard deviation of its effects
  std::vector<double> covariance{};  ///< of thresholds, then coefficients; row-major
  double log_likelihood = 0;
  std::vector<std::vector<double>> effects{};   ///< [term][level], conditional modes on the link's scale
  std::vector<std::vector<double>> variance{};  ///< [term][level], of the mode given all parameters
  /// [term][level] of coefficients[RandomTerm::coefficient] + effect, the sds held at their estimates (Henderson 1975);
  /// empty where the term names no coefficient.
  std::vector<std::vector<double>> total_variance{};
  double standard_error(std::size_t coefficient) const;
};
/// Errors: none; a model that cannot be fitted says `why`.
OrdinalFit cumulative_link_fit(const OrdinalData& data, const OrdinalOptions& options);

}  // namespace rouage::stats
