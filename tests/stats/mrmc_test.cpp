/// Reader studies against the published values of ../shared/data/mrmc (its README names the sources).
#include "stats/mrmc.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <set>
#include <sstream>

#include "base/error.h"
#include "stats/distributions.h"
#include "stats/froc.h"
#include "stats/random.h"

namespace rouage::stats {
namespace {

using Row = std::vector<std::string>;

std::vector<Row> read_csv(const std::string& path) {
  std::vector<Row> rows;
  std::ifstream in(path);
  for (std::string line; std::getline(in, line);) {
    Row row(1);
    bool quoted = false;
    for (const char c : line) {
      if (c == '"')
        quoted = !quoted;
      else if (c == ',' && !quoted)
        row.emplace_back();
      else if (c != '\r')
        row.back() += c;
    }
    rows.push_back(row);
  }
  return rows;
}

std::string data_folder() {
  return std::string(ROUAGE_SHARED_DIR) + "/data/mrmc/";
}

struct RocData {
  std::vector<std::string> arms, readers;
  std::vector<std::uint8_t> truth;
  std::vector<std::vector<double>> ratings;  ///< [arm][reader] of case
};

enum class Nesting { crossed, in_readers, in_arms };

RocData vandyke(Nesting nesting) {
  RocData data{.arms = {"1", "2"}, .readers = {"1", "2", "3", "4", "5"}, .truth = {}, .ratings = {}};
  const std::vector<Row> rows = read_csv(data_folder() + "vandyke.csv");
  std::map<std::string, std::size_t> cases;
  const auto key = [&](const Row& row) {
    if (nesting == Nesting::crossed) return row[2];
    return row[nesting == Nesting::in_readers ? 0 : 1] + "." + row[2];
  };
  for (std::size_t i = 1; i < rows.size(); ++i)
    if (cases.try_emplace(key(rows[i]), cases.size()).second)
      data.truth.push_back(static_cast<std::uint8_t>(std::stoi(rows[i][3])));
  data.ratings.assign(10, std::vector<double>(cases.size(), std::nan("")));
  for (std::size_t i = 1; i < rows.size(); ++i)
    data.ratings[(std::stoul(rows[i][1]) - 1) * 5 + std::stoul(rows[i][0]) - 1][cases[key(rows[i])]] =
        std::stod(rows[i][4]);
  return data;
}

RocData imrmc() {
  RocData data{.arms = {"testA", "testB"}, .readers = {}, .truth = {}, .ratings = {}};
  for (int r = 1; r <= 5; ++r) data.readers.push_back("reader" + std::to_string(r));
  std::map<std::string, std::size_t> cases;
  bool begun = false;
  for (const Row& row : read_csv(data_folder() + "imrmc_input.imrmc")) {
    if (begun && row.size() >= 4 && row[0] == "truth") {
      cases.emplace(row[1], cases.size());
      data.truth.push_back(static_cast<std::uint8_t>(std::stoi(row[3])));
    } else if (begun && row.size() >= 4) {
      data.ratings.resize(10, std::vector<double>(cases.size(), std::nan("")));
      const std::size_t arm = row[2] == "testA" ? 0 : 1;
      data.ratings[arm * 5 + static_cast<std::size_t>(row[0].back() - '1')][cases.at(row[1])] = std::stod(row[3]);
    }
    begun = begun || row[0].rfind("BEGIN DATA", 0) == 0;
  }
  return data;
}

struct FrocData {
  std::vector<std::string> arms, readers;
  FrocTruth truth;
  std::vector<FrocCell> cells;
};

FrocData froc_data(const std::string& name) {
  FrocData data;
  std::map<std::string, std::uint32_t> cases;
  for (const Row& row : read_csv(data_folder() + name + "_cases.csv")) {
    if (row[0] == "case") continue;
    cases.emplace(row[0], static_cast<std::uint32_t>(cases.size()));
    std::vector<double> weights;
    std::stringstream list(row[3]);
    for (std::string weight; std::getline(list, weight, '|');)
      if (!weight.empty()) weights.push_back(std::stod(weight));
    double sum = 0;
    for (const double weight : weights) sum += weight;
    for (double& weight : weights) weight /= sum;  // thirds are written as 0.333333
    data.truth.weights.push_back(weights);
  }
  std::vector<Row> marks = read_csv(data_folder() + name + "_marks.csv");
  marks.erase(marks.begin());
  std::set<std::string> arms, readers;
  for (const Row& row : marks) {
    arms.insert(row[0]);
    readers.insert(row[1]);
  }
  data.arms.assign(arms.begin(), arms.end());
  data.readers.assign(readers.begin(), readers.end());
  data.cells.resize(arms.size() * readers.size());
  for (const Row& row : marks) {
    const auto arm = static_cast<std::size_t>(std::distance(arms.begin(), arms.find(row[0])));
    const auto reader = static_cast<std::size_t>(std::distance(readers.begin(), readers.find(row[1])));
    data.cells[arm * readers.size() + reader].marks.push_back(
        {cases.at(row[2]), row[4] == "NL" ? -1 : std::stoi(row[5]) - 1, std::stod(row[6])});
  }
  return data;
}

/// What we compute, by dataset, metric, analysis, quantity and level, several candidates never: one value a key.
using Values = std::map<std::string, double>;

void put(Values& values, const std::string& quantity, const std::string& level, std::optional<double> value) {
  if (value) values[quantity + "|" + level] = *value;
}

void put_effect(Values& values, const std::string& level, const ReaderEffect& e, const char* statistic) {
  put(values, "stderr", level, e.se);
  put(values, "df", level, e.df);
  put(values, "ci_lower", level, e.lower);
  put(values, "ci_upper", level, e.upper);
  if (level.find('-') == std::string::npos) {
    put(values, "AUC", level, e.value);
    put(values, "estimate", level, e.value);
    return;
  }
  put(values, "difference", level, e.value);
  put(values, statistic, level, e.statistic);
  put(values, "p", level, e.p);
}

std::string arm_level(std::size_t arm) {
  return "treatment" + std::to_string(arm + 1);
}
std::string pair_level(const ReaderEffect& e) {
  return std::to_string(e.first + 1) + "-" + std::to_string(e.second + 1);
}

Values analysis_values(const ReaderStudy& s, const std::vector<std::string>& reader_names, Generality generality) {
  Values v;
  const ReaderAnalysis a = analyse(s, generality, 0.95);
  const bool cases = generality == Generality::cases;
  put(v, "MS(T)", "", s.ms_arm);
  put(v, "MS(T*R)", "", s.ms_both);
  put(v, "MS(error)", "", a.ms_error);
  put(v, cases ? "X2" : "F", "", a.statistic);
  put(v, "df1", "", a.df1);
  put(v, "df", "", a.df1);
  put(v, "df2", "", a.df2);
  put(v, "p", "", a.p);
  put(v, "Cov1", "", s.covariances.cov1);
  put(v, "Cov2", "", s.covariances.cov2);
  put(v, "Cov3", "", s.covariances.cov3);
  for (std::size_t i = 0; i < s.arms; ++i) {
    put_effect(v, arm_level(i), a.arms[i], "t");
    put(v, "Cov2", arm_level(i), s.covariances.arm_cov2[i]);
    put(v, "MS(R)", arm_level(i), s.arm_ms_reader[i]);
    put(v, "Var(Error)", arm_level(i), s.covariances.arm_variance[i]);
  }
  for (const ReaderEffect& e : a.differences) put_effect(v, pair_level(e), e, cases ? "z" : "t");
  for (std::size_t i = 0; i < a.reader_differences.size(); ++i)
    put_effect(v, pair_level(a.reader_differences[i]) + ",reader" + reader_names[i % s.readers],
               a.reader_differences[i], "z");
  for (std::size_t j = 0; j < s.readers; ++j) {
    put(v, "Var(Error)", "reader" + reader_names[j], s.covariances.reader_variance[j]);
    put(v, "Cov1", "reader" + reader_names[j], s.covariances.reader_cov1[j]);
  }
  return v;
}

Values component_values(const ReaderStudy& s) {
  const ReaderCovariances& c = s.covariances;
  return {{"Var(R)|", s.var_reader},
          {"Var(T*R)|", s.var_both},
          {"Var(Error)|", c.variance},
          {"COV1|", c.cov1},
          {"COV2|", c.cov2},
          {"COV3|", c.cov3},
          {"corr_COV1|", c.cov1 / c.variance},
          {"corr_COV2|", c.cov2 / c.variance},
          {"corr_COV3|", c.cov3 / c.variance}};
}

Values anova_values(const ReaderStudy& s) {
  const double t = s.arms - 1.0, r = s.readers - 1.0;
  Values v{{"MS(T)|", s.ms_arm},
           {"MS(R)|", s.ms_reader},
           {"MS(T*R)|", s.ms_both},
           {"df(T)|", t},
           {"df(R)|", r},
           {"df(T*R)|", t * r},
           {"SS(T)|", s.ms_arm * t},
           {"SS(R)|", s.ms_reader * r},
           {"SS(T*R)|", s.ms_both * t * r}};
  for (std::size_t i = 0; i < s.arms; ++i) put(v, "MS(R)", arm_level(i), s.arm_ms_reader[i]);
  return v;
}

Values estimate_values(const ReaderStudy& s, const std::vector<std::string>& reader_names) {
  Values v;
  for (std::size_t i = 0; i < s.arms; ++i) {
    put(v, "AUC_mean", arm_level(i), s.arm_mean[i]);
    for (std::size_t j = 0; j < s.readers; ++j)
      put(v, "AUC", arm_level(i) + ",reader" + reader_names[j], s.value[i * s.readers + j]);
    for (std::size_t k = i + 1; k < s.arms; ++k)
      put(v, "AUC_mean_difference", std::to_string(i + 1) + "-" + std::to_string(k + 1), s.arm_mean[i] - s.arm_mean[k]);
  }
  return v;
}

Values dbm_components(const PseudovalueAnova& a) {
  return {{"Var(R)|", a.var_r},    {"Var(C)|", a.var_c},    {"Var(T*R)|", a.var_tr},
          {"Var(T*C)|", a.var_tc}, {"Var(R*C)|", a.var_rc}, {"Var(T*R*C)+Var(Error)|", a.var_error}};
}

/// Half a unit of the last printed digit, and what the printing program lost itself.
double printed_tolerance(const std::string& text) {
  const std::size_t exponent = text.find_first_of("eE"), point = text.find('.');
  const double power = exponent == std::string::npos ? 0 : std::stod(text.substr(exponent + 1));
  const std::size_t end = exponent == std::string::npos ? text.size() : exponent;
  const double digits = point == std::string::npos ? 0 : static_cast<double>(end - point - 1);
  return 0.505 * std::pow(10.0, power - digits) + 1e-9 * std::abs(std::stod(text));
}

/// Every row of these groups against what we have; returns how many were compared.
std::size_t check(const std::string& dataset, const std::string& metric, const std::string& analysis,
                  const Values& values) {
  static const std::vector<Row> kReference = read_csv(data_folder() + "reference.csv");
  std::size_t compared = 0;
  for (const Row& row : kReference) {
    if (row[0] != dataset || row[1] != metric || row[2] != analysis) continue;
    const auto found = values.find(row[3] + "|" + row[4]);
    if (found == values.end()) {
      ADD_FAILURE() << "not computed: " << metric << ", " << analysis << ": " << row[3] << " " << row[4];
      continue;
    }
    ++compared;
    EXPECT_NEAR(found->second, std::stod(row[5]), printed_tolerance(row[5]))
        << dataset << ", " << metric << ", " << analysis << ": " << row[3] << " " << row[4];
  }
  EXPECT_GT(compared, 0U) << dataset << ", " << metric << ", " << analysis;
  return compared;
}

class Published : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::ifstream(data_folder() + "reference.csv")) GTEST_SKIP() << "no ../shared/data/mrmc (ROUAGE_SHARED_DIR)";
  }
};

