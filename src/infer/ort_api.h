/// The part of ONNX Runtime's C API that Rouage calls, declared by the position of each function in the `OrtApi` table.
///
/// ONNX Runtime publishes one table of function pointers that only ever grows at its end, so a position means the same
/// function in every later release. Positions and signatures: ../shared/reference/ort-c-api.csv, checked against the
/// library 1.30.0. `OrtLibrary` (ort_library.h) refuses any other version before the first call through this table.
///
///   ort::check(ort::kCreateSessionOptions(api, &options));
#pragma once
#include <cstddef>
#include <cstdint>

extern "C" {
struct OrtApi;
struct OrtEnv;
struct OrtStatus;
struct OrtSession;
struct OrtSessionOptions;
struct OrtRunOptions;
struct OrtValue;
struct OrtMemoryInfo;
struct OrtAllocator;
struct OrtTypeInfo;
struct OrtTensorTypeAndShapeInfo;
struct OrtCUDAProviderOptionsV2;
struct OrtApiBase {
  const OrtApi* (*GetApi)(std::uint32_t version);
  const char* (*GetVersionString)();
};
}

namespace rouage::infer::ort {

inline constexpr std::uint32_t kApiVersion = 30;
inline constexpr const char* kVersionPrefix = "1.30.";

enum LoggingLevel : int { kVerbose = 0, kInfo = 1, kWarning = 2, kErrorLevel = 3, kFatal = 4 };
enum ElementType : int {
  kUndefined = 0,
  kFloat = 1,
  kUint8 = 2,
  kInt8 = 3,
  kUint16 = 4,
  kInt16 = 5,
  kInt32 = 6,
  kInt64 = 7,
  kString = 8,
  kBool = 9,
  kFloat16 = 10,
  kDouble = 11,
  kBfloat16 = 16
};
enum AllocatorType : int { kDeviceAllocator = 0, kArenaAllocator = 1 };
enum MemoryType : int { kDefaultMemory = 0 };
enum OptimizationLevel : int { kOptimizeNothing = 0, kOptimizeAll = 99 };
enum ExecutionMode : int { kSequential = 0 };
enum OnnxType : int { kUnknownType = 0, kTensorType = 1 };

/// A function of the table: its signature as the type, its position as the value.
template <typename Signature>
struct Slot;
template <typename Result, typename... Arguments>
struct Slot<Result(Arguments...)> {
  std::size_t position;
  Result operator()(const OrtApi* api, Arguments... arguments) const {
    using Function = Result (*)(Arguments...);
    return reinterpret_cast<Function>(reinterpret_cast<void* const*>(api)[position])(arguments...);
  }
};

inline constexpr Slot<int(const OrtStatus*)> kGetErrorCode{1};
inline constexpr Slot<const char*(const OrtStatus*)> kGetErrorMessage{2};
inline constexpr Slot<OrtStatus*(LoggingLevel, const char*, OrtEnv**)> kCreateEnv{3};
inline constexpr Slot<OrtStatus*(const OrtEnv*)> kDisableTelemetryEvents{6};
inline constexpr Slot<OrtStatus*(const OrtEnv*, const char*, const OrtSessionOptions*, OrtSession**)> kCreateSession{7};
inline constexpr Slot<OrtStatus*(OrtSession*, const OrtRunOptions*, const char* const*, const OrtValue* const*,
                                 std::size_t, const char* const*, std::size_t, OrtValue**)>
    kRun{9};
inline constexpr Slot<OrtStatus*(OrtSessionOptions**)> kCreateSessionOptions{10};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, ExecutionMode)> kSetSessionExecutionMode{13};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*)> kDisableMemPattern{17};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*)> kDisableCpuMemArena{19};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, OptimizationLevel)> kSetSessionGraphOptimizationLevel{23};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, int)> kSetIntraOpNumThreads{24};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, int)> kSetInterOpNumThreads{25};
inline constexpr Slot<OrtStatus*(const OrtSession*, std::size_t*)> kSessionGetInputCount{30};
inline constexpr Slot<OrtStatus*(const OrtSession*, std::size_t*)> kSessionGetOutputCount{31};
inline constexpr Slot<OrtStatus*(const OrtSession*, std::size_t, OrtTypeInfo**)> kSessionGetInputTypeInfo{33};
inline constexpr Slot<OrtStatus*(const OrtSession*, std::size_t, OrtTypeInfo**)> kSessionGetOutputTypeInfo{34};
inline constexpr Slot<OrtStatus*(const OrtSession*, std::size_t, OrtAllocator*, char**)> kSessionGetInputName{36};
inline constexpr Slot<OrtStatus*(const OrtSession*, std::size_t, OrtAllocator*, char**)> kSessionGetOutputName{37};
inline constexpr Slot<OrtStatus*(const OrtMemoryInfo*, void*, std::size_t, const std::int64_t*, std::size_t,
                                 ElementType, OrtValue**)>
    kCreateTensorWithDataAsOrtValue{49};
