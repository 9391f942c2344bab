#include "stats/diagnostic.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "stats/distributions.h"
#include "stats/interval.h"

namespace rouage::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct KindName {
  AccuracyKind kind;
  const char* name;
};
constexpr std::array kKinds{KindName{AccuracyKind::sensitivity, "sensitivity"},
                            KindName{AccuracyKind::specificity, "specificity"},
                            KindName{AccuracyKind::ppv, "ppv"},
                            KindName{AccuracyKind::npv, "npv"},
                            KindName{AccuracyKind::accuracy, "accuracy"},
                            KindName{AccuracyKind::balanced_accuracy, "balanced_accuracy"},
                            KindName{AccuracyKind::prevalence, "prevalence"},
                            KindName{AccuracyKind::f1, "f1"},
                            KindName{AccuracyKind::mcc, "mcc"},
                            KindName{AccuracyKind::youden, "youden"},
                            KindName{AccuracyKind::lr_positive, "lr_positive"},
                            KindName{AccuracyKind::lr_negative, "lr_negative"},
                            KindName{AccuracyKind::diagnostic_odds_ratio, "diagnostic_odds_ratio"}};

/// k of n of a share; n = 0 for what is no share.
std::pair<double, double> share_of(AccuracyKind kind, const Counts& c) {
  switch (kind) {
    case AccuracyKind::sensitivity:
      return {c.tp, c.tp + c.fn};
    case AccuracyKind::specificity:
      return {c.tn, c.tn + c.fp};
    case AccuracyKind::ppv:
      return {c.tp, c.tp + c.fp};
    case AccuracyKind::npv:
      return {c.tn, c.tn + c.fn};
    case AccuracyKind::accuracy:
      return {c.tp + c.tn, c.all()};
    case AccuracyKind::prevalence:
      return {c.tp + c.fn, c.all()};
    case AccuracyKind::f1:
      return {c.tp, c.tp + c.fp + c.fn};
    default:
      return {0, 0};
  }
}

std::string why_undefined(AccuracyKind kind) {
  switch (kind) {
    case AccuracyKind::sensitivity:
      return "no case has the condition";
    case AccuracyKind::specificity:
      return "every case has the condition";
    case AccuracyKind::ppv:
      return "the test was never positive";
    case AccuracyKind::npv:
      return "the test was never negative";
    case AccuracyKind::f1:
      return "there is neither a positive case nor a positive answer";
    case AccuracyKind::accuracy:
    case AccuracyKind::prevalence:
      return "there is no case";
    case AccuracyKind::mcc:
      return "one class, or one answer, only";
    case AccuracyKind::lr_positive:
    case AccuracyKind::diagnostic_odds_ratio:
      return "a cell of the table is 0";
    default:
      return "there are not cases of both classes";
  }
}

void set(Accuracy& figure, const Estimate& estimate) {
  figure.lower = estimate.lower;
  figure.upper = estimate.upper;
}

/// Matthews' coefficient: the delta method on four multinomial shares, in Fisher's z so that it stays within -1 and 1.
void set_mcc(Accuracy& figure, const Counts& counts, double level) {
  const double n = counts.all(), value = *figure.value;
  if (std::abs(value) >= 1) {
    figure.why = "no interval: agreement is complete";
    return;
  }
  const std::array<double, 4> share{counts.tp / n, counts.fn / n, counts.tn / n, counts.fp / n};
  const auto z_of = [&](const std::array<double, 4>& p) {
    return std::atanh(accuracy_value(AccuracyKind::mcc, {p[0], p[1], p[2], p[3]}));
  };
  double squares = 0, mean = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    const double step = 1e-5;
    std::array<double, 4> up = share, down = share;
    up[i] += step;
    down[i] = std::max(0.0, down[i] - step);
    const double slope = (z_of(up) - z_of(down)) / (up[i] - down[i]);
    squares += share[i] * slope * slope;
    mean += share[i] * slope;
  }
  const double half = normal_quantile(0.5 + level / 2) * std::sqrt(std::max(0.0, squares - mean * mean) / n);
  figure.lower = std::tanh(std::atanh(value) - half);
  figure.upper = std::tanh(std::atanh(value) + half);
}

/// exp(log value +- z se).
void set_log(Accuracy& figure, double variance, double level) {
  if (!std::isfinite(variance) || !(*figure.value > 0)) {
    figure.why = "no interval: a cell of the table is 0";
    return;
  }
  const double factor = std::exp(normal_quantile(0.5 + level / 2) * std::sqrt(variance));
  figure.lower = *figure.value / factor;
  figure.upper = *figure.value * factor;
}

