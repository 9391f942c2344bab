#include "infer/unet/engine.h"

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "infer/unet/arena.h"
#include "infer/unet/passes.h"
#include "infer/unet/product.h"
#include "infer/unet/threads.h"

namespace rouage::infer::unet {
namespace {

std::size_t at(int index) {
  return static_cast<std::size_t>(index);
}

/// A step with what it was given when the net was opened.
struct Work {
  Step step;
  Node node;
  std::vector<Product> products;  ///< one a source
  std::optional<NormRoom> room;
};

/// The channels [first, first + count) of what weights read: [out][in][kernel] -> [out][count][kernel].
std::vector<float> channels_of(const std::vector<float>& weights, std::size_t outs, std::size_t ins, std::size_t first,
                               std::size_t count) {
  if (count == ins) return weights;
  const std::size_t taps = weights.size() / (outs * ins);
  std::vector<float> made;
  made.reserve(outs * count * taps);
  for (std::size_t o = 0; o < outs; ++o) {
    const auto from = weights.begin() + static_cast<std::ptrdiff_t>((o * ins + first) * taps);
    made.insert(made.end(), from, from + static_cast<std::ptrdiff_t>(count * taps));
  }
  return made;
}

/// A transposed convolution whose kernel is its stride is one product to all its taps: [in][out][tap] ->
/// [tap][out][in].
std::vector<float> taps_first(const std::vector<float>& weights, std::size_t ins, std::size_t outs) {
  const std::size_t taps = weights.size() / (ins * outs);
  std::vector<float> made(weights.size());
  for (std::size_t i = 0; i < ins; ++i)
    for (std::size_t o = 0; o < outs; ++o)
      for (std::size_t t = 0; t < taps; ++t) made[(t * outs + o) * ins + i] = weights[(i * outs + o) * taps + t];
  return made;
}

std::vector<float> repeated(const std::vector<float>& values, std::size_t times) {
  std::vector<float> made;
  made.reserve(values.size() * times);
  for (std::size_t i = 0; i < times; ++i) made.insert(made.end(), values.begin(), values.end());
  return made;
}

}  // namespace

struct Engine::Impl {
  Plan plan;
  Precision precision = Precision::f32;
  int threads = 1;
  std::vector<Work> works;
  std::unique_ptr<Arena> arena, scratch;
  std::uint64_t held_bytes = 0;

  const Shape& shape(int buffer) const { return plan.buffers[at(buffer)].shape; }

  void prepare(const Graph& graph) {
    std::uint64_t scratch_bytes = 0;
    for (const Step& step : plan.steps) {
      Work work{.step = step, .node = {}, .products = {}, .room = {}};
      if (step.node >= 0) work.node = graph.nodes[at(step.node)];
      try {
        prepare(graph, work);
      } catch (Error& error) {
        throw error.tag(work.node.name);
      }
      for (const Product& p : work.products) {
        held_bytes += p.weight_bytes();
        scratch_bytes = std::max(scratch_bytes, p.scratch_bytes());
      }
      if (work.room) held_bytes += work.room->bytes();
      works.push_back(std::move(work));
    }
    arena = std::make_unique<Arena>(plan.arena_bytes);
    scratch = std::make_unique<Arena>(scratch_bytes);
  }

  void prepare(const Graph& graph, Work& work) {
    const Node& node = work.node;
    if (work.step.kind == StepKind::convolution || work.step.kind == StepKind::head)
      convolutions(graph, work);
    else if (work.step.kind == StepKind::transposed)
      transposed(graph, work);
    else if (work.step.kind == StepKind::norm)
      work.room.emplace(shape(work.step.sources[0]), graph.weight_values(node.weight), graph.weight_values(node.bias),
                        node.epsilon);
  }

  void convolutions(const Graph& graph, Work& work) {
    const Step& step = work.step;
    const Node& node = work.node;
    const bool head = step.kind == StepKind::head;
    const std::vector<float> weights = graph.weight_values(node.weight);
    const std::vector<float> bias = step.bias ? graph.weight_values(node.bias) : std::vector<float>{};
    const Shape out = shape(head ? step.scratch : step.target);
    std::size_t ins = 0, first = 0;
    for (const int source : step.sources) ins += shape(source).channels;
    for (const int source : step.sources) {
      ProductSpec spec{.in = shape(source),
                       .out = out,
                       .kernel = node.kernel,
                       .stride = node.stride,
                       .before = node.pad_before,
                       .after = node.pad_after};
      if (head) spec.in.size[0] = step.slab;
      spec.half = precision == Precision::bf16;
      spec.float_out = head;
      spec.sum = first > 0;
      work.products.emplace_back(spec, channels_of(weights, out.channels, ins, first, spec.in.channels),
                                 spec.sum ? std::vector<float>{} : bias);
      first += spec.in.channels;
    }
  }

  void transposed(const Graph& graph, Work& work) {
    const Step& step = work.step;
    const std::size_t outs = shape(step.target).channels;
    ProductSpec spec{.in = shape(step.sources[0]), .out = shape(step.scratch)};
    spec.in.size[0] = step.slab;
    spec.half = precision == Precision::bf16;
    std::vector<float> bias;
    if (step.bias) bias = repeated(graph.weight_values(work.node.bias), spec.out.channels / outs);
    work.products.emplace_back(spec, taps_first(graph.weight_values(work.node.weight), spec.in.channels, outs), bias);
  }

