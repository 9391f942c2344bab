#include "infer/ort_library.h"

#include <string_view>

#include "infer/session.h"

namespace rouage::infer {
namespace ort {
namespace {

Library open_library() {
  const OrtApiBase* base = OrtGetApiBase();
  if (base == nullptr) throw Error(ErrorCode::RuntimeMissing, "the library gives no table of functions");
  Library made;
  made.version = base->GetVersionString();
  if (!made.version.starts_with(kVersionPrefix))
    throw Error(ErrorCode::RuntimeMissing, "version " + made.version + " is installed, this build needs " +
                                               kVersionPrefix + "x (its C API is declared by position)");
  made.api = base->GetApi(kApiVersion);
  if (made.api == nullptr)
    throw Error(ErrorCode::RuntimeMissing, "the library offers no API of version " + std::to_string(kApiVersion));
  const auto must = [&made](OrtStatus* status) {
    if (status == nullptr) return;
    const std::string message = kGetErrorMessage(made.api, status);
    kReleaseStatus(made.api, status);
    throw Error(ErrorCode::RuntimeMissing, message);
  };
  must(kCreateEnv(made.api, kErrorLevel, "rouage", &made.env));
  must(kDisableTelemetryEvents(made.api, made.env));
  must(kGetAllocatorWithDefaultOptions(made.api, &made.allocator));
  must(kCreateCpuMemoryInfo(made.api, kArenaAllocator, kDefaultMemory, &made.cpu_memory));
  return made;
}

}  // namespace

const Library& library() {
  // Never released: sessions held in static storage may outlive any order of destruction that could be chosen here.
  static const Library made = open_library();
  return made;
}

void check(OrtStatus* status, ErrorCode code) {
  if (status == nullptr) return;
  const Library& lib = library();
  const std::string message = kGetErrorMessage(lib.api, status);
  kReleaseStatus(lib.api, status);
  throw Error(code, message);
}

}  // namespace ort

std::string runtime_version() {
  return ort::library().version;
}

std::vector<std::string> available_providers() {
  const ort::Library& lib = ort::library();
  char** names = nullptr;
  int count = 0;
  ort::check(ort::kGetAvailableProviders(lib.api, &names, &count));
  std::vector<std::string> providers(names, names + count);
  ort::check(ort::kReleaseAvailableProviders(lib.api, names, count));
  return providers;
}

}  // namespace rouage::infer
