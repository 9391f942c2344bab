#include "infer/unet/plan.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"

namespace rouage::infer::unet {
namespace {

constexpr std::uint64_t kArenaCap = 65'536 * kMebibyte;
constexpr std::uint64_t kAlign = 4096;

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

class Planner {
 public:
  Planner(const Graph& graph, const Extent& patch, std::uint32_t value_bytes)
      : graph_(graph), value_bytes_(value_bytes) {
    for (std::size_t i = 0; i < 3; ++i)
      if (patch[i] == 0 || patch[i] > 4096)
        throw Error(ErrorCode::ModelInvalid, "a patch of " + std::to_string(patch[i]) + " voxels along one axis");
    check_declared(patch);
    plan_.input = {graph.channels, patch};
    parts_.resize(at(graph.values));
    fused_.assign(graph.nodes.size(), false);
    find_consumers();
  }

  Plan make() {
    input();
    for (std::size_t i = 0; i < graph_.nodes.size(); ++i)
      if (live_[i] && !fused_[i]) node(static_cast<int>(i));
    if (!done_) {
      const int buffer = single(graph_.output, "the output");
      plan_.output = shape(buffer);
      add({.kind = StepKind::output, .node = -1, .sources = {buffer}});
    }
    place();
    return std::move(plan_);
  }

 private:
  void check_declared(const Extent& patch) const {
    const std::size_t axes = graph_.input_dims.size();
    if (graph_.flat && patch[0] != 1)
      throw Error(ErrorCode::ModelInvalid, "a 2D net takes patches of one slice, not " + std::to_string(patch[0]));
    for (std::size_t i = 0; i < axes; ++i) {
      const std::int64_t declared = graph_.input_dims[i];
      if (declared > 0 && declared != patch[i + 3 - axes])
        throw Error(ErrorCode::ModelInvalid, "the net is made for " + std::to_string(declared) +
                                                 " voxels where the patch has " + std::to_string(patch[i + 3 - axes]));
    }
  }

  /// Which nodes the output needs, and who reads each value (the caller counts as a reader of the output).
  void find_consumers() {
    consumers_.resize(at(graph_.values));
    live_.assign(graph_.nodes.size(), false);
    std::vector<bool> needed(at(graph_.values), false);
    needed[at(graph_.output)] = true;
    consumers_[at(graph_.output)].push_back(-1);
    for (std::size_t i = graph_.nodes.size(); i-- > 0;) {
      const Node& node = graph_.nodes[i];
      if (!needed[at(node.output)]) continue;
      live_[i] = true;
      for (const int v : node.inputs) {
        needed[at(v)] = true;
        consumers_[at(v)].push_back(static_cast<int>(i));
      }
    }
  }

  [[noreturn]] static void misfit(const Node& node, const std::string& why) {
    throw Error(ErrorCode::ModelInvalid, node.name + ": " + why)
        .remedy("give a patch whose sizes are multiples of the net's strides");
  }

  const Shape& shape(int buffer) const { return plan_.buffers[at(buffer)].shape; }

  int single(int value, const std::string& who) const {
    const std::vector<int>& parts = parts_[at(value)];
    if (parts.size() != 1) throw Error(ErrorCode::NetUnsupported, who + " reads a concatenation, only Conv may");
    return parts[0];
  }

  int buffer(const Shape& of, std::uint32_t value_bytes) {
    Buffer made{.shape = of};
    made.first = made.last = static_cast<int>(plan_.steps.size());
    if (!multiply_checked({of.channels, of.size[0], of.size[1], of.size[2], value_bytes}, made.bytes) ||
        made.bytes > kArenaCap)
      throw Error(ErrorCode::MemoryBudget, "an activation of " + shape_text(of) + " does not fit");
    plan_.buffers.push_back(made);
    return static_cast<int>(plan_.buffers.size()) - 1;
  }

  /// Everything that a step touches lives until it.
  void add(Step step) {
    const int now = static_cast<int>(plan_.steps.size());
    const auto touch = [&](int b) {
      if (b >= 0) plan_.buffers[at(b)].last = now;
    };
    for (const int b : step.sources) touch(b);
    touch(step.target);
    touch(step.residual);
    plan_.steps.push_back(std::move(step));
  }

  void input() {
    const int made = buffer(plan_.input, value_bytes_);
    parts_[0] = {made};
    if (value_bytes_ == 4 && graph_.channels == 1) {
      plan_.buffers[at(made)].callers = true;
      plan_.buffers[at(made)].bytes = 0;
      return;
    }
    add({.kind = StepKind::input, .node = -1, .sources = {}, .target = made});
  }

  bool only_reader(int value, int node) const {
    return consumers_[at(value)].size() == 1 && consumers_[at(value)][0] == node;
  }
  /// The one node that reads a value, or -1.
  int reader(int value) const { return consumers_[at(value)].size() == 1 ? consumers_[at(value)][0] : -1; }

