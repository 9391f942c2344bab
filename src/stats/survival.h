/// Times to an event: curves, tests between groups, Cox's regression, discrimination and calibration of scores,
/// competing causes. Method and figures follow R's survival 3.5 where it answers; the tests go through its figures.
///
///   SurvivalCurve curve = kaplan_meier({.time = days, .event = died}, 0.95);
///   curve.survival_at(365);
///   CoxFit fit = cox_regression({.data = {.time = days, .event = died}, .covariates = x, .columns = 3}, {});
///
/// Times in any one unit, entry < time; at risk in (entry, time]; an event precedes a censoring at the same time. Pure,
/// thread-safe, O(n log n). Errors of all: StatisticUndefined (sizes differ, a time is negative or not finite, entry is
/// not before time, no row). What is not defined has no value, never NaN.
#pragma once
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rouage::stats {

struct SurvivalView {
  std::span<const double> time{};
  std::span<const std::uint8_t> event{};        ///< 0: censored; 1: the event; others: competing causes
  std::span<const double> entry = {};           ///< delayed entry; empty: from the beginning
  std::span<const double> weight = {};          ///< > 0; empty: 1 each
  std::span<const std::uint32_t> stratum = {};  ///< empty: one
};

enum class CurveInterval { plain, log, log_log };

/// One entry a distinct time, ascending.
struct SurvivalCurve {
  std::vector<double> time{}, at_risk{}, events{}, censored{};
  std::vector<double> survival{}, standard_error{};     ///< Kaplan-Meier (1958); Greenwood (1926), of S itself
  std::vector<double> hazard{}, hazard_error{};         ///< Nelson-Aalen and Aalen's variance, as R's survfit
  std::vector<std::optional<double>> lower{}, upper{};  ///< of S; absent where S is 0 (plain: 0)
  double survival_at(double t) const;                   ///< right-continuous
  double survival_before(double t) const;               ///< S(t-)
  double error_at(double t) const;
  double at_risk_at(double t) const;  ///< just before t
  std::optional<double> lower_at(double t) const, upper_at(double t) const;
};
/// Every event > 0 counts. The stratum is ignored.
SurvivalCurve kaplan_meier(const SurvivalView& view, double level, CurveInterval interval = CurveInterval::log);

struct SurvivalQuantile {
  std::optional<double> value, lower, upper;  ///< absent: the curve does not go so low
};
/// Time by which a share p has had the event; the middle of a flat stretch at exactly 1 - p, as R's quantile.survfit.
SurvivalQuantile survival_quantile(const SurvivalCurve& curve, double p);

struct RestrictedMean {
  double value = 0, standard_error = 0;
};
/// Area under the curve up to tau > 0. Source: Irwin (1949); variance as R's survmean.
RestrictedMean restricted_mean(const SurvivalCurve& curve, double tau);

struct ChiSquare {
  std::optional<double> statistic{}, p{};
  double df = 0;
  std::string why{};
};
struct LogRank {
  std::vector<double> n{}, observed{}, expected{};  ///< by group, weighted where rho is not 0
  ChiSquare test{};
  ChiSquare trend{};  ///< for the groups' scores
};
/// Mantel (1966), Peto and Peto (1972); weights S(t-)^rho (Harrington and Fleming 1982). group: 0..groups-1 by row;
/// scores: one a group (Tarone 1975), empty: 0, 1, 2... Case weights are not used.
LogRank log_rank(const SurvivalView& view, std::span<const std::uint32_t> group, std::uint32_t groups, double rho = 0,
                 std::span<const double> scores = {});

enum class CoxTies { efron, breslow };
enum class CoxState { finite, infinite, aliased };
struct CoxDesign {
  SurvivalView data{};
  std::span<const double> covariates{};  ///< [row][column], finite
  std::size_t columns = 0;
  std::span<const std::uint32_t> cluster = {};  ///< robust variance over clusters; empty: none
};
struct CoxOptions {
  CoxTies ties = CoxTies::efron;
  bool robust = false;  ///< sandwich over rows (Lin and Wei 1989); a cluster implies it
};
struct CoxFit {
  std::vector<double> coefficient{}, standard_error{};  ///< 0 where the state is not finite
  std::vector<double> robust_error{};                   ///< empty unless asked for
  std::vector<CoxState> state{};     ///< infinite: the likelihood grows without bound (separation); aliased: collinear
  std::vector<double> covariance{};  ///< [column][column], model-based
  std::vector<double> means{};
  double loglik_null = 0, loglik = 0;
  std::size_t rows = 0, events = 0;
  ChiSquare likelihood_ratio{}, wald{}, score{};
  std::vector<double> linear_predictor{};  ///< sum of coefficient * (x - mean), by row
  std::vector<double> martingale{};        ///< residuals, by row
  std::vector<double> dfbeta{};            ///< [row][column]: score residual times covariance
  struct Baseline {
    std::uint32_t stratum = 0;
    double time = 0, hazard = 0;  ///< cumulative, at the covariates' means
  };
  std::vector<Baseline> baseline{};       ///< by stratum, time ascending
  std::vector<ChiSquare> proportional{};  ///< cox.zph with the "km" transform, by column; then all columns together
};
/// Newton-Raphson on standardised columns. Source: Cox (1972); Efron (1977); Breslow (1974); Grambsch and Therneau
/// (1994) as the score test of survival 3. Errors: StatisticUndefined (no event, no column).
CoxFit cox_regression(const CoxDesign& design, const CoxOptions& options);
/// Survival at t for a linear predictor on the scale of CoxFit::linear_predictor.
double cox_survival(const CoxFit& fit, std::uint32_t stratum, double linear_predictor, double t);

struct Concordance {
  double concordant = 0, discordant = 0, tied_score = 0, tied_time = 0;  ///< weighted pairs
  std::optional<double> value{}, standard_error{};
  std::vector<double> influence{};  ///< by row; differences of two scores' influences give the paired variance
  std::string why{};
};
/// Harrell's C of a score of which more means earlier: ties of the score count a half; pairs across strata do not
/// count. Infinitesimal jackknife (over clusters where given), as R's concordance. Source: Harrell (1982), Therneau.
Concordance harrell_concordance(const SurvivalView& view, std::span<const double> score,
                                std::span<const std::uint32_t> cluster = {});
/// Root of the sum of squared influences, summed over clusters (0.., dense) first where given.
double clustered_error(std::span<const double> influence, std::span<const std::uint32_t> cluster);

/// Share not yet censored (Kaplan-Meier with the roles turned; who has the event at t leaves before who is censored at
/// t). Right-censored data only: entry is refused (StatisticUndefined); strata are ignored.
struct CensoringCurve {
  std::vector<double> time{}, value{};
  double before(double t) const;  ///< G(t-): that an event at t could be seen
  double at(double t) const;      ///< G(t): that someone is still observed after t
};
CensoringCurve censoring_curve(const SurvivalView& view);

/// Where an event's weight reads the censoring curve: G(T-), that it could be seen, as R; or G(T), as scikit-survival.
enum class CensoringSide { before, at };
/// Uno's C: pairs weighted by 1 / G^2, events before tau only (infinity: all). The error takes G as known, as R's
/// concordance(timewt = "n/G2") does. Source: Uno et al. (2011).
Concordance uno_concordance(const SurvivalView& view, std::span<const double> score, double tau,
                            std::span<const std::uint32_t> cluster = {}, CensoringSide side = CensoringSide::before);

struct TimedFigure {
  double time = 0;
  std::optional<double> value{}, lower{}, upper{};
  std::string why{};
};
struct TimedDraws {
  double level = 0.95;
  std::uint64_t draws = 0;  ///< bootstrap of rows, percentile interval; 0: no interval
  std::uint64_t seed = 1;
  int threads = 1;
};
/// Cumulative/dynamic AUC at each time: events by t against who is observed after t, events weighted by 1 / G(T-); ties
/// count a half. censoring: from other rows where given. Source: Uno et al. (2007), Blanche et al. (2013).
std::vector<TimedFigure> time_dependent_auc(const SurvivalView& view, std::span<const double> score,
                                            std::span<const double> times, const TimedDraws& draws,
                                            const CensoringCurve* censoring = nullptr);
/// Brier score at each time. predicted: survival at times[k] of row i at [i][k], 0..1. Source: Graf et al. (1999).
std::vector<TimedFigure> brier_scores(const SurvivalView& view, std::span<const double> predicted,
                                      std::span<const double> times, const TimedDraws& draws);
/// Mean over the times, weighted by the events between them (Kaplan-Meier), or absent. times ascending, as evaluated.
std::optional<double> integrated_auc(const SurvivalView& view, std::span<const TimedFigure> figures);
/// Trapezoid over the times, divided by their span (two times at least), or absent.
std::optional<double> integrated_brier(std::span<const TimedFigure> figures);

/// Aalen and Johansen (1978): by distinct time, the share that has had `cause`, with the delta method's error (Gaynor
/// et al. 1993). Other event codes compete. Delayed entry counts; weights and strata do not.
struct IncidenceCurve {
  std::vector<double> time{}, incidence{}, standard_error{};
  std::vector<double> at_risk{};
  double at(double t) const, error_at(double t) const;
};
IncidenceCurve cumulative_incidence(const SurvivalView& view, std::uint8_t cause);

}  // namespace rouage::stats
