#include "infer/provider.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "infer/session.h"

namespace rouage::infer::ort {
namespace {

struct Known {
  const char* option;    ///< what a user writes
  const char* provider;  ///< ONNX Runtime's name
  const char* file;      ///< shared library that the runtime loads from its own folder
};
constexpr std::array<Known, 3> kKnown{
    {{"cuda", "CUDAExecutionProvider", "libonnxruntime_providers_cuda.so"},
     {"tensorrt", "TensorrtExecutionProvider", "libonnxruntime_providers_tensorrt.so"},
     {"openvino", "OpenVINOExecutionProvider", "libonnxruntime_providers_openvino.so"}}};

std::filesystem::path library_folder() {
  return std::filesystem::path(library().file).parent_path();
}

[[noreturn]] void missing(const Known& known, const std::string& what) {
  throw Error(ErrorCode::ProviderMissing, fmt::format("{} ({}): {}; this ONNX Runtime has {}", known.option,
                                                      known.provider, what, fmt::join(available_providers(), ", ")));
}

void append(OrtSessionOptions* options, const Known& known) {
  const OrtApi* api = library().api;
  const std::string name = known.option;
  if (name == "openvino") {
    check(kAppendExecutionProvider(api, options, "OpenVINO", nullptr, nullptr, 0), ErrorCode::ProviderMissing);
  } else if (name == "cuda") {
    OrtCUDAProviderOptionsV2* cuda = nullptr;
    check(kCreateCudaProviderOptions(api, &cuda), ErrorCode::ProviderMissing);
    OrtStatus* status = kAppendExecutionProviderCuda(api, options, cuda);
    kReleaseCudaProviderOptions(api, cuda);
    check(status, ErrorCode::ProviderMissing);
  } else {
    missing(known, "this version of Rouage does not connect it");
  }
}

}  // namespace

void add_provider(OrtSessionOptions* options, const std::string& provider) {
  if (provider == "cpu") return;
  const auto known = std::find_if(kKnown.begin(), kKnown.end(), [&](const Known& k) { return provider == k.option; });
  if (known == kKnown.end())
    throw Error(ErrorCode::ProviderMissing,
                fmt::format("\"{}\" is not one of cpu, cuda, tensorrt, openvino", provider));
  const std::vector<std::string> available = available_providers();
  if (std::find(available.begin(), available.end(), known->provider) == available.end())
    missing(*known, "the library was built without it");
  const std::filesystem::path file = library_folder() / known->file;
  if (!std::filesystem::exists(file)) missing(*known, "its library " + file.string() + " is not there");
  append(options, *known);
}

}  // namespace rouage::infer::ort
