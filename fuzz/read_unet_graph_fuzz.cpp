// ONNX bytes to the graph and the plan of our U-Net engine: all that happens before memory is taken for a net.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "infer/unet/graph.h"
#include "infer/unet/plan.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace rouage;
  try {
    const std::span<const std::uint8_t> bytes(data, size);
    const infer::unet::Graph graph = infer::unet::read_graph(Bytes(bytes.begin(), bytes.end()), "/nonexistent");
    for (std::size_t i = 0; i < graph.weights.size(); ++i)
      if (graph.weights[i].element_type == 1) graph.weight_values(static_cast<int>(i));
    infer::unet::deepest_stride(graph);
    infer::unet::with_free_extent(bytes);
    const infer::unet::Plan plan = infer::unet::make_plan(graph, {graph.flat ? 1U : 16U, 16, 16}, 4);
    for (const infer::unet::Buffer& b : plan.buffers)
      if (b.offset + b.bytes > plan.arena_bytes) std::abort();
  } catch (const Error& error) {
    if (error.code() == ErrorCode::Internal || error.remedy().empty()) std::abort();
  }
  return 0;
}
