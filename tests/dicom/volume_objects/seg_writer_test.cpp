// Segmentations of volumes: what is written stands where it was, whatever the axes, and is the same bytes each time.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/host.h"
#include "dicom/volume_objects/label_boxes.h"
#include "dicom/volume_objects/made_volumes.h"

namespace rouage::dicom {
namespace {

using image::Grid;
using image::LabelMap;
using image::Point3;

/// Rows and frames that end inside bytes; the first and last two slices, and segment "pancreas", are empty.
LabelMap odd_phantom() {
  LabelMap map = made::painted(made::axial_grid(21, 17, 9), [](const Point3&) { return std::uint16_t{0}; });
  for (std::uint32_t k = 2; k < 7; ++k)
    for (std::uint32_t j = 3; j < 12; ++j)
      for (std::uint32_t i = 2; i < 19; ++i) map.at(i, j, k) = i < 8 ? 5 : j < 6 ? 9 : k == 4 ? 2 : 0;
  map.at(20, 16, 6) = 9;
  return map;
}
std::vector<VolumeSegment> odd_segments() {
  return {made::segment_of(5, "kidney_left"), made::segment_of(2, "liver"), made::segment_of(7, "pancreas"),
          made::segment_of(9, "kidney_cyst_right")};
}

std::string truth_json(const LabelMap& map, const std::string& values, bool empty_frames) {
  const auto list = [](const auto& numbers) {
    std::string text = "[";
    for (const auto& number : numbers) text += (text.size() > 1 ? "," : "") + number_text(double(number));
    return text + "]";
  };
  const Grid& g = map.grid;
  return "{\"size\":" + list(g.size) + ",\"origin\":" + list(g.origin_mm) + ",\"step\":[" + list(g.step_mm[0]) + "," +
         list(g.step_mm[1]) + "," + list(g.step_mm[2]) + "],\"values\":" + values +
         ",\"empty_frames\":" + (empty_frames ? "true" : "false") + ",\"labels\":" + list(map.values) + "}";
}

void expect_pydicom_equal(const SegVolumeObject& object, const LabelMap& map, const std::string& values,
                          bool empty_frames = false) {
  const auto file = made::file_of(object, map, "pydicom");
  const std::string truth = truth_json(map, values, empty_frames);
  const auto truth_file = file.parent_path() / "truth.json";
  write_file(truth_file, std::span(reinterpret_cast<const std::uint8_t*>(truth.data()), truth.size()));
  const auto outcome =
      made::run_command("/usr/bin/python3 " + std::string(ROUAGE_SOURCE_DIR) +
                        "/tests/dicom/volume_objects/seg_pydicom.py " + file.string() + " " + truth_file.string());
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_TRUE(outcome.output.starts_with("equal")) << outcome.output;
}

constexpr SegSyntax kSyntaxes[] = {SegSyntax::explicit_little_endian, SegSyntax::deflated};

TEST(PackBox, isTheBitByBitReference) {
  std::mt19937 random(5);
  for (int round = 0; round < 400; ++round) {
    const std::uint32_t columns = 1 + random() % 40, rows = 1 + random() % 6;
    std::vector<std::uint16_t> plane(columns * rows);
    for (auto& value : plane) value = random() % 3 == 0 ? 0x8001 : random() % 2;
    LabelBox box;
    box.row_first = random() % rows;
    box.row_last = box.row_first + random() % (rows - box.row_first);
    box.column_first = random() % columns;
    box.column_last = box.column_first + random() % (columns - box.column_first);
    const std::uint64_t start = random() % 17;
    Bytes fast((columns * rows + start) / 8 + 2, 0), slow = fast;
    pack_box(plane, columns, box, 0x8001, start, fast);
    ref_pack_box(plane, columns, box, 0x8001, start, slow);
    ASSERT_EQ(fast, slow) << "round " << round << ", seed 5";
  }
}

TEST(WriteSegVolume, pydicomReadsBothKindsInBothSyntaxes) {
  if (!made::pydicom_exists()) GTEST_SKIP() << "pydicom is not there";
  const LabelMap map = odd_phantom();
  for (const SegSyntax syntax : kSyntaxes) {
    expect_pydicom_equal(made::seg_of(map.grid, odd_segments(), SegKind::binary, syntax), map,
                         R"({"1":5,"2":2,"3":7,"4":9})");
    expect_pydicom_equal(made::seg_of(map.grid, odd_segments(), SegKind::label_map, syntax), map,
                         R"({"5":5,"2":2,"7":7,"9":9})");
  }
}

TEST(WriteSegVolume, pydicomReadsSixteenBitLabels) {
  if (!made::pydicom_exists()) GTEST_SKIP() << "pydicom is not there";
  LabelMap map = odd_phantom();
  for (auto& value : map.values)
    if (value == 9) value = 40'000;
  std::vector<VolumeSegment> segments = odd_segments();
  segments.back().value = 40'000;
  expect_pydicom_equal(made::seg_of(map.grid, segments, SegKind::label_map, SegSyntax::deflated), map,
                       R"({"5":5,"2":2,"7":7,"40000":40000})");
}

TEST(WriteSegVolume, dciodvfyFindsNoErrorInBinary) {
  if (!made::program_exists("dciodvfy")) GTEST_SKIP() << "dciodvfy is not there";
  const LabelMap map = odd_phantom();
  SegVolumeObject object = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::explicit_little_endian);
  EXPECT_EQ(made::dciodvfy_errors(made::file_of(object, map, "iod")), "");
  object.sources.clear();
  object.frame_of_reference_uid.clear();
  EXPECT_EQ(made::dciodvfy_errors(made::file_of(object, map, "iod")), "") << "without source images";
}

// DCMTK inflates and reads the pixel data; the frames are counted out of its bytes by hand.
TEST(WriteSegVolume, dcmtkReadsTheBits) {
  const LabelMap map = odd_phantom();
  const auto file =
      made::file_of(made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::deflated), map, "tk");
  DcmFileFormat format;
  ASSERT_TRUE(format.loadFile(file.c_str()).good());
  DcmDataset* set = format.getDataset();
  const Uint8* bits = nullptr;
  unsigned long count = 0;
  ASSERT_TRUE(set->findAndGetUint8Array(DCM_PixelData, bits, &count).good());
  DcmSequenceOfItems* frames = nullptr;
  ASSERT_TRUE(set->findAndGetSequence(DCM_PerFrameFunctionalGroupsSequence, frames).good());
  const std::uint64_t plane = 21 * 17;
  ASSERT_EQ(count, (frames->card() * plane + 15) / 16 * 2);
  LabelMap found = map;
  std::fill(found.values.begin(), found.values.end(), 0);
  const std::uint16_t values[] = {5, 2, 7, 9};
  for (unsigned long f = 0; f < frames->card(); ++f) {
    DcmItem *identification = nullptr, *position = nullptr;
    ASSERT_TRUE(frames->getItem(f)->findAndGetSequenceItem(DCM_SegmentIdentificationSequence, identification).good());
    ASSERT_TRUE(frames->getItem(f)->findAndGetSequenceItem(DCM_PlanePositionSequence, position).good());
    Uint16 number = 0;
    Float64 z = 0;
    identification->findAndGetUint16(DCM_ReferencedSegmentNumber, number);
    position->findAndGetFloat64(DCM_ImagePositionPatient, z, 2);
    const auto k = static_cast<std::size_t>(std::lround((z - 100) / 2.5));
    for (std::uint64_t i = 0; i < plane; ++i)
      if ((bits[(f * plane + i) / 8] >> ((f * plane + i) % 8)) & 1) found.values[k * plane + i] = values[number - 1];
  }
  EXPECT_EQ(found.values, map.values);
}

