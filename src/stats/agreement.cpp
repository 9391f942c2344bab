/// Chance-corrected agreement on categories.
#include "stats/agreement.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "stats/distributions.h"

namespace rouage::stats {
namespace {

/// Counts of one subject over categories.
struct SubjectCounts {
  std::vector<double> counts;  ///< [subject][category]
  std::vector<double> raters;  ///< of each subject
  std::uint32_t subjects = 0, categories = 0;
  const double* of(std::uint32_t subject) const { return counts.data() + std::size_t{subject} * categories; }
};

/// Subjects without any rating say nothing and are left out.
SubjectCounts count(const Ratings& ratings) {
  SubjectCounts table;
  table.categories = ratings.categories;
  for (std::uint32_t s = 0; s < ratings.subjects; ++s) {
    std::vector<double> row(ratings.categories, 0);
    double rated = 0;
    for (std::uint32_t r = 0; r < ratings.raters; ++r) {
      const int value = ratings.values[std::size_t{s} * ratings.raters + r];
      if (value < 0) continue;
      ++row[static_cast<std::size_t>(value)];
      ++rated;
    }
    if (rated == 0) continue;
    table.counts.insert(table.counts.end(), row.begin(), row.end());
    table.raters.push_back(rated);
    ++table.subjects;
  }
  return table;
}

std::vector<double> prevalences(const SubjectCounts& table) {
  std::vector<double> share(table.categories, 0);
  for (std::uint32_t s = 0; s < table.subjects; ++s)
    for (std::uint32_t k = 0; k < table.categories; ++k) share[k] += table.of(s)[k] / table.raters[s] / table.subjects;
  return share;
}

/// Weighted agreement of each subject's pairs of ratings; NaN for a subject with one rating.
std::vector<double> agreements(const SubjectCounts& table, std::span<const double> weights) {
  const std::uint32_t q = table.categories;
  std::vector<double> agree(table.subjects, std::nan(""));
  for (std::uint32_t s = 0; s < table.subjects; ++s) {
    const double r = table.raters[s];
    if (r < 2) continue;
    double sum = 0;
    for (std::uint32_t k = 0; k < q; ++k) {
      double weighted = 0;
      for (std::uint32_t l = 0; l < q; ++l) weighted += weights[std::size_t{k} * q + l] * table.of(s)[l];
      sum += table.of(s)[k] * (weighted - 1);
    }
    agree[s] = sum / (r * (r - 1));
  }
  return agree;
}

/// Estimate and t interval from one value a subject (linearisation).
Coefficient linearised(double value, std::span<const double> influence, double level) {
  const auto n = static_cast<double>(influence.size());
  double squares = 0;
  for (const double x : influence) squares += (x - value) * (x - value);
  Coefficient result{.value = value, .n = influence.size()};
  if (n < 2) {
    result.why = "fewer than two subjects";
    return result;
  }
  const double se = std::sqrt(squares / (n * (n - 1)));
  const double t = t_quantile(0.5 + level / 2, n - 1);
  result.standard_error = se;
  result.lower = std::max(-1.0, value - t * se);
  result.upper = std::min(1.0, value + t * se);
  return result;
}

Coefficient undefined(std::string why, std::uint64_t n) {
  Coefficient result;
  result.n = n;
  result.why = std::move(why);
  return result;
}

/// (observed - chance) / (1 - chance) with its influence; chance_of[s]: the subject's own share of the chance
/// agreement.
Coefficient chance_corrected(const std::vector<double>& agree, double chance, const std::vector<double>& chance_of,
                             double level) {
  double sum = 0, paired = 0;
  for (const double a : agree)
    if (!std::isnan(a)) {
      sum += a;
      ++paired;
    }
  const auto n = static_cast<double>(agree.size());
  if (paired == 0) return undefined("no subject was rated twice", agree.size());
  if (chance >= 1) return undefined("all ratings are in one category: chance agreement is 1", agree.size());
  const double value = (sum / paired - chance) / (1 - chance);
  std::vector<double> influence(agree.size());
  for (std::size_t s = 0; s < agree.size(); ++s) {
    const double own = std::isnan(agree[s]) ? 0 : n / paired * (agree[s] - chance) / (1 - chance);
    influence[s] = own - 2 * (1 - value) * (chance_of[s] - chance) / (1 - chance);
  }
  return linearised(value, influence, level);
}

/// Joint shares of two raters over the subjects that both rated.
struct TwoRaters {
  std::vector<double> joint, first, second;
  double n = 0;
};
TwoRaters two_raters(const Ratings& ratings) {
  if (ratings.raters != 2) throw Error(ErrorCode::StatisticUndefined, "Cohen's kappa is for two raters");
  const std::uint32_t q = ratings.categories;
  TwoRaters table{std::vector<double>(std::size_t{q} * q), std::vector<double>(q), std::vector<double>(q), 0};
  for (std::uint32_t s = 0; s < ratings.subjects; ++s) {
    const int a = ratings.values[2 * std::size_t{s}], b = ratings.values[2 * std::size_t{s} + 1];
    if (a < 0 || b < 0) continue;
    ++table.joint[static_cast<std::size_t>(a) * q + static_cast<std::size_t>(b)];
    ++table.n;
  }
  for (std::uint32_t a = 0; a < q; ++a)
    for (std::uint32_t b = 0; b < q; ++b) {
      double& share = table.joint[std::size_t{a} * q + b];
      if (table.n > 0) share /= table.n;
      table.first[a] += share;
      table.second[b] += share;
    }
  return table;
}

struct KappaParts {
  double observed = 0, chance = 0;
  std::vector<double> row_weight, column_weight;  ///< weights averaged over the other rater's shares
};
KappaParts kappa_parts(const TwoRaters& table, std::span<const double> weights) {
  const std::size_t q = table.first.size();
  KappaParts parts{0, 0, std::vector<double>(q), std::vector<double>(q)};
  for (std::size_t a = 0; a < q; ++a)
    for (std::size_t b = 0; b < q; ++b) {
      const double w = weights[a * q + b];
      parts.observed += w * table.joint[a * q + b];
      parts.chance += w * table.first[a] * table.second[b];
      parts.row_weight[a] += w * table.second[b];
      parts.column_weight[b] += w * table.first[a];
    }
  return parts;
}

}  // namespace

std::vector<double> weights_of(Weighting weighting, std::span<const double> scores, std::uint32_t categories) {
  const std::size_t q = categories;
  const auto score = [&](std::size_t k) { return scores.empty() ? static_cast<double>(k) : scores[k]; };
  double low = score(0), high = low;
  for (std::size_t k = 1; k < q; ++k) {
    low = std::min(low, score(k));
    high = std::max(high, score(k));
  }
  std::vector<double> weights(q * q, 0);
  for (std::size_t a = 0; a < q; ++a)
    for (std::size_t b = 0; b < q; ++b) {
      if (a == b) {
        weights[a * q + b] = 1;
      } else if (weighting != Weighting::identity) {
        const double apart = std::abs(score(a) - score(b)) / (high - low);
        weights[a * q + b] = 1 - (weighting == Weighting::linear ? apart : apart * apart);
      }
    }
  return weights;
}

Coefficient cohen_kappa(const Ratings& ratings, std::span<const double> weights, double level) {
  const TwoRaters table = two_raters(ratings);
  const auto n = static_cast<std::uint64_t>(table.n);
  if (n == 0) return undefined("no subject was rated by both", 0);
  const KappaParts parts = kappa_parts(table, weights);
  if (parts.chance >= 1) return undefined("both raters used one category only: chance agreement is 1", n);
  const double kappa = (parts.observed - parts.chance) / (1 - parts.chance);
  const std::size_t q = table.first.size();
  double sum = 0;
  for (std::size_t a = 0; a < q; ++a)
    for (std::size_t b = 0; b < q; ++b) {
      const double term = weights[a * q + b] * (1 - parts.chance) -
                          (parts.row_weight[a] + parts.column_weight[b]) * (1 - parts.observed);
      sum += table.joint[a * q + b] * term * term;
    }
  const double centre = parts.observed * parts.chance - 2 * parts.chance + parts.observed;
  const double variance = (sum - centre * centre) / (table.n * std::pow(1 - parts.chance, 4));
  Coefficient result{.value = kappa, .n = n};
  result.standard_error = std::sqrt(std::max(0.0, variance));
  const double z = normal_quantile(0.5 + level / 2);
  result.lower = std::max(-1.0, kappa - z * *result.standard_error);
  result.upper = std::min(1.0, kappa + z * *result.standard_error);
  return result;
}

std::optional<double> cohen_kappa_p(const Ratings& ratings, std::span<const double> weights) {
  const TwoRaters table = two_raters(ratings);
  const KappaParts parts = kappa_parts(table, weights);
  if (table.n == 0 || parts.chance >= 1) return std::nullopt;
  const std::size_t q = table.first.size();
  double sum = 0;
  for (std::size_t a = 0; a < q; ++a)
    for (std::size_t b = 0; b < q; ++b) {
      const double term = weights[a * q + b] - (parts.row_weight[a] + parts.column_weight[b]);
      sum += table.first[a] * table.second[b] * term * term;
    }
  const double variance = (sum - parts.chance * parts.chance) / (table.n * std::pow(1 - parts.chance, 2));
  if (!(variance > 0)) return std::nullopt;
  const double kappa = (parts.observed - parts.chance) / (1 - parts.chance);
  return 2 * normal_upper(std::abs(kappa) / std::sqrt(variance));
}

Coefficient fleiss_kappa(const Ratings& ratings, std::span<const double> weights, double level) {
  const SubjectCounts table = count(ratings);
  const std::size_t q = table.categories;
  const std::vector<double> share = prevalences(table);
  std::vector<double> weighted(q, 0);  // mean weight of a category against all ratings
  double chance = 0;
  for (std::size_t k = 0; k < q; ++k)
    for (std::size_t l = 0; l < q; ++l) {
      weighted[k] += weights[k * q + l] * share[l];
      chance += weights[k * q + l] * share[k] * share[l];
    }
  std::vector<double> own(table.subjects, 0);
  for (std::uint32_t s = 0; s < table.subjects; ++s)
    for (std::size_t k = 0; k < q; ++k) own[s] += table.of(s)[k] / table.raters[s] * weighted[k];
  return chance_corrected(agreements(table, weights), chance, own, level);
}

Coefficient gwet_ac(const Ratings& ratings, std::span<const double> weights, double level) {
  const SubjectCounts table = count(ratings);
  const std::size_t q = table.categories;
  if (q < 2) return undefined("fewer than two categories", table.subjects);
  const std::vector<double> share = prevalences(table);
  double total_weight = 0, spread = 0;
  for (const double w : weights) total_weight += w;
  for (const double p : share) spread += p * (1 - p);
  const double factor = total_weight / static_cast<double>(q * (q - 1));
  std::vector<double> own(table.subjects, 0);
  for (std::uint32_t s = 0; s < table.subjects; ++s)
    for (std::size_t k = 0; k < q; ++k) own[s] += factor * table.of(s)[k] / table.raters[s] * (1 - share[k]);
  return chance_corrected(agreements(table, weights), factor * spread, own, level);
}

Coefficient observed_agreement(const Ratings& ratings, std::span<const double> weights, double level) {
  const SubjectCounts table = count(ratings);
  std::vector<double> paired;
  for (const double a : agreements(table, weights))
    if (!std::isnan(a)) paired.push_back(a);
  if (paired.empty()) return undefined("no subject was rated twice", table.subjects);
  double sum = 0;
  for (const double a : paired) sum += a;
  Coefficient result = linearised(sum / static_cast<double>(paired.size()), paired, level);
  if (result.lower) result.lower = std::max(0.0, *result.lower);
  return result;
}

}  // namespace rouage::stats