std::vector<CellFigure> area_cells(const RocData& data) {
  std::vector<CellFigure> cells;
  for (const auto& ratings : data.ratings)
    cells.push_back(pair_figure(area_items(ratings, data.truth), static_cast<std::uint32_t>(data.truth.size())));
  return cells;
}

std::size_t check_iowa(const std::string& dataset, const std::string& metric, const ReaderStudy& s,
                       const PseudovalueAnova& dbm, const std::vector<std::string>& readers) {
  return check(dataset, metric, "estimates", estimate_values(s, readers)) +
         check(dataset, metric, "ANOVA", anova_values(s)) + check(dataset, metric, "OR_varcomp", component_values(s)) +
         check(dataset, metric, "DBM_varcomp", dbm_components(dbm)) +
         check(dataset, metric, "RRRC", analysis_values(s, readers, Generality::readers_and_cases)) +
         check(dataset, metric, "FRRC", analysis_values(s, readers, Generality::cases)) +
         check(dataset, metric, "RRFC", analysis_values(s, readers, Generality::readers));
}

// EVI-4
TEST_F(Published, VanDykeAsTheIowaProgramPrintsIt) {
  const RocData data = vandyke(Nesting::crossed);
  const std::vector<CellFigure> cells = area_cells(data);
  const std::size_t rows =
      check_iowa("vandyke", "empirical_auc(trapezoidal)", study_of(2, 5, cells, CovarianceMethod::jackknife),
                 pseudovalue_anova(2, 5, cells), data.readers);
  EXPECT_EQ(rows, 148U);
}

