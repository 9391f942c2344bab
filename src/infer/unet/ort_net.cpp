#include "infer/unet/ort_net.h"

#include <algorithm>
#include <string>
#include <vector>

#include "infer/ort_library.h"

namespace rouage::infer::unet {
namespace {

using ort::check;
using ort::library;

/// Beside the table of ort_api.h: a session from bytes. Source: ../shared/reference/ort-c-api.csv, position 8.
constexpr ort::Slot<OrtStatus*(const OrtEnv*, const void*, std::size_t, const OrtSessionOptions*, OrtSession**)>
    kCreateSessionFromArray{8};

ort::OptionsPtr session_options(const std::filesystem::path& folder, int threads) {
  const OrtApi* api = library().api;
  OrtSessionOptions* raw = nullptr;
  check(ort::kCreateSessionOptions(api, &raw));
  ort::OptionsPtr made(raw);
  check(ort::kSetSessionGraphOptimizationLevel(api, raw, ort::kOptimizeAll));
  check(ort::kSetSessionExecutionMode(api, raw, ort::kSequential));
  check(ort::kSetIntraOpNumThreads(api, raw, threads));
  check(ort::kSetInterOpNumThreads(api, raw, 1));
  check(ort::kAddSessionConfigEntry(api, raw, "session.intra_op.allow_spinning", "0"));
  const std::string place = folder.empty() ? "." : folder.string();
  check(ort::kAddSessionConfigEntry(api, raw, "session.model_external_initializers_file_folder_path", place.c_str()));
  return made;
}

std::vector<std::int64_t> shape_of(OrtTypeInfo* type, const char* what) {
  const OrtApi* api = library().api;
  ort::OnnxType kind = ort::kUnknownType;
  check(ort::kGetOnnxTypeFromTypeInfo(api, type, &kind));
  if (kind != ort::kTensorType) throw Error(ErrorCode::ModelInvalid, std::string("its ") + what + " is no tensor");
  const OrtTensorTypeAndShapeInfo* info = nullptr;
  check(ort::kCastTypeInfoToTensorInfo(api, type, &info));
  ort::ElementType element = ort::kUndefined;
  check(ort::kGetTensorElementType(api, info, &element));
  std::size_t count = 0;
  check(ort::kGetDimensionsCount(api, info, &count));
  std::vector<std::int64_t> dims(count);
  check(ort::kGetDimensions(api, info, dims.data(), count));
  if (element != ort::kFloat || (count != 4 && count != 5) || dims[1] < 1 || dims[1] > 65'536)
    throw Error(ErrorCode::ModelInvalid,
                std::string("its ") + what + " is not float32 [n, channels, (z,) y, x] with a number of channels");
  return dims;
}

std::string taken(char* name) {
  const std::string made = name;
  check(ort::kAllocatorFree(library().api, library().allocator, name));
  return made;
}

}  // namespace

struct OrtNet::Impl {
  ort::SessionPtr session;
  std::string input, output;
  std::vector<std::int64_t> input_shape, output_shape;

  void describe(const Extent& patch) {
    const ort::Library& lib = library();
    std::size_t inputs = 0, outputs = 0;
    check(ort::kSessionGetInputCount(lib.api, session.get(), &inputs));
    check(ort::kSessionGetOutputCount(lib.api, session.get(), &outputs));
    if (inputs != 1 || outputs != 1)
      throw Error(ErrorCode::ModelInvalid, "the net has " + std::to_string(inputs) + " inputs and " +
                                               std::to_string(outputs) + " outputs; one of each is run");
    char* name = nullptr;
    check(ort::kSessionGetInputName(lib.api, session.get(), 0, lib.allocator, &name));
    input = taken(name);
    check(ort::kSessionGetOutputName(lib.api, session.get(), 0, lib.allocator, &name));
    output = taken(name);
    OrtTypeInfo* raw = nullptr;
    check(ort::kSessionGetInputTypeInfo(lib.api, session.get(), 0, &raw));
    input_shape = shape_of(ort::TypeInfoPtr(raw).get(), "input");
    check(ort::kSessionGetOutputTypeInfo(lib.api, session.get(), 0, &raw));
    output_shape = shape_of(ort::TypeInfoPtr(raw).get(), "output");
    if (output_shape.size() != input_shape.size()) throw Error(ErrorCode::ModelInvalid, "its output has other axes");
    fit(patch);
  }

  void fit(const Extent& patch) {
    const std::size_t axes = input_shape.size() - 2;
    if (axes == 2 && patch[0] != 1) throw Error(ErrorCode::ModelInvalid, "a 2D net takes patches of one slice");
    input_shape[0] = output_shape[0] = 1;
    for (std::size_t i = 0; i < axes; ++i) {
      const std::int64_t wanted = patch[i + 3 - axes];
      if (input_shape[i + 2] > 0 && input_shape[i + 2] != wanted)
        throw Error(ErrorCode::ModelInvalid, "the net is made for " + std::to_string(input_shape[i + 2]) +
                                                 " voxels where the patch has " + std::to_string(wanted));
      input_shape[i + 2] = output_shape[i + 2] = wanted;
    }
  }

  static ort::ValuePtr value(const std::vector<std::int64_t>& shape, void* data, std::size_t count) {
    OrtValue* raw = nullptr;
    check(ort::kCreateTensorWithDataAsOrtValue(library().api, library().cpu_memory, data, count * sizeof(float),
                                               shape.data(), shape.size(), ort::kFloat, &raw));
    return ort::ValuePtr(raw);
  }
};

OrtNet::OrtNet(std::span<const std::uint8_t> file, const std::filesystem::path& folder, const Extent& patch,
               int threads)
    : impl_(std::make_unique<Impl>()) {
  const ort::Library& lib = library();
  const ort::OptionsPtr options = session_options(folder, threads);
  OrtSession* raw = nullptr;
  check(kCreateSessionFromArray(lib.api, lib.env, file.data(), file.size(), options.get(), &raw),
        ErrorCode::ModelInvalid);
  impl_->session.reset(raw);
  impl_->describe(patch);
}

OrtNet::~OrtNet() = default;
OrtNet::OrtNet(OrtNet&&) noexcept = default;
OrtNet& OrtNet::operator=(OrtNet&&) noexcept = default;

int OrtNet::channels() const {
  return static_cast<int>(impl_->input_shape[1]);
}
int OrtNet::classes() const {
  return static_cast<int>(impl_->output_shape[1]);
}

void OrtNet::run(std::span<const float> input, std::span<float> logits) {
  // The C API takes void*; inputs are never written.
  const ort::ValuePtr in = Impl::value(impl_->input_shape, const_cast<float*>(input.data()), input.size());
  const ort::ValuePtr out = Impl::value(impl_->output_shape, logits.data(), logits.size());
  const char* in_name = impl_->input.c_str();
  const char* out_name = impl_->output.c_str();
  const OrtValue* given = in.get();
  OrtValue* answer = out.get();
  check(ort::kRun(library().api, impl_->session.get(), nullptr, &in_name, &given, 1, &out_name, 1, &answer));
}

}  // namespace rouage::infer::unet
