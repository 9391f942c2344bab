// Every file of the conformance collection: a film, or an error that names file, tag and remedy. Nothing else.
#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dicom/reading_file.h"

namespace rouage::dicom {
namespace {

const std::filesystem::path kData = std::filesystem::path(ROUAGE_SHARED_DIR) / "data" / "dicom";

/// What the file is, as an error's name or "film". Read once by hand against catalogue.csv and pydicom's README.
const std::map<std::string, std::string> kExpected = {
    {"ct_all_syntaxes/no-pixel-data.dcm", "NoPixelData"},
    {"ct_all_syntaxes/no-pixel-spacing.dcm", "NotGrey"},
    {"dcm4che/YBR_FULL-RLE.dcm", "NotGrey"},
    {"dcmqi_seg/24x38x3/multiframe/mf.dcm", "MultiFrame"},
    {"dcmqi_sr/seg.dcm", "PixelDataUnsupported"},
    {"dcmqi_sr/rwvm.dcm", "NoPixelData"},
    {"dicomsamples/MG_Explicit_Little.dcm", "film"},
    {"dwv/DICOMDIR", "NoPixelData"},
    {"dwv/gdcm-CR-MONO1-10-chest.dcm", "film"},
    {"dwv/nema-nm1_j2kr.dcm", "film"},
    {"dwv/nema-nm1_jpll.dcm", "film"},
    {"fo_dicom/TestPattern_Palette.dcm", "NotGrey"},
    {"highdicom/dx_image.dcm", "film"},
    {"highdicom/sr_document.dcm", "NoPixelData"},
    {"orthanc/Worklists/Dcmtk/Database/wklist1.dump", "NotDicom"},
    {"pydicom/ExplVR_BigEnd.dcm", "NotGrey"},
    {"pydicom/JPEG-lossy.dcm", "film"},
    {"pydicom/JPGExtended.dcm", "film"},
    {"pydicom/MR_truncated.dcm", "PixelDataTruncated"},
    {"pydicom/MR_small_padded.dcm", "film"},
    {"pydicom/badVR.dcm", "HeaderInvalid"},
    {"pydicom/image_dfl.dcm", "film"},
    {"pydicom/liver_1frame.dcm", "PixelDataUnsupported"},
    {"pydicom/no_meta.dcm", "NotDicom"},  // its first byte is superfluous
    {"pydicom/rtdose.dcm", "PixelDataUnsupported"},
    {"pydicom/rtplan.dcm", "NoPixelData"},
    {"pydicom/zipMR.gz", "NotDicom"},
    {"pydicom_data/RG3_J2KI.dcm", "film"},
    {"pydicom_data/emri_small_RLE.dcm", "MultiFrame"},
    {"pydicom_data/parametric_map_float.dcm", "PixelDataUnsupported"},
    {"pydicom_data/JLSL_08_07_0_1F.dcm", "HeaderInvalid"},  // no study: results could not refer to it
};

std::string outcome(const std::filesystem::path& file) {
  try {
    const FilmInstance film = read_film(file, {});
    EXPECT_EQ(film.film.values.size(), std::size_t{film.film.rows} * film.film.columns);
    EXPECT_TRUE(std::all_of(film.film.values.begin(), film.film.values.end(), [](float v) { return v >= 0 && v <= 1; }))
        << file;
    return "film";
  } catch (const Error& error) {
    EXPECT_EQ(error.file(), file.string());
    EXPECT_FALSE(error.remedy().empty()) << file;
    EXPECT_TRUE(!error.tag().empty() || error.code() == ErrorCode::NotDicom) << error.what();
    EXPECT_NE(error.code(), ErrorCode::Internal) << error.what();
    return std::string(error_entry(error.code()).name);
  }
}

// INP-1
TEST(ReadingFiles, every_conformance_file_is_a_film_or_a_clear_error) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << kData << " is not here";
  int films = 0, files = 0;
  std::size_t known = 0;
  for (const auto& file : files_below(kData)) {
    const std::string what = outcome(file), name = std::filesystem::relative(file, kData).string();
    ++files;
    films += what == "film" ? 1 : 0;
    const auto expected = kExpected.find(name);
    if (expected == kExpected.end()) continue;
    ++known;
    EXPECT_EQ(what, expected->second) << name;
  }
  EXPECT_EQ(known, kExpected.size());
  EXPECT_GE(files, 190);
  EXPECT_GE(films, 50);
}

/// DCMTK drops the padding of each value, we that of the whole.
std::string without_blanks(std::string text) {
  std::erase(text, ' ');
  return text;
}

/// The header as DCMTK's own parser sees it, for files that it can parse.
TEST(ReadingFiles, elements_are_those_that_dcmtk_finds) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << kData << " is not here";
  initialise();
  int compared = 0;
  for (const auto& file : files_below(kData)) {
    if (file_kind(file) != FileKind::dicom) continue;
    DcmFileFormat dcmtk;
    if (dcmtk.loadFile(file.c_str()).bad()) continue;
    const Bytes bytes = read_file(file, 64 * kMebibyte);
    const reading::ParsedFile ours = reading::parse_file(bytes, {});
    for (const DcmTagKey& key :
         {DCM_SOPInstanceUID, DCM_StudyInstanceUID, DCM_Modality, DCM_PatientID, DCM_PatientName, DCM_StudyDate,
          DCM_PhotometricInterpretation, DCM_WindowCenter, DCM_PixelSpacing, DCM_Manufacturer, DCM_ImageType}) {
      const auto* element = ours.dataset.find(reading::Tag{key.getGroup()} << 16 | key.getElement());
      OFString value;
      const bool there = dcmtk.getDataset()->findAndGetOFStringArray(key, value).good();
      EXPECT_EQ(element != nullptr, there) << file << key.toString();
      if (element != nullptr) {
        EXPECT_EQ(without_blanks(ours.dataset.text(element->tag)), without_blanks(value.c_str()))
            << file << key.toString();
      }
    }
    for (const DcmTagKey& key : {DCM_Rows, DCM_Columns, DCM_BitsAllocated, DCM_SamplesPerPixel}) {
      Uint16 value = 0;
      if (dcmtk.getDataset()->findAndGetUint16(key, value).good()) {
        EXPECT_EQ(ours.dataset.integer(reading::Tag{key.getGroup()} << 16 | key.getElement()), std::int64_t{value})
            << file;
      }
    }
    ++compared;
  }
  EXPECT_GE(compared, 120);
}

TEST(ReadingFiles, the_kind_is_told_by_content) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << kData << " is not here";
  EXPECT_EQ(file_kind(kData / "dwv/DICOMDIR"), FileKind::dicom);
  EXPECT_EQ(file_kind(kData / "pydicom/zipMR.gz"), FileKind::other);
  EXPECT_EQ(file_kind(kData / "README.md"), FileKind::other);
  EXPECT_THROW(file_kind(kData / "no such file"), Error);
}

TEST(ReadingFiles, the_header_alone_says_the_same_as_the_film) {
  const auto file = kData / "dwv/gdcm-CR-MONO1-10-chest.dcm";
  if (!std::filesystem::exists(file)) GTEST_SKIP() << file << " is not here";
  const InstanceHeader header = read_header(file, {}), full = read_film(file, {}).header;
  EXPECT_EQ(header.sop_instance_uid, full.sop_instance_uid);
  EXPECT_EQ(header.rows, 440U);
  EXPECT_EQ(header.view_position, "PA");
  EXPECT_EQ(header.patient_and_study.size(), full.patient_and_study.size());
  EXPECT_EQ(full.file_digest, sha256(read_file(file, kMebibyte)));
}

}  // namespace
}  // namespace rouage::dicom
