/// A net that answers: ONNX Runtime behind values and RAII.
///
///   Session net = Session::open(folder / "model.onnx", {.threads = 2});
///   std::vector<Tensor> out = net.run({{"image", tensor}}, {"logits", "features"});
///
/// One Session may be used by several threads at once (ONNX Runtime's Run is thread-safe). Threads are explicit, arenas
/// are bounded, nothing is downloaded and no telemetry is sent.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace rouage::infer {

/// Dense float32 tensor, row-major. fp16 inputs and outputs of a net are converted at the edge.
struct Tensor {
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

struct SessionOptions {
  int threads = 1;               ///< intra-op threads; inter-op is always sequential
  bool arena = true;             ///< off: less memory held, somewhat slower
  std::string provider = "cpu";  ///< "cpu", "cuda", "tensorrt", "openvino": what is missing is said (ProviderMissing)
  bool spin = false;             ///< busy waiting between operators: faster alone, harmful beside other work
};

struct TensorInfo {
  std::string name, type;           ///< "float32", "float16", ...
  std::vector<std::int64_t> shape;  ///< -1 where dynamic
};

class Session {
 public:
  /// Errors: FileMissing, ModelInvalid, ProviderMissing, RuntimeMissing (library absent or of another version).
  static Session open(const std::filesystem::path& onnx, const SessionOptions& options);
  Session(Session&&) noexcept;
  Session& operator=(Session&&) noexcept;
  ~Session();

  const std::vector<TensorInfo>& inputs() const;
  const std::vector<TensorInfo>& outputs() const;

  /// Only the named outputs are returned, in that order. Errors: ModelInvalid (unknown name, wrong shape or type),
  /// InferenceFailed (what the runtime said).
  std::vector<Tensor> run(const std::vector<std::pair<std::string, Tensor>>& inputs,
                          const std::vector<std::string>& outputs) const;

 private:
  struct Impl;
  explicit Session(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

/// "1.30.0", or an Error RuntimeMissing.
std::string runtime_version();
std::vector<std::string> available_providers();

}  // namespace rouage::infer
