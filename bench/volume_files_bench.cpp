// Reading and writing volumes beside nibabel: the same files, one thread each, interleaved rounds of one run, medians.
//   volume_files_bench FOLDER      (a folder for 200 MB of files, made if absent; needs python3-nibabel)
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/host.h"
#include "image/volume_files.h"

namespace {

using namespace rouage;
using namespace rouage::image;
namespace fs = std::filesystem;

constexpr int kRounds = 5;

double seconds(const std::function<void()>& work) {
  const double begin = monotonic_s();
  work();
  return monotonic_s() - begin;
}

double peer_seconds(const std::string& arguments, const fs::path& folder) {
  const fs::path out = folder / "seconds";
  const std::string command =
      "/usr/bin/python3 " ROUAGE_SOURCE_DIR "/bench/volume_files_peer.py " + arguments + " > " + out.string();
  if (std::system(command.c_str()) != 0) std::exit(1);
  return std::atof(read_text(out).c_str());
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

void beside(const char* what, const std::function<void()>& ours, const std::function<double()>& theirs) {
  std::vector<double> our_s, their_s;
  for (int round = 0; round < kRounds; ++round) {
    our_s.push_back(seconds(ours));
    their_s.push_back(theirs());
  }
  std::printf("%-34s rouage %.3f s  nibabel %.3f s  ratio %.2f\n", what, median(our_s), median(their_s),
              median(their_s) / median(our_s));
}

}  // namespace

int main(int count, char** words) {
  if (count != 2) {
    std::fprintf(stderr, "volume_files_bench FOLDER\n");
    return 2;
  }
  const fs::path folder = words[1], ct = folder / "ct.nii.gz", labels = folder / "labels.nii.gz";
  fs::create_directories(folder);
  if (!fs::exists(ct)) peer_seconds("make " + folder.string(), folder);
  beside(
      "read int16 512x512x200 as float", [&] { (void)read_volume(ct); },
      [&] { return peer_seconds("read " + ct.string() + " float", folder); });
  beside(
      "read 100 labels", [&] { (void)read_label_map(labels); },
      [&] { return peer_seconds("read " + labels.string() + " label", folder); });
  const LabelMap map = read_label_map(labels);
  const fs::path ours = folder / "ours.nii.gz", theirs = folder / "theirs.nii.gz";
  beside(
      "write 100 labels (flushed)", [&] { write_label_map(ours, map); },
      [&] { return peer_seconds("write " + theirs.string(), folder); });
  for (const int level : {0, 1, 2, 3, 4, 6}) {
    std::vector<double> taken;
    LabelMapWriteOptions options;
    options.file.level = level;
    for (int round = 0; round < 3; ++round) taken.push_back(seconds([&] { write_label_map(ours, map, options); }));
    std::printf("level %d: %.3f s, %ju bytes\n", level, median(taken),
                static_cast<std::uintmax_t>(fs::file_size(ours)));
  }
  return 0;
}
