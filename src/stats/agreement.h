/// Agreement between raters and between methods.
///
///   Ratings ratings{.subjects = 12, .raters = 4, .categories = 5, .values = {...}};   // [subject][rater], -1: missing
///   Coefficient ac2 = gwet_ac(ratings, weights_of(Weighting::quadratic, {}, 5), 0.95);
///
/// A coefficient that is not defined (one category only, fewer than two subjects rated twice) has no value and says
/// why.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/values.h"
#include "stats/random.h"

namespace rouage::stats {

struct Ratings {
  std::uint32_t subjects = 0, raters = 0, categories = 0;
  std::vector<int> values;  ///< [subject][rater]: 0..categories-1, or -1
};

struct Coefficient {
  std::optional<double> value{}, standard_error{}, lower{}, upper{};
  std::uint64_t n = 0;  ///< subjects that count
  std::string why{};
};

enum class Weighting { identity, linear, quadratic };
/// categories x categories agreement weights, 1 on the diagonal: 1 - |a-b|/range or 1 - (a-b)^2/range^2. scores: of the
/// categories, ascending; empty: 0, 1, 2...
std::vector<double> weights_of(Weighting weighting, std::span<const double> scores, std::uint32_t categories);

/// Two raters, subjects rated by both. Interval: Wald with the variance of Fleiss, Cohen and Everitt (1969).
Coefficient cohen_kappa(const Ratings& ratings, std::span<const double> weights, double level);
/// P value of kappa = 0, by the null variance of the same paper; absent where kappa is.
std::optional<double> cohen_kappa_p(const Ratings& ratings, std::span<const double> weights);

/// Any number of raters, missing ratings allowed; linearised variance over subjects (Gwet 2008, 2014), t interval with
/// subjects - 1 degrees of freedom. Fleiss (1971) generalised; Gwet AC1 (identity weights) and AC2.
Coefficient fleiss_kappa(const Ratings& ratings, std::span<const double> weights, double level);
Coefficient gwet_ac(const Ratings& ratings, std::span<const double> weights, double level);
/// Share of agreeing pairs of ratings, weighted.
Coefficient observed_agreement(const Ratings& ratings, std::span<const double> weights, double level);

enum class AlphaMetric { nominal, ordinal, interval, ratio };
/// Krippendorff's alpha (2011). values: [subject][rater], NaN missing. Interval: percentile bootstrap over subjects.
Coefficient krippendorff_alpha(std::span<const double> values, std::uint32_t subjects, std::uint32_t raters,
                               AlphaMetric metric, double level, std::uint64_t draws, const DrawOptions& options);

/// McGraw and Wong (1996); in brackets Shrout and Fleiss (1979).
struct IntraclassForm {
  const char* name;  ///< "ICC(1)", "ICC(A,1)", ...
  const char* shrout_fleiss;
  Coefficient single_or_mean;
};
struct Intraclass {
  std::vector<IntraclassForm> forms;  ///< ICC(1), ICC(A,1), ICC(C,1), ICC(k), ICC(A,k), ICC(C,k)
  double ms_subjects = 0, ms_raters = 0, ms_error = 0, ms_within = 0;
  std::uint32_t subjects = 0, raters = 0;  ///< complete rows only
};
/// values: [subject][rater]; subjects with a missing value (NaN) are left out.
Intraclass intraclass(std::span<const double> values, std::uint32_t subjects, std::uint32_t raters, double level);

struct LimitsOfAgreement {
  std::uint64_t n = 0, subjects = 0;
  double level = 0.95;  ///< of the agreement limits' own coverage of differences and of their intervals
  Coefficient bias, standard_deviation, lower_limit, upper_limit;
  std::optional<double> slope, slope_p;  ///< of the difference on the mean: proportional bias
  bool repeated = false;
};
/// Differences first - second. Limits: mean +- z SD (Bland and Altman 1986); their intervals exact by the noncentral t
/// (Carkeet 2015). subject: one a pair; where subjects repeat, the SD is that of Bland and Altman (2007), between plus
/// within, and the limits' intervals come from a bootstrap over subjects.
LimitsOfAgreement bland_altman(std::span<const double> first, std::span<const double> second,
                               std::span<const std::uint32_t> subject, double level, std::uint64_t draws,
                               const DrawOptions& options);

}  // namespace rouage::stats
