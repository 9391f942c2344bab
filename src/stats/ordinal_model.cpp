#include "stats/ordinal_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <utility>

namespace rouage::stats {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// F, its density and the density's slope.
struct LinkValue {
  double cdf = 0, density = 0, slope = 0;
};

LinkValue link_at(Link link, double x) {
  if (x == kInfinity) return {1, 0, 0};
  if (x == -kInfinity) return {0, 0, 0};
  if (link == Link::probit) {
    const double density = std::exp(-x * x / 2) / std::sqrt(2 * std::numbers::pi);
    return {std::erfc(-x / std::numbers::sqrt2) / 2, density, -x * density};
  }
  const double small = std::exp(-std::abs(x));
  const double density = small / ((1 + small) * (1 + small));
  const double cdf = x > 0 ? 1 / (1 + small) : small / (1 + small);
  return {cdf, density, density * (1 - 2 * cdf)};
}

/// P(c < latent < a), not cancelled in the upper tail.
double between(Link link, double c, double a) {
  const double p = c > 0 ? link_at(link, -c).cdf - link_at(link, -a).cdf : link_at(link, a).cdf - link_at(link, c).cdf;
  return std::max(p, 1e-300);
}

/// First and second derivatives of log P by the upper and the lower limit.
struct RowSlopes {
  double a = 0, c = 0, aa = 0, ac = 0, cc = 0;
};

RowSlopes slopes(Link link, double c, double a) {
  const double p = between(link, c, a);
  const LinkValue upper = link_at(link, a), lower = link_at(link, c);
  const double ua = upper.density / p, uc = lower.density / p;
  return {ua, -uc, upper.slope / p - ua * ua, ua * uc, -lower.slope / p - uc * uc};
}

/// Nodes and weights of Gauss-Hermite quadrature (weight exp(-x^2)), roots by Newton on normalised polynomials.
std::vector<std::pair<double, double>> gauss_hermite(int n) {
  std::vector<std::pair<double, double>> rule;
  const auto polynomials = [n](double x) {
    double before = 0, here = std::pow(std::numbers::pi, -0.25);
    for (int j = 0; j < n; ++j)
      before = std::exchange(here, x * std::sqrt(2.0 / (j + 1)) * here - std::sqrt(double(j) / (j + 1)) * before);
    return std::pair{here, std::sqrt(2.0 * n) * before};  // H_n and its derivative
  };
  // The roots lie within sqrt(2 n + 1): a sign change each, found on a grid finer than their least distance.
  const double limit = std::sqrt(2.0 * n + 1);
  const int cells = 40 * n;
  double left = -limit, value = polynomials(left).first;
  for (int cell = 1; cell <= cells; ++cell) {
    const double right = -limit + 2 * limit * cell / cells - (2 * cell == cells ? 1e-9 : 0);
    const double next = polynomials(right).first;
    if ((value < 0) != (next < 0)) {
      double x = (left + right) / 2;
      for (int step = 0; step < 60; ++step) {
        const auto [h, slope] = polynomials(x);
        x -= h / slope;
        if (std::abs(h / slope) < 1e-15) break;
      }
      const double slope = polynomials(x).second;
      rule.emplace_back(x, 2 / (slope * slope));
    }
    left = right;
    value = next;
  }
  return rule;
}

}  // namespace

bool cholesky(std::vector<double>& matrix, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j)
    for (std::size_t i = j; i < n; ++i) {
      double sum = matrix[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= matrix[i * n + k] * matrix[j * n + k];
      if (i == j && !(sum > 0 && std::isfinite(sum))) return false;
      matrix[i * n + j] = i == j ? std::sqrt(sum) : sum / matrix[j * n + j];
    }
  return true;
}

namespace {

/// x becomes (L L')^-1 x.
void solve_factor(const std::vector<double>& factor, std::size_t n, double* x) {
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) x[i] -= factor[i * n + k] * x[k];
    x[i] /= factor[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) x[i] -= factor[k * n + i] * x[k];
    x[i] /= factor[i * n + i];
  }
}

}  // namespace

std::vector<double> inverse_of_factor(const std::vector<double>& factor, std::size_t n) {
  std::vector<double> inverse(n * n, 0);
  for (std::size_t j = 0; j < n; ++j) {
    inverse[j * n + j] = 1;
    solve_factor(factor, n, inverse.data() + j * n);  // symmetric: a row is a column
  }
  return inverse;
}