inline constexpr Slot<OrtStatus*(const OrtValue*, int*)> kIsTensor{50};
inline constexpr Slot<OrtStatus*(OrtValue*, void**)> kGetTensorMutableData{51};
inline constexpr Slot<OrtStatus*(const OrtTypeInfo*, const OrtTensorTypeAndShapeInfo**)> kCastTypeInfoToTensorInfo{55};
inline constexpr Slot<OrtStatus*(const OrtTypeInfo*, OnnxType*)> kGetOnnxTypeFromTypeInfo{56};
inline constexpr Slot<OrtStatus*(const OrtTensorTypeAndShapeInfo*, ElementType*)> kGetTensorElementType{60};
inline constexpr Slot<OrtStatus*(const OrtTensorTypeAndShapeInfo*, std::size_t*)> kGetDimensionsCount{61};
inline constexpr Slot<OrtStatus*(const OrtTensorTypeAndShapeInfo*, std::int64_t*, std::size_t)> kGetDimensions{62};
inline constexpr Slot<OrtStatus*(const OrtTensorTypeAndShapeInfo*, std::size_t*)> kGetTensorShapeElementCount{64};
inline constexpr Slot<OrtStatus*(const OrtValue*, OrtTensorTypeAndShapeInfo**)> kGetTensorTypeAndShape{65};
inline constexpr Slot<OrtStatus*(AllocatorType, MemoryType, OrtMemoryInfo**)> kCreateCpuMemoryInfo{69};
inline constexpr Slot<OrtStatus*(OrtAllocator*, void*)> kAllocatorFree{76};
inline constexpr Slot<OrtStatus*(OrtAllocator**)> kGetAllocatorWithDefaultOptions{78};
inline constexpr Slot<void(OrtEnv*)> kReleaseEnv{92};
inline constexpr Slot<void(OrtStatus*)> kReleaseStatus{93};
inline constexpr Slot<void(OrtMemoryInfo*)> kReleaseMemoryInfo{94};
inline constexpr Slot<void(OrtSession*)> kReleaseSession{95};
inline constexpr Slot<void(OrtValue*)> kReleaseValue{96};
inline constexpr Slot<void(OrtTypeInfo*)> kReleaseTypeInfo{98};
inline constexpr Slot<void(OrtTensorTypeAndShapeInfo*)> kReleaseTensorTypeAndShapeInfo{99};
inline constexpr Slot<void(OrtSessionOptions*)> kReleaseSessionOptions{100};
inline constexpr Slot<OrtStatus*(char***, int*)> kGetAvailableProviders{125};
inline constexpr Slot<OrtStatus*(char**, int)> kReleaseAvailableProviders{126};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, const char*, const char*)> kAddSessionConfigEntry{130};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, const OrtCUDAProviderOptionsV2*)> kAppendExecutionProviderCuda{
    204};
inline constexpr Slot<OrtStatus*(OrtCUDAProviderOptionsV2**)> kCreateCudaProviderOptions{205};
inline constexpr Slot<void(OrtCUDAProviderOptionsV2*)> kReleaseCudaProviderOptions{208};
inline constexpr Slot<OrtStatus*(OrtSessionOptions*, const char*, const char* const*, const char* const*, std::size_t)>
    kAppendExecutionProvider{216};

}  // namespace rouage::infer::ort
