/// Writing: whole or not at all, slice by slice, the same bytes each time.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "image/volume/made_volumes.h"

namespace {

using namespace rouage;
using namespace rouage::image;
using made::Folder;
using made::refusal;

LabelMap labels(std::uint16_t most) {
  const Volume<float> phantom = made::phantom(true);
  LabelMap map{phantom.grid, {}, ""};
  for (std::size_t n = 0; n < phantom.values.size(); ++n)
    map.values.push_back(static_cast<std::uint16_t>((n * 131) % (most + 1U)));
  map.values[17] = most;
  return map;
}

TEST(LabelMapWriter, SliceBySliceGivesTheBytesOfTheWhole) {
  const Folder folder;
  for (const std::uint16_t most : {std::uint16_t{254}, std::uint16_t{255}, std::uint16_t{65535}})
    for (const char* ending : {".nii", ".nii.gz", ".nrrd", ".mha"}) {
      const LabelMap map = labels(most);
      const LabelMapWriteOptions options{.labels = {{1, "rate"}, {most, "Leber & <Galle> ]]> \xC3\xA9"}},
                                         .largest_label = most};
      const auto whole = folder / (std::string("whole") + ending), sliced = folder / (std::string("sliced") + ending);
      write_label_map(whole, map, options);
      LabelMapWriter writer(sliced, map.grid, options);
      for (std::uint32_t k = 0; k < map.grid.size[2]; ++k) {
        EXPECT_FALSE(std::filesystem::exists(sliced)) << "nothing appears before it is whole";
        writer.add_slice(map.slice(k));
      }
      writer.finish();
      EXPECT_EQ(made::read_all(whole), made::read_all(sliced)) << ending;
      EXPECT_EQ(read_label_map(sliced).values, map.values) << ending;
      EXPECT_EQ(read_volume_header(sliced).type, most < 255 ? ScalarType::uint8 : ScalarType::uint16);
      std::filesystem::remove(sliced);
    }
}

TEST(LabelMapWriter, MissingAndSuperfluousSlicesAreRefusedAndLeaveNothing) {
  const Folder folder;
  const LabelMap map = labels(9);
  {
    LabelMapWriter writer(folder / "a.nii.gz", map.grid, {.largest_label = 9});
    writer.add_slice(map.slice(0));
    EXPECT_EQ(refusal([&] { writer.finish(); }), ErrorCode::VolumeInvalid);
    EXPECT_EQ(refusal([&] { writer.add_slice(std::span(map.values).first(5)); }), ErrorCode::VolumeInvalid);
    for (std::uint32_t k = 1; k < map.grid.size[2]; ++k) writer.add_slice(map.slice(k));
    EXPECT_EQ(refusal([&] { writer.add_slice(map.slice(0)); }), ErrorCode::VolumeInvalid);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
}

TEST(LabelMapWriter, ALabelAboveTheAnnouncedOneIsRefusedNotCut) {
  const Folder folder;
  const LabelMap map = labels(300);
  LabelMapWriter writer(folder / "a.nii.gz", map.grid, {.largest_label = 200});
  EXPECT_EQ(refusal([&] {
              for (std::uint32_t k = 0; k < map.grid.size[2]; ++k) writer.add_slice(map.slice(k));
            }),
            ErrorCode::VolumeInvalid);
}

long peak_kib() {
  struct rusage use {};
  ::getrusage(RUSAGE_SELF, &use);
  return use.ru_maxrss;
}

TEST(LabelMapWriter, AMapOf800SlicesIsNeverInMemory) {
  const Folder folder;
  const Grid grid{{512, 512, 800}, {}, {{{0.8, 0, 0}, {0, 0.8, 0}, {0, 0, 1}}}};
  std::vector<std::uint16_t> slice(512 * 512);
  const long before = peak_kib();
  LabelMapWriter writer(folder / "a.nii.gz", grid, {.largest_label = 117});
  for (std::uint32_t k = 0; k < 800; ++k) {
    slice[(k * 997U) % slice.size()] = static_cast<std::uint16_t>(k % 118);
    writer.add_slice(slice);
  }
  writer.finish();
  EXPECT_LT(peak_kib() - before, 8 * 1024) << "as uint8 the map would be 200 MiB";
  EXPECT_EQ(read_grid(folder / "a.nii.gz").size[2], 800u);
}

TEST(VolumeWriting, TheSameVolumeGivesTheSameBytes) {
  const Folder folder;
  for (const char* ending : {".nii", ".nii.gz", ".nrrd", ".mha"}) {
    const auto a = folder / (std::string("a") + ending), b = folder / (std::string("b") + ending);
    write_volume(a, made::phantom(true));
    write_volume(b, made::phantom(true));
    EXPECT_EQ(made::read_all(a), made::read_all(b)) << ending;
  }
  const Bytes packed = made::read_all(folder / "a.nii.gz");
  EXPECT_EQ(Bytes(packed.begin() + 3, packed.begin() + 8), Bytes(5)) << "no name and no time in gzip's header";
}

TEST(VolumeWriting, WhatAKilledRunLeftIsOverwritten) {
  const Folder folder;
  made::write(folder / ".a.nii.gz.part", std::string(1 << 20, 'x'));
  write_volume(folder / "a.nii.gz", made::phantom(false));
  EXPECT_EQ(read_volume(folder / "a.nii.gz").values, made::phantom(false).values);
  EXPECT_FALSE(std::filesystem::exists(folder / ".a.nii.gz.part"));
}

TEST(VolumeWriting, SixteenBitVolumesAreKeptExactly) {
  const Folder folder;
  Volume<std::int16_t> volume{made::phantom(true).grid, {}, ""};
  for (std::size_t n = 0; n < volume.grid.voxels(); ++n) volume.values.push_back(static_cast<std::int16_t>(n * 997));
  volume.values[0] = -32768;
  for (const char* ending : {".nii", ".nii.gz", ".nrrd", ".mha"}) {
    write_volume(folder / (std::string("a") + ending), volume);
    const Volume<float> back = read_volume(folder / (std::string("a") + ending));
    EXPECT_TRUE(std::equal(volume.values.begin(), volume.values.end(), back.values.begin())) << ending;
    EXPECT_EQ(read_volume_header(folder / (std::string("a") + ending)).type, ScalarType::int16);
  }
}

TEST(VolumeWriting, WhatCannotBeWrittenIsRefusedBeforeAFileAppears) {
  const Folder folder;
  const Volume<float> good = made::phantom(false);
  Volume<float> few = good, flat = good;
  few.values.pop_back();
  flat.grid.step_mm[2] = {};
  EXPECT_EQ(refusal([&] { write_volume(folder / "a.nii", few); }), ErrorCode::VolumeInvalid);
  EXPECT_EQ(refusal([&] { write_volume(folder / "a.nii", flat); }), ErrorCode::VolumeInvalid);
  EXPECT_EQ(refusal([&] { write_volume(folder / "a.img", good); }), ErrorCode::VolumeInvalid);
  EXPECT_EQ(refusal([&] {
              write_label_map(folder / "a.nii", labels(3), {.labels = {{1, ""}}});
            }),
            ErrorCode::VolumeInvalid);
  EXPECT_EQ(refusal([&] {
              write_label_map(folder / "a.nii", labels(3), {.labels = {{1, "\xFF"}}});
            }),
            ErrorCode::VolumeInvalid);
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  made::write(folder / "file", std::string("x"));
  EXPECT_EQ(refusal([&] { write_volume(folder / "file/a.nii", good); }), ErrorCode::FileUnwritable);
}

TEST(VolumeWriting, NrrdNamesStandAsSlicerReadsThem) {
  const Folder folder;
  write_label_map(folder / "a.nrrd", labels(3), {.labels = {{2, "left\nkidney"}}});
  const Bytes bytes = made::read_all(folder / "a.nrrd");
  const std::string text(bytes.begin(), bytes.begin() + 700);
  EXPECT_NE(text.find("\nSegment0_LabelValue:=2\n"), text.npos);
  EXPECT_NE(text.find("\nSegment0_Name:=left\\nkidney\n"), text.npos);
}

}  // namespace
