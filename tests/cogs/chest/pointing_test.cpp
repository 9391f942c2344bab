// Against decoration, on real boxes: pointing game beside its baselines, and the weight-randomisation check.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <optional>

#include "cogs/chest/explanation_checks.h"
#include "infer/model_check.h"
#include "real_films.h"

namespace rouage::cogs::chest {
namespace {

using testing::cxr;

/// One expert box on one film, and the maps that are asked to point at it.
struct Case {
  Box box;
  std::uint32_t columns = 0, rows = 0;
  Map map, shuffled;
};

class Mapper {
 public:
  explicit Mapper(const std::filesystem::path& folder)
      : model_(infer::load(infer::read_package(folder), {.threads = 1})) {}
  std::optional<Map> map(const image::Film& film, const std::string& label) const {
    const infer::Package& p = model_->package();
    for (const infer::PackageOutput& o : p.outputs)
      if (o.label == label)
        return activation_map(model_->answer(infer::film_tensor(film, p.input), {p.features})[0], model_->head_weight(),
                              o.index);
    return std::nullopt;
  }

 private:
  std::shared_ptr<const infer::LoadedModel> model_;
};

std::string rate(double hits, std::size_t n) {
  const Estimate e = hit_rate(static_cast<int>(std::lround(hits)), static_cast<int>(n));
  return fixed_text(100 * e.value, 0) + " % (" + fixed_text(100 * e.lower, 0) + "-" + fixed_text(100 * e.upper, 0) +
         ")";
}

void report(const std::string& label, const std::vector<Case>& cases) {
  double hits = 0, centre = 0, mean = 0, shuffled = 0, correlation = 0, area = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    const Case& c = cases[i];
    hits += pointing_hit(c.map, c.box, c.columns, c.rows) ? 1 : 0;
    shuffled += pointing_hit(c.shuffled, c.box, c.columns, c.rows) ? 1 : 0;
    correlation += std::abs(rank_correlation(c.map, c.shuffled)) / cases.size();
    area += (c.box.x1 - c.box.x0) * (c.box.y1 - c.box.y0) / (double{1} * c.columns * c.rows) / cases.size();
    // "Lung centre" has to choose a side: half a hit for each of the two centres inside the box.
    const LungCentres lungs = lung_centres(c.columns, c.rows);
    for (const auto& [x, y] : {lungs.left, lungs.right})
      centre += x >= c.box.x0 && x < c.box.x1 && y >= c.box.y0 && y < c.box.y1 ? 0.5 : 0;
    std::vector<Map> others;
    for (std::size_t j = 0; j < cases.size(); ++j)
      if (j != i) others.push_back(cases[j].map);
    if (!others.empty()) mean += pointing_hit(mean_map(others), c.box, c.columns, c.rows) ? 1 : 0;
  }
  std::printf(
      "%-16s n %3zu  box area %2.0f %%  map %-17s  lung centre %-17s  mean map of the class %-17s  shuffled weights "
      "%-17s  rank correlation with shuffled %.2f\n",
      label.c_str(), cases.size(), 100 * area, rate(hits, cases.size()).c_str(), rate(centre, cases.size()).c_str(),
      rate(mean, cases.size()).c_str(), rate(shuffled, cases.size()).c_str(), correlation);
}

bool ready() {
  return testing::packages_there() && std::filesystem::exists(cxr() / "boxes.csv");
}

TEST(PointingGame, OnTheExpertBoxesOfNih) {
  if (!ready()) GTEST_SKIP() << "films or models are not here";
  const auto shuffled_folder = std::filesystem::path(::testing::TempDir()) / "rouage-shuffled-boxes";
  infer::write_shuffled_package(infer::read_package(testing::shipped(kModel)), 1, shuffled_folder);
  const Mapper real(testing::shipped(kModel)), shuffled(shuffled_folder);
  const CsvTable boxes = read_csv(cxr() / "boxes.csv");
  std::map<std::string, std::vector<Case>> cases;
  for (const auto& row : boxes.rows) {
    const auto number = [&](const char* name) { return std::stod(row[boxes.column(name)]); };
    std::string label = row[boxes.column("finding")];
    if (label == "Infiltrate") label = "Infiltration";
    const image::Film film = testing::read_film(cxr() / row[boxes.column("file")]);
    const double scale = film.columns / number("px_frame");
    const auto map = real.map(film, label);
    if (!map) continue;  // an output that the net does not have
    cases[label].push_back({{number("x") * scale, number("y") * scale, (number("x") + number("w")) * scale,
                             (number("y") + number("h")) * scale},
                            film.columns,
                            film.rows,
                            *map,
                            *shuffled.map(film, label)});
  }
  std::filesystem::remove_all(shuffled_folder);
  std::vector<Case> all;
  for (const auto& [label, list] : cases) {
    report(label, list);
    all.insert(all.end(), list.begin(), list.end());
  }
  ASSERT_GT(all.size(), 30U);
  // What must hold whatever the net's quality: shuffled weights give another map. |rho| of unrelated 8 x 8 maps with
  // some smoothness is well below 0.8; a map that survives the shuffle explains the architecture, not the finding.
  double correlation = 0;
  for (const Case& c : all) correlation += std::abs(rank_correlation(c.map, c.shuffled)) / all.size();
  EXPECT_LT(correlation, 0.8);
}

TEST(PointingGame, OnTheHeartsOfJsrt) {
  if (!ready() || !std::filesystem::exists(cxr() / "jsrt_masks")) GTEST_SKIP() << "films or models are not here";
  const auto shuffled_folder = std::filesystem::path(::testing::TempDir()) / "rouage-shuffled-hearts";
  infer::write_shuffled_package(infer::read_package(testing::shipped(kModel)), 1, shuffled_folder);
  const Mapper real(testing::shipped(kModel)), shuffled(shuffled_folder);
  std::vector<Case> cases;
  int seen = 0;
  for (const auto& path : files_below(cxr() / "jsrt_masks")) {
    if (path.extension() != ".png" || seen++ % 4 != 0) continue;
    const auto film_path = cxr() / "jsrt" / (path.stem().string() + ".jpg");
    if (!std::filesystem::exists(film_path)) continue;
    const image::Picture mask = image::read_png(read_file(path, kMebibyte), 1 << 20);
    const image::Film film = testing::read_film(film_path);
    Box heart{1e9, 1e9, 0, 0};
    for (std::uint32_t y = 0; y < mask.rows; ++y)
      for (std::uint32_t x = 0; x < mask.columns; ++x)
        if ((mask.samples[(std::size_t{y} * mask.columns + x) * mask.channels] & 4) != 0) {
          heart = {std::min(heart.x0, double(x)), std::min(heart.y0, double(y)), std::max(heart.x1, x + 1.0),
                   std::max(heart.y1, y + 1.0)};
        }
    if (heart.x1 <= heart.x0) continue;
    const double sx = double{1} * film.columns / mask.columns, sy = double{1} * film.rows / mask.rows;
    const auto map = real.map(film, "Cardiomegaly");
    if (!map) GTEST_SKIP() << "the net has no output Cardiomegaly";
    cases.push_back({{heart.x0 * sx, heart.y0 * sy, heart.x1 * sx, heart.y1 * sy},
                     film.columns,
                     film.rows,
                     *map,
                     *shuffled.map(film, "Cardiomegaly")});
  }
  std::filesystem::remove_all(shuffled_folder);
  report("Cardiomegaly", cases);
  EXPECT_GT(cases.size(), 20U);
}

}  // namespace
}  // namespace rouage::cogs::chest
