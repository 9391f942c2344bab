/// Are probabilities true? Brier's score and its parts, calibration errors, slope, recalibration, net benefit.
///
///   Brier score = brier(probabilities, truth, bins_of_equal_width(probabilities, 10));
///   Logistic line = calibration_line(probabilities, truth, patient, 0.95);
///
/// Everywhere: probabilities within 0 and 1 (checked by the caller), truth 0 or 1, same length. times: how often each
/// case counts (bootstrap draws); empty: once. Pure, thread-safe.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "stats/resample.h"

namespace rouage::stats {

/// Bin of each case, 0..count-1.
struct Bins {
  std::vector<std::uint32_t> of_case;
  std::uint32_t count = 0;
};
Bins bins_of_equal_width(std::span<const double> probabilities, std::uint32_t count);
/// Equal numbers of cases; equal probabilities stay together.
Bins bins_of_equal_mass(std::span<const double> probabilities, std::uint32_t count);

/// Score = reliability - resolution + uncertainty + within (Murphy 1973; within: Stephenson, Coelho and Jolliffe 2008,
/// what binning leaves out: variance of the probabilities in a bin less twice their covariance with the truth).
struct Brier {
  double score = 0, reliability = 0, resolution = 0, uncertainty = 0, within = 0;
  double skill = 0;  ///< 1 - score / uncertainty; NaN where every case is of one class
};
Brier brier(std::span<const double> probabilities, std::span<const std::uint8_t> truth, const Bins& bins,
            std::span<const std::uint32_t> times = {});

/// Mean absolute difference of the observed and mean predicted share, weighed by bin (Naeini 2015); the largest one.
struct CalibrationError {
  double expected = 0, maximum = 0;
};
CalibrationError calibration_error(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                                   const Bins& bins, std::span<const std::uint32_t> times = {});

/// Observed against predicted, empty bins left out. Interval of the observed share: Clopper-Pearson.
struct ReliabilityBin {
  double predicted = 0, observed = 0, lower = 0, upper = 0;
  double n = 0, positives = 0;
};
std::vector<ReliabilityBin> reliability(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                                        const Bins& bins, double level);

/// Logistic regression of the truth on logit(p): slope 1 and intercept 0 when calibrated (Cox 1958). Variances: model,
/// or with patients the sandwich over patients. p = 0 and 1 are moved to 1e-15 from there. in_the_large: intercept with
/// the slope held at 1.
struct Logistic {
  std::optional<double> intercept, intercept_lower, intercept_upper;
  std::optional<double> slope, slope_lower, slope_upper;
  std::optional<double> in_the_large, in_the_large_lower, in_the_large_upper;
  std::optional<double> chi_square, p;  ///< Wald, intercept 0 and slope 1 together, 2 degrees of freedom
  std::string why{};                    ///< one class, separated, no spread
};
Logistic calibration_line(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                          std::span<const std::uint32_t> patient, double level);

/// z of Brier's score under calibration (Spiegelhalter 1986); NaN where all probabilities are 0, 0.5 or 1.
double spiegelhalter_z(std::span<const double> probabilities, std::span<const std::uint8_t> truth);

/// Probability = 1 / (1 + exp(-(intercept + slope * x))), x the logit of the probability. Platt (1999), with his
/// targets (n+ + 1) / (n+ + 2) and 1 / (n- + 2), so that separated data have a fit (Lin, Lin and Weng 2007).
struct Platt {
  double intercept = 0, slope = 1;
  double operator()(double probability) const;
};
Platt platt_fit(std::span<const double> probabilities, std::span<const std::uint8_t> truth);

/// Steps of the isotonic regression (pool adjacent violators; Ayer 1955, Zadrozny and Elkan 2002): at[i] ascending,
/// value[i] non-decreasing; between two steps straight, outside constant.
struct Isotonic {
  std::vector<double> at, value;
  double operator()(double probability) const;
};
Isotonic isotonic_fit(std::span<const double> probabilities, std::span<const std::uint8_t> truth);

/// Net benefit at thresholds (0 < t < 1) of treating where p >= t, and of treating all (Vickers and Elkin 2006), in
/// true positives a case.
struct NetBenefit {
  std::vector<double> model, all;
};
NetBenefit net_benefit(std::span<const double> probabilities, std::span<const std::uint8_t> truth,
                       std::span<const double> thresholds, std::span<const std::uint32_t> times = {});

}  // namespace rouage::stats
