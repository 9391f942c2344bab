/// Bootstrap of figures of cases: cases are drawn, or patients with all their cases, within strata where wished.
///
///   Resampling plan = resampling_of(cases, patient, truth);
///   intervals = bootstrap_intervals({f1_of}, plan, {.level = 0.95, .draws = 2000}, {.seed = 1, .threads = 2});
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "stats/interval.h"
#include "stats/random.h"

namespace rouage::stats {

struct Resampling {
  std::vector<std::vector<std::uint32_t>> units;   ///< cases of each unit (patient)
  std::vector<std::vector<std::uint32_t>> strata;  ///< units of each stratum; each keeps its size in every draw
  std::size_t cases = 0;
};
/// patient: dense numbers from 0, one a case; empty: each case for itself. stratum: one a case (the truth, so that no
/// draw has one class only); empty: none. A patient belongs to the highest stratum of its cases.
Resampling resampling_of(std::size_t cases, std::span<const std::uint32_t> patient,
                         std::span<const std::uint8_t> stratum);

/// How often each case occurs in one draw.
std::vector<std::uint32_t> draw_times(const Resampling& plan, Random& random);

/// Figures of cases that count `times` each; NaN where not defined. Called from several threads.
using WeighedFigures = std::function<std::vector<double>(std::span<const std::uint32_t> times)>;

struct BootstrapPlan {
  double level = 0.95;
  std::uint64_t draws = 2000;
  bool accelerated = false;  ///< BCa (Efron 1987) rather than percentiles
};
/// An interval for each figure, all from the same draws. The acceleration of BCa leaves out units, in at most 400
/// groups (Efron and Tibshirani 1993, section 14.3; Shao and Tu 1995). The same seed gives the same intervals with any
/// number of threads.
std::vector<BootstrapInterval> bootstrap_intervals(const WeighedFigures& figures, const Resampling& plan,
                                                   const BootstrapPlan& how, const DrawOptions& options);

}  // namespace rouage::stats