TEST_F(Published, VanDykeWithDeLongAndUnbiasedCovariances) {
  const RocData data = vandyke(Nesting::crossed);
  const std::vector<CellFigure> cells = area_cells(data);
  const auto both = [&](const std::string& how, const ReaderStudy& s) {
    return check("vandyke", "empirical_auc", how, analysis_values(s, data.readers, Generality::readers_and_cases)) +
           check("vandyke", "empirical_auc", how + ";OR_varcomp", component_values(s));
  };
  const ReaderStudy delong = study_of(2, 5, cells, CovarianceMethod::delong);
  EXPECT_EQ(both("RRRC;cov=DeLong", delong), 34U);
  const ReaderStudy unbiased = study_from(2, 5, delong.value, unbiased_covariances(2, 5, data.ratings, data.truth));
  EXPECT_EQ(both("RRRC;cov=unbiased", unbiased), 34U);
}

TEST_F(Published, VanDykeWithFixedReadersAndFixedCases) {
  const RocData data = vandyke(Nesting::crossed);
  const ReaderStudy s = study_of(2, 5, area_cells(data), CovarianceMethod::jackknife);
  const std::string fixed = "FRRC(fixed readers);cov=jackknife";
  check("vandyke", "empirical_auc", fixed, analysis_values(s, data.readers, Generality::cases));
  check("vandyke", "empirical_auc", fixed + ";OR_varcomp", component_values(s));
  check("vandyke", "empirical_auc", "RRFC(fixed cases);cov=none",
        analysis_values(s, data.readers, Generality::readers));
}

