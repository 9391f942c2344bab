/// Distribution functions, tails exact to about 1e-14 relative (Boost.Math). Arguments outside the domain give NaN,
/// never an exception: a statistic that is not defined is decided by its caller.
#pragma once

namespace rouage::stats {

double normal_cdf(double z);
double normal_upper(double z);     ///< 1 - cdf, exact in the tail
double normal_quantile(double p);  ///< p in (0, 1); 0 and 1 give -inf and +inf
double normal_density(double z);

double t_cdf(double t, double df);        ///< df > 0, may be infinite (normal)
double t_two_sided(double t, double df);  ///< P(|T| >= |t|)
double t_quantile(double p, double df);

double chi_square_upper(double x, double df);
double chi_square_quantile(double p, double df);
double f_upper(double f, double df1, double df2);  ///< df2 may be infinite
double f_quantile(double p, double df1, double df2);
/// P(F >= f) of the noncentral F with noncentrality lambda: power of an F test.
double noncentral_f_upper(double f, double df1, double df2, double lambda);

/// Quantile of the noncentral t (tolerance factors, exact limits of agreement).
double noncentral_t_quantile(double p, double df, double delta);

double beta_cdf(double x, double a, double b);
double beta_quantile(double p, double a, double b);
double binomial_cdf(double k, double n, double p);  ///< P(X <= k)
double binomial_point(double k, double n, double p);
double log_gamma(double x);
double log_choose(double n, double k);

}  // namespace rouage::stats