// SEG-7, SEG-8
TEST(WriteSegVolume, leavesEmptyFramesOutAndKeepsEmptySegments) {
  const LabelMap map = odd_phantom();
  const SegVolumeObject object = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::deflated);
  std::uint64_t size = 0;
  const SegWritten written = write_seg_volume(object, made::source_of(map), [&](auto bytes) { size += bytes.size(); });
  EXPECT_EQ(written.frames, 5U + 1 + 0 + 5);
  EXPECT_EQ(written.frames_of, (std::vector<std::uint64_t>{5, 1, 0, 5}));
  EXPECT_EQ(written.segment_numbers, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(written.bytes, size);
  EXPECT_TRUE(written.warnings.empty());
  const ReadSeg seg = read_seg(made::file_of(object, map, "read"));
  ASSERT_EQ(seg.segments.size(), 4U);
  EXPECT_EQ(seg.segments[2].label, "pancreas");
  EXPECT_EQ(std::ranges::count(segment_mask(seg, 3, map.grid).values, 1), 0);
  EXPECT_EQ(seg.frames.front().dimension_position, 3U) << "slice 2 of the whole grid, from 1";
}

TEST(WriteSegVolume, aMapWithoutAnythingIsOneEmptyFrame) {
  LabelMap map = odd_phantom();
  std::fill(map.values.begin(), map.values.end(), 0);
  const auto object = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::deflated);
  const ReadSeg seg = read_seg(made::file_of(object, map, "empty"));
  EXPECT_EQ(seg.frames.size(), 1U);
  for (int number = 1; number <= 4; ++number)
    EXPECT_EQ(std::ranges::count(segment_mask(seg, number, map.grid).values, 1), 0);
  if (made::pydicom_exists()) expect_pydicom_equal(object, map, R"({"1":5,"2":2,"3":7,"4":9})", true);
}

