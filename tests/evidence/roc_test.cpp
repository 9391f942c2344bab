#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/error.h"
#include "evidence/analyses.h"

namespace rouage::evidence {
namespace {

namespace fs = std::filesystem;
using Options = std::map<std::string, std::string>;

fs::path scratch(const std::string& name) {
  return fs::temp_directory_path() / ("rouage-s1-" + std::to_string(::getpid()) + "-" + name);
}

Outcome run_on(const std::string& analysis, const fs::path& file, Options options, std::uint64_t draws = 200) {
  AnalysisRequest request{.inputs = {}, .options = std::move(options), .common = {}};
  if (!file.empty()) request.inputs["input"] = file;
  request.common.draws = draws;
  request.common.threads = 2;
  return find_analysis(analysis)->run(request);
}

Outcome run(const std::string& analysis, const std::string& csv, Options options, std::uint64_t draws = 200) {
  const fs::path file = scratch("table.csv");
  std::ofstream(file) << csv;
  const Outcome outcome = run_on(analysis, file, std::move(options), draws);
  fs::remove(file);
  return outcome;
}

const Figure& figure(const Outcome& outcome, const std::string& name, const std::string& stratum) {
  for (const Figure& f : outcome.estimates)
    if (f.name == name && f.stratum == stratum) return f;
  ADD_FAILURE() << "no " << name << " of \"" << stratum << "\"";
  static const Figure kNone;
  return kNone;
}

ErrorCode code_of(const std::string& analysis, const std::string& csv, Options options) {
  try {
    run(analysis, csv, std::move(options));
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

std::string output_of(const std::string& command) {
  std::string text;
  if (FILE* pipe = ::popen(command.c_str(), "r")) {
    char part[4096];
    while (const std::size_t n = std::fread(part, 1, sizeof part, pipe)) text.append(part, n);
    ::pclose(pipe);
  }
  return text;
}

/// 22,433 films of a CheXNet reproduction, unpacked once.
const fs::path& films() {
  static const fs::path kFile = [] {
    const fs::path packed = fs::path(ROUAGE_SHARED_DIR) / "data/cxr_scores/chexnet_reproduction_test.csv.gz";
    if (!fs::exists(packed)) return fs::path();
    const fs::path plain = scratch("films.csv");
    return std::system(("gzip -dc '" + packed.string() + "' > '" + plain.string() + "'").c_str()) == 0 ? plain
                                                                                                       : fs::path();
  }();
  return kFile;
}

struct Published {
  std::string finding;
  double auc = 0;
};
std::vector<Published> published() {
  std::vector<Published> all;
  std::ifstream file(fs::path(ROUAGE_SHARED_DIR) / "data/cxr_scores/reference_auc.csv");
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream cells(line);
    std::string name, skip, value;
    std::getline(cells, name, ',');
    std::getline(cells, skip, ',');
    std::getline(cells, skip, ',');
    std::getline(cells, value, ',');
    all.push_back({name, std::stod(value)});
  }
  return all;
}

/// The published areas of 14 findings to 1e-6 (scores are kept to 6 digits: 5.3e-7 at most).
TEST(RocOnFilms, PublishedAreasToAMillionth) {
  if (films().empty()) GTEST_SKIP() << "../shared/data/cxr_scores is not here";
  std::string findings;
  for (const Published& p : published()) findings += (findings.empty() ? "" : ",") + p.finding;
  const Outcome outcome =
      run_on("roc", films(), {{"truth", "y_{}"}, {"score", "p_{}"}, {"findings", findings}, {"no-binormal", "1"}}, 100);
  ASSERT_GE(published().size(), 14U);
  for (const Published& p : published()) {
    const Figure& auc = figure(outcome, "auc", "finding=" + p.finding);
    EXPECT_NEAR(*auc.value, p.auc, 1e-6) << p.finding;
    EXPECT_LT(*auc.lower, *auc.value);
    EXPECT_NE(auc.method.find("Obuchowski"), std::string::npos);
  }
  EXPECT_EQ(outcome.plots.size(), 28U);
}

/// pROC in the same run: area and DeLong's interval to 1e-9, its paired and unpaired tests, McClish's partial area.
TEST(RocOnFilms, AsPRoc) {
  if (films().empty()) GTEST_SKIP() << "../shared/data/cxr_scores is not here";
  if (std::system("Rscript -e 'library(pROC)' > /dev/null 2>&1") != 0) GTEST_SKIP() << "R with pROC is not installed";
  const std::string script =
      "suppressMessages(library(pROC)); d <- head(read.csv('" + films().string() +
      "'), 4000); a <- roc(d$y_Effusion, d$p_Effusion, quiet=TRUE, direction='<');"
      "b <- roc(d$y_Effusion, d$p_Infiltration, quiet=TRUE, direction='<'); c <- ci.auc(a, method='delong');"
      "t <- roc.test(a, b, method='delong', paired=TRUE);"
      "m <- roc(d$y_Effusion[d$sex=='M'], d$p_Effusion[d$sex=='M'], quiet=TRUE, direction='<');"
      "f <- roc(d$y_Effusion[d$sex=='F'], d$p_Effusion[d$sex=='F'], quiet=TRUE, direction='<');"
      "u <- roc.test(f, m, method='delong', paired=FALSE);"
      "p <- auc(a, partial.auc=c(1, .9), partial.auc.correct=TRUE);"
      "s <- coords(a, x=.9, input='specificity', ret='sensitivity', transpose=FALSE)[1,1];"
      "cat(sprintf('%.12f', c(c[2], c[1], c[3], t$p.value, auc(f)-auc(m), sqrt(var(f)+var(m)), p, s)))";
  // A file: the shell would take the $ of R for its own.
  const fs::path r = scratch("proc.R");
  std::ofstream(r) << script;
  std::istringstream peer(output_of("Rscript '" + r.string() + "' 2>/dev/null"));
  std::vector<double> want;
  for (double x = 0; peer >> x;) want.push_back(x);
  fs::remove(r);
  ASSERT_EQ(want.size(), 8U);
  const fs::path head = scratch("head.csv");
  ASSERT_EQ(std::system(("head -4001 '" + films().string() + "' > '" + head.string() + "'").c_str()), 0);
  const Outcome outcome = run_on("roc", head,
                                 {{"truth", "y_Effusion"},
                                  {"score", "p_Effusion,p_Infiltration"},
                                  {"patient", "none"},
                                  {"strata", "sex"},
                                  {"partial", "0.9,1"}});
  fs::remove(head);
  const Figure& auc = figure(outcome, "auc", "score=p_Effusion");
  EXPECT_NEAR(*auc.value, want[0], 1e-9);
  EXPECT_NEAR(*auc.lower, want[1], 1e-9);
  EXPECT_NEAR(*auc.upper, want[2], 1e-9);
  for (const auto& test : outcome.tests)
    if (test.name == "auc_difference") EXPECT_NEAR(*test.p, want[3], 1e-9);
  const Figure& apart = figure(outcome, "auc_difference", "score=p_Effusion; sex=F - sex=M");
  EXPECT_NEAR(*apart.value, want[4], 1e-9);
  EXPECT_NEAR((*apart.upper - *apart.lower) / 2, 1.959963984540054 * want[5], 1e-9);
  EXPECT_NEAR(*figure(outcome, "partial_auc_standardised", "score=p_Effusion; specificity=0.9-1").value, want[6], 1e-9);
  EXPECT_NEAR(*figure(outcome, "sensitivity_at_specificity", "score=p_Effusion; specificity=0.9").value, want[7], 1e-6);
}

/// Calibration on the films: parts add up, the slope differs from 1 and recalibration by folds mends it.
TEST(CalibrationOnFilms, RecalibrationHelps) {
  if (films().empty()) GTEST_SKIP() << "../shared/data/cxr_scores is not here";
  const Outcome outcome =
      run_on("calibration", films(),
             {{"truth", "y_Effusion"}, {"score", "p_Effusion"}, {"recalibrate", "1"}, {"strata", "sex"}}, 100);
  const auto value = [&](const char* name) { return *figure(outcome, name, "").value; };
  EXPECT_NEAR(
      value("brier"),
      value("brier_reliability") - value("brier_resolution") + value("brier_uncertainty") + value("brier_within"),
      1e-12);
  for (const char* how : {"recalibrated=platt", "recalibrated=isotonic"}) {
    EXPECT_LT(*figure(outcome, "brier", how).value, value("brier"));
    EXPECT_LT(*figure(outcome, "ece_equal_mass", how).value, value("ece_equal_mass"));
  }
  EXPECT_TRUE(figure(outcome, "calibration_slope", "sex=F").lower);
  EXPECT_EQ(outcome.plots.size(), 2U);
}

/// Simulated readers (nobody read these films): three that miss and add at random, worse than the model's labels. The
/// difference of F1 is found, with an interval by patient.
TEST(DiagnosticOnFilms, F1DesignWithSimulatedReaders) {
  if (films().empty()) GTEST_SKIP() << "../shared/data/cxr_scores is not here";
  const fs::path file = scratch("readers.csv");
  ASSERT_EQ(
      std::system(("awk -F, 'NR==1{for(i=1;i<=NF;i++)c[$i]=i; print \"patient,p_Effusion,R1,R2,R3\"; srand(7); next}"
                   "NR<6000{y=$c[\"y_Effusion\"]; s=$c[\"patient\"] \",\" $c[\"p_Effusion\"];"
                   "for(r=0;r<3;r++) s=s \",\" (y==1?(rand()<0.7):(rand()<0.05)); print s}' '" +
                   films().string() + "' > '" + file.string() + "'")
                      .c_str()),
      0);
  const Outcome outcome =
      run_on("diagnostic", file, {{"score", "p_Effusion"}, {"threshold", "0.4"}, {"readers", "R1,R2,R3"}}, 400);
  fs::remove(file);
  const Figure& apart = figure(outcome, "f1_difference", "");
  EXPECT_NEAR(*apart.value, *figure(outcome, "f1_model", "").value - *figure(outcome, "f1_readers", "").value, 1e-12);
  EXPECT_LT(*apart.lower, *apart.value);
  EXPECT_GT(*apart.upper, *apart.value);
  EXPECT_TRUE(figure(outcome, "f1_reader", "reader=R2").lower);
}

// EVI-1
TEST(Roc, DegenerateTablesHaveADefinedAnswer) {
  const Figure one = figure(run("roc", "case,truth,score\n1,1,0.2\n2,1,0.4\n", {}), "auc", "");
  EXPECT_FALSE(one.value);
  EXPECT_FALSE(one.why.empty());
  const Outcome tied = run("roc", "case;truth;score\n1;1;0,5\n2;0;0,5\n3;1;0,5\n4;0;0,5\n", {{"partial", "0.9,1"}});
  EXPECT_EQ(*figure(tied, "auc", "").value, 0.5);
  EXPECT_FALSE(figure(tied, "auc", "").lower);
  EXPECT_FALSE(figure(tied, "auc_binormal", "").value);
  EXPECT_EQ(code_of("roc", "case,truth,score\n1,2,0.2\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code_of("roc", "case,truth,score\n1,1,x\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code_of("roc", "case,truth\n1,1\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code_of("roc", "case,truth,score\n1,1,1\n", {{"partial", "0.9"}}), ErrorCode::OptionInvalid);
  EXPECT_EQ(code_of("roc", "case,truth,score\n1,1,1\n", {{"specificity", "2"}}), ErrorCode::OptionInvalid);
  EXPECT_EQ(code_of("calibration", "case,truth,score\n1,1,1.5\n", {}), ErrorCode::TableInvalid);
  EXPECT_EQ(code_of("calibration", "case,truth,score\n", {}), ErrorCode::StatisticUndefined);
  const Outcome empty = run("roc", "case,truth,score\n1,NA,0.3\n", {});
  EXPECT_FALSE(figure(empty, "auc", "").value);
  EXPECT_NE(outcome_json(empty).find("left out"), std::string::npos);
}

TEST(Calibration, OneClassAndSeparationAreSaid) {
  const Outcome one = run("calibration", "case,truth,score\n1,1,0.9\n2,1,0.8\n", {{"recalibrate", "1"}});
  EXPECT_FALSE(figure(one, "calibration_slope", "").value);
  EXPECT_FALSE(figure(one, "brier_skill", "").value);
  const Outcome apart = run("calibration", "case,truth,score\n1,0,0.1\n2,0,0.2\n3,1,0.8\n4,1,0.9\n", {});
  EXPECT_FALSE(figure(apart, "calibration_slope", "").value);
  EXPECT_NE(figure(apart, "calibration_slope", "").why.find("separate"), std::string::npos);
  EXPECT_EQ(outcome_json(apart).find("nan"), std::string::npos);
}

/// Issue 6, the normality study from counts alone.
TEST(Diagnostic, NormalityStudyFromCounts) {
  const Outcome outcome = run_on("diagnostic", {},
                                 {{"counts", "tp=1090,fn=10,tn=120,fp=309"},
                                  {"compare-counts", "tp=795,fn=305,tn=429,fp=0"},
                                  {"prevalence", "0.1"}});
  const Figure& se = figure(outcome, "sensitivity", "table=1");
  EXPECT_NEAR(*se.value, 1090.0 / 1100, 1e-12);
  // R: binom.test(1090, 1100)$conf.int
  EXPECT_NEAR(*se.lower, 0.983345, 1e-6);
  EXPECT_NEAR(*se.upper, 0.995632, 1e-6);
  EXPECT_NEAR(*figure(outcome, "specificity", "table=1").value, 120.0 / 429, 1e-12);
  EXPECT_NEAR(*figure(outcome, "sensitivity_difference", "table=1 - table=2").value, 295.0 / 1100, 1e-12);
  EXPECT_TRUE(figure(outcome, "ppv_at_prevalence", "table=1; prevalence=0.1").lower);
  for (const char* bad : {"tp=1", "tp=1,fn=2,tn=3,fp=-4", "tp=1,fn=2,tn=3,tp=4", "a,b,c,d", "tp=1e3,fn=1,tn=1,fp=1"})
    EXPECT_THROW(run_on("diagnostic", {}, {{"counts", bad}}), Error) << bad;
  EXPECT_THROW(run_on("diagnostic", {}, {}), Error);
}

std::string two_answers() {
  std::string csv = "case,truth,score,other,sex,age\n";
  int number = 0;
  const auto add = [&](int truth, int a, int b, int times) {
    for (int i = 0; i < times; ++i, ++number)
      csv += std::to_string(number) + "," + std::to_string(truth) + "," + std::to_string(a) + "," + std::to_string(b) +
             (number % 2 ? ",F," : ",M,") + std::to_string(20 + number % 60) + "\n";
  };
  add(1, 1, 1, 30);
  add(1, 1, 0, 12);
  add(1, 0, 1, 3);
  add(1, 0, 0, 5);
  add(0, 1, 1, 4);
  add(0, 1, 0, 6);
  add(0, 0, 1, 8);
  add(0, 0, 0, 60);
  return csv;
}

TEST(Diagnostic, PairedAnswersAndStrata) {
  const Outcome outcome = run("diagnostic", two_answers(), {{"compare", "other"}, {"strata", "sex,age:20"}});
  EXPECT_NEAR(*figure(outcome, "sensitivity_difference", "").value, 9.0 / 50, 1e-12);
  bool exact = false, interaction = false;
  for (const auto& test : outcome.tests) {
    // 12 and 3 discordant: 2 P(X <= 3 of 15) = 0.03515625.
    if (test.name == "sensitivity_difference" && test.method == "McNemar exact") {
      exact = true;
      EXPECT_NEAR(*test.p, 0.03515625, 1e-12);
    }
    if (test.name == "specificity_interaction" && test.stratum == "age") {
      interaction = true;
      EXPECT_EQ(test.df.at(0), 2);
    }
  }
  EXPECT_TRUE(exact && interaction);
  EXPECT_TRUE(figure(outcome, "ppv_ratio", "").lower);
  EXPECT_TRUE(figure(outcome, "f1_difference", "").lower);
  EXPECT_TRUE(figure(outcome, "sensitivity", "age=20-40; answer=1").value);
}

/// Each case four times in its patient: intervals by patient are about as wide as those of one case each; exact ones
/// of all rows would be half as wide.
// EVI-2
TEST(Diagnostic, RepeatingPatientsWidenTheInterval) {
  std::string once = "patient,truth,score\n", four = once;
  for (int i = 0; i < 200; ++i) {
    const std::string row = std::to_string(i) + "," + std::to_string(i % 2) + "," +
                            std::to_string((i % 2 == 1) == (i % 7 != 0) ? 1 : 0) + "\n";
    once += row;
    for (int k = 0; k < 4; ++k) four += row;
  }
  const Figure a = figure(run("diagnostic", once, {}, 1000), "sensitivity", "");
  const Figure b = figure(run("diagnostic", four, {}, 1000), "sensitivity", "");
  EXPECT_NEAR(*b.upper - *b.lower, *a.upper - *a.lower, 0.03);
  EXPECT_NE(b.method.find("patients"), std::string::npos);
}

TEST(Diagnostic, SeveralFindingsHaveMeans) {
  const Outcome outcome = run("diagnostic", "y_a,p_a,y_b,p_b\n1,1,0,0\n1,0,1,1\n0,0,1,1\n0,1,0,0\n1,1,1,0\n0,0,0,0\n",
                              {{"truth", "y_{}"}, {"score", "p_{}"}, {"findings", "a,b"}});
  EXPECT_NEAR(*figure(outcome, "sensitivity", "mean=micro").value, 4.0 / 6, 1e-12);
  EXPECT_NEAR(*figure(outcome, "specificity", "mean=macro").value, (2.0 / 3 + 1) / 2, 1e-12);
  EXPECT_EQ(code_of("diagnostic", "y_a,p_a\n1,1\n", {{"findings", "a"}}), ErrorCode::OptionInvalid);
}

}  // namespace
}  // namespace rouage::evidence
