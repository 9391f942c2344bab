#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"
#include "dicom/series/resampling.h"
#include "dicom/series/series.h"
#include "dicom/series/slice_pixels.h"
#include "dicom/series/stacks.h"

namespace rouage::dicom {
namespace {

using namespace series;

constexpr float kPaddedHu = -1024;
constexpr double kScoutCosine = 0.985;         ///< normals more than 10 degrees apart
constexpr std::size_t kScouts = 3, kMain = 5;  ///< slices of a scout stack, and of the stack beside it

struct Scan {
  std::vector<FileFacts> files;
  std::vector<SliceFacts> slices;
  std::vector<Digest> digests;
  SeriesReading reading;
  std::set<std::string> scouts_left_out;  ///< series whose localizers were skipped
};

void add_file(Scan& scan, ScannedFile scanned, const SeriesOptions& options) {
  FileFacts& facts = scanned.facts;
  const std::string& wanted = options.series_instance_uid;
  if (!wanted.empty() && facts.header.series_instance_uid != wanted) return;
  const std::size_t file = scan.files.size();
  bool any = false;
  for (SliceFacts& slice : scanned.slices) {
    if (slice.localizer) continue;
    slice.file = file;
    scan.slices.push_back(std::move(slice));
    any = true;
  }
  if (!any) {
    scan.scouts_left_out.insert(facts.header.series_instance_uid);
    scan.reading.skipped.push_back({facts.path, Error(ErrorCode::SeriesRefused, "a localizer, no slice of a volume")
                                                    .tag(reading::tag_text(kImageType))
                                                    .file(facts.path)
                                                    .remedy("give the slices themselves")});
    return;
  }
  scan.files.push_back(std::move(facts));
}

Scan scan_files(std::vector<std::filesystem::path> files, const SeriesOptions& options) {
  if (files.size() > options.most_files)
    throw Error(ErrorCode::SeriesRefused, fmt::format("{} files are over {}", files.size(), options.most_files))
        .remedy("give one series at a time");
  std::sort(files.begin(), files.end());
  files.erase(std::unique(files.begin(), files.end()), files.end());
  initialise();
  Scan scan;
  for (const auto& path : files) try {
      add_file(scan, scan_file(path, options), options);
    } catch (const Error& error) {
      if (error.code() == ErrorCode::Internal || error.code() == ErrorCode::DictionaryMissing) throw;
      scan.reading.skipped.push_back({path, error});
    }
  scan.digests.resize(scan.files.size());
  return scan;
}

/// One object sent twice: the later file of a name is left out when both say the same.
void drop_copies(Scan& scan, const SeriesOptions& options) {
  std::map<std::pair<std::string, std::uint32_t>, std::size_t> known;
  std::vector<SliceFacts> kept;
  std::set<std::size_t> said;
  for (SliceFacts& slice : scan.slices) {
    const FileFacts& file = scan.files[slice.file];
    const auto [place, fresh] = known.try_emplace({file.header.sop_instance_uid, slice.frame}, kept.size());
    bool copy = false;
    if (!fresh && file.referable) try {
        const SliceFacts& first = kept[place->second];
        copy = first.position_mm == slice.position_mm && first.split == slice.split &&
               same_values(first, slice, scan.files, options.file);
      } catch (const Error&) {
        copy = false;  // undecodable: load_slices will say it
      }
    if (copy && said.insert(slice.file).second)
      scan.reading.skipped.push_back(
          {file.path, Error(ErrorCode::SeriesRefused,
                            "the same instance as " + scan.files[kept[place->second].file].path.filename().string() +
                                ", with the same pixels: dropped")
                          .tag(reading::tag_text(0x00080018))
                          .file(file.path)});
    if (!copy) kept.push_back(std::move(slice));
  }
  scan.slices = std::move(kept);
}

/// Slices that share a place: identical ones are dropped and said, others refuse the stack.
void settle_duplicates(Stack& stack, const Scan& scan, const SeriesOptions& options) {
  const Point3 normal = normal_of(*stack.slices.front());
  std::vector<const SliceFacts*> kept;
  std::size_t dropped = 0;
  for (const SliceFacts* slice : stack.slices) {
    if (kept.empty() || dot(slice->position_mm, normal) - dot(kept.back()->position_mm, normal) > kSamePlaceMm) {
      kept.push_back(slice);
      continue;
    }
    const SliceFacts& first = *kept.back();
    double beside = 0;
    for (std::size_t x = 0; x < 3; ++x)
      beside = std::max(beside, std::abs(slice->position_mm[x] - first.position_mm[x]));
    if (beside > kSidewaysMm || !same_values(first, *slice, scan.files, options.file))
      throw Error(ErrorCode::SeriesRefused,
                  fmt::format("two slices at ({:.2f}, {:.2f}, {:.2f}) with different pixels (the other is {}), and no "
                              "attribute tells them apart",
                              first.position_mm[0], first.position_mm[1], first.position_mm[2],
                              scan.files[first.file].path.filename().string()))
          .file(scan.files[slice->file].path)
          .tag(reading::tag_text(kPosition))
          .remedy("give one acquisition at a time");
    ++dropped;
  }
  if (dropped > 0)
    stack.warnings.push_back(fmt::format("{} slices repeated another with the same pixels and were dropped", dropped));
  stack.slices = std::move(kept);
}

/// A few slices of another direction beside a stack: scouts that do not call themselves localizers.
void set_scouts_apart(std::vector<Stack>& stacks, Scan& scan) {
  const auto series = [&](const Stack& s) { return scan.files[s.slices.front()->file].header.series_instance_uid; };
  std::map<std::string, const Stack*> main;
  for (const Stack& stack : stacks) {
    const Stack*& best = main[series(stack)];
    if (best == nullptr || stack.slices.size() > best->slices.size()) best = &stack;
  }
  const auto scout = [&](const Stack& stack) {
    const Stack& best = *main.at(series(stack));
    return &stack != &best && stack.slices.size() <= kScouts && best.slices.size() >= kMain &&
           std::abs(dot(normal_of(*stack.slices.front()), normal_of(*best.slices.front()))) < kScoutCosine;
  };
  std::vector<bool> apart;
  apart.reserve(stacks.size());
  for (const Stack& stack : stacks) apart.push_back(scout(stack));
  std::vector<Stack> kept;
  for (std::size_t i = 0; i < stacks.size(); ++i) {
    if (!apart[i]) continue;
    scan.scouts_left_out.insert(series(stacks[i]));
    for (const SliceFacts* slice : stacks[i].slices)
      scan.reading.skipped.push_back(
          {scan.files[slice->file].path,
           Error(ErrorCode::SeriesRefused, "a scout: a slice of another direction than the stack of its series")
               .file(scan.files[slice->file].path)
               .tag(reading::tag_text(kOrientation))
               .remedy("give it alone if it is wanted")});
  }
  for (std::size_t i = 0; i < stacks.size(); ++i)
    if (!apart[i]) kept.push_back(std::move(stacks[i]));
  stacks = std::move(kept);
}

/// Warnings of the files, each once, with how many files say it where not all do.
void say_files(const std::vector<std::size_t>& files, const Scan& scan, std::vector<std::string>& warnings) {
  std::map<std::string, std::size_t> texts;
  for (const std::size_t file : files) {
    std::set<std::string> own(scan.files[file].warnings.begin(), scan.files[file].warnings.end());
    own.insert(scan.files[file].header.warnings.begin(), scan.files[file].header.warnings.end());
    for (const std::string& text : own) ++texts[text];
  }
  for (const auto& [text, count] : texts)
    warnings.push_back(count == files.size() ? text : fmt::format("{} ({} of {} files)", text, count, files.size()));
}

void say_values(const Stack& stack, const Scan& scan, SeriesVolume& found) {
  const SliceFacts& first = *stack.slices.front();
  const bool changes = std::any_of(stack.slices.begin(), stack.slices.end(), [&](const SliceFacts* s) {
    return s->slope != first.slope || s->intercept != first.intercept;
  });
  if (changes && found.modality != "PT")
    found.warnings.emplace_back(
        "(0028,1053/1052) the rescale changes from slice to slice; each slice has its own applied");
  if (found.padded_voxels > 0)
    found.warnings.push_back(
        fmt::format("{} voxels are marked as padding (0028,0120) and were given one value", found.padded_voxels));
  const FileFacts& file = scan.files[first.file];
  if (file.said_slices && *file.said_slices > static_cast<std::int64_t>(stack.slices.size()))
    found.warnings.push_back(
        fmt::format("(0054,0081) Number of Slices is {}, {} make this stack: it may be cut at its ends",
                    *file.said_slices, stack.slices.size()));
  if (!found.referable) found.warnings.emplace_back("the instances lack UIDs: results cannot refer to them");
  if (scan.scouts_left_out.contains(found.series_instance_uid))
    found.warnings.emplace_back("localizers or scouts of the series were left out");
}

/// Files of DICOM objects that gave nothing: what a gap may be explained by.
std::string skipped_text(const Scan& scan) {
  std::size_t count = 0;
  const SkippedFile* first = nullptr;
  for (const SkippedFile& skipped : scan.reading.skipped) {
    if (skipped.why.code() == ErrorCode::NotDicom || skipped.why.code() == ErrorCode::SeriesRefused) continue;
    ++count;
    if (first == nullptr) first = &skipped;
  }
  if (count == 0) return {};
  return fmt::format("{} file{} could not be read as slices, the first {}: {} {}", count, count == 1 ? "" : "s",
                     first->file.filename().string(), first->why.tag(), first->why.detail());
}

void check_size(const Stack& stack, const Scan& scan, const SeriesOptions& options) {
  const SliceFacts& first = *stack.slices.front();
  std::uint64_t bytes = 0;
  if (multiply_checked({first.rows, first.columns, stack.slices.size(), sizeof(float)}, bytes) &&
      bytes <= options.volume_bytes)
    return;
  throw Error(ErrorCode::SeriesRefused, fmt::format("{} x {} x {} voxels need more than {} bytes", first.columns,
                                                    first.rows, stack.slices.size(), options.volume_bytes))
      .file(scan.files[first.file].path)
      .tag(reading::tag_text(reading::kRows))
      .remedy("raise the limit of memory for a volume");
}

void describe(const Stack& stack, const Scan& scan, SeriesVolume& found) {
  std::map<std::size_t, std::size_t> place;
  std::vector<std::size_t> files;
  for (const SliceFacts* slice : stack.slices) {
    const auto [at, fresh] = place.try_emplace(slice->file, files.size());
    if (fresh) {
      files.push_back(slice->file);
      const FileFacts& file = scan.files[slice->file];
      found.instances.push_back(file.header);
      found.instances.back().file_digest = scan.digests[slice->file];
      found.files.push_back(file.path);
      found.referable = found.referable && file.referable;
    }
    found.slices.push_back({at->second, slice->frame, slice->position_mm});
  }
  const FileFacts& first = scan.files[stack.slices.front()->file];
  found.modality = first.header.modality;
  found.series_instance_uid = first.header.series_instance_uid;
  found.frame_of_reference_uid = first.frame_of_reference_uid;
  found.split_by = stack.split_by;
  found.warnings = stack.warnings;
  say_files(files, scan, found.warnings);
}

SeriesVolume read_stack(Stack& stack, Scan& scan, const SeriesOptions& options) {
  settle_duplicates(stack, scan, options);
  const FileFacts& first = scan.files[stack.slices.front()->file];
  const float padded = options.padded_value.value_or(first.header.modality == "CT" ? kPaddedHu : 0.0F);
  for (;;) {
    const StackGeometry geometry = stack_geometry(stack, scan.files, options);
    check_size(stack, scan, options);
    LoadedSlices loaded = load_slices(stack.slices, scan.files, scan.digests, padded, options);
    if (!loaded.failures.empty()) {
      // What cannot be decoded is not there: geometry says whether the rest stands.
      std::vector<const SliceFacts*> whole;
      for (std::size_t k = 0; k < stack.slices.size(); ++k) {
        if (!loaded.failures[k]) whole.push_back(stack.slices[k]);
        if (loaded.failures[k])
          scan.reading.skipped.push_back({scan.files[stack.slices[k]->file].path, *loaded.failures[k]});
      }
      if (whole.empty()) throw Error(*loaded.failures.front());
      stack.slices = std::move(whole);
      continue;
    }
    SeriesVolume found;
    found.volume.grid = found.source_grid = geometry.grid;
    found.volume.values = std::move(loaded.values);
    found.volume.unit = first.unit;
    found.padded_voxels = loaded.padded;
    describe(stack, scan, found);
    found.warnings.insert(found.warnings.end(), geometry.warnings.begin(), geometry.warnings.end());
    say_values(stack, scan, found);
    if (!geometry.even) {
      found.volume = resampled_evenly(found.volume, geometry);
      found.resampled = true;
      found.warnings.push_back(fmt::format("{} uneven slices were resampled to {} of {:.4g} mm", stack.slices.size(),
                                           found.volume.grid.size[2], found.volume.grid.spacing_mm()[2]));
    }
    if (options.tilt == Tilt::resample && stack.slices.size() > 1) {
      const image::Grid before = found.volume.grid;
      found.volume = untilted(found.volume, padded);
      if (!(found.volume.grid == before)) {
        found.resampled = true;
        found.warnings.emplace_back("the tilted slices were resampled to a straight grid");
      }
    }
    if (const std::string skipped = skipped_text(scan); !skipped.empty()) found.warnings.push_back(skipped);
    return found;
  }
}

/// Nothing became a volume: why the largest stack did not; without stacks, why a file gave no slice (a DICOM object's
/// reason before that of another file).
[[noreturn]] void refuse_all(const SeriesReading& reading, std::size_t files) {
  const auto largest =
      std::max_element(reading.refused.begin(), reading.refused.end(),
                       [](const RefusedStack& a, const RefusedStack& b) { return a.slices < b.slices; });
  if (largest != reading.refused.end()) throw Error(largest->why);
  const SkippedFile* best = nullptr;
  for (const SkippedFile& skipped : reading.skipped)
    if (best == nullptr || (best->why.code() == ErrorCode::NotDicom && skipped.why.code() != ErrorCode::NotDicom))
      best = &skipped;
  if (best == nullptr)
    throw Error(ErrorCode::SeriesRefused, files == 0 ? "there is no file" : "no file is of the wanted series")
        .remedy("give a folder with the slices of a series");
  const ErrorCode code =
      best->why.code() == ErrorCode::HeaderInvalid ? ErrorCode::HeaderInvalid : ErrorCode::SeriesRefused;
  throw Error(code, files == 1 ? best->why.detail()
                               : fmt::format("none of {} files gave a slice; the first: {}", files, best->why.detail()))
      .file(best->file)
      .tag(best->why.tag())
      .remedy(best->why.remedy());
}

}  // namespace

SeriesReading read_series(const std::vector<std::filesystem::path>& files, const SeriesOptions& options) {
  Scan scan = scan_files(files, options);
  drop_copies(scan, options);
  if (!scan.slices.empty()) {
    std::vector<Stack> stacks = stacks_of(scan.slices, scan.files);
    set_scouts_apart(stacks, scan);
    for (Stack& stack : stacks) {
      const std::string series = scan.files[stack.slices.front()->file].header.series_instance_uid;
      const std::size_t slices = stack.slices.size();
      try {
        scan.reading.volumes.push_back(read_stack(stack, scan, options));
      } catch (const Error& error) {
        Error why(error.code(), error.detail());
        if (const std::string skipped = skipped_text(scan); !skipped.empty())
          why = Error(error.code(), error.detail() + "; " + skipped);
        why.file(error.file()).tag(error.tag()).remedy(error.remedy());
        scan.reading.refused.push_back({series, stack.split_by, slices, std::move(why)});
      }
    }
  }
  std::stable_sort(scan.reading.skipped.begin(), scan.reading.skipped.end(),
                   [](const SkippedFile& a, const SkippedFile& b) { return a.file < b.file; });
  if (scan.reading.volumes.empty()) refuse_all(scan.reading, files.size());
  return std::move(scan.reading);
}

SeriesReading read_series(const std::filesystem::path& file_or_folder, const SeriesOptions& options) {
  return read_series(files_below(file_or_folder), options);
}

}  // namespace rouage::dicom
