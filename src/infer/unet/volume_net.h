/// A 3D net on patches: our own engine for U-Nets (oneDNN, channels last), ONNX Runtime for everything else, behind one
/// value.
///
///   VolumeNet net = VolumeNet::open(folder / "model.onnx", {128, 128, 128}, {.precision = Precision::f32, .threads =
///   2}); net.run(patch, logits);          // [channels][z][y][x] -> [classes][z][y][x], float32, x fastest
///
/// The own engine reads the ONNX graph and accepts a closed set of operators (NetUnsupported names the first other
/// one); it is compared with ONNX Runtime on one random small patch when it is opened (self-check), and gives way to it
/// when they disagree. A VolumeNet runs one patch at a time over its threads; it may be moved, not shared. The same
/// input gives the same bits with any number of threads, within one precision and CPU.
#pragma once
#include <array>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

namespace rouage::infer {

enum class Precision { f32, bf16 };
enum class VolumeEngine { automatic, own, onnxruntime };

struct VolumeNetOptions {
  Precision precision = Precision::f32;  ///< bf16 needs a CPU with avx512_bf16 or amx_bf16: bf16_supported()
  VolumeEngine engine = VolumeEngine::automatic;
  int threads = 1;
  bool self_check = true;
};

/// What ran, for the provenance.
struct VolumeNetIdentity {
  std::string engine;     ///< "rouage-unet 1 (oneDNN 2.6.3)" or "onnxruntime 1.30.0"
  std::string precision;  ///< "f32", "bf16"
  std::string note;       ///< why the own engine gave way, or ""
  double self_check_difference =
      0;  ///< largest |difference| of the logits over their standard deviation; 0 when not run
};

class VolumeNet {
 public:
  /// patch: {z, y, x}, fixed for the life of the net. Errors: FileMissing, ModelInvalid, NetUnsupported (engine own
  /// only, or bf16 without such a CPU), RuntimeMissing.
  static VolumeNet open(const std::filesystem::path& onnx, const std::array<std::uint32_t, 3>& patch,
                        const VolumeNetOptions& options);
  VolumeNet(VolumeNet&&) noexcept;
  VolumeNet& operator=(VolumeNet&&) noexcept;
  ~VolumeNet();

  int channels() const;
  int classes() const;
  std::array<std::uint32_t, 3> patch() const;
  const VolumeNetIdentity& identity() const;
  /// What it holds between and during runs (weights and activations): part of the documented memory formula.
  std::uint64_t memory_bytes() const;

  /// input: channels * z * y * x values; logits: classes * z * y * x. Errors: InputRange (sizes), InferenceFailed.
  void run(std::span<const float> input, std::span<float> logits);

 private:
  struct Impl;
  explicit VolumeNet(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// Whether this CPU computes bf16 dot products itself.
bool bf16_supported();

}  // namespace rouage::infer
