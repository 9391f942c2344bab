#include "infer/unet/product.h"

#include <algorithm>
#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"
#include "infer/unet/threads.h"

namespace rouage::infer::unet {
namespace {

using dnnl::memory;
using Convolution = dnnl::convolution_forward;

memory::dims dims_of(const Shape& s) {
  return {1, s.channels, s.size[0], s.size[1], s.size[2]};
}
memory::dims dims_of(const Extent& e) {
  return {e[0], e[1], e[2]};
}

const dnnl::engine& processor() {
  static const dnnl::engine made(dnnl::engine::kind::cpu, 0);
  return made;
}

/// Turns oneDNN's exceptions into ours.
template <typename Act>
auto guarded(ErrorCode code, const Act& act) {
  try {
    return act();
  } catch (const dnnl::error& error) {
    const bool memory_short = error.status == dnnl_out_of_memory;
    throw Error(memory_short ? ErrorCode::MemoryBudget : code, std::string("oneDNN: ") + error.what());
  }
}

/// weights: as packed for an earlier slab, or of any layout.
Convolution::primitive_desc describe(const ProductSpec& spec, bool with_bias, const memory::desc* packed) {
  using Type = memory::data_type;
  const Type stored = spec.half ? Type::bf16 : Type::f32;
  const Type result = spec.half && !spec.float_out ? Type::bf16 : Type::f32;
  const memory::desc in(dims_of(spec.in), stored, memory::format_tag::ndhwc);
  const memory::desc out(dims_of(spec.out), result, memory::format_tag::ndhwc);
  const memory::desc weights =
      packed != nullptr
          ? *packed
          : memory::desc({spec.out.channels, spec.in.channels, spec.kernel[0], spec.kernel[1], spec.kernel[2]}, stored,
                         memory::format_tag::any);
  const memory::desc bias =
      with_bias ? memory::desc({spec.out.channels}, Type::f32, memory::format_tag::x) : memory::desc();
  const Convolution::desc wanted(dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct, in, weights,
                                 bias, out, dims_of(spec.stride), dims_of(spec.before), dims_of(spec.after));
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  if (spec.sum) {
    dnnl::post_ops after;
    after.append_sum(1.0F);
    attributes.set_post_ops(after);
  }
  return {wanted, attributes, processor()};
}

/// Slabs of one shape share a primitive: the first, the last and those between differ by their padding.
struct Kind {
  ProductSpec spec;
  Convolution convolution;
  memory::desc in, out, scratch;
  memory weights;
};

struct Slab {
  std::size_t kind = 0;
  std::uint64_t in_offset = 0;  ///< bytes
};

}  // namespace

struct Product::Impl {
  std::vector<Kind> kinds;
  std::vector<Slab> slabs;
  memory bias;
  std::uint64_t weight_bytes = 0, scratch_bytes = 0;
  std::string implementation;

  void add_kind(const ProductSpec& spec, const std::vector<float>& weights) {
    const memory::desc packed = kinds.empty() ? memory::desc() : kinds[0].weights.get_desc();
    auto made = describe(spec, static_cast<bool>(bias), nullptr);
    if (!kinds.empty() && made.weights_desc() != packed) {
      try {
        made = describe(spec, static_cast<bool>(bias), &packed);
      } catch (const dnnl::error&) {
        // This shape wants another layout: it gets its own copy below.
      }
    }
    Kind kind{spec, Convolution(made), made.src_desc(), made.dst_desc(), made.scratchpad_desc(), memory()};
    kind.weights =
        !kinds.empty() && made.weights_desc() == packed ? kinds[0].weights : pack(made.weights_desc(), weights);
    scratch_bytes = std::max<std::uint64_t>(scratch_bytes, kind.scratch.get_size());
    const std::string name = made.impl_info_str();
    if (name.find("ref") != std::string::npos)
      throw Error(ErrorCode::NetUnsupported,
                  "oneDNN has only " + name + " for " + shape_text(spec.in) + " to " + shape_text(spec.out));
    if (implementation.find(name) == std::string::npos) implementation += (implementation.empty() ? "" : "+") + name;
    kinds.push_back(std::move(kind));
  }