MixedModel::MixedModel(const OrdinalData& data, Link link)
    : data_(data), link_(link), thresholds_(data.categories - 1), rows_(data.outcome.size()) {
  std::size_t total = 0;
  for (std::size_t t = 0; t < data.terms.size(); ++t) {
    offsets_.push_back(total);
    total += data.terms[t].levels;
    if (data.terms[t].coefficient < 0 &&
        (big_ < 0 || data.terms[t].levels > data.terms[static_cast<std::size_t>(big_)].levels))
      big_ = static_cast<int>(t);
  }
  effects_.assign(total, 0);
}

double MixedModel::fixed_part(const std::vector<double>& parameters, std::size_t row) const {
  double sum = 0;
  for (std::size_t k = 0; k < data_.predictors; ++k)
    sum += parameters[thresholds_ + k] * data_.x[row * data_.predictors + k];
  return sum;
}

double MixedModel::eta(const std::vector<double>& parameters, const std::vector<double>& effects,
                       std::size_t row) const {
  double sum = fixed_part(parameters, row);
  for (std::size_t t = 0; t < data_.terms.size(); ++t) {
    const RandomTerm& term = data_.terms[t];
    sum += parameters[fixed() + t] * (term.covariate.empty() ? 1 : term.covariate[row]) *
           effects[offsets_[t] + term.group[row]];
  }
  return sum;
}

double MixedModel::row_value(const std::vector<double>& parameters, std::size_t row, double at) const {
  const std::uint32_t y = data_.outcome[row];
  return std::log(
      between(link_, y == 0 ? -kInfinity : parameters[y - 1] - at, y == thresholds_ ? kInfinity : parameters[y] - at));
}

double MixedModel::value(const std::vector<double>& parameters, const std::vector<double>& effects) const {
  double sum = 0;
  for (std::size_t row = 0; row < rows_; ++row) sum += row_value(parameters, row, eta(parameters, effects, row));
  for (const double effect : effects) sum -= effect * effect / 2;
  return sum;
}

/// Gradient and negative Hessian by the effects; joint: by thresholds and coefficients too, first in the small block.
MixedModel::Blocks MixedModel::blocks(const std::vector<double>& parameters, bool joint) const {
  const std::size_t big_levels = big_ < 0 ? 0 : data_.terms[static_cast<std::size_t>(big_)].levels;
  const std::size_t base = joint ? fixed() : 0;
  Blocks out;
  out.small = base + effects_.size() - big_levels;
  out.diagonal.assign(big_levels, 1);
  out.gradient_big.assign(big_levels, 0);
  out.border.assign(big_levels * out.small, 0);
  out.rest.assign(out.small * out.small, 0);
  out.gradient_small.assign(out.small, 0);
  for (std::size_t i = base; i < out.small; ++i) out.rest[i * out.small + i] = 1;
  struct Entry {
    std::size_t at;
    double a, c;
  };
  std::vector<Entry> entries;
  const auto small_index = [&](std::size_t t, std::uint32_t level) {
    const std::size_t at = offsets_[t] + level;
    return base + (big_ >= 0 && static_cast<int>(t) > big_ ? at - big_levels : at);
  };
  for (std::size_t row = 0; row < rows_; ++row) {
    const std::uint32_t y = data_.outcome[row];
    const double at = eta(parameters, effects_, row);
    const bool first = y == 0, last = y == thresholds_;
    const RowSlopes s =
        slopes(link_, first ? -kInfinity : parameters[y - 1] - at, last ? kInfinity : parameters[y] - at);
    entries.clear();
    if (joint) {
      if (!last) entries.push_back({y, 1, 0});
      if (!first) entries.push_back({y - std::size_t{1}, 0, 1});
      for (std::size_t k = 0; k < data_.predictors; ++k)
        if (const double x = data_.x[row * data_.predictors + k]; x != 0) entries.push_back({thresholds_ + k, -x, -x});
    }
    double big_slope = 0;
    std::size_t big_level = 0;
    for (std::size_t t = 0; t < data_.terms.size(); ++t) {
      const RandomTerm& term = data_.terms[t];
      const double z = parameters[fixed() + t] * (term.covariate.empty() ? 1 : term.covariate[row]);
      if (static_cast<int>(t) == big_) {
        big_slope = -z;
        big_level = term.group[row];
      } else if (z != 0) {
        entries.push_back({small_index(t, term.group[row]), -z, -z});
      }
    }
    const double along = s.aa + 2 * s.ac + s.cc;
    if (big_ >= 0) {
      out.diagonal[big_level] -= along * big_slope * big_slope;
      out.gradient_big[big_level] += (s.a + s.c) * big_slope;
    }
    for (const Entry& e : entries) {
      out.gradient_small[e.at] += s.a * e.a + s.c * e.c;
      if (big_ >= 0)
        out.border[big_level * out.small + e.at] -= ((s.aa + s.ac) * e.a + (s.ac + s.cc) * e.c) * big_slope;
      for (const Entry& f : entries)
        out.rest[e.at * out.small + f.at] -= s.aa * e.a * f.a + s.ac * (e.a * f.c + e.c * f.a) + s.cc * e.c * f.c;
    }
  }
  return out;
}

