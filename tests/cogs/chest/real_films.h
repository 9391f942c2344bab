/// Films and packages that are not in the repository: tests that need them are skipped where they are absent.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "base/host.h"
#include "cogs/chest/chest.h"
#include "image/picture.h"

namespace rouage::testing {

inline std::filesystem::path cxr() {
  return std::filesystem::path(ROUAGE_SHARED_DIR) / "data/cxr";
}
inline std::filesystem::path shipped(const char* name) {
  return std::filesystem::path(ROUAGE_SOURCE_DIR) / "models" / name;
}
inline bool packages_there() {
  return std::filesystem::exists(shipped(cogs::chest::kModel) / "model.yaml") &&
         std::filesystem::exists(shipped(cogs::chest::kGate) / "model.yaml");
}

inline image::Film film_of(const image::Picture& picture) {
  image::Film film;
  film.columns = picture.columns;
  film.rows = picture.rows;
  film.values.reserve(std::size_t{picture.columns} * picture.rows);
  const auto step = static_cast<std::size_t>(picture.channels);
  const float largest = picture.bits == 16 ? 65535.0F : 255.0F;
  for (std::size_t i = 0; i < std::size_t{picture.columns} * picture.rows; ++i)
    film.values.push_back(picture.samples[i * step] / largest);
  return film;
}
inline image::Film read_film(const std::filesystem::path& path) {
  const Bytes bytes = read_file(path, 64 * kMebibyte);
  constexpr std::uint64_t kPixels = 1 << 24;
  return film_of(path.extension() == ".png" ? image::read_png(bytes, kPixels) : image::read_jpeg(bytes, kPixels));
}

inline cogs::CogInput input_of(image::Film film, const std::string& uid, double age = 50) {
  cogs::Picture picture;
  picture.image = std::move(film);
  picture.header.sop_instance_uid = uid;
  picture.header.modality = "OT";
  picture.header.made_from_picture = true;
  picture.header.age_a = age;
  cogs::CogInput input;
  input.current.push_back(std::move(picture));
  return input;
}

inline cogs::CogContext shipped_context() {
  const auto net = infer::load(infer::read_package(shipped(cogs::chest::kModel)), {.threads = 1});
  const auto gate = infer::load(infer::read_package(shipped(cogs::chest::kGate)), {.threads = 1});
  cogs::CogContext context;
  context.model = [net, gate](const std::string& name) { return name == cogs::chest::kGate ? gate : net; };
  return context;
}

}  // namespace rouage::testing
