#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <set>
#include <span>
#include <tuple>

#include "base/error.h"
#include "base/host.h"
#include "infer/model_check.h"
#include "infer/onnx_file.h"
#include "infer/package_writer.h"
#include "infer/package_yaml.h"

namespace rouage::infer {
namespace {

constexpr std::uint64_t kFileCap = 1024 * kMebibyte;
constexpr int kOnnxFloat = 1, kOnnxFloat16 = 10;

/// Fisher-Yates over elements of `width` bytes; the engine's own bits, so that every library gives the same order.
void shuffle(std::span<std::uint8_t> bytes, std::size_t width, std::uint64_t seed) {
  std::mt19937_64 engine(seed);
  for (std::size_t i = bytes.size() / width; i > 1; --i) {
    const std::size_t j = engine() % i;
    if (j == i - 1) continue;
    std::swap_ranges(bytes.begin() + static_cast<std::ptrdiff_t>((i - 1) * width),
                     bytes.begin() + static_cast<std::ptrdiff_t>(i * width),
                     bytes.begin() + static_cast<std::ptrdiff_t>(j * width));
  }
}

}  // namespace

int write_shuffled_package(const Package& package, std::uint64_t seed, const std::filesystem::path& out_folder) {
  std::map<std::string, Bytes> files;
  for (const auto& [name, hex] : package.files) files[name] = read_file(package.folder / name, kFileCap);
  std::set<std::tuple<std::string, std::uint64_t>> done;  // both graphs may share one file of weights
  for (const std::string& net : {package.model_file, package.guided_file}) {
    if (net.empty()) continue;
    for (const OnnxTensor& t : read_onnx(files.at(net)).initializers) {
      const bool weights =
          t.dims.size() >= 2 && t.length > 0 && (t.element_type == kOnnxFloat || t.element_type == kOnnxFloat16);
      const std::string& holder = t.external_file.empty() ? net : t.external_file;
      const auto file = files.find(holder);
      if (!weights || file == files.end() || !done.insert({holder, t.offset}).second) continue;
      if (t.offset > file->second.size() || t.length > file->second.size() - t.offset)
        throw Error(ErrorCode::ModelInvalid, "weights " + t.name + " lie outside " + holder).file(package.folder / net);
      shuffle(std::span(file->second).subspan(t.offset, t.length), t.element_type == kOnnxFloat ? 4 : 2,
              seed + t.offset);
    }
  }
  std::string yaml = read_text(package.folder / kPackageFile);
  for (const auto& [name, bytes] : files) {
    const std::string& old = package.files.at(name);
    for (std::size_t at = yaml.find(old); at != std::string::npos; at = yaml.find(old, at))
      yaml.replace(at, old.size(), sha256(bytes).hex());
  }
  write_package(yaml, files, out_folder);
  return static_cast<int>(done.size());
}

}  // namespace rouage::infer
