/// The one ONNX Runtime of the process: its table of functions, its environment, and owners for its objects.
#pragma once
#include <memory>
#include <string>

#include "base/error.h"
#include "infer/ort_api.h"

namespace rouage::infer::ort {

struct Library {
  const OrtApi* api = nullptr;
  OrtEnv* env = nullptr;              ///< one a process, telemetry off, errors only
  OrtAllocator* allocator = nullptr;  ///< the runtime's own default: owns the names that it returns
  OrtMemoryInfo* cpu_memory = nullptr;
  std::string version;
  std::string file;  ///< as it was opened
};

/// Made at the first call and kept until the process ends. Errors: RuntimeMissing.
const Library& library();

/// Releases the status; throws Error(code) with the runtime's own message when there is one.
void check(OrtStatus* status, ErrorCode code = ErrorCode::InferenceFailed);

/// unique_ptr over an object of the runtime, released through the table.
template <auto& kRelease>
struct Releaser {
  template <typename Object>
  void operator()(Object* object) const {
    kRelease(library().api, object);
  }
};
using SessionPtr = std::unique_ptr<OrtSession, Releaser<kReleaseSession>>;
using OptionsPtr = std::unique_ptr<OrtSessionOptions, Releaser<kReleaseSessionOptions>>;
using ValuePtr = std::unique_ptr<OrtValue, Releaser<kReleaseValue>>;
using TypeInfoPtr = std::unique_ptr<OrtTypeInfo, Releaser<kReleaseTypeInfo>>;
using ShapeInfoPtr = std::unique_ptr<OrtTensorTypeAndShapeInfo, Releaser<kReleaseTensorTypeAndShapeInfo>>;

}  // namespace rouage::infer::ort
