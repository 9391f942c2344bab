// PNG and JPEG as films: derived identifiers, facts, grey.
#include <gtest/gtest.h>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dicom/reading_made_files.h"
#include "image/picture.h"

namespace rouage::dicom {
namespace {

std::filesystem::path picture(const std::string& name, int channels, const Bytes& samples) {
  const auto path = made::scratch_folder() / name;
  write_file(path, image::write_png(4, 2, channels, samples));
  return path;
}

const Bytes kGrey = {0, 51, 102, 153, 204, 255, 0, 51};

TEST(ReadingPicture, samples_become_display_values) {
  const auto film = read_picture_as_film(picture("grey.png", 1, kGrey), {}, {});
  ASSERT_EQ(film.film.values.size(), 8U);
  for (std::size_t i = 0; i < 8; ++i) EXPECT_NEAR(film.film.values[i], kGrey[i] / 255.0, 1e-6);
  EXPECT_TRUE(film.header.made_from_picture);
  EXPECT_EQ(film.header.modality, "OT");
  EXPECT_EQ(film.header.columns, 4U);
  EXPECT_FALSE(film.film.spacing);
}

TEST(ReadingPicture, identifiers_follow_from_bytes_and_facts) {
  const auto one = picture("one.png", 1, kGrey), same = picture("same.png", 1, kGrey);
  PictureFacts viewed;
  viewed.view = "PA";
  const InstanceHeader a = read_picture_as_film(one, {}, {}).header, b = read_picture_as_film(same, {}, {}).header;
  const InstanceHeader c = read_picture_as_film(one, viewed, {}).header;
  EXPECT_EQ(a.sop_instance_uid, b.sop_instance_uid);
  EXPECT_NE(a.sop_instance_uid, c.sop_instance_uid);
  EXPECT_NE(a.sop_instance_uid, a.study_instance_uid);
}

TEST(ReadingPicture, films_of_one_study_share_its_identifier) {
  Bytes other = kGrey;
  other[0] = 9;
  PictureFacts facts;
  facts.patient_id = "p";
  facts.study_id = "s";
  const auto a = read_picture_as_film(picture("a.png", 1, kGrey), facts, {});
  facts.view = "LL";
  const auto b = read_picture_as_film(picture("b.png", 1, other), facts, {});
  EXPECT_EQ(a.header.study_instance_uid, b.header.study_instance_uid);
  EXPECT_NE(a.header.sop_instance_uid, b.header.sop_instance_uid);
}

TEST(ReadingPicture, facts_become_the_header_and_its_raw_attributes) {
  const PictureFacts facts{.patient_id = "é42",
                           .study_id = "S1",
                           .sex = "F",
                           .view = "PA",
                           .accession = "A7",
                           .study_date = "20260102",
                           .age_a = 45.0};
  const InstanceHeader header = read_picture_as_film(picture("facts.png", 1, kGrey), facts, {}).header;
  EXPECT_EQ(header.patient_id, "é42");
  EXPECT_EQ(header.age_a, 45.0);
  EXPECT_EQ(header.view_position, "PA");
  EXPECT_EQ(header.character_set, "ISO_IR 192");
  std::map<int, std::string> raw;
  for (const auto& attribute : header.patient_and_study)
    raw[attribute.group << 16 | attribute.element] = std::string(attribute.value.begin(), attribute.value.end());
  EXPECT_EQ(trimmed(raw[0x00100020]), "é42");
  EXPECT_EQ(trimmed(raw[0x00101010]), "045Y");
  EXPECT_EQ(trimmed(raw[0x00080050]), "A7");
  EXPECT_EQ(trimmed(raw[0x0020000D]), header.study_instance_uid);
}

TEST(ReadingPicture, grey_colour_pictures_are_films_and_coloured_ones_are_not) {
  Bytes grey(24), colour(24);
  for (std::size_t i = 0; i < 24; ++i) grey[i] = static_cast<std::uint8_t>(i / 3 * 30);
  colour[4] = 200;
  const auto film = read_picture_as_film(picture("rgb.png", 3, grey), {}, {});
  EXPECT_TRUE(film.film.from_colour);
  EXPECT_NEAR(film.film.values[1], 30 / 255.0, 1e-6);
  try {
    read_picture_as_film(picture("colour.png", 3, colour), {}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotGrey);
    EXPECT_FALSE(error.file().empty());
  }
}

}  // namespace
}  // namespace rouage::dicom
