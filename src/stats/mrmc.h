/// Reader studies: several readers read several cases in several arms (the compared conditions).
///
///   CellFigure cell = pair_figure(area_items(ratings, truth), cases);          // one a (arm, reader)
///   ReaderStudy study = study_of(arms, readers, cells, CovarianceMethod::jackknife);
///   ReaderAnalysis rrrc = analyse(study, Generality::readers_and_cases, 0.95);
///
/// Everywhere: cells in the order [arm][reader]; cases numbered from 0; not-a-number stands for a figure that is not
/// defined. Pure, thread-safe. Sources: Obuchowski and Rockette (1995); Hillis, Berbaum and Metz (2008); Hillis (2014).
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace rouage::stats {

/// Figure of one reader in one arm, also without each case.
struct CellFigure {
  double value = 0;
  std::vector<double> left_out;   ///< one a case; `value` where the cell does not use the case
  std::vector<double> influence;  ///< DeLong's components, whose dot products are covariances; empty: not such a figure
};

/// Shares of pairs: a positive item beats a negative one (ties count half). Areas of ROC and (w)AFROC are of this form.
struct PairItems {
  std::vector<double> negative;              ///< -infinity: no mark
  std::vector<std::uint32_t> negative_case;  ///< its case
  std::vector<double> positive, weight;
  std::vector<std::uint32_t> positive_case;
};
/// Ratings and truth of one cell; a rating that is not-a-number was not given and leaves its case out.
PairItems area_items(std::span<const double> ratings, std::span<const std::uint8_t> truth);
/// O(n log n). NaN where one side is empty. `influence` is filled where no case is on both sides.
CellFigure pair_figure(const PairItems& items, std::uint32_t cases);
/// sum(over) / sum(under), one entry a case (0/0: not used): sensitivity, lesions found, marks a case.
CellFigure share_figure(std::span<const double> over, std::span<const double> under);

enum class CovarianceMethod { jackknife, delong };
/// Which cases the jackknife deletes: those that the figure depends on (HrSp: normal cases only). Empty: all.
using CaseScope = std::vector<std::uint32_t>;

/// Error variance and covariances: cov1 same reader, other arm; cov2 other reader, same arm; cov3 both other.
struct ReaderCovariances {
  double variance = 0, cov1 = 0, cov2 = 0, cov3 = 0;
  std::vector<double> arm_variance, arm_cov2;        ///< each arm for itself
  std::vector<double> reader_variance, reader_cov1;  ///< each reader for itself
  std::vector<double> cell_variance;                 ///< [arm][reader]
};
/// vectors: one a cell, of the same length; their dot products are the covariances. O(arms * readers * length).
ReaderCovariances covariances_of(std::uint32_t arms, std::uint32_t readers,
                                 std::span<const std::vector<double>> vectors);
/// Deviations whose dot products are jackknife covariances: (K - 1) / K times the sums over the K deleted cases.
std::vector<std::vector<double>> jackknife_vectors(std::span<const CellFigure> cells, const CaseScope& scope);
/// replicates: [draw][cell]. Deviations whose dot products are the bootstrap's covariances.
std::vector<std::vector<double>> bootstrap_vectors(std::span<const std::vector<double>> replicates);
/// U-statistics (Gallas 2006; MRMCaov's "unbiased"): needs the same cases in every cell, no missing rating. ratings:
/// one vector a cell. O(arms * readers * positives * negatives).
ReaderCovariances unbiased_covariances(std::uint32_t arms, std::uint32_t readers,
                                       std::span<const std::vector<double>> ratings,
                                       std::span<const std::uint8_t> truth);

/// Mean squares of the figures over arms and readers, and what follows from them and the covariances.
struct ReaderStudy {
  std::uint32_t arms = 0, readers = 0;
  std::vector<double> value;  ///< [arm][reader]
  std::vector<double> arm_mean, reader_mean;
  double mean = 0;
  double ms_arm = 0, ms_reader = 0, ms_both = 0;  ///< MS(T), MS(R), MS(T*R); NaN with one arm or one reader
  std::vector<double> arm_ms_reader{};            ///< MS(R) within each arm
  ReaderCovariances covariances{};
  double var_reader = 0, var_both = 0;  ///< Var(R), Var(T*R): may be negative, and stays so
};
ReaderStudy study_from(std::uint32_t arms, std::uint32_t readers, std::vector<double> values,
                       ReaderCovariances covariances);
/// Errors: StatisticUndefined (a figure is not defined, or no DeLong components).
ReaderStudy study_of(std::uint32_t arms, std::uint32_t readers, std::span<const CellFigure> cells,
                     CovarianceMethod method, const CaseScope& scope = {});

enum class Generality { readers_and_cases, cases, readers };  ///< RRRC; FRRC (fixed readers); RRFC (fixed cases)

struct ReaderEffect {
  double value = 0;
  std::optional<double> se, df, lower, upper;
  std::optional<double> statistic, p;  ///< t or z of value = 0
  std::uint32_t first = 0, second = 0;
  std::string why{};
};
struct ReaderAnalysis {
  std::optional<double> statistic, df1, df2, p;  ///< F, or chi-square without df2: are all arms equal
  double ms_error = 0;                           ///< the denominator
  std::vector<ReaderEffect> arms;                ///< mean figure of each arm
  std::vector<ReaderEffect> differences;         ///< first minus second of each pair of arms
  std::vector<ReaderEffect> reader_differences;  ///< fixed readers: [pair][reader]
  std::string why{};                             ///< why there is no test
};
/// Hillis degrees of freedom. df absent in an effect: normal.
ReaderAnalysis analyse(const ReaderStudy& study, Generality generality, double level);

/// Dorfman, Berbaum and Metz (1992) on jackknife pseudovalues, whose mean is the figure itself.
struct PseudovalueAnova {
  double ms_t = 0, ms_r = 0, ms_c = 0, ms_tr = 0, ms_tc = 0, ms_rc = 0, ms_trc = 0;
  double var_r = 0, var_c = 0, var_tr = 0, var_tc = 0, var_rc = 0, var_error = 0;
  std::vector<double> arm_ms_r{}, arm_ms_c{}, arm_ms_rc{};           ///< within each arm
  std::vector<double> reader_ms_t{}, reader_ms_c{}, reader_ms_tc{};  ///< within each reader
  std::uint32_t cases = 0;
};
PseudovalueAnova pseudovalue_anova(std::uint32_t arms, std::uint32_t readers, std::span<const CellFigure> cells,
                                   const CaseScope& scope = {});

/// One arm, or the difference of two, with random readers and cases: unbiased moments M1..M8 of Barrett, Clarkson and
/// Gallas (BDG; Gallas 2006 "one-shot"), and the biased plug-in moments ("MLE"). Fully crossed.
struct OneShot {
  double value = 0;
  double moments[8] = {}, coefficients[8] = {};  ///< variance = sum of their products
  double variance = 0;
  std::vector<double> reader_value, reader_variance;
};
/// second: empty for one arm. ratings: one vector a reader.
OneShot one_shot(std::span<const std::vector<double>> first, std::span<const std::vector<double>> second,
                 std::span<const std::uint8_t> truth, bool unbiased);

/// Power of the test of two arms with random readers and cases in a new study (Hillis, Obuchowski and Berbaum 2011).
struct SizingInput {
  double var_both = 0, variance = 0, cov1 = 0, cov2 = 0, cov3 = 0;  ///< of the pilot
  double cases = 0;                                                 ///< of the pilot
  double difference = 0.05, alpha = 0.05;
};
double reader_power(const SizingInput& pilot, double readers, double cases);
/// Fewest cases for this power, up to `most`; absent: not attained.
std::optional<std::uint64_t> cases_for_power(const SizingInput& pilot, double readers, double power,
                                             std::uint64_t most = 100'000);

/// Areas of every cell in bootstrap draws of cases, stratified by truth: [draw][cell]. Ratings NaN are not allowed.
/// The same seed gives the same draws with any number of threads.
std::vector<std::vector<double>> bootstrap_areas(std::span<const std::vector<double>> ratings,
                                                 std::span<const std::uint8_t> truth, std::uint64_t draws,
                                                 std::uint64_t seed, int threads);

}  // namespace rouage::stats