  void node(int index) {
    const Node& node = graph_.nodes[at(index)];
    switch (node.op) {
      case Op::convolution:
        return convolution(index, node);
      case Op::transposed_convolution:
        return transposed(index, node);
      case Op::instance_norm:
        return norm(index, node);
      case Op::leaky_relu:
        return activation(index, node);
      case Op::add:
        return sum(index, node);
      case Op::average_pool:
      case Op::max_pool:
        return pool(index, node);
      case Op::concatenate:
        return concatenate(node);
    }
  }

  static Shape windowed(const Node& node, const Shape& in, std::uint32_t channels) {
    Shape out{channels, {}};
    for (std::size_t i = 0; i < 3; ++i) {
      const std::uint32_t padded = in.size[i] + node.pad_before[i] + node.pad_after[i];
      if (padded < node.kernel[i]) misfit(node, "its kernel is larger than " + shape_text(in));
      out.size[i] = (padded - node.kernel[i]) / node.stride[i] + 1;
    }
    return out;
  }

  const Weight& weight(int index) const { return graph_.weights[at(index)]; }

  void convolution(int index, const Node& node) {
    const std::vector<int>& parts = parts_[at(node.inputs[0])];
    Shape in = shape(parts[0]);
    in.channels = 0;
    for (const int part : parts) in.channels += shape(part).channels;
    const Weight& w = weight(node.weight);
    if (w.dims[1] != in.channels) misfit(node, "its weights are for another number of channels than " + shape_text(in));
    if (w.dims[0] > 1U << 20) misfit(node, "too many channels");
    const Shape out = windowed(node, in, static_cast<std::uint32_t>(w.dims[0]));
    const int next = reader(node.output);
    Step step{.kind = StepKind::convolution, .node = index, .sources = parts};
    step.bias = node.bias >= 0 && !(next >= 0 && graph_.nodes[at(next)].op == Op::instance_norm);
    if (node.output == graph_.output && only_reader(node.output, -1) && parts.size() == 1 && pointwise(node)) {
      step.kind = StepKind::head;
      step.bias = node.bias >= 0;
      plan_.output = out;
      done_ = true;
    } else {
      step.target = buffer(out, value_bytes_);
      parts_[at(node.output)] = {step.target};
    }
    add(std::move(step));
  }

  static bool pointwise(const Node& node) {
    const Extent one{1, 1, 1}, none{};
    return node.kernel == one && node.stride == one && node.pad_before == none && node.pad_after == none;
  }

  void transposed(int index, const Node& node) {
    const int source = single(node.inputs[0], node.name);
    const Shape in = shape(source);
    const Weight& w = weight(node.weight);
    if (w.dims[0] != in.channels) misfit(node, "its weights are for another number of channels than " + shape_text(in));
    if (w.dims[1] > 1U << 20) misfit(node, "too many channels");
    Shape out{static_cast<std::uint32_t>(w.dims[1]), {}};
    for (std::size_t i = 0; i < 3; ++i) out.size[i] = in.size[i] * node.stride[i];
    Step step{.kind = StepKind::transposed, .node = index, .sources = {source}};
    step.bias = node.bias >= 0;
    step.target = buffer(out, value_bytes_);
    if (std::uint64_t{out.channels} * node.kernel[0] * node.kernel[1] * node.kernel[2] > 1U << 24)
      misfit(node, "too many channels");
    parts_[at(node.output)] = {step.target};
    add(std::move(step));
  }

  /// A leaky ReLU that alone reads `value` joins the step that makes it.
  void take_activation(int& value, Step& step) {
    const int next = reader(value);
    if (next < 0 || graph_.nodes[at(next)].op != Op::leaky_relu) return;
    step.slope = graph_.nodes[at(next)].alpha;
    fused_[at(next)] = true;
    value = graph_.nodes[at(next)].output;
  }

  /// Where a step that keeps the shape writes: onto its source when nobody else reads that.
  int own_or_new(int value, int node_index, int source) {
    const bool mine = only_reader(value, node_index) && !plan_.buffers[at(source)].callers;
    return mine ? source : buffer(shape(source), value_bytes_);
  }

  void norm(int index, const Node& node) {
    const int source = single(node.inputs[0], node.name);
    if (weight(node.weight).dims[0] != shape(source).channels) misfit(node, "its scale has another number of channels");
    Step step{.kind = StepKind::norm, .node = index, .sources = {source}};
    step.target = own_or_new(node.inputs[0], index, source);
    int value = node.output;
    const int next = reader(value);
    if (next >= 0 && graph_.nodes[at(next)].op == Op::add) {
      const Node& sum = graph_.nodes[at(next)];
      const int other = sum.inputs[0] == value ? sum.inputs[1] : sum.inputs[0];
      if (parts_[at(other)].size() == 1) {  // already there: the longer branch comes last
        step.residual = parts_[at(other)][0];
        if (shape(step.residual) != shape(source)) different(sum, step.residual, source);
        fused_[at(next)] = true;
        value = sum.output;
      }
    }
    take_activation(value, step);
    parts_[at(value)] = {step.target};
    add(std::move(step));
  }