/// A marker that is nowhere symmetric: left, behind, above the middle, longer to the left than to the back.
std::uint16_t marker(const Point3& p) {
  if (p[0] > 4 && p[0] < 17 && p[1] > 3 && p[1] < 9 && p[2] > 6 && p[2] < 12) return 1;
  return p[0] < -8 && p[1] < -8 && p[2] < -5 ? 2 : 0;
}

Grid signed_permutation(int order, int signs) {
  std::array<std::size_t, 3> axes{0, 1, 2};
  for (int n = 0; n < order; ++n) std::next_permutation(axes.begin(), axes.end());
  const std::array<double, 3> spacing{1.5, 2, 2.5};
  const std::array<std::uint32_t, 3> size{25, 15, 11};
  Grid grid;
  for (std::size_t a = 0; a < 3; ++a) {
    const double sign = (signs >> a & 1) != 0 ? -1 : 1;
    grid.size[a] = size[axes[a]];
    grid.step_mm[a] = {};
    grid.step_mm[a][axes[a]] = sign * spacing[axes[a]];
    grid.origin_mm[axes[a]] = -sign * spacing[axes[a]] * (size[axes[a]] - 1) / 2;
  }
  return grid;
}

void expect_in_place(const LabelMap& map, SegKind kind) {
  const auto object = made::seg_of(map.grid, {made::segment_of(1, "spleen"), made::segment_of(2, "liver")}, kind,
                                   SegSyntax::explicit_little_endian);
  const ReadSeg seg = read_seg(made::file_of(object, map, "axes"));
  for (std::uint16_t number = 1; number <= 2; ++number) {
    const auto here = segment_mask(seg, number, map.grid), there = segment_mask(seg, number, seg.grid);
    for (std::size_t v = 0; v < map.values.size(); ++v)
      ASSERT_EQ(here.values[v] != 0, map.values[v] == number) << map.grid.orientation();
    std::size_t inside = 0;
    for (std::uint32_t k = 0; k < seg.grid.size[2]; ++k)
      for (std::uint32_t j = 0; j < seg.grid.size[1]; ++j)
        for (std::uint32_t i = 0; i < seg.grid.size[0]; ++i)
          if (there.at(i, j, k) != 0) {
            ++inside;
            ASSERT_EQ(marker(seg.grid.position(i, j, k)), number) << map.grid.orientation();
          }
    EXPECT_EQ(inside, std::ranges::count(map.values, number)) << map.grid.orientation();
  }
}

// SEG-1
TEST(WriteSegVolume, theMarkerStaysAtItsPlaceInAll48AxisOrders) {
  for (int order = 0; order < 6; ++order)
    for (int signs = 0; signs < 8; ++signs) {
      const LabelMap map = made::painted(signed_permutation(order, signs), marker);
      ASSERT_GT(std::ranges::count(map.values, 1), 20);
      expect_in_place(map, SegKind::binary);
      expect_in_place(map, SegKind::label_map);
    }
}

/// Turned about two axes; slices sheared by a gantry tilt of 20 degrees.
Grid oblique_grid() {
  Grid grid;
  grid.size = {23, 19, 13};
  const double a = 0.4, b = -0.3;
  const Point3 x{std::cos(a), std::sin(a) * std::cos(b), std::sin(a) * std::sin(b)};
  const Point3 y{-std::sin(a), std::cos(a) * std::cos(b), std::cos(a) * std::sin(b)};
  const Point3 z{0, -std::sin(b), std::cos(b)};
  for (std::size_t n = 0; n < 3; ++n) {
    grid.step_mm[0][n] = 1.6 * x[n];
    grid.step_mm[1][n] = 2.1 * y[n];
    grid.step_mm[2][n] = 2.4 * (z[n] + std::tan(20 * M_PI / 180) * y[n]);
  }
  const Point3 middle = grid.position(11, 9, 6);
  grid.origin_mm = {-middle[0], -middle[1], -middle[2]};
  return grid;
}

