/// NIfTI by its fields: which place counts, what is said, how labels and geometry are kept.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "image/volume/made_volumes.h"

namespace {

using namespace rouage;
using namespace rouage::image;
using made::Folder;
using made::Nifti;
using made::refusal;
using made::said;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

class NiftiFile : public ::testing::Test {
 protected:
  VolumeHeader header_of(const Nifti& nifti) {
    made::write(path_, made::bytes_of(nifti));
    return read_volume_header(path_);
  }
  Volume<float> volume_of(const Nifti& nifti) {
    made::write(path_, made::bytes_of(nifti));
    return read_volume(path_);
  }
  LabelMap labels_of(const Nifti& nifti) {
    made::write(path_, made::bytes_of(nifti));
    return read_label_map(path_);
  }
  Folder folder_;
  std::filesystem::path path_ = folder_ / "a.nii";
};

TEST_F(NiftiFile, RasBecomesLps) {
  Nifti nifti;
  nifti.srow = {{{2, 0, 0, 10}, {0, 3, 0, 20}, {0, 0, 4, 30}}};
  nifti.pixdim = {1, 2, 3, 4};
  for (const int version : {1, 2})
    for (const bool big : {false, true}) {
      nifti.version = version;
      nifti.big_endian = big;
      const VolumeHeader header = header_of(nifti);
      EXPECT_EQ(header.grid.orientation(), "RAS");
      EXPECT_EQ(header.grid.origin_mm, (Point3{-10, -20, 30}));
      EXPECT_EQ(header.spacing_mm, (Point3{2, 3, 4}));
      EXPECT_EQ(header.nifti->version, version);
      EXPECT_TRUE(header.warnings.empty());
    }
}

// GEO-2
TEST_F(NiftiFile, TheSformCountsAndADisagreeingQformIsSaid) {
  Nifti nifti;
  nifti.qform_code = 1;
  EXPECT_TRUE(header_of(nifti).warnings.empty());
  nifti.qoffset = {0, 5, 0};
  const VolumeHeader header = header_of(nifti);
  EXPECT_TRUE(said(header, VolumeWarningCode::forms_disagree));
  EXPECT_EQ(header.grid.origin_mm, (Point3{0, 0, 0}));
  nifti.sform_code = 0;
  EXPECT_EQ(header_of(nifti).grid.origin_mm, (Point3{0, -5, 0}));
  EXPECT_TRUE(header_of(nifti).warnings.empty());
}

TEST_F(NiftiFile, AnUnusableSformGivesWayToTheQformAndIsSaid) {
  Nifti nifti;
  nifti.srow = {};
  EXPECT_EQ(refusal([&] { header_of(nifti); }), ErrorCode::VolumeInvalid);
  nifti.srow[0][0] = kNaN;
  EXPECT_EQ(refusal([&] { header_of(nifti); }), ErrorCode::VolumeInvalid);
  nifti.qform_code = 1;
  nifti.qoffset = {1, 2, 3};
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::form_unusable));
  EXPECT_EQ(header_of(nifti).grid.origin_mm, (Point3{-1, -2, 3}));
}

TEST_F(NiftiFile, AQformThatIsNoRotationIsRefused) {
  Nifti nifti;
  nifti.sform_code = 0;
  nifti.qform_code = 1;
  nifti.quatern = {0.9, 0.9, 0};
  EXPECT_EQ(refusal([&] { header_of(nifti); }), ErrorCode::VolumeInvalid);
  nifti.quatern = {kNaN, 0, 0};
  EXPECT_EQ(refusal([&] { header_of(nifti); }), ErrorCode::VolumeInvalid);
  nifti.quatern = {};
  nifti.pixdim = {1, 1, 0, 1};
  EXPECT_EQ(refusal([&] { header_of(nifti); }), ErrorCode::VolumeInvalid);
}

// GEO-2
TEST_F(NiftiFile, NoFormAtAllIsSaid) {
  Nifti nifti;
  nifti.sform_code = 0;
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::place_unknown));
}