  memory pack(const memory::desc& wanted, const std::vector<float>& weights) {
    const memory::desc plain(wanted.dims(), memory::data_type::f32, memory::format_tag::oidhw);
    // oneDNN's reorder takes void* and does not write its source.
    memory from(plain, processor(), const_cast<float*>(weights.data()));
    memory made(wanted, processor());
    dnnl::stream stream(processor());
    dnnl::reorder(from, made).execute(stream, from, made);
    stream.wait();
    weight_bytes += wanted.get_size();
    return made;
  }

  void add_slab(const ProductSpec& whole, std::uint32_t first, const std::vector<float>& weights) {
    ProductSpec spec = whole;
    spec.out.size[0] = std::min(whole.slices, whole.out.size[0] - first);
    const std::int64_t begin = std::int64_t{first} * whole.stride[0] - whole.before[0];
    const std::int64_t end = begin + std::int64_t{spec.out.size[0] - 1} * whole.stride[0] + whole.kernel[0];
    const std::int64_t from = std::max<std::int64_t>(begin, 0), to = std::min<std::int64_t>(end, whole.in.size[0]);
    spec.before[0] = static_cast<std::uint32_t>(from - begin);
    spec.after[0] = static_cast<std::uint32_t>(end - to);
    spec.in.size[0] = static_cast<std::uint32_t>(to - from);
    std::size_t kind = 0;
    while (kind < kinds.size() && !(kinds[kind].spec.in == spec.in && kinds[kind].spec.out == spec.out &&
                                    kinds[kind].spec.before == spec.before && kinds[kind].spec.after == spec.after))
      ++kind;
    if (kind == kinds.size()) add_kind(spec, weights);
    const std::uint64_t slice = std::uint64_t{whole.in.size[1]} * whole.in.size[2] * whole.in.channels;
    slabs.push_back({kind, static_cast<std::uint64_t>(from) * slice * (whole.half ? 2 : 4)});
  }
};

Product::Product(const ProductSpec& spec, const std::vector<float>& weights, const std::vector<float>& bias)
    : impl_(std::make_unique<Impl>()) {
  const TeamSize one(1);  // blocked for one thread: see the header
  guarded(ErrorCode::NetUnsupported, [&] {
    if (!bias.empty()) {
      impl_->bias =
          memory(memory::desc({spec.out.channels}, memory::data_type::f32, memory::format_tag::x), processor());
      std::copy(bias.begin(), bias.end(), static_cast<float*>(impl_->bias.get_data_handle()));
    }
    for (std::uint32_t first = 0; first < spec.out.size[0]; first += spec.slices) impl_->add_slab(spec, first, weights);
  });
}

Product::~Product() = default;
Product::Product(Product&&) noexcept = default;
Product& Product::operator=(Product&&) noexcept = default;

std::uint64_t Product::weight_bytes() const {
  return impl_->weight_bytes;
}
std::uint64_t Product::scratch_bytes() const {
  return impl_->scratch_bytes;
}
std::string Product::implementation() const {
  return impl_->implementation;
}
std::size_t Product::slabs() const {
  return impl_->slabs.size();
}

void Product::run(std::size_t slab, const void* in, void* out, void* scratch) const {
  guarded(ErrorCode::InferenceFailed, [&] {
    const Slab& here = impl_->slabs[slab];
    const Kind& kind = impl_->kinds[here.kind];
    // oneDNN's memory takes void*; the input is read only.
    void* from = const_cast<std::byte*>(static_cast<const std::byte*>(in) + here.in_offset);
    std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, memory(kind.in, processor(), from)},
                                              {DNNL_ARG_WEIGHTS, kind.weights},
                                              {DNNL_ARG_DST, memory(kind.out, processor(), out)},
                                              {DNNL_ARG_SCRATCHPAD, memory(kind.scratch, processor(), scratch)}};
    if (impl_->bias) arguments.emplace(DNNL_ARG_BIAS, impl_->bias);
    dnnl::stream stream(processor());
    kind.convolution.execute(stream, arguments);
    stream.wait();
  });
}

std::string product_library_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace rouage::infer::unet