TEST(WriteSegVolume, obliqueAndTiltedGridsKeepTheirPlace) {
  const LabelMap map = made::painted(oblique_grid(), marker);
  ASSERT_GT(std::ranges::count(map.values, 1), 10);
  expect_in_place(map, SegKind::binary);
  expect_in_place(map, SegKind::label_map);
  if (!made::pydicom_exists()) return;
  expect_pydicom_equal(made::seg_of(map.grid, {made::segment_of(1, "spleen"), made::segment_of(2, "liver")},
                                    SegKind::binary, SegSyntax::deflated),
                       map, R"({"1":1,"2":2})");
}

TEST(WriteSegVolume, theSameBytesTwiceAndWithTwoThreads) {
  // Enough frames for several blocks: 64 x 64 bits are 512 bytes, 8192 frames a block of 4 MiB.
  LabelMap map;
  map.grid = made::axial_grid(64, 64, 700);
  map.values.resize(map.grid.voxels());
  for (std::size_t v = 0; v < map.values.size(); ++v) map.values[v] = v % 64 < 60 ? 1 + v % 64 / 4 : 0;
  std::vector<VolumeSegment> segments;
  for (std::uint16_t value = 1; value <= 15; ++value)
    segments.push_back(made::segment_of(value, "part_" + std::to_string(value)));
  for (const SegKind kind : {SegKind::binary, SegKind::label_map})
    for (const SegSyntax syntax : kSyntaxes) {
      SegVolumeObject object = made::seg_of(map.grid, segments, kind, syntax);
      const Bytes once = made::bytes_of(object, map);
      EXPECT_EQ(once, made::bytes_of(object, map));
      object.threads = 2;
      EXPECT_EQ(once, made::bytes_of(object, map)) << "two threads";
      EXPECT_EQ(once.size() % 2, 0U);
      const auto file = made::fresh_folder("blocks") / "seg.dcm";
      write_file(file, once);
      const ReadSeg seg = read_seg(file);
      ASSERT_EQ(seg.frames.size(), kind == SegKind::binary ? 15U * 700 : 700U);
      EXPECT_EQ(std::ranges::count(segment_mask(seg, 15, map.grid).values, 1), 4L * 64 * 700);
    }
}

TEST(WriteSegVolume, anEnhancedSourceIsReferredToByFrame) {
  const LabelMap map = odd_phantom();
  SegVolumeObject object = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::explicit_little_endian);
  for (std::size_t k = 0; k < object.sources.size(); ++k) {
    object.sources[k].sop_class_uid = "1.2.840.10008.5.1.4.1.1.2.1";
    object.sources[k].sop_instance_uid = "1.2.3.4.1";
    object.sources[k].frame = static_cast<int>(k) + 1;
  }
  const auto file = made::file_of(object, map, "enhanced");
  const ReadSeg seg = read_seg(file);
  for (const ReadFrame& frame : seg.frames) {
    EXPECT_EQ(frame.source.sop_instance_uid, "1.2.3.4.1");
    EXPECT_EQ(frame.source.frame, static_cast<int>(frame.dimension_position));
  }
  if (made::program_exists("dciodvfy")) EXPECT_EQ(made::dciodvfy_errors(file), "");
}

TEST(WriteSegVolume, saysWhenItRefersToNoImages) {
  const LabelMap map = odd_phantom();
  SegVolumeObject object = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::deflated);
  object.sources.clear();
  object.frame_of_reference_uid.clear();
  const SegWritten written = write_seg_volume(object, made::source_of(map), [](auto) {});
  EXPECT_EQ(written.warnings.size(), 2U);
  const ReadSeg seg = read_seg(made::file_of(object, map, "alone"));
  EXPECT_TRUE(seg.frame_of_reference_uid.starts_with("2.25.")) << seg.frame_of_reference_uid;
  EXPECT_EQ(seg.frames.front().source.sop_instance_uid, "");
}

