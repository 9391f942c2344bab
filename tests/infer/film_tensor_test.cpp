// The net's input out of a film: every step against a plain twin that follows the sentence, not the code.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "base/error.h"
#include "cpu_time.h"
#include "infer/package.h"

namespace rouage::infer {
namespace {

/// Weight of input j in output i of an axis of n pixels squeezed to size: the definition, in doubles.
double ref_weight(int n, int size, int i, int j) {
  const double step = static_cast<double>(n) / size;
  if (n > size) return std::max(0.0, std::min((i + 1) * step, j + 1.0) - std::max(i * step, double(j))) / step;
  const double x = std::clamp((i + 0.5) * step - 0.5, 0.0, n - 1.0);
  return std::max(0.0, 1.0 - std::abs(x - j));
}

std::vector<double> ref_squeeze(const std::vector<float>& v, int columns, int rows, int out_columns, int out_rows) {
  std::vector<double> out;
  for (int r = 0; r < out_rows; ++r)
    for (int c = 0; c < out_columns; ++c) {
      double sum = 0;
      for (int y = 0; y < rows; ++y) {
        const double wy = ref_weight(rows, out_rows, r, y);
        if (wy == 0) continue;
        for (int x = 0; x < columns; ++x)
          sum += wy * ref_weight(columns, out_columns, c, x) * double(v[std::size_t(y) * columns + x]);
      }
      out.push_back(sum);
    }
  return out;
}

image::Film noise_film(std::uint32_t columns, std::uint32_t rows, unsigned seed) {
  std::mt19937 engine(seed);
  image::Film film;
  film.columns = columns;
  film.rows = rows;
  for (std::size_t i = 0; i < std::size_t{columns} * rows; ++i)
    film.values.push_back(static_cast<float>(engine()) * 0x1.0p-32F);
  return film;
}

PackageInput input(int size, const std::string& normalisation, double clip = 0) {
  PackageInput made;
  made.size = size;
  made.resize = "squeeze_area";
  made.normalisation = normalisation;
  made.clip = clip;
  return made;
}

TEST(FilmTensor, SqueezesLikeTheDefinitionOnEveryKindOfAxis) {
  // shrinking by a whole and by a broken factor, equal, enlarging, and one axis of each
  const int cases[][4] = {{64, 64, 16, 16}, {61, 47, 16, 16}, {16, 16, 16, 16}, {7, 9, 16, 16},
                          {100, 5, 16, 16}, {1, 1, 8, 8},     {17, 33, 16, 32}};
  for (const auto& [columns, rows, to_columns, to_rows] : cases) {
    SCOPED_TRACE(std::to_string(columns) + "x" + std::to_string(rows) + ", seed 5");
    const image::Film film = noise_film(columns, rows, 5);
    const auto fast = squeeze_area(film.values, columns, rows, to_columns, to_rows);
    const auto ref = ref_squeeze(film.values, columns, rows, to_columns, to_rows);
    ASSERT_EQ(fast.size(), ref.size());
    for (std::size_t i = 0; i < ref.size(); ++i)
      ASSERT_NEAR(fast[i], ref[i], 1e-6) << i;  // float sums of values in 0..1
  }
}

TEST(FilmTensor, KeepsTheMeanWhenItShrinks) {
  const image::Film film = noise_film(101, 67, 9);
  double before = 0, after = 0;
  for (const float v : film.values) before += v;
  for (const float v : squeeze_area(film.values, 101, 67, 13, 11)) after += v;
  EXPECT_NEAR(before / (101 * 67), after / (13 * 11), 1e-6);
}

TEST(FilmTensor, StandardisesThenClips) {
  image::Film film = noise_film(300, 200, 3);
  film.values[0] = 1;
  const Tensor tensor = film_tensor(film, input(16, "film_standardise", 1.5));
  const auto squeezed = ref_squeeze(film.values, 300, 200, 16, 16);
  double mean = 0, squares = 0;
  for (const double v : squeezed) mean += v / squeezed.size();
  for (const double v : squeezed) squares += (v - mean) * (v - mean) / squeezed.size();
  ASSERT_EQ(tensor.shape, (std::vector<std::int64_t>{1, 1, 16, 16}));
  for (std::size_t i = 0; i < squeezed.size(); ++i)
    ASSERT_NEAR(tensor.values[i], std::clamp((squeezed[i] - mean) / (std::sqrt(squares) + 1e-6), -1.5, 1.5),
                1e-4);  // squeezing noise to an SD of 0.02 amplifies 1e-6 fifty times
}

TEST(FilmTensor, ConstantFilmGivesZeros) {
  image::Film film = noise_film(40, 40, 1);
  std::fill(film.values.begin(), film.values.end(), 0.7F);
  for (const float v : film_tensor(film, input(16, "film_standardise", 4)).values)
    EXPECT_NEAR(v, 0, 0.1);  // rounding over SD 1e-6
}

TEST(FilmTensor, KnowsTheScalesOfForeignNets) {
  image::Film film = noise_film(16, 16, 1);
  film.values[0] = 0;
  film.values[1] = 1;
  film.values[2] = 0.5F;
  const auto first = [&](const char* scale) { return film_tensor(film, input(16, scale)).values; };
  EXPECT_FLOAT_EQ(first("scale_1024")[0], -1024);
  EXPECT_FLOAT_EQ(first("scale_1024")[1], 1024);
  EXPECT_FLOAT_EQ(first("scale_1024")[2], 0);
  EXPECT_FLOAT_EQ(first("scale_255")[1], 255);
  EXPECT_FLOAT_EQ(first("unit")[2], 0.5F);
  EXPECT_THROW(first("zscore_maybe"), Error);
}

TEST(FilmTensor, RefusesAFilmOutsideItsRange) {
  for (const float bad : {255.0F, -0.5F, std::nanf(""), HUGE_VALF}) {
    image::Film film = noise_film(32, 32, 1);
    film.values[77] = bad;
    try {
      film_tensor(film, input(16, "scale_1024"));
      ADD_FAILURE() << bad;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), ErrorCode::InputRange) << bad;
    }
  }
}

TEST(FilmTensor, RepeatsAPlaneForEveryChannel) {
  PackageInput three = input(8, "unit");
  three.channels = 3;
  const Tensor tensor = film_tensor(noise_film(20, 20, 2), three);
  ASSERT_EQ(tensor.values.size(), 3U * 64);
  for (std::size_t i = 0; i < 64; ++i) EXPECT_EQ(tensor.values[i], tensor.values[128 + i]);
}

TEST(FilmTensor, IsFastEnoughToBeForgotten) {
  for (const auto& [columns, rows, limit_ms] : {std::tuple{1024, 1024, 3.0}, {3000, 2500, 15.0}}) {
    const image::Film film = noise_film(columns, rows, 1);
    const PackageInput wanted = input(128, "film_standardise", 4);
    double best = 1e9;
    for (int i = 0; i < 15; ++i) {
      best = std::min(best, testing::cpu_ms([&] { film_tensor(film, wanted); }));
    }
    std::printf("film_tensor %d x %d -> 128: %.2f ms of one core (wanted: %.0f ms)\n", columns, rows, best, limit_ms);
    RecordProperty("film_tensor_ms_" + std::to_string(columns), std::to_string(best));
    EXPECT_LT(best, 10 * limit_ms);  // ten times: the build may be a debug build
  }
}

}  // namespace
}  // namespace rouage::infer
