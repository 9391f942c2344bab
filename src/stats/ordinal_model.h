/// Likelihood of a cumulative link mixed model at given parameters: the inner half of ordinal.h.
#pragma once
#include <vector>

#include "stats/ordinal.h"

namespace rouage::stats {

/// Lower Cholesky factor of a symmetric n x n matrix in place (row-major); false when it is not positive definite.
bool cholesky(std::vector<double>& matrix, std::size_t n);
/// Inverse out of the factor.
std::vector<double> inverse_of_factor(const std::vector<double>& factor, std::size_t n);

/// Random effects are kept standardised (sd times them is the effect), so that an sd of 0 is an ordinary point. The
/// term with the most levels is eliminated first: its block is diagonal, which makes crossed cases and readers cheap.
class MixedModel {
 public:
  MixedModel(const OrdinalData& data, Link link);
  std::size_t fixed() const { return thresholds_ + data_.predictors; }
  /// parameters: thresholds, coefficients, one sd a term. Minus infinity where the thresholds are not ascending or the
  /// modes are not found. nodes: as in OrdinalOptions.
  double log_likelihood(const std::vector<double>& parameters, int nodes);
  /// Effects, their variances, and variances of totals at the parameters last asked for.
  void describe(const std::vector<double>& parameters, OrdinalFit& fit);

 private:
  struct Blocks {
    std::vector<double> diagonal, border, rest;  ///< [big], [big][small], [small][small]
    std::vector<double> gradient_big, gradient_small;
    std::size_t small = 0;
  };
  double value(const std::vector<double>& parameters, const std::vector<double>& effects) const;
  double row_value(const std::vector<double>& parameters, std::size_t row, double eta) const;
  double fixed_part(const std::vector<double>& parameters, std::size_t row) const;
  double eta(const std::vector<double>& parameters, const std::vector<double>& effects, std::size_t row) const;
  Blocks blocks(const std::vector<double>& parameters, bool joint) const;
  bool solve_modes(const std::vector<double>& parameters, double& log_determinant);
  double quadrature(const std::vector<double>& parameters, int nodes) const;

  const OrdinalData& data_;
  Link link_;
  std::size_t thresholds_, rows_;
  int big_ = -1;                      ///< the eliminated term
  std::vector<std::size_t> offsets_;  ///< of each term in effects_
  std::vector<double> effects_;
};

}  // namespace rouage::stats
