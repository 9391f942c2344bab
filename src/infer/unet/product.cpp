#include "infer/unet/product.h"

#include <oneapi/dnnl/dnnl.hpp>

#include "base/error.h"

namespace rouage::infer::unet {
namespace {

using dnnl::memory;

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

dnnl::convolution_forward::primitive_desc describe(const ProductSpec& spec, bool with_bias) {
  using Convolution = dnnl::convolution_forward;
  using Type = memory::data_type;
  const Type stored = spec.half ? Type::bf16 : Type::f32;
  const Type result = spec.half && !spec.float_out ? Type::bf16 : Type::f32;
  const memory::desc in(dims_of(spec.in), stored, memory::format_tag::ndhwc);
  const memory::desc out(dims_of(spec.out), result, memory::format_tag::ndhwc);
  const memory::desc weights({spec.out.channels, spec.in.channels, spec.kernel[0], spec.kernel[1], spec.kernel[2]},
                             stored, memory::format_tag::any);
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

}  // namespace

struct Product::Impl {
  explicit Impl(const dnnl::convolution_forward::primitive_desc& made)
      : convolution(made),
        in(made.src_desc(), processor(), nullptr),
        out(made.dst_desc(), processor(), nullptr),
        weights(made.weights_desc(), processor()),
        scratch(made.scratchpad_desc(), processor(), nullptr),
        stream(processor()),
        implementation(made.impl_info_str()) {}

  dnnl::convolution_forward convolution;
  memory in, out, weights, bias, scratch;
  dnnl::stream stream;
  std::string implementation;
};

Product::Product(const ProductSpec& spec, const std::vector<float>& weights, const std::vector<float>& bias) {
  impl_ = guarded(ErrorCode::NetUnsupported, [&] {
    const auto made = describe(spec, !bias.empty());
    auto impl = std::make_unique<Impl>(made);
    const memory::desc plain({spec.out.channels, spec.in.channels, spec.kernel[0], spec.kernel[1], spec.kernel[2]},
                             memory::data_type::f32, memory::format_tag::oidhw);
    // oneDNN's reorder takes void* and does not write its source.
    memory from(plain, processor(), const_cast<float*>(weights.data()));
    dnnl::reorder(from, impl->weights).execute(impl->stream, from, impl->weights);
    if (!bias.empty()) {
      impl->bias =
          memory(memory::desc({spec.out.channels}, memory::data_type::f32, memory::format_tag::x), processor());
      std::copy(bias.begin(), bias.end(), static_cast<float*>(impl->bias.get_data_handle()));
    }
    impl->stream.wait();
    return impl;
  });
  if (impl_->implementation.find("ref") != std::string::npos)
    throw Error(ErrorCode::NetUnsupported, "oneDNN has only " + impl_->implementation + " for " + shape_text(spec.in) +
                                               " to " + shape_text(spec.out));
}

Product::~Product() = default;
Product::Product(Product&&) noexcept = default;
Product& Product::operator=(Product&&) noexcept = default;

std::uint64_t Product::weight_bytes() const {
  return impl_->weights.get_desc().get_size();
}
std::uint64_t Product::scratch_bytes() const {
  return impl_->scratch.get_desc().get_size();
}
const std::string& Product::implementation() const {
  return impl_->implementation;
}

void Product::run(const void* in, void* out, void* scratch) {
  guarded(ErrorCode::InferenceFailed, [&] {
    impl_->in.set_data_handle(const_cast<void*>(in));  // read only
    impl_->out.set_data_handle(out);
    impl_->scratch.set_data_handle(scratch);
    std::unordered_map<int, memory> arguments{{DNNL_ARG_SRC, impl_->in},
                                              {DNNL_ARG_WEIGHTS, impl_->weights},
                                              {DNNL_ARG_DST, impl_->out},
                                              {DNNL_ARG_SCRATCHPAD, impl_->scratch}};
    if (impl_->bias) arguments.emplace(DNNL_ARG_BIAS, impl_->bias);
    impl_->convolution.execute(impl_->stream, arguments);
    impl_->stream.wait();
  });
}

std::string product_library_version() {
  const dnnl_version_t* version = dnnl_version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." + std::to_string(version->patch);
}

}  // namespace rouage::infer::unet