TEST_F(Published, VanDykeWithCasesNestedInReadersOrInArms) {
  for (const auto& [nesting, name] :
       {std::pair{Nesting::in_readers, "readers (case2)"}, {Nesting::in_arms, "tests (case3)"}}) {
    const RocData data = vandyke(nesting);
    const ReaderStudy s = study_of(2, 5, area_cells(data), CovarianceMethod::jackknife);
    const std::string how = std::string("RRRC cases nested within ") + name + ";cov=jackknife";
    Values components = component_values(s);
    check("vandyke", "empirical_auc", how, analysis_values(s, data.readers, Generality::readers_and_cases));
    check("vandyke", "empirical_auc", how + ";OR_varcomp", components);
  }
}

TEST_F(Published, VanDykeSensitivityAtAThreshold) {
  const RocData data = vandyke(Nesting::crossed);
  std::vector<CellFigure> cells;
  for (const auto& ratings : data.ratings) {
    std::vector<double> over, under;
    for (std::size_t k = 0; k < ratings.size(); ++k) {
      under.push_back(data.truth[k]);
      over.push_back(data.truth[k] != 0 && ratings[k] >= 3 ? 1 : 0);
    }
    cells.push_back(share_figure(over, under));
  }
  CaseScope positives;
  for (std::uint32_t k = 0; k < data.truth.size(); ++k)
    if (data.truth[k] != 0) positives.push_back(k);
  const ReaderStudy s = study_of(2, 5, cells, CovarianceMethod::jackknife, positives);
  Values v = analysis_values(s, data.readers, Generality::readers_and_cases);
  v["ci_upper|treatment2"] = std::min(v["ci_upper|treatment2"], 1.0);  // printed cut at 1
  check("vandyke", "binary_sens(rating>=3)", "RRRC;cov=jackknife", v);
  check("vandyke", "binary_sens(rating>=3)", "RRRC;cov=jackknife;OR_varcomp", component_values(s));
}

