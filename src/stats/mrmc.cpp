/// Obuchowski-Rockette analysis of a reader study.
#include "stats/mrmc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/distributions.h"

namespace rouage::stats {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kEndless = std::numeric_limits<double>::infinity();

double dot(std::span<const double> a, std::span<const double> b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

void add(std::vector<double>& sum, const std::vector<double>& more) {
  for (std::size_t k = 0; k < sum.size(); ++k) sum[k] += more[k];
}

double mean_of(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double share(double sum, double pairs) {
  return pairs > 0 ? sum / pairs : 0.0;
}

double square(double x) {
  return x * x;
}

/// Interval and test of a value with its variance.
ReaderEffect effect(double value, double variance, std::optional<double> df, double level) {
  ReaderEffect e{.value = value, .se = {}, .df = df, .lower = {}, .upper = {}, .statistic = {}, .p = {}};
  if (!std::isfinite(variance) || variance < 0 || (df && std::isnan(*df))) {
    e.df.reset();
    e.why = "one reader only: how readers differ is not known";
    return e;
  }
  e.se = std::sqrt(variance);
  if (*e.se == 0) {
    e.df.reset();
    e.why = "the variance is 0: readers or cases do not differ";
    return e;
  }
  const double degrees = df.value_or(kEndless);
  if (df && std::isinf(*df)) e.df.reset();
  const double width = t_quantile(0.5 + level / 2, degrees) * *e.se;
  e.lower = value - width;
  e.upper = value + width;
  e.statistic = value / *e.se;
  e.p = t_two_sided(*e.statistic, degrees);
  return e;
}

/// Denominator mean square and degrees of freedom of the comparison of arms.
struct Denominator {
  double mean_square = 0;
  std::optional<double> df;
};

Denominator denominator_of(const ReaderStudy& s, Generality generality) {
  const double readers = s.readers, arms = s.arms;
  const ReaderCovariances& c = s.covariances;
  const double between = std::max(c.cov2 - c.cov3, 0.0);
  const double free = (arms - 1) * (readers - 1);
  if (generality == Generality::cases) return {c.variance - c.cov1 + (readers - 1) * between, {}};
  if (generality == Generality::readers) return {s.ms_both, free};
  const double whole = s.ms_both + readers * between;
  return {whole, s.ms_both > 0 ? square(whole) / (square(s.ms_both) / free) : (free > 0 ? kEndless : kNone)};
}

ReaderEffect arm_effect(const ReaderStudy& s, std::uint32_t arm, Generality generality, double level) {
  const double readers = s.readers, cov2 = std::max(s.covariances.arm_cov2[arm], 0.0);
  if (generality == Generality::cases)
    return effect(s.arm_mean[arm], (s.covariances.arm_variance[arm] + (readers - 1) * cov2) / readers, {}, level);
  const double ms = s.arm_ms_reader[arm];
  if (generality == Generality::readers) return effect(s.arm_mean[arm], ms / readers, readers - 1, level);
  const double whole = ms + readers * cov2;
  const double df = ms > 0 ? square(whole) / (square(ms) / (readers - 1)) : kEndless;
  return effect(s.arm_mean[arm], whole / readers, readers > 1 ? df : kNone, level);
}

void add_test(ReaderAnalysis& a, const ReaderStudy& s, const Denominator& under, Generality generality) {
  if (s.arms < 2) {
    a.why = "one arm only";
  } else if (std::isnan(under.mean_square)) {
    a.why = "one reader only: how readers differ is not known";
  } else if (!(under.mean_square > 0)) {
    a.why = "the error variance is 0";
  } else {
    a.df1 = s.arms - 1.0;
    if (generality == Generality::cases) {
      a.statistic = *a.df1 * s.ms_arm / under.mean_square;
      a.p = chi_square_upper(*a.statistic, *a.df1);
    } else {
      a.statistic = s.ms_arm / under.mean_square;
      a.p = f_upper(*a.statistic, *a.df1, *under.df);
      if (std::isfinite(*under.df)) a.df2 = under.df;
    }
  }
}

void add_reader_differences(ReaderAnalysis& a, const ReaderStudy& s, std::uint32_t first, std::uint32_t second,
                            double level) {
  for (std::uint32_t r = 0; r < s.readers; ++r) {
    const double variance = 2 * (s.covariances.reader_variance[r] - s.covariances.reader_cov1[r]);
    ReaderEffect e =
        effect(s.value[first * s.readers + r] - s.value[second * s.readers + r], std::max(variance, 0.0), {}, level);
    e.first = first;
    e.second = second;
    a.reader_differences.push_back(e);
  }
}

}  // namespace

ReaderCovariances covariances_of(std::uint32_t arms, std::uint32_t readers,
                                 std::span<const std::vector<double>> vectors) {
  ReaderCovariances c;
  const std::size_t length = vectors.empty() ? 0 : vectors[0].size();
  const double t = arms, r = readers;
  std::vector<double> all(length);
  std::vector<std::vector<double>> by_arm(arms, all), by_reader(readers, all);
  std::vector<double> arm_own(arms), reader_own(readers);
  for (std::uint32_t i = 0; i < arms; ++i)
    for (std::uint32_t j = 0; j < readers; ++j) {
      const std::vector<double>& v = vectors[std::size_t{i} * readers + j];
      const double own = dot(v, v);
      c.cell_variance.push_back(own);
      arm_own[i] += own;
      reader_own[j] += own;
      add(by_arm[i], v);
      add(by_reader[j], v);
      add(all, v);
    }
  const double own = std::accumulate(arm_own.begin(), arm_own.end(), 0.0);
  double arm_sums = 0, reader_sums = 0;
  for (std::uint32_t i = 0; i < arms; ++i) {
    const double sums = dot(by_arm[i], by_arm[i]);
    c.arm_variance.push_back(arm_own[i] / r);
    c.arm_cov2.push_back(share(sums - arm_own[i], r * (r - 1)));
    arm_sums += sums;
  }
  for (std::uint32_t j = 0; j < readers; ++j) {
    const double sums = dot(by_reader[j], by_reader[j]);
    c.reader_variance.push_back(reader_own[j] / t);
    c.reader_cov1.push_back(share(sums - reader_own[j], t * (t - 1)));
    reader_sums += sums;
  }
  c.variance = own / (t * r);
  c.cov1 = share(reader_sums - own, r * t * (t - 1));
  c.cov2 = share(arm_sums - own, t * r * (r - 1));
  c.cov3 = share(dot(all, all) - arm_sums - reader_sums + own, t * (t - 1) * r * (r - 1));
  return c;
}

std::vector<std::vector<double>> jackknife_vectors(std::span<const CellFigure> cells, const CaseScope& scope) {
  std::vector<std::vector<double>> vectors;
  for (const CellFigure& cell : cells) {
    std::vector<double> v;
    if (scope.empty()) v = cell.left_out;
    for (const std::uint32_t k : scope) v.push_back(cell.left_out[k]);
    const auto n = static_cast<double>(v.size());
    const double mean = mean_of(v), factor = std::sqrt((n - 1) / n);
    for (double& x : v) x = (x - mean) * factor;
    vectors.push_back(std::move(v));
  }
  return vectors;
}

std::vector<std::vector<double>> bootstrap_vectors(std::span<const std::vector<double>> replicates) {
  const std::size_t draws = replicates.size(), cells = draws == 0 ? 0 : replicates[0].size();
  std::vector<std::vector<double>> vectors(cells, std::vector<double>(draws));
  for (std::size_t c = 0; c < cells; ++c) {
    for (std::size_t d = 0; d < draws; ++d) vectors[c][d] = replicates[d][c];
    const double mean = mean_of(vectors[c]), factor = 1 / std::sqrt(static_cast<double>(draws) - 1);
    for (double& x : vectors[c]) x = (x - mean) * factor;
  }
  return vectors;
}

ReaderStudy study_from(std::uint32_t arms, std::uint32_t readers, std::vector<double> values,
                       ReaderCovariances covariances) {
  ReaderStudy s{.arms = arms, .readers = readers, .value = std::move(values), .arm_mean = {}, .reader_mean = {}};
  const double t = arms, r = readers;
  s.mean = mean_of(s.value);
  s.reader_mean.assign(readers, 0.0);
  for (std::uint32_t i = 0; i < arms; ++i) {
    const auto row = std::span(s.value).subspan(std::size_t{i} * readers, readers);
    s.arm_mean.push_back(mean_of(row));
    s.ms_arm += r * square(s.arm_mean[i] - s.mean) / (t - 1);
    double within = 0;
    for (std::uint32_t j = 0; j < readers; ++j) {
      within += square(row[j] - s.arm_mean[i]);
      s.reader_mean[j] += row[j] / t;
    }
    s.arm_ms_reader.push_back(readers > 1 ? within / (r - 1) : kNone);
  }
  for (std::uint32_t j = 0; j < readers; ++j) {
    s.ms_reader += t * square(s.reader_mean[j] - s.mean) / (r - 1);
    for (std::uint32_t i = 0; i < arms; ++i)
      s.ms_both += square(s.value[std::size_t{i} * readers + j] - s.arm_mean[i] - s.reader_mean[j] + s.mean) /
                   ((t - 1) * (r - 1));
  }
  if (arms < 2) s.ms_arm = s.ms_both = kNone;
  if (readers < 2) s.ms_reader = s.ms_both = kNone;
  s.covariances = std::move(covariances);
  const ReaderCovariances& c = s.covariances;
  s.var_reader = (s.ms_reader - s.ms_both) / t - c.cov1 + c.cov3;
  s.var_both = s.ms_both - c.variance + c.cov1 + std::max(c.cov2 - c.cov3, 0.0);
  return s;
}

ReaderStudy study_of(std::uint32_t arms, std::uint32_t readers, std::span<const CellFigure> cells,
                     CovarianceMethod method, const CaseScope& scope) {
  std::vector<double> values;
  std::vector<std::vector<double>> vectors;
  for (const CellFigure& cell : cells) {
    values.push_back(cell.value);
    if (std::isnan(cell.value))
      throw Error(ErrorCode::StatisticUndefined, "a reader has no figure in an arm: positive or negative cases lack");
    if (method == CovarianceMethod::delong) {
      if (cell.influence.empty())
        throw Error(ErrorCode::StatisticUndefined, "DeLong's covariances are for areas of at least two cases a class")
            .remedy("jackknife covariances");
      vectors.push_back(cell.influence);
    }
  }
  if (method == CovarianceMethod::jackknife) vectors = jackknife_vectors(cells, scope);
  for (const auto& v : vectors)
    for (const double x : v)
      if (std::isnan(x))
        throw Error(ErrorCode::StatisticUndefined, "a figure hangs on one case: without it there is none")
            .remedy("at least two positive and two negative cases for every reader and arm");
  return study_from(arms, readers, std::move(values), covariances_of(arms, readers, vectors));
}

ReaderAnalysis analyse(const ReaderStudy& study, Generality generality, double level) {
  ReaderAnalysis a;
  const Denominator under = denominator_of(study, generality);
  a.ms_error = under.mean_square;
  add_test(a, study, under, generality);
  for (std::uint32_t i = 0; i < study.arms; ++i) a.arms.push_back(arm_effect(study, i, generality, level));
  for (std::uint32_t i = 0; i < study.arms; ++i)
    for (std::uint32_t j = i + 1; j < study.arms; ++j) {
      ReaderEffect e = effect(study.arm_mean[i] - study.arm_mean[j],
                              2 * std::max(under.mean_square, 0.0) / study.readers, under.df, level);
      if (std::isnan(under.mean_square)) e = effect(e.value, kNone, {}, level);
      e.first = i;
      e.second = j;
      a.differences.push_back(e);
      if (generality == Generality::cases) add_reader_differences(a, study, i, j, level);
    }
  return a;
}

double reader_power(const SizingInput& pilot, double readers, double cases) {
  if (!(readers > 1) || !(cases > 1) || !(pilot.cases > 1)) return kNone;
  const double scale = pilot.cases / cases, between = std::max(pilot.cov2 - pilot.cov3, 0.0);
  const double both = std::max(pilot.var_both, 0.0);
  const double whole = both + scale * (pilot.variance - pilot.cov1 + (readers - 1) * between);
  const double inner = both + scale * (pilot.variance - pilot.cov1 - between);
  if (!(whole > 0)) return kNone;
  const double df2 = inner > 0 ? square(whole) / (square(inner) / (readers - 1)) : kEndless;
  const double lambda = readers * square(pilot.difference) / 2 / whole;
  const double cut = f_quantile(1 - pilot.alpha, 1, std::min(df2, 1e7));
  return noncentral_f_upper(cut, 1, std::min(df2, 1e7), lambda);
}

std::optional<std::uint64_t> cases_for_power(const SizingInput& pilot, double readers, double power,
                                             std::uint64_t most) {
  std::uint64_t low = 2, high = most;
  if (!(reader_power(pilot, readers, static_cast<double>(most)) >= power)) return {};
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (reader_power(pilot, readers, static_cast<double>(middle)) >= power)
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}

}  // namespace rouage::stats
