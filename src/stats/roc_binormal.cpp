#include <algorithm>
#include <cmath>
#include <eigen3/Eigen/Dense>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/distributions.h"
#include "stats/roc.h"

namespace rouage::stats {
namespace {

/// Counts in categories of rising suspicion, empty categories joined away.
struct Categories {
  std::vector<double> negatives, positives;
};

Categories without_empty(std::span<const double> negatives, std::span<const double> positives) {
  Categories result;
  for (std::size_t k = 0; k < negatives.size(); ++k)
    if (negatives[k] + positives[k] > 0) {
      result.negatives.push_back(negatives[k]);
      result.positives.push_back(positives[k]);
    }
  return result;
}

/// Runs of the same truth along the sorted scores, then neighbours joined until at most 20 categories of about the
/// same size are left: what lies within a run says nothing about a and b (Metz, Herman and Shen 1998).
Categories truth_runs(std::span<const double> scores, std::span<const std::uint8_t> truth) {
  const SortedCases cases = sort_cases(scores, truth);
  const RocCurve curve = roc_curve(cases);
  Categories runs;
  for (std::size_t g = curve.tp.size() - 1; g > 0; --g) {
    const double p = curve.tp[g] - curve.tp[g - 1], n = curve.fp[g] - curve.fp[g - 1];
    if (!runs.positives.empty() && ((p == 0 && runs.positives.back() == 0) || (n == 0 && runs.negatives.back() == 0))) {
      runs.positives.back() += p;
      runs.negatives.back() += n;
      continue;
    }
    runs.positives.push_back(p);
    runs.negatives.push_back(n);
  }
  constexpr std::size_t kMost = 20;
  if (runs.positives.size() <= kMost) return runs;
  // Equal shares of both classes together, each class weighing the same.
  Categories joined;
  double filled = 0;
  for (std::size_t k = 0; k < runs.positives.size(); ++k) {
    const auto slot = std::min<std::size_t>(kMost - 1, static_cast<std::size_t>(filled * kMost));
    if (joined.positives.size() <= slot) {
      joined.positives.push_back(0);
      joined.negatives.push_back(0);
    }
    joined.positives.back() += runs.positives[k];
    joined.negatives.back() += runs.negatives[k];
    filled += (runs.positives[k] / curve.positives + runs.negatives[k] / curve.negatives) / 2;
  }
  return joined;
}

/// Likelihood, score and expected information of (a, b, cut-offs).
struct Likelihood {
  double value = 0;
  Eigen::VectorXd score;
  Eigen::MatrixXd information;
};

/// One class: category probabilities are differences of normal_cdf(scale * cut - shift); the two parameters act only
/// where `free`.
void add_class(Likelihood& sum, const std::vector<double>& counts, const Eigen::VectorXd& at, bool free) {
  const auto categories = static_cast<Eigen::Index>(counts.size());
  const double a = free ? at[0] : 0, b = free ? at[1] : 1;
  const double total = std::accumulate(counts.begin(), counts.end(), 0.0);
  for (Eigen::Index k = 0; k < categories; ++k) {
    Eigen::VectorXd slope = Eigen::VectorXd::Zero(at.size());
    double upper = 1, lower = 0;
    if (k + 1 < categories) {
      const double cut = at[2 + k], density = normal_density(b * cut - a);
      upper = normal_cdf(b * cut - a);
      slope[2 + k] += density * b;
      if (free) slope[0] -= density;
      if (free) slope[1] += density * cut;
    }
    if (k > 0) {
      const double cut = at[1 + k], density = normal_density(b * cut - a);
      lower = normal_cdf(b * cut - a);
      slope[1 + k] -= density * b;
      if (free) slope[0] += density;
      if (free) slope[1] -= density * cut;
    }
    const double p = std::max(upper - lower, 1e-300);
    const double count = counts[static_cast<std::size_t>(k)];
    if (count > 0) sum.value += count * std::log(p);
    sum.score += count / p * slope;
    sum.information += total / std::max(p, 1e-12) * slope * slope.transpose();
  }
}

Likelihood likelihood(const Categories& data, const Eigen::VectorXd& at) {
  Likelihood sum{0, Eigen::VectorXd::Zero(at.size()), Eigen::MatrixXd::Zero(at.size(), at.size())};
  add_class(sum, data.negatives, at, false);
  add_class(sum, data.positives, at, true);
  return sum;
}

bool ordered(const Eigen::VectorXd& at) {
  if (!(at[1] > 1e-4) || !at.allFinite()) return false;
  for (Eigen::Index k = 3; k < at.size(); ++k)
    if (!(at[k] > at[k - 1])) return false;
  return true;
}

/// Cut-offs from the negatives' shares (half a case added), a and b from the line through the probits.
Eigen::VectorXd start_of(const Categories& data) {
  const std::size_t cuts = data.negatives.size() - 1;
  Eigen::VectorXd at(static_cast<Eigen::Index>(cuts) + 2);
  double negatives = 0, positives = 0, below_n = 0, below_p = 0;
  const double part = 0.5 / static_cast<double>(cuts + 1);
  for (std::size_t k = 0; k <= cuts; ++k) {
    negatives += data.negatives[k] + part;
    positives += data.positives[k] + part;
  }
  double mx = 0, my = 0, xx = 0, xy = 0;
  std::vector<double> x, y;
  for (std::size_t k = 0; k < cuts; ++k) {
    below_n += data.negatives[k] + part;
    below_p += data.positives[k] + part;
    x.push_back(normal_quantile(below_n / negatives));
    y.push_back(normal_quantile(below_p / positives));
    at[static_cast<Eigen::Index>(k) + 2] = x.back();
    mx += x.back() / static_cast<double>(cuts);
    my += y.back() / static_cast<double>(cuts);
  }
  for (std::size_t k = 0; k < cuts; ++k) {
    xx += (x[k] - mx) * (x[k] - mx);
    xy += (x[k] - mx) * (y[k] - my);
  }
  at[1] = xx > 0 ? std::clamp(xy / xx, 0.2, 5.0) : 1;
  at[0] = at[1] * mx - my;
  return at;
}

/// Why the likelihood has no maximum inside: all points of the empirical curve lie on the square's edge.
std::string why_degenerate(const Categories& data) {
  const double n = std::accumulate(data.negatives.begin(), data.negatives.end(), 0.0);
  const double p = std::accumulate(data.positives.begin(), data.positives.end(), 0.0);
  if (!(n > 0) || !(p > 0)) return "there are not cases of both classes";
  double fp = 0, tp = 0;
  std::vector<std::pair<double, double>> inside;
  for (std::size_t k = data.negatives.size(); k-- > 1;) {
    fp += data.negatives[k];
    tp += data.positives[k];
    if (fp > 0 && fp < n && tp > 0 && tp < p) inside.emplace_back(fp, tp);
  }
  if (inside.empty()) return "degenerate: no point of the curve lies inside the square (separated or equal scores)";
  const auto apart = [&](const auto& point) {
    return point.first != inside.front().first && point.second != inside.front().second;
  };
  if (std::none_of(inside.begin(), inside.end(), apart))
    return "degenerate: the points inside the square do not give both a and b";
  return {};
}

void set_area(Binormal& fit, const Eigen::VectorXd& at, const Eigen::MatrixXd& covariance, double level) {
  const double a = at[0], b = at[1], root = std::sqrt(1 + b * b), x = a / root;
  fit.a = a;
  fit.b = b;
  fit.area = normal_cdf(x);
  const double by_a = 1 / root, by_b = -a * b / (root * root * root);
  const double variance =
      by_a * by_a * covariance(0, 0) + 2 * by_a * by_b * covariance(0, 1) + by_b * by_b * covariance(1, 1);
  if (!(variance > 0) || !(covariance(0, 0) > 0) || !(covariance(1, 1) > 0)) {
    fit.why = "no interval: the information is singular";
    return;
  }
  const double z = normal_quantile(0.5 + level / 2), se = std::sqrt(variance);
  fit.se_a = std::sqrt(covariance(0, 0));
  fit.se_b = std::sqrt(covariance(1, 1));
  fit.se = normal_density(x) * se;
  // Symmetric for a / sqrt(1 + b^2), so that the area stays inside 0 and 1.
  fit.lower = normal_cdf(x - z * se);
  fit.upper = normal_cdf(x + z * se);
}

/// Pearson's chi-square of the categories.
void set_fit(Binormal& fit, const Categories& data, const Eigen::VectorXd& at) {
  const auto cuts = at.size() - 2;
  fit.df = static_cast<double>(cuts) - 2;
  if (fit.df <= 0) fit.df = 0;
  const double n = std::accumulate(data.negatives.begin(), data.negatives.end(), 0.0);
  const double p = std::accumulate(data.positives.begin(), data.positives.end(), 0.0);
  double last_n = 0, last_p = 0;
  for (Eigen::Index k = 0; k <= cuts; ++k) {
    const double next_n = k < cuts ? normal_cdf(at[2 + k]) : 1;
    const double next_p = k < cuts ? normal_cdf(at[1] * at[2 + k] - at[0]) : 1;
    const double want_n = n * (next_n - last_n), want_p = p * (next_p - last_p);
    const double miss_n = data.negatives[static_cast<std::size_t>(k)] - want_n;
    const double miss_p = data.positives[static_cast<std::size_t>(k)] - want_p;
    if (want_n > 0) fit.chi_square += miss_n * miss_n / want_n;
    if (want_p > 0) fit.chi_square += miss_p * miss_p / want_p;
    last_n = next_n;
    last_p = next_p;
  }
}

/// Fisher scoring with halved steps. Empty when it does not come to rest.
std::optional<Eigen::VectorXd> maximise(const Categories& data) {
  Eigen::VectorXd at = start_of(data);
  Likelihood now = likelihood(data, at);
  for (int round = 0; round < 500; ++round) {
    const Eigen::LDLT<Eigen::MatrixXd> solver(now.information);
    const Eigen::VectorXd step = solver.solve(now.score);
    if (solver.info() != Eigen::Success || !step.allFinite()) return std::nullopt;
    double part = 1;
    Eigen::VectorXd next = at + step;
    Likelihood then{};
    for (; part > 1e-10; part /= 2) {
      next = at + part * step;
      if (!ordered(next)) continue;
      then = likelihood(data, next);
      if (then.value >= now.value - 1e-12 * std::abs(now.value)) break;
    }
    if (part <= 1e-10) return step.norm() < 1e-5 ? std::optional(at) : std::nullopt;
    at = next;
    now = then;
    if (step.norm() * part < 1e-10 * (1 + at.norm())) return at;
    if (std::abs(at[0]) > 50 || at[1] > 50) return std::nullopt;
  }
  return std::nullopt;
}

Binormal fit_categories(const Categories& data, double level) {
  Binormal fit;
  fit.categories = static_cast<int>(data.negatives.size());
  fit.why = why_degenerate(data);
  if (!fit.why.empty()) return fit;
  const auto at = maximise(data);
  if (!at) {
    fit.why = "degenerate: the likelihood has no maximum (a or b without bounds)";
    return fit;
  }
  const Eigen::MatrixXd information = likelihood(data, *at).information;
  set_area(fit, *at, information.inverse(), level);
  set_fit(fit, data, *at);
  return fit;
}

}  // namespace

Binormal binormal_fit(std::span<const double> scores, std::span<const std::uint8_t> truth, double level) {
  return fit_categories(truth_runs(scores, truth), level);
}

Binormal binormal_fit_counts(std::span<const double> negatives, std::span<const double> positives, double level) {
  if (negatives.size() != positives.size()) throw Error(ErrorCode::Internal, "the classes differ in categories");
  return fit_categories(without_empty(negatives, positives), level);
}

}  // namespace rouage::stats
