/// Area with DeLong's variance beside R's pROC on the same scores, in one run, rounds interleaved; then 10 million
/// scores alone. `evidence_speed [ROUNDS]`, about a minute. Times are of the computation only: R reads its table and
/// loads its package before its clock starts.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "stats/random.h"
#include "stats/roc.h"

namespace {

using rouage::stats::Random;

struct Sample {
  std::vector<double> scores, other;
  std::vector<std::uint8_t> truth;
};

Sample sample_of(std::size_t n, std::uint64_t seed) {
  Random random(seed);
  Sample s;
  for (std::size_t i = 0; i < n; ++i) {
    s.truth.push_back(i % 5 == 0);
    const double shared = random.normal();
    s.scores.push_back(s.truth.back() + shared + random.normal());
    s.other.push_back(s.truth.back() + shared + random.normal());
  }
  return s;
}

template <typename Work>
double seconds(const Work& work) {
  const auto start = std::chrono::steady_clock::now();
  work();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Seconds of pROC: area with interval, paired test.
std::vector<double> peer(const std::string& csv) {
  const std::string script = "suppressMessages(library(pROC)); d <- read.csv('" + csv +
                             "'); t1 <- system.time({a <- roc(d$y, d$a, quiet=TRUE, direction='<'); "
                             "c <- ci.auc(a, method='delong')})[['elapsed']]; t2 <- system.time({b <- roc(d$y, d$b, "
                             "quiet=TRUE, direction='<'); a <- roc(d$y, d$a, quiet=TRUE, direction='<'); t <- "
                             "roc.test(a, b, method='delong')})[['elapsed']]; cat(sprintf('%.9f', c(t1, t2, c[2], "
                             "t$p.value)))";
  std::vector<double> values;
  // A file: the shell would take the $ of R for its own.
  std::ofstream(csv + ".R") << script;
  if (FILE* pipe = ::popen(("Rscript '" + csv + ".R' 2>/dev/null").c_str(), "r")) {
    double x = 0;
    while (std::fscanf(pipe, "%lf", &x) == 1) values.push_back(x);
    ::pclose(pipe);
  }
  return values;
}

void beside_proc(std::size_t n, int rounds) {
  const Sample s = sample_of(n, n);
  const std::string csv = (std::filesystem::temp_directory_path() / "rouage-evidence-speed.csv").string();
  {
    std::ofstream out(csv);
    out.precision(17);
    out << "y,a,b\n";
    for (std::size_t i = 0; i < n; ++i) out << int{s.truth[i]} << ',' << s.scores[i] << ',' << s.other[i] << '\n';
  }
  std::vector<double> ours1, ours2, theirs1, theirs2;
  double area = 0, p = 0, peer_area = 0, peer_p = 0;
  for (int round = 0; round < rounds; ++round) {
    ours1.push_back(seconds([&] { area = *rouage::stats::auc_delong(s.scores, s.truth, {}).value; }));
    ours2.push_back(seconds([&] {
      const auto a = rouage::stats::placements_of(s.scores, s.truth),
                 b = rouage::stats::placements_of(s.other, s.truth);
      p = *rouage::stats::compare_paired(a, b, s.truth, {}, 0.95).p;
    }));
    const std::vector<double> r = peer(csv);
    if (r.size() != 4) {
      fmt::print("R with pROC is not installed\n");
      return;
    }
    theirs1.push_back(r[0]);
    theirs2.push_back(r[1]);
    peer_area = r[2];
    peer_p = r[3];
  }
  std::filesystem::remove(csv);
  std::filesystem::remove(csv + ".R");
  const auto median = [](std::vector<double> v) {
    std::sort(v.begin(), v.end());
    return v[v.size() / 2];
  };
  fmt::print("{} scores, {} rounds, medians, 1 thread:\n", n, rounds);
  fmt::print("  area and interval: ours {:.4f} s, pROC {:.3f} s, ratio {:.0f}; areas apart by {:.1e}\n", median(ours1),
             median(theirs1), median(theirs1) / median(ours1), area - peer_area);
  fmt::print("  paired test:       ours {:.4f} s, pROC {:.3f} s, ratio {:.0f}; p apart by {:.1e}\n", median(ours2),
             median(theirs2), median(theirs2) / median(ours2), p - peer_p);
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = argc > 1 ? std::max(1, std::atoi(argv[1])) : 3;
  beside_proc(22'433, rounds);
  beside_proc(200'000, rounds);
  const Sample s = sample_of(10'000'000, 3);
  for (const int threads : {1, 2}) {
    rouage::stats::Area area;
    const double time = seconds([&] { area = rouage::stats::auc_delong(s.scores, s.truth, {.threads = threads}); });
    fmt::print("10,000,000 scores, {} threads: {:.2f} s (area {:.6f}, error {:.2e})\n", threads, time, *area.value,
               *area.se);
  }
}
