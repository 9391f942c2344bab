// Cox (5 covariates, Efron) and Harrell's C with its error beside R's survival on the same table, one run, interleaved.
//   evidence_survival [rows = 200000] [rounds = 3]
// Times are of the computation alone: R's table is read, its Surv object made, before its clock starts.
#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "stats/random.h"
#include "stats/survival.h"

namespace {

using namespace rouage::stats;

constexpr std::size_t kColumns = 5;

struct Table {
  std::vector<double> time, x;
  std::vector<std::uint8_t> event;
};

Table simulated(std::size_t rows) {
  Table table;
  Random random(1);
  for (std::size_t i = 0; i < rows; ++i) {
    double linear = 0;
    for (std::size_t j = 0; j < kColumns; ++j) {
      table.x.push_back(random.normal());
      linear += 0.2 * table.x.back();
    }
    const double death = -1000 * std::log(1 - random.uniform()) * std::exp(-linear), end = 2000 * random.uniform();
    table.time.push_back(std::ceil(std::min(death, end)));  // whole days: ties
    table.event.push_back(death <= end);
  }
  return table;
}

template <class Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int count, char** arguments) {
  const std::size_t rows = count > 1 ? std::stoul(arguments[1]) : 200'000;
  const int rounds = count > 2 ? std::stoi(arguments[2]) : 3;
  const Table table = simulated(rows);
  const auto folder = std::filesystem::temp_directory_path() / "rouage-bench-survival";
  std::filesystem::create_directories(folder);
  {
    std::ofstream csv(folder / "t.csv");
    csv.precision(17);
    csv << "time,event,a,b,c,d,e\n";
    for (std::size_t i = 0; i < rows; ++i) {
      csv << table.time[i] << ',' << int{table.event[i]};
      for (std::size_t j = 0; j < kColumns; ++j) csv << ',' << table.x[i * kColumns + j];
      csv << '\n';
    }
    std::ofstream(folder / "t.R")
        << "suppressMessages(library(survival)); d <- read.csv('" << (folder / "t.csv").string() << "')\n"
        << "y <- Surv(d$time, d$event); x <- as.matrix(d[, 3:7]); s <- rowSums(x)\n"
        << "t0 <- proc.time()[[3]]; f <- coxph.fit(x, y, NULL, init=rep(0,5), control=coxph.control(), method='efron', "
           "rownames=NULL)\n"
        << "t1 <- proc.time()[[3]]; c <- concordancefit(y, s, reverse=TRUE)\n"
        << "t2 <- proc.time()[[3]]; cat(t1-t0, t2-t1, sprintf('%.12f', f$coefficients[1]), sprintf('%.12f', "
           "c$concordance), '\\n')\n";
  }
  for (int round = 0; round < rounds; ++round) {
    CoxFit fit;
    Concordance concordance;
    std::vector<double> score(rows);
    for (std::size_t i = 0; i < rows * kColumns; ++i) score[i / kColumns] += table.x[i];
    const SurvivalView view{.time = table.time, .event = table.event};
    const double cox =
        seconds([&] { fit = cox_regression({.data = view, .covariates = table.x, .columns = kColumns}, {}); });
    const double pairs = seconds([&] { concordance = harrell_concordance(view, score); });
    double r_cox = 0, r_pairs = 0, r_beta = 0, r_c = 0;
    FILE* pipe = ::popen(("Rscript --vanilla " + (folder / "t.R").string()).c_str(), "r");
    if (!pipe || std::fscanf(pipe, "%lf %lf %lf %lf", &r_cox, &r_pairs, &r_beta, &r_c) != 4) {
      fmt::print("no R with survival\n");
      return 1;
    }
    ::pclose(pipe);
    fmt::print(
        "round {}: Cox ours {:.3f} s, R {:.3f} s, ratio {:.1f}; C ours {:.3f} s, R {:.3f} s, ratio {:.1f}; "
        "differences {:.1e} {:.1e}\n",
        round + 1, cox, r_cox, r_cox / cox, pairs, r_pairs, r_pairs / pairs, std::abs(fit.coefficient[0] - r_beta),
        std::abs(concordance.value.value_or(0) - r_c));
  }
  std::filesystem::remove_all(folder);
  return 0;
}
