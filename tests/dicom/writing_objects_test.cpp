// Writers of DICOM objects: bytes that others read as they were meant, patient attributes byte-equal, our texts in the
// character set of the source.
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "dicom/reading.h"
#include "dicom/writing.h"
#include "dicom/writing_item.h"

namespace rouage::dicom {
namespace {

struct Parsed {
  DcmFileFormat format;
  explicit Parsed(const Bytes& file) {
    DcmInputBufferStream stream;
    stream.setBuffer(file.data(), static_cast<offile_off_t>(file.size()));
    stream.setEos();
    format.transferInit();
    const OFCondition condition = format.read(stream);
    format.transferEnd();
    if (condition.bad()) throw std::runtime_error(condition.text());
  }
  std::string text(const DcmTagKey& tag) {
    OFString value;
    format.getDataset()->findAndGetOFStringArray(tag, value, OFTrue);
    return {value.c_str(), value.size()};
  }
};

ObjectFrame frame_of(InstanceHeader header) {
  ObjectFrame frame;
  frame.source = std::move(header);
  frame.sop_instance_uid = "2.25.1";
  frame.series_instance_uid = "2.25.2";
  frame.series_number = 9001;
  frame.series_description = "Résultats IA, non relus";
  frame.content_date = "20250314";
  frame.content_time = "081733";
  frame.equipment = {"Rouage", "Rouage chest", "0.1.0", "2.25.3"};
  return frame;
}

InstanceHeader header_with(const std::string& character_set) {
  InstanceHeader header;
  header.sop_class_uid = "1.2.840.10008.5.1.4.1.1.1";
  header.sop_instance_uid = "1.2.3.4.1";
  header.series_instance_uid = "1.2.3.4";
  header.study_instance_uid = "1.2.3";
  header.character_set = character_set;
  if (!character_set.empty()) header.patient_and_study.push_back(raw_text(8, 5, "CS", character_set));
  return header;
}

SrObject small_report(const InstanceHeader& header) {
  SrObject object;
  object.frame = frame_of(header);
  object.sop_class_uid = "1.2.840.10008.5.1.4.1.1.88.34";
  object.root.type = SrItem::Type::container;
  object.root.concept_name = concept_code("imaging_measurement_report");
  object.root.template_id = "1500";
  SrItem text;
  text.relationship = "CONTAINS";
  text.concept_name = concept_code("comment");
  text.text = "IA, non relue: épanchement";
  object.root.children.push_back(text);
  object.evidence = {
      {header.sop_class_uid, header.sop_instance_uid, header.series_instance_uid, header.study_instance_uid}};
  return object;
}

TEST(Texts, takeTheCharacterSetOfTheSource) {
  EXPECT_EQ(Texts("ISO_IR 192").lo("Épaississement œdème"), "Épaississement œdème");
  EXPECT_EQ(Texts("ISO_IR 100").lo("Été à œuvre ± 3"), "\xC9t\xE9 \xE0 oeuvre \xB1 3");
  EXPECT_EQ(Texts("ISO_IR 101").lo("é è ç ù"), "\xE9 e \xE7 u") << "Latin-2 has no grave accents";
  EXPECT_EQ(Texts("").lo("Épaississement pleural ≥ 0,5"), "Epaississement pleural >= 0,5");
  EXPECT_EQ(Texts("ISO 2022 IR 100\\ISO 2022 IR 87").lo("relu à"), "relu \xE0") << "the first value is in force";
  EXPECT_EQ(Texts("\\ISO 2022 IR 87").lo("relu à"), "relu a");
  EXPECT_EQ(Texts("GB18030").lo("relu à"), "relu a");
  EXPECT_EQ(Texts("ISO_IR 13").ut("a\\b"), "a/b") << "a backslash is a yen sign there";
}

TEST(Texts, keepTheLengthsOfTheirVr) {
  EXPECT_EQ(Texts("").sh(std::string(40, 'x')).size(), 16U);
  EXPECT_EQ(Texts("").lo("a\\b\nc"), "a/b c");
  EXPECT_EQ(Texts("").lo(std::string(63, 'x') + "…").size(), 64U);
}

TEST(DecimalString, atMostSixteenCharactersAndNearest) {
  EXPECT_EQ(decimal_string(0.1), "0.1");
  EXPECT_EQ(decimal_string(-0.000123456789012345678).size() <= 16, true);
  EXPECT_NEAR(std::stod(decimal_string(58.274190123456789)), 58.274190123456789, 1e-12);
  EXPECT_NEAR(std::stod(decimal_string(-1.0 / 3)), -1.0 / 3, 1e-12);
  EXPECT_NEAR(std::stod(decimal_string(1e-300 / 3)) * 1e300, 1.0 / 3, 1e-9);
  EXPECT_THROW(decimal_string(std::nan("")), Error);
}

// RES-4
TEST(WriteSr, completesWhatTheSourceLacks) {
  Parsed parsed(write_sr(small_report(header_with("ISO_IR 192"))));
  for (const DcmTagKey& tag : {DCM_PatientName, DCM_PatientID, DCM_StudyDate, DCM_AccessionNumber, DCM_StudyID})
    EXPECT_TRUE(parsed.format.getDataset()->tagExists(tag)) << tag.toString();
  EXPECT_EQ(parsed.text(DCM_StudyInstanceUID), "1.2.3");
  EXPECT_EQ(parsed.text(DCM_CompletionFlag), "PARTIAL");
  EXPECT_EQ(parsed.text(DCM_VerificationFlag), "UNVERIFIED");
  EXPECT_EQ(parsed.text(DCM_PreliminaryFlag), "PRELIMINARY");
  EXPECT_EQ(parsed.text(DCM_SeriesDescription), "Résultats IA, non relus");
  OFString version;
  parsed.format.getMetaInfo()->findAndGetOFString(DCM_ImplementationVersionName, version);
  EXPECT_EQ(version, "ROUAGE_0_1");
}

TEST(WriteSr, sameValueSameBytes) {
  const SrObject object = small_report(header_with("ISO_IR 100"));
  EXPECT_EQ(write_sr(object), write_sr(object));
}

TEST(WriteSr, refusesASourceWithoutStudy) {
  InstanceHeader header = header_with("");
  header.study_instance_uid.clear();
  try {
    write_sr(small_report(header));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::WriteInvalid);
    EXPECT_NE(error.tag().find("StudyInstanceUID"), std::string::npos);
  }
}

// French, Japanese, Korean, Arabic, Greek, Hebrew, Russian, German names as their files have them.
TEST(WriteSr, patientNamesOfAllCharacterSetsAreByteEqual) {
  const std::filesystem::path folder = std::filesystem::path(ROUAGE_SHARED_DIR) / "data/dicom/charset";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".dcm") continue;
    InstanceHeader header;
    try {
      header = read_header(entry.path(), {});
    } catch (const Error&) {
      continue;  // files without pixels are refused by the reader, which has its own tests
    }
    DcmFileFormat source;
    ASSERT_TRUE(source.loadFile(entry.path().c_str()).good());
    OFString name;
    source.getDataset()->findAndGetOFStringArray(DCM_PatientName, name, OFTrue);
    Parsed parsed(write_sr(small_report(header)));
    EXPECT_EQ(parsed.text(DCM_PatientName), std::string(name.c_str(), name.size())) << entry.path();
    EXPECT_EQ(parsed.text(DCM_SpecificCharacterSet), header.character_set) << entry.path();
    ++files;
  }
  EXPECT_GT(files, 0) << "the reader opened none of them";
}

