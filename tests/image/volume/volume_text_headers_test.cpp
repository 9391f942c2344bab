/// NRRD and MetaImage by their headers: spellings, spaces, packing, detached voxels, channels.
#include <gtest/gtest.h>

#include "image/volume/made_volumes.h"

namespace {

using namespace rouage;
using namespace rouage::image;
using made::Folder;
using made::refusal;
using made::said;

/// 2 x 2 x 1 voxels of int16 little-endian: 1, 2, 3, -4.
const std::string kVoxels("\1\0\2\0\3\0\xFC\xFF", 8);
const std::vector<float> kValues{1, 2, 3, -4};

class TextHeader : public ::testing::Test {
 protected:
  static std::string nrrd(const std::string& fields) { return "NRRD0004\n# made\n" + fields + "\n"; }
  const std::string kNrrdSizes = "type: short\ndimension: 3\nsizes: 2 2 1\nencoding: raw\nendian: little\n";
  const std::string kNrrdPlace =
      "space: left-posterior-superior\nspace directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\n";
  const std::string kMeta =
      "ObjectType = Image\nNDims = 3\nDimSize = 2 2 1\nElementType = MET_SHORT\nElementSpacing = 2 3 4\n";
  const std::string kMetaPlace = "TransformMatrix = 1 0 0 0 1 0 0 0 1\nOffset = 10 20 30\n";
  std::filesystem::path file(const std::string& name, const std::string& text) {
    made::write(folder_ / name, text);
    return folder_ / name;
  }
  Folder folder_;
};

TEST_F(TextHeader, NrrdSaysPlaceAndValues) {
  const auto path = file("a.nrrd", nrrd(kNrrdSizes + kNrrdPlace) + kVoxels);
  const Volume<float> volume = read_volume(path);
  EXPECT_EQ(volume.values, kValues);
  EXPECT_EQ(volume.grid.origin_mm, (Point3{10, 20, 30}));
  EXPECT_EQ(volume.grid.spacing_mm(), (Point3{2, 3, 4}));
  EXPECT_EQ(volume.grid.orientation(), "LPS");
  EXPECT_TRUE(read_volume_header(path).warnings.empty());
}

TEST_F(TextHeader, NrrdSpacesBecomeLps) {
  const auto place = [&](const std::string& space) {
    return read_volume_header(file(
        "a.nrrd",
        nrrd(kNrrdSizes + space + "space directions: (2,0,0) (0,3,0) (0,0,4)\nspace origin: (10,20,30)\n") + kVoxels));
  };
  for (const char* ras : {"space: right-anterior-superior\n", "space: RAS\n"}) {
    EXPECT_EQ(place(ras).grid.origin_mm, (Point3{-10, -20, 30})) << ras;
    EXPECT_EQ(place(ras).grid.orientation(), "RAS");
  }
  EXPECT_EQ(place("space: left-anterior-superior\n").grid.orientation(), "LAS");
  EXPECT_EQ(place("space: LPS\r\n").grid.orientation(), "LPS");
  for (const char* open : {"", "space dimension: 3\n", "space: scanner-xyz\n", "space: 3D-right-handed\n"}) {
    EXPECT_TRUE(said(place(open), VolumeWarningCode::place_unknown)) << open;
    EXPECT_EQ(place(open).grid.orientation(), "LPS");
  }
  EXPECT_EQ(refusal([&] { place("space: left-posterior-superior-time\n"); }), ErrorCode::VolumeInvalid);
}

TEST_F(TextHeader, NrrdUnitsAreConverted) {
  const auto header = read_volume_header(
      file("a.nrrd", nrrd(kNrrdSizes + kNrrdPlace + "space units: \"cm\" \"cm\" \"cm\"\n") + kVoxels));
  EXPECT_TRUE(said(header, VolumeWarningCode::unit_converted));
  EXPECT_EQ(header.grid.spacing_mm(), (Point3{20, 30, 40}));
  EXPECT_EQ(header.grid.origin_mm, (Point3{100, 200, 300}));
  EXPECT_EQ(
      refusal([&] {
        read_grid(file("b.nrrd", nrrd(kNrrdSizes + kNrrdPlace + "space units: \"cm\" \"mm\" \"mm\"\n") + kVoxels));
      }),
      ErrorCode::VolumeInvalid);
}

TEST_F(TextHeader, NrrdSpacingsAloneArePlacedByConventionAndSaid) {
  const auto path = file("a.nrrd", nrrd(kNrrdSizes + "spacings: 2 3 4\n") + kVoxels);
  EXPECT_TRUE(said(read_volume_header(path), VolumeWarningCode::place_unknown));
  EXPECT_EQ(read_grid(path).spacing_mm(), (Point3{2, 3, 4}));
  EXPECT_EQ(refusal([&] { read_grid(file("b.nrrd", nrrd(kNrrdSizes) + kVoxels)); }), ErrorCode::VolumeInvalid)
      << "a missing spacing is never 1";
}

TEST_F(TextHeader, NrrdChannelsFirstAndLast) {
  const std::string rest =
      "dimension: 4\nencoding: raw\nendian: little\nspace: LPS\nspace origin: (0,0,0)\ntype: int16\n";
  const auto first = read_channels(file("a.nrrd", nrrd(rest + "sizes: 2 2 1 1\nkinds: vector domain domain domain\n"
                                                              "space directions: none (1,0,0) (0,1,0) (0,0,1)\n") +
                                                      kVoxels));
  ASSERT_EQ(first.size(), 2u);
  EXPECT_EQ(first[0].values, (std::vector<float>{1, 3}));
  EXPECT_EQ(first[1].values, (std::vector<float>{2, -4}));
  const auto last = read_channels(
      file("b.nrrd", nrrd(rest + "sizes: 2 1 1 2\nspace directions: (1,0,0) (0,1,0) (0,0,1) none\n") + kVoxels));
  ASSERT_EQ(last.size(), 2u);
  EXPECT_EQ(last[1].values, (std::vector<float>{3, -4}));
  EXPECT_EQ(refusal([&] {
              read_channels(file(
                  "c.nrrd", nrrd(rest + "sizes: 2 2 1 1\nspace directions: (1,0,0) none (0,1,0) (0,0,1)\n") + kVoxels));
            }),
            ErrorCode::VolumeInvalid);
}

TEST_F(TextHeader, NrrdDetachedVoxelsWithSkips) {
  file("v.raw", "two\nlines\nxyz" + kVoxels);
  const auto path =
      file("a.nhdr", "NRRD0004\n" + kNrrdSizes + kNrrdPlace + "line skip: 2\nbyte skip: 3\ndata file: v.raw\n");
  EXPECT_EQ(read_volume(path).values, kValues);
  const auto end = file("b.nhdr", "NRRD0004\n" + kNrrdSizes + kNrrdPlace + "byteskip: -1\ndatafile: v.raw");
  EXPECT_EQ(read_volume(end).values, kValues);
}

TEST_F(TextHeader, NrrdKeysAndValuesPlaceNothing) {
  const auto path = file("a.nrrd", nrrd(kNrrdSizes + kNrrdPlace + "sizes:=9 9 9\nDICOM:0010:=space: RAS\n") + kVoxels);
  EXPECT_EQ(read_volume(path).values, kValues);
}

TEST_F(TextHeader, NrrdThatIsNotReadIsRefusedByName) {
  const auto with = [&](std::string fields, const std::string& from, const std::string& to) {
    const std::size_t at = fields.find(from);
    EXPECT_NE(at, fields.npos) << from;
    fields.replace(at, from.size(), to);
    return refusal([&] { read_volume(file("a.nrrd", nrrd(fields) + kVoxels)); });
  };
  const std::string good = kNrrdSizes + kNrrdPlace;
  EXPECT_EQ(with(good, "raw", "raw"), std::nullopt);
  for (const auto& [from, to] :
       std::vector<std::pair<std::string, std::string>>{{"raw", "ascii"},
                                                        {"raw", "hex"},
                                                        {"raw", "bzip2"},
                                                        {"type: short", "type: block"},
                                                        {"endian: little\n", ""},
                                                        {"endian: little", "endian: middle"},
                                                        {"sizes: 2 2 1", "sizes: 2 2 0"},
                                                        {"sizes: 2 2 1", "sizes: 2 2 -1"},
                                                        {"sizes: 2 2 1", "sizes: 2 2"},
                                                        {"sizes: 2 2 1", "sizes: 2 2 2"},
                                                        {"sizes: 2 2 1", "sizes: 2 2 4294967296"},
                                                        {"sizes: 2 2 1", "sizes: 2147483647 2147483647 2147483647"},
                                                        {"dimension: 3", "dimension: 2"},
                                                        {"dimension: 3", "dimension: 3\ndimension: 3"},
                                                        {"(2,0,0)", "(nan,0,0)"},
                                                        {"(2,0,0)", "(0,0,0)"},
                                                        {"(2,0,0)", "(0,3,0)"},
                                                        {"(2,0,0)", "(2,0)"},
                                                        {"(2,0,0)", "none"},
                                                        {"(10,20,30)", "(1e999,0,0)"},
                                                        {"(10,20,30)", "10,20,30"}})
    EXPECT_TRUE(with(good, from, to) == ErrorCode::VolumeInvalid || with(good, from, to) == ErrorCode::FileTooLarge)
        << from << " -> " << to;
}

TEST_F(TextHeader, MetaImageSaysPlaceAndValues) {
  for (const std::string& end : {std::string("\n"), std::string("\r\n")}) {
    std::string head = kMeta + kMetaPlace + "AnatomicalOrientation = RAI\nElementDataFile = LOCAL\n";
    if (end.size() == 2)
      for (std::size_t at = 0; (at = head.find('\n', at)) != head.npos; at += 2) head.insert(at, "\r");
    const auto path = file("a.mha", head + kVoxels);
    const Volume<float> volume = read_volume(path);
    EXPECT_EQ(volume.values, kValues);
    EXPECT_EQ(volume.grid.origin_mm, (Point3{10, 20, 30}));
    EXPECT_EQ(volume.grid.spacing_mm(), (Point3{2, 3, 4}));
    EXPECT_TRUE(read_volume_header(path).warnings.empty());
  }
}

TEST_F(TextHeader, MetaImageAxesAreTheRowsOfItsMatrix) {
  const auto path =
      file("a.mha", kMeta +
                        "TransformMatrix = 0 1 0 0 0 -1 -1 0 0\nOffset = 0 0 0\nAnatomicalOrientation = RAI\n"
                        "ElementDataFile = LOCAL\n" +
                        kVoxels);
  const VolumeHeader header = read_volume_header(path);
  EXPECT_EQ(header.grid.orientation(), "PIR");
  EXPECT_EQ(header.grid.step_mm[0], (Point3{0, 2, 0}));
  EXPECT_TRUE(said(header, VolumeWarningCode::letters_disagree));
}

// GEO-3
TEST_F(TextHeader, MetaImageWithoutPlaceIsSaidWithoutSpacingRefused) {
  EXPECT_TRUE(said(read_volume_header(file("a.mha", kMeta + "ElementDataFile = LOCAL\n" + kVoxels)),
                   VolumeWarningCode::place_unknown));
  std::string none = kMeta + kMetaPlace + "ElementDataFile = LOCAL\n";
  none.erase(none.find("ElementSpacing"), 23);
  EXPECT_EQ(refusal([&] { read_volume(file("b.mha", none + kVoxels)); }), ErrorCode::VolumeInvalid);
}

TEST_F(TextHeader, MetaImageChannelsAndByteOrder) {
  const std::string big("\0\1\0\2\0\3\xFF\xFC", 8);
  std::string head =
      kMeta + kMetaPlace + "ElementNumberOfChannels = 2\nBinaryDataByteOrderMSB = True\nElementDataFile = LOCAL\n";
  head.replace(head.find("2 2 1"), 5, "2 1 1");
  const auto channels = read_channels(file("a.mha", head + big));
  ASSERT_EQ(channels.size(), 2u);
  EXPECT_EQ(channels[0].values, (std::vector<float>{1, 3}));
  EXPECT_EQ(channels[1].values, (std::vector<float>{2, -4}));
  const auto four =
      read_channels(file("b.mha",
                         "NDims = 4\nDimSize = 2 1 1 2\nElementType = MET_SHORT\nElementSpacing = 1 1 1 1\n"
                         "TransformMatrix = 1 0 0 0 0 1 0 0 0 0 1 0 0 0 0 1\nOffset = 0 0 0 0\n"
                         "ElementDataFile = LOCAL\n" +
                             kVoxels));
  ASSERT_EQ(four.size(), 2u);
  EXPECT_EQ(four[1].values, (std::vector<float>{3, -4}));
}

TEST_F(TextHeader, MetaImageDetachedVoxels) {
  file("v.raw", "12345" + kVoxels);
  EXPECT_EQ(read_volume(file("a.mhd", kMeta + kMetaPlace + "HeaderSize = 5\nElementDataFile = v.raw\n")).values,
            kValues);
  EXPECT_EQ(read_volume(file("b.mhd", kMeta + kMetaPlace + "HeaderSize = -1\nElementDataFile = v.raw\n")).values,
            kValues);
}

// GEO-7
TEST_F(TextHeader, VoxelsAreLookedForBesideTheirHeaderOnly) {
  std::filesystem::create_directory(folder_ / "in");
  file("out.raw", kVoxels);
  std::filesystem::create_symlink(folder_ / "out.raw", folder_ / "in/link.raw");
  const auto nhdr = [&](const std::string& name) {
    return refusal(
        [&] { read_volume(file("in/a.nhdr", nrrd(kNrrdSizes + kNrrdPlace + "data file: " + name + "\n"))); });
  };
  const auto mhd = [&](const std::string& name) {
    return refusal([&] { read_volume(file("in/a.mhd", kMeta + kMetaPlace + "ElementDataFile = " + name + "\n")); });
  };
  for (const std::string& name : {std::string("../out.raw"), (folder_ / "out.raw").string(), std::string(".."),
                                  std::string("a\\b"), std::string("LIST"), std::string("v%03d.raw 1 3 1")}) {
    EXPECT_EQ(nhdr(name), ErrorCode::VolumeInvalid) << name;
    EXPECT_EQ(mhd(name), ErrorCode::VolumeInvalid) << name;
  }
  EXPECT_EQ(nhdr("a.nhdr"), ErrorCode::VolumeInvalid) << "a header that names itself";
  EXPECT_EQ(mhd("a.mhd"), ErrorCode::VolumeInvalid);
  EXPECT_EQ(nhdr("link.raw"), ErrorCode::FileMissing) << "a link could lead anywhere";
  EXPECT_EQ(mhd("link.raw"), ErrorCode::FileMissing);
  EXPECT_EQ(nhdr("absent.raw"), ErrorCode::FileMissing);
  file("in/here.raw", kVoxels);
  EXPECT_EQ(nhdr("here.raw"), std::nullopt);
  EXPECT_EQ(mhd("here.raw"), std::nullopt);
}

}  // namespace
