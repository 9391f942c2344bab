// One frame as a picture for a browser: display values of dicom::read_film, or an RGB object's own samples.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "app/dicomweb_reader.h"
#include "base/error.h"
#include "dicom/object.h"
#include "dicom/reading.h"
#include "image/picture.h"

namespace rouage::app {
namespace {

struct Raster {
  std::uint32_t columns = 0, rows = 0;
  int channels = 1;
  std::vector<std::uint8_t> samples;
};

Raster grey_raster(const image::Film& film) {
  Raster raster{film.columns, film.rows, 1, {}};
  raster.samples.reserve(film.values.size());
  for (const float value : film.values)
    raster.samples.push_back(static_cast<std::uint8_t>(std::lround(std::clamp(value, 0.F, 1.F) * 255.F)));
  return raster;
}

std::uint32_t number_at(const std::filesystem::path& file, std::uint32_t tag) {
  const std::string text = dicom::attribute_text(file, tag);
  std::uint32_t value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

/// Uncompressed RGB of 8 bits, as captures and ultrasound have it. What is coded otherwise is not shown.
Raster colour_raster(const std::filesystem::path& file, std::uint32_t frame) {
  const dicom::EncodedFrames found = dicom::encoded_frames(file, {frame});
  Raster raster{number_at(file, 0x00280011), number_at(file, 0x00280010), 3, {}};
  const std::uint64_t pixels = std::uint64_t{raster.columns} * raster.rows;
  const Bytes& bytes = found.frames.at(0);
  const bool plain = found.media_type == "application/octet-stream" && number_at(file, 0x00280100) == 8 &&
                     dicom::attribute_text(file, 0x00280004) == "RGB" && bytes.size() == pixels * 3;
  if (!plain) throw Error(ErrorCode::NotAcceptable, "colour that is not uncompressed RGB of 8 bits is not rendered");
  if (number_at(file, 0x00280006) == 0) {
    raster.samples = bytes;
    return raster;
  }
  raster.samples.resize(bytes.size());
  for (std::uint64_t i = 0; i < pixels; ++i)
    for (std::uint64_t channel = 0; channel < 3; ++channel)
      raster.samples[static_cast<std::size_t>(i * 3 + channel)] = bytes[static_cast<std::size_t>(channel * pixels + i)];
  return raster;
}

/// Smaller by the mean of the pixels that fall together, never larger.
Raster fitted(Raster raster, std::uint32_t most_columns, std::uint32_t most_rows) {
  if (most_columns == 0 || most_rows == 0 || (raster.columns <= most_columns && raster.rows <= most_rows))
    return raster;
  const double factor =
      std::min(static_cast<double>(most_columns) / raster.columns, static_cast<double>(most_rows) / raster.rows);
  Raster small{std::max(1U, static_cast<std::uint32_t>(std::floor(raster.columns * factor))),
               std::max(1U, static_cast<std::uint32_t>(std::floor(raster.rows * factor))),
               raster.channels,
               {}};
  const auto channels = static_cast<std::uint64_t>(raster.channels);
  small.samples.reserve(std::size_t{small.columns} * small.rows * channels);
  const auto edge = [](std::uint64_t i, std::uint64_t all, std::uint64_t parts) { return i * all / parts; };
  for (std::uint32_t row = 0; row < small.rows; ++row) {
    const std::uint64_t top = edge(row, raster.rows, small.rows), bottom = edge(row + 1, raster.rows, small.rows);
    for (std::uint32_t column = 0; column < small.columns; ++column) {
      const std::uint64_t left = edge(column, raster.columns, small.columns),
                          right = edge(column + 1, raster.columns, small.columns);
      for (std::uint64_t channel = 0; channel < channels; ++channel) {
        std::uint64_t sum = 0;
        for (std::uint64_t y = top; y < bottom; ++y)
          for (std::uint64_t x = left; x < right; ++x)
            sum += raster.samples[static_cast<std::size_t>((y * raster.columns + x) * channels + channel)];
        const std::uint64_t count = (bottom - top) * (right - left);
        small.samples.push_back(static_cast<std::uint8_t>((sum + count / 2) / count));
      }
    }
  }
  return small;
}

}  // namespace

std::string rendered_picture(const std::filesystem::path& file, const RenderRequest& request) {
  Raster raster;
  try {
    raster = grey_raster(dicom::read_film(file, {}, static_cast<int>(request.frame)).film);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::NotGrey && error.code() != ErrorCode::MultiFrame) throw;
    if (error.code() == ErrorCode::MultiFrame) throw Error(ErrorCode::NotFound, error.detail());
    raster = colour_raster(file, request.frame);
  }
  raster = fitted(std::move(raster), request.most_columns, request.most_rows);
  const Bytes picture =
      request.png ? image::write_png(raster.columns, raster.rows, raster.channels, raster.samples)
                  : image::write_jpeg(raster.columns, raster.rows, raster.channels, raster.samples, request.quality);
  return {picture.begin(), picture.end()};
}

}  // namespace rouage::app
