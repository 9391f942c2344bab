/// The same net by ONNX Runtime: the other engine, and the judge of ours. Writes straight into the caller's logits.
///
/// Beside infer/session.h because a volume's logits may be larger than a Session's tensors, and because the self-check
/// opens a model from memory.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

#include "infer/unet/graph.h"

namespace rouage::infer::unet {

class OrtNet {
 public:
  /// file: the model's bytes; folder: where its external weights lie.
  /// Errors: ModelInvalid (not one input and one output of 4 or 5 dimensions), RuntimeMissing.
  OrtNet(std::span<const std::uint8_t> file, const std::filesystem::path& folder, const Extent& patch, int threads);
  ~OrtNet();
  OrtNet(OrtNet&&) noexcept;
  OrtNet& operator=(OrtNet&&) noexcept;

  int channels() const;
  int classes() const;
  /// As VolumeNet::run. Errors: InferenceFailed.
  void run(std::span<const float> input, std::span<float> logits);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace rouage::infer::unet
