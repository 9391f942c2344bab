/// Elementary functions and random numbers for the phantom, made of IEEE additions, multiplications and square roots
/// only, so that a film has the same bytes whatever the C library.
#pragma once
#include <bit>
#include <cmath>
#include <cstdint>

namespace rouage::image::phantom {

inline constexpr double kPi = 3.14159265358979323846;

/// e^x for |x| < 700, relative error below 1e-14: x = n ln 2 + r, Taylor series in r.
inline double exponential(double x) {
  constexpr double kLog2E = 1.44269504088896340736, kLn2High = 6.93147180369123816490e-01,
                   kLn2Low = 1.90821492927058770002e-10;
  const double n = std::floor(x * kLog2E + 0.5);
  const double r = (x - n * kLn2High) - n * kLn2Low;
  constexpr double kFactors[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
      1.0 / 120,       1.0 / 24,       1.0 / 6,       0.5,          1.0,         1.0};
  double sum = 0;
  for (const double factor : kFactors) sum = factor + r * sum;
  return sum * std::bit_cast<double>((static_cast<std::uint64_t>(static_cast<std::int64_t>(n) + 1023)) << 52);
}

/// ln x for normal x > 0, absolute error below 1e-14: x = m 2^e, area hyperbolic tangent series in (m-1)/(m+1).
inline double logarithm(double x) {
  const auto bits = std::bit_cast<std::uint64_t>(x);
  auto e = static_cast<std::int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0x000FFFFFFFFFFFFFULL) | 0x3FF0000000000000ULL);
  if (m > 1.41421356237309504880) {
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1) / (m + 1), s2 = s * s;
  constexpr double kFactors[] = {1.0 / 17, 1.0 / 15, 1.0 / 13, 1.0 / 11, 1.0 / 9, 1.0 / 7, 1.0 / 5, 1.0 / 3, 1.0};
  double sum = 0;
  for (const double factor : kFactors) sum = factor + s2 * sum;
  return 2 * s * sum + static_cast<double>(e) * 0.69314718055994530942;
}

/// sin x for |x| < 1e6, absolute error below 1e-12.
inline double sine(double x) {
  double r = x - 2 * kPi * std::floor(x / (2 * kPi) + 0.5);
  if (r > kPi / 2) r = kPi - r;
  if (r < -kPi / 2) r = -kPi - r;
  double term = r, sum = r;
  for (int k = 1; k < 9; ++k) {
    term *= -r * r / ((2 * k) * (2 * k + 1));
    sum += term;
  }
  return sum;
}
inline double cosine(double x) {
  return sine(x + kPi / 2);
}
/// x^p for x >= 0.
inline double power(double x, double p) {
  return x <= 1e-12 ? 0.0 : exponential(p * logarithm(x));
}
/// 0 below a, 1 above b, smooth between (cubic).
inline double smooth_step(double a, double b, double x) {
  const double t = x <= a ? 0.0 : x >= b ? 1.0 : (x - a) / (b - a);
  return t * t * (3 - 2 * t);
}

/// A 64-bit number out of a counter: the output function of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).
inline std::uint64_t mix(std::uint64_t counter) {
  std::uint64_t z = counter + 0x9E3779B97F4A7C15ULL;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

/// A sequence of numbers for one use; another `stream` of the same seed is independent of it.
class Draws {
 public:
  Draws(std::uint64_t seed, std::uint64_t stream) : key_(mix(seed ^ mix(stream))) {}
  double uniform() { return static_cast<double>(mix(key_ + counter_++) >> 11) * 0x1.0p-53; }  ///< [0,1)
  double between(double low, double high) { return low + (high - low) * uniform(); }

 private:
  std::uint64_t key_, counter_ = 0;
};

/// A Poisson variate of mean `mean` (>= 0) for the pixel `counter`. Below 30 by inversion; above it a sum of eight
/// uniforms as normal variate with the skewness of the Poisson law (Cornish-Fisher, first term).
inline double poisson(double mean, std::uint64_t key, std::uint64_t counter) {
  const std::uint64_t first = mix(key + 2 * counter);
  if (mean < 30) {
    double probability = exponential(-mean), total = probability;
    const double u = static_cast<double>(first >> 11) * 0x1.0p-53;
    int k = 0;
    while (u > total && k < 200) {
      probability *= mean / ++k;
      total += probability;
    }
    return k;
  }
  const std::uint64_t second = mix(key + 2 * counter + 1);
  std::uint32_t sum = 0;
  for (int shift = 0; shift < 64; shift += 16)
    sum +=
        static_cast<std::uint32_t>((first >> shift) & 0xFFFF) + static_cast<std::uint32_t>((second >> shift) & 0xFFFF);
  // Mean of eight uniforms on 0..65535 is 4*65535, variance 8*(65536^2-1)/12.
  const double g = (static_cast<double>(sum) - 4 * 65535.0) / 53510.0;
  const double n = mean + std::sqrt(mean) * g + (g * g - 1) / 6;
  return n < 0 ? 0 : std::floor(n + 0.5);
}

}  // namespace rouage::image::phantom
