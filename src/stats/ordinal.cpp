#include "stats/ordinal.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "stats/ordinal_model.h"

namespace rouage::stats {
namespace {

using Vector = std::vector<double>;
using Objective = std::function<double(const Vector&)>;

double step_of(double at, double relative) {
  return relative * std::max(1.0, std::abs(at));
}

Vector gradient(const Objective& f, Vector at) {
  Vector slope(at.size());
  for (std::size_t i = 0; i < at.size(); ++i) {
    const double here = at[i], h = step_of(here, 1e-4);
    at[i] = here + h;
    const double up = f(at);
    at[i] = here - h;
    slope[i] = (up - f(at)) / (2 * h);
    at[i] = here;
  }
  return slope;
}

/// Central differences of second order, steps of 1e-3: the likelihood is exact to about 1e-12.
Vector hessian(const Objective& f, Vector at) {
  const std::size_t n = at.size();
  const double middle = f(at);
  Vector matrix(n * n);
  const auto shifted = [&](std::size_t i, double a, std::size_t j, double b) {
    const double keep_i = at[i], keep_j = at[j];
    at[i] += a;
    at[j] += b;
    const double value = f(at);
    at[j] = keep_j;
    at[i] = keep_i;
    return value;
  };
  for (std::size_t i = 0; i < n; ++i) {
    const double hi = step_of(at[i], 1e-3);
    matrix[i * n + i] = (shifted(i, hi, i, 0) - 2 * middle + shifted(i, -hi, i, 0)) / (hi * hi);
    for (std::size_t j = 0; j < i; ++j) {
      const double hj = step_of(at[j], 1e-3);
      matrix[i * n + j] = matrix[j * n + i] =
          (shifted(i, hi, j, hj) - shifted(i, hi, j, -hj) - shifted(i, -hi, j, hj) + shifted(i, -hi, j, -hj)) /
          (4 * hi * hj);
    }
  }
  return matrix;
}

double dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Vector times(const Vector& matrix, const Vector& x) {
  Vector y(x.size(), 0);
  for (std::size_t i = 0; i < x.size(); ++i)
    for (std::size_t j = 0; j < x.size(); ++j) y[i] += matrix[i * x.size() + j] * x[j];
  return y;
}

/// Broyden, Fletcher, Goldfarb and Shanno with a halving line search. False without convergence.
bool minimise(const Objective& f, Vector& at) {
  const std::size_t n = at.size();
  double value = f(at);
  if (!std::isfinite(value)) return false;
  Vector slope = gradient(f, at), inverse(n * n, 0);
  const auto restart = [&] {
    std::fill(inverse.begin(), inverse.end(), 0.0);
    for (std::size_t i = 0; i < n; ++i) inverse[i * n + i] = 1 / std::max(1.0, std::sqrt(dot(slope, slope)));
  };
  restart();
  bool fresh = true;
  for (int iteration = 0; iteration < 500; ++iteration) {
    Vector move = times(inverse, slope);
    const double decrement = dot(move, slope);
    if (decrement < 1e-11 && (!fresh || dot(slope, slope) < 1e-12)) return true;
    Vector next(n);
    double scale = 1, candidate = 0;
    int halving = 0;
    for (; halving < 50; ++halving, scale /= 2) {
      for (std::size_t i = 0; i < n; ++i) next[i] = at[i] - scale * move[i];
      candidate = f(next);
      if (candidate <= value - 1e-4 * scale * decrement) break;
    }
    if (halving == 50) {
      if (fresh) return dot(slope, slope) < 1e-6;
      restart();
      fresh = true;
      continue;
    }
    const Vector next_slope = gradient(f, next);
    Vector s(n), y(n);
    for (std::size_t i = 0; i < n; ++i) {
      s[i] = next[i] - at[i];
      y[i] = next_slope[i] - slope[i];
    }
    if (const double curvature = dot(s, y); curvature > 1e-14) {
      const Vector hy = times(inverse, y);
      const double factor = (1 + dot(y, hy) / curvature) / curvature;
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < n; ++j)
          inverse[i * n + j] += factor * s[i] * s[j] - (hy[i] * s[j] + s[i] * hy[j]) / curvature;
      fresh = false;
    }
    at = next;
    value = candidate;
    slope = next_slope;
    if (!std::isfinite(dot(slope, slope))) return false;
  }
  return false;
}

std::string refusal(const OrdinalData& data, const OrdinalOptions& options) {
  const std::size_t rows = data.outcome.size();
  if (data.categories < 2) return "fewer than two categories";
  std::vector<std::size_t> counts(data.categories, 0);
  for (const std::uint32_t y : data.outcome) {
    if (y >= data.categories) return "an outcome beyond the categories";
    ++counts[y];
  }
  if (std::count(counts.begin(), counts.end(), 0U) > 0) return "a category that nobody used (all outcomes the same?)";
  if (data.x.size() != rows * data.predictors) return "predictors do not fit the rows";
  if (!std::all_of(data.x.begin(), data.x.end(), [](double v) { return std::isfinite(v); }))
    return "a predictor that is not finite";
  std::uint64_t small = 0, most = 0;
  for (const RandomTerm& term : data.terms) {
    if (term.group.size() != rows || (!term.covariate.empty() && term.covariate.size() != rows) ||
        std::any_of(term.group.begin(), term.group.end(), [&](std::uint32_t g) { return g >= term.levels; }))
      return "groups do not fit the rows";
    if (term.levels < 2) return "a random effect with fewer than two levels";
    small += term.levels;
    if (term.coefficient < 0) most = std::max<std::uint64_t>(most, term.levels);
  }
  if (small - most > 2000 || (small - most) * most > 20'000'000) return "more than 2,000 crossed random effects";
  if (options.nodes > 1 && (data.terms.size() != 1 || data.terms[0].coefficient >= 0))
    return "adaptive quadrature wants exactly one random term";
  if (options.nodes < 1 || options.nodes > 50) return "between 1 and 50 nodes";
  for (std::size_t k = 0; k < data.predictors; ++k) {
    bool varies = false;
    for (std::size_t row = 1; row < rows; ++row) varies = varies || data.x[row * data.predictors + k] != data.x[k];
    if (!varies) return "a predictor that does not vary";
  }
  return "";
}

Vector starting_point(const OrdinalData& data, const OrdinalOptions& options) {
  Vector at;
  double below = 0;
  const auto rows = static_cast<double>(data.outcome.size());
  for (std::uint32_t k = 0; k + 1 < data.categories; ++k) {
    below += static_cast<double>(std::count(data.outcome.begin(), data.outcome.end(), k));
    const double odds = std::log(below / (rows - below));
    at.push_back(options.link == Link::logit ? odds : odds / 1.7);
  }
  at.resize(at.size() + data.predictors, 0.0);
  at.resize(at.size() + data.terms.size(), 0.5);
  return at;
}

/// Standard error of a coefficient times its predictor's spread: beyond 20 on the link's scale the likelihood is flat.
bool separated(const OrdinalData& data, const OrdinalFit& fit) {
  const auto rows = static_cast<double>(data.outcome.size());
  for (std::size_t k = 0; k < data.predictors; ++k) {
    double sum = 0, squares = 0;
    for (std::size_t row = 0; row < data.outcome.size(); ++row) {
      const double x = data.x[row * data.predictors + k];
      sum += x;
      squares += x * x;
    }
    const double spread = std::sqrt(std::max(0.0, squares / rows - sum * sum / (rows * rows)));
    if (spread * fit.standard_error(k) > 20 || spread * std::abs(fit.coefficients[k]) > 15) return true;
  }
  return false;
}

}  // namespace

