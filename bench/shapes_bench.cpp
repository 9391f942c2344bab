// Shapes on the air and tissue of one CT, beside scipy on the same masks in the same run (bench/shapes_peer.py).
//   shapes_bench CT.nii.gz
#include <fmt/core.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "base/host.h"
#include "image/volume_files.h"
#include "image/volume_shapes.h"

namespace {

using rouage::image::Mask;

template <class Work>
double best_of_three(const Work& work) {
  double best = 1e9;
  for (int n = 0; n < 3; ++n) {
    const double start = rouage::monotonic_s();
    work();
    best = std::min(best, rouage::monotonic_s() - start);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    fmt::print(stderr, "shapes_bench CT.nii.gz\n");
    return 2;
  }
  try {
    namespace image = rouage::image;
    const Mask tissue = image::thresholded(image::read_volume(argv[1]), -400, image::kUnlimited);
    fmt::print("{} million voxels, {} % set\n", tissue.values.size() / 1000000,
               100 * image::set_voxels(tissue) / tissue.values.size());
    for (const int threads : {1, 2})
      fmt::print(
          "rouage {} thread(s): components {:.3f} s, distance {:.3f} s, closing 8 mm {:.3f} s, fill holes {:.3f} s\n",
          threads, best_of_three([&] { image::connected_components(tissue, image::Connectivity::corners, threads); }),
          best_of_three([&] { image::distance_to(tissue, image::kUnlimited, threads); }),
          best_of_three([&] { image::closed(tissue, 8, threads); }),
          best_of_three([&] { image::fill_holes(tissue, {.threads = threads}); }));
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
  std::fflush(stdout);
  const std::string peer = (std::filesystem::path(ROUAGE_SOURCE_DIR) / "bench/shapes_peer.py").string();
  return std::system(("/usr/bin/python3 " + peer + " " + argv[1]).c_str()) == 0 ? 0 : 1;
}
