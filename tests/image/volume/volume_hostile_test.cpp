/// Files that lie: every one ends as an error that names its file, and costs no memory that its bytes do not back.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <limits>

#include "image/volume/made_volumes.h"

namespace {

using namespace rouage;
using namespace rouage::image;
using made::Folder;
using made::Nifti;
using made::refusal;

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

struct Lie {
  const char* name;
  void (*tell)(Nifti&);
};

/// RCV: each field of a NIfTI header that can lie, alone.
TEST(HostileVolumes, EveryLyingFieldOfANiftiIsRefused) {
  const std::vector<Lie> lies{
      {"no dimensions", [](Nifti& n) { n.dim[0] = 0; }},
      {"eight dimensions", [](Nifti& n) { n.dim[0] = 8; }},
      {"negative dimensions", [](Nifti& n) { n.dim[0] = -3; }},
      {"a picture", [](Nifti& n) { n.dim[0] = 2; }},
      {"an empty axis", [](Nifti& n) { n.dim[2] = 0; }},
      {"a negative axis", [](Nifti& n) { n.dim[3] = -2; }},
      {"two axes beside space", [](Nifti& n) { n.dim = {5, 3, 2, 1, 2, 1, 1, 1}, n.dim[5] = 2; }},
      {"a seventh axis", [](Nifti& n) { n.dim = {7, 3, 2, 1, 1, 1, 1, 2}; }},
      {"more voxels than bytes", [](Nifti& n) { n.dim[1] = 300; }},
      {"bits that are none", [](Nifti& n) { n.bitpix = 8; }},
      {"a datatype that is none", [](Nifti& n) { n.datatype = 0; }},
      {"single bits", [](Nifti& n) { n.datatype = 1, n.bitpix = 1; }},
      {"colours", [](Nifti& n) { n.datatype = 128, n.bitpix = 24; }},
      {"complex numbers", [](Nifti& n) { n.datatype = 32, n.bitpix = 64; }},
      {"an offset inside the header", [](Nifti& n) { n.vox_offset = 100; }},
      {"a negative offset", [](Nifti& n) { n.vox_offset = -352; }},
      {"an offset behind the end", [](Nifti& n) { n.vox_offset = 1e9; }},
      {"an infinite step", [](Nifti& n) { n.srow[0][0] = std::numeric_limits<double>::infinity(); }},
      {"an origin that is no number", [](Nifti& n) { n.srow[1][3] = kNaN; }},
      {"a step of zero", [](Nifti& n) { n.srow[2] = {}; }},
      {"two parallel axes",
       [](Nifti& n) {
         n.srow[0] = {1, 1, 0, 0}, n.srow[1] = {1, 1, 0, 0};
       }},
      {"a mark that is none", [](Nifti& n) { n.magic = "n+9"; }},
      {"voxels said to lie elsewhere", [](Nifti& n) { n.magic = n.version == 1 ? "ni1" : "ni2"; }},
      {"a header size that is none", [](Nifti& n) { n.sizeof_hdr = 1543569408 + 1; }},
  };
  const Folder folder;
  for (const int version : {1, 2})
    for (const bool big : {false, true})
      for (const Lie& lie : lies) {
        Nifti nifti;
        nifti.version = version;
        nifti.big_endian = big;
        made::write(folder / "good.nii", made::bytes_of(nifti));
        EXPECT_EQ(refusal([&] { read_volume(folder / "good.nii"); }), std::nullopt);
        lie.tell(nifti);
        made::write(folder / "bad.nii", made::bytes_of(nifti));
        try {
          read_volume(folder / "bad.nii");
          ADD_FAILURE() << lie.name << " was read, version " << version;
        } catch (const Error& error) {
          EXPECT_EQ(error.code(), ErrorCode::VolumeInvalid) << lie.name;
          EXPECT_EQ(error.file(), (folder / "bad.nii").string()) << lie.name;
          EXPECT_FALSE(error.detail().empty()) << lie.name;
        }
      }
}

TEST(HostileVolumes, Nifti1OffsetsThatAreNoNumbers) {
  const Folder folder;
  for (const double offset : {kNaN, std::numeric_limits<double>::infinity(), 352.5, 3e38}) {
    Nifti nifti;
    nifti.vox_offset = offset;
    made::write(folder / "a.nii", made::bytes_of(nifti));
    EXPECT_EQ(refusal([&] { read_volume(folder / "a.nii"); }), ErrorCode::VolumeInvalid) << offset;
  }
}

// GEO-6
TEST(HostileVolumes, SizesThatOverflowAreRefusedBeforeMemoryIsTaken) {
  const Folder folder;
  Nifti nifti;
  nifti.version = 2;
  for (const std::int64_t side : {std::int64_t{1} << 20, (std::int64_t{1} << 31) - 1, std::int64_t{1} << 31,
                                  std::int64_t{1} << 62, std::numeric_limits<std::int64_t>::min()}) {
    nifti.dim = {3, side, side, side, 1, 1, 1, 1};
    made::write(folder / "a.nii", made::bytes_of(nifti));
    const auto code = refusal([&] { read_volume(folder / "a.nii"); });
    EXPECT_TRUE(code == ErrorCode::FileTooLarge || code == ErrorCode::VolumeInvalid) << side;
  }
  nifti.dim = {4, 1, 1, 1, 1 << 30, 1, 1, 1};
  made::write(folder / "a.nii", made::bytes_of(nifti));
  EXPECT_EQ(refusal([&] { read_channels(folder / "a.nii"); }), ErrorCode::VolumeInvalid);
}

TEST(HostileVolumes, TheLimitCountsTheStoredAndTheHandedBytes) {
  const Folder folder;
  made::write(folder / "a.nii", made::bytes_of(Nifti{}));  // 12 voxels: 24 bytes stored, 48 handed over
  EXPECT_EQ(refusal([&] { read_volume(folder / "a.nii", {.bytes = 48}); }), std::nullopt);
  EXPECT_EQ(refusal([&] { read_volume(folder / "a.nii", {.bytes = 47}); }), ErrorCode::FileTooLarge);
}

long peak_kib() {
  struct rusage use {};
  ::getrusage(RUSAGE_SELF, &use);
  return use.ru_maxrss;
}

std::filesystem::path gzipped(const std::filesystem::path& path) {
  EXPECT_EQ(std::system(("gzip -nf '" + path.string() + "'").c_str()), 0);
  return path.string() + ".gz";
}

TEST(HostileVolumes, AHeaderThatPromisesMoreThanItsFileCanHoldCostsNoMemory) {
  const Folder folder;
  Nifti nifti;
  nifti.dim = {3, 1024, 1024, 1000, 1, 1, 1, 1};  // 4 GB as floats, from 400 bytes
  made::write(folder / "a.nii", made::bytes_of(nifti));
  const auto path = gzipped(folder / "a.nii");
  const long before = peak_kib();
  EXPECT_EQ(refusal([&] { read_volume(path); }), ErrorCode::VolumeInvalid);
  EXPECT_LT(peak_kib() - before, 64 * 1024);
}

// GEO-6
TEST(HostileVolumes, ABombIsUnpackedOnlyAsFarAsItsHeaderNeeds) {
  const Folder folder;
  made::write(folder / "a.nii", made::bytes_of(Nifti{}));
  // 256 MiB of zeros behind the voxels, 1 MB packed.
  const auto path = folder / "bomb.nii.gz";
  ASSERT_EQ(std::system(("(cat '" + (folder / "a.nii").string() + "'; head -c 256M /dev/zero) | gzip -1 > '" +
                         path.string() + "'")
                            .c_str()),
            0);
  const long before = peak_kib();
  EXPECT_EQ(read_volume(path).values.size(), 12u);
  EXPECT_LT(peak_kib() - before, 16 * 1024);
}

/// A volume of 9 x 8 x 7 in each format, cut at every byte.
TEST(HostileVolumes, EveryCutIsSeen) {
  const Folder folder;
  for (const char* ending : {".nii", ".nii.gz", ".nrrd", ".mha"}) {
    const auto path = folder / (std::string("whole") + ending);
    Volume<float> volume = made::phantom(false);
    for (float& value : volume.values) value = static_cast<float>(static_cast<int>(value) % 5);
    LabelMap map{volume.grid, std::vector<std::uint16_t>(volume.values.begin(), volume.values.end()), ""};
    write_label_map(path, map, {.labels = {{1, "one"}}});
    const Bytes whole = made::read_all(path);
    const auto cut = folder / (std::string("cut") + ending);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      made::write(cut, std::span(whole).first(size));
      const auto code = refusal([&] { read_label_map(cut); });
      // "ElementDataFile = LOC" names a file that is not there.
      const bool other_name = ending == std::string(".mha") && code == ErrorCode::FileMissing;
      ASSERT_TRUE(code == ErrorCode::VolumeInvalid || other_name)
          << ending << " cut at " << size << " of " << whole.size();
    }
  }
}

