#include "stats/survival_order.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/error.h"
#include "stats/distributions.h"

namespace rouage::stats::survival {

void check(const SurvivalView& view) {
  const std::size_t n = view.time.size();
  const auto refuse = [](const char* why) { throw Error(ErrorCode::StatisticUndefined, why); };
  if (n == 0) refuse("no row has a time");
  if (n > UINT32_MAX) refuse("more than 2^32 rows");
  const auto fits = [n](std::size_t size) { return size == 0 || size == n; };
  if (view.event.size() != n || !fits(view.entry.size()) || !fits(view.weight.size()) || !fits(view.stratum.size()))
    refuse("times, events, entries, weights and strata differ in number");
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(view.time[i]) || view.time[i] < 0) refuse("a time is negative or not finite");
    if (!view.entry.empty() && !(std::isfinite(view.entry[i]) && view.entry[i] < view.time[i]))
      refuse("an entry is not before its time");
    if (!view.weight.empty() && !(std::isfinite(view.weight[i]) && view.weight[i] > 0)) refuse("a weight is not > 0");
  }
}

std::vector<std::uint32_t> ascending(const SurvivalView& view, std::span<const double> key) {
  struct Place {
    double key;
    std::uint32_t stratum, row;
  };
  std::vector<Place> places(key.size());
  for (std::size_t i = 0; i < key.size(); ++i) places[i] = {key[i], stratum_of(view, i), static_cast<std::uint32_t>(i)};
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    if (a.stratum != b.stratum) return a.stratum < b.stratum;
    return a.key != b.key ? a.key < b.key : a.row < b.row;
  });
  std::vector<std::uint32_t> order(key.size());
  std::transform(places.begin(), places.end(), order.begin(), [](const Place& p) { return p.row; });
  return order;
}

Cholesky::Cholesky(std::span<const double> matrix, std::size_t n) : n_(n), lower_(n * n) {
  for (std::size_t j = 0; j < n; ++j) {
    double pivot = matrix[j * n + j];
    for (std::size_t k = 0; k < j; ++k) pivot -= lower_[j * n + k] * lower_[j * n + k];
    if (!(pivot > 1e-10 * matrix[j * n + j]) || !(matrix[j * n + j] > 0)) continue;
    ++rank_;
    lower_[j * n + j] = std::sqrt(pivot);
    for (std::size_t i = j + 1; i < n; ++i) {
      double sum = matrix[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= lower_[i * n + k] * lower_[j * n + k];
      lower_[i * n + j] = sum / lower_[j * n + j];
    }
  }
}

std::vector<double> Cholesky::solve(std::span<const double> right) const {
  std::vector<double> x(n_);
  for (std::size_t i = 0; i < n_; ++i) {
    if (dropped(i)) continue;
    double sum = right[i];
    for (std::size_t k = 0; k < i; ++k) sum -= lower_[i * n_ + k] * x[k];
    x[i] = sum / lower_[i * n_ + i];
  }
  for (std::size_t i = n_; i-- > 0;) {
    if (dropped(i)) continue;
    for (std::size_t k = i + 1; k < n_; ++k)
      if (!dropped(k)) x[i] -= lower_[k * n_ + i] * x[k];
    x[i] /= lower_[i * n_ + i];
  }
  return x;
}

std::vector<double> Cholesky::inverse() const {
  std::vector<double> result(n_ * n_), unit(n_);
  for (std::size_t j = 0; j < n_; ++j) {
    if (dropped(j)) continue;
    std::fill(unit.begin(), unit.end(), 0.0);
    unit[j] = 1;
    const std::vector<double> column = solve(unit);
    for (std::size_t i = 0; i < n_; ++i) result[i * n_ + j] = column[i];
  }
  return result;
}

ChiSquare quadratic_test(std::span<const double> u, std::span<const double> matrix) {
  const Cholesky factor(matrix, u.size());
  ChiSquare test{.df = static_cast<double>(factor.rank())};
  if (factor.rank() == 0) {
    test.why = "no variance";
    return test;
  }
  const std::vector<double> solved = factor.solve(u);
  test.statistic = std::max(0.0, std::inner_product(u.begin(), u.end(), solved.begin(), 0.0));
  test.p = chi_square_upper(*test.statistic, test.df);
  return test;
}

}  // namespace rouage::stats::survival
