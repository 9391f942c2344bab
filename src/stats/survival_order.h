/// What the files of survival.h share: checks, orders, a Cholesky that leaves collinear columns out.
#pragma once
#include <span>
#include <vector>

#include "stats/survival.h"

namespace rouage::stats::survival {

/// Throws StatisticUndefined as survival.h says.
void check(const SurvivalView& view);
inline double weight_of(const SurvivalView& view, std::size_t row) {
  return view.weight.empty() ? 1 : view.weight[row];
}
inline std::uint32_t stratum_of(const SurvivalView& view, std::size_t row) {
  return view.stratum.empty() ? 0 : view.stratum[row];
}
/// Rows by stratum, then by `key` ascending; equal keys keep the order of rows.
std::vector<std::uint32_t> ascending(const SurvivalView& view, std::span<const double> key);

/// Symmetric positive semidefinite [n][n]; a pivot below 1e-10 of its diagonal drops its column.
class Cholesky {
 public:
  Cholesky(std::span<const double> matrix, std::size_t n);
  std::size_t rank() const { return rank_; }
  bool dropped(std::size_t column) const { return lower_[column * n_ + column] == 0; }
  std::vector<double> solve(std::span<const double> right) const;  ///< 0 in dropped columns
  std::vector<double> inverse() const;

 private:
  std::size_t n_, rank_ = 0;
  std::vector<double> lower_;
};
/// u' M^-1 u with the rank of M as its degrees of freedom.
ChiSquare quadratic_test(std::span<const double> u, std::span<const double> matrix);

}  // namespace rouage::stats::survival
