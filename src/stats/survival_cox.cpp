#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "base/error.h"
#include "stats/distributions.h"
#include "stats/survival_order.h"

namespace rouage::stats {
namespace {

/// What one time of death adds to the partial likelihood.
struct DeathTime {
  double time = 0, deaths = 0, loglik = 0;
  std::uint32_t stratum = 0;
  double hazard = 0;                      ///< of those who live on
  double hazard_dead = 0;                 ///< of those who die here (Efron: they share the risk among them)
  std::vector<double> drift, drift_dead;  ///< the same, times the mean covariate
  std::vector<double> mean;               ///< mean covariate that a death is compared with
  std::vector<double> score, information;
};

/// Rows by stratum and time descending, columns standardised: Newton's steps and pivots then have one scale.
struct Prepared {
  const CoxDesign& design;
  std::size_t n, p;
  CoxTies ties;
  std::vector<std::uint32_t> order, entering;  ///< descending in their stratum
  std::vector<double> x;                       ///< [row][column], standardised
  std::vector<double> mean, scale;
  std::vector<double> risk;  ///< weight * exp(linear predictor), by row

  Prepared(const CoxDesign& d, CoxTies t)
      : design(d), n(d.data.time.size()), p(d.columns), ties(t), x(n * p), mean(p), scale(p) {
    const auto turn = [&](std::span<const double> key) {
      std::vector<std::uint32_t> rows = survival::ascending(d.data, key);
      std::reverse(rows.begin(), rows.end());
      return rows;
    };
    order = turn(d.data.time);
    if (!d.data.entry.empty()) entering = turn(d.data.entry);
    double total = 0;
    for (std::size_t i = 0; i < n; ++i) {
      const double w = survival::weight_of(d.data, i);
      total += w;
      for (std::size_t j = 0; j < p; ++j) mean[j] += w * d.covariates[i * p + j];
    }
    for (std::size_t j = 0; j < p; ++j) mean[j] /= total;
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < p; ++j) {
        x[i * p + j] = d.covariates[i * p + j] - mean[j];
        scale[j] += survival::weight_of(d.data, i) * x[i * p + j] * x[i * p + j];
      }
    for (std::size_t j = 0; j < p; ++j) {
      scale[j] = std::sqrt(scale[j] / total);
      if (!(scale[j] > 1e-12 * std::abs(mean[j]))) scale[j] = 0;  // a constant: aliased
      for (std::size_t i = 0; i < n; ++i) x[i * p + j] = scale[j] > 0 ? x[i * p + j] / scale[j] : 0;
    }
    risk.resize(n);
  }

