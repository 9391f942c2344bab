#include <fmt/format.h>
#include <algorithm>
#include <charconv>

#include "app/segment.h"
#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kLargestInput = 1ULL << 40;

void check_channels(std::size_t found, std::size_t wanted) {
  if (wanted == 0 || found == wanted) return;
  throw Error(ErrorCode::RoleMissing,
              fmt::format("the model wants {} channel{}, {} given", wanted, wanted == 1 ? "" : "s", found))
      .remedy("give one IN a channel, in the order of the model's channel names (rouage model show)");
}

SegmentSource read_volume_files(const SegmentArguments& arguments, std::size_t channels) {
  SegmentSource source;
  for (const std::string& input : arguments.inputs) {
    try {
      const image::VolumeHeader header = image::read_volume_header(input);
      for (const image::VolumeWarning& warning : header.warnings)
        source.warnings.push_back(fs::path(input).filename().string() + ": " + warning.text);
      if (!source.header) source.header = header;
      for (image::Volume<float>& volume : image::read_channels(input)) source.channels.push_back(std::move(volume));
    } catch (Error& error) {
      throw error.file(input);
    }
    source.input_uids.push_back(file_digest(input, kLargestInput).hex());
  }
  check_channels(source.channels.size(), channels);
  return source;
}

std::string volumes_text(const dicom::SeriesReading& reading) {
  std::string text;
  for (const dicom::SeriesVolume& volume : reading.volumes)
    text += fmt::format("{}{} ({} slices{}{})", text.empty() ? "" : "; ", volume.series_instance_uid,
                        volume.volume.grid.size[2], volume.split_by.empty() ? "" : ", ", volume.split_by);
  return text;
}

dicom::SeriesVolume read_one_series(const std::vector<fs::path>& files, const SegmentArguments& arguments,
                                    std::vector<std::string>& warnings) {
  dicom::SeriesOptions options;
  options.uneven = arguments.resample_uneven ? dicom::Uneven::resample : dicom::Uneven::refuse;
  options.tilt = arguments.untilt ? dicom::Tilt::resample : dicom::Tilt::keep;
  options.series_instance_uid = arguments.series;
  options.threads = static_cast<unsigned>(std::max(1, arguments.threads));
  dicom::SeriesReading reading =
      files.size() == 1 ? dicom::read_series(files.front(), options) : dicom::read_series(files, options);
  if (reading.volumes.size() != 1)
    throw Error(ErrorCode::SeriesRefused,
                fmt::format("{} volumes are there: {}", reading.volumes.size(), volumes_text(reading)))
        .remedy("give the files of one volume, or choose its series with --series UID");
  for (const dicom::RefusedStack& refused : reading.refused)
    warnings.push_back(std::string("left out: ") + refused.why.what());
  for (const dicom::SkippedFile& skipped : reading.skipped)
    warnings.push_back(std::string("skipped: ") + skipped.why.what());
  dicom::SeriesVolume& volume = reading.volumes.front();
  warnings.insert(warnings.end(), volume.warnings.begin(), volume.warnings.end());
  return std::move(volume);
}

SegmentSource read_dicom(const SegmentArguments& arguments, std::size_t channels) {
  SegmentSource source;
  std::vector<std::vector<fs::path>> groups;
  if (channels > 1)
    for (const std::string& input : arguments.inputs) groups.push_back({input});
  else
    groups.emplace_back(arguments.inputs.begin(), arguments.inputs.end());
  check_channels(groups.size(), channels);
  for (const std::vector<fs::path>& files : groups) {
    dicom::SeriesVolume series = read_one_series(files, arguments, source.warnings);
    source.channels.push_back(std::move(series.volume));
    for (const dicom::InstanceHeader& header : series.instances) source.input_uids.push_back(header.sop_instance_uid);
    if (!source.series) {
      series.volume = {};
      series.volume.grid = source.channels.front().grid;
      source.series = std::move(series);
    }
  }
  return source;
}

}  // namespace

SegmentSource read_segment_source(const SegmentArguments& arguments, std::size_t channels) {
  const auto files = std::count_if(arguments.inputs.begin(), arguments.inputs.end(), [](const std::string& input) {
    return image::is_volume_name(input) && !fs::is_directory(input);
  });
  if (files != 0 && static_cast<std::size_t>(files) != arguments.inputs.size())
    throw Error(ErrorCode::Usage, "volume files and DICOM cannot be mixed as channels of one model");
  SegmentSource source = files != 0 ? read_volume_files(arguments, channels) : read_dicom(arguments, channels);
  for (const image::Volume<float>& channel : source.channels)
    if (!image::same_grid(channel.grid, source.channels.front().grid, 0.1)) {
      if (channel.grid.size != source.channels.front().grid.size)
        throw Error(ErrorCode::GridMismatch, "the channels have different sizes");
      source.warnings.emplace_back("the channels have the same size but not the same place: the first one's counts");
    }
  std::sort(source.input_uids.begin(), source.input_uids.end());
  return source;
}

std::uint64_t bytes_of(const std::string& text) {
  double number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit = lower_case(std::string(end, static_cast<std::size_t>(text.data() + text.size() - end)));
  const double factor = unit.empty() || unit == "b"                    ? 1
                        : unit == "k" || unit == "kb" || unit == "kib" ? 1024.0
                        : unit == "m" || unit == "mb" || unit == "mib" ? 1024.0 * 1024
                        : unit == "g" || unit == "gb" || unit == "gib" ? 1024.0 * 1024 * 1024
                                                                       : 0;
  if (failure != std::errc() || factor == 0 || !(number > 0) || number * factor > 1e18)
    throw Error(ErrorCode::Usage, "\"" + text + "\" is no amount of memory").remedy("for example 6G or 800M");
  return static_cast<std::uint64_t>(number * factor);
}

}  // namespace rouage::app
