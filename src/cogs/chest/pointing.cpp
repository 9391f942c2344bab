#include "cogs/pointing.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <span>

#include "base/error.h"
#include "cogs/chest/explanation_checks.h"

namespace rouage::cogs {
namespace {

using namespace chest;

struct MarkedMap {
  Box box;
  std::uint32_t columns = 0, rows = 0;
  Map map, shuffled;
  bool hit_by(const Map& other) const { return pointing_hit(other, box, columns, rows); }
};

bool inside(const Box& box, const std::array<double, 2>& point) {
  return point[0] >= box.x0 && point[0] < box.x1 && point[1] >= box.y0 && point[1] < box.y1;
}

/// Mean map of all maps but one, from their sum.
Map mean_of_others(const std::vector<double>& sum, const Map& own, std::size_t n) {
  Map mean{own.columns, own.rows, {}};
  for (std::size_t i = 0; i < sum.size(); ++i)
    mean.values.push_back(
        static_cast<float>((sum[i] - static_cast<double>(own.values[i])) / static_cast<double>(n - 1)));
  return mean;
}

PointingRow row_of(const std::string& label, const std::vector<MarkedMap>& cases) {
  const double n = static_cast<double>(cases.size());
  int hits = 0, shuffled = 0, mean = 0;
  double centre = 0;
  PointingRow row;
  row.label = label;
  row.n = static_cast<int>(cases.size());
  std::vector<double> sum(cases.front().map.values.size(), 0.0);
  for (const MarkedMap& c : cases)
    for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += static_cast<double>(c.map.values.at(i));
  for (const MarkedMap& c : cases) {
    hits += c.hit_by(c.map) ? 1 : 0;
    shuffled += c.hit_by(c.shuffled) ? 1 : 0;
    if (cases.size() > 1) mean += c.hit_by(mean_of_others(sum, c.map, cases.size())) ? 1 : 0;
    // The guess has to choose a side: half a hit for each of the two centres inside the box.
    const LungCentres lungs = lung_centres(c.columns, c.rows);
    centre += 0.5 * (inside(c.box, lungs.left) ? 1 : 0) + 0.5 * (inside(c.box, lungs.right) ? 1 : 0);
    row.rank_correlation += std::abs(rank_correlation(c.map, c.shuffled)) / n;
    row.box_area += (c.box.x1 - c.box.x0) * (c.box.y1 - c.box.y0) / (double{1} * c.columns * c.rows) / n;
  }
  row.map = hit_rate(hits, row.n);
  row.shuffled = hit_rate(shuffled, row.n);
  row.class_mean = hit_rate(mean, row.n);
  row.lung_centre = hit_rate(static_cast<int>(std::lround(centre)), row.n);
  return row;
}

}  // namespace

struct PointingGame::Impl {
  std::shared_ptr<const infer::LoadedModel> real, shuffled;
  std::map<std::string, std::vector<MarkedMap>> cases;
};

PointingGame::PointingGame(std::shared_ptr<const infer::LoadedModel> real,
                           std::shared_ptr<const infer::LoadedModel> shuffled)
    : impl_(std::make_unique<Impl>()) {
  if (real->package().features.empty() || real->package().head_weight.empty())
    throw Error(ErrorCode::ModelInvalid, "the package gives no feature map and head weights: it has no map to check")
        .file(real->package().folder);
  impl_->real = std::move(real);
  impl_->shuffled = std::move(shuffled);
}

PointingGame::~PointingGame() = default;

bool PointingGame::add(const image::Film& film, const std::string& label, const Box& box) {
  const infer::Package& package = impl_->real->package();
  const auto output = std::find_if(package.outputs.begin(), package.outputs.end(),
                                   [&](const infer::PackageOutput& o) { return o.label == label; });
  if (output == package.outputs.end()) return false;
  const infer::Tensor input = infer::film_tensor(film, package.input);
  const auto map = [&](const infer::LoadedModel& model) {
    return activation_map(model.answer(input, {package.features})[0], model.head_weight(), output->index);
  };
  impl_->cases[label].push_back({box, film.columns, film.rows, map(*impl_->real), map(*impl_->shuffled)});
  return true;
}

std::vector<PointingRow> PointingGame::rows() const {
  std::vector<PointingRow> rows;
  for (const auto& [label, cases] : impl_->cases) rows.push_back(row_of(label, cases));
  return rows;
}

}  // namespace rouage::cogs