  void predict(std::span<const double> beta, std::vector<double>& linear) const {
    linear.assign(n, 0);
    for (std::size_t i = 0; i < n; ++i)
      for (std::size_t j = 0; j < p; ++j) linear[i] += beta[j] * x[i * p + j];
  }
};

/// Sums over who is at risk: of the risk, of risk * x, of risk * x x'.
struct Moments {
  double s0 = 0;
  std::vector<double> s1, s2;
  explicit Moments(std::size_t p) : s1(p), s2(p * p) {}
  void add(double risk, const double* x, std::size_t p) {
    s0 += risk;
    for (std::size_t j = 0; j < p; ++j) {
      const double rx = risk * x[j];
      s1[j] += rx;
      for (std::size_t k = 0; k <= j; ++k) s2[j * p + k] += rx * x[k];
    }
  }
  void clear() {
    s0 = 0;
    std::fill(s1.begin(), s1.end(), 0.0);
    std::fill(s2.begin(), s2.end(), 0.0);
  }
};

/// Efron's average over the tied deaths (Breslow: one term of the whole).
void average(DeathTime& at, const Moments& alive, const Moments& dead, double weight, std::size_t p, CoxTies ties) {
  const auto terms = ties == CoxTies::efron ? static_cast<std::size_t>(at.deaths) : std::size_t{1};
  const double share = weight / static_cast<double>(terms);
  at.hazard = at.hazard_dead = 0;
  std::fill(at.drift.begin(), at.drift.end(), 0.0);
  std::fill(at.drift_dead.begin(), at.drift_dead.end(), 0.0);
  std::fill(at.mean.begin(), at.mean.end(), 0.0);
  std::fill(at.information.begin(), at.information.end(), 0.0);
  std::vector<double> m(p);
  for (std::size_t k = 0; k < terms; ++k) {
    const double part = static_cast<double>(k) / static_cast<double>(terms), s0 = alive.s0 - part * dead.s0;
    at.loglik -= share * std::log(s0);
    at.hazard += share / s0;
    at.hazard_dead += share * (1 - part) / s0;
    for (std::size_t j = 0; j < p; ++j) {
      m[j] = (alive.s1[j] - part * dead.s1[j]) / s0;
      at.mean[j] += m[j] / static_cast<double>(terms);
      at.drift[j] += share * m[j] / s0;
      at.drift_dead[j] += share * (1 - part) * m[j] / s0;
      at.score[j] -= share * m[j];
      for (std::size_t l = 0; l <= j; ++l)
        at.information[j * p + l] += share * ((alive.s2[j * p + l] - part * dead.s2[j * p + l]) / s0 - m[j] * m[l]);
    }
  }
  for (std::size_t j = 0; j < p; ++j)
    for (std::size_t l = 0; l < j; ++l) at.information[l * p + j] = at.information[j * p + l];
}

/// Calls visit(const DeathTime&) for each time of death, strata ascending, times descending.
template <class Visit>
void walk(Prepared& d, std::span<const double> linear, const Visit& visit) {
  const SurvivalView& view = d.design.data;
  const std::size_t p = d.p;
  for (std::size_t i = 0; i < d.n; ++i) d.risk[i] = survival::weight_of(view, i) * std::exp(linear[i]);
  Moments alive(p), dead(p);
  DeathTime at;
  for (auto* values : {&at.drift, &at.drift_dead, &at.mean, &at.score}) values->resize(p);
  at.information.resize(p * p);
  std::size_t leaving = 0;
  for (std::size_t i = 0; i < d.n;) {
    const std::uint32_t stratum = survival::stratum_of(view, d.order[i]);
    if (i == 0 || stratum != at.stratum) {
      alive.clear();
      leaving = i;
      at.stratum = stratum;
    }
    at.time = view.time[d.order[i]];
    std::size_t present = 0;
    dead.clear();
    at.deaths = at.loglik = 0;
    std::fill(at.score.begin(), at.score.end(), 0.0);
    double weight = 0;
    for (; i < d.n && view.time[d.order[i]] == at.time && survival::stratum_of(view, d.order[i]) == stratum; ++i) {
      const std::uint32_t row = d.order[i];
      const double* x = d.x.data() + row * p;
      alive.add(d.risk[row], x, p);
      if (!view.event[row]) continue;
      dead.add(d.risk[row], x, p);
      ++at.deaths;
      const double w = survival::weight_of(view, row);
      weight += w;
      at.loglik += w * linear[row];
      for (std::size_t j = 0; j < p; ++j) at.score[j] += w * x[j];
    }
    for (; !d.entering.empty() && leaving < d.n && survival::stratum_of(view, d.entering[leaving]) == stratum &&
           view.entry[d.entering[leaving]] >= at.time;
         ++leaving)
      alive.add(-d.risk[d.entering[leaving]], d.x.data() + d.entering[leaving] * p, p);
    present = i - leaving;
    if (at.deaths > 0) {
      average(at, alive, dead, weight, p, d.ties);
      visit(at);
    }
    if (!d.entering.empty() && present == 0) alive.clear();
  }
}

struct Likelihood {
  double value = 0;
  std::vector<double> score, information;
};

Likelihood likelihood(Prepared& d, std::span<const double> beta) {
  std::vector<double> linear;
  d.predict(beta, linear);
  Likelihood sum{.score = std::vector<double>(d.p), .information = std::vector<double>(d.p * d.p)};
  walk(d, linear, [&](const DeathTime& at) {
    sum.value += at.loglik;
    for (std::size_t j = 0; j < d.p; ++j) sum.score[j] += at.score[j];
    for (std::size_t j = 0; j < d.p * d.p; ++j) sum.information[j] += at.information[j];
  });
  return sum;
}

struct Solution {
  std::vector<double> beta, step;  ///< step: Newton's next one, where the likelihood no longer grows
  Likelihood start, end;
};

/// Newton-Raphson with halved steps. The likelihood is concave: it ends at the maximum, or stops growing while the
/// steps go on, which is how a coefficient without bound is recognised.
Solution climb(Prepared& d) {
  Solution s{.beta = std::vector<double>(d.p), .step = {}, .start = {}, .end = {}};
  s.start = s.end = likelihood(d, s.beta);
  for (int round = 0; round < 50; ++round) {
    s.step = survival::Cholesky(s.end.information, d.p).solve(s.end.score);
    const double largest =
        std::accumulate(s.step.begin(), s.step.end(), 0.0, [](double m, double v) { return std::max(m, std::abs(v)); });
    if (largest < 1e-10) break;
    std::vector<double> next(d.p);
    Likelihood reached;
    double part = 1;
    for (int halving = 0; halving < 40; ++halving, part /= 2) {
      for (std::size_t j = 0; j < d.p; ++j) next[j] = s.beta[j] + part * s.step[j];
      reached = likelihood(d, next);
      if (std::isfinite(reached.value) && reached.value >= s.end.value - 1e-12 * std::abs(s.end.value)) break;
    }
    const double gain = reached.value - s.end.value;
    if (!std::isfinite(reached.value)) break;
    s.beta = next;
    s.end = std::move(reached);
    if (gain < 1e-13 * std::abs(s.end.value) && largest > 1e-3) break;  // grows without bound
    if (gain <= 0 && largest < 1e-7) break;
  }
  s.step = survival::Cholesky(s.end.information, d.p).solve(s.end.score);
  return s;
}

/// Martingale and score residuals (Therneau, Grambsch and Fleming 1990), on the standardised columns.
struct Residuals {
  std::vector<double> martingale, score;
};

Residuals residuals_of(Prepared& d, std::span<const double> linear, CoxFit& fit) {
  const SurvivalView& view = d.design.data;
  const std::size_t p = d.p;
  std::vector<DeathTime> deaths;
  walk(d, linear, [&](const DeathTime& at) {
    deaths.push_back(at);
    deaths.back().information.clear();
    deaths.back().information.shrink_to_fit();
  });
  std::stable_sort(deaths.begin(), deaths.end(), [](const DeathTime& a, const DeathTime& b) {
    return a.stratum != b.stratum ? a.stratum < b.stratum : a.time < b.time;
  });
  const std::size_t m = deaths.size();
  std::vector<double> hazard(m + 1), drift((m + 1) * p);  // running over strata: only differences inside one are used
  for (std::size_t k = 0; k < m; ++k) {
    hazard[k + 1] = hazard[k] + deaths[k].hazard;
    for (std::size_t j = 0; j < p; ++j) drift[(k + 1) * p + j] = drift[k * p + j] + deaths[k].drift[j];
  }
  const auto place = [&](std::uint32_t stratum, double t) {  // deaths of the stratum at or before t end here
    return static_cast<std::size_t>(std::upper_bound(deaths.begin(), deaths.end(), std::pair(stratum, t),
                                                     [](const auto& key, const DeathTime& at) {
                                                       return key.first != at.stratum ? key.first < at.stratum
                                                                                      : key.second < at.time;
                                                     }) -
                                    deaths.begin());
  };
  for (std::size_t k = 0, from = 0; k < m; ++k) {
    if (k > 0 && deaths[k].stratum != deaths[k - 1].stratum) from = k;
    fit.baseline.push_back({deaths[k].stratum, deaths[k].time, hazard[k + 1] - hazard[from]});
  }
  Residuals r{std::vector<double>(d.n), std::vector<double>(d.n * p)};
  for (std::size_t i = 0; i < d.n; ++i) {
    const std::uint32_t stratum = survival::stratum_of(view, i);
    const std::size_t to = place(stratum, view.time[i]);
    const std::size_t from = place(stratum, view.entry.empty() ? -1 : view.entry[i]);
    const double e = std::exp(linear[i]);
    const DeathTime* own = view.event[i] ? &deaths[to - 1] : nullptr;
    const double cumulated = hazard[to] - hazard[from] + (own ? own->hazard_dead - own->hazard : 0.0);
    r.martingale[i] = (own ? 1 : 0) - e * cumulated;
    for (std::size_t j = 0; j < p; ++j) {
      const double x = d.x[i * p + j];
      double drifted = drift[to * p + j] - drift[from * p + j];
      if (own) drifted += own->drift_dead[j] - own->drift[j];
      r.score[i * p + j] =
          survival::weight_of(view, i) * ((own ? x - own->mean[j] : 0) - e * (x * cumulated - drifted));
    }
  }
  return r;
}

/// cox.zph of survival 3: score tests of x * g(t) added to the fitted model, g = 1 - S(t-) of all rows together.
std::vector<ChiSquare> proportional_tests(Prepared& d, std::span<const double> linear, const Likelihood& end) {
  SurvivalView view = d.design.data;
  view.weight = {};
  const SurvivalCurve curve = kaplan_meier(view, 0.95);
  const std::size_t p = d.p;
  std::vector<double> u(2 * p), info(4 * p * p);
  walk(d, linear, [&](const DeathTime& at) {
    const double g = 1 - curve.survival_before(at.time);
    for (std::size_t j = 0; j < p; ++j) {
      u[p + j] += g * at.score[j];
      for (std::size_t l = 0; l < p; ++l) {
        const double v = at.information[j * p + l];
        info[j * 2 * p + p + l] += g * v;
        info[(p + j) * 2 * p + l] += g * v;
        info[(p + j) * 2 * p + p + l] += g * g * v;
      }
    }
  });
  for (std::size_t j = 0; j < p; ++j)
    for (std::size_t l = 0; l < p; ++l) info[j * 2 * p + l] = end.information[j * p + l];
  const auto base = static_cast<double>(survival::Cholesky(end.information, p).rank());
  const auto test_of = [&](const std::vector<std::size_t>& added) {
    const std::size_t size = p + added.size();
    std::vector<std::size_t> at(p);
    std::iota(at.begin(), at.end(), std::size_t{0});
    for (const std::size_t j : added) at.push_back(p + j);
    std::vector<double> small(size), matrix(size * size);
    for (std::size_t a = 0; a < size; ++a) {
      small[a] = a < p ? 0 : u[at[a]];
      for (std::size_t b = 0; b < size; ++b) matrix[a * size + b] = info[at[a] * 2 * p + at[b]];
    }
    ChiSquare test = survival::quadratic_test(small, matrix);
    test.df -= base;
    if (test.df <= 0) return ChiSquare{.why = "the covariate does not vary enough over time"};
    test.p = chi_square_upper(*test.statistic, test.df);
    return test;
  };
  std::vector<ChiSquare> tests;
  std::vector<std::size_t> all(p);
  std::iota(all.begin(), all.end(), std::size_t{0});
  for (const std::size_t j : all) tests.push_back(test_of({j}));
  tests.push_back(test_of(all));
  return tests;
}

void check(const CoxDesign& design) {
  survival::check(design.data);
  const std::size_t n = design.data.time.size();
  const auto refuse = [](const char* why) { throw Error(ErrorCode::StatisticUndefined, why); };
  if (design.columns == 0) refuse("Cox's regression wants a covariate");
  if (design.columns > 500) refuse("more than 500 covariates");
  if (design.covariates.size() != n * design.columns || (!design.cluster.empty() && design.cluster.size() != n))
    refuse("covariates and rows differ in number");
  for (const double value : design.covariates)
    if (!std::isfinite(value)) refuse("a covariate is not finite");
  if (std::none_of(design.data.event.begin(), design.data.event.end(), [](auto e) { return e != 0; }))
    refuse("no event");
}

void add_robust(CoxFit& fit, const CoxDesign& design) {
  const std::size_t p = design.columns, n = design.data.time.size();
  std::vector<double> column(n);
  for (std::size_t j = 0; j < p; ++j) {
    for (std::size_t i = 0; i < n; ++i) column[i] = fit.dfbeta[i * p + j];
    fit.robust_error.push_back(clustered_error(column, design.cluster));
  }
}

/// Wald's test with the variance that the fit reports: robust where asked for.
void add_wald(CoxFit& fit, const CoxDesign& design, bool robust) {
  const std::size_t p = design.columns, n = design.data.time.size();
  std::vector<double> variance = fit.covariance;
  if (robust) {
    std::vector<double> sums = fit.dfbeta;
    if (!design.cluster.empty()) {
      sums.assign((std::size_t{*std::max_element(design.cluster.begin(), design.cluster.end())} + 1) * p, 0);
      for (std::size_t i = 0; i < n; ++i)
        for (std::size_t j = 0; j < p; ++j) sums[design.cluster[i] * p + j] += fit.dfbeta[i * p + j];
    }
    std::fill(variance.begin(), variance.end(), 0.0);
    for (std::size_t i = 0; i < sums.size() / p; ++i)
      for (std::size_t j = 0; j < p; ++j)
        for (std::size_t l = 0; l < p; ++l) variance[j * p + l] += sums[i * p + j] * sums[i * p + l];
  }
  fit.wald = survival::quadratic_test(fit.coefficient, variance);
}

}  // namespace

