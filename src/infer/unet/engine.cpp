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
  std::size_t measured_for = 0;    ///< convolution: the work whose norm's blocks it measures, 0: none
  bool upright = false;            ///< transposed: rows as slices, stand_up()
  bool measured = false;           ///< norm: an earlier step does that
  std::uint64_t slab_voxels = 0;   ///< of the result (transposed: of the source) in a slab
  std::uint64_t thread_bytes = 0;  ///< transposed, head: of a slab's result before it takes its place
};

/// Slices a slab. Deep stages have so few voxels that a slab needs several slices to keep the multipliers busy;
/// otherwise at most 32 slabs, so that slabs read few slices twice. Depends on the shape alone.
std::uint32_t slices_of(const Shape& out, std::uint32_t most) {
  const std::uint64_t slice = std::uint64_t{out.size[1]} * out.size[2];
  const std::uint64_t wanted = std::max<std::uint64_t>((out.size[0] + most - 1) / most, (127 + slice) / slice);
  const std::uint64_t slabs = std::max<std::uint64_t>(1, out.size[0] / wanted);  // even ones
  return static_cast<std::uint32_t>((out.size[0] + slabs - 1) / slabs);
}

/// A net of one slice has its rows cut into slabs instead: [1][y][x] and [y][1][x] are the same memory.
void stand_up(Extent& extent) {
  std::swap(extent[0], extent[1]);
}
void stand_up(ProductSpec& spec) {
  for (Extent* e : {&spec.in.size, &spec.out.size, &spec.kernel, &spec.stride, &spec.before, &spec.after}) stand_up(*e);
}

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
  std::uint64_t held_bytes = 0, thread_bytes = 0;

  const Shape& shape(int buffer) const { return plan.buffers[at(buffer)].shape; }
  std::uint64_t value_bytes() const { return precision == Precision::bf16 ? 2 : 4; }

  void prepare(const Graph& graph) {
    for (const Step& step : plan.steps) {
      Work work{.step = step, .node = {}, .products = {}, .room = {}};
      if (step.node >= 0) work.node = graph.nodes[at(step.node)];
      try {
        prepare(graph, work);
      } catch (Error& error) {
        throw error.tag(work.node.name);
      }
      std::uint64_t needed = 0;
      for (const Product& p : work.products) {
        held_bytes += p.weight_bytes();
        needed = std::max(needed, p.scratch_bytes());
      }
      if (work.room) held_bytes += work.room->bytes();
      thread_bytes = std::max(thread_bytes, round_up(work.thread_bytes) + round_up(needed));
      works.push_back(std::move(work));
    }
    arena = std::make_unique<Arena>(plan.arena_bytes);
    scratch = std::make_unique<Arena>(thread_bytes * static_cast<std::uint64_t>(threads));
  }

  static std::uint64_t round_up(std::uint64_t bytes) { return (bytes + 4095) / 4096 * 4096; }

  void prepare(const Graph& graph, Work& work) {
    if (work.step.kind == StepKind::convolution || work.step.kind == StepKind::head)
      convolutions(graph, work);
    else if (work.step.kind == StepKind::transposed)
      transposed(graph, work);
    else if (work.step.kind == StepKind::norm)
      norm(graph, work);
  }

  /// A norm right after the convolution that makes its input has its blocks measured there, while they are in the
  /// cache.
  void norm(const Graph& graph, Work& work) {
    const int source = work.step.sources[0];
    std::uint64_t slab = shape(source).voxels();
    if (!works.empty() && works.back().step.kind == StepKind::convolution && works.back().step.target == source) {
      slab = works.back().slab_voxels;
      works.back().measured_for = works.size();
      work.measured = true;
    } else {
      slab = std::min<std::uint64_t>(slab, 32'768);
    }
    work.room.emplace(shape(source), slab, graph.weight_values(work.node.weight), graph.weight_values(work.node.bias),
                      work.node.epsilon);
  }

  void convolutions(const Graph& graph, Work& work) {
    const Step& step = work.step;
    const Node& node = work.node;
    const bool head = step.kind == StepKind::head;
    const std::vector<float> weights = graph.weight_values(node.weight);
    const std::vector<float> bias = step.bias ? graph.weight_values(node.bias) : std::vector<float>{};
    const Shape out = head ? plan.output : shape(step.target);
    ProductSpec spec{.in = {},
                     .out = out,
                     .kernel = node.kernel,
                     .stride = node.stride,
                     .before = node.pad_before,
                     .after = node.pad_after};
    spec.half = precision == Precision::bf16;
    spec.float_out = head;
    const bool flat = out.size[0] == 1 && shape(step.sources[0]).size[0] == 1 && node.kernel[0] == 1;
    Shape cut = out;
    if (flat) stand_up(cut.size);
    std::size_t ins = 0;
    for (const int source : step.sources) ins += shape(source).channels;
    with_slabs(work, cut, head ? 4096 : 32, [&](std::uint32_t slices) {
      std::size_t first = 0;
      spec.slices = slices;
      for (const int source : step.sources) {
        ProductSpec one = spec;
        one.in = shape(source);
        one.sum = first > 0;
        if (flat) stand_up(one);
        work.products.emplace_back(one, channels_of(weights, out.channels, ins, first, one.in.channels),
                                   one.sum ? std::vector<float>{} : bias);
        first += one.in.channels;
      }
    });
    if (head) work.thread_bytes = work.slab_voxels * out.channels * 4;
  }

  /// Some shapes have a fast implementation only when a slab is large enough: then slabs grow.
  template <typename Make>
  static void with_slabs(Work& work, const Shape& cut, std::uint32_t most, const Make& make) {
    for (std::uint32_t slices = slices_of(cut, most);; slices = std::min(2 * slices, cut.size[0])) {
      try {
        work.products.clear();
        make(slices);
        work.slab_voxels = std::uint64_t{slices} * cut.size[1] * cut.size[2];
        return;
      } catch (const Error& error) {
        if (error.code() != ErrorCode::NetUnsupported || slices >= cut.size[0]) throw;
      }
    }
  }

  void transposed(const Graph& graph, Work& work) {
    const Step& step = work.step;
    const std::size_t outs = shape(step.target).channels;
    const Extent& kernel = work.node.kernel;
    ProductSpec spec{.in = shape(step.sources[0]), .out = shape(step.sources[0])};
    spec.out.channels = static_cast<std::uint32_t>(outs) * kernel[0] * kernel[1] * kernel[2];
    work.upright = kernel[0] == 1 && spec.in.size[0] == 1;
    if (work.upright) {
      stand_up(spec);
      stand_up(work.node.kernel);
    }
    spec.half = precision == Precision::bf16;
    std::vector<float> bias;
    if (step.bias) bias = repeated(graph.weight_values(work.node.bias), spec.out.channels / outs);
    const std::vector<float> weights = taps_first(graph.weight_values(work.node.weight), spec.in.channels, outs);
    with_slabs(work, spec.out, 4096, [&](std::uint32_t slices) {
      spec.slices = slices;
      work.products.emplace_back(spec, weights, bias);
    });
    work.thread_bytes = work.slab_voxels * spec.out.channels * value_bytes();
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
  std::byte* room_of(std::size_t thread) const { return scratch->at(thread * thread_bytes); }

  template <typename T>
  void run_step(const Kernels<T>& loops, Work& work, const float* input, float* logits) {
    const Step& step = work.step;
    const auto source = [&](std::size_t i) { return data<T>(step.sources[i], input); };
    T* target = step.target >= 0 ? data<T>(step.target, input) : nullptr;
    const T* residual = step.residual >= 0 ? data<T>(step.residual, input) : nullptr;
    switch (step.kind) {
      case StepKind::input:
        return input_pass(loops, input, target, plan.input, threads);
      case StepKind::convolution:
        return run_convolution(loops, work, input, target);
      case StepKind::transposed:
        return run_transposed(work, source(0), target);
      case StepKind::norm:
        if (work.measured) return work.room->apply(loops, source(0), residual, target, step.slope, threads);
        return work.room->run(loops, source(0), residual, target, step.slope, threads);
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
  void run_convolution(const Kernels<T>& loops, Work& work, const float* input, T* target) {
    const std::uint64_t slab_values = work.slab_voxels * shape(work.step.target).channels;
    NormRoom* room = work.measured_for > 0 ? &*works[work.measured_for].room : nullptr;
    parallel_slabs(threads, work.products[0].slabs(), [&](std::size_t slab, std::size_t thread) {
      T* out = target + slab * slab_values;
      for (std::size_t i = 0; i < work.products.size(); ++i)
        work.products[i].run(slab, data<T>(work.step.sources[i], input), out, room_of(thread));
      if (room != nullptr) room->measure(loops, out, slab);
    });
  }

  template <typename T>
  void run_transposed(Work& work, const T* source, T* target) {
    const Shape& in = shape(work.step.sources[0]);
    const Shape& out = shape(work.step.target);
    const Extent& kernel = work.node.kernel;
    const std::uint64_t taps = out.voxels() / in.voxels(), row = std::uint64_t{in.size[1]} * in.size[2];
    Shape slab_shape{in.channels, {0, work.upright ? 1 : in.size[1], in.size[2]}};
    const std::uint64_t slice = work.upright ? in.size[2] : row;
    parallel_slabs(threads, work.products[0].slabs(), [&](std::size_t slab, std::size_t thread) {
      T* wide = reinterpret_cast<T*>(room_of(thread));
      work.products[0].run(slab, source, wide, room_of(thread) + round_up(work.thread_bytes));
      Shape here = slab_shape;
      const std::uint64_t first = slab * work.slab_voxels;
      here.size[0] = static_cast<std::uint32_t>(std::min(work.slab_voxels, in.voxels() - first) / slice);
      interleave(wide, target + first * taps * out.channels, here, out.channels, kernel);
    });
  }

  template <typename T>
  void run_head(Work& work, const T* source, float* logits) {
    const Shape& out = plan.output;
    const Kernels<float>& loops = kernels<float>();
    parallel_slabs(threads, work.products[0].slabs(), [&](std::size_t slab, std::size_t thread) {
      auto* narrow = reinterpret_cast<float*>(room_of(thread));
      work.products[0].run(slab, source, narrow, room_of(thread) + round_up(work.thread_bytes));
      const std::uint64_t first = slab * work.slab_voxels;
      const auto here = static_cast<std::size_t>(std::min(work.slab_voxels, out.voxels() - first));
      loops.to_planar(narrow, logits + first, here, out.channels, static_cast<std::size_t>(out.voxels()));
    });
  }
};

Engine::Engine(const Graph& graph, const Extent& patch, Precision precision, int threads)
    : impl_(std::make_unique<Impl>()) {
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
  const TeamSize one(1);  // of what oneDNN starts by itself; the slabs are spread by us
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
