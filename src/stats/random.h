/// Reproducible randomness: a seed and a stream number give the same draws on every machine and with any number of
/// threads.
///
///   bootstrap(10'000, {.seed = 1, .threads = 2}, [&](std::uint64_t draw, Random& random) { ... replicates[draw] = ...;
///   });
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace rouage::stats {

/// xoshiro256++ (Blackman and Vigna 2019), its state filled by splitmix64 from (seed, stream): one stream a replicate,
/// so that the order in which replicates are computed does not matter.
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0);
  std::uint64_t bits();
  double uniform();                      ///< [0, 1), 53 bits
  std::uint64_t below(std::uint64_t n);  ///< 0..n-1, unbiased (Lemire 2019); n > 0
  double normal();                       ///< standard normal (polar method)
  /// Fisher-Yates.
  void shuffle(std::span<std::uint32_t> values);

 private:
  std::uint64_t state_[4];
  double spare_ = 0;
  bool has_spare_ = false;
};

struct DrawOptions {
  std::uint64_t seed = 1;
  int threads = 1;
};
/// Calls `work` once for each draw 0..draws-1, over threads; each draw has its own stream. An exception ends the rest
/// and is thrown here. `work` must write only what belongs to its draw.
void bootstrap(std::uint64_t draws, const DrawOptions& options,
               const std::function<void(std::uint64_t draw, Random& random)>& work);

/// How often each of n units occurs in one bootstrap sample of size n.
std::vector<std::uint32_t> resample_counts(std::uint32_t n, Random& random);

}  // namespace rouage::stats
