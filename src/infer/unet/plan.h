/// What is computed for one patch, in order, and where each activation lies: no arithmetic, no library.
///
///   Plan plan = make_plan(graph, {128, 128, 128}, 4);       // 4 bytes a value: f32
///   plan.steps; plan.buffers; plan.arena_bytes
///
/// Activations are channels last ([z][y][x][c]). Norms, residual sums and activations run in place where nobody else
/// reads their input; a concatenation is never made: a convolution reads its parts one after the other and sums.
/// Buffers share the arena when they do not live at the same time.
#pragma once
#include <cstdint>
#include <string>
#include <vector>

#include "infer/unet/graph.h"

namespace rouage::infer::unet {

struct Shape {
  std::uint32_t channels = 0;
  Extent size{};
  std::uint64_t voxels() const { return std::uint64_t{size[0]} * size[1] * size[2]; }
  std::uint64_t values() const { return voxels() * channels; }
  friend bool operator==(const Shape&, const Shape&) = default;
};

struct Buffer {
  Shape shape;
  std::uint64_t bytes = 0, offset = 0;  ///< in the arena
  int first = 0, last = 0;              ///< steps that it lives through
  bool callers = false;                 ///< the caller's own input, read in place
};

enum class StepKind { input, convolution, transposed, norm, activation, add, pool, head, output };

struct Step {
  StepKind kind = StepKind::input;
  int node = -1;             ///< in Graph::nodes; -1: none
  std::vector<int> sources;  ///< buffers; a convolution's are the parts of a concatenation
  int target = -1;           ///< buffer
  int residual = -1;         ///< norm: buffer added after scaling
  float slope = 1;           ///< norm, add, activation: of the leaky ReLU that ends it; 1: none
  bool bias = false;         ///< convolution: whether its bias counts (not before a norm, which removes it)
};

struct Plan {
  std::vector<Step> steps;
  std::vector<Buffer> buffers;
  std::uint64_t arena_bytes = 0;
  Shape input, output;
};

/// value_bytes: of a stored activation, 4 or 2 (heads and what goes to the caller are always float32).
/// Errors: ModelInvalid (sizes that do not fit each other on this patch), NetUnsupported, MemoryBudget (over 64 GiB).
Plan make_plan(const Graph& graph, const Extent& patch, std::uint32_t value_bytes);

/// By how much each axis is divided at the deepest stage: patches are multiples of it.
Extent deepest_stride(const Graph& graph);

/// "32x128x128x128": channels, z, y, x.
std::string shape_text(const Shape& shape);

}  // namespace rouage::infer::unet
