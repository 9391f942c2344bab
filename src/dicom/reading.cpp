#include "dicom/reading.h"

#include <dcmtk/dcmdata/dcdict.h>
#include <dcmtk/oflog/oflog.h>
#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/host.h"
#include "dicom/header.h"
#include "dicom/rendering.h"

namespace rouage::dicom {
namespace {

using namespace reading;

/// A film without the window or palette of a colour picture: full range of its bits.
Window full_range(int bits) {
  const double maximum = (1 << bits) - 1;
  return {maximum / 2, maximum, Window::Function::linear_exact};
}

std::uint32_t chosen_frame(const PixelLayout& layout, std::optional<int> frame) {
  if (!frame) {
    if (layout.frames == 1) return 1;
    throw Error(ErrorCode::MultiFrame, fmt::format("it has {} frames", layout.frames)).tag(tag_text(kFrames));
  }
  if (*frame < 1 || static_cast<std::uint32_t>(*frame) > layout.frames)
    throw Error(ErrorCode::MultiFrame, fmt::format("frame {} is asked for, it has {}", *frame, layout.frames))
        .tag(tag_text(kFrames));
  return static_cast<std::uint32_t>(*frame);
}

FilmInstance film_of(const ParsedFile& file, const ReadLimits& limits, std::optional<int> frame) {
  const ElementSet& dataset = file.dataset;
  if (dataset.find(kPixelData) == nullptr) throw no_pixels(file);
  FilmInstance instance;
  instance.header = instance_header(file);
  std::vector<std::string>& warnings = instance.header.warnings;
  const PixelLayout layout = pixel_layout(dataset, limits, warnings);
  instance.header.frames = layout.frames;
  const std::uint32_t number = chosen_frame(layout, frame);
  const FrameAttributes attributes = frame_attributes(dataset, number);
  GreyPath path = grey_path(attributes, layout, warnings);
  Samples samples = frame_samples(dataset, file.syntax, layout, number, warnings);
  image::Film& film = instance.film;
  film.stored_bits = std::min(layout.stored, samples.bits);
  if (layout.samples == 3) {
    samples = grey_samples(samples, layout, warnings);
    path.window = full_range(samples.bits);
    film.from_colour = true;
  }
  Rendering rendering = render(samples, layout.pixels(), path, warnings);
  film.columns = layout.columns;
  film.rows = layout.rows;
  film.values = std::move(rendering.values);
  film.padded = rendering.padded;
  film.spacing = pixel_spacing(attributes, warnings);
  film.patient_orientation = instance.header.patient_orientation;
  return instance;
}

}  // namespace

void initialise() {
  static std::once_flag once;
  std::call_once(once, [] {
    OFLog::configure(OFLogger::OFF_LOG_LEVEL);
    if (!dcmDataDict.isDictionaryLoaded()) throw Error(ErrorCode::DictionaryMissing);
    register_codecs();
  });
}

FilmInstance read_film(std::span<const std::uint8_t> bytes, const ReadLimits& limits, std::optional<int> frame) {
  initialise();
  if (bytes.size() > limits.file_bytes)
    throw Error(ErrorCode::FileTooLarge, fmt::format("{} bytes are over {}", bytes.size(), limits.file_bytes));
  const ParsedFile file = parse_file(bytes, limits);
  FilmInstance instance = film_of(file, limits, frame);
  instance.header.file_digest = sha256(bytes);
  return instance;
}

FilmInstance read_film(const std::filesystem::path& file, const ReadLimits& limits, std::optional<int> frame) {
  const Bytes bytes = read_file(file, limits.file_bytes);
  try {
    return read_film(bytes, limits, frame);
  } catch (Error& error) {
    throw error.file(file);
  }
}

InstanceHeader read_header(const std::filesystem::path& file, const ReadLimits& limits) {
  initialise();
  constexpr std::size_t kFirstPart = 65'536;
  try {
    for (std::size_t part = kFirstPart;; part *= 8) {
      const std::size_t most = static_cast<std::size_t>(std::min<std::uint64_t>(part, limits.file_bytes));
      const Bytes bytes = read_file_start(file, most);
      const bool all = bytes.size() < most || most == limits.file_bytes;
      // A deflated data set cannot be read in part: zlib would be started over and over.
      const ParsedFile parsed = parse_file(bytes, limits);
      const bool pixels_found = parsed.dataset.find(kPixelData) != nullptr;
      if (!all && (!pixels_found || parsed.syntax.deflated)) continue;
      if (!pixels_found) throw no_pixels(parsed);
      return instance_header(parsed);
    }
  } catch (Error& error) {
    throw error.file(file);
  }
}

FileKind file_kind(const std::filesystem::path& file) {
  const Bytes start = read_file_start(file, 4'096);
  static constexpr std::uint8_t kPng[] = {0x89, 'P', 'N', 'G', 0x0D, 0x0A, 0x1A, 0x0A};
  if (start.size() >= sizeof kPng && std::equal(std::begin(kPng), std::end(kPng), start.begin())) return FileKind::png;
  if (start.size() >= 3 && start[0] == 0xFF && start[1] == 0xD8 && start[2] == 0xFF) return FileKind::jpeg;
  return looks_like_dicom(start) ? FileKind::dicom : FileKind::other;
}

}  // namespace rouage::dicom