  [[noreturn]] void different(const Node& node, int a, int b) const {
    throw Error(ErrorCode::NetUnsupported,
                node.name + ": it adds " + shape_text(shape(a)) + " to " + shape_text(shape(b)));
  }

  void activation(int index, const Node& node) {
    const int source = single(node.inputs[0], node.name);
    Step step{.kind = StepKind::activation, .node = index, .sources = {source}};
    step.target = own_or_new(node.inputs[0], index, source);
    step.slope = node.alpha;
    parts_[at(node.output)] = {step.target};
    add(std::move(step));
  }

  void sum(int index, const Node& node) {
    const int a = single(node.inputs[0], node.name), b = single(node.inputs[1], node.name);
    if (shape(a) != shape(b)) different(node, a, b);
    Step step{.kind = StepKind::add, .node = index, .sources = {a, b}};
    step.target = own_or_new(node.inputs[0], index, a);
    int value = node.output;
    take_activation(value, step);
    parts_[at(value)] = {step.target};
    add(std::move(step));
  }

  void pool(int index, const Node& node) {
    const int source = single(node.inputs[0], node.name);
    Step step{.kind = StepKind::pool, .node = index, .sources = {source}};
    step.target = buffer(windowed(node, shape(source), shape(source).channels), value_bytes_);
    parts_[at(node.output)] = {step.target};
    add(std::move(step));
  }

  void concatenate(const Node& node) {
    std::vector<int> parts;
    for (const int v : node.inputs) parts.insert(parts.end(), parts_[at(v)].begin(), parts_[at(v)].end());
    if (parts.size() > 64) throw Error(ErrorCode::NetUnsupported, node.name + ": it joins more than 64 values");
    for (const int part : parts)
      if (shape(part).size != shape(parts[0]).size)
        misfit(node, "it joins " + shape_text(shape(parts[0])) + " and " + shape_text(shape(part)));
    parts_[at(node.output)] = std::move(parts);
  }

  /// Greedy by size: each buffer at the lowest place that is free as long as it lives.
  void place() {
    std::vector<std::size_t> order(plan_.buffers.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return plan_.buffers[a].bytes > plan_.buffers[b].bytes; });
    std::vector<std::size_t> placed;  // by offset
    for (const std::size_t i : order) {
      Buffer& mine = plan_.buffers[i];
      if (mine.callers) continue;
      std::uint64_t offset = 0;
      for (const std::size_t j : placed) {
        const Buffer& other = plan_.buffers[j];
        if (other.last < mine.first || mine.last < other.first) continue;
        if (offset + mine.bytes <= other.offset) break;
        offset = std::max(offset, (other.offset + other.bytes + kAlign - 1) / kAlign * kAlign);
      }
      mine.offset = offset;
      plan_.arena_bytes = std::max(plan_.arena_bytes, offset + mine.bytes);
      if (plan_.arena_bytes > kArenaCap)
        throw Error(ErrorCode::MemoryBudget,
                    "the activations need more than " + std::to_string(kArenaCap / kMebibyte) + " MiB");
      placed.insert(std::upper_bound(placed.begin(), placed.end(), i,
                                     [&](std::size_t a, std::size_t b) {
                                       return plan_.buffers[a].offset < plan_.buffers[b].offset;
                                     }),
                    i);
    }
  }

  const Graph& graph_;
  std::uint32_t value_bytes_;
  Plan plan_;
  std::vector<std::vector<int>> parts_;      ///< of each value: buffers, several for a concatenation
  std::vector<std::vector<int>> consumers_;  ///< of each value: nodes, -1 for the caller
  std::vector<bool> live_, fused_;
  bool done_ = false;
};

}  // namespace

Plan make_plan(const Graph& graph, const Extent& patch, std::uint32_t value_bytes) {
  return Planner(graph, patch, value_bytes).make();
}

Extent deepest_stride(const Graph& graph) {
  std::vector<Extent> factor(at(graph.values), Extent{1, 1, 1});
  Extent deepest{1, 1, 1};
  for (const Node& node : graph.nodes) {
    Extent& made = factor[at(node.output)];
    made = factor[at(node.inputs[0])];
    for (std::size_t i = 0; i < 3; ++i) {
      if (node.op == Op::transposed_convolution)
        made[i] = std::max(1U, made[i] / node.stride[i]);
      else
        made[i] = std::min(4096U, made[i] * node.stride[i]);
      deepest[i] = std::max(deepest[i], made[i]);
    }
  }
  return deepest;
}

std::string shape_text(const Shape& shape) {
  return std::to_string(shape.channels) + "x" + std::to_string(shape.size[0]) + "x" + std::to_string(shape.size[1]) +
         "x" + std::to_string(shape.size[2]);
}

}  // namespace rouage::infer::unet
