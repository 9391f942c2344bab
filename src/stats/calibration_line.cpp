#include <algorithm>
#include <array>
#include <cmath>

#include "stats/calibration.h"
#include "stats/distributions.h"

namespace rouage::stats {
namespace {

/// Two by two, symmetric: {00, 01, 11}.
using Square = std::array<double, 3>;
using Pair = std::array<double, 2>;

double logit_of(double p) {
  // 1e-15: the probability of a case that a model is sure of; its logit, 34.5, is finite.
  const double inside = std::clamp(p, 1e-15, 1 - 1e-15);
  return std::log(inside / (1 - inside));
}
double expit(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}

Square inverse(const Square& s) {
  const double determinant = s[0] * s[2] - s[1] * s[1];
  return {s[2] / determinant, -s[1] / determinant, s[0] / determinant};
}
Pair times_vector(const Square& s, const Pair& v) {
  return {s[0] * v[0] + s[1] * v[1], s[1] * v[0] + s[2] * v[1]};
}

struct Fit {
  Pair at{0, 1};
  Square information{};
  bool converged = false;
};

double minus_log_likelihood(const std::vector<double>& x, const std::vector<double>& target, const Pair& at) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double eta = at[0] + at[1] * x[i];
    sum += std::max(eta, 0.0) + std::log1p(std::exp(-std::abs(eta))) - target[i] * eta;
  }
  return sum;
}

/// Newton with halved steps; slope held at 1 where not `with_slope`.
Fit logistic(const std::vector<double>& x, const std::vector<double>& target, bool with_slope) {
  Fit fit;
  if (with_slope) fit.at = {0, 0};
  double now = minus_log_likelihood(x, target, fit.at);
  for (int round = 0; round < 200; ++round) {
    Pair score{};
    fit.information = {};
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double p = expit(fit.at[0] + fit.at[1] * x[i]), w = p * (1 - p), miss = target[i] - p;
      score[0] += miss;
      score[1] += miss * x[i];
      fit.information[0] += w;
      fit.information[1] += w * x[i];
      fit.information[2] += w * x[i] * x[i];
    }
    if (!(fit.information[0] > 0)) return fit;
    Pair step{score[0] / fit.information[0], 0};
    if (with_slope) {
      const double spread = fit.information[2] - fit.information[1] * fit.information[1] / fit.information[0];
      if (!(spread > 1e-12 * fit.information[2])) return fit;
      step = times_vector(inverse(fit.information), score);
    }
    if (std::abs(step[0]) + std::abs(step[1]) < 1e-12 * (1 + std::abs(fit.at[0]) + std::abs(fit.at[1]))) {
      fit.converged = true;
      return fit;
    }
    double part = 1;
    Pair next = fit.at;
    for (; part > 1e-8; part /= 2) {
      next = {fit.at[0] + part * step[0], fit.at[1] + part * step[1]};
      const double then = minus_log_likelihood(x, target, next);
      if (then <= now + 1e-13 * std::abs(now)) {
        now = then;
        break;
      }
    }
    if (part <= 1e-8) {
      fit.converged = std::abs(step[0]) + std::abs(step[1]) < 1e-6;
      return fit;
    }
    fit.at = next;
    // A likelihood that reaches 0 has no maximum: the classes are separated.
    if (std::abs(fit.at[0]) > 1e4 || std::abs(fit.at[1]) > 1e4 || now < 1e-6) return fit;
  }
  return fit;
}

/// Inverse information, or the sandwich over patients with the factor g / (g - 1).
Square covariance_of(const Fit& fit, const std::vector<double>& x, std::span<const std::uint8_t> truth,
                     std::span<const std::uint32_t> patient) {
  const Square bread = inverse(fit.information);
  if (patient.empty()) return bread;
  std::vector<Pair> sums(*std::max_element(patient.begin(), patient.end()) + std::size_t{1});
  std::vector<std::uint8_t> there(sums.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double miss = truth[i] - expit(fit.at[0] + fit.at[1] * x[i]);
    sums[patient[i]][0] += miss;
    sums[patient[i]][1] += miss * x[i];
    there[patient[i]] = 1;
  }
  Square meat{};
  double groups = 0;
  for (std::size_t g = 0; g < sums.size(); ++g) {
    groups += there[g];
    const Pair v = times_vector(bread, sums[g]);
    meat[0] += v[0] * v[0];
    meat[1] += v[0] * v[1];
    meat[2] += v[1] * v[1];
  }
  if (groups < 2) return {};
  for (double& m : meat) m *= groups / (groups - 1);
  return meat;
}

