/// Against decoration: do a package's maps point at what experts marked? (`rouage model check --boxes`)
///
///   PointingGame game(real, shuffled);
///   for (...) game.add(film, "Pneumonia", box);
///   for (const PointingRow& row : game.rows()) ...
///
/// Pointing game (Zhang et al. 2016, arXiv:1608.00507): a hit is a map whose maximum lies inside the box. Beside it the
/// guesses that need no film: the centre of a lung, and the mean map of the class over the other films. Randomisation
/// (Adebayo et al. 2018, arXiv:1810.03292): the same package with shuffled weights.
#pragma once
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/values.h"
#include "cogs/cog.h"
#include "infer/package.h"

namespace rouage::cogs {

/// Hit rates with Wilson's 95 % interval over `n` boxes of one label.
struct PointingRow {
  std::string label;
  int n = 0;
  double box_area = 0;  ///< mean share of the film that a box covers: what a blind point would hit
  Estimate map, lung_centre, class_mean, shuffled;
  double rank_correlation = 0;  ///< mean |Spearman| of the map and the map with shuffled weights
};

class PointingGame {
 public:
  /// Errors: ModelInvalid when the package gives no feature map.
  PointingGame(std::shared_ptr<const infer::LoadedModel> real, std::shared_ptr<const infer::LoadedModel> shuffled);
  ~PointingGame();
  PointingGame(const PointingGame&) = delete;
  PointingGame& operator=(const PointingGame&) = delete;

  /// `box` in film pixels. False when the package has no output of that name: the box is left out.
  bool add(const image::Film& film, const std::string& label, const Box& box);
  /// One row a label, in alphabetical order.
  std::vector<PointingRow> rows() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rouage::cogs
