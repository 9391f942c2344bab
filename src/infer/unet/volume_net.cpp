#include "infer/unet/volume_net.h"

#include <fmt/format.h>
#include <algorithm>

#include <filesystem>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"
#include "infer/onnx_file.h"
#include "infer/session.h"
#include "infer/unet/engine.h"
#include "infer/unet/ort_net.h"
#include "infer/unet/self_check.h"

namespace rouage::infer {
namespace {

constexpr std::uint64_t kFileCap = 1024 * kMebibyte;

struct Own {
  std::optional<unet::Engine> engine;
  double difference = 0;
  std::string why_not;  ///< empty: it runs
};

/// Planned for the whole patch before the small one is tried, so that a patch that does not suit the net is said first.
Own open_own(unet::Graph& graph, const unet::Extent& patch, const VolumeNetOptions& options) {
  Own made;
  unet::make_plan(graph, patch, options.precision == Precision::bf16 ? 2 : 4);
  if (options.self_check) {
    const unet::SelfCheck check = unet::self_check(graph, patch, options.precision, options.threads);
    made.difference = check.largest;
    if (!check.agrees) {
      made.why_not = fmt::format(
          "self-check: on a patch of {}x{}x{} the own engine and ONNX Runtime differ by {:.3g} (root mean square "
          "{:.3g}) "
          "standard deviations of the logits",
          check.patch[0], check.patch[1], check.patch[2], check.largest, check.root_mean_square);
      return made;
    }
  }
  made.engine.emplace(graph, patch, options.precision, options.threads);
  return made;
}

}  // namespace

struct VolumeNet::Impl {
  std::optional<unet::Engine> own;
  std::optional<unet::OrtNet> peer;
  VolumeNetIdentity identity;
  std::array<std::uint32_t, 3> patch{};
  int channels = 0, classes = 0;
  std::uint64_t memory_bytes = 0, input_values = 0, output_values = 0;

  void count() {
    const std::uint64_t voxels = std::uint64_t{patch[0]} * patch[1] * patch[2];
    if (!multiply_checked({voxels, static_cast<std::uint64_t>(channels)}, input_values) ||
        !multiply_checked({voxels, static_cast<std::uint64_t>(classes)}, output_values))
      throw Error(ErrorCode::ModelInvalid, "the patch is too large");
  }

  /// False: ONNX Runtime has to do it; identity.note says why.
  bool open_own_engine(Bytes file, const std::filesystem::path& folder, const VolumeNetOptions& options) {
    try {
      unet::Graph graph = unet::read_graph(std::move(file), folder);
      Own made = open_own(graph, patch, options);
      identity.self_check_difference = made.difference;
      if (!made.why_not.empty()) throw Error(ErrorCode::NetUnsupported, made.why_not);
      own = std::move(made.engine);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::NetUnsupported || options.engine == VolumeEngine::own) throw;
      identity.note = (error.tag().empty() ? "" : error.tag() + ": ") + error.detail();
      return false;
    }
    const unet::Plan& plan = own->plan();
    if (plan.output.size != patch)
      throw Error(ErrorCode::ModelInvalid,
                  "the net answers " + unet::shape_text(plan.output) + ", another size than its patch");
    channels = static_cast<int>(plan.input.channels);
    classes = static_cast<int>(plan.output.channels);
    identity.engine = unet::engine_name();
    identity.precision = options.precision == Precision::bf16 ? "bf16" : "f32";
    memory_bytes = own->memory_bytes();
    return true;
  }

  void open_peer(const Bytes& file, const std::filesystem::path& onnx, const VolumeNetOptions& options) {
    check_onnx_file(onnx);
    peer.emplace(file, onnx.parent_path(), patch, options.threads);
    channels = peer->channels();
    classes = peer->classes();
    identity.engine = "onnxruntime " + runtime_version();
    identity.precision = "f32";
    if (options.precision == Precision::bf16)
      identity.note += (identity.note.empty() ? "" : "; ") + std::string("ONNX Runtime computes in f32");
    memory_bytes = peer_memory(file, onnx.parent_path());
  }

  /// ONNX Runtime does not say what it will take. Measured on U-Nets of this kind: 2.3 to 2.5 times what our plan of
  /// the same net needs; a net that our engine does not read is counted as eight activations of 32 channels.
  std::uint64_t peer_memory(const Bytes& file, const std::filesystem::path& folder) const {
    const std::uint64_t voxels = std::uint64_t{patch[0]} * patch[1] * patch[2];
    std::uint64_t activations = voxels * 4 * 32 * 8;
    try {
      activations = unet::make_plan(unet::read_graph(file, folder), patch, 4).arena_bytes * 5 / 2;
    } catch (const Error&) {
      // Not a net of ours: the estimate above stands.
    }
    return file.size() + activations + voxels * 4 * static_cast<std::uint64_t>(channels + classes);
  }
};

VolumeNet::VolumeNet(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
VolumeNet::VolumeNet(VolumeNet&&) noexcept = default;
VolumeNet& VolumeNet::operator=(VolumeNet&&) noexcept = default;
VolumeNet::~VolumeNet() = default;

VolumeNet VolumeNet::open(const std::filesystem::path& onnx, const std::array<std::uint32_t, 3>& patch,
                          const VolumeNetOptions& wanted) {
  try {
    VolumeNetOptions options = wanted;
    options.threads = std::clamp(options.threads, 1, 256);
    if (options.precision == Precision::bf16 && !bf16_supported())
      throw Error(ErrorCode::NetUnsupported, "this CPU has no bf16 instructions (avx512_bf16)").remedy("choose f32");
    for (const std::uint32_t extent : patch)
      if (extent == 0 || extent > 4096)
        throw Error(ErrorCode::ModelInvalid, fmt::format("a patch of {} voxels along an axis", extent));
    auto impl = std::make_unique<Impl>();
    impl->patch = patch;
    const Bytes file = read_file(onnx, kFileCap);
    if (options.engine == VolumeEngine::onnxruntime || !impl->open_own_engine(file, onnx.parent_path(), options))
      impl->open_peer(file, onnx, options);
    impl->count();
    return VolumeNet(std::move(impl));
  } catch (Error& error) {
    throw error.file(onnx);
  }
}

int VolumeNet::channels() const {
  return impl_->channels;
}
int VolumeNet::classes() const {
  return impl_->classes;
}
std::array<std::uint32_t, 3> VolumeNet::patch() const {
  return impl_->patch;
}
const VolumeNetIdentity& VolumeNet::identity() const {
  return impl_->identity;
}
std::uint64_t VolumeNet::memory_bytes() const {
  return impl_->memory_bytes;
}

void VolumeNet::run(std::span<const float> input, std::span<float> logits) {
  if (input.size() != impl_->input_values || logits.size() != impl_->output_values)
    throw Error(ErrorCode::InputRange,
                fmt::format("the net takes {} values and gives {}, it was handed {} and {}", impl_->input_values,
                            impl_->output_values, input.size(), logits.size()))
        .remedy("hand over whole patches: channels * z * y * x in, classes * z * y * x out");
  if (impl_->own)
    impl_->own->run(input.data(), logits.data());
  else
    impl_->peer->run(input, logits);
}

}  // namespace rouage::infer
