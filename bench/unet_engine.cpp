// The 3D net on one patch: ours in f32 and bf16 beside ONNX Runtime, interleaved rounds, one process a run.
//   build/release/unet_engine [--net FILE.onnx] [--patch 128] [--threads 2] [--rounds 3]     prints one JSON line
// Without --net: PlainConvUNet, 6 stages of 32..320, 1 -> 25 channels (957.6 GFLOP at 128^3), by
// tests/infer/unet/make_net.py.
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/host.h"
#include "infer/unet/volume_net.h"

namespace {

using namespace rouage;

struct Arguments {
  std::filesystem::path net;
  std::uint32_t patch = 128;
  int threads = 2, rounds = 3;
};

struct Timing {
  double seconds = 0, opened = 0, memory_mb = 0;
};

struct Row {
  std::string name;
  infer::VolumeNetOptions options;
  std::vector<double> seconds;
  double opened = 0, memory_mb = 0, peak_mb = 0;
};

/// Opened, run once to warm up, run once for the figure; in a child, so that each peak is its own.
Timing timed(const Arguments& given, const infer::VolumeNetOptions& options) {
  Timing made;
  const double start = monotonic_s();
  infer::VolumeNet net = infer::VolumeNet::open(given.net, {given.patch, given.patch, given.patch}, options);
  made.opened = monotonic_s() - start;
  made.memory_mb = static_cast<double>(net.memory_bytes()) / 1e6;
  const std::size_t voxels = std::size_t{given.patch} * given.patch * given.patch;
  std::vector<float> input(voxels * static_cast<std::size_t>(net.channels())),
      logits(voxels * static_cast<std::size_t>(net.classes()));
  for (std::size_t i = 0; i < input.size(); ++i) input[i] = static_cast<float>(i * 2654435761U % 1024) / 256.0F - 2.0F;
  net.run(input, logits);
  const double before = monotonic_s();
  net.run(input, logits);
  made.seconds = monotonic_s() - before;
  return made;
}

bool one_round(const Arguments& given, Row& row) {
  std::array<int, 2> ends{};
  if (pipe(ends.data()) != 0) return false;
  const pid_t child = fork();
  if (child == 0) {
    try {
      const Timing made = timed(given, row.options);
      _exit(write(ends[1], &made, sizeof made) == sizeof made ? 0 : 1);
    } catch (const Error& error) {
      fmt::print(stderr, "{}\n", error.what());
      _exit(1);
    }
  }
  close(ends[1]);
  Timing made;
  const bool read_all = read(ends[0], &made, sizeof made) == sizeof made;
  close(ends[0]);
  int status = 0;
  rusage usage{};
  wait4(child, &status, 0, &usage);
  if (!read_all || status != 0) return false;
  row.seconds.push_back(made.seconds);
  row.opened = made.opened;
  row.memory_mb = made.memory_mb;
  row.peak_mb = std::max(row.peak_mb, static_cast<double>(usage.ru_maxrss) / 1e3);
  return true;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

std::optional<Arguments> parse(int count, char** words) {
  std::map<std::string, std::string> given;
  for (int i = 1; i + 1 < count; i += 2) given[words[i]] = words[i + 1];
  Arguments made;
  try {
    if (given.contains("--patch")) made.patch = static_cast<std::uint32_t>(std::stoul(given["--patch"]));
    if (given.contains("--threads")) made.threads = std::stoi(given["--threads"]);
    if (given.contains("--rounds")) made.rounds = std::stoi(given["--rounds"]);
  } catch (const std::exception&) {
    return std::nullopt;
  }
  made.net = given["--net"];
  if (!made.net.empty()) return made;
  made.net = std::filesystem::temp_directory_path() / "rouage-bench-unet.onnx";
  const std::string maker = std::string(ROUAGE_SOURCE_DIR) + "/tests/infer/unet/make_net.py " + made.net.string() +
                            " plain --features 32,64,128,256,320,320 --classes 25";
  if (!std::filesystem::exists(made.net) && std::system(maker.c_str()) != 0) return std::nullopt;
  return made;
}

}  // namespace

int main(int count, char** words) {
  const std::optional<Arguments> given = parse(count, words);
  if (!given) {
    fmt::print(stderr, "unet_engine [--net FILE.onnx] [--patch 128] [--threads 2] [--rounds 3]\n");
    return 2;
  }
  using infer::Precision, infer::VolumeEngine;
  std::vector<Row> rows;
  rows.push_back({"own_f32", {Precision::f32, VolumeEngine::own, given->threads, false}, {}});
  if (infer::bf16_supported())
    rows.push_back({"own_bf16", {Precision::bf16, VolumeEngine::own, given->threads, false}, {}});
  rows.push_back({"onnxruntime_f32", {Precision::f32, VolumeEngine::onnxruntime, given->threads, false}, {}});
  for (int round = 0; round < given->rounds; ++round)
    for (Row& row : rows)
      if (!one_round(*given, row)) return 1;
  const double peer = median(rows.back().seconds);
  std::string out = fmt::format("{{\"patch\": {}, \"threads\": {}", given->patch, given->threads);
  for (const Row& row : rows) {
    out += fmt::format(
        ", \"{}\": {{\"median_s\": {:.3f}, \"times_onnxruntime\": {:.2f}, \"open_s\": {:.2f}, \"said_mb\": {:.0f}, "
        "\"peak_rss_mb\": {:.0f}, \"all_s\": [",
        row.name, median(row.seconds), peer / median(row.seconds), row.opened, row.memory_mb, row.peak_mb);
    for (std::size_t i = 0; i < row.seconds.size(); ++i)
      out += fmt::format("{}{:.3f}", i == 0 ? "" : ", ", row.seconds[i]);
    out += "]}";
  }
  fmt::print("{}}}\n", out);
  return 0;
}
