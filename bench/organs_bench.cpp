// Classical organs on one CT beside a reference label map: scores an organ, and seconds.
//   organs_bench CT.nii.gz REFERENCE.nii.gz lung_left=10,11 lung_right=12,13,14 bone=25,26,27
#include <fmt/core.h>

#include <cstdlib>
#include <exception>
#include <thread>

#include "base/host.h"
#include "cogs/organs/classical.h"
#include "image/volume_files.h"
#include "image/volume_shapes.h"
#include "stats/segmentation.h"

namespace {

using namespace rouage;  // NOLINT: a benchmark's main file

image::Mask of_labels(const image::LabelMap& map, const std::string& numbers) {
  image::Mask mask{map.grid, std::vector<std::uint8_t>(map.values.size()), ""};
  std::vector<bool> wanted(65536);
  for (const std::string& number : split(numbers, ','))
    wanted[static_cast<std::uint16_t>(std::atoi(number.c_str()))] = true;
  for (std::size_t v = 0; v < mask.values.size(); ++v) mask.values[v] = wanted[map.values[v]];
  return mask;
}

void compare(const image::LabelMap& reference, const cogs::organs::ClassicalOrgans& found,
             const std::string& argument) {
  const auto parts = split(argument, '=');
  for (const auto& organ : found.organs) {
    if (organ.name != parts.at(0)) continue;
    const auto s = stats::compare_masks(of_labels(reference, parts.at(1)), image::mask_of(found.labels, organ.label),
                                        {.tolerance_mm = 3, .threads = 2});
    fmt::print("{:<11} reference {:8.1f} ml  found {:8.1f} ml", organ.name, s.reference_ml, s.test_ml);
    if (s.surface)
      fmt::print(
          "  Dice {:.4f}  sens {:.4f}  prec {:.4f}  HD95 {:.2f} mm  ASSD {:.2f} mm  NSD(3 mm) {:.4f}  HD {:.1f} mm",
          *s.dice, s.sensitivity.value_or(-1), s.precision.value_or(-1), s.surface->hausdorff95_mm, s.surface->assd_mm,
          s.surface->nsd, s.surface->hausdorff_mm);
    fmt::print("\n");
  }
}

int run(int argc, char** argv) {
  image::Volume<float> ct = image::read_volume(argv[1]);
  fmt::print("{} x {} x {} {}\n", ct.grid.size[0], ct.grid.size[1], ct.grid.size[2], ct.grid.orientation());
  for (const int threads : {1, 2}) {
    const double start = monotonic_s();
    const auto found = cogs::organs::classical_organs(ct, {.assume_hounsfield = true, .threads = threads});
    fmt::print("{} thread(s): {:.2f} s {}\n", threads, monotonic_s() - start, found.refusal);
    if (threads == 1) continue;
    for (const auto& organ : found.organs)
      fmt::print("  {:<11} {:9.1f} ml  {:7.1f} HU  {}\n", organ.name, organ.ml, organ.mean_hu, organ.absent);
    for (const auto& warning : found.warnings) fmt::print("  warning {}: {}\n", warning.code, warning.detail);
    if (const char* out = std::getenv("ORGANS_OUT")) image::write_label_map(out, found.labels, {});
    if (argc > 3) {
      const image::LabelMap reference = image::read_label_map(argv[2]);
      for (int a = 3; a < argc; ++a) compare(reference, found, argv[a]);
    }
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "organs_bench CT [REFERENCE NAME=LABELS...]\n");
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 1;
  }
}