double OrdinalFit::standard_error(std::size_t coefficient) const {
  const std::size_t n = thresholds.size() + coefficients.size(), at = thresholds.size() + coefficient;
  return std::sqrt(covariance[at * n + at]);
}

OrdinalFit cumulative_link_fit(const OrdinalData& data, const OrdinalOptions& options) {
  OrdinalFit fit{.why = refusal(data, options)};
  if (!fit.why.empty()) return fit;
  MixedModel model(data, options.link);
  Vector at = starting_point(data, options);
  const Objective whole = [&](const Vector& p) { return -model.log_likelihood(p, options.nodes); };
  if (!minimise(whole, at)) return {.why = "the likelihood did not converge (perfect separation?)"};
  // A standard deviation at its bound of 0 is no free parameter of the information matrix.
  const std::size_t fixed = model.fixed();
  std::vector<std::size_t> free;
  for (std::size_t i = 0; i < at.size(); ++i) {
    if (i >= fixed) at[i] = std::abs(at[i]) < 1e-3 ? 0 : std::abs(at[i]);
    if (i < fixed || at[i] > 0) free.push_back(i);
  }
  const Objective reduced = [&](const Vector& p) {
    Vector full = at;
    for (std::size_t i = 0; i < free.size(); ++i) full[free[i]] = p[i];
    return whole(full);
  };
  Vector start;
  for (const std::size_t i : free) start.push_back(at[i]);
  fit.log_likelihood = -reduced(start);
  Vector factor = hessian(reduced, start);
  if (!cholesky(factor, free.size())) return {.why = "the information matrix is singular (perfect separation?)"};
  const Vector inverse = inverse_of_factor(factor, free.size());
  fit.thresholds.assign(at.begin(), at.begin() + static_cast<std::ptrdiff_t>(data.categories - 1));
  fit.coefficients.assign(at.begin() + static_cast<std::ptrdiff_t>(data.categories - 1),
                          at.begin() + static_cast<std::ptrdiff_t>(fixed));
  fit.sd.assign(at.begin() + static_cast<std::ptrdiff_t>(fixed), at.end());
  for (std::size_t i = 0; i < fixed; ++i)
    for (std::size_t j = 0; j < fixed; ++j) fit.covariance.push_back(inverse[i * free.size() + j]);
  if (separated(data, fit)) return {.why = "perfect separation: a coefficient has no finite estimate"};
  (void)reduced(start);  // modes at the estimate
  model.describe(at, fit);
  return fit;
}

}  // namespace rouage::stats