TEST_F(NiftiFile, UnitsOfLengthAreConvertedAndSaid) {
  Nifti nifti;
  nifti.srow[0][0] = nifti.srow[1][1] = nifti.srow[2][2] = 0.002;
  nifti.pixdim = {1, 0.002, 0.002, 0.002};
  nifti.units = 1;
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::unit_converted));
  EXPECT_NEAR(header_of(nifti).grid.spacing_mm()[0], 2, 1e-6);
  EXPECT_NEAR(header_of(nifti).spacing_mm[0], 2, 1e-6);
  nifti.srow[0][0] = nifti.srow[1][1] = nifti.srow[2][2] = 700;
  nifti.pixdim = {1, 700, 700, 700};
  nifti.units = 3;
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::unit_converted));
  EXPECT_NEAR(header_of(nifti).grid.spacing_mm()[0], 0.7, 1e-6);
  nifti.units = 0;
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::unit_unknown));
  EXPECT_EQ(header_of(nifti).grid.spacing_mm()[0], 700);
}

TEST_F(NiftiFile, SpacingsThatDisagreeOrAreNegativeAreSaid) {
  Nifti nifti;
  nifti.pixdim = {1, -1, 1, 1};
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::spacing_sign));
  EXPECT_EQ(header_of(nifti).spacing_mm, (Point3{1, 1, 1}));
  EXPECT_FALSE(said(header_of(nifti), VolumeWarningCode::spacing_disagrees));
  nifti.pixdim = {1, 1, 1, 2.5};
  EXPECT_TRUE(said(header_of(nifti), VolumeWarningCode::spacing_disagrees));
  EXPECT_EQ(header_of(nifti).grid.spacing_mm(), (Point3{1, 1, 1}));
  nifti.pixdim = {1, 1, 1, 0};
  EXPECT_EQ(header_of(nifti).spacing_mm, (Point3{1, 1, 1})) << "0 is no spacing";
}

TEST_F(NiftiFile, ASlopeOfZeroOrNaNIsNone) {
  Nifti nifti;
  nifti.voxels[0] = 7;
  nifti.intercept = 100;
  EXPECT_EQ(volume_of(nifti).values[0], 7);
  nifti.slope = kNaN;
  EXPECT_EQ(volume_of(nifti).values[0], 7);
  nifti.slope = 2;
  EXPECT_EQ(volume_of(nifti).values[0], 114);
  nifti.intercept = kNaN;
  EXPECT_EQ(refusal([&] { header_of(nifti); }), ErrorCode::VolumeInvalid);
}

// GEO-4
TEST_F(NiftiFile, LabelsAreExactOrRefused) {
  Nifti nifti;
  nifti.datatype = 512;
  nifti.voxels[2] = nifti.voxels[3] = 0xFF;
  EXPECT_EQ(labels_of(nifti).values[1], 65535);
  nifti.datatype = 4;  // the same bits are -1
  EXPECT_EQ(refusal([&] { labels_of(nifti); }), ErrorCode::VolumeInvalid);
  nifti.datatype = 8;
  nifti.bitpix = 32;
  nifti.voxels = Bytes(48);
  nifti.voxels[2] = 1;
  EXPECT_EQ(refusal([&] { labels_of(nifti); }), ErrorCode::VolumeInvalid) << "65,536 fits no label";
  nifti.voxels[2] = 0;
  nifti.voxels[0] = 3;
  nifti.slope = 0.5;
  EXPECT_EQ(refusal([&] { labels_of(nifti); }), ErrorCode::VolumeInvalid) << "1.5 is no label";
  nifti.slope = 2;
  EXPECT_EQ(labels_of(nifti).values[0], 6);
  nifti.datatype = 16;
  nifti.slope = 0;
  const auto put = [&](float value) {
    const auto raw = std::bit_cast<std::array<std::uint8_t, 4>>(value);
    std::copy(raw.begin(), raw.end(), nifti.voxels.begin());
  };
  put(300);
  EXPECT_EQ(labels_of(nifti).values[0], 300);
  for (const float bad : {0.25F, -1.0F, 70000.0F, std::nanf(""), std::numeric_limits<float>::infinity()}) {
    put(bad);
    EXPECT_EQ(refusal([&] { labels_of(nifti); }), ErrorCode::VolumeInvalid) << bad;
  }
}

// GEO-4
TEST_F(NiftiFile, ARefusedLabelIsNamedByItsVoxel) {
  Nifti nifti;
  nifti.voxels[2 * (1 * 6 + 1 * 3 + 2) + 1] = 0x80;  // voxel (2, 1, 1) is -32768
  try {
    labels_of(nifti);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.detail().find("(2, 1, 1)"), std::string::npos) << error.what();
    EXPECT_NE(error.file().find("a.nii"), std::string::npos);
  }
}

