// Graphs that are damaged, hostile or simply not ours: each ends as a clear error, before memory is taken.
#include "infer/unet/graph.h"

#include <gtest/gtest.h>

#include <map>
#include <random>

#include "infer/unet/plan.h"
#include "nets.h"

namespace rouage::infer::unet {
namespace {

using namespace rouage::testing;

/// Reading and planning, which is all that happens before memory is taken.
void plan(const std::filesystem::path& onnx) {
  make_plan(read_graph(onnx), {16, 16, 16}, 4);
}

TEST(UnetGraph, ReadsTheGoldenNet) {
  ROUAGE_NEEDS_GOLDEN;
  const Graph graph = read_graph(golden("mr_aniso") / "model.onnx");
  EXPECT_EQ(graph.channels, 1U);
  EXPECT_FALSE(graph.flat);
  EXPECT_EQ(graph.input_dims, (std::vector<std::int64_t>{16, 64, 64}));
  EXPECT_EQ(graph.nodes.front().kernel, (Extent{1, 3, 3}));
  EXPECT_EQ(graph.nodes.front().pad_before, (Extent{0, 1, 1}));
  EXPECT_EQ(graph.nodes.front().pad_after, (Extent{0, 1, 1}));
  EXPECT_FLOAT_EQ(graph.nodes[1].epsilon, 1e-5F);
  EXPECT_FLOAT_EQ(graph.nodes[2].alpha, 0.01F);
  EXPECT_EQ(deepest_stride(graph), (Extent{4, 8, 8}));
}

TEST(UnetGraph, EachHostileGraphIsRefusedByName) {
  ROUAGE_NEEDS_PYTHON;
  const std::map<std::string, std::pair<ErrorCode, const char*>> expected = {
      {"cycle", {ErrorCode::ModelInvalid, "used before anything computes it"}},
      {"missing", {ErrorCode::ModelInvalid, "\"nowhere\""}},
      {"kernel", {ErrorCode::NetUnsupported, "kernel_shape 1099511627776"}},
      {"stride", {ErrorCode::NetUnsupported, "strides 1099511627776"}},
      {"pads", {ErrorCode::NetUnsupported, "padding"}},
      {"dilation", {ErrorCode::NetUnsupported, "dilations"}},
      {"short", {ErrorCode::ModelInvalid, "w0"}},
      {"huge", {ErrorCode::ModelInvalid, "w0"}},
      {"overflow", {ErrorCode::ModelInvalid, "w0"}},
      {"channels", {ErrorCode::ModelInvalid, "bias"}},
      {"operator", {ErrorCode::NetUnsupported, "Sigmoid \"/gate\""}},
      {"twice", {ErrorCode::ModelInvalid, "computed twice"}},
      {"output", {ErrorCode::ModelInvalid, "elsewhere"}},
      {"two_outputs", {ErrorCode::NetUnsupported, "2 outputs"}},
  };
  const NetFolder folder;
  for (const auto& [what, answer] : expected) {
    const auto onnx = folder.net("plain --features 8,12 --break " + what);
    std::string said;
    EXPECT_EQ(code_of([&] { plan(onnx); }, &said), answer.first) << what << ": " << said;
    EXPECT_NE(said.find(answer.second), std::string::npos) << what << ": " << said;
  }
}

TEST(UnetGraph, AConcatenationMayFeedOnlyAConvolution) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  std::string said;
  EXPECT_EQ(code_of([&] { plan(folder.net("plain --features 8,12 --break joined_norm")); }, &said),
            ErrorCode::NetUnsupported);
  EXPECT_NE(said.find("concatenation"), std::string::npos) << said;
}

TEST(UnetGraph, AnActivationThatFitsNoMemoryIsSaidBeforeItIsTaken) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const Graph graph = read_graph(folder.net("plain --features 4,4"));
  std::string said;
  EXPECT_EQ(code_of([&] { make_plan(graph, {4096, 4096, 4096}, 4); }, &said), ErrorCode::MemoryBudget);
  EXPECT_NE(said.find("1x4096x4096x4096"), std::string::npos) << said;
}