/// Variance of the intercept alone (slope held).
double intercept_variance(const Fit& fit, const std::vector<double>& x, std::span<const std::uint8_t> truth,
                          std::span<const std::uint32_t> patient) {
  if (patient.empty()) return 1 / fit.information[0];
  std::vector<double> sums(*std::max_element(patient.begin(), patient.end()) + std::size_t{1}, 0);
  std::vector<std::uint8_t> there(sums.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    sums[patient[i]] += truth[i] - expit(fit.at[0] + x[i]);
    there[patient[i]] = 1;
  }
  double squares = 0, groups = 0;
  for (std::size_t g = 0; g < sums.size(); ++g) {
    squares += sums[g] * sums[g];
    groups += there[g];
  }
  return groups < 2 ? 0 : squares * groups / ((groups - 1) * fit.information[0] * fit.information[0]);
}

}  // namespace

Logistic calibration_line(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                          std::span<const std::uint32_t> patient, double level) {
  Logistic result;
  const double positives = static_cast<double>(std::count(truth.begin(), truth.end(), std::uint8_t{1}));
  if (positives == 0 || positives == static_cast<double>(truth.size())) {
    result.why = "there are not cases of both classes";
    return result;
  }
  std::vector<double> x, target(truth.begin(), truth.end());
  for (const double p : probabilities) x.push_back(logit_of(p));
  const double z = normal_quantile(0.5 + level / 2);
  const Fit held = logistic(x, target, false);
  if (held.converged) {
    const double half = z * std::sqrt(intercept_variance(held, x, truth, patient));
    result.in_the_large = held.at[0];
    result.in_the_large_lower = held.at[0] - half;
    result.in_the_large_upper = held.at[0] + half;
  }
  const Fit fit = logistic(x, target, true);
  if (!fit.converged) {
    const auto [low, high] = std::minmax_element(x.begin(), x.end());
    result.why = *low == *high ? "all probabilities are the same" : "the probabilities separate the classes";
    return result;
  }
  const Square covariance = covariance_of(fit, x, truth, patient);
  result.intercept = fit.at[0];
  result.slope = fit.at[1];
  if (!(covariance[0] > 0) || !(covariance[2] > 0)) {
    result.why = "no interval: fewer than two patients";
    return result;
  }
  result.intercept_lower = fit.at[0] - z * std::sqrt(covariance[0]);
  result.intercept_upper = fit.at[0] + z * std::sqrt(covariance[0]);
  result.slope_lower = fit.at[1] - z * std::sqrt(covariance[2]);
  result.slope_upper = fit.at[1] + z * std::sqrt(covariance[2]);
  const Pair off{fit.at[0], fit.at[1] - 1};
  const Pair scaled = times_vector(inverse(covariance), off);
  const double chi = off[0] * scaled[0] + off[1] * scaled[1];
  if (std::isfinite(chi) && chi >= 0) {
    result.chi_square = chi;
    result.p = chi_square_upper(chi, 2);
  }
  return result;
}

Platt platt_fit(std::span<const double> probabilities, std::span<const std::uint8_t> truth) {
  const double positives = static_cast<double>(std::count(truth.begin(), truth.end(), std::uint8_t{1}));
  const double negatives = static_cast<double>(truth.size()) - positives;
  std::vector<double> x, target;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    x.push_back(logit_of(probabilities[i]));
    target.push_back(truth[i] ? (positives + 1) / (positives + 2) : 1 / (negatives + 2));
  }
  const Fit fit = logistic(x, target, true);
  // Equal probabilities have no slope: the base rate moves, the order stays.
  if (!fit.converged) return {.intercept = logistic(x, target, false).at[0], .slope = 1};
  return {.intercept = fit.at[0], .slope = fit.at[1]};
}

double Platt::operator()(double probability) const {
  return expit(intercept + slope * logit_of(probability));
}

}  // namespace rouage::stats
