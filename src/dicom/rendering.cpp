#include "dicom/rendering.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/error.h"

namespace rouage::dicom::reading {
namespace {

constexpr double kDroppedShare = 0.0005;      // at each end when the file gives no window
constexpr double kDroppedProcessing = 0.005;  // raw data have collimator and direct-beam tails

/// Calls `use(index, sample)` for each pixel; one loop for each memory layout keeps branches out of it.
template <class Use>
void each_sample(const Samples& samples, std::uint64_t pixels, const Use& use) {
  const std::uint8_t* bytes = samples.view.data();
  const auto count = static_cast<std::size_t>(pixels);
  const unsigned mask = (1U << samples.bits) - 1U;
  const int shift = samples.shift;
  if (samples.bytes_each == 1) {
    for (std::size_t i = 0; i < count; ++i) use(i, (unsigned{bytes[i]} >> shift) & mask);
  } else if (samples.big_endian) {
    for (std::size_t i = 0; i < count; ++i) use(i, ((unsigned{bytes[2 * i]} << 8 | bytes[2 * i + 1]) >> shift) & mask);
  } else {
    for (std::size_t i = 0; i < count; ++i) use(i, ((unsigned{bytes[2 * i + 1]} << 8 | bytes[2 * i]) >> shift) & mask);
  }
}

std::int32_t signed_value(unsigned sample, const Samples& samples) {
  const std::int32_t half = std::int32_t{1} << (samples.bits - 1);
  const auto value = static_cast<std::int32_t>(sample);
  return samples.is_signed && value >= half ? value - 2 * half : value;
}

bool is_padding(std::int32_t value, const GreyPath& path) {
  return path.padding && value >= path.padding->first && value <= path.padding->second;
}

/// Modality value of every possible sample.
std::vector<double> modality_values(const Samples& samples, const GreyPath& path) {
  std::vector<double> values(std::size_t{1} << samples.bits);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double stored = signed_value(static_cast<unsigned>(i), samples);
    values[i] = path.modality_table ? path.modality_table->at(stored) : stored * path.slope + path.intercept;
  }
  return values;
}

struct Range {
  double low = 0, high = 1;
};

/// Range of the values in use, a share of the pixels dropped at each end; padding does not count.
Range used_range(const Samples& samples, std::uint64_t pixels, const GreyPath& path, const std::vector<double>& values,
                 double share) {
  std::vector<std::uint32_t> histogram(values.size(), 0);
  each_sample(samples, pixels, [&](std::size_t, unsigned sample) { ++histogram[sample]; });
  std::vector<std::pair<double, std::uint32_t>> used;
  std::uint64_t total = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (histogram[i] == 0 || is_padding(signed_value(static_cast<unsigned>(i), samples), path)) continue;
    used.emplace_back(values[i], histogram[i]);
    total += histogram[i];
  }
  if (used.empty()) return {};
  std::sort(used.begin(), used.end());
  const double drop = static_cast<double>(total) * share;
  std::size_t low = 0, high = used.size() - 1;
  for (double sum = used[low].second; sum <= drop && low < high; sum += used[low].second) ++low;
  for (double sum = used[high].second; sum <= drop && high > low; sum += used[high].second) --high;
  return {used[low].first, used[high].first};
}

void map_to_range(std::vector<double>& values, Range range) {
  const double width = range.high - range.low;
  for (double& value : values) value = width > 0 ? std::clamp((value - range.low) / width, 0.0, 1.0) : 0.0;
}

void map_for_processing(const Samples& samples, std::uint64_t pixels, const GreyPath& path,
                        std::vector<double>& values) {
  if (path.take_logarithm)
    for (double& value : values) value = std::log(std::max(value, 1.0));
  map_to_range(values, used_range(samples, pixels, path, values, kDroppedProcessing));
}

/// Display value of every possible sample.
std::vector<float> display_table(const Samples& samples, std::uint64_t pixels, const GreyPath& path,
                                 std::vector<std::string>& warnings) {
  std::vector<double> values = modality_values(samples, path);
  if (path.palette) {
    for (double& value : values) value = path.palette->at(value) / path.palette->maximum;
  } else if (path.for_processing) {
    map_for_processing(samples, pixels, path, values);
  } else if (path.voi_table) {
    for (double& value : values) value = path.voi_table->at(value) / path.voi_table->maximum;
  } else if (path.window) {
    for (double& value : values) value = path.window->at(value);
  } else {
    const Range range = used_range(samples, pixels, path, values, kDroppedShare);
    map_to_range(values, range);
    warnings.push_back(fmt::format("no window in the file; shown over the values in use, {} to {}",
                                   number_text(range.low), number_text(range.high)));
  }
  std::vector<float> table(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double value = path.inverse ? 1 - values[i] : values[i];
    const bool padding = is_padding(signed_value(static_cast<unsigned>(i), samples), path);
    table[i] = padding ? 0.0F : static_cast<float>(value);
  }
  return table;
}

