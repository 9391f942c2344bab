// Planes that leave a slab beside whole arrays: the same labels for every plan the specification allows.
#include <random>

#include "base/error.h"
#include "infer/small_package.h"
#include "npy.h"
#include "python.h"
#include "reference_twin.h"

namespace rouage::infer {
namespace {

using testing::plain_grid;
using testing::RefResult;

/// Depends on every channel, on the place inside the patch, on the class and on the fold: a flip or a shift shows.
NetFactory odd_nets(const NnunetModel& model) {
  return [&model](std::size_t fold) -> PatchNet {
    const std::size_t voxels = std::size_t{model.patch[0]} * model.patch[1] * model.patch[2];
    return [&model, voxels, fold](std::span<const float> patch, std::span<float> logits) {
      ASSERT_EQ(patch.size(), voxels * model.net_channels());
      ASSERT_EQ(logits.size(), voxels * model.classes());
      for (std::size_t c = 0; c < model.classes(); ++c)
        for (std::size_t i = 0; i < voxels; ++i) {
          float sum = std::sin(0.37F * static_cast<float>(i * (c + 2) + 5 * fold));
          for (std::size_t k = 0; k < model.net_channels(); ++k)
            sum += patch[k * voxels + i] * (0.5F + 0.25F * static_cast<float>((k + c) % 3)) *
                   (static_cast<float>(c) - 1.25F);
          logits[c * voxels + i] = sum;
        }
    };
  };
}

struct Plan {
  std::string name;
  std::array<std::uint32_t, 3> size{12, 11, 10};  ///< i, j, k
  std::array<double, 3> spacing{1.3, 1.1, 1.7};   ///< i, j, k
  std::function<void(NnunetModel&)> change = [](NnunetModel&) {};
  double step = 0.5;
  bool zeros = true;
};

NnunetModel base_model() {
  NnunetModel m;
  m.patch = {6, 8, 7};
  m.spacing_mm = {1.2, 1.2, 1.2};
  m.channels = {{"a", Normalization::z_score, true}, {"b", Normalization::ct, false, 2, 3, -6, 8}};
  m.data = {Resampling::data_or_seg_to_shape, 3, 0, std::nullopt};
  m.seg = m.probabilities = {Resampling::data_or_seg_to_shape, 1, 0, std::nullopt};
  m.written_labels = {0, 1, 2, 3};
  m.foreground_labels = {1, 2, 3};
  m.folds = {{"fold_0", {}}};
  return m;
}

std::vector<image::Volume<float>> images_of(const Plan& plan, std::size_t channels, unsigned seed) {
  std::mt19937 random(seed);
  std::vector<image::Volume<float>> out;
  for (std::size_t c = 0; c < channels; ++c) {
    image::Volume<float> v{plain_grid(plan.size, plan.spacing), {}, ""};
    for (std::uint32_t k = 0; k < plan.size[2]; ++k)
      for (std::uint32_t j = 0; j < plan.size[1]; ++j)
        for (std::uint32_t i = 0; i < plan.size[0]; ++i) {
          const bool frame = i < 1 || j + 2 >= plan.size[1] || (k < 1 && plan.size[2] > 2);
          const bool hole = plan.size[2] > 6 && i == 5 && j == 4 && k >= 4 && k < 6;
          const float value = static_cast<float>(random() % 2001) / 100.0F - 10.0F + (i > 6 ? 4.0F : 0.0F);
          v.values.push_back(plan.zeros && (frame || hole) ? 0.0F : value == 0 ? 1.0F : value);
        }
    out.push_back(std::move(v));
  }
  return out;
}

image::LabelMap previous_of(const Plan& plan, unsigned seed) {
  std::mt19937 random(seed);
  image::LabelMap out{plain_grid(plan.size, plan.spacing), {}, ""};
  for (std::uint32_t k = 0; k < plan.size[2]; ++k)
    for (std::uint32_t j = 0; j < plan.size[1]; ++j)
      for (std::uint32_t i = 0; i < plan.size[0]; ++i) out.values.push_back((i / 3 + j / 4 + k / 2 + random() % 2) % 4);
  return out;
}

struct Found {
  std::vector<std::uint16_t> labels;
  std::vector<std::vector<double>> logits;
  SegmentResult result;
};

Found found_by(const Plan& plan, const NnunetModel& model, const std::vector<image::Volume<float>>& images,
               const image::LabelMap* previous, Accumulation mode, int threads) {
  Found f;
  f.logits.resize(model.classes());
  SegmentSinks sinks;
  sinks.labels = [&](std::uint32_t k, std::span<const std::uint16_t> slice) {
    EXPECT_EQ(f.labels.size(), std::size_t{k} * slice.size());
    f.labels.insert(f.labels.end(), slice.begin(), slice.end());
  };
  sinks.logits = [&](const LogitsPlane& plane) {
    const std::size_t area = std::size_t{plane.shape[1]} * plane.shape[2];
    for (std::size_t c = 0; c < plane.classes; ++c)
      for (std::size_t i = 0; i < area; ++i) f.logits[c].push_back(half_to_float(plane.halves[c * area + i]));
  };
  SegmentOptions options;
  options.accumulation = mode;
  options.threads = threads;
  options.step_size = plan.step;
  f.result = segment({images, previous, std::nullopt}, model, options, odd_nets(model), sinks);
  return f;
}

/// Every label equal; every logit equal to half a float16 step and a little (the twin's normalisation may differ in the
/// last bit of float32, which the net carries on).
void check(const Plan& plan) {
  SCOPED_TRACE(plan.name);
  NnunetModel model = base_model();
  plan.change(model);
  const auto images = images_of(plan, model.channels.size(), 11);
  const image::LabelMap seg = previous_of(plan, 12);
  const image::LabelMap* previous = model.previous_stage.empty() ? nullptr : &seg;
  for (const Accumulation mode : {Accumulation::exact, Accumulation::float32}) {
    const bool exact = mode == Accumulation::exact;
    SCOPED_TRACE(exact ? "exact" : "float32");
    const RefResult ref = testing::ref_segment(images, previous, model, plan.step, true, exact, odd_nets(model));
    const Found found = found_by(plan, model, images, previous, mode, 2);
    EXPECT_EQ(found.result.box_first, ref.box_first);
    EXPECT_EQ(found.result.cropped, ref.cropped);
    for (std::size_t c = 0; c < model.classes(); ++c) {
      ASSERT_EQ(found.logits[c].size(), ref.logits[c].values.size());
      for (std::size_t i = 0; i < found.logits[c].size(); ++i) {
        const double wanted = ref.logits[c].values[i];
        ASSERT_NEAR(found.logits[c][i], wanted, 1e-3 * std::abs(wanted) + 1e-3) << "class " << c << " at " << i;
      }
    }
    std::size_t differ = 0;
    ASSERT_EQ(found.labels.size(), ref.labels.size());
    for (std::size_t i = 0; i < ref.labels.size(); ++i) differ += found.labels[i] != ref.labels[i];
    EXPECT_EQ(differ, 0U) << "of " << ref.labels.size();
    EXPECT_EQ(std::accumulate(found.result.label_voxels.begin(), found.result.label_voxels.end(), std::uint64_t{0}),
              found.labels.size());
    EXPECT_EQ(found_by(plan, model, images, previous, mode, 1).labels, found.labels);
  }
}

TEST(Slab, EqualsWholeArraysForATypicalPlan) {
  check({"typical"});
}

TEST(Slab, EqualsWholeArraysWithSeveralFolds) {
  check({"two folds", {12, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) { m.folds.resize(2); }});
  check({"three folds", {12, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) { m.folds.resize(3); }});
}

TEST(Slab, EqualsWholeArraysWithMirroring) {
  check({"all axes", {12, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) { m.mirror_axes = {0, 1, 2}; }});
  check({"two axes", {12, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) { m.mirror_axes = {0, 2}; }});
}

TEST(Slab, EqualsWholeArraysWithRegions) {
  check({"regions, two folds, mirroring", {13, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) {
           m.regions = true;
           m.written_labels = {2, 1, 3};
           m.folds.resize(2);
           m.mirror_axes = {0, 1, 2};
         }});
}

TEST(Slab, EqualsWholeArraysForEveryTranspose) {
  for (const std::array<int, 3>& forward :
       {std::array{0, 2, 1}, std::array{1, 0, 2}, std::array{1, 2, 0}, std::array{2, 0, 1}, std::array{2, 1, 0}})
    check({"transpose " + std::to_string(forward[0]) + std::to_string(forward[1]) + std::to_string(forward[2]),
           {12, 11, 10},
           {1.3, 1.1, 1.7},
           [forward](NnunetModel& m) {
             m.transpose_forward = forward;
             for (std::size_t a = 0; a < 3; ++a)
               m.transpose_backward[static_cast<std::size_t>(forward[a])] = static_cast<int>(a);
           }});
}

TEST(Slab, EqualsWholeArraysWithASeparateAxisAnywhere) {
  check({"axis 0", {14, 13, 6}, {1.1, 1.0, 5.0}, [](NnunetModel& m) { m.spacing_mm = {4.0, 1.3, 1.3}; }});
  check({"axis 1", {14, 6, 12}, {1.1, 5.0, 1.0}, [](NnunetModel& m) { m.spacing_mm = {1.3, 4.0, 1.3}; }});
  check({"axis 2", {6, 14, 12}, {5.0, 1.1, 1.0}, [](NnunetModel& m) { m.spacing_mm = {1.3, 1.3, 4.0}; }});
  check({"order_z 1", {14, 13, 6}, {1.1, 1.0, 5.0}, [](NnunetModel& m) {
           m.spacing_mm = {4.0, 1.3, 1.3};
           m.data.order_z = m.probabilities.order_z = 1;
         }});
  check({"by the plan's spacing only", {12, 12, 12}, {1.0, 1.0, 1.0}, [](NnunetModel& m) {
           m.spacing_mm = {4.0, 1.1, 1.1};
         }});
  check({"transposed", {6, 14, 12}, {5.0, 1.1, 1.0}, [](NnunetModel& m) {
           m.transpose_forward = {2, 0, 1};
           m.transpose_backward = {1, 2, 0};
           m.spacing_mm = {4.0, 1.3, 1.3};
         }});
}

TEST(Slab, EqualsWholeArraysAtTheEdgesOfTheSpecification) {
  check({"smaller than the patch, odd padding",
         {6, 6, 5},
         {1.2, 1.2, 1.2},
         [](NnunetModel& m) {
           m.patch = {9, 8, 12};
         },
         0.5,
         false});
  check({"exactly the patch", {7, 8, 6}, {1.2, 1.2, 1.2}, [](NnunetModel&) {}, 0.5, false});
  check({"one slice", {12, 11, 1}, {1.3, 1.1, 1.2}});
  check({"all zero",
         {9, 9, 9},
         {1.2, 1.2, 1.2},
         [](NnunetModel& m) {
           m.channels[0].inside_mask = false;
           m.channels[1] = {"b", Normalization::none};
         },
         0.5,
         true});
  check({"same shape, other spacing", {10, 10, 10}, {1.21, 1.21, 1.19}});
  check({"one axis changes", {12, 11, 10}, {1.2, 1.2, 2.0}});
  check({"ratio exactly 3", {12, 11, 10}, {1.0, 1.0, 3.0}, [](NnunetModel& m) { m.spacing_mm = {1.5, 1.5, 1.5}; }});
  check({"two coarse axes", {12, 8, 7}, {1.0, 4.0, 4.0}, [](NnunetModel& m) { m.spacing_mm = {2.0, 2.0, 2.0}; }});
  check({"sizes at one half",
         {10, 10, 10},
         {1.5, 1.5, 1.5},
         [](NnunetModel& m) {
           m.spacing_mm = {2.0, 2.0, 2.0};
         },
         0.5,
         false});
  check({"step 0.8", {16, 15, 14}, {1.3, 1.1, 1.7}, [](NnunetModel&) {}, 0.8});
  check({"orders 1 and 0", {12, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) {
           m.data.order = 1;
           m.probabilities.order = 0;
         }});
  check({"rescaled to 0..1, no normalisation", {12, 11, 10}, {1.3, 1.1, 1.7}, [](NnunetModel& m) {
           m.channels = {{"a", Normalization::rescale_to_01}, {"b", Normalization::none}};
         }});
}

TEST(Slab, EqualsWholeArraysInTwoDimensions) {
  check({"2d", {14, 13, 5}, {1.3, 1.1, 4.5}, [](NnunetModel& m) {
           m.two_dimensional = true;
           m.patch = {1, 8, 7};
           m.mirror_axes = {0, 1};
           m.folds.resize(2);
         }});
}

TEST(Slab, EqualsWholeArraysInACascade) {
  const auto cascade = [](NnunetModel& m) { m.previous_stage = "3d_lowres"; };
  check({"cascade", {12, 11, 10}, {1.3, 1.1, 1.7}, cascade});
  check({"cascade, separate axis", {14, 13, 6}, {1.1, 1.0, 5.0}, [cascade](NnunetModel& m) {
           cascade(m);
           m.spacing_mm = {4.0, 1.3, 1.3};
         }});
  check({"cascade, transposed", {12, 11, 10}, {1.3, 1.1, 1.7}, [cascade](NnunetModel& m) {
           cascade(m);
           m.transpose_forward = {1, 2, 0};
           m.transpose_backward = {2, 0, 1};
         }});
}

/// Section 6 by numpy: nothing of the C++ twin in between. The net is exact in float32, so logits are equal in every
/// bit.
TEST(SlidingWindow, EqualsNumpyInEveryBit) {
  if (!testing::have_python_twins()) GTEST_SKIP() << "no python3 with scikit-image, scipy and torch";
  NnunetModel m = base_model();
  m.channels = {{"a", Normalization::none}, {"b", Normalization::none}};
  m.data.function = m.probabilities.function = Resampling::no_resampling;
  m.written_labels = {0, 1, 2};
  m.folds.resize(2);
  m.mirror_axes = {0, 1, 2};
  m.patch = {6, 14, 7};
  const Plan plan{"numpy", {17, 11, 13}, {1, 1, 1}, [](NnunetModel&) {}, 0.5, false};
  const auto images = images_of(plan, 2, 4);
  std::vector<float> both = images[0].values;
  both.insert(both.end(), images[1].values.begin(), images[1].values.end());
  testing::PythonTwin twin("sliding");
  twin.array("a", "<f4", std::array<std::size_t, 4>{2, 13, 11, 17}, both);
  twin.job({{"op", "sliding"},
            {"in", "a"},
            {"out", "b"},
            {"shape", m.patch},
            {"step", 0.5},
            {"mirror", {0, 1, 2}},
            {"folds", 2}});
  twin.run();
  const NetFactory nets = [&](std::size_t fold) -> PatchNet {
    return [&, fold](std::span<const float> patch, std::span<float> logits) {
      const std::size_t n = patch.size() / 2;
      for (std::size_t i = 0; i < n; ++i) {
        const float s = std::nearbyint((patch[i] + patch[n + i]) * 8) / 8, ramp = static_cast<float>(i % 7);
        for (std::size_t c = 0; c < 3; ++c)
          logits[c * n + i] = s * (static_cast<float>(c) - 1) + ramp * static_cast<float>(fold + c) / 16;
      }
    };
  };
  const auto path = testing::fresh_folder("npy") / "logits.npy";
  segment({images, nullptr, std::nullopt}, m, {.accumulation = Accumulation::exact, .threads = 2}, nets,
          {{}, npy_logits_sink(path)});
  const testing::Npy ours = testing::read_npy(path), theirs = twin.result("b");
  EXPECT_EQ(ours.shape, theirs.shape);
  EXPECT_EQ(ours.type, theirs.type);
  EXPECT_EQ(ours.as<std::uint16_t>(), theirs.as<std::uint16_t>());
  std::filesystem::remove_all(path.parent_path());
}

ErrorCode code_of(const std::function<void()>& act, const std::string& words = "") {
  try {
    act();
  } catch (const Error& e) {
    EXPECT_NE(std::string(e.what()).find(words), std::string::npos) << e.what();
    return e.code();
  }
  return ErrorCode::Internal;
}

struct Simple {
  NnunetModel model = base_model();
  Plan plan{"simple"};
  std::vector<image::Volume<float>> images = images_of(plan, 2, 1);
  SegmentOptions options;
  SegmentResult run() { return segment({images, nullptr, std::nullopt}, model, options, odd_nets(model), {}); }
};

TEST(Segment, RefusesWhatDoesNotFitTheModel) {
  Simple s;
  s.images.pop_back();
  EXPECT_EQ(code_of([&] { s.run(); }, "2 channels (a, b), 1"), ErrorCode::RoleMissing);
  Simple other;
  other.images[1] = images_of({"", {12, 11, 9}}, 1, 1)[0];
  EXPECT_EQ(code_of([&] { other.run(); }), ErrorCode::GridMismatch);
  Simple cascade;
  cascade.model.previous_stage = "3d_lowres";
  EXPECT_EQ(code_of([&] { cascade.run(); }, "3d_lowres"), ErrorCode::RoleMissing);
  Simple step;
  step.options.step_size = 0;
  EXPECT_EQ(code_of([&] { step.run(); }), ErrorCode::OptionInvalid);
  Simple nan;
  nan.images[0].values[700] = NAN;
  EXPECT_EQ(code_of([&] { nan.run(); }, "finite"), ErrorCode::VolumeInvalid);
}

TEST(Segment, SaysWhereChannelsLieApart) {
  Simple s;
  s.images[1].grid.origin_mm = {5, 0, 0};
  EXPECT_EQ(s.run().warnings.size(), 1U);
}

TEST(Segment, RefusesInfiniteLogits) {
  Simple s;
  for (const Accumulation mode : {Accumulation::exact, Accumulation::float32}) {
    s.options.accumulation = mode;
    const NetFactory huge = [&](std::size_t) -> PatchNet {
      return [mode](std::span<const float>, std::span<float> logits) {
        std::fill(logits.begin(), logits.end(), mode == Accumulation::exact ? 3e4F : INFINITY);
      };
    };
    EXPECT_EQ(code_of([&] {
                segment({s.images, nullptr, std::nullopt}, s.model, s.options, huge, {});
              }),
              ErrorCode::InferenceFailed);
  }
}

TEST(Segment, StopsWhenTheCallerSaysNo) {
  Simple s;
  std::uint64_t last = 0;
  s.options.progress = [&](SegmentStage stage, std::uint64_t done, std::uint64_t) {
    last = done;
    return stage == SegmentStage::preprocess || done < 3;
  };
  EXPECT_EQ(code_of([&] { s.run(); }), ErrorCode::Cancelled);
  EXPECT_EQ(last, 3U);
}

// SEG-5
TEST(Segment, KeepsToItsBudgetOrSaysWhatItNeeds) {
  Simple s;
  s.model.folds.resize(2);
  s.options.net_bytes = 100 << 20;
  const MemoryPlan plan = plan_memory(s.model, s.images[0].grid, s.options);
  EXPECT_TRUE(plan.nets_kept);
  EXPECT_GE(plan.peak, 200U << 20);
  s.options.memory_budget_bytes = 150U << 20;  // one net at a time
  EXPECT_FALSE(plan_memory(s.model, s.images[0].grid, s.options).nets_kept);
  int opened = 0;
  const NetFactory counted = [&](std::size_t fold) {
    ++opened;
    return odd_nets(s.model)(fold);
  };
  std::vector<std::uint16_t> little, ample;
  const auto collect = [](std::vector<std::uint16_t>& into) {
    return LabelSink(
        [&into](std::uint32_t, std::span<const std::uint16_t> v) { into.insert(into.end(), v.begin(), v.end()); });
  };
  segment({s.images, nullptr, std::nullopt}, s.model, s.options, counted, {collect(little), {}});
  EXPECT_GT(opened, 2);
  s.options.memory_budget_bytes = 0;
  opened = 0;
  segment({s.images, nullptr, std::nullopt}, s.model, s.options, counted, {collect(ample), {}});
  EXPECT_EQ(opened, 2);
  EXPECT_EQ(little, ample);
  s.options.memory_budget_bytes = 50 << 20;
  EXPECT_EQ(code_of([&] { s.run(); }, "MiB are needed, 50 MiB allowed"), ErrorCode::MemoryBudget);
}

TEST(Segment, TurnsToRasAndBackWhereThePlansSaySo) {
  Simple s;
  const image::LabelMap plain =
      segment_to_volume({s.images, nullptr, std::nullopt}, s.model, s.options, odd_nets(s.model));
  // The grid is LPS: turned to RAS, i and j run the other way. Given as RAS already, nothing is turned.
  s.model.reorient_to_ras = true;
  const image::LabelMap turned =
      segment_to_volume({s.images, nullptr, std::nullopt}, s.model, s.options, odd_nets(s.model));
  EXPECT_EQ(turned.grid, s.images[0].grid);
  EXPECT_NE(turned.values, plain.values);
  std::vector<image::Volume<float>> ras;
  for (const auto& image : s.images) ras.push_back(image::reoriented(image, "RAS"));
  const image::LabelMap direct = segment_to_volume({ras, nullptr, std::nullopt}, s.model, s.options, odd_nets(s.model));
  EXPECT_EQ(image::reoriented(direct, "LPS").values, turned.values);
}

TEST(Segment, FollowsTorchResamplingToo) {
  Simple s;
  s.model.data = s.model.probabilities = {Resampling::torch, 1, 0, false};
  s.options.accumulation = Accumulation::exact;
  const Found torch = found_by(s.plan, s.model, s.images, nullptr, Accumulation::exact, 2);
  EXPECT_EQ(found_by(s.plan, s.model, s.images, nullptr, Accumulation::exact, 1).labels, torch.labels);
  s.model.data = s.model.probabilities = {Resampling::data_or_seg_to_shape, 1, 0, false};
  const Found skimage = found_by(s.plan, s.model, s.images, nullptr, Accumulation::exact, 2);
  std::size_t differ = 0;
  for (std::size_t i = 0; i < torch.labels.size(); ++i) differ += torch.labels[i] != skimage.labels[i];
  // The same coordinates in float32 and without float16 at the end: only near-ties may change.
  EXPECT_LE(differ, torch.labels.size() / 100);
}

TEST(Segment, WithoutResamplingTheSizesMustAgree) {
  Simple s;
  s.model.probabilities.function = Resampling::no_resampling;
  EXPECT_EQ(code_of([&] { s.run(); }), ErrorCode::VolumeInvalid);
}

}  // namespace
}  // namespace rouage::infer
