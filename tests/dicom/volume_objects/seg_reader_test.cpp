// Segmentations of others and damaged ones.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/host.h"
#include "dicom/volume_objects/made_volumes.h"

namespace rouage::dicom {
namespace {

using image::LabelMap;
using image::Point3;

LabelMap block_map() {
  return made::painted(made::axial_grid(20, 16, 6),
                       [](const Point3& p) { return std::uint16_t(p[0] > -24 && p[2] > 102 ? 1 : 0); });
}

TEST(ReadSeg, readsTheLesionsOfAnotherWriter) {
  const auto folder = made::shared_data() / "pet_seg_qin_headneck";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  int read = 0;
  for (const auto& file : files_below(folder)) {
    if (file.extension() != ".dcm") continue;
    try {
      const ReadSeg seg = read_seg(file);
      ++read;
      EXPECT_GT(seg.segments.size(), 0U) << file;
      for (const ReadSegment& segment : seg.segments) {
        const auto mask = segment_mask(seg, segment.number, seg.grid);
        EXPECT_GT(std::ranges::count(mask.values, 1), 0) << file << " " << segment.label;
      }
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid) << "the PET slices are no segmentations: " << error.what();
    }
  }
  EXPECT_EQ(read, 1);
}

TEST(ReadSeg, everyCutIsRefusedWithTheFilesName) {
  const LabelMap map = block_map();
  for (const SegSyntax syntax : {SegSyntax::explicit_little_endian, SegSyntax::deflated}) {
    const Bytes whole =
        made::bytes_of(made::seg_of(map.grid, {made::segment_of(1, "liver")}, SegKind::binary, syntax), map);
    const auto file = made::fresh_folder("cut") / "seg.dcm";
    for (std::size_t length = 1; length < whole.size(); length += 1 + whole.size() / 97) {
      write_file(file, std::span(whole).first(length));
      try {
        const ReadSeg seg = read_seg(file);
        // Deflate may still give all but padding.
        EXPECT_GT(length, whole.size() - 64);
      } catch (const Error& error) {
        EXPECT_NE(error.file().find("seg.dcm"), std::string::npos) << error.what();
      }
    }
  }
}

TEST(ReadSeg, changedBytesGiveAnErrorOrAValueOnly) {
  const LabelMap map = block_map();
  const Bytes whole = made::bytes_of(
      made::seg_of(map.grid, {made::segment_of(1, "liver")}, SegKind::label_map, SegSyntax::explicit_little_endian),
      map);
  const auto file = made::fresh_folder("fuzz") / "seg.dcm";
  std::mt19937 random(9);
  int refused = 0;
  for (int round = 0; round < 600; ++round) {
    Bytes bytes = whole;
    for (int n = 0; n < 8; ++n) bytes[132 + random() % (bytes.size() - 132)] = static_cast<std::uint8_t>(random());
    write_file(file, bytes);
    try {
      const ReadSeg seg = read_seg(file);
      if (seg.grid.voxels() < 1'000'000) segment_mask(seg, 1, seg.grid);
    } catch (const Error&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, 50) << "seed 9";
}

TEST(ReadSeg, theLimitsAreObeyed) {
  const LabelMap map = block_map();
  const auto file = made::file_of(
      made::seg_of(map.grid, {made::segment_of(1, "liver")}, SegKind::binary, SegSyntax::deflated), map, "limits");
  const auto code_of = [&](const SegLimits& limits) {
    try {
      read_seg(file, limits);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code_of({.bytes = 2500}), ErrorCode::FileTooLarge) << "what inflates beyond it";
  EXPECT_EQ(code_of({.frames = 2}), ErrorCode::HeaderInvalid);
}

TEST(SegmentMask, refusesAGridThatIsNotTheFrames) {
  const LabelMap map = block_map();
  const ReadSeg seg = read_seg(made::file_of(
      made::seg_of(map.grid, {made::segment_of(1, "liver")}, SegKind::binary, SegSyntax::deflated), map, "grid"));
  image::Grid moved = map.grid;
  moved.origin_mm[0] += 0.2;
  EXPECT_THROW(segment_mask(seg, 1, moved), Error);
  moved = map.grid;
  moved.size[2] = 3;
  EXPECT_THROW(segment_mask(seg, 1, moved), Error) << "slices would be lost";
}

}  // namespace
}  // namespace rouage::dicom
