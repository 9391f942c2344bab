// What a VolumeNet answers: beside torch (golden nets) and ONNX Runtime (random nets), with any number of threads.
#include "infer/unet/volume_net.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>

#include "infer/float16.h"
#include "infer/unet/engine.h"
#include "infer/unet/self_check.h"
#include "nets.h"

namespace rouage::infer {
namespace {

using namespace rouage::testing;
using Patch = std::array<std::uint32_t, 3>;

std::vector<float> answer(VolumeNet& net, const std::vector<float>& input) {
  const Patch p = net.patch();
  std::vector<float> logits(static_cast<std::size_t>(net.classes()) * p[0] * p[1] * p[2], -1);
  net.run(input, logits);
  return logits;
}
std::vector<float> answer(const std::filesystem::path& onnx, const Patch& patch, const VolumeNetOptions& options,
                          const std::vector<float>& input) {
  VolumeNet net = VolumeNet::open(onnx, patch, options);
  return answer(net, input);
}

struct GoldenCase {
  const char* name;
  Patch patch;
  std::array<std::vector<std::size_t>, 3> steps;  ///< where windows start, of expected.json
};
/// The preprocessed volume, padded with 0 to the patch as the specification says (6.1). Shape z, y, x.
Array padded(const GoldenCase& c) {
  const Array volume = read_npy(golden(c.name) / "preprocessed.npy");
  Array made;
  std::array<std::size_t, 3> low{};
  for (std::size_t i = 0; i < 3; ++i) {
    made.shape.push_back(std::max<std::size_t>(volume.shape[i + 1], c.patch[i]));
    low[i] = (made.shape[i] - volume.shape[i + 1]) / 2;
  }
  made.values.resize(made.shape[0] * made.shape[1] * made.shape[2], 0);
  for (std::size_t i = 0; i < volume.values.size(); ++i) {
    const std::size_t x = i % volume.shape[3], y = i / volume.shape[3] % volume.shape[2],
                      z = i / volume.shape[3] / volume.shape[2];
    made.values[((z + low[0]) * made.shape[1] + y + low[1]) * made.shape[2] + x + low[2]] = volume.values[i];
  }
  return made;
}

std::vector<float> first_window(const GoldenCase& c) {
  const Array volume = padded(c);
  std::vector<float> made;
  for (std::size_t z = 0; z < c.patch[0]; ++z)
    for (std::size_t y = 0; y < c.patch[1]; ++y) {
      const auto from =
          volume.values.begin() + static_cast<std::ptrdiff_t>((z * volume.shape[1] + y) * volume.shape[2]);
      made.insert(made.end(), from, from + c.patch[2]);
    }
  return made;
}

/// gaussian.npy: float16, as large as the patch.
std::vector<float> gaussian(const std::string& name) {
  const Bytes bytes = read_file(golden(name) / "gaussian.npy", kMebibyte);
  const std::size_t start = 10 + bytes[8] + 256U * bytes[9];
  std::vector<std::uint16_t> halves((bytes.size() - start) / 2);
  std::memcpy(halves.data(), bytes.data() + start, halves.size() * 2);
  return halves_to_floats(halves);
}

void PrintTo(const GoldenCase& c, std::ostream* out) {
  *out << c.name;
}

class Golden : public ::testing::TestWithParam<GoldenCase> {};
INSTANTIATE_TEST_SUITE_P(
    Cases, Golden,
    ::testing::Values(GoldenCase{"ct_iso", {48, 48, 48}, {{{0, 22, 44, 66}, {0, 18, 36}, {0, 18, 36}}}},
                      GoldenCase{"mr_aniso", {16, 64, 64}, {{{0}, {0, 6}, {0, 16}}}}));

// Tolerance 3e-4: the golden README's, float32 runtimes differ by 1.2e-4 and 2.0e-4.
TEST_P(Golden, OwnEngineGivesTorchsLogits) {
  ROUAGE_NEEDS_GOLDEN;
  const auto& [name, patch, steps] = GetParam();
  VolumeNet net = VolumeNet::open(golden(name) / "model.onnx", patch, {.engine = VolumeEngine::own, .threads = 2});
  EXPECT_EQ(net.channels(), 1);
  EXPECT_EQ(net.classes(), 5);
  EXPECT_EQ(net.identity().engine, unet::engine_name());
  EXPECT_EQ(net.identity().precision, "f32");
  EXPECT_GT(net.identity().self_check_difference, 0);
  EXPECT_LT(net.identity().self_check_difference, 0.005);
  const double apart = largest_difference(answer(net, first_window(GetParam())),
                                          read_npy(golden(name) / "first_patch_logits.npy").values);
  RecordProperty("largest_difference", std::to_string(apart));
  EXPECT_LE(apart, 3e-4);
}

TEST_P(Golden, OnnxRuntimeGivesTorchsLogits) {
  ROUAGE_NEEDS_GOLDEN;
  const auto& [name, patch, steps] = GetParam();
  VolumeNet net =
      VolumeNet::open(golden(name) / "model.onnx", patch, {.engine = VolumeEngine::onnxruntime, .threads = 2});
  EXPECT_EQ(net.identity().engine.substr(0, 11), "onnxruntime");
  EXPECT_LE(largest_difference(answer(net, first_window(GetParam())),
                               read_npy(golden(name) / "first_patch_logits.npy").values),
            3e-4);
}

/// All windows of a case, weighted and joined in float32 (the specification's section 6), as labels.
std::vector<int> whole_case(const GoldenCase& c, Precision precision) {
  VolumeNet net = VolumeNet::open(golden(c.name) / "model.onnx", c.patch,
                                  {.precision = precision, .engine = VolumeEngine::own, .threads = 2});
  const Array volume = padded(c);
  const std::vector<float> weight = gaussian(c.name);
  const std::size_t voxels = volume.values.size(), row = volume.shape[2], plane = volume.shape[1] * row;
  std::vector<float> sum(5 * voxels), window(weight.size());
  for (const std::size_t z0 : c.steps[0])
    for (const std::size_t y0 : c.steps[1])
      for (const std::size_t x0 : c.steps[2]) {
        const auto place = [&](std::size_t i) {
          const std::size_t x = i % c.patch[2], y = i / c.patch[2] % c.patch[1], z = i / c.patch[2] / c.patch[1];
          return (z + z0) * plane + (y + y0) * row + x + x0;
        };
        for (std::size_t i = 0; i < window.size(); ++i) window[i] = volume.values[place(i)];
        const std::vector<float> logits = answer(net, window);
        for (std::size_t k = 0; k < 5; ++k)
          for (std::size_t i = 0; i < window.size(); ++i)
            sum[k * voxels + place(i)] += weight[i] * logits[k * window.size() + i];
      }
  return labels(sum, 5);  // the common divisor does not change the largest
}

TEST_P(Golden, Bf16KeepsTheLabels) {
  ROUAGE_NEEDS_GOLDEN;
  if (!bf16_supported()) GTEST_SKIP() << "this CPU has no bf16";
  const std::vector<int> half = whole_case(GetParam(), Precision::bf16), full = whole_case(GetParam(), Precision::f32);
  std::size_t changed = 0;
  for (std::size_t i = 0; i < half.size(); ++i) changed += half[i] != full[i];
  RecordProperty("changed", std::to_string(changed) + " of " + std::to_string(half.size()));
  EXPECT_LE(static_cast<double>(changed) / static_cast<double>(half.size()), 5e-4);
  for (int label = 0; label < 5; ++label) {
    std::size_t both = 0, either = 0;
    for (std::size_t i = 0; i < half.size(); ++i) {
      both += half[i] == label && full[i] == label ? 2 : 0;
      either += (half[i] == label) + (full[i] == label);
    }
    if (either > 0) EXPECT_GE(static_cast<double>(both) / static_cast<double>(either), 0.999) << "label " << label;
  }
}

struct NetCase {
  const char* name;
  const char* arguments;
  Patch patch;
  int channels;
};
void PrintTo(const NetCase& c, std::ostream* out) {
  *out << c.name;
}

class RandomNet : public ::testing::TestWithParam<NetCase> {};
INSTANTIATE_TEST_SUITE_P(
    Nets, RandomNet,
    ::testing::Values(NetCase{"plain", "plain --features 32,64,96", {24, 32, 40}, 1},
                      NetCase{"six_stages", "plain --features 32,64,96,128,160,160 --classes 25", {32, 64, 64}, 1},
                      NetCase{"two_channels", "plain --features 16,32 --channels 2 --classes 117", {16, 24, 20}, 2},
                      NetCase{"residual", "residual --features 32,64,128 --channels 3", {16, 32, 24}, 3},
                      NetCase{"flat", "flat --features 32,64,128 --channels 2", {1, 64, 96}, 2},
                      NetCase{"odd_shapes", "odd --features 12 --channels 2", {7, 20, 26}, 2},
                      NetCase{"odd_wide", "odd --features 48", {9, 16, 34}, 1},
                      NetCase{"narrow", "plain --features 5,7,9 --classes 2", {12, 20, 16}, 1}),
    [](const auto& made) { return std::string(made.param.name); });

// Two float32 runtimes that add in another order; on few voxels at the deepest stage norms enlarge the difference.
TEST_P(RandomNet, OwnEngineAgreesWithOnnxRuntime) {
  ROUAGE_NEEDS_PYTHON;
  const NetCase& c = GetParam();
  const NetFolder folder;
  const auto onnx = folder.net(c.arguments);
  const auto input = normal_patch(static_cast<std::size_t>(c.channels) * c.patch[0] * c.patch[1] * c.patch[2], 7);
  const auto ours = answer(onnx, c.patch, {.engine = VolumeEngine::own, .threads = 2}, input);
  const auto peer = answer(onnx, c.patch, {.engine = VolumeEngine::onnxruntime, .threads = 2}, input);
  EXPECT_LE(largest_difference(ours, peer) / deviation(peer), 2e-3);
  EXPECT_GT(deviation(peer), 0.05);
}

TEST_P(RandomNet, Bf16StaysNear) {
  ROUAGE_NEEDS_PYTHON;
  if (!bf16_supported()) GTEST_SKIP() << "this CPU has no bf16";
  const NetCase& c = GetParam();
  const NetFolder folder;
  const auto onnx = folder.net(c.arguments);
  const auto input = normal_patch(static_cast<std::size_t>(c.channels) * c.patch[0] * c.patch[1] * c.patch[2], 7);
  const auto half =
      answer(onnx, c.patch, {.precision = Precision::bf16, .engine = VolumeEngine::own, .threads = 2}, input);
  const auto full = answer(onnx, c.patch, {.engine = VolumeEngine::own, .threads = 2}, input);
  const unet::SelfCheck check = unet::compare_logits(half, full, Precision::bf16);
  EXPECT_LE(check.root_mean_square, 0.05) << check.largest;  // 8 bits of weight and activation, 10 to 25 layers
  EXPECT_GT(check.largest, 1e-4);                            // it did compute in bf16
}

TEST_P(RandomNet, AnyNumberOfThreadsGivesTheSameBits) {
  ROUAGE_NEEDS_PYTHON;
  const NetCase& c = GetParam();
  const NetFolder folder;
  const auto onnx = folder.net(c.arguments);
  const auto input = normal_patch(static_cast<std::size_t>(c.channels) * c.patch[0] * c.patch[1] * c.patch[2], 9);
  for (const Precision precision : {Precision::f32, Precision::bf16}) {
    if (precision == Precision::bf16 && !bf16_supported()) continue;
    VolumeNetOptions options{.precision = precision, .engine = VolumeEngine::own, .threads = 1, .self_check = false};
    const auto one = answer(onnx, c.patch, options, input);
    for (const int threads : {2, 3, 8}) {
      options.threads = threads;
      EXPECT_EQ(answer(onnx, c.patch, options, input), one) << threads << " threads";
    }
  }
}

TEST_P(RandomNet, ARunLeavesNothingForTheNext) {
  ROUAGE_NEEDS_PYTHON;
  const NetCase& c = GetParam();
  const NetFolder folder;
  VolumeNet net = VolumeNet::open(folder.net(c.arguments), c.patch,
                                  {.engine = VolumeEngine::own, .threads = 2, .self_check = false});
  const std::size_t count = static_cast<std::size_t>(c.channels) * c.patch[0] * c.patch[1] * c.patch[2];
  const auto a = normal_patch(count, 1), b = normal_patch(count, 2);
  auto kept = a;
  const auto first = answer(net, kept);
  EXPECT_EQ(kept, a) << "the caller's patch was written into";
  EXPECT_NE(answer(net, b), first);
  EXPECT_EQ(answer(net, a), first);
}

// SEG-11
TEST(VolumeNet, NamesTheOperatorThatItDoesNotComputeAndGivesWay) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const auto onnx = folder.net("plain --features 8,8 --break operator");
  std::string what;
  EXPECT_EQ(code_of(
                [&] {
                  VolumeNet::open(onnx, {8, 8, 8}, {.engine = VolumeEngine::own});
                },
                &what),
            ErrorCode::NetUnsupported);
  EXPECT_NE(what.find("Sigmoid \"/gate\""), std::string::npos) << what;
  VolumeNet net = VolumeNet::open(onnx, {8, 8, 8}, {});
  EXPECT_EQ(net.identity().engine.substr(0, 11), "onnxruntime");
  EXPECT_NE(net.identity().note.find("/gate"), std::string::npos) << net.identity().note;
  EXPECT_GT(net.memory_bytes(), 0U);
}

TEST(VolumeNet, SaysThatOnnxRuntimeComputesInFloat32) {
  ROUAGE_NEEDS_GOLDEN;
  if (!bf16_supported()) GTEST_SKIP() << "this CPU has no bf16";
  const VolumeNet net = VolumeNet::open(golden("ct_iso") / "model.onnx", {48, 48, 48},
                                        {.precision = Precision::bf16, .engine = VolumeEngine::onnxruntime});
  EXPECT_EQ(net.identity().precision, "f32");
  EXPECT_NE(net.identity().note.find("f32"), std::string::npos);
}

TEST(VolumeNet, APatchOfAnotherSizeThanDeclaredIsRefused) {
  ROUAGE_NEEDS_GOLDEN;
  for (const VolumeEngine engine : {VolumeEngine::own, VolumeEngine::automatic, VolumeEngine::onnxruntime})
    EXPECT_EQ(code_of([&] {
                VolumeNet::open(golden("ct_iso") / "model.onnx", {48, 48, 56}, {.engine = engine});
              }),
              ErrorCode::ModelInvalid);
}

TEST(VolumeNet, APatchThatDoesNotSuitTheStridesIsRefusedWithTheNode) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const auto onnx = folder.net("plain --features 8,8,8");
  std::string what;
  EXPECT_EQ(code_of([&] { VolumeNet::open(onnx, {8, 10, 8}, {}); }, &what), ErrorCode::ModelInvalid);
  EXPECT_NE(what.find("concat"), std::string::npos) << what;
  EXPECT_NE(what.find("multiples"), std::string::npos) << what;
  for (const Patch& patch : {Patch{0, 8, 8}, Patch{8, 8, 5000}})
    EXPECT_EQ(code_of([&] { VolumeNet::open(onnx, patch, {}); }), ErrorCode::ModelInvalid);
}

