/// Multi-frame objects: enhanced CT and MR by their functional groups, NM by detectors and slice vectors.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <memory>

#include "base/host.h"
#include "dicom/series/made_series.h"

namespace {

using namespace rouage;
using namespace rouage::dicom::made_series;

DcmItem& item_of(DcmItem& parent, const DcmTagKey& sequence, long number = 0) {
  DcmItem* item = nullptr;
  if (parent.findOrCreateSequenceItem(sequence, item, number).bad()) throw std::runtime_error("no item");
  return *item;
}

/// What may be changed of an enhanced object before it is written: its frame f (from 0), or the whole.
using FrameChange = std::function<void(int f, DcmItem& groups)>;

/// Enhanced CT or MR of frames at z = 5 f, in the order that `place` gives.
fs::path make_enhanced(const std::string& name, int frames, const std::function<double(int)>& place,
                       const FrameChange& change = {}, const char* sop_class = UID_EnhancedCTImageStorage,
                       const char* modality = "CT") {
  const fs::path folder = fresh_folder(name);
  DcmFileFormat file;
  DcmDataset& d = *file.getDataset();
  fill_frames(d, sop_class, modality, frames);
  put(d, DCM_NumberOfFrames, std::to_string(frames));
  put(d, DCM_ImageType, "ORIGINAL\\PRIMARY\\VOLUME\\NONE");
  DcmItem& shared = item_of(d, DCM_SharedFunctionalGroupsSequence);
  put(item_of(shared, DCM_PlaneOrientationSequence), DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
  put(item_of(shared, DCM_PixelMeasuresSequence), DCM_PixelSpacing, "2\\1.5");
  DcmItem& rescale = item_of(shared, DCM_PixelValueTransformationSequence);
  put(rescale, DCM_RescaleSlope, "2");
  put(rescale, DCM_RescaleIntercept, "-1000");
  put(rescale, DCM_RescaleType, "HU");
  for (int f = 0; f < frames; ++f) {
    DcmItem& own = item_of(d, DCM_PerFrameFunctionalGroupsSequence, f);
    put(item_of(own, DCM_PlanePositionSequence), DCM_ImagePositionPatient, fmt::format("-3\\-4\\{}", place(f)));
    put(item_of(own, DCM_FrameContentSequence), DCM_StackID, "1");
    if (change) change(f, own);
  }
  save(file, folder / "frames.dcm");
  return folder;
}

TEST(SeriesFrames, EnhancedCtIsSortedByPositionWithItsFrameNumbers) {
  const Outcome outcome = read(make_enhanced("enhanced", 5, [](int f) { return 20 - 5.0 * f; }));  // head first
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  const auto& found = outcome.reading.volumes.at(0);
  EXPECT_EQ(found.volume.unit, "[hnsf'U]");
  EXPECT_EQ(found.volume.grid.origin_mm, (image::Point3{-3, -4, 0}));
  EXPECT_EQ(found.volume.grid.step_mm[2], (image::Point3{0, 0, 5}));
  ASSERT_EQ(found.instances.size(), 1u);
  ASSERT_EQ(found.slices.size(), 5u);
  for (std::uint32_t k = 0; k < 5; ++k) {
    EXPECT_EQ(found.slices[k].frame, 5 - k);
    EXPECT_EQ(found.slices[k].instance, 0u);
    EXPECT_EQ(found.volume.at(1, 2, k), 2 * (100 * (4 - static_cast<int>(k)) + 21) - 1000);
  }
}

TEST(SeriesFrames, TheFramesOwnGroupGoesBeforeTheSharedOne) {
  const auto folder = make_enhanced(
      "own", 4, [](int f) { return 5.0 * f; },
      [](int f, DcmItem& own) {
        if (f != 2) return;
        DcmItem& rescale = item_of(own, DCM_PixelValueTransformationSequence);
        put(rescale, DCM_RescaleSlope, "3");
        put(rescale, DCM_RescaleIntercept, "0");
        put(rescale, DCM_RescaleType, "HU");
      });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  EXPECT_EQ(outcome.reading.volumes.at(0).volume.at(0, 0, 2), 600);
  EXPECT_EQ(outcome.reading.volumes[0].volume.at(0, 0, 1), -800);
  EXPECT_TRUE(says(outcome.reading.volumes[0].warnings, "rescale changes"));
}

TEST(SeriesFrames, TemporalPositionsStacksAndBValuesAreSplit) {
  const auto by = [](int f, DcmItem& own) {
    item_of(own, DCM_FrameContentSequence).putAndInsertUint32(DCM_TemporalPositionIndex, f / 8 + 1);
    item_of(own, DCM_MRDiffusionSequence).putAndInsertFloat64(DCM_DiffusionBValue, (f / 4) % 2 ? 1000 : 0);
  };
  const auto folder = make_enhanced(
      "times", 16, [](int f) { return 5.0 * (f % 4); }, by, UID_EnhancedMRImageStorage, "MR");
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  ASSERT_EQ(outcome.reading.volumes.size(), 4u);
  EXPECT_EQ(outcome.reading.volumes[3].split_by, "temporal position 2, b-value 1000");
  EXPECT_EQ(outcome.reading.volumes[3].slices[0].frame, 13u);
}

TEST(SeriesFrames, AMissingFrameOrGroupIsRefused) {
  const Outcome gap = read(make_enhanced("gap", 6, [](int f) { return 5.0 * (f < 3 ? f : f + 1); }));
  ASSERT_TRUE(gap.error);
  EXPECT_NE(gap.error->detail().find("1 slice is missing of 7"), std::string::npos);
  const Outcome bare = read(make_enhanced(
      "bare", 4, [](int f) { return 5.0 * f; },
      [](int f, DcmItem& own) {
        if (f == 2) own.findAndDeleteElement(DCM_PlanePositionSequence);
      }));
  ASSERT_TRUE(bare.error);
  EXPECT_EQ(bare.error->code(), ErrorCode::HeaderInvalid);
  EXPECT_NE(bare.error->detail().find("frame 3"), std::string::npos);
  EXPECT_NE(bare.error->tag().find("(0020,0032)"), std::string::npos);
}

TEST(SeriesFrames, MoreFramesThanGroupsOrBytesAreRefused) {
  for (const char* frames : {"5", "3", "2147483647", "0"}) {
    const auto folder = make_enhanced("claims", 4, [](int f) { return 5.0 * f; });
    DcmFileFormat file;
    ASSERT_TRUE(file.loadFile((folder / "frames.dcm").c_str()).good());
    put(*file.getDataset(), DCM_NumberOfFrames, frames);
    save(file, folder / "frames.dcm");
    const Outcome outcome = read(folder);
    ASSERT_TRUE(outcome.error) << frames;
    EXPECT_FALSE(outcome.error->tag().empty());
  }
}

/// Reconstructed SPECT: 4 slices from the feet (negative spacing: towards the feet from the first), two energy windows.
fs::path make_spect(const std::string& name, const std::function<void(DcmDataset&)>& change = {}) {
  const fs::path folder = fresh_folder(name);
  DcmFileFormat file;
  DcmDataset& d = *file.getDataset();
  fill_frames(d, UID_NuclearMedicineImageStorage, "NM", 8);
  put(d, DCM_NumberOfFrames, "8");
  put(d, DCM_ImageType, "ORIGINAL\\PRIMARY\\RECON TOMO\\EMISSION");
  put(d, DCM_PixelSpacing, "4\\4");
  put(d, DCM_SpacingBetweenSlices, "-4.5");
  put(d, DCM_SliceThickness, "4");
  const std::vector<Uint16> slices{1, 2, 3, 4, 1, 2, 3, 4}, windows{1, 1, 1, 1, 2, 2, 2, 2}, detectors(8, 1);
  d.putAndInsertUint16Array(DCM_SliceVector, slices.data(), slices.size());
  d.putAndInsertUint16Array(DCM_EnergyWindowVector, windows.data(), windows.size());
  d.putAndInsertUint16Array(DCM_DetectorVector, detectors.data(), detectors.size());
  DcmItem& detector = item_of(d, DCM_DetectorInformationSequence);
  put(detector, DCM_ImagePositionPatient, "-10\\-20\\100");
  put(detector, DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
  if (change) change(d);
  save(file, folder / "spect.dcm");
  return folder;
}

TEST(SeriesFrames, ReconstructedSpectLiesWhereTheDetectorSays) {
  const Outcome outcome = read(make_spect("spect"));
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  ASSERT_EQ(outcome.reading.volumes.size(), 2u);
  const auto& second = outcome.reading.volumes[1];
  EXPECT_EQ(second.split_by, "energy window 2");
  EXPECT_EQ(second.volume.unit, "{counts}");
  // Slice 1 is at z = 100, slice 4 at 100 - 3 * 4.5; k rises along the normal, so slice 4 comes first.
  EXPECT_NEAR(second.volume.grid.origin_mm[2], 86.5, 1e-9);
  EXPECT_NEAR(second.volume.grid.step_mm[2][2], 4.5, 1e-9);
  EXPECT_EQ(second.slices[0].frame, 8u);
  EXPECT_EQ(second.volume.at(1, 1, 0), 711);
}

TEST(SeriesFrames, PlanarAndUnplacedNmIsRefusedWithAReason) {
  struct Case {
    std::function<void(DcmDataset&)> change;
    std::string part, tag;
  };
  const Case cases[] = {
      {[](DcmDataset& d) { put(d, DCM_ImageType, "ORIGINAL\\PRIMARY\\WHOLE BODY\\EMISSION"); },
       "planar or a projection", "(0008,0008)"},
      {[](DcmDataset& d) { put(d, DCM_ImageType, "ORIGINAL\\PRIMARY\\TOMO\\EMISSION"); }, "planar or a projection",
       "(0008,0008)"},
      {[](DcmDataset& d) { d.findAndDeleteElement(DCM_SpacingBetweenSlices); }, "distance of the slices is unknown",
       "(0018,0088)"},
      {[](DcmDataset& d) { d.findAndDeleteElement(DCM_SliceVector); }, "order of the frames is unknown", "(0054,0080)"},
      {[](DcmDataset& d) { d.findAndDeleteElement(DCM_DetectorInformationSequence); }, "0 are described",
       "(0054,0022)"},
      {[](DcmDataset& d) {
         item_of(d, DCM_DetectorInformationSequence).findAndDeleteElement(DCM_ImagePositionPatient);
       },
       "missing or empty", "(0020,0032)"},
      {[](DcmDataset& d) {
         d.putAndInsertUint16Array(DCM_SliceVector, std::vector<Uint16>{1, 2}.data(), 2);
       },
       "2 entries for 8 frames", "(0054,0080)"}};
  for (const Case& c : cases) {
    const Outcome outcome = read(make_spect("refused-spect", c.change));
    ASSERT_TRUE(outcome.error) << c.part;
    EXPECT_NE(outcome.error->detail().find(c.part), std::string::npos) << outcome.error->what();
    EXPECT_NE(outcome.error->tag().find(c.tag), std::string::npos) << outcome.error->what();
  }
}

TEST(SeriesFrames, RandomDamageIsReadOrRefusedButNeverEndsTheProgram) {
  for (const auto& folder : {make_enhanced("damage", 5, [](int f) { return 5.0 * f; }), make_spect("damage-nm")}) {
    const fs::path file = files_below(folder).at(0);
    const Bytes whole = read_file(file, kMebibyte);
    std::uint64_t state = 20261124;  // printed by the failure: round
    const auto draw = [&](std::size_t below) {
      state = state * 6364136223846793005ULL + 1442695040888963407ULL;
      return static_cast<std::size_t>((state >> 33) % below);
    };
    int refused = 0;
    for (int round = 0; round < 1500; ++round) {
      SCOPED_TRACE(round);
      Bytes damaged = whole;
      for (int n = 0; n < 4; ++n) damaged[draw(damaged.size())] = static_cast<std::uint8_t>(draw(256));
      if (round % 3 == 0) damaged.resize(draw(damaged.size()));
      write_file(file, damaged);
      refused += read(folder).error ? 1 : 0;
    }
    EXPECT_GT(refused, 300);
    EXPECT_LT(refused, 1500);
  }
}

}  // namespace