TEST(UnetGraph, EveryTruncationIsAnErrorAndNeverACrash) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const Bytes whole = read_file(folder.net("residual --features 4,6"), kMebibyte);
  for (std::size_t size = 0; size < whole.size(); size += 13)
    EXPECT_EQ(code_of([&] {
                read_graph(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), folder.path);
              }),
              ErrorCode::ModelInvalid)
        << size;
}

TEST(UnetGraph, DamagedBytesAreAnErrorOrAnotherNetNeverACrash) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const Bytes whole = read_file(folder.net("odd --features 3"), kMebibyte);
  std::mt19937 engine(1);  // seed 1
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    Bytes damaged = whole;
    for (int k = 0; k < 3; ++k) damaged[engine() % damaged.size()] = static_cast<std::uint8_t>(engine());
    const ErrorCode code = code_of([&] { make_plan(read_graph(damaged, folder.path), {8, 16, 16}, 4); });
    if (code == ErrorCode::Internal) continue;
    ++refused;
    EXPECT_TRUE(code == ErrorCode::ModelInvalid || code == ErrorCode::NetUnsupported ||
                code == ErrorCode::MemoryBudget);
  }
  EXPECT_GT(refused, 100);
}

TEST(UnetGraph, TheFreedModelKeepsItsGraphAndLosesItsSizes) {
  ROUAGE_NEEDS_GOLDEN;
  const Graph before = read_graph(golden("ct_iso") / "model.onnx");
  const Graph after = read_graph(with_free_extent(before.file), {});
  EXPECT_EQ(after.input_dims, (std::vector<std::int64_t>{-1, -1, -1}));
  EXPECT_EQ(after.channels, before.channels);
  ASSERT_EQ(after.nodes.size(), before.nodes.size());
  for (std::size_t i = 0; i < before.nodes.size(); ++i) EXPECT_EQ(after.nodes[i].name, before.nodes[i].name);
  EXPECT_EQ(after.weight_values(0), before.weight_values(0));
}

TEST(UnetPlan, BuffersThatLiveAtTheSameTimeDoNotOverlap) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  for (const char* net : {"plain --features 8,16,24", "residual --features 8,16,24", "odd --features 8"}) {
    const Plan plan = make_plan(read_graph(folder.net(net)), {16, 16, 16}, 4);
    std::uint64_t sum = 0;
    for (std::size_t i = 0; i < plan.buffers.size(); ++i) {
      const Buffer& a = plan.buffers[i];
      sum += a.bytes;
      EXPECT_LE(a.offset + a.bytes, plan.arena_bytes);
      for (std::size_t j = 0; j < i; ++j) {
        const Buffer& b = plan.buffers[j];
        if (a.last < b.first || b.last < a.first || a.callers || b.callers) continue;
        EXPECT_TRUE(a.offset + a.bytes <= b.offset || b.offset + b.bytes <= a.offset) << net << " " << i << " " << j;
      }
    }
    EXPECT_LT(plan.arena_bytes, sum * 3 / 4) << net;
  }
}

TEST(UnetPlan, NormsAndSumsRunInPlaceAndConcatenationsAreNeverMade) {
  ROUAGE_NEEDS_PYTHON;
  const NetFolder folder;
  const Plan plan = make_plan(read_graph(folder.net("residual --features 8,16")), {16, 16, 16}, 4);
  int residuals = 0, joined = 0;
  for (const Step& step : plan.steps) {
    EXPECT_NE(step.kind, StepKind::activation);
    EXPECT_NE(step.kind, StepKind::add);
    if (step.kind == StepKind::norm) EXPECT_EQ(step.target, step.sources[0]);
    residuals += step.residual >= 0;
    joined += step.sources.size() == 2;
    if (step.kind == StepKind::convolution) EXPECT_FALSE(step.bias);
  }
  EXPECT_EQ(residuals, 3);
  EXPECT_EQ(joined, 1);
  EXPECT_EQ(plan.steps.back().kind, StepKind::head);
}

}  // namespace
}  // namespace rouage::infer::unet