  template <typename T>
  void run(const float* input, float* logits) {
    const Kernels<T>& loops = kernels<T>();
    for (Work& work : works) run_step(loops, work, input, logits);
  }

  template <typename T>
  T* data(int buffer, const float* input) const {
    const Buffer& b = plan.buffers[at(buffer)];
    // The caller's own input is read in place; no step writes into it (plan.cpp).
    if (b.callers) return reinterpret_cast<T*>(const_cast<float*>(input));
    return reinterpret_cast<T*>(arena->at(b.offset));
  }

  template <typename T>
  void run_step(const Kernels<T>& loops, Work& work, const float* input, float* logits) {
    const Step& step = work.step;
    const auto source = [&](std::size_t i) { return data<T>(step.sources[i], input); };
    T* target = step.target >= 0 ? data<T>(step.target, input) : nullptr;
    switch (step.kind) {
      case StepKind::input:
        return input_pass(loops, input, target, plan.input, threads);
      case StepKind::convolution:
        for (std::size_t i = 0; i < work.products.size(); ++i) work.products[i].run(source(i), target, scratch->at(0));
        return;
      case StepKind::transposed:
        return run_transposed(work, source(0), target);
      case StepKind::norm:
        return work.room->run(loops, source(0), step.residual >= 0 ? data<T>(step.residual, input) : nullptr, target,
                              step.slope, threads);
      case StepKind::activation:
        return add_pass<T>(loops, source(0), nullptr, target, shape(step.target).values(), step.slope, threads);
      case StepKind::add:
        return add_pass<T>(loops, source(0), source(1), target, shape(step.target).values(), step.slope, threads);
      case StepKind::pool:
        return pool_pass(loops, source(0), target, shape(step.sources[0]), shape(step.target), work.node, threads);
      case StepKind::head:
        return run_head(work, source(0), logits);
      case StepKind::output:
        return output_pass(loops, source(0), logits, plan.output, plan.output.voxels(), threads);
    }
  }

  template <typename T>
  void run_transposed(Work& work, const T* source, T* target) {
    const Step& step = work.step;
    Shape slab = shape(step.sources[0]);
    const std::uint32_t slices = slab.size[0];
    slab.size[0] = step.slab;
    T* wide = reinterpret_cast<T*>(arena->at(plan.buffers[at(step.scratch)].offset));
    const std::uint64_t out_step = shape(step.target).values() / (slices / step.slab);
    for (std::uint32_t i = 0; i < slices / step.slab; ++i) {
      work.products[0].run(source + i * slab.values(), wide, scratch->at(0));
      interleave_pass(wide, target + i * out_step, slab, shape(step.target).channels, work.node.kernel, threads);
    }
  }

  template <typename T>
  void run_head(Work& work, const T* source, float* logits) {
    const Step& step = work.step;
    const Shape& out = shape(step.scratch);
    Shape slab = shape(step.sources[0]);
    const std::uint32_t slices = slab.size[0];
    slab.size[0] = step.slab;
    auto* narrow = reinterpret_cast<float*>(arena->at(plan.buffers[at(step.scratch)].offset));
    for (std::uint32_t i = 0; i < slices / step.slab; ++i) {
      work.products[0].run(source + i * slab.values(), narrow, scratch->at(0));
      output_pass(kernels<float>(), narrow, logits + i * out.voxels(), out, plan.output.voxels(), threads);
    }
  }
};

Engine::Engine(const Graph& graph, const Extent& patch, Precision precision, int threads)
    : impl_(std::make_unique<Impl>()) {
  const TeamSize team(threads);
  impl_->plan = make_plan(graph, patch, precision == Precision::bf16 ? 2 : 4);
  impl_->precision = precision;
  impl_->threads = threads;
  impl_->prepare(graph);
}

Engine::~Engine() = default;
Engine::Engine(Engine&&) noexcept = default;
Engine& Engine::operator=(Engine&&) noexcept = default;

const Plan& Engine::plan() const {
  return impl_->plan;
}

std::uint64_t Engine::memory_bytes() const {
  return impl_->held_bytes + impl_->arena->bytes() + impl_->scratch->bytes();
}

void Engine::run(const float* input, float* logits) {
  const TeamSize team(impl_->threads);
  if (impl_->precision == Precision::bf16)
    impl_->run<Bf16>(input, logits);
  else
    impl_->run<float>(input, logits);
}

std::string Engine::description() const {
  static constexpr const char* kNames[] = {"input", "convolution", "transposed", "norm",  "activation",
                                           "add",   "pool",        "head",       "output"};
  std::string made;
  for (const Work& work : impl_->works) {
    made += kNames[static_cast<std::size_t>(work.step.kind)];
    for (const int source : work.step.sources) made += " " + shape_text(impl_->shape(source));
    if (work.step.target >= 0) made += " -> " + shape_text(impl_->shape(work.step.target));
    for (const Product& p : work.products) made += " " + p.implementation();
    made += "\n";
  }
  return made;
}

std::string engine_name() {
  return "rouage-unet 1 (oneDNN " + product_library_version() + ")";
}

}  // namespace rouage::infer::unet