struct ColourRow {
  int red_green_blue = 0;  ///< largest difference of two channels
  int chroma = 0;          ///< largest distance of the second and third channel from the middle
};

int channel_sample(const Samples& samples, std::size_t place) {
  const unsigned raw = samples.bytes_each == 1 ? unsigned{samples.view[place]}
                                               : unsigned{load_u16(samples.view, place * 2, samples.big_endian)};
  return static_cast<int>((raw >> samples.shift) & ((1U << samples.bits) - 1U));
}

}  // namespace

Rendering render(const Samples& samples, std::uint64_t pixels, const GreyPath& path,
                 std::vector<std::string>& warnings) {
  if (samples.view.size() < pixels * static_cast<std::uint64_t>(samples.bytes_each))
    throw Error(ErrorCode::Internal, "fewer samples than pixels");
  Rendering rendering;
  const std::vector<float> table = display_table(samples, pixels, path, warnings);
  rendering.values.resize(static_cast<std::size_t>(pixels));
  float* out = rendering.values.data();
  const float* lookup = table.data();
  each_sample(samples, pixels, [=](std::size_t i, unsigned sample) { out[i] = lookup[sample]; });
  if (path.padding) {
    std::vector<std::uint8_t> padding(table.size());
    for (std::size_t i = 0; i < padding.size(); ++i)
      padding[i] = is_padding(signed_value(static_cast<unsigned>(i), samples), path) ? 1 : 0;
    std::uint64_t padded = 0;
    each_sample(samples, pixels, [&](std::size_t, unsigned sample) { padded += padding[sample]; });
    rendering.padded = padded;
  }
  const auto first = rendering.values.front();
  if (std::all_of(rendering.values.begin(), rendering.values.end(), [first](float value) { return value == first; }))
    warnings.emplace_back("the picture has no contrast: every pixel is shown alike");
  return rendering;
}

Samples grey_samples(const Samples& colour, const PixelLayout& layout, std::vector<std::string>& warnings) {
  const auto pixels = static_cast<std::size_t>(layout.pixels());
  const int maximum = (1 << colour.bits) - 1, middle = (maximum + 1) / 2;
  const std::size_t step = colour.planar ? 1 : 3, plane = colour.planar ? pixels : 1;
  if (colour.view.size() < pixels * 3 * static_cast<std::size_t>(colour.bytes_each))
    throw Error(ErrorCode::Internal, "fewer samples than pixels");
  // Both readings are tried, because headers and codestreams disagree on them: equal channels, and luminance without
  // colour.
  ColourRow widest;
  for (std::size_t i = 0; i < pixels; ++i) {
    const int a = channel_sample(colour, i * step), b = channel_sample(colour, i * step + plane),
              c = channel_sample(colour, i * step + 2 * plane);
    widest.red_green_blue = std::max({widest.red_green_blue, std::abs(a - b), std::abs(b - c), std::abs(a - c)});
    widest.chroma = std::max({widest.chroma, std::abs(b - middle), std::abs(c - middle)});
  }
  const int tolerance = maximum * 2 / 255, chroma_tolerance = std::max(1, maximum / 255);
  const bool luminance =
      widest.chroma <= chroma_tolerance && (widest.red_green_blue > tolerance || layout.photometric.starts_with("YBR"));
  if (!luminance && widest.red_green_blue > tolerance)
    throw Error(ErrorCode::NotGrey,
                fmt::format("its channels differ by up to {} of {}", widest.red_green_blue, maximum))
        .tag(tag_text(kPhotometric));
  if (!luminance && widest.red_green_blue > 0)
    warnings.push_back(fmt::format("a colour picture whose channels differ by up to {} of {}; their mean is used",
                                   widest.red_green_blue, maximum));
  Samples grey;
  grey.bits = colour.bits;
  grey.owned.resize(pixels * 2);
  for (std::size_t i = 0; i < pixels; ++i) {
    const int a = channel_sample(colour, i * step);
    const int sum =
        luminance ? 3 * a : a + channel_sample(colour, i * step + plane) + channel_sample(colour, i * step + 2 * plane);
    const int value = (sum + 1) / 3;
    grey.owned[2 * i] = static_cast<std::uint8_t>(value & 0xFF);
    grey.owned[2 * i + 1] = static_cast<std::uint8_t>(value >> 8);
  }
  grey.view = grey.owned;
  return grey;
}

}  // namespace rouage::dicom::reading
