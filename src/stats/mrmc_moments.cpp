/// What needs every pair of a positive and a negative case: unbiased covariances, one-shot variances; and pseudovalues.
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/mrmc.h"

namespace rouage::stats {
namespace {

/// Kernel of an area: one value a pair, [positive][negative].
struct Kernel {
  std::size_t positives = 0, negatives = 0;
  std::vector<double> pair;
};

Kernel kernel_of(std::span<const double> ratings, std::span<const std::uint8_t> truth) {
  std::vector<double> positive, negative;
  for (std::size_t k = 0; k < ratings.size(); ++k) {
    if (std::isnan(ratings[k]))
      throw Error(ErrorCode::StatisticUndefined, "unbiased moments want every case rated by every reader in every arm")
          .remedy("jackknife covariances");
    (truth[k] != 0 ? positive : negative).push_back(ratings[k]);
  }
  if (positive.size() < 2 || negative.size() < 2)
    throw Error(ErrorCode::StatisticUndefined, "fewer than two positive or two negative cases");
  Kernel kernel{.positives = positive.size(), .negatives = negative.size(), .pair = {}};
  kernel.pair.reserve(positive.size() * negative.size());
  for (const double p : positive)
    for (const double n : negative) kernel.pair.push_back(p == n ? 0.5 : (p > n ? 1.0 : 0.0));
  return kernel;
}

void add(Kernel& sum, const Kernel& more, double sign) {
  if (sum.pair.empty()) {
    sum = {more.positives, more.negatives, std::vector<double>(more.pair.size())};
  }
  for (std::size_t i = 0; i < sum.pair.size(); ++i) sum.pair[i] += sign * more.pair[i];
}

/// Sums of squares: of pairs, of the positive's and the negative's sums, of the whole.
struct Squares {
  double pair = 0, positive = 0, negative = 0, whole = 0;
  Squares& operator+=(const Squares& more) {
    pair += more.pair;
    positive += more.positive;
    negative += more.negative;
    whole += more.whole;
    return *this;
  }
  Squares minus(const Squares& less) const {
    return {pair - less.pair, positive - less.positive, negative - less.negative, whole - less.whole};
  }
};

Squares squares_of(const Kernel& kernel) {
  Squares s;
  std::vector<double> columns(kernel.negatives);
  double total = 0;
  for (std::size_t i = 0; i < kernel.positives; ++i) {
    double row = 0;
    for (std::size_t j = 0; j < kernel.negatives; ++j) {
      const double x = kernel.pair[i * kernel.negatives + j];
      s.pair += x * x;
      row += x;
      columns[j] += x;
    }
    s.positive += row * row;
    total += row;
  }
  for (const double column : columns) s.negative += column * column;
  s.whole = total * total;
  return s;
}

/// Unbiased covariance of two areas, from the sums of products over `pairs` pairs of cells.
double unbiased(const Squares& s, double positives, double negatives, double pairs) {
  if (!(pairs > 0)) return 0;
  const double apart =
      (s.whole - s.positive - s.negative + s.pair) / (positives * (positives - 1) * negatives * (negatives - 1));
  return (s.whole / (positives * positives * negatives * negatives) - apart) / pairs;
}

/// M1..M4 out of sums of products over `pairs` pairs of readers.
void fill_moments(double* moments, const Squares& s, const Kernel& size, double pairs, bool exact) {
  const auto p = static_cast<double>(size.positives), n = static_cast<double>(size.negatives);
  if (!(pairs > 0)) return;
  if (!exact) {
    moments[0] = s.pair / (p * n * pairs);
    moments[1] = s.positive / (p * n * n * pairs);
    moments[2] = s.negative / (p * p * n * pairs);
    moments[3] = s.whole / (p * p * n * n * pairs);
    return;
  }
  moments[0] = s.pair / (p * n * pairs);
  moments[2] = (s.negative - s.pair) / (p * (p - 1) * n * pairs);  // same negative, other positive
  moments[1] = (s.positive - s.pair) / (p * n * (n - 1) * pairs);  // same positive, other negative
  moments[3] = (s.whole - s.positive - s.negative + s.pair) / (p * (p - 1) * n * (n - 1) * pairs);
}

}  // namespace

ReaderCovariances unbiased_covariances(std::uint32_t arms, std::uint32_t readers,
                                       std::span<const std::vector<double>> ratings,
                                       std::span<const std::uint8_t> truth) {
  ReaderCovariances c;
  const double t = arms, r = readers;
  Kernel all;
  std::vector<Kernel> by_reader(readers);
  std::vector<Squares> reader_own(readers);
  Squares arm_sums, reader_sums, own;
  double p = 0, n = 0;
  for (std::uint32_t i = 0; i < arms; ++i) {
    Kernel arm;
    Squares arm_own;
    for (std::uint32_t j = 0; j < readers; ++j) {
      const Kernel cell = kernel_of(ratings[std::size_t{i} * readers + j], truth);
      p = static_cast<double>(cell.positives);
      n = static_cast<double>(cell.negatives);
      const Squares s = squares_of(cell);
      c.cell_variance.push_back(unbiased(s, p, n, 1));
      arm_own += s;
      reader_own[j] += s;
      add(arm, cell, 1);
      add(by_reader[j], cell, 1);
      add(all, cell, 1);
    }
    const Squares sums = squares_of(arm);
    c.arm_variance.push_back(unbiased(arm_own, p, n, r));
    c.arm_cov2.push_back(unbiased(sums.minus(arm_own), p, n, r * (r - 1)));
    arm_sums += sums;
    own += arm_own;
  }
  for (std::uint32_t j = 0; j < readers; ++j) {
    const Squares sums = squares_of(by_reader[j]);
    c.reader_variance.push_back(unbiased(reader_own[j], p, n, t));
    c.reader_cov1.push_back(unbiased(sums.minus(reader_own[j]), p, n, t * (t - 1)));
    reader_sums += sums;
  }
  c.variance = unbiased(own, p, n, t * r);
  c.cov1 = unbiased(reader_sums.minus(own), p, n, r * t * (t - 1));
  c.cov2 = unbiased(arm_sums.minus(own), p, n, t * r * (r - 1));
  Squares rest = squares_of(all).minus(arm_sums).minus(reader_sums);
  rest += own;
  c.cov3 = unbiased(rest, p, n, t * (t - 1) * r * (r - 1));
  return c;
}

OneShot one_shot(std::span<const std::vector<double>> first, std::span<const std::vector<double>> second,
                 std::span<const std::uint8_t> truth, bool unbiased_moments) {
  OneShot shot;
  const auto readers = static_cast<double>(first.size());
  if (first.size() < 2) throw Error(ErrorCode::StatisticUndefined, "random readers want at least two of them");
  Kernel all;
  Squares own;
  for (std::size_t r = 0; r < first.size(); ++r) {
    Kernel cell = kernel_of(first[r], truth);
    if (!second.empty()) add(cell, kernel_of(second[r], truth), -1);
    const auto p = static_cast<double>(cell.positives), n = static_cast<double>(cell.negatives);
    const Squares s = squares_of(cell);
    shot.reader_value.push_back(std::accumulate(cell.pair.begin(), cell.pair.end(), 0.0) / (p * n));
    shot.reader_variance.push_back(unbiased(s, p, n, 1));
    shot.value += shot.reader_value.back() / readers;
    own += s;
    add(all, cell, 1);
  }
  const Squares sums = squares_of(all);
  fill_moments(shot.moments, own, all, readers, unbiased_moments);
  if (unbiased_moments)
    fill_moments(shot.moments + 4, sums.minus(own), all, readers * (readers - 1), true);
  else
    fill_moments(shot.moments + 4, sums, all, readers * readers, false);
  const auto p = static_cast<double>(all.positives), n = static_cast<double>(all.negatives);
  const double same[4] = {1, n - 1, p - 1, (p - 1) * (n - 1)};
  for (std::size_t m = 0; m < 4; ++m) {
    shot.coefficients[m] = same[m] / (p * n * readers);
    shot.coefficients[m + 4] = same[m] * (readers - 1) / (p * n * readers);
  }
  shot.coefficients[7] -= 1;
  for (std::size_t m = 0; m < 8; ++m) shot.variance += shot.coefficients[m] * shot.moments[m];
  return shot;
}

}  // namespace rouage::stats
