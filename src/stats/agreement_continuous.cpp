/// Agreement of measurements: intraclass correlation, limits of agreement.
#include <algorithm>
#include <cmath>
#include <map>

#include "base/error.h"
#include "stats/agreement.h"
#include "stats/distributions.h"

namespace rouage::stats {
namespace {

struct MeanSquares {
  double subjects = 0, raters = 0, error = 0, within = 0;
  double n = 0, k = 0;
};

/// Two-way layout without replication, complete rows.
MeanSquares mean_squares(const std::vector<double>& x, std::uint32_t raters) {
  MeanSquares ms;
  ms.k = raters;
  ms.n = static_cast<double>(x.size()) / raters;
  const auto n = x.size() / raters;
  double grand = 0;
  std::vector<double> row(n, 0), column(raters, 0);
  for (std::size_t s = 0; s < n; ++s)
    for (std::uint32_t r = 0; r < raters; ++r) {
      const double v = x[s * raters + r];
      grand += v / static_cast<double>(x.size());
      row[s] += v / ms.k;
      column[r] += v / ms.n;
    }
  for (std::size_t s = 0; s < n; ++s) ms.subjects += ms.k * (row[s] - grand) * (row[s] - grand);
  for (std::uint32_t r = 0; r < raters; ++r) ms.raters += ms.n * (column[r] - grand) * (column[r] - grand);
  for (std::size_t s = 0; s < n; ++s)
    for (std::uint32_t r = 0; r < raters; ++r) {
      const double v = x[s * raters + r];
      ms.within += (v - row[s]) * (v - row[s]);
      const double residual = v - row[s] - column[r] + grand;
      ms.error += residual * residual;
    }
  ms.subjects /= ms.n - 1;
  ms.raters /= ms.k - 1;
  ms.within /= ms.n * (ms.k - 1);
  ms.error /= (ms.n - 1) * (ms.k - 1);
  return ms;
}

Coefficient with(double value, double lower, double upper, const MeanSquares& ms) {
  Coefficient c{.value = value, .n = static_cast<std::uint64_t>(ms.n)};
  if (!std::isfinite(value)) return {.n = c.n, .why = "there is no variance"};
  if (std::isfinite(lower) && std::isfinite(upper)) {
    c.lower = lower;
    c.upper = upper;
  } else {
    c.why = "no interval: the error variance is 0";
  }
  return c;
}

/// Forms that compare subjects with one error term: (MSR - MSx) / (MSR + (k-1) MSx), and its mean.
std::pair<Coefficient, Coefficient> one_error(const MeanSquares& ms, double error, double df_error, double level) {
  const double f = ms.subjects / error, p = 0.5 + level / 2;
  const double low = f / f_quantile(p, ms.n - 1, df_error), high = f * f_quantile(p, df_error, ms.n - 1);
  return {with((ms.subjects - error) / (ms.subjects + (ms.k - 1) * error), (low - 1) / (low + ms.k - 1),
               (high - 1) / (high + ms.k - 1), ms),
          with((ms.subjects - error) / ms.subjects, 1 - 1 / low, 1 - 1 / high, ms)};
}

/// Absolute agreement: raters' own variance counts; degrees of freedom by Satterthwaite (McGraw and Wong 1996, table
/// 7).
std::pair<Coefficient, Coefficient> absolute(const MeanSquares& ms, double level) {
  const double n = ms.n, k = ms.k;
  const double single = (ms.subjects - ms.error) / (ms.subjects + (k - 1) * ms.error + k / n * (ms.raters - ms.error));
  const double mean = (ms.subjects - ms.error) / (ms.subjects + (ms.raters - ms.error) / n);
  const double a = k * single / (n * (1 - single)), b = 1 + k * single * (n - 1) / (n * (1 - single));
  const double v = std::pow(a * ms.raters + b * ms.error, 2) /
                   (std::pow(a * ms.raters, 2) / (k - 1) + std::pow(b * ms.error, 2) / ((n - 1) * (k - 1)));
  const double p = 0.5 + level / 2, f_low = f_quantile(p, n - 1, v), f_high = f_quantile(p, v, n - 1);
  const double rest = k * ms.raters + (k * n - k - n) * ms.error;
  const double lower = n * (ms.subjects - f_low * ms.error) / (f_low * rest + n * ms.subjects);
  const double upper = n * (f_high * ms.subjects - ms.error) / (rest + n * f_high * ms.subjects);
  const auto stepped = [k](double rho) { return k * rho / (1 + (k - 1) * rho); };  // Spearman-Brown
  return {with(single, lower, upper, ms), with(mean, stepped(lower), stepped(upper), ms)};
}

struct Differences {
  std::vector<double> value, mean;
  std::vector<std::uint32_t> subject;
};

double mean_of(const std::vector<double>& x) {
  double sum = 0;
  for (const double v : x) sum += v;
  return sum / static_cast<double>(x.size());
}

/// Slope of the difference on the mean, and its t test.
void fit_slope(const Differences& d, LimitsOfAgreement& limits) {
  const auto n = static_cast<double>(d.value.size());
  if (n < 3) return;
  const double mx = mean_of(d.mean), my = mean_of(d.value);
  double xx = 0, xy = 0, yy = 0;
  for (std::size_t i = 0; i < d.value.size(); ++i) {
    xx += (d.mean[i] - mx) * (d.mean[i] - mx);
    xy += (d.mean[i] - mx) * (d.value[i] - my);
    yy += (d.value[i] - my) * (d.value[i] - my);
  }
  if (!(xx > 0)) return;
  limits.slope = xy / xx;
  const double residual = yy - xy * xy / xx;
  if (residual > 0) limits.slope_p = t_two_sided(*limits.slope / std::sqrt(residual / (n - 2) / xx), n - 2);
}

/// SD of a single difference when subjects repeat: between and within, from a one-way layout of unequal sizes.
struct RepeatedSd {
  double bias = 0, sd = 0;
  bool defined = false;
};
RepeatedSd repeated_sd(const std::map<std::uint32_t, std::vector<double>>& groups,
                       std::span<const std::uint32_t> times) {
  double total = 0, squares = 0, subjects = 0, sum = 0, within = 0;
  std::size_t index = 0;
  for (const auto& [subject, values] : groups) {
    const double weight = times.empty() ? 1 : times[index];
    ++index;
    if (weight == 0) continue;
    const auto m = static_cast<double>(values.size());
    const double centre = mean_of(values);
    total += weight * m;
    squares += weight * m * m;
    subjects += weight;
    sum += weight * m * centre;
    for (const double v : values) within += weight * (v - centre) * (v - centre);
  }
  RepeatedSd result{sum / total, 0, false};
  double between = 0;
  index = 0;
  for (const auto& [subject, values] : groups) {
    const double weight = times.empty() ? 1 : times[index];
    ++index;
    const double apart = mean_of(values) - result.bias;
    between += weight * static_cast<double>(values.size()) * apart * apart;
  }
  if (subjects < 2 || total <= subjects) return result;
  const double ms_between = between / (subjects - 1), ms_within = within / (total - subjects);
  const double size = (total * total - squares) / ((subjects - 1) * total);
  result.sd = std::sqrt(std::max(0.0, (ms_between - ms_within) / size) + ms_within);
  result.defined = true;
  return result;
}

void set_percentiles(Coefficient& coefficient, std::vector<double> replicates, double level) {
  if (replicates.size() < 100) {
    coefficient.why = "too few bootstrap samples are usable";
    return;
  }
  std::sort(replicates.begin(), replicates.end());
  const auto last = static_cast<double>(replicates.size() - 1);
  coefficient.lower = replicates[static_cast<std::size_t>((1 - level) / 2 * last)];
  coefficient.upper = replicates[static_cast<std::size_t>((1 + level) / 2 * last)];
}

void limits_repeated(const Differences& d, double level, std::uint64_t draws, const DrawOptions& options,
                     LimitsOfAgreement& limits) {
  std::map<std::uint32_t, std::vector<double>> groups;
  for (std::size_t i = 0; i < d.value.size(); ++i) groups[d.subject[i]].push_back(d.value[i]);
  const RepeatedSd found = repeated_sd(groups, {});
  const double z = normal_quantile(0.5 + level / 2);
  limits.bias.value = found.bias;
  if (!found.defined) {
    limits.standard_deviation.why = "fewer than two subjects, or none repeated";
    return;
  }
  limits.standard_deviation.value = found.sd;
  limits.lower_limit.value = found.bias - z * found.sd;
  limits.upper_limit.value = found.bias + z * found.sd;
  std::vector<RepeatedSd> replicates(draws);
  bootstrap(draws, options, [&](std::uint64_t draw, Random& random) {
    replicates[draw] = repeated_sd(groups, resample_counts(static_cast<std::uint32_t>(groups.size()), random));
  });
  std::erase_if(replicates, [](const RepeatedSd& r) { return !r.defined; });
  const auto each = [&](double factor, bool sd_only) {
    std::vector<double> values;
    values.reserve(replicates.size());
    for (const RepeatedSd& r : replicates) values.push_back(sd_only ? r.sd : r.bias + factor * r.sd);
    return values;
  };
  set_percentiles(limits.bias, each(0, false), level);
  set_percentiles(limits.standard_deviation, each(0, true), level);
  set_percentiles(limits.lower_limit, each(-z, false), level);
  set_percentiles(limits.upper_limit, each(z, false), level);
}

void limits_simple(const Differences& d, double level, LimitsOfAgreement& limits) {
  const auto n = static_cast<double>(d.value.size());
  const double bias = mean_of(d.value);
  limits.bias.value = bias;
  if (n < 2) {
    limits.standard_deviation.why = limits.lower_limit.why = limits.upper_limit.why = "one difference only";
    return;
  }
  double squares = 0;
  for (const double v : d.value) squares += (v - bias) * (v - bias);
  const double sd = std::sqrt(squares / (n - 1)), p = 0.5 + level / 2, z = normal_quantile(p);
  limits.bias.standard_error = sd / std::sqrt(n);
  limits.bias.lower = bias - t_quantile(p, n - 1) * sd / std::sqrt(n);
  limits.bias.upper = bias + t_quantile(p, n - 1) * sd / std::sqrt(n);
  limits.standard_deviation.value = sd;
  limits.standard_deviation.lower = sd * std::sqrt((n - 1) / chi_square_quantile(p, n - 1));
  limits.standard_deviation.upper = sd * std::sqrt((n - 1) / chi_square_quantile(1 - p, n - 1));
  // (mean + k SD) bounds the quantile mu + z sigma with k from the noncentral t with delta = z sqrt(n).
  const double inner = noncentral_t_quantile(1 - p, n - 1, z * std::sqrt(n)) / std::sqrt(n);
  const double outer = noncentral_t_quantile(p, n - 1, z * std::sqrt(n)) / std::sqrt(n);
  limits.upper_limit = {.value = bias + z * sd, .lower = bias + inner * sd, .upper = bias + outer * sd, .n = limits.n};
  limits.lower_limit = {.value = bias - z * sd, .lower = bias - outer * sd, .upper = bias - inner * sd, .n = limits.n};
}

}  // namespace

Intraclass intraclass(std::span<const double> values, std::uint32_t subjects, std::uint32_t raters, double level) {
  std::vector<double> complete;
  for (std::uint32_t s = 0; s < subjects; ++s) {
    const auto row = values.subspan(std::size_t{s} * raters, raters);
    if (std::none_of(row.begin(), row.end(), [](double v) { return std::isnan(v); }))
      complete.insert(complete.end(), row.begin(), row.end());
  }
  Intraclass result;
  result.raters = raters;
  result.subjects = raters == 0 ? 0 : static_cast<std::uint32_t>(complete.size() / raters);
  if (raters < 2 || result.subjects < 2)
    throw Error(ErrorCode::StatisticUndefined, "an intraclass correlation wants two raters and two complete subjects");
  const MeanSquares ms = mean_squares(complete, raters);
  result.ms_subjects = ms.subjects;
  result.ms_raters = ms.raters;
  result.ms_error = ms.error;
  result.ms_within = ms.within;
  const auto oneway = one_error(ms, ms.within, ms.n * (ms.k - 1), level);
  const auto agreement = absolute(ms, level);
  const auto consistency = one_error(ms, ms.error, (ms.n - 1) * (ms.k - 1), level);
  result.forms = {{"ICC(1)", "ICC(1,1)", oneway.first},        {"ICC(A,1)", "ICC(2,1)", agreement.first},
                  {"ICC(C,1)", "ICC(3,1)", consistency.first}, {"ICC(k)", "ICC(1,k)", oneway.second},
                  {"ICC(A,k)", "ICC(2,k)", agreement.second},  {"ICC(C,k)", "ICC(3,k)", consistency.second}};
  return result;
}

LimitsOfAgreement bland_altman(std::span<const double> first, std::span<const double> second,
                               std::span<const std::uint32_t> subject, double level, std::uint64_t draws,
                               const DrawOptions& options) {
  Differences d;
  for (std::size_t i = 0; i < first.size(); ++i) {
    if (std::isnan(first[i]) || std::isnan(second[i])) continue;
    d.value.push_back(first[i] - second[i]);
    d.mean.push_back((first[i] + second[i]) / 2);
    d.subject.push_back(subject.empty() ? static_cast<std::uint32_t>(i) : subject[i]);
  }
  if (d.value.empty()) throw Error(ErrorCode::StatisticUndefined, "no pair of measurements is complete");
  LimitsOfAgreement limits;
  limits.level = level;
  limits.n = d.value.size();
  std::vector<std::uint32_t> distinct = d.subject;
  std::sort(distinct.begin(), distinct.end());
  distinct.erase(std::unique(distinct.begin(), distinct.end()), distinct.end());
  limits.subjects = distinct.size();
  limits.repeated = distinct.size() < d.value.size();
  limits.bias.n = limits.standard_deviation.n = limits.n;
  if (limits.repeated)
    limits_repeated(d, level, draws, options, limits);
  else
    limits_simple(d, level, limits);
  fit_slope(d, limits);
  return limits;
}

}  // namespace rouage::stats
