/// Intervals of shares, and intervals out of bootstrap draws.
#pragma once
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::stats {

/// k of n. Exact: Clopper and Pearson (1934); n = 0 gives 0 to 1 around NaN. Score: Wilson (1927).
Estimate clopper_pearson(double k, double n, double level);
Estimate wilson(double k, double n, double level);
/// Difference of two independent shares, hybrid score: Newcombe (1998), method 10.
Estimate newcombe_difference(double k1, double n1, double k2, double n2, double level);
/// Difference of two shares of the same n cases, of which `both` are in both, `first` and `second` in one only:
/// Newcombe (1998, Stat Med 17:2635), method 10.
Estimate newcombe_paired_difference(double both, double first, double second, double neither, double level);

struct BootstrapInterval {
  std::optional<double> lower, upper;
  std::string why;  ///< why there is none
};
/// Percentiles of the finite draws (at least 100 and half of all).
BootstrapInterval percentile_interval(std::vector<double> draws, double level);
/// Bias-corrected and accelerated (Efron 1987). left_out: the figure without each unit (patient, case), for the
/// acceleration; falls back to nothing (why) where it is not finite.
BootstrapInterval bca_interval(double value, std::vector<double> draws, std::span<const double> left_out, double level);

}  // namespace rouage::stats
