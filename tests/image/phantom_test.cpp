// The phantom film: what is inserted is where the truth says, left is left, and the bytes never change.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <span>

#include "base/error.h"
#include "base/values.h"
#include "image/phantom_film.h"
#include "image/phantom_numbers.h"
#include "image/phantom_trace.h"

namespace rouage::image {
namespace {

constexpr std::uint32_t kSide = 384;  ///< small enough for a quick test, fine enough for 1 mm pixels

PhantomOptions small(std::uint64_t seed = 1) {
  return {.columns = kSide, .rows = kSide, .seed = seed};
}

std::string digest(const Film& film) {
  const auto* bytes = reinterpret_cast<const std::uint8_t*>(film.values.data());
  return sha256(std::span(bytes, film.values.size() * sizeof(float))).hex();
}

const PhantomTruth& find(const PhantomFilm& phantom, const std::string& label) {
  for (const PhantomTruth& truth : phantom.truth)
    if (truth.label == label) return truth;
  throw std::runtime_error("no truth " + label);
}

/// Pixels that differ between two films: inside a box grown by `margin` pixels, and outside it.
struct Difference {
  std::size_t inside = 0, outside = 0;
  double mean_inside = 0;  ///< signed, with minus without
};
Difference compare(const Film& with, const Film& without, const PhantomTruth& box, double margin) {
  Difference d;
  for (std::uint32_t r = 0; r < with.rows; ++r)
    for (std::uint32_t c = 0; c < with.columns; ++c) {
      const float change = with.at(c, r) - without.at(c, r);
      if (change == 0) continue;
      const bool in = c >= box.x0 - margin && c < box.x1 + margin && r >= box.y0 - margin && r < box.y1 + margin;
      ++(in ? d.inside : d.outside);
      if (in) d.mean_inside += static_cast<double>(change);
    }
  if (d.inside > 0) d.mean_inside /= static_cast<double>(d.inside);
  return d;
}

constexpr double kMarginPixels = 1;  ///< the reach of the detector's blur

void expect_only_inside(const PhantomOptions& with, const PhantomOptions& without, const std::string& label, int sign) {
  const PhantomFilm changed = make_phantom_film(with), plain = make_phantom_film(without);
  const PhantomTruth& box = find(changed, label);
  const Difference d = compare(changed.film, plain.film, box, kMarginPixels);
  EXPECT_GT(d.inside, 80U) << label;
  EXPECT_EQ(d.outside, 0U) << label;
  EXPECT_GT(d.mean_inside * sign, 0) << label << ": denser (+) or more transparent (-)";
}

TEST(PhantomFilm, the_tracer_agrees_with_the_closed_form_of_a_sphere) {
  // Distance of the ray to the centre by the vector product; chord 2 sqrt(r^2 - d^2).
  const phantom::Point centre{30, -20, 150};
  constexpr double kRadius = 25, kMu = 0.0206;
  for (double px = -20; px <= 80; px += 2.5)
    for (double py = -70; py <= 40; py += 2.5) {
      // Ray from the detector point (px, py, 0) towards the source (0, 0, L).
      const double ux = -px, uy = -py, uz = phantom::kSourceMm, n = std::sqrt(ux * ux + uy * uy + uz * uz);
      const double wx = centre.x - px, wy = centre.y - py, wz = centre.z;
      const double kx = wy * uz - wz * uy, ky = wz * ux - wx * uz, kz = wx * uy - wy * ux;
      const double distance = std::sqrt(kx * kx + ky * ky + kz * kz) / n;
      const double chord = distance < kRadius ? 2 * std::sqrt(kRadius * kRadius - distance * distance) : 0;
      // 1e-9: cancellation in the quadratic near the rim.
      EXPECT_NEAR(phantom::sphere_transmission(centre, kRadius, kMu, px, py), std::exp(-kMu * chord), 1e-9);
    }
}

TEST(PhantomFilm, its_elementary_functions_are_those_of_the_library) {
  for (double x = -30; x < 30; x += 0.37) {
    EXPECT_NEAR(phantom::exponential(x) / std::exp(x), 1, 1e-13);
    EXPECT_NEAR(phantom::sine(x), std::sin(x), 1e-11);
    EXPECT_NEAR(phantom::logarithm(std::exp(x)), x, 1e-12);
  }
}

TEST(PhantomFilm, its_noise_has_the_mean_and_variance_of_poisson) {
  for (const double mean : {3.0, 25.0, 40.0, 2500.0}) {
    constexpr int kCount = 40000;
    double sum = 0, squares = 0;
    for (int i = 0; i < kCount; ++i) {
      const double n = phantom::poisson(mean, 99, static_cast<std::uint64_t>(i));
      sum += n, squares += n * n;
    }
    const double m = sum / kCount, variance = squares / kCount - m * m;
    EXPECT_NEAR(m, mean, 5 * std::sqrt(mean / kCount));  // five standard errors
    EXPECT_NEAR(variance / mean, 1, 5 * std::sqrt((2 + 1 / mean) / kCount));
  }
}

TEST(PhantomFilm, has_the_same_bytes_each_time_and_others_for_another_seed) {
  PhantomOptions options = small();
  options.nodules = {{-80, -30, 20}};
  EXPECT_EQ(digest(make_phantom_film(options).film), digest(make_phantom_film(options).film));
  EXPECT_NE(digest(make_phantom_film(small(1)).film), digest(make_phantom_film(small(2)).film));
}

TEST(PhantomFilm, left_is_left) {
  const PhantomFilm phantom = make_phantom_film(small());
  EXPECT_EQ(phantom.film.patient_orientation[0], "L");
  EXPECT_EQ(phantom.film.patient_orientation[1], "F");
  const PhantomTruth &heart = find(phantom, "Heart"), &marker = find(phantom, "Marker_L");
  EXPECT_GT((heart.x0 + heart.x1) / 2, kSide / 2.0) << "the heart lies to the patient's left, the film's right";
  EXPECT_GT(marker.x0, kSide * 0.8);
  EXPECT_LT(marker.y1, kSide * 0.2);
  EXPECT_LT(find(phantom, "Lung_Right").x1, find(phantom, "Lung_Left").x1);
  // The mass itself: more density in the lower middle at the film's right of the midline than at its left.
  double left = 0, right = 0;
  for (std::uint32_t r = kSide / 2; r < kSide * 2 / 3; ++r)
    for (std::uint32_t i = 20; i < kSide / 5; ++i) {
      left += static_cast<double>(phantom.film.at(kSide / 2 + i, r));
      right += static_cast<double>(phantom.film.at(kSide / 2 - 1 - i, r));
    }
  EXPECT_GT(left, right * 1.1);
}

TEST(PhantomFilm, the_diaphragm_stands_higher_on_the_right) {
  const PhantomFilm phantom = make_phantom_film(small());
  EXPECT_LT(find(phantom, "Lung_Right").y1, find(phantom, "Lung_Left").y1);
}

TEST(PhantomFilm, each_insertion_changes_its_box_and_nothing_else) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    PhantomOptions nodule = small(seed), effusion = small(seed), pneumothorax = small(seed), fold = small(seed),
                   bare = small(seed);
    nodule.nodules = {{-80, -30, 22}};
    effusion.effusion = Side::left;
    pneumothorax.pneumothorax = Side::right;
    fold.skin_fold = Side::left;
    bare.marker = false;
    expect_only_inside(nodule, small(seed), "Nodule", 1);
    expect_only_inside(effusion, small(seed), "Effusion", 1);
    expect_only_inside(pneumothorax, small(seed), "Pneumothorax", -1);
    expect_only_inside(fold, small(seed), "Skin_Fold", 1);
    expect_only_inside(small(seed), bare, "Marker_L", 1);
  }
}