/// The checksum behind packed voxels is compared: a flipped bit in them is never read as another label.
TEST(HostileVolumes, AFlippedBitInPackedVoxelsIsSeenOrHarmless) {
  const Folder folder;
  const Volume<float> volume = made::phantom(false);
  for (const char* ending : {".nii.gz", ".mha", ".nrrd"}) {
    const auto path = folder / (std::string("a") + ending);
    write_volume(path, volume);
    const Bytes whole = made::read_all(path);
    const std::size_t start = ending == std::string(".nii.gz") ? 10 : whole.size() / 2;  // past a text header
    for (std::size_t at = start; at < whole.size(); at += 7) {
      Bytes flipped = whole;
      flipped[at] ^= static_cast<std::uint8_t>(1 << (at % 8));
      made::write(path, flipped);
      const auto code = refusal([&] { EXPECT_EQ(read_volume(path).values, volume.values) << ending << at; });
      EXPECT_TRUE(!code || code == ErrorCode::VolumeInvalid) << ending << at;
    }
  }
}

TEST(HostileVolumes, WhatIsNoPlainFileIsRefusedAtOnce) {
  const Folder folder;
  ASSERT_EQ(::mkfifo((folder / "pipe.nii").c_str(), 0600), 0);
  EXPECT_EQ(refusal([&] { read_volume(folder / "pipe.nii"); }), ErrorCode::FileMissing);
  std::filesystem::create_directory(folder / "folder.nrrd");
  EXPECT_EQ(refusal([&] { read_volume(folder / "folder.nrrd"); }), ErrorCode::FileMissing);
  EXPECT_EQ(refusal([&] { read_volume(folder / "absent.mha"); }), ErrorCode::FileMissing);
  EXPECT_EQ(refusal([&] { read_volume(folder / "scan.dcm"); }), ErrorCode::VolumeInvalid);
  for (const char* name : {"empty.nii", "empty.nii.gz", "empty.nrrd", "empty.mha", "empty.hdr"}) {
    made::write(folder / name, std::string());
    EXPECT_EQ(refusal([&] { read_volume(folder / name); }), ErrorCode::VolumeInvalid) << name;
  }
}

TEST(HostileVolumes, AnalyzeIsRefusedBecauseItDoesNotSayLeftFromRight) {
  const Folder folder;
  Nifti nifti;
  nifti.magic = "";
  made::write(folder / "a.hdr", made::bytes_of(nifti));
  made::write(folder / "a.img", nifti.voxels);
  EXPECT_EQ(refusal([&] { read_volume(folder / "a.hdr"); }), ErrorCode::VolumeInvalid);
  nifti.magic = "ni1";
  made::write(folder / "a.hdr", made::bytes_of(nifti));
  EXPECT_EQ(refusal([&] { read_volume(folder / "a.hdr"); }), std::nullopt);
  EXPECT_EQ(refusal([&] { read_volume(folder / "a.img"); }), std::nullopt);
  std::filesystem::remove(folder / "a.img");
  EXPECT_EQ(refusal([&] { read_volume(folder / "a.hdr"); }), ErrorCode::FileMissing);
}

}  // namespace