namespace {

/// rest - border' diagonal^-1 border.
std::vector<double> schur(const std::vector<double>& diagonal, const std::vector<double>& border,
                          std::vector<double> rest, std::size_t small) {
  std::vector<std::size_t> taken;
  for (std::size_t j = 0; j < diagonal.size(); ++j) {
    const double* line = border.data() + j * small;
    taken.clear();
    for (std::size_t i = 0; i < small; ++i)
      if (line[i] != 0) taken.push_back(i);
    for (const std::size_t a : taken)
      for (const std::size_t b : taken) rest[a * small + b] -= line[a] * line[b] / diagonal[j];
  }
  return rest;
}

}  // namespace

bool MixedModel::solve_modes(const std::vector<double>& parameters, double& log_determinant) {
  const std::size_t big_offset = big_ < 0 ? effects_.size() : offsets_[static_cast<std::size_t>(big_)];
  double current = value(parameters, effects_);
  for (int iteration = 0; iteration < 100; ++iteration) {
    Blocks b = blocks(parameters, false);
    const std::size_t bigs = b.diagonal.size();
    // Prior's share of the gradient, in the order of the blocks.
    for (std::size_t i = 0; i < effects_.size(); ++i) {
      if (i >= big_offset && i < big_offset + bigs)
        b.gradient_big[i - big_offset] -= effects_[i];
      else
        b.gradient_small[i < big_offset ? i : i - bigs] -= effects_[i];
    }
    std::vector<double> factor = schur(b.diagonal, b.border, b.rest, b.small);
    if (!cholesky(factor, b.small)) return false;
    std::vector<double> step = b.gradient_small;
    for (std::size_t j = 0; j < bigs; ++j)
      for (std::size_t i = 0; i < b.small; ++i)
        step[i] -= b.border[j * b.small + i] * b.gradient_big[j] / b.diagonal[j];
    solve_factor(factor, b.small, step.data());
    std::vector<double> move(effects_.size());
    double decrement = 0;
    for (std::size_t j = 0; j < bigs; ++j) {
      double right = b.gradient_big[j];
      for (std::size_t i = 0; i < b.small; ++i) right -= b.border[j * b.small + i] * step[i];
      move[big_offset + j] = right / b.diagonal[j];
      decrement += move[big_offset + j] * b.gradient_big[j];
    }
    for (std::size_t i = 0; i < b.small; ++i) {
      move[i < big_offset ? i : i + bigs] = step[i];
      decrement += step[i] * b.gradient_small[i];
    }
    if (!std::isfinite(decrement)) return false;
    if (decrement < 1e-13) {
      log_determinant = 0;
      for (const double d : b.diagonal) log_determinant += std::log(d);
      for (std::size_t i = 0; i < b.small; ++i) log_determinant += 2 * std::log(factor[i * b.small + i]);
      return true;
    }
    double scale = 1;
    std::vector<double> next(effects_.size());
    for (int halving = 0;; ++halving, scale /= 2) {
      for (std::size_t i = 0; i < next.size(); ++i) next[i] = effects_[i] + scale * move[i];
      const double candidate = value(parameters, next);
      if (candidate >= current - 1e-12 * std::abs(current)) {
        current = candidate;
        break;
      }
      if (halving > 40) return false;
    }
    effects_ = std::move(next);
  }
  return false;
}