TEST_F(Published, FedHighestRatingAsTheIowaProgramPrintsIt) {
  const FrocData data = froc_data("fed_froc");
  std::vector<CellFigure> cells;
  for (const FrocCell& cell : data.cells) cells.push_back(froc_figure(data.truth, cell, FrocFigure::HrAuc));
  const ReaderStudy s = study_of(5, 4, cells, CovarianceMethod::jackknife);
  EXPECT_LT(s.var_both, 0) << "a negative component stays as it is";
  check_iowa("fed_froc", "empirical_auc of highest rating per case (inferred ROC)", s, pseudovalue_anova(5, 4, cells),
             data.readers);
}

TEST_F(Published, TonyFiguresOfEveryReader) {
  const FrocData data = froc_data("tony_froc");
  for (const std::string metric : {"AFROC1", "ExpTrnsfmSp", "HrAuc", "HrSe", "HrSp", "MaxLLF", "MaxNLF",
                                   "MaxNLFAllCases", "SongA1", "SongA2", "wAFROC1"}) {
    Values v;
    for (std::size_t i = 0; i < 2; ++i)
      for (std::size_t j = 0; j < 5; ++j) {
        const double value = froc_figure(data.truth, data.cells[i * 5 + j], *froc_figure_named(metric)).value;
        put(v, "FOM.rdr" + data.readers[j], "trt" + data.arms[i], value);
        put(v, "FOM.Rdr" + data.readers[j], "Trt" + data.arms[i], value);
      }
    EXPECT_EQ(check("tony_froc", metric, "estimates", v), 10U);
  }
}

