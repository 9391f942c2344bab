// The header first, then simple measures, then the gate; all reasons as values.
#include "cogs/chest/eligibility.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "cogs/chest/reasons.h"
#include "cogs/chest/sharpness.h"
#include "fixture.h"

namespace rouage::cogs::chest {
namespace {

image::Film film_of(std::uint32_t columns, std::uint32_t rows, const std::function<double(double, double)>& grey) {
  image::Film film;
  film.columns = columns;
  film.rows = rows;
  for (std::uint32_t y = 0; y < rows; ++y)
    for (std::uint32_t x = 0; x < columns; ++x) film.values.push_back(static_cast<float>(grey(x, y) / 255));
  return film;
}

/// The two films of models/rouage-chest-gate/golden.json.
image::Film golden_film(double scale) {
  return film_of(500, 600, [scale](double x, double y) {
    return 128 + 70 * std::sin(x / 40) * std::cos(y / 50) + 8 * std::sin((x * 0.9 + y * 0.7) * scale);
  });
}

/// Mean over 5 x 5 pixels, clamped at the edges: what motion of five pixels in both directions leaves.
image::Film blurred(const image::Film& film) {
  image::Film made = film;
  const auto clamp = [](int i, std::uint32_t n) { return static_cast<std::uint32_t>(std::clamp(i, 0, int(n) - 1)); };
  for (int y = 0; y < int(film.rows); ++y)
    for (int x = 0; x < int(film.columns); ++x) {
      float sum = 0;
      for (int dy = -2; dy <= 2; ++dy)
        for (int dx = -2; dx <= 2; ++dx) sum += film.at(clamp(x + dx, film.columns), clamp(y + dy, film.rows));
      made.values[std::size_t(y) * film.columns + x] = sum / 25;
    }
  return made;
}

TEST(Sharpness, FallsWhenTheFilmIsBlurred) {
  for (const image::Film& film : infer::probe_films()) EXPECT_GT(sharpness(film), sharpness(blurred(film)) + 0.5);
}

TEST(Sharpness, DoesNotDependOnScaleOffsetOrPolarity) {
  image::Film film = golden_film(1);
  const double before = sharpness(film);
  for (float& v : film.values) v = 0.9F - 0.4F * v;
  EXPECT_NEAR(sharpness(film), before, 2e-3);  // the 1e-6 beside the SD and float rounding of second differences
}

TEST(Sharpness, OfATooSmallFilmIsAnErrorOfTheCaller) {
  EXPECT_THROW(sharpness(film_of(39, 300, [](double, double y) { return y; })), Error);
}

std::vector<std::string> codes(const Eligibility& e) {
  std::vector<std::string> list;
  for (const Ineligibility& r : e.reasons) list.push_back(r.code);
  return list;
}

TEST(PictureRules, ShapeEmptinessAndSharpness) {
  const testing::ChestBench bench;
  infer::Package gate = bench.context.model(kGate)->package();
  const auto wave = [](double x, double y) { return 128 + 60 * std::sin(x) * std::cos(y); };
  EXPECT_EQ(codes(picture_eligibility(film_of(31, 31, wave), gate)), std::vector<std::string>{"low_resolution"});
  EXPECT_EQ(codes(picture_eligibility(film_of(300, 300, [](double, double) { return 77; }), gate)),
            std::vector<std::string>{"blank"});
  EXPECT_EQ(codes(picture_eligibility(film_of(600, 300, wave), gate)), std::vector<std::string>{"aspect"});
  EXPECT_EQ(codes(picture_eligibility(film_of(300, 600, wave), gate)), std::vector<std::string>{"aspect"});
  EXPECT_TRUE(picture_eligibility(film_of(300, 280, wave), gate).eligible);
  gate.numbers["sharpness.threshold"] = (sharpness(golden_film(1)) + sharpness(golden_film(0.1))) / 2;
  EXPECT_TRUE(picture_eligibility(golden_film(1), gate).eligible);
  EXPECT_EQ(codes(picture_eligibility(golden_film(0.1), gate)), std::vector<std::string>{"blurred"});
  gate.numbers["sharpness.size"] = 512;
  EXPECT_THROW(picture_eligibility(golden_film(1), gate), Error);
}

TEST(PictureRules, ASmallFilmIsReadButSaidToBeSmall) {
  const testing::ChestBench bench;
  const auto e = picture_eligibility(film_of(64, 64, [](double x, double y) { return 128 + x - y; }),
                                     bench.context.model(kGate)->package());
  EXPECT_TRUE(e.eligible);
  ASSERT_EQ(e.warnings.size(), 1U);
  EXPECT_NE(e.warnings[0].find("64 x 64"), std::string::npos);
}

TEST(Gate, GivesEveryRefusalTheMostProbableFirst) {
  const testing::ChestBench bench(0.4, 0.0001);  // refuses everything
  Picture picture = testing::adult_film();
  picture.header.age_a.reset();
  const Eligibility e = eligible(testing::input_of(picture), bench.context);
  EXPECT_FALSE(e.eligible);
  ASSERT_EQ(e.reasons.size(), 3U);
  for (std::size_t i = 1; i < 3; ++i) EXPECT_GE(*e.reasons[i - 1].probability, *e.reasons[i].probability);
}

TEST(Gate, APictureThatIsNoChestFilmHasNoOtherReason) {
  const testing::ChestBench bench(0.4, 0.0001, "not_chest");
  EXPECT_EQ(codes(eligible(testing::input_of(testing::adult_film()), bench.context)),
            std::vector<std::string>{"not_chest"});
}

TEST(Gate, AnAdultByTheHeaderIsNotRefusedAsAChild) {
  const testing::ChestBench bench(0.4, 0.0001);
  const Eligibility e = eligible(testing::input_of(testing::adult_film()), bench.context);
  ASSERT_EQ(e.reasons.size(), 2U);
  for (const Ineligibility& r : e.reasons) EXPECT_NE(r.code, "child");
  ASSERT_EQ(e.warnings.size(), 1U);
  EXPECT_NE(e.warnings[0].find("54 years"), std::string::npos);
}

TEST(Gate, IsNotAskedWhenTheHeaderHasRefused) {
  const testing::ChestBench bench(0.4, 0.0001);
  Picture picture = testing::adult_film();
  picture.header.modality = "MG";
  picture.header.view_position = "MLO";
  const Eligibility e = eligible(testing::input_of(picture), bench.context);
  EXPECT_EQ(codes(e), (std::vector<std::string>{"wrong_modality", "not_frontal"}));
}

TEST(Gate, PassesAFilmWithoutReasons) {
  const testing::ChestBench bench;
  EXPECT_TRUE(eligible(testing::input_of(testing::adult_film()), bench.context).eligible);
}

TEST(Gate, AnUnknownReasonInThePackageIsAnError) {
  testing::ChestBench bench;
  testing::replace(bench.gate.yaml, "label: child", "label: grumpy");
  bench.gate.write();
  bench.lend();
  try {
    eligible(testing::input_of(testing::adult_film()), bench.context);
    ADD_FAILURE();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), ErrorCode::PackageInvalid);
  }
}

TEST(Reasons, HaveATextEach) {
  for (const std::string& code : reason_codes()) {
    EXPECT_FALSE(reason(code).text.empty());
    EXPECT_NE(reason(code, "why").text.find("(why)"), std::string::npos);
  }
  EXPECT_THROW(reason("no such"), Error);
}

}  // namespace
}  // namespace rouage::cogs::chest