TEST(VolumeNet, WrongSizesAreRefusedBeforeAnythingRuns) {
  ROUAGE_NEEDS_GOLDEN;
  VolumeNet net = VolumeNet::open(golden("ct_iso") / "model.onnx", {48, 48, 48}, {.self_check = false});
  std::vector<float> input(48 * 48 * 48), logits(5 * 48 * 48 * 48);
  EXPECT_EQ(code_of([&] { net.run(std::span(input).first(100), logits); }), ErrorCode::InputRange);
  EXPECT_EQ(code_of([&] { net.run(input, std::span(logits).first(100)); }), ErrorCode::InputRange);
}

TEST(VolumeNet, AbsentFilesAndOtherFilesAreErrors) {
  EXPECT_EQ(code_of([] { VolumeNet::open("/nowhere/model.onnx", {8, 8, 8}, {}); }), ErrorCode::FileMissing);
  const std::filesystem::path text = std::filesystem::path(ROUAGE_SOURCE_DIR) / "CMakeLists.txt";
  EXPECT_EQ(code_of([&] { VolumeNet::open(text, {8, 8, 8}, {}); }), ErrorCode::ModelInvalid);
}

TEST(VolumeNet, WeightsMayLieBesideTheModelOrAsTypedNumbers) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const auto input = normal_patch(16 * 16 * 16, 3);
  const VolumeNetOptions options{.engine = VolumeEngine::own, .threads = 1};
  const auto plain = answer(folder.net("plain --features 8,16", "a.onnx"), {16, 16, 16}, options, input);
  EXPECT_EQ(answer(folder.net("plain --features 8,16 --external", "b.onnx"), {16, 16, 16}, options, input), plain);
  EXPECT_EQ(answer(folder.net("plain --features 8,16 --typed", "c.onnx"), {16, 16, 16}, options, input), plain);
}