TEST_F(Published, ThompsonMeanSquaresOfElevenFigures) {
  const FrocData data = froc_data("thompson_froc");
  static const std::vector<Row> kReference = read_csv(data_folder() + "reference.csv");
  std::size_t compared = 0;
  for (const std::string metric : {"AFROC", "AFROC1", "ExpTrnsfmSp", "HrAuc", "HrSe", "HrSp", "MaxLLF", "MaxNLF",
                                   "MaxNLFAllCases", "wAFROC", "wAFROC1"}) {
    const FrocFigure figure = *froc_figure_named(metric);
    std::vector<CellFigure> cells;
    for (const FrocCell& cell : data.cells) cells.push_back(froc_figure(data.truth, cell, figure));
    const CaseScope scope = froc_scope(data.truth, figure);
    const PseudovalueAnova a = pseudovalue_anova(2, 9, cells, scope);
    const ReaderStudy s = study_of(2, 9, cells, CovarianceMethod::jackknife, scope);
    std::map<std::string, std::vector<double>> values{
        {"DBM|msT", {a.ms_t}},     {"DBM|msR", {a.ms_r}},          {"DBM|msC", {a.ms_c}},
        {"DBM|msTR", {a.ms_tr}},   {"DBM|msTC", {a.ms_tc}},        {"DBM|msRC", {a.ms_rc}},
        {"DBM|msTRC", {a.ms_trc}}, {"DBM|msCSingleT", a.arm_ms_c}, {"DBM|msCSingleR", a.reader_ms_c},
        {"OR|msT", {s.ms_arm}},    {"OR|msR", {s.ms_reader}},      {"OR|msTR", {s.ms_both}}};
    std::map<std::string, std::size_t> at;
    for (const Row& row : kReference) {
      if (row[0] != "thompson_froc" || row[1] != metric) continue;
      const std::string key = row[2].substr(0, row[2].find(' ')) + "|" + row[3];
      ASSERT_TRUE(values.count(key)) << key;
      EXPECT_NEAR(values[key].at(at[key]++), std::stod(row[5]), printed_tolerance(row[5])) << metric << " " << key;
      ++compared;
    }
  }
  EXPECT_EQ(compared, 231U);
}

TEST_F(Published, OneShotVariancesOfImrmc) {
  const RocData data = imrmc();
  static const std::vector<Row> kReference = read_csv(data_folder() + "reference.csv");
  const auto cells = [&](std::size_t arm) { return std::span(data.ratings).subspan(arm * 5, 5); };
  std::size_t compared = 0;
  for (const bool exact : {true, false}) {
    const OneShot a = one_shot(cells(0), {}, data.truth, exact), b = one_shot(cells(1), {}, data.truth, exact);
    const OneShot difference = one_shot(cells(0), cells(1), data.truth, exact);
    Values v{{"AUCA|testA.NO_MOD", a.value},
             {"AUCA|testB.NO_MOD", b.value},
             {"AUCA|testA.testB", a.value},
             {"AUCB|testA.testB", b.value},
             {"varAUCA|testA.NO_MOD", a.variance},
             {"varAUCA|testB.NO_MOD", b.variance},
             {"varAUCA|testA.testB", a.variance},
             {"varAUCB|testA.testB", b.variance},
             {"AUCAminusAUCB|testA.testB", difference.value},
             {"varAUCAminusAUCB|testA.testB", difference.variance}};
    for (std::size_t m = 0; m < 8; ++m) {
      const std::string name = "M" + std::to_string(m + 1);
      v["comp|" + name + "|testA.NO_MOD:testA"] = a.moments[m];
      v["comp|" + name + "|testB.NO_MOD:testB"] = b.moments[m];
      v["coeff|" + name + "|testA.NO_MOD:testA"] = a.coefficients[m];
      v["coeff|" + name + "|testB.NO_MOD:testB"] = b.coefficients[m];
    }
    const std::string own = exact ? "Ustat" : "MLEstat";
    const std::string decomposed = exact ? "varDecomp.BDG.Ustat." : "varDecomp.BDG.MLE.";
    for (const Row& row : kReference) {
      if (row[0] != "imrmc_input") continue;
      std::string key = row[3] + "|" + row[4];
      if (row[2].rfind(decomposed, 0) == 0)
        key = row[2].substr(decomposed.size()) + "|" + key;
      else if (row[2] != own)
        continue;
      const auto found = v.find(key);
      if (found == v.end()) continue;
      EXPECT_NEAR(found->second, std::stod(row[5]), std::max(printed_tolerance(row[5]), 1e-8)) << row[2] << " " << key;
      ++compared;
    }
  }
  EXPECT_GE(compared, 52U);
}

