// Against decoration, on real boxes: pointing game beside its baselines, and the weight-randomisation check.
#include "cogs/pointing.h"

#include <algorithm>
#include <filesystem>

#include "infer/model_check.h"
#include "real_films.h"

namespace rouage::cogs::chest {
namespace {

using testing::cxr;
namespace fs = std::filesystem;

class PointingGameTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!testing::packages_there() || !fs::exists(cxr() / "boxes.csv")) GTEST_SKIP() << "films or models are not here";
    const infer::Package package = infer::read_package(testing::shipped(kModel));
    infer::write_shuffled_package(package, 1, folder_);
    game_ = std::make_unique<PointingGame>(infer::load(package, {.threads = 1}),
                                           infer::load(infer::read_package(folder_), {.threads = 1}));
  }
  void TearDown() override { fs::remove_all(folder_); }

  const fs::path folder_ = fs::path(::testing::TempDir()) / "rouage-shuffled-boxes";
  std::unique_ptr<PointingGame> game_;
};

void print(const PointingRow& row) {
  const auto rate = [](const Estimate& e) { return fixed_text(100 * e.value, 0) + " %"; };
  std::printf("%-16s n %3d  map %s  lung centre %s  mean map of the class %s  shuffled weights %s  correlation %.2f\n",
              row.label.c_str(), row.n, rate(row.map).c_str(), rate(row.lung_centre).c_str(),
              rate(row.class_mean).c_str(), rate(row.shuffled).c_str(), row.rank_correlation);
}

TEST_F(PointingGameTest, OnTheExpertBoxesOfNih) {
  const CsvTable boxes = read_csv(cxr() / "boxes.csv");
  for (const auto& row : boxes.rows) {
    const auto number = [&](const char* name) { return std::stod(row[boxes.column(name)]); };
    const image::Film film = testing::read_film(cxr() / row[boxes.column("file")]);
    const double scale = film.columns / number("px_frame");
    game_->add(film, row[boxes.column("finding")],
               {number("x") * scale, number("y") * scale, (number("x") + number("w")) * scale,
                (number("y") + number("h")) * scale});
  }
  const std::vector<PointingRow> rows = game_->rows();
  int n = 0;
  double correlation = 0;
  for (const PointingRow& row : rows) {
    print(row);
    n += row.n;
    correlation += row.n * row.rank_correlation;
    EXPECT_LE(row.map.lower, row.map.value);
    EXPECT_GE(row.map.upper, row.map.value);
  }
  ASSERT_GT(n, 30);
  // What must hold whatever the net's quality: shuffled weights give another map. |rho| of unrelated coarse maps with
  // some smoothness is well below 0.8; a map that survives the shuffle explains the architecture, not the finding.
  EXPECT_LT(correlation / n, 0.8);
}

TEST_F(PointingGameTest, OnTheHeartsOfJsrt) {
  if (!fs::exists(cxr() / "jsrt_masks")) GTEST_SKIP() << "films are not here";
  constexpr std::uint8_t kHeart = 4;
  int seen = 0;
  for (const auto& path : files_below(cxr() / "jsrt_masks")) {
    if (path.extension() != ".png" || seen++ % 4 != 0) continue;
    const auto film_path = cxr() / "jsrt" / (path.stem().string() + ".jpg");
    if (!fs::exists(film_path)) continue;
    const image::Picture mask = image::read_png(read_file(path, kMebibyte), 1 << 20);
    const image::Film film = testing::read_film(film_path);
    Box heart{1e9, 1e9, 0, 0};
    for (std::uint32_t y = 0; y < mask.rows; ++y)
      for (std::uint32_t x = 0; x < mask.columns; ++x)
        if ((mask.samples[(std::size_t{y} * mask.columns + x) * mask.channels] & kHeart) != 0)
          heart = {std::min(heart.x0, double(x)), std::min(heart.y0, double(y)), std::max(heart.x1, x + 1.0),
                   std::max(heart.y1, y + 1.0)};
    if (heart.x1 <= heart.x0) continue;
    const double sx = double{1} * film.columns / mask.columns, sy = double{1} * film.rows / mask.rows;
    if (!game_->add(film, "Cardiomegaly", {heart.x0 * sx, heart.y0 * sy, heart.x1 * sx, heart.y1 * sy}))
      GTEST_SKIP() << "the net has no output Cardiomegaly";
  }
  const std::vector<PointingRow> rows = game_->rows();
  ASSERT_EQ(rows.size(), 1U);
  print(rows.front());
  EXPECT_GT(rows.front().n, 20);
}

TEST_F(PointingGameTest, LeavesOutAFindingThatThePackageDoesNotHave) {
  image::Film film;
  film.columns = film.rows = 64;
  film.values.assign(64 * 64, 0.5F);
  EXPECT_FALSE(game_->add(film, "Unicorn", {0, 0, 10, 10}));
  EXPECT_TRUE(game_->rows().empty());
}

}  // namespace
}  // namespace rouage::cogs::chest