ErrorCode refusal(const SegVolumeObject& object, const LabelSource& labels) {
  try {
    write_seg_volume(object, labels, [](auto) {});
  } catch (const Error& error) {
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(WriteSegVolume, refusesWhatWouldBeLostOrWrong) {
  const LabelMap map = odd_phantom();
  const auto source = made::source_of(map);
  const SegVolumeObject good = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::deflated);
  SegVolumeObject object = good;
  object.segments.pop_back();
  EXPECT_EQ(refusal(object, source), ErrorCode::WriteInvalid) << "label 9 would be lost";
  object = good;
  object.segments.push_back(object.segments.front());
  EXPECT_EQ(refusal(object, source), ErrorCode::WriteInvalid) << "label 5 twice";
  object = good;
  object.segments.front().value = 0;
  EXPECT_EQ(refusal(object, source), ErrorCode::WriteInvalid) << "the background";
  object = good;
  object.segments.clear();
  EXPECT_EQ(refusal(object, source), ErrorCode::WriteInvalid);
  object = good;
  object.sources.pop_back();
  EXPECT_EQ(refusal(object, source), ErrorCode::GridMismatch) << "a slice without its image";
  object = good;
  object.grid.size[0] = 20;
  EXPECT_EQ(refusal(object, source), ErrorCode::GridMismatch);
  object = good;
  object.grid.step_mm[0][1] = 0.2;
  EXPECT_EQ(refusal(object, source), ErrorCode::WriteInvalid) << "sheared in the plane";
  object = good;
  object.frame.source.study_instance_uid.clear();
  object.frame.source.patient_and_study.clear();
  EXPECT_EQ(refusal(object, source), ErrorCode::WriteInvalid);
}

TEST(WriteSegVolume, refusesMoreThanFourGibibytesBeforeItWrites) {
  // 255 segments in each of 10 slices of 4096 x 4096: 2550 frames of 2 MiB.
  std::vector<std::uint16_t> plane(std::size_t{4096} * 4096, 0);
  std::vector<VolumeSegment> segments;
  for (std::uint16_t value = 1; value <= 255; ++value) {
    plane[value] = value;
    segments.push_back(made::segment_of(value, "part_" + std::to_string(value)));
  }
  const SegVolumeObject object =
      made::seg_of(made::axial_grid(4096, 4096, 10), segments, SegKind::binary, SegSyntax::deflated);
  std::size_t pieces = 0;
  try {
    write_seg_volume(
        object, [&](std::uint32_t) { return std::span<const std::uint16_t>(plane); }, [&](auto) { ++pieces; });
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::WriteInvalid);
    EXPECT_NE(error.remedy().find("label map"), std::string::npos) << error.what();
  }
  EXPECT_EQ(pieces, 0U);
  EXPECT_EQ(split_seg(object, [&](std::uint32_t) { return std::span<const std::uint16_t>(plane); }).size(), 2U);
}

TEST(SplitSeg, partsHoldEverySegmentOnceAndReadBackEqual) {
  const LabelMap map = odd_phantom();
  const SegVolumeObject whole = made::seg_of(map.grid, odd_segments(), SegKind::binary, SegSyntax::deflated);
  EXPECT_EQ(split_seg(whole, made::source_of(map)).size(), 1U);
  const auto parts = split_seg(whole, made::source_of(map), 300);  // a frame has 45 bytes
  ASSERT_GT(parts.size(), 1U);
  std::vector<std::string> labels, uids;
  for (const SegVolumeObject& part : parts) {
    uids.push_back(part.frame.sop_instance_uid);
    const ReadSeg seg = read_seg(made::file_of(part, map, "part"));
    EXPECT_LE(seg.pixels.size(), 300U);
    for (std::size_t n = 0; n < part.segments.size(); ++n) {
      labels.push_back(part.segments[n].label);
      const auto mask = segment_mask(seg, static_cast<int>(n + 1), map.grid);
      for (std::size_t v = 0; v < map.values.size(); ++v)
        ASSERT_EQ(mask.values[v] != 0, map.values[v] == part.segments[n].value);
    }
  }
  EXPECT_EQ(labels, (std::vector<std::string>{"kidney_left", "liver", "pancreas", "kidney_cyst_right"}));
  EXPECT_EQ(std::ranges::adjacent_find(uids), uids.end());
}

}  // namespace
}  // namespace rouage::dicom