TEST(PhantomFilm, insertions_lie_on_the_side_that_was_asked_for) {
  for (const Side side : {Side::left, Side::right}) {
    PhantomOptions options = small();
    options.effusion = options.pneumothorax = options.skin_fold = side;
    const PhantomFilm phantom = make_phantom_film(options);
    for (const char* label : {"Effusion", "Pneumothorax", "Skin_Fold"}) {
      const PhantomTruth& truth = find(phantom, label);
      ASSERT_TRUE(truth.side.has_value());
      EXPECT_EQ(*truth.side, side);
      const double centre = (truth.x0 + truth.x1) / 2;
      EXPECT_EQ(centre > kSide / 2.0, side == Side::left) << label;
    }
    EXPECT_LT(find(phantom, "Pneumothorax").y0, find(phantom, "Effusion").y0) << "air rises, fluid sinks";
  }
}

TEST(PhantomFilm, a_nodules_box_is_the_magnified_sphere) {
  PhantomOptions options{.columns = 1024, .rows = 1024, .nodules = {{-80, -30, 20}}};
  const PhantomTruth box = find(make_phantom_film(options), "Nodule");
  const double mm = 400.0 / 1024;
  EXPECT_NEAR((box.x0 + box.x1) / 2, 512 - 80 / mm, 1.5);
  EXPECT_NEAR((box.y0 + box.y1) / 2, 512 - 30 / mm, 1.5);
  // Magnification 1800 / (1800 - z), the lungs lying between z = 60 and 230 mm: 1.034 to 1.147; one pixel of rounding.
  EXPECT_GT((box.x1 - box.x0) * mm, 20 * 1.034 - 2 * mm);
  EXPECT_LT((box.x1 - box.x0) * mm, 20 * 1.147 + 2 * mm);
}

