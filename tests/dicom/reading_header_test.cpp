// What the header says: age, view, spacing and its kind, text in every character set, raw attributes.
#include <gtest/gtest.h>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/host.h"
#include "dicom/charset.h"
#include "dicom/header.h"
#include "dicom/reading.h"
#include "dicom/reading_made_files.h"

namespace rouage::dicom {
namespace {

using image::SpacingKind;

const std::filesystem::path kData = std::filesystem::path(ROUAGE_SHARED_DIR) / "data" / "dicom";

FilmInstance film_with(const std::map<std::pair<int, int>, std::string>& attributes) {
  made::MadeFilm film;
  film.change = [&](DcmDataset& dataset) {
    for (const auto& [tag, value] : attributes)
      dataset.putAndInsertString(DcmTagKey(static_cast<Uint16>(tag.first), static_cast<Uint16>(tag.second)),
                                 value.c_str());
  };
  return read_film(made::film_bytes(film), {});
}

TEST(Header, ages_are_years_whatever_their_unit) {
  EXPECT_EQ(reading::age_of("045Y"), 45.0);
  EXPECT_EQ(reading::age_of("018M"), 1.5);
  EXPECT_NEAR(*reading::age_of("052W"), 52 * 7 / 365.24219, 1e-12);
  EXPECT_NEAR(*reading::age_of("010D"), 10 / 365.24219, 1e-12);
  EXPECT_EQ(reading::age_of(" 7Y "), 7.0);
  for (const char* wrong : {"", "Y", "old", "-4Y", "45X", "1000Y"}) EXPECT_FALSE(reading::age_of(wrong)) << wrong;
}

TEST(Header, an_age_from_dates_is_the_number_of_birthdays) {
  EXPECT_EQ(reading::years_between("19600229", "20260228"), 65.0);
  EXPECT_EQ(reading::years_between("19600229", "20260301"), 66.0);
  EXPECT_EQ(reading::years_between("20000101", "20001231"), 0.0);
  EXPECT_EQ(reading::years_between("1960.05.01", "2020.05.02"), 60.0);
  EXPECT_FALSE(reading::years_between("20260101", "20250101"));
  EXPECT_FALSE(reading::years_between("", "20250101"));
}

TEST(Header, the_stated_age_goes_before_the_dates_and_dates_fill_in) {
  EXPECT_EQ(film_with({{{0x10, 0x1010}, "045Y"}, {{0x10, 0x30}, "20000101"}, {{0x08, 0x20}, "20260101"}}).header.age_a,
            45.0);
  EXPECT_EQ(film_with({{{0x10, 0x30}, "20000101"}, {{0x08, 0x20}, "20260102"}}).header.age_a, 26.0);
  EXPECT_FALSE(film_with({}).header.age_a);
}

struct SpacingCase {
  const char *pixel, *imager, *magnification, *calibration;
  SpacingKind kind;
  double row_mm;
};

class Spacing : public testing::TestWithParam<SpacingCase> {};

// INP-4
TEST_P(Spacing, has_the_kind_of_ps3_3_10_7) {
  const SpacingCase& given = GetParam();
  std::map<std::pair<int, int>, std::string> attributes;
  if (*given.pixel) attributes[{0x28, 0x30}] = given.pixel;
  if (*given.imager) attributes[{0x18, 0x1164}] = given.imager;
  if (*given.magnification) attributes[{0x18, 0x1114}] = given.magnification;
  if (*given.calibration) attributes[{0x28, 0x0A02}] = given.calibration;
  const auto spacing = film_with(attributes).film.spacing;
  if (given.kind == SpacingKind::none) {
    EXPECT_FALSE(spacing);
    return;
  }
  ASSERT_TRUE(spacing);
  EXPECT_EQ(spacing->kind, given.kind);
  EXPECT_NEAR(spacing->row_mm, given.row_mm, 1e-12);
}
INSTANTIATE_TEST_SUITE_P(
    Films, Spacing,
    testing::Values(SpacingCase{"", "", "", "", SpacingKind::none, 0},
                    SpacingCase{"0.12\\0.12", "0.14\\0.14", "", "FIDUCIAL", SpacingKind::at_patient, 0.12},
                    SpacingCase{"0.12\\0.12", "", "", "GEOMETRY", SpacingKind::at_patient, 0.12},
                    SpacingCase{"0.12\\0.12", "0.14\\0.14", "", "", SpacingKind::at_patient, 0.12},
                    SpacingCase{"0.14\\0.14", "0.14\\0.14", "", "", SpacingKind::at_detector, 0.14},
                    SpacingCase{"0.14\\0.14", "", "", "", SpacingKind::doubtful, 0.14},
                    SpacingCase{"", "0.14\\0.14", "", "", SpacingKind::at_detector, 0.14},
                    SpacingCase{"", "0.15\\0.15", "1.25", "", SpacingKind::at_patient, 0.12},
                    SpacingCase{"", "0.15\\0.15", "0", "", SpacingKind::at_detector, 0.15},
                    SpacingCase{"0\\0", "", "", "", SpacingKind::none, 0},
                    SpacingCase{"25\\25", "", "", "GEOMETRY", SpacingKind::doubtful, 25}));

TEST(Header, the_view_comes_from_its_position_or_its_code) {
  EXPECT_EQ(film_with({{{0x18, 0x5101}, "PA"}}).header.view_position, "PA");
  made::MadeFilm film;
  film.change = [](DcmDataset& dataset) {
    DcmItem* item = nullptr;
    dataset.findOrCreateSequenceItem(DCM_ViewCodeSequence, item, -2);
    item->putAndInsertString(DCM_CodeValue, "399348003");
    item->putAndInsertString(DCM_CodingSchemeDesignator, "SCT");
  };
  EXPECT_EQ(read_film(made::film_bytes(film), {}).header.view_position, "AP");
}

TEST(Header, an_instance_without_identifiers_is_refused) {
  made::MadeFilm film;
  film.change = [](DcmDataset& dataset) { dataset.findAndDeleteElement(DCM_StudyInstanceUID); };
  try {
    read_film(made::film_bytes(film), {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid);
    EXPECT_EQ(error.tag(), "(0020,000D) StudyInstanceUID");
  }
}

struct CharsetCase {
  const char *term, *bytes, *utf8;
};

class Charset : public testing::TestWithParam<CharsetCase> {};

TEST_P(Charset, becomes_utf_8_without_warning) {
  std::vector<std::string> warnings;
  EXPECT_EQ(reading::to_utf8(GetParam().bytes, GetParam().term, warnings), GetParam().utf8);
  EXPECT_TRUE(warnings.empty());
}
// The names of ../shared/data/dicom/charset/FileInfo.txt and PS3.5 annexes H, I, J, K.
INSTANTIATE_TEST_SUITE_P(
    Names, Charset,
    testing::Values(
        CharsetCase{"ISO_IR 100", "Buc^J\xe9r\xf4me", "Buc^Jérôme"},
        CharsetCase{"ISO_IR 100",
                    "\xc4neas^R\xfc"
                    "diger",
                    "Äneas^Rüdiger"},
        CharsetCase{"ISO_IR 127", "\xe2\xc8\xc7\xe6\xea^\xe4\xe6\xd2\xc7\xd1", "قباني^لنزار"},
        CharsetCase{"ISO_IR 126", "\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"},
        CharsetCase{"ISO_IR 138", "\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"},
        CharsetCase{"ISO_IR 144",
                    "\xbb\xee\xda"
                    "ce\xdc\xd1yp\xd3",
                    "Люкceмбypг"},
        CharsetCase{"\\ISO 2022 IR 87",
                    "Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
                    "Yamada^Tarou=山田^太郎=やまだ^たろう"},
        CharsetCase{
            "ISO 2022 IR 13\\ISO 2022 IR 87",
            "\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J=\x1b$B$d$^$@\x1b(J^\x1b$B$?$m$&\x1b(J",
            "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎=やまだ^たろう"},
        CharsetCase{"\\ISO 2022 IR 149",
                    "Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7=\x1b$)C\xc8\xab^\x1b$)C\xb1\xe6\xb5\xbf",
                    "Hong^Gildong=洪^吉洞=홍^길동"},
        CharsetCase{"ISO_IR 192", "Wang^XiaoDong=\xe7\x8e\x8b^\xe5\xb0\x8f\xe6\x9d\xb1=", "Wang^XiaoDong=王^小東="},
        CharsetCase{"GB18030", "Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab=", "Wang^XiaoDong=王^小东="},
        CharsetCase{"\\ISO 2022 IR 58",
                    "Zhang^XiaoDong=\x1b$)A\xd5\xc5^\x1b$)A\xd0\xa1\xb6\xab=", "Zhang^XiaoDong=张^小东="},
        CharsetCase{"ISO 2022 IR 6\\ISO 2022 IR 100", "J\x1b-A\xe9r\xf4me", "Jérôme"},
        CharsetCase{"latin1", "J\xe9r", "Jér"}, CharsetCase{"ISO-IR-100", "J\xe9r", "Jér"}));

TEST(Header, a_text_that_its_character_set_cannot_explain_is_guessed_and_warned_of) {
  for (const auto& [term, bytes] : {std::pair{"", "J\xe9r"}, std::pair{"ISO_IR 999", "J\xe9r"},
                                    std::pair{"ISO_IR 192", "J\xe9r"}, std::pair{"", "Jér"}}) {
    std::vector<std::string> warnings;
    EXPECT_EQ(reading::to_utf8(bytes, term, warnings), "Jér") << term;
    EXPECT_EQ(warnings.size(), 1U) << term;
  }
}

TEST(Header, says_how_the_image_asks_to_be_shown) {
  made::MadeFilm film;
  film.change = [](DcmDataset& dataset) {
    dataset.putAndInsertString(DCM_WindowCenter, "600\\40");
    dataset.putAndInsertString(DCM_WindowWidth, "1600\\400");
    dataset.putAndInsertString(DCM_RescaleIntercept, "-10");
    dataset.putAndInsertString(DCM_RescaleSlope, "2");
  };
  const GreyPipeline grey = read_film(made::film_bytes(film), {}).header.grey;
  EXPECT_EQ(grey.photometric, "MONOCHROME2");
  EXPECT_EQ(grey.window_center, 600);
  EXPECT_EQ(grey.window_width, 1600);
  EXPECT_EQ(grey.rescale_intercept, -10);
  EXPECT_EQ(grey.rescale_slope, 2);
  EXPECT_FALSE(grey.has_lut);
}

// RES-2
TEST(Header, patient_and_study_are_kept_byte_for_byte) {
  made::MadeFilm film;
  film.syntax = EXS_BigEndianExplicit;
  film.change = [](DcmDataset& dataset) {
    dataset.putAndInsertString(DCM_SpecificCharacterSet, "ISO_IR 100");
    dataset.putAndInsertString(DCM_PatientName, "Buc^J\xe9r\xf4me");
    dataset.putAndInsertString(DCM_PatientID, "12345");
    dataset.putAndInsertUint16(DCM_PregnancyStatus, 0x0004);
    DcmItem* item = nullptr;
    dataset.findOrCreateSequenceItem(DCM_OtherPatientIDsSequence, item, -2);
  };
  const auto attributes = read_film(made::film_bytes(film), {}).header.patient_and_study;
  const auto value = [&](std::uint16_t group, std::uint16_t element) {
    for (const auto& attribute : attributes)
      if (attribute.group == group && attribute.element == element) return attribute;
    return RawAttribute{};
  };
  const std::string name = "Buc^J\xe9r\xf4me ";
  EXPECT_EQ(value(0x0010, 0x0010).value, Bytes(name.begin(), name.end() - (name.size() % 2)));
  EXPECT_EQ(value(0x0010, 0x0020).value, (Bytes{'1', '2', '3', '4', '5', ' '}));
  EXPECT_EQ(value(0x0010, 0x21C0).value, (Bytes{0x04, 0x00}));  // little endian, whatever the file was
  EXPECT_EQ(value(0x0010, 0x21C0).vr, "US");
  EXPECT_EQ(value(0x0020, 0x000D).vr, "UI");
  EXPECT_TRUE(value(0x0010, 0x1002).vr.empty());  // sequences stay behind
  EXPECT_TRUE(std::is_sorted(attributes.begin(), attributes.end(), [](const auto& a, const auto& b) {
    return std::pair(a.group, a.element) < std::pair(b.group, b.element);
  }));
}

TEST(Header, implicit_vr_gets_its_types_from_the_dictionary) {
  made::MadeFilm film;
  film.syntax = EXS_LittleEndianImplicit;
  film.change = [](DcmDataset& dataset) { dataset.putAndInsertString(DCM_PatientBirthDate, "19600101"); };
  std::string vr;
  for (const auto& attribute : read_film(made::film_bytes(film), {}).header.patient_and_study) {
    if (attribute.group == 0x0010 && attribute.element == 0x0030) vr = attribute.vr;
  }
  EXPECT_EQ(vr, "DA");
}

}  // namespace
}  // namespace rouage::dicom