TEST(VolumeNet, Float16WeightsAreConverted) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const auto input = normal_patch(16 * 16 * 16, 3);
  const VolumeNetOptions options{.engine = VolumeEngine::own, .threads = 1, .self_check = false};
  const auto rounded = answer(folder.net("plain --features 8,16 --round", "a.onnx"), {16, 16, 16}, options, input);
  EXPECT_EQ(answer(folder.net("plain --features 8,16 --half", "b.onnx"), {16, 16, 16}, options, input), rounded);
  EXPECT_EQ(answer(folder.net("plain --features 8,16 --half --typed", "c.onnx"), {16, 16, 16}, options, input),
            rounded);
}

TEST(VolumeNet, ExternalWeightsThatAreCutShortAreRefused) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const auto onnx = folder.net("plain --features 8,16 --external");
  std::filesystem::resize_file(folder.path / "model.bin", 1000);
  EXPECT_EQ(code_of([&] { VolumeNet::open(onnx, {16, 16, 16}, {}); }), ErrorCode::ModelInvalid);
  std::filesystem::remove(folder.path / "model.bin");
  EXPECT_EQ(code_of([&] { VolumeNet::open(onnx, {16, 16, 16}, {}); }), ErrorCode::ModelInvalid);
}

// libgomp's threads must not keep a processor busy while the server waits for the next study.
TEST(VolumeNet, ItsThreadsSleepBetweenRuns) {
  ROUAGE_NEEDS_GOLDEN;
  VolumeNet net = VolumeNet::open(golden("ct_iso") / "model.onnx", {48, 48, 48},
                                  {.engine = VolumeEngine::own, .threads = 2, .self_check = false});
  const auto input = normal_patch(48 * 48 * 48, 1);
  answer(net, input);
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec) * 1e-9;
  };
  const double before = now();
  usleep(500'000);
  EXPECT_LT(now() - before, 0.1) << "seconds of processor in half a second of waiting";
}

// SEG-11
TEST(SelfCheck, SeesAWrongChannelAndANumberThatIsNone) {
  std::vector<float> peer = normal_patch(4000, 5), ours = peer;
  EXPECT_TRUE(unet::compare_logits(ours, peer, Precision::f32).agrees);
  for (float& v : ours) v += 1e-4F;
  EXPECT_TRUE(unet::compare_logits(ours, peer, Precision::f32).agrees);
  for (std::size_t i = 0; i < 1000; ++i) ours[i] += 0.5F;
  EXPECT_FALSE(unet::compare_logits(ours, peer, Precision::f32).agrees);
  EXPECT_FALSE(unet::compare_logits(ours, peer, Precision::bf16).agrees);
  ours = peer;
  ours[17] = std::nanf("");
  EXPECT_FALSE(unet::compare_logits(ours, peer, Precision::f32).agrees);
  EXPECT_FALSE(unet::compare_logits(ours, peer, Precision::bf16).agrees);
}

}  // namespace
}  // namespace rouage::infer
