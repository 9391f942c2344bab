// The shipped gate against what Python computed, and the whole cog on real films.
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <regex>

#include "cogs/chest/eligibility.h"
#include "cogs/chest/sharpness.h"
#include "infer/cpu_time.h"
#include "real_films.h"

namespace rouage::cogs::chest {
namespace {

using testing::cxr;
using testing::shipped;

image::Film formula(std::uint32_t columns, std::uint32_t rows, const std::function<double(double, double)>& grey) {
  image::Film film;
  film.columns = columns;
  film.rows = rows;
  for (std::uint32_t y = 0; y < rows; ++y)
    for (std::uint32_t x = 0; x < columns; ++x) film.values.push_back(static_cast<float>(grey(x, y) / 255));
  return film;
}

nlohmann::json golden() {
  return nlohmann::json::parse(std::ifstream(shipped(kGate) / "golden.json"));
}

TEST(ShippedGate, MeasuresSharpnessAsPythonDoes) {
  if (!testing::packages_there()) GTEST_SKIP() << "models/ is not complete";
  const nlohmann::json wanted = golden();
  for (const auto& film : wanted["sharpness"]) {
    const std::string text = film["film"];
    std::smatch found;
    const std::regex waves(R"(8\*sin\(x\*([0-9.]+)\)\*cos\(y\*([0-9.]+)\))");
    ASSERT_TRUE(std::regex_search(text, found, waves)) << text;
    const double a = std::stod(found[1]), b = std::stod(found[2]);
    const double measured = sharpness(formula(500, 600, [a, b](double x, double y) {
      return 128 + 70 * std::sin(x / 40) * std::cos(y / 50) + 8 * std::sin(x * a) * std::cos(y * b);
    }));
    // float squeezing instead of double: second differences of the smooth film are near the rounding of its grey values
    EXPECT_NEAR(measured, film["value"].get<double>(), 5e-4) << text;
    std::printf("sharpness %.6f, Python %.6f\n", measured, film["value"].get<double>());
  }
}

TEST(ShippedGate, AnswersWhatPyTorchAnswered) {
  if (!testing::packages_there()) GTEST_SKIP() << "models/ is not complete";
  const nlohmann::json wanted = golden();
  const auto gate = infer::load(infer::read_package(shipped(kGate)), {.threads = 1});
  // The formula passes 0..255 a little; the scale of a film does not matter to a standardised input.
  const image::Film film = formula(260, 300, [](double x, double y) {
    return 100 + 0.5 * (60 * std::sin(x / 23 + 0.4) * std::cos(y / 31 - 0.7) + 40 * std::sin((x + 2 * y) / 57) +
                        20 * std::cos(x * y / 9000));
  });
  const infer::Tensor input = infer::film_tensor(film, gate->package().input);
  const auto row = wanted["input_samples"]["row 0, columns 0..3"];
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(input.values[i], row[i].get<double>(), 1e-4);
  const auto logits = gate->answer(input, {gate->package().logits})[0].values;
  ASSERT_EQ(logits.size(), wanted["logits"].size());
  for (std::size_t i = 0; i < logits.size(); ++i)
    EXPECT_NEAR(logits[i], wanted["logits"][i].get<double>(), wanted["logits_tolerance"].get<double>());
}

struct Row {
  std::string file, view;
  double age = 0;
};
/// Every `step`-th adult 512 px NIH film of the manifest.
std::vector<Row> adult_films(std::size_t step) {
  const CsvTable table = read_csv(cxr() / "manifest.csv");
  std::vector<Row> rows;
  std::size_t seen = 0;
  for (const auto& row : table.rows) {
    const std::string& file = row[table.column("file")];
    const std::string& age = row[table.column("age")];
    if (!file.starts_with("nih/") || age.empty() || std::stod(age) < 18 || seen++ % step != 0) continue;
    rows.push_back({file, row[table.column("view")], std::stod(age)});
  }
  return rows;
}

image::Film mirrored(const image::Film& film) {
  image::Film made = film;
  for (std::uint32_t y = 0; y < film.rows; ++y)
    for (std::uint32_t x = 0; x < film.columns; ++x)
      made.values[std::size_t{y} * film.columns + x] = film.at(film.columns - 1 - x, y);
  return made;
}
/// A quarter turn to the left: the right edge becomes the upper one.
image::Film turned_left(const image::Film& film) {
  image::Film made = film;
  std::swap(made.columns, made.rows);
  for (std::uint32_t y = 0; y < made.rows; ++y)
    for (std::uint32_t x = 0; x < made.columns; ++x)
      made.values[std::size_t{y} * made.columns + x] = film.at(film.columns - 1 - y, x);
  return made;
}

TEST(RealFilms, AreReadUprightAndRefusedWhenTurnedOrMirrored) {
  if (!testing::packages_there() || !std::filesystem::exists(cxr() / "manifest.csv"))
    GTEST_SKIP() << "films or models are not here";
  const CogContext context = testing::shipped_context();
  int n = 0, eligible = 0, mirrored_refused = 0, turned_refused = 0, turned_named = 0;
  std::map<std::string, int> reasons;
  for (const Row& row : adult_films(24)) {
    const image::Film film = testing::read_film(cxr() / row.file);
    const auto judge = [&](image::Film f) {
      return chest::eligible(testing::input_of(std::move(f), row.file, row.age), context);
    };
    ++n;
    const Eligibility upright = judge(film);
    eligible += upright.eligible ? 1 : 0;
    for (const Ineligibility& r : upright.reasons) ++reasons[r.code];
    mirrored_refused += judge(mirrored(film)).eligible ? 0 : 1;
    const Eligibility turned = judge(turned_left(film));
    turned_refused += turned.eligible ? 0 : 1;
    turned_named += !turned.reasons.empty() && turned.reasons[0].code == "rotated_90" ? 1 : 0;
  }
  std::printf("NIH adults %d: eligible %d; mirrored refused %d; turned refused %d, named rotated_90 %d\n", n, eligible,
              mirrored_refused, turned_refused, turned_named);
  for (const auto& [code, count] : reasons) std::printf("  false refusal %s: %d\n", code.c_str(), count);
  // Loose: the card holds the figures, this test holds the direction of every convention.
  EXPECT_GT(eligible, 0.85 * n);
  EXPECT_GT(mirrored_refused, 0.85 * n);
  EXPECT_GT(turned_refused, 0.95 * n);
  EXPECT_GT(turned_named, 0.85 * n);
}

TEST(RealFilms, GetAWholeResultTwiceTheSame) {
  if (!testing::packages_there() || !std::filesystem::exists(cxr() / "manifest.csv"))
    GTEST_SKIP() << "films or models are not here";
  CogContext context = testing::shipped_context();
  context.options = {{"explain", "all"}, {"guided", "on"}};
  int done = 0;
  for (const Row& row : adult_films(300)) {
    const image::Film film = testing::read_film(cxr() / row.file);
    const CogResult a = run(testing::input_of(film, row.file, row.age), context),
                    b = run(testing::input_of(film, row.file, row.age), context);
    if (a.status != Status::done) continue;
    ++done;
    ASSERT_EQ(a.findings.size(), b.findings.size());
    for (std::size_t i = 0; i < a.findings.size(); ++i) {
      EXPECT_EQ(a.findings[i].raw_score, b.findings[i].raw_score);
      EXPECT_EQ(a.findings[i].id, b.findings[i].id);
      EXPECT_EQ(a.findings[i].positive, !a.findings[i].regions.empty());
    }
    ASSERT_EQ(a.derived_images.size(), 2 * context.model("")->package().outputs.size());
    for (std::size_t i = 0; i < a.derived_images.size(); ++i)
      EXPECT_EQ(a.derived_images[i].values, b.derived_images[i].values);
    std::printf("%s (%s, %.0f years): remarkable %.2f, AP %.2f, age %.1f\n", row.file.c_str(), row.view.c_str(),
                row.age, a.scores.at("remarkable"), a.scores.at("view_ap"), a.measurements.at(0).value);
  }
  EXPECT_GT(done, 0);
}

}  // namespace
}  // namespace rouage::cogs::chest