void set_other(Accuracy& figure, const Counts& c, double level) {
  const double diseased = c.tp + c.fn, healthy = c.tn + c.fp;
  switch (figure.kind) {
    case AccuracyKind::mcc:
      figure.method = "delta method, Fisher's z";
      return set_mcc(figure, c, level);
    case AccuracyKind::youden:
    case AccuracyKind::balanced_accuracy: {
      // Sensitivity - (1 - specificity): a difference of two independent shares.
      const Estimate j = newcombe_difference(c.tp, diseased, c.fp, healthy, level);
      figure.method = "Newcombe (1998)";
      const bool youden = figure.kind == AccuracyKind::youden;
      figure.lower = youden ? j.lower : (j.lower + 1) / 2;
      figure.upper = youden ? j.upper : (j.upper + 1) / 2;
      return;
    }
    case AccuracyKind::lr_positive:
      figure.method = "Simel, Samsa and Matchar (1991)";
      return set_log(figure, 1 / c.tp - 1 / diseased + 1 / c.fp - 1 / healthy, level);
    case AccuracyKind::lr_negative:
      figure.method = "Simel, Samsa and Matchar (1991)";
      return set_log(figure, 1 / c.fn - 1 / diseased + 1 / c.tn - 1 / healthy, level);
    default:
      figure.method = "Woolf (1955)";
      return set_log(figure, 1 / c.tp + 1 / c.fn + 1 / c.tn + 1 / c.fp, level);
  }
}

Accuracy one(const KindName& known, const Counts& counts, double level, bool use_wilson) {
  Accuracy figure{.kind = known.kind, .name = known.name};
  const auto [k, n] = share_of(known.kind, counts);
  figure.n = n > 0 ? n : counts.all();
  const double value = accuracy_value(known.kind, counts);
  if (!std::isfinite(value)) {
    figure.why = why_undefined(known.kind);
    return figure;
  }
  figure.value = value;
  if (n == 0) {
    set_other(figure, counts, level);
    return figure;
  }
  const Estimate share = use_wilson ? wilson(k, n, level) : clopper_pearson(k, n, level);
  figure.method = use_wilson ? "Wilson (1927)" : "Clopper-Pearson (1934)";
  if (known.kind == AccuracyKind::f1) {
    figure.method += ", of tp / (tp + fp + fn), transformed";
    set(figure, {value, 2 * share.lower / (1 + share.lower), 2 * share.upper / (1 + share.upper), level});
  } else {
    set(figure, share);
  }
  return figure;
}

}  // namespace

double accuracy_value(AccuracyKind kind, const Counts& c) {
  const double diseased = c.tp + c.fn, healthy = c.tn + c.fp;
  const auto [k, n] = share_of(kind, c);
  switch (kind) {
    case AccuracyKind::f1:
      return n > 0 ? 2 * c.tp / (2 * c.tp + c.fp + c.fn) : kNaN;
    case AccuracyKind::mcc: {
      const double product = (c.tp + c.fp) * diseased * healthy * (c.tn + c.fn);
      return product > 0 ? (c.tp * c.tn - c.fp * c.fn) / std::sqrt(product) : kNaN;
    }
    case AccuracyKind::youden:
      return diseased > 0 && healthy > 0 ? c.tp / diseased + c.tn / healthy - 1 : kNaN;
    case AccuracyKind::balanced_accuracy:
      return diseased > 0 && healthy > 0 ? (c.tp / diseased + c.tn / healthy) / 2 : kNaN;
    case AccuracyKind::lr_positive:
      return diseased > 0 && c.fp > 0 ? (c.tp / diseased) / (c.fp / healthy) : kNaN;
    case AccuracyKind::lr_negative:
      return diseased > 0 && c.tn > 0 ? (c.fn / diseased) / (c.tn / healthy) : kNaN;
    case AccuracyKind::diagnostic_odds_ratio:
      return c.fp > 0 && c.fn > 0 ? c.tp * c.tn / (c.fp * c.fn) : kNaN;
    default:
      return n > 0 ? k / n : kNaN;
  }
}

std::vector<Accuracy> accuracies(const Counts& counts, double level, bool use_wilson) {
  std::vector<Accuracy> figures;
  figures.reserve(kKinds.size());
  for (const KindName& known : kKinds) figures.push_back(one(known, counts, level, use_wilson));
  return figures;
}

AdjustedPredictive predictive_at(const Counts& c, double prevalence, double level) {
  AdjustedPredictive result;
  result.ppv = {.kind = AccuracyKind::ppv, .name = "ppv", .n = c.all(), .method = "Mercaldo, Lau and Zhou (2007)"};
  result.npv = {.kind = AccuracyKind::npv, .name = "npv", .n = c.all(), .method = "Mercaldo, Lau and Zhou (2007)"};
  const double diseased = c.tp + c.fn, healthy = c.tn + c.fp;
  if (!(diseased > 0) || !(healthy > 0)) {
    result.ppv.why = result.npv.why = "there are not cases of both classes";
    return result;
  }
  const double se = c.tp / diseased, sp = c.tn / healthy, z = normal_quantile(0.5 + level / 2);
  const auto logit_interval = [&](Accuracy& figure, double yes, double no, double variance) {
    if (yes + no > 0) figure.value = yes / (yes + no);
    if (!(yes > 0) || !(no > 0) || !std::isfinite(variance)) {
      figure.why = "no interval: a cell of the table is 0";
      return;
    }
    const double centre = std::log(yes / no), half = z * std::sqrt(variance);
    figure.lower = 1 / (1 + std::exp(-(centre - half)));
    figure.upper = 1 / (1 + std::exp(-(centre + half)));
  };
  logit_interval(result.ppv, se * prevalence, (1 - sp) * (1 - prevalence),
                 (1 - se) / (se * diseased) + sp / ((1 - sp) * healthy));
  logit_interval(result.npv, sp * (1 - prevalence), (1 - se) * prevalence,
                 se / ((1 - se) * diseased) + (1 - sp) / (sp * healthy));
  return result;
}

