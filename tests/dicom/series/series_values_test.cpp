/// From stored values to values with a unit: signs, bits, padding, rescale, transfer syntaxes, threads.
#include <gtest/gtest.h>

#include <cmath>

#include "base/host.h"
#include "dicom/series/made_series.h"

namespace {

using namespace rouage;
using namespace rouage::dicom::made_series;

const dicom::SeriesVolume& only(const Outcome& outcome) {
  if (outcome.error) throw std::runtime_error(outcome.error->what());
  return outcome.reading.volumes.at(0);
}

TEST(SeriesValues, PaddingValueAndRangeBecomeAirInCt) {
  const auto folder = make_ct("padding", 4, [](int, DcmDataset& d) {
    std::vector<Uint16> values(kColumns * kRows, 1064);
    values[0] = static_cast<Uint16>(-2000);
    values[1] = static_cast<Uint16>(-1990);
    values[2] = static_cast<Uint16>(-1989);
    d.putAndInsertUint16Array(DCM_PixelData, values.data(), values.size());
    d.putAndInsertSint16(DCM_PixelPaddingValue, -2000);
    d.putAndInsertSint16(DCM_PixelPaddingRangeLimit, -1990);
  });
  const Outcome outcome = read(folder);
  const auto& found = only(outcome);
  EXPECT_EQ(found.volume.at(0, 0, 1), -1024);
  EXPECT_EQ(found.volume.at(1, 0, 1), -1024);
  EXPECT_EQ(found.volume.at(2, 0, 1), -1989 - 1024);  // not padding: the value stays
  EXPECT_EQ(found.volume.at(3, 0, 1), 40);
  EXPECT_EQ(found.padded_voxels, 8u);
  EXPECT_TRUE(says(found.warnings, "8 voxels are marked as padding"));
  const Outcome own = read(folder, {.padded_value = -3000.0F});
  EXPECT_EQ(only(own).volume.at(0, 0, 1), -3000);
}

TEST(SeriesValues, TwelveBitsWithRubbishAboveThem) {
  for (const bool is_signed : {false, true}) {
    const auto folder = make_ct("bits", 3, [&](int, DcmDataset& d) {
      std::vector<Uint16> values(kColumns * kRows, 0xF000 | 0x0801);
      d.putAndInsertUint16Array(DCM_PixelData, values.data(), values.size());
      d.putAndInsertUint16(DCM_BitsStored, 12);
      d.putAndInsertUint16(DCM_HighBit, 11);
      d.putAndInsertUint16(DCM_PixelRepresentation, is_signed ? 1 : 0);
    });
    const Outcome outcome = read(folder);
    EXPECT_EQ(only(outcome).volume.at(1, 1, 1), (is_signed ? -2047 : 2049) - 1024);
  }
}

TEST(SeriesValues, RescaleOfPetIsAppliedPerSliceWithoutAWarning) {
  const auto folder = make_ct("pet", 5, [](int k, DcmDataset& d) {
    put(d, DCM_SOPClassUID, UID_PositronEmissionTomographyImageStorage);
    put(d, DCM_Modality, "PT");
    put(d, DCM_Units, "BQML");
    put(d, DCM_RescaleSlope, std::to_string(0.3 + 0.1 * k));
    put(d, DCM_RescaleIntercept, "0");
  });
  const Outcome outcome = read(folder);
  const auto& found = only(outcome);
  EXPECT_EQ(found.volume.unit, "Bq/mL");
  EXPECT_TRUE(found.warnings.empty());
  for (int k = 0; k < 5; ++k)
    EXPECT_EQ(found.volume.at(2, 1, k), static_cast<float>((0.3 + 0.1 * k) * (100 * k + 12))) << k;
}

TEST(SeriesValues, UnitsOfPet) {
  const std::tuple<const char*, const char*, const char*> rows[] = {
      {"GML", "BW", "g/mL{SUVbw}"}, {"GML", "LBM", "g/mL{SUVlbm}"},     {"GML", "", "g/mL{SUVbw}"},
      {"CNTS", "", "{counts}"},     {"CM2ML", "BSA", "cm2/mL{SUVbsa}"}, {"", "", ""}};
  for (const auto& [units, type, ucum] : rows) {
    const auto folder = make_ct("units", 3, [&](int, DcmDataset& d) {
      put(d, DCM_SOPClassUID, UID_PositronEmissionTomographyImageStorage);
      put(d, DCM_Modality, "PT");
      if (*units) put(d, DCM_Units, units);
      if (*type) put(d, DCM_SUVType, type);
    });
    const Outcome outcome = read(folder);
    EXPECT_EQ(only(outcome).volume.unit, ucum);
    EXPECT_EQ(says(only(outcome).warnings, "Units is missing"), *ucum == '\0');
  }
}

TEST(SeriesValues, CtWhoseRescaleTypeIsNotHuHasNoUnit) {
  const auto folder = make_ct("not-hu", 3, [](int, DcmDataset& d) { put(d, DCM_RescaleType, "US"); });
  const Outcome outcome = read(folder);
  EXPECT_EQ(only(outcome).volume.unit, "");
  EXPECT_TRUE(says(only(outcome).warnings, "\"US\", not HU"));
}

TEST(SeriesValues, MrWithoutRescaleKeepsStoredValues) {
  const auto folder = make_ct("mr", 4, [](int, DcmDataset& d) {
    put(d, DCM_SOPClassUID, UID_MRImageStorage);
    put(d, DCM_Modality, "MR");
    d.findAndDeleteElement(DCM_RescaleSlope);
    d.findAndDeleteElement(DCM_RescaleIntercept);
  });
  const Outcome outcome = read(folder);
  EXPECT_EQ(only(outcome).volume.at(1, 2, 3), 321);
  EXPECT_EQ(only(outcome).volume.unit, "");
}

TEST(SeriesValues, MrEchoesAndBValuesAreSplit) {
  const auto folder = make_ct("echoes", 20, [](int k, DcmDataset& d) {
    put(d, DCM_SOPClassUID, UID_MRImageStorage);
    put(d, DCM_Modality, "MR");
    put(d, DCM_EchoTime, k % 2 ? "80" : "20");
    d.putAndInsertFloat64(DCM_DiffusionBValue, k / 10 ? 800 : 0);
    put(d, DCM_ImagePositionPatient, "0\\0\\" + std::to_string(3 * ((k % 10) / 2)));
  });
  const Outcome outcome = read(folder);
  ASSERT_FALSE(outcome.error) << outcome.error->what();
  ASSERT_EQ(outcome.reading.volumes.size(), 4u);
  EXPECT_EQ(outcome.reading.volumes[0].split_by, "echo time 20, b-value 0");
  EXPECT_EQ(outcome.reading.volumes[3].split_by, "echo time 80, b-value 800");
}

TEST(SeriesValues, InterleavedMrSlicesOfOneVolumeStayTogether) {
  // Two concatenations: odd slices were taken later and have a time and a number of their own.
  const auto folder = make_ct("concatenations", 10, [](int k, DcmDataset& d) {
    put(d, DCM_SOPClassUID, UID_MRImageStorage);
    put(d, DCM_Modality, "MR");
    put(d, DCM_AcquisitionTime, k % 2 ? "101500" : "101000");
    put(d, DCM_AcquisitionNumber, k % 2 ? "2" : "1");
  });
  const Outcome outcome = read(folder);
  EXPECT_EQ(only(outcome).volume.grid.size[2], 10u);
  EXPECT_EQ(outcome.reading.volumes.size(), 1u);
}

TEST(SeriesValues, ImplicitBigEndianAndDeflatedFilesGiveTheSame) {
  const auto plain = make_ct("syntaxes", 4);
  const auto expected = only(read(plain)).volume.values;
  for (const E_TransferSyntax syntax :
       {EXS_LittleEndianImplicit, EXS_BigEndianExplicit, EXS_DeflatedLittleEndianExplicit}) {
    const auto other = fresh_folder("other-syntax");
    for (const auto& path : files_below(plain)) {
      DcmFileFormat file;
      ASSERT_TRUE(file.loadFile(path.c_str()).good());
      save(file, other / path.filename(), syntax);
    }
    const Outcome outcome = read(other);
    EXPECT_EQ(only(outcome).volume.values, expected) << syntax;
  }
}

TEST(SeriesValues, ThreadsChangeNothing) {
  const auto folder = make_ct("threads", 40);
  const Outcome one = read(folder, {.threads = 1}), many = read(folder, {.threads = 7});
  EXPECT_EQ(only(one).volume.values, only(many).volume.values);
  for (std::size_t k = 0; k < 40; ++k)
    EXPECT_EQ(only(one).instances[k].file_digest, only(many).instances[k].file_digest);
}

TEST(SeriesValues, InstancesWithoutUidsStandButNothingMayReferToThem) {
  const auto folder = make_ct("nameless", 4, [](int, DcmDataset& d) {
    for (const DcmTagKey& tag : {DCM_SOPInstanceUID, DCM_StudyInstanceUID, DCM_SeriesInstanceUID}) put(d, tag, "");
  });
  const Outcome outcome = read(folder);
  EXPECT_FALSE(only(outcome).referable);
  EXPECT_TRUE(says(only(outcome).warnings, "lack UIDs"));
  EXPECT_EQ(only(outcome).volume.at(3, 2, 3), made_hu(3, 2, 3));
}

}  // namespace
