/// Synthetic studies for `rouage simulate-load`: films of a mathematical patient, and CT series with right geometry.
///
///   LoadObjects objects({.run = "2026-11-24T08:00:00Z"});
///   std::vector<fs::path> files = objects.write_study(7, /*ct=*/false, folder);
#pragma once
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/values.h"
#include "image/phantom_film.h"

namespace rouage::app {

struct LoadShape {
  std::string run;  ///< part of every UID: two runs with the same text send the same studies again
  std::uint32_t film_pixels = 1024, ct_pixels = 512;
  int slices = 200;
  std::uint64_t seed = 1;
};

/// Thread-safe after construction.
class LoadObjects {
 public:
  /// Draws the films that all studies are made of (about 0.3 s each).
  explicit LoadObjects(LoadShape shape);
  /// One study as Part 10 files in `folder`, in the order in which a modality sends them. The same number and shape
  /// give the same bytes. Errors: FileUnwritable.
  std::vector<std::filesystem::path> write_study(int number, bool ct, const std::filesystem::path& folder) const;
  std::string study_uid(int number) const;

 private:
  Bytes film(int number) const;
  Bytes slice(int number, int index) const;
  LoadShape shape_;
  std::vector<image::PhantomFilm> films_;
  std::vector<std::uint8_t> noise_;  ///< pixels of a slice, and some more to begin elsewhere
};

}  // namespace rouage::app