double MixedModel::quadrature(const std::vector<double>& parameters, int nodes) const {
  const RandomTerm& term = data_.terms[0];
  const auto rule = gauss_hermite(nodes);
  const std::vector<double> curvature = blocks(parameters, false).diagonal;
  std::vector<double> logs(std::size_t{term.levels} * rule.size(), 0);
  std::vector<double> at(effects_.size());
  for (std::size_t k = 0; k < rule.size(); ++k) {
    for (std::size_t j = 0; j < at.size(); ++j) {
      at[j] = effects_[j] + std::numbers::sqrt2 * rule[k].first / std::sqrt(curvature[j]);
      logs[j * rule.size() + k] = std::log(rule[k].second) + rule[k].first * rule[k].first - at[j] * at[j] / 2 -
                                  std::log(std::numbers::pi * curvature[j]) / 2;
    }
    for (std::size_t row = 0; row < rows_; ++row)
      logs[term.group[row] * rule.size() + k] += row_value(parameters, row, eta(parameters, at, row));
  }
  double total = 0;
  for (std::size_t j = 0; j < at.size(); ++j) {
    const auto begin = logs.begin() + static_cast<std::ptrdiff_t>(j * rule.size());
    const double most = *std::max_element(begin, begin + static_cast<std::ptrdiff_t>(rule.size()));
    double sum = 0;
    for (std::size_t k = 0; k < rule.size(); ++k) sum += std::exp(logs[j * rule.size() + k] - most);
    total += most + std::log(sum);
  }
  return total;
}

double MixedModel::log_likelihood(const std::vector<double>& parameters, int nodes) {
  for (std::size_t k = 1; k < thresholds_; ++k)
    if (!(parameters[k] > parameters[k - 1])) return -kInfinity;
  double log_determinant = 0;
  const std::vector<double> kept = effects_;
  if (!solve_modes(parameters, log_determinant)) {
    effects_ = kept;
    return -kInfinity;
  }
  if (nodes > 1) return quadrature(parameters, nodes);
  return value(parameters, effects_) - log_determinant / 2;
}

void MixedModel::describe(const std::vector<double>& parameters, OrdinalFit& fit) {
  const auto variances = [&](bool joint, std::vector<double>& small_inverse, std::vector<double>& big_variance) {
    const Blocks b = blocks(parameters, joint);
    std::vector<double> factor = schur(b.diagonal, b.border, b.rest, b.small);
    if (!cholesky(factor, b.small)) return false;
    small_inverse = inverse_of_factor(factor, b.small);
    for (std::size_t j = 0; j < b.diagonal.size(); ++j) {
      double quadratic = 0;
      for (std::size_t a = 0; a < b.small; ++a) {
        const double left = b.border[j * b.small + a];
        for (std::size_t c = 0; left != 0 && c < b.small; ++c)
          quadratic += left * small_inverse[a * b.small + c] * b.border[j * b.small + c];
      }
      big_variance.push_back(1 / b.diagonal[j] + quadratic / (b.diagonal[j] * b.diagonal[j]));
    }
    return true;
  };
  std::vector<double> inner, inner_big, joint, joint_big;
  const bool known = variances(false, inner, inner_big), known_joint = variances(true, joint, joint_big);
  const std::size_t bigs = inner_big.size(), small = effects_.size() - bigs, all = fixed() + small;
  for (std::size_t t = 0; t < data_.terms.size(); ++t) {
    const double sd = parameters[fixed() + t];
    std::vector<double> effect, variance, total;
    for (std::size_t level = 0; level < data_.terms[t].levels; ++level) {
      const std::size_t at = offsets_[t] + level;
      effect.push_back(sd * effects_[at]);
      const bool is_big = static_cast<int>(t) == big_;
      const std::size_t i = big_ >= 0 && static_cast<int>(t) > big_ ? at - bigs : at;
      if (known) variance.push_back(sd * sd * (is_big ? inner_big[level] : inner[i * small + i]));
      if (known_joint && data_.terms[t].coefficient >= 0) {
        const std::size_t b = thresholds_ + static_cast<std::size_t>(data_.terms[t].coefficient), e = fixed() + i;
        total.push_back(joint[b * all + b] + 2 * sd * joint[b * all + e] + sd * sd * joint[e * all + e]);
      }
    }
    fit.effects.push_back(std::move(effect));
    fit.variance.push_back(std::move(variance));
    fit.total_variance.push_back(std::move(total));
  }
}

}  // namespace rouage::stats
