#include "infer/session.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "base/host.h"
#include "base/values.h"
#include "infer/float16.h"
#include "infer/onnx_file.h"
#include "infer/ort_library.h"
#include "infer/provider.h"

namespace rouage::infer {
namespace {

using ort::check;
using ort::library;

/// Elements of one tensor that Rouage will hold: 2^28 floats are 1 GiB, far above any net shipped or imported here.
constexpr std::uint64_t kElementCap = 1ULL << 28;

struct Binding {
  TensorInfo info;
  ort::ElementType element = ort::kUndefined;
};

std::string element_name(ort::ElementType type) {
  switch (type) {
    case ort::kFloat:
      return "float32";
    case ort::kFloat16:
      return "float16";
    case ort::kDouble:
      return "float64";
    case ort::kInt64:
      return "int64";
    case ort::kInt32:
      return "int32";
    case ort::kUint8:
      return "uint8";
    case ort::kBool:
      return "bool";
    default:
      return "type " + std::to_string(static_cast<int>(type));
  }
}

std::vector<std::int64_t> dimensions(const OrtTensorTypeAndShapeInfo* info) {
  const OrtApi* api = library().api;
  std::size_t count = 0;
  check(ort::kGetDimensionsCount(api, info, &count));
  std::vector<std::int64_t> shape(count);
  check(ort::kGetDimensions(api, info, shape.data(), count));
  return shape;
}

template <typename NameSlot, typename TypeSlot>
Binding binding(const OrtSession* session, std::size_t index, const NameSlot& name_slot, const TypeSlot& type_slot) {
  const ort::Library& lib = library();
  Binding made;
  char* name = nullptr;
  check(name_slot(lib.api, session, index, lib.allocator, &name));
  made.info.name = name;
  check(ort::kAllocatorFree(lib.api, lib.allocator, name));
  OrtTypeInfo* raw = nullptr;
  check(type_slot(lib.api, session, index, &raw));
  const ort::TypeInfoPtr type(raw);
  ort::OnnxType kind = ort::kUnknownType;
  check(ort::kGetOnnxTypeFromTypeInfo(lib.api, type.get(), &kind));
  if (kind != ort::kTensorType) {
    made.info.type = "not a tensor";
    return made;
  }
  const OrtTensorTypeAndShapeInfo* shape = nullptr;
  check(ort::kCastTypeInfoToTensorInfo(lib.api, type.get(), &shape));
  check(ort::kGetTensorElementType(lib.api, shape, &made.element));
  made.info.type = element_name(made.element);
  made.info.shape = dimensions(shape);
  for (std::int64_t& extent : made.info.shape)
    if (extent <= 0) extent = -1;
  return made;
}

const Binding* find(const std::vector<Binding>& bindings, const std::string& name) {
  const auto at = std::find_if(bindings.begin(), bindings.end(), [&](const Binding& b) { return b.info.name == name; });
  return at == bindings.end() ? nullptr : &*at;
}

std::string names(const std::vector<Binding>& bindings) {
  std::vector<std::string> list;
  list.reserve(bindings.size());
  for (const Binding& b : bindings) list.push_back(b.info.name);
  return fmt::format("{}", fmt::join(list, ", "));
}

void check_input(const Binding& wanted, const Tensor& given) {
  const auto& shape = wanted.info.shape;
  bool fits = shape.size() == given.shape.size();
  std::vector<std::uint64_t> factors;
  std::uint64_t elements = 1;
  for (std::size_t i = 0; fits && i < shape.size(); ++i) {
    fits = given.shape[i] > 0 && (shape[i] == -1 || shape[i] == given.shape[i]);
    if (fits) fits = multiply_checked({elements, static_cast<std::uint64_t>(given.shape[i])}, elements);
  }
  if (!fits || elements != given.values.size())
    throw Error(ErrorCode::ModelInvalid,
                fmt::format("input {} wants the shape [{}] (-1: any), it was given [{}] with {} values",
                            wanted.info.name, fmt::join(shape, ","), fmt::join(given.shape, ","), given.values.size()));
}

/// The runtime reads the caller's floats in place; halves are converted into `halves`, which must outlive the call.
ort::ValuePtr input_value(const Binding& wanted, const Tensor& given, std::vector<std::uint16_t>& halves) {
  const ort::Library& lib = library();
  check_input(wanted, given);
  void* data = const_cast<float*>(given.values.data());  // the C API takes void*; inputs are never written
  std::size_t bytes = given.values.size() * sizeof(float);
  if (wanted.element == ort::kFloat16) {
    halves = floats_to_halves(given.values);
    data = halves.data();
    bytes = halves.size() * sizeof(std::uint16_t);
  } else if (wanted.element != ort::kFloat) {
    throw Error(ErrorCode::ModelInvalid,
                fmt::format("input {} is {}, only float32 and float16 are known", wanted.info.name, wanted.info.type));
  }
  OrtValue* value = nullptr;
  check(ort::kCreateTensorWithDataAsOrtValue(lib.api, lib.cpu_memory, data, bytes, given.shape.data(),
                                             given.shape.size(), wanted.element, &value));
  return ort::ValuePtr(value);
}

Tensor output_tensor(OrtValue* value, const std::string& name) {
  const OrtApi* api = library().api;
  int is_tensor = 0;
  check(ort::kIsTensor(api, value, &is_tensor));
  if (is_tensor == 0) throw Error(ErrorCode::ModelInvalid, "output " + name + " is not a tensor");
  OrtTensorTypeAndShapeInfo* raw = nullptr;
  check(ort::kGetTensorTypeAndShape(api, value, &raw));
  const ort::ShapeInfoPtr info(raw);
  ort::ElementType element = ort::kUndefined;
  check(ort::kGetTensorElementType(api, info.get(), &element));
  std::size_t count = 0;
  check(ort::kGetTensorShapeElementCount(api, info.get(), &count));
  if (count > kElementCap) throw Error(ErrorCode::ModelInvalid, fmt::format("output {} has {} values", name, count));
  void* data = nullptr;
  check(ort::kGetTensorMutableData(api, value, &data));
  Tensor tensor;
  tensor.shape = dimensions(info.get());
  if (element == ort::kFloat) {
    const float* floats = static_cast<const float*>(data);
    tensor.values.assign(floats, floats + count);
  } else if (element == ort::kFloat16) {
    tensor.values = halves_to_floats({static_cast<const std::uint16_t*>(data), count});
  } else {
    throw Error(ErrorCode::ModelInvalid,
                fmt::format("output {} is {}, only float32 and float16 are known", name, element_name(element)));
  }
  return tensor;
}

ort::OptionsPtr session_options(const SessionOptions& options) {
  const OrtApi* api = library().api;
  OrtSessionOptions* raw = nullptr;
  check(ort::kCreateSessionOptions(api, &raw));
  ort::OptionsPtr made(raw);
  check(ort::kSetSessionGraphOptimizationLevel(api, raw, ort::kOptimizeAll));
  check(ort::kSetSessionExecutionMode(api, raw, ort::kSequential));
  check(ort::kSetIntraOpNumThreads(api, raw, std::max(1, options.threads)));
  check(ort::kSetInterOpNumThreads(api, raw, 1));
  check(ort::kAddSessionConfigEntry(api, raw, "session.intra_op.allow_spinning", options.spin ? "1" : "0"));
  if (!options.arena) {
    check(ort::kDisableCpuMemArena(api, raw));
    check(ort::kDisableMemPattern(api, raw));
  }
  ort::add_provider(raw, options.provider);
  return made;
}

}  // namespace

struct Session::Impl {
  ort::SessionPtr session;
  std::vector<Binding> inputs, outputs;
  std::vector<TensorInfo> input_infos, output_infos;
  std::string file;
};

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Session::Session(Session&&) noexcept = default;
Session& Session::operator=(Session&&) noexcept = default;
Session::~Session() = default;

Session Session::open(const std::filesystem::path& onnx, const SessionOptions& options) {
  try {
    const ort::Library& lib = library();
    check_onnx_file(onnx);
    const ort::OptionsPtr made_options = session_options(options);
    auto impl = std::make_unique<Impl>();
    impl->file = onnx.string();
    OrtSession* raw = nullptr;
    check(ort::kCreateSession(lib.api, lib.env, onnx.c_str(), made_options.get(), &raw), ErrorCode::ModelInvalid);
    impl->session.reset(raw);
    std::size_t inputs = 0, outputs = 0;
    check(ort::kSessionGetInputCount(lib.api, raw, &inputs), ErrorCode::ModelInvalid);
    check(ort::kSessionGetOutputCount(lib.api, raw, &outputs), ErrorCode::ModelInvalid);
    for (std::size_t i = 0; i < inputs; ++i)
      impl->inputs.push_back(binding(raw, i, ort::kSessionGetInputName, ort::kSessionGetInputTypeInfo));
    for (std::size_t i = 0; i < outputs; ++i)
      impl->outputs.push_back(binding(raw, i, ort::kSessionGetOutputName, ort::kSessionGetOutputTypeInfo));
    for (const Binding& b : impl->inputs) impl->input_infos.push_back(b.info);
    for (const Binding& b : impl->outputs) impl->output_infos.push_back(b.info);
    return Session(std::move(impl));
  } catch (Error& error) {
    throw error.file(onnx);
  }
}

const std::vector<TensorInfo>& Session::inputs() const {
  return impl_->input_infos;
}
const std::vector<TensorInfo>& Session::outputs() const {
  return impl_->output_infos;
}

std::vector<Tensor> Session::run(const std::vector<std::pair<std::string, Tensor>>& inputs,
                                 const std::vector<std::string>& outputs) const {
  try {
    const ort::Library& lib = library();
    std::vector<const char*> input_names, output_names;
    std::vector<ort::ValuePtr> values;
    std::vector<std::vector<std::uint16_t>> halves(inputs.size());
    for (std::size_t i = 0; i < inputs.size(); ++i) {
      const Binding* wanted = find(impl_->inputs, inputs[i].first);
      if (wanted == nullptr)
        throw Error(ErrorCode::ModelInvalid,
                    fmt::format("the net has no input {}; it has {}", inputs[i].first, names(impl_->inputs)));
      input_names.push_back(wanted->info.name.c_str());
      values.push_back(input_value(*wanted, inputs[i].second, halves[i]));
    }
    for (const std::string& name : outputs) {
      const Binding* wanted = find(impl_->outputs, name);
      if (wanted == nullptr)
        throw Error(ErrorCode::ModelInvalid,
                    fmt::format("the net has no output {}; it has {}", name, names(impl_->outputs)));
      output_names.push_back(wanted->info.name.c_str());
    }
    std::vector<const OrtValue*> given;
    given.reserve(values.size());
    for (const ort::ValuePtr& value : values) given.push_back(value.get());
    std::vector<OrtValue*> raw(outputs.size(), nullptr);
    OrtStatus* status = ort::kRun(lib.api, impl_->session.get(), nullptr, input_names.data(), given.data(),
                                  given.size(), output_names.data(), output_names.size(), raw.data());
    std::vector<ort::ValuePtr> owned;
    owned.reserve(raw.size());
    for (OrtValue* value : raw) owned.emplace_back(value);
    check(status);
    std::vector<Tensor> answers;
    for (std::size_t i = 0; i < outputs.size(); ++i) answers.push_back(output_tensor(owned[i].get(), outputs[i]));
    return answers;
  } catch (Error& error) {
    throw error.file(impl_->file);
  }
}

}  // namespace rouage::infer
