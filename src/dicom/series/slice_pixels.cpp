#include "dicom/series/slice_pixels.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <thread>

#include "base/host.h"

namespace rouage::dicom::series {
namespace {

using reading::Samples;

struct Transformation {
  double slope = 1, intercept = 0;
  std::optional<std::pair<std::int32_t, std::int32_t>> padding;
  float padded_value = 0;
};

template <class SampleAt>
std::uint64_t transform_by(const SampleAt& sample_at, const Samples& samples, const Transformation& t,
                           std::span<float> out) {
  const std::uint32_t mask = (1U << samples.bits) - 1U, sign = samples.is_signed ? 1U << (samples.bits - 1) : 0U;
  const int shift = samples.shift;
  const auto stored_at = [&](std::size_t i) {
    const std::uint32_t bits = (sample_at(i) >> shift) & mask;
    return static_cast<std::int32_t>(bits ^ sign) - static_cast<std::int32_t>(sign);
  };
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(t.slope * stored_at(i) + t.intercept);
  if (!t.padding) return 0;
  std::uint64_t padded = 0;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int32_t stored = stored_at(i);
    if (stored < t.padding->first || stored > t.padding->second) continue;
    out[i] = t.padded_value;
    ++padded;
  }
  return padded;
}

std::uint64_t transform(const Samples& samples, const Transformation& t, std::span<float> out) {
  const std::uint8_t* bytes = samples.view.data();
  if (samples.bytes_each == 1)
    return transform_by([bytes](std::size_t i) { return std::uint32_t{bytes[i]}; }, samples, t, out);
  const std::size_t low = samples.big_endian ? 1 : 0, high = 1 - low;
  return transform_by(
      [=](std::size_t i) { return std::uint32_t{bytes[2 * i + low]} | std::uint32_t{bytes[2 * i + high]} << 8; },
      samples, t, out);
}

/// Slices begin..end of the stack, by one thread.
struct Share {
  std::size_t begin = 0, end = 0;
  std::uint64_t padded = 0;
  std::exception_ptr problem;
};

}  // namespace

const reading::OpenObject& SliceReader::open(std::size_t file) {
  if (opened_ == file) return *object_;
  opened_ = SIZE_MAX;
  auto object = std::make_unique<reading::OpenObject>(files_[file].path);
  ReadLimits limits = limits_;
  limits.file_bytes = std::min<std::uint64_t>(limits.file_bytes, 1024 * kMebibyte);
  object->parsed = reading::parse_file(object->bytes, limits);
  object_ = std::move(object);
  opened_ = file;
  return *object_;
}

std::uint64_t SliceReader::read(const SliceFacts& slice, float padded_value, std::span<float> out) {
  const FileFacts& file = files_[slice.file];
  try {
    const reading::OpenObject& object = open(slice.file);
    std::vector<std::string> said_before;
    const auto* pixels = object.parsed.dataset.find(reading::kPixelData);
    if (pixels == nullptr) throw Error(ErrorCode::NoPixelData, "the file has changed while it was read");
    const Samples samples =
        reading::frame_samples(object.parsed.dataset, object.parsed.syntax, file.layout, slice.frame, said_before);
    if (samples.view.size() / static_cast<std::size_t>(samples.bytes_each) < out.size() || samples.bits < 1 ||
        samples.bits > 16)
      throw Error(ErrorCode::PixelDataTruncated, "the decoded frame is smaller than the header says")
          .tag(reading::tag_text(reading::kPixelData));
    return transform(samples, {slice.slope, slice.intercept, file.padding, padded_value}, out);
  } catch (Error& error) {
    throw error.file(file.path);
  }
}

Digest SliceReader::digest(const SliceFacts& slice) {
  return sha256(open(slice.file).bytes);
}

LoadedSlices load_slices(const std::vector<const SliceFacts*>& slices, std::span<const FileFacts> files,
                         std::vector<Digest>& digests, float padded_value, const SeriesOptions& options) {
  LoadedSlices loaded;
  const std::size_t plane = std::size_t{slices.front()->rows} * slices.front()->columns;
  loaded.values.resize(plane * slices.size());
  loaded.failures.resize(slices.size());
  // A file's digest is taken with its first slice, so that no two threads set it.
  std::vector<bool> seen(files.size(), false), first(slices.size(), false);
  for (std::size_t k = 0; k < slices.size(); ++k) {
    first[k] = !seen[slices[k]->file];
    seen[slices[k]->file] = true;
  }
  const std::size_t count = std::clamp<std::size_t>(options.threads, 1, slices.size());
  std::vector<Share> shares(count);
  for (std::size_t t = 0; t < count; ++t)
    shares[t] = {slices.size() * t / count, slices.size() * (t + 1) / count, 0, nullptr};
  const auto work = [&](Share& share) {
    try {
      SliceReader reader(files, options.file);
      for (std::size_t k = share.begin; k < share.end; ++k) try {
          if (first[k]) digests[slices[k]->file] = reader.digest(*slices[k]);
          share.padded += reader.read(*slices[k], padded_value, std::span(loaded.values).subspan(k * plane, plane));
        } catch (const Error& error) {
          loaded.failures[k] = error;
        }
    } catch (...) {
      share.problem = std::current_exception();
    }
  };
  std::vector<std::thread> threads;
  for (std::size_t t = 1; t < count; ++t) threads.emplace_back(work, std::ref(shares[t]));
  work(shares[0]);
  for (std::thread& thread : threads) thread.join();
  for (const Share& share : shares) {
    if (share.problem) std::rethrow_exception(share.problem);
    loaded.padded += share.padded;
  }
  const auto failed = [](const std::optional<Error>& e) { return e.has_value(); };
  if (std::none_of(loaded.failures.begin(), loaded.failures.end(), failed)) loaded.failures.clear();
  return loaded;
}

bool same_values(const SliceFacts& a, const SliceFacts& b, std::span<const FileFacts> files, const ReadLimits& limits) {
  if (a.rows != b.rows || a.columns != b.columns) return false;
  SliceReader reader(files, limits);
  std::vector<float> first(std::size_t{a.rows} * a.columns), second(first.size());
  reader.read(a, 0, first);
  reader.read(b, 0, second);
  return first == second;
}

}  // namespace rouage::dicom::series