TEST_F(Published, VariancesOfEachReaderOfImrmc) {
  const RocData data = imrmc();
  static const std::vector<Row> kReference = read_csv(data_folder() + "reference.csv");
  const auto cells = [&](std::size_t arm) { return std::span(data.ratings).subspan(arm * 5, 5); };
  const OneShot a = one_shot(cells(0), {}, data.truth, true), b = one_shot(cells(1), {}, data.truth, true);
  const OneShot d = one_shot(cells(0), cells(1), data.truth, true);
  std::size_t compared = 0;
  for (const Row& row : kReference) {
    if (row[0] != "imrmc_input" || row[2] != "perReader") continue;
    const auto reader = static_cast<std::size_t>(row[4][6] - '1');
    const bool second = row[4].find("testB.NO_MOD") != std::string::npos || row[3] == "AUCB" || row[3] == "varAUCB";
    const OneShot& shot = row[3].find("minus") != std::string::npos ? d : (second ? b : a);
    const double value = row[3].rfind("var", 0) == 0 ? shot.reader_variance[reader] : shot.reader_value[reader];
    EXPECT_NEAR(value, std::stod(row[5]), printed_tolerance(row[5])) << row[3] << " " << row[4];
    ++compared;
  }
  EXPECT_EQ(compared, 50U);
}

RocData null_study(std::uint64_t stream) {
  RocData data;
  Random random(20261124, stream);
  const std::size_t readers = 5, cases = 60;
  for (std::size_t k = 0; k < cases; ++k) data.truth.push_back(k % 2 == 0 ? 1 : 0);
  std::vector<double> of_case(cases), of_reader(2 * readers);
  for (double& x : of_case) x = std::sqrt(0.3) * random.normal();
  for (double& x : of_reader) x = std::sqrt(0.0055) * random.normal();
  std::vector<double> reader_case(readers * cases), arm_case(2 * cases);
  for (double& x : reader_case) x = std::sqrt(0.2) * random.normal();
  for (double& x : arm_case) x = std::sqrt(0.3) * random.normal();
  for (std::size_t i = 0; i < 2; ++i)
    for (std::size_t j = 0; j < readers; ++j) {
      const double both[2] = {std::sqrt(0.0055) * random.normal(), std::sqrt(0.0055) * random.normal()};
      std::vector<double> ratings;
      for (std::size_t k = 0; k < cases; ++k)
        ratings.push_back(1.5 * data.truth[k] + of_case[k] + of_reader[2 * j + data.truth[k]] + both[data.truth[k]] +
                          arm_case[i * cases + k] + reader_case[j * cases + k] + std::sqrt(0.2) * random.normal());
      data.ratings.push_back(std::move(ratings));
    }
  return data;
}

// Roe and Metz (1997) model, structure HL; 1,000 studies: a true rate of 5 % is seen within 2.9 and 7.1 % (3 standard
// errors); the test is known to be a little conservative.
TEST(ReaderStudies, RejectATrueNullInAboutFivePercent) {
  int rejected = 0;
  for (std::uint64_t stream = 0; stream < 1000; ++stream) {
    const ReaderStudy s = study_of(2, 5, area_cells(null_study(stream)), CovarianceMethod::jackknife);
    const ReaderAnalysis a = analyse(s, Generality::readers_and_cases, 0.95);
    ASSERT_TRUE(a.p);
    rejected += *a.p < 0.05 ? 1 : 0;
  }
  EXPECT_GE(rejected, 29);
  EXPECT_LE(rejected, 71);
}

TEST(ReaderStudies, BootstrapCovariancesComeNearTheJackknifeOnes) {
  const RocData data = null_study(7);
  const auto draws = bootstrap_areas(data.ratings, data.truth, 4000, 1, 2);
  const ReaderCovariances b = covariances_of(2, 5, bootstrap_vectors(draws));
  const ReaderStudy s = study_of(2, 5, area_cells(data), CovarianceMethod::jackknife);
  EXPECT_NEAR(b.variance / s.covariances.variance, 1, 0.12);  // 4,000 draws: 2.2 % at one sigma, and 1/n of bias
  EXPECT_NEAR(b.cov2 / s.covariances.cov2, 1, 0.25);
  EXPECT_EQ(draws, bootstrap_areas(data.ratings, data.truth, 4000, 1, 1)) << "any number of threads";
}

