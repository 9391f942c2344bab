#include "stats/distributions.h"

#include <boost/math/distributions/beta.hpp>
#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/non_central_f.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/normal.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/gamma.hpp>
#include <cmath>
#include <limits>

namespace rouage::stats {
namespace {

namespace bm = boost::math;
// Errors are NaN or infinity; doubles are not promoted to long double (three times slower for digits that nobody uses).
using Quiet = bm::policies::policy<
    bm::policies::domain_error<bm::policies::ignore_error>, bm::policies::pole_error<bm::policies::ignore_error>,
    bm::policies::overflow_error<bm::policies::ignore_error>,
    bm::policies::evaluation_error<bm::policies::ignore_error>, bm::policies::promote_double<false>>;
using Normal = bm::normal_distribution<double, Quiet>;
using StudentT = bm::students_t_distribution<double, Quiet>;
using ChiSquare = bm::chi_squared_distribution<double, Quiet>;
using FisherF = bm::fisher_f_distribution<double, Quiet>;
using Beta = bm::beta_distribution<double, Quiet>;
using Binomial = bm::binomial_distribution<double, Quiet>;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
bool probability(double p) {
  return p >= 0 && p <= 1;
}

}  // namespace

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}
double normal_upper(double z) {
  return 0.5 * std::erfc(z / std::sqrt(2.0));
}
double normal_density(double z) {
  return std::exp(-0.5 * z * z) / std::sqrt(2 * 3.14159265358979323846);
}
double normal_quantile(double p) {
  if (!probability(p)) return kNaN;
  if (p == 0) return -kInfinity;
  if (p == 1) return kInfinity;
  return p < 0.5 ? bm::quantile(Normal(), p) : -bm::quantile(Normal(), 1 - p);
}

double t_cdf(double t, double df) {
  if (std::isnan(t) || !(df > 0)) return kNaN;
  if (std::isinf(df)) return normal_cdf(t);
  if (std::isinf(t)) return t > 0 ? 1 : 0;
  return bm::cdf(StudentT(df), t);
}
double t_two_sided(double t, double df) {
  if (std::isnan(t) || !(df > 0)) return kNaN;
  if (std::isinf(t)) return 0;
  if (std::isinf(df)) return 2 * normal_upper(std::abs(t));
  return 2 * bm::cdf(bm::complement(StudentT(df), std::abs(t)));
}
double t_quantile(double p, double df) {
  if (!probability(p) || !(df > 0)) return kNaN;
  if (std::isinf(df)) return normal_quantile(p);
  if (p == 0) return -kInfinity;
  if (p == 1) return kInfinity;
  return bm::quantile(StudentT(df), p);
}

double chi_square_upper(double x, double df) {
  if (std::isnan(x) || !(df > 0)) return kNaN;
  if (x <= 0) return 1;
  if (std::isinf(x)) return 0;
  return bm::cdf(bm::complement(ChiSquare(df), x));
}
double chi_square_quantile(double p, double df) {
  if (!probability(p) || !(df > 0)) return kNaN;
  return p == 1 ? kInfinity : bm::quantile(ChiSquare(df), p);
}
double f_upper(double f, double df1, double df2) {
  if (std::isnan(f) || !(df1 > 0) || !(df2 > 0)) return kNaN;
  if (f <= 0) return 1;
  if (std::isinf(f)) return 0;
  if (std::isinf(df2)) return chi_square_upper(f * df1, df1);
  return bm::cdf(bm::complement(FisherF(df1, df2), f));
}
double f_quantile(double p, double df1, double df2) {
  if (!probability(p) || !(df1 > 0) || !(df2 > 0)) return kNaN;
  if (std::isinf(df2)) return chi_square_quantile(p, df1) / df1;
  return p == 1 ? kInfinity : bm::quantile(FisherF(df1, df2), p);
}
double noncentral_f_upper(double f, double df1, double df2, double lambda) {
  if (!(f >= 0) || !(df1 > 0) || !(df2 > 0) || !(lambda >= 0)) return kNaN;
  if (lambda == 0) return f_upper(f, df1, df2);
  return bm::cdf(bm::complement(bm::non_central_f_distribution<double, Quiet>(df1, df2, lambda), f));
}

double noncentral_t_quantile(double p, double df, double delta) {
  if (!(p > 0 && p < 1) || !(df > 0) || !std::isfinite(delta)) return kNaN;
  return bm::quantile(bm::non_central_t_distribution<double, Quiet>(df, delta), p);
}

double beta_cdf(double x, double a, double b) {
  if (!(a > 0) || !(b > 0) || std::isnan(x)) return kNaN;
  return x <= 0 ? 0 : x >= 1 ? 1 : bm::cdf(Beta(a, b), x);
}
double beta_quantile(double p, double a, double b) {
  if (!(a > 0) || !(b > 0) || !probability(p)) return kNaN;
  return bm::quantile(Beta(a, b), p);
}
double binomial_cdf(double k, double n, double p) {
  if (!(n >= 0) || !probability(p) || std::isnan(k)) return kNaN;
  if (k < 0) return 0;
  return k >= n ? 1 : bm::cdf(Binomial(n, p), std::floor(k));
}
double binomial_point(double k, double n, double p) {
  if (!(n >= 0) || !probability(p) || !(k >= 0 && k <= n)) return kNaN;
  return bm::pdf(Binomial(n, p), k);
}
double log_gamma(double x) {
  return bm::lgamma(x, Quiet());
}
double log_choose(double n, double k) {
  return log_gamma(n + 1) - log_gamma(k + 1) - log_gamma(n - k + 1);
}

}  // namespace rouage::stats