TEST(WriteSeg, packsTheFirstPixelInTheLowestBit) {
  SegObject object;
  object.frame = frame_of(header_with("ISO_IR 192"));
  object.content_label = "AI_REGIONS";
  object.columns = 5;
  object.rows = 3;
  Segment segment;
  segment.label = "a";
  segment.algorithm_name = "net";
  segment.category = concept_code("morphologically_abnormal_structure");
  segment.type = finding_code("Nodule");
  segment.mask = {1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 1};
  object.segments = {segment, segment};
  Parsed parsed(write_seg(object));
  const Uint8* bytes = nullptr;
  unsigned long count = 0;
  ASSERT_TRUE(parsed.format.getDataset()->findAndGetUint8Array(DCM_PixelData, bytes, &count).good());
  // 30 bits: 0-14 the first frame, 15-29 the second, right behind it.
  EXPECT_EQ(std::vector<int>(bytes, bytes + count), (std::vector<int>{0x01, 0xC1, 0x80, 0x20}));
  object.segments[0].mask.pop_back();
  EXPECT_THROW(write_seg(object), Error);
  // A row of 10: the first eight pixels are packed at once, the last two one by one.
  object.columns = 10;
  object.rows = 1;
  segment.mask = {1, 1, 0, 0, 0, 0, 0, 1, 0, 1};
  object.segments = {segment};
  Parsed wide(write_seg(object));
  ASSERT_TRUE(wide.format.getDataset()->findAndGetUint8Array(DCM_PixelData, bytes, &count).good());
  EXPECT_EQ(std::vector<int>(bytes, bytes + count), (std::vector<int>{0x83, 0x02}));
}

TEST(WritePresentationState, invertsForMonochrome1AndRepeatsTheWindow) {
  PresentationObject object;
  object.frame = frame_of(header_with(""));
  object.frame.source.grey.window_center = 300;
  object.frame.source.grey.window_width = 800;
  object.content_label = "AI";
  object.layer_name = "AI";
  object.columns = 100;
  object.rows = 80;
  object.inverse = true;
  object.shapes = {{{{1, 2}, {3, 2}, {3, 4}}, "épanchement"}};
  Parsed parsed(write_presentation_state(object));
  EXPECT_EQ(parsed.text(DCM_PresentationLUTShape), "INVERSE");
  EXPECT_EQ(parsed.text(DCM_WindowCenter), "300");
  EXPECT_EQ(parsed.text(DCM_UnformattedTextValue), "epanchement");
  Uint16 points = 0;
  parsed.format.getDataset()->findAndGetUint16(DCM_NumberOfGraphicPoints, points, 0, OFTrue);
  EXPECT_EQ(points, 4) << "closed";
}

TEST(WriteFilm, aPhantomIsSaidToBeSynthetic) {
  FilmObject object;
  object.frame = frame_of(header_with("ISO_IR 192"));
  object.columns = 3;
  object.rows = 2;
  object.bits_stored = 12;
  object.values = {0, 1, 256, 4095, 7, 8};
  object.patient_orientation = {"L", "F"};
  object.view_position = "PA";
  object.body_part = "CHEST";
  object.imager_spacing_mm = {0.14, 0.15};
  object.synthetic = true;
  Parsed parsed(write_film(object));
  EXPECT_EQ(parsed.text(DCM_ImageComments), "Synthetic phantom, not a patient");
  EXPECT_EQ(parsed.text(DCM_ImagerPixelSpacing), "0.14\\0.15");
  const Uint16* words = nullptr;
  unsigned long count = 0;
  ASSERT_TRUE(parsed.format.getDataset()->findAndGetUint16Array(DCM_PixelData, words, &count).good());
  EXPECT_EQ(std::vector<Uint16>(words, words + count), object.values);
  object.values[0] = 4096;
  EXPECT_THROW(write_film(object), Error) << "more than 12 bits";
}

}  // namespace
}  // namespace rouage::dicom