TEST(ReaderStudies, LeftOutFiguresAreThoseComputedWithoutTheCase) {
  Random random(3);
  PairItems items;
  for (std::uint32_t k = 0; k < 20; ++k)
    for (int n = 0; n < 2; ++n) {
      items.negative.push_back(static_cast<double>(random.below(6)));
      items.negative_case.push_back(k);
      if (k % 3 != 0) continue;
      items.positive.push_back(static_cast<double>(random.below(8)));
      items.positive_case.push_back(k);
      items.weight.push_back(0.3 + 0.4 * n);
    }
  const CellFigure whole = pair_figure(items, 20);
  for (std::uint32_t out = 0; out < 20; ++out) {
    PairItems rest;
    for (std::size_t i = 0; i < items.negative.size(); ++i)
      if (items.negative_case[i] != out) {
        rest.negative.push_back(items.negative[i]);
        rest.negative_case.push_back(items.negative_case[i]);
      }
    for (std::size_t i = 0; i < items.positive.size(); ++i)
      if (items.positive_case[i] != out) {
        rest.positive.push_back(items.positive[i]);
        rest.positive_case.push_back(items.positive_case[i]);
        rest.weight.push_back(items.weight[i]);
      }
    EXPECT_NEAR(pair_figure(rest, 20).value, whole.left_out[out], 1e-12);
  }
}

TEST(ReaderStudies, OneReaderHasFixedReaderAnswersOnly) {
  RocData data = null_study(1);
  data.ratings = {data.ratings[0], data.ratings[5]};
  const ReaderStudy s = study_of(2, 1, area_cells(data), CovarianceMethod::jackknife);
  EXPECT_FALSE(analyse(s, Generality::readers_and_cases, 0.95).p);
  EXPECT_FALSE(analyse(s, Generality::readers_and_cases, 0.95).why.empty());
  EXPECT_TRUE(analyse(s, Generality::cases, 0.95).p);
  EXPECT_TRUE(analyse(s, Generality::cases, 0.95).differences[0].lower);
}

TEST(ReaderStudies, OneClassIsAnErrorAndAllTiesHaveNoVariance) {
  RocData data = null_study(2);
  for (auto& ratings : data.ratings) std::fill(ratings.begin(), ratings.end(), 3.0);
  const ReaderStudy s = study_of(2, 5, area_cells(data), CovarianceMethod::jackknife);
  EXPECT_EQ(s.mean, 0.5);
  for (const Generality g : {Generality::readers_and_cases, Generality::cases, Generality::readers}) {
    EXPECT_FALSE(analyse(s, g, 0.95).p);
    EXPECT_FALSE(analyse(s, g, 0.95).arms[0].why.empty());
  }
  std::fill(data.truth.begin(), data.truth.end(), std::uint8_t{1});
  try {
    study_of(2, 5, area_cells(data), CovarianceMethod::jackknife);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::StatisticUndefined);
  }
}

TEST(ReaderStudies, PowerRisesWithReadersAndCasesAndIsAlphaWithoutDifference) {
  SizingInput pilot{.var_both = 0.0002, .variance = 0.0008, .cov1 = 0.00035, .cov2 = 0.00034, .cov3 = 0.00024};
  pilot.cases = 114;
  pilot.difference = 0.05;
  EXPECT_GT(reader_power(pilot, 10, 114), reader_power(pilot, 5, 114));
  EXPECT_GT(reader_power(pilot, 5, 228), reader_power(pilot, 5, 114));
  const auto cases = cases_for_power(pilot, 8, 0.8);
  ASSERT_TRUE(cases);
  EXPECT_GE(reader_power(pilot, 8, static_cast<double>(*cases)), 0.8);
  EXPECT_LT(reader_power(pilot, 8, static_cast<double>(*cases) - 1), 0.8);
  pilot.difference = 0;
  EXPECT_NEAR(reader_power(pilot, 5, 114), 0.05, 1e-9);
}

}  // namespace
}  // namespace rouage::stats