TEST_F(NiftiFile, ChannelsAreNotMistakenForAVolume) {
  Nifti nifti;
  nifti.dim = {4, 3, 2, 1, 2, 1, 1, 1};
  nifti.voxels[12] = 9;
  made::write(path_, made::bytes_of(nifti));
  EXPECT_EQ(refusal([&] { read_volume(path_); }), ErrorCode::VolumeInvalid);
  EXPECT_EQ(refusal([&] { read_label_map(path_); }), ErrorCode::VolumeInvalid);
  const auto channels = read_channels(path_);
  ASSERT_EQ(channels.size(), 2u);
  EXPECT_EQ(channels[1].values[0], 9);
}

/// Bytes 76-91 pixdim, 123 units, 252-327 forms: the geometry of a NIfTI-1 header.
std::string geometry_bytes(const std::filesystem::path& path) {
  const auto copy = std::filesystem::path(path).replace_extension(".plain");
  if (path.extension() == ".gz") {
    EXPECT_EQ(std::system(("gzip -dc '" + path.string() + "' | head -c 352 > '" + copy.string() + "'").c_str()), 0);
  } else {
    std::filesystem::copy_file(path, copy, std::filesystem::copy_options::overwrite_existing);
  }
  const Bytes bytes = made::read_all(copy);
  std::filesystem::remove(copy);
  std::string out(bytes.begin() + 76, bytes.begin() + 92);
  out += static_cast<char>(bytes[123]);
  return out.append(bytes.begin() + 252, bytes.begin() + 328);
}

// GEO-5
TEST_F(NiftiFile, AResultCarriesTheGeometryOfItsInputBitByBit) {
  const auto data = std::filesystem::path(ROUAGE_SHARED_DIR) / "data";
  if (!std::filesystem::exists(data)) GTEST_SKIP() << "no ../shared/data";
  for (const char* name :
       {"nnunet_golden/ct_iso/case_0000.nii.gz", "ct_niivue/CT_pitch.nii.gz",
        "ct_totalsegmentator/example_seg_dicom.nii.gz", "ct_moose_neck/CT_enhance_pet_1446_neck_slice.nii.gz"}) {
    std::filesystem::copy_file(data / name, folder_ / "in.nii.gz", std::filesystem::copy_options::overwrite_existing);
    const VolumeHeader header = read_volume_header(folder_ / "in.nii.gz");
    LabelMap map{header.grid, std::vector<std::uint16_t>(header.grid.voxels()), ""};
    LabelMapWriteOptions options;
    options.file.like = header;
    write_label_map(folder_ / "out.nii.gz", map, options);
    EXPECT_EQ(geometry_bytes(folder_ / "out.nii.gz"), geometry_bytes(folder_ / "in.nii.gz")) << name;
    EXPECT_EQ(read_grid(folder_ / "out.nii.gz"), header.grid) << name;
  }
}

TEST_F(NiftiFile, TheHeaderOfAnotherGridIsNotCarried) {
  const VolumeHeader header = header_of(Nifti{});
  LabelMap map{header.grid, std::vector<std::uint16_t>(header.grid.voxels()), ""};
  map.grid.origin_mm[0] += 0.5;
  LabelMapWriteOptions options;
  options.file.like = header;
  EXPECT_EQ(refusal([&] { write_label_map(folder_ / "out.nii", map, options); }), ErrorCode::GridMismatch);
  EXPECT_FALSE(std::filesystem::exists(folder_ / "out.nii"));
}

TEST_F(NiftiFile, AnAxisBeyondNifti1IsWrittenAsNifti2) {
  Volume<std::int16_t> line{
      {{40000, 1, 1}, {1, 2, 3}, {{{0.1, 0, 0}, {0, 1, 0}, {0, 0, 1}}}}, std::vector<std::int16_t>(40000), ""};
  line.values.back() = -7;
  write_volume(folder_ / "line.nii.gz", line);
  const VolumeHeader header = read_volume_header(folder_ / "line.nii.gz");
  EXPECT_EQ(header.nifti->version, 2);
  EXPECT_EQ(header.grid, line.grid) << "doubles are kept exactly";
  EXPECT_EQ(read_volume(folder_ / "line.nii.gz").values.back(), -7);
}

}  // namespace