TEST(PhantomFilm, the_cardiothoracic_ratio_is_that_of_the_silhouettes_and_separates_cardiomegaly) {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    PhantomOptions large = small(seed);
    large.cardiomegaly = true;
    const PhantomFilm normal = make_phantom_film(small(seed)), enlarged = make_phantom_film(large);
    const PhantomTruth &heart = find(normal, "Heart"), &left = find(normal, "Lung_Left"),
                       &right = find(normal, "Lung_Right");
    EXPECT_NEAR(normal.cardiothoracic_ratio, (heart.x1 - heart.x0) / (left.x1 - right.x0), 1e-12);
    EXPECT_GT(normal.cardiothoracic_ratio, 0.39) << seed;
    EXPECT_LT(normal.cardiothoracic_ratio, 0.50) << seed;
    EXPECT_GT(enlarged.cardiothoracic_ratio, 0.55) << seed;
  }
}

TEST(PhantomFilm, values_are_a_picture_with_all_greys_in_0_to_1) {
  const PhantomFilm phantom = make_phantom_film({.columns = 300, .rows = 420});
  ASSERT_EQ(phantom.film.values.size(), 300U * 420U);
  float low = 1, high = 0;
  for (const float v : phantom.film.values) {
    ASSERT_TRUE(v >= 0 && v <= 1);
    low = std::min(low, v), high = std::max(high, v);
  }
  EXPECT_LT(low, 0.05F);
  EXPECT_GT(high, 0.8F);
  EXPECT_EQ(phantom.film.spacing->kind, SpacingKind::at_detector);
  EXPECT_DOUBLE_EQ(phantom.film.spacing->row_mm, 400.0 / 300);
}

TEST(PhantomFilm, refuses_what_cannot_be_and_says_why) {
  const auto code = [](const PhantomOptions& options) {
    try {
      make_phantom_film(options);
    } catch (const Error& e) {
      return e.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code({.columns = 0}), ErrorCode::Usage);
  EXPECT_EQ(code({.columns = 100000}), ErrorCode::Usage);
  EXPECT_EQ(code({.columns = 64, .rows = 64, .width_mm = std::nan("")}), ErrorCode::Usage);
  EXPECT_EQ(code({.columns = 64, .rows = 64, .noise = -1}), ErrorCode::Usage);
  EXPECT_EQ(code({.columns = 64, .rows = 64, .nodules = {{0, 0, -5}}}), ErrorCode::Usage);
  EXPECT_EQ(code({.columns = 64, .rows = 64, .nodules = {{0, 170, 10}}}), ErrorCode::Usage) << "in the abdomen";
}

}  // namespace
}  // namespace rouage::image