McNemar mcnemar(const PairedCounts& pairs) {
  McNemar result{.first = pairs.first, .second = pairs.second, .exact = {}, .mid = {}, .chi = {}};
  const double n = pairs.first + pairs.second, low = std::min(pairs.first, pairs.second);
  if (n == 0) {
    result.exact = result.mid = 1;
    result.why = "the two never differ";
    return result;
  }
  const double tail = binomial_cdf(low, n, 0.5), at = binomial_point(low, n, 0.5);
  result.exact = std::min(1.0, 2 * tail);
  result.mid = std::min(1.0, pairs.first == pairs.second ? 1 - at : 2 * tail - at);
  const double apart = pairs.first - pairs.second;
  result.chi = chi_square_upper(apart * apart / n, 1);
  return result;
}

namespace {

/// `yes` and `no`: answers that count (positive for PPV), in cases where the answer is right and where it is wrong.
PredictiveComparison compare_predictive(const PairedCounts& yes, const PairedCounts& no, double level) {
  PredictiveComparison result;
  const double n1 = yes.both + yes.first + no.both + no.first, n2 = yes.both + yes.second + no.both + no.second;
  if (n1 == 0 || n2 == 0) {
    result.why = "one of the tests never gave this answer";
    return result;
  }
  const double p1 = (yes.both + yes.first) / n1, p2 = (yes.both + yes.second) / n2;
  result.first = p1;
  result.second = p2;
  const double pooled = (2 * yes.both + yes.first + yes.second) / (n1 + n2);
  const double shared = (yes.both * (1 - pooled) * (1 - pooled) + no.both * pooled * pooled) / (n1 + n2);
  const double variance = (pooled * (1 - pooled) - 2 * shared) * (1 / n1 + 1 / n2);
  if (variance > 0) {
    result.statistic = (p1 - p2) * (p1 - p2) / variance;
    result.p = chi_square_upper(*result.statistic, 1);
  } else {
    result.why = "no test: the two never differ where it counts";
  }
  if (!(p1 > 0) || !(p2 > 0)) return result;
  result.ratio = p1 / p2;
  // Var of log(p1 / p2) from each case's influence: a case that both call moves both in the same direction.
  const auto squared = [&](double right, double in_first, double in_second) {
    const double influence = in_first * (right - p1) / (n1 * p1) - in_second * (right - p2) / (n2 * p2);
    return influence * influence;
  };
  const double log_variance = yes.both * squared(1, 1, 1) + yes.first * squared(1, 1, 0) +
                              yes.second * squared(1, 0, 1) + no.both * squared(0, 1, 1) + no.first * squared(0, 1, 0) +
                              no.second * squared(0, 0, 1);
  const double factor = std::exp(normal_quantile(0.5 + level / 2) * std::sqrt(log_variance));
  result.ratio_lower = *result.ratio / factor;
  result.ratio_upper = *result.ratio * factor;
  return result;
}

PairedCounts turned(const PairedCounts& c) {
  return {.both = c.neither, .first = c.second, .second = c.first, .neither = c.both};
}

}  // namespace

PredictiveComparison compare_ppv(const PairedCounts& diseased, const PairedCounts& healthy, double level) {
  return compare_predictive(diseased, healthy, level);
}

PredictiveComparison compare_npv(const PairedCounts& diseased, const PairedCounts& healthy, double level) {
  return compare_predictive(turned(healthy), turned(diseased), level);
}

Heterogeneity compare_shares(std::span<const double> k, std::span<const double> n) {
  Heterogeneity result;
  double all_k = 0, all_n = 0, groups = 0;
  for (std::size_t i = 0; i < k.size(); ++i) {
    all_k += k[i];
    all_n += n[i];
    groups += n[i] > 0 ? 1 : 0;
  }
  const double p = all_k / all_n;
  if (groups < 2 || !(p > 0 && p < 1)) {
    result.why = groups < 2 ? "fewer than two strata have cases" : "all answers are the same";
    return result;
  }
  double statistic = 0;
  for (std::size_t i = 0; i < k.size(); ++i)
    if (n[i] > 0) statistic += (k[i] - n[i] * p) * (k[i] - n[i] * p) / (n[i] * p * (1 - p));
  result.statistic = statistic;
  result.df = groups - 1;
  result.p = chi_square_upper(statistic, result.df);
  return result;
}

}  // namespace rouage::stats
