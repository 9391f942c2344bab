#include "infer/ort_library.h"

#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <string_view>
#include <vector>

#include "base/host.h"
#include "infer/session.h"

namespace rouage::infer {
namespace ort {
namespace {

constexpr const char* kFileName = "libonnxruntime.so.1";

/// Where the library may be: the operator's choice, beside an installed program, where it was at build time, the
/// system.
std::vector<std::string> places() {
  std::vector<std::string> places;
  if (const char* chosen = std::getenv("ROUAGE_ONNXRUNTIME"); chosen != nullptr && *chosen != '\0') return {chosen};
  places.push_back((program_path().parent_path() / ".." / "lib" / "rouage" / kFileName).string());
  places.emplace_back(ROUAGE_ORT_LIBRARY);
  places.emplace_back(kFileName);
  return places;
}

/// Opened when first needed, not when the program starts: relocating it takes 70 ms, and not every command infers.
void* open_file(std::string& file) {
  std::string tried;
  for (const std::string& place : places()) {
    if (place.find('/') != std::string::npos && !std::filesystem::exists(place)) {
      tried += place + " is not there; ";
      continue;
    }
    if (void* opened = dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL)) {
      file = place;
      return opened;
    }
    tried += std::string(dlerror()) + "; ";
  }
  throw Error(ErrorCode::RuntimeMissing, tried + "ROUAGE_ONNXRUNTIME can name another file");
}

Library open_library() {
  // Built with a telemetry client that, at the first environment, opens a database below the user's cache folder and
  // waits for a network. The switch in its API comes after that; this variable is read before.
  ::setenv("ORT_DISABLE_TELEMETRY", "1", 1);
  Library made;
  void* handle = open_file(made.file);
  using GetApiBase = const OrtApiBase* (*)();
  const auto get_base = reinterpret_cast<GetApiBase>(dlsym(handle, "OrtGetApiBase"));
  const OrtApiBase* base = get_base == nullptr ? nullptr : get_base();
  if (base == nullptr) throw Error(ErrorCode::RuntimeMissing, made.file + " gives no table of functions");
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