CoxFit cox_regression(const CoxDesign& design, const CoxOptions& options) {
  check(design);
  Prepared d(design, options.ties);
  const std::size_t p = d.p;
  const Solution s = climb(d);
  const survival::Cholesky factor(s.start.information, p), factor_end(s.end.information, p);
  CoxFit fit{.coefficient = std::vector<double>(p),
             .standard_error = std::vector<double>(p),
             .state = std::vector<CoxState>(p, CoxState::finite),
             .covariance = std::vector<double>(p * p),
             .means = d.mean,
             .loglik_null = s.start.value,
             .loglik = s.end.value,
             .rows = d.n};
  fit.events = static_cast<std::size_t>(
      std::count_if(design.data.event.begin(), design.data.event.end(), [](auto e) { return e != 0; }));
  const std::vector<double> inverse = factor_end.inverse();
  bool bounded = true;
  for (std::size_t j = 0; j < p; ++j) {
    if (factor.dropped(j))
      fit.state[j] = CoxState::aliased;
    else if (factor_end.dropped(j) || std::abs(s.step[j]) > 1e-4)
      fit.state[j] = CoxState::infinite;
    bounded = bounded && fit.state[j] != CoxState::infinite;
  }
  for (std::size_t j = 0; j < p; ++j) {
    if (fit.state[j] != CoxState::finite) continue;
    fit.coefficient[j] = s.beta[j] / d.scale[j];
    fit.standard_error[j] = std::sqrt(inverse[j * p + j]) / d.scale[j];
    for (std::size_t l = 0; l < p; ++l)
      if (fit.state[l] == CoxState::finite) fit.covariance[j * p + l] = inverse[j * p + l] / (d.scale[j] * d.scale[l]);
  }
  const auto rank = static_cast<double>(factor.rank());
  fit.score = survival::quadratic_test(s.start.score, s.start.information);
  fit.likelihood_ratio.df = rank;
  if (rank > 0) {
    fit.likelihood_ratio.statistic = std::max(0.0, 2 * (fit.loglik - fit.loglik_null));
    fit.likelihood_ratio.p = chi_square_upper(*fit.likelihood_ratio.statistic, rank);
  } else {
    fit.likelihood_ratio.why = "no covariate varies";
  }
  d.predict(s.beta, fit.linear_predictor);
  const Residuals residuals = residuals_of(d, fit.linear_predictor, fit);
  fit.martingale = residuals.martingale;
  fit.dfbeta.resize(d.n * p);
  for (std::size_t i = 0; i < d.n; ++i)
    for (std::size_t j = 0; j < p; ++j) {
      if (fit.state[j] != CoxState::finite) continue;
      double sum = 0;
      for (std::size_t l = 0; l < p; ++l) sum += residuals.score[i * p + l] * inverse[l * p + j];
      fit.dfbeta[i * p + j] = sum / d.scale[j];
    }
  const bool robust = options.robust || !design.cluster.empty();
  if (robust) add_robust(fit, design);
  if (bounded) {
    add_wald(fit, design, robust);
    fit.proportional = proportional_tests(d, fit.linear_predictor, s.end);
  } else {
    fit.wald.why = "a coefficient grows without bound (separation): the likelihood ratio test holds";
    fit.proportional.assign(p + 1, {.why = fit.wald.why});
  }
  return fit;
}

double cox_survival(const CoxFit& fit, std::uint32_t stratum, double linear_predictor, double t) {
  double hazard = 0;
  const auto after = std::upper_bound(fit.baseline.begin(), fit.baseline.end(), std::pair(stratum, t),
                                      [](const auto& key, const CoxFit::Baseline& at) {
                                        return key.first != at.stratum ? key.first < at.stratum : key.second < at.time;
                                      });
  if (after != fit.baseline.begin() && (after - 1)->stratum == stratum) hazard = (after - 1)->hazard;
  return std::exp(-hazard * std::exp(linear_predictor));
}

}  // namespace rouage::stats
