// What a stored value becomes on the screen: PS3.3 C.11 and PS3.4 N.2, against values worked out by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "dicom/reading.h"
#include "dicom/reading_made_files.h"

namespace rouage::dicom {
namespace {

using made::film_bytes;
using made::MadeFilm;

// One float rounding of a value in 0..1; every expected value below is exact in double.
constexpr float kTolerance = 1e-6F;

std::vector<float> shown(const MadeFilm& film) {
  return read_film(film_bytes(film), {}).film.values;
}

bool warned(const FilmInstance& film, const std::string& part) {
  for (const std::string& warning : film.header.warnings)
    if (warning.find(part) != std::string::npos) return true;
  return false;
}

ErrorCode refused(const MadeFilm& film, std::optional<int> frame = {}) {
  try {
    read_film(film_bytes(film), {}, frame);
  } catch (const Error& error) {
    EXPECT_FALSE(error.tag().empty()) << error.what();
    EXPECT_FALSE(error.remedy().empty()) << error.what();
    return error.code();
  }
  return ErrorCode::Internal;
}

void put(DcmDataset& dataset, const DcmTagKey& tag, const char* value) {
  ASSERT_TRUE(dataset.putAndInsertString(tag, value).good());
}

MadeFilm windowed(const char* center, const char* width, const char* function = nullptr) {
  MadeFilm film;
  film.change = [=](DcmDataset& dataset) {
    put(dataset, DCM_WindowCenter, center);
    put(dataset, DCM_WindowWidth, width);
    if (function != nullptr) put(dataset, DCM_VOILUTFunction, function);
  };
  return film;
}

TEST(Grey, a_linear_window_follows_c_11_2_1_2_1) {
  // Ramp 0..15, centre 8, width 8: y = (x - 7.5) / 7 + 0.5, held to 0..1.
  const auto values = shown(windowed("8", "8"));
  for (int x = 0; x < 16; ++x) EXPECT_NEAR(values[x], std::clamp((x - 7.5) / 7 + 0.5, 0.0, 1.0), kTolerance) << x;
}

TEST(Grey, a_window_of_width_one_is_a_step) {
  const auto values = shown(windowed("8", "1"));
  EXPECT_EQ(values[7], 0.0F);
  EXPECT_EQ(values[8], 1.0F);
}

TEST(Grey, an_exact_linear_window_has_no_half_steps) {
  const auto values = shown(windowed("8", "10", "LINEAR_EXACT"));
  for (int x = 0; x < 16; ++x) EXPECT_NEAR(values[x], std::clamp((x - 8.0) / 10 + 0.5, 0.0, 1.0), kTolerance) << x;
}

TEST(Grey, a_sigmoid_window_is_one_half_at_its_centre) {
  const auto values = shown(windowed("8", "4", "SIGMOID"));
  EXPECT_NEAR(values[8], 0.5, kTolerance);
  EXPECT_NEAR(values[10], 1 / (1 + std::exp(-2.0)), kTolerance);
}

TEST(Grey, of_several_windows_the_first_is_taken_and_that_is_said) {
  const auto film = read_film(film_bytes(windowed("8\\400", "8\\40")), {});
  EXPECT_NEAR(film.film.values[8], 0.5 / 7 + 0.5, kTolerance);
  EXPECT_TRUE(warned(film, "first of 2 windows"));
}

TEST(Grey, a_window_that_is_not_allowed_is_left_and_that_is_said) {
  const auto film = read_film(film_bytes(windowed("8", "0")), {});
  EXPECT_TRUE(warned(film, "(0028,1051)"));
  EXPECT_EQ(film.film.values.front(), 0.0F);
  EXPECT_EQ(film.film.values.back(), 1.0F);
}

TEST(Grey, without_a_window_the_values_in_use_span_black_to_white) {
  MadeFilm film;
  film.values = {100, 100, 150, 200, 100, 100, 150, 200, 100, 100, 150, 200, 100, 100, 150, 200};
  const auto read = read_film(film_bytes(film), {});
  EXPECT_EQ(read.film.values[0], 0.0F);
  EXPECT_NEAR(read.film.values[2], 0.5, kTolerance);
  EXPECT_EQ(read.film.values[3], 1.0F);
  EXPECT_TRUE(warned(read, "no window"));
}

TEST(Grey, rescale_comes_before_the_window) {
  MadeFilm film = windowed("-1000", "32");
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    put(dataset, DCM_RescaleSlope, "2");
    put(dataset, DCM_RescaleIntercept, "-1016");
  };
  const auto values = shown(film);
  for (int x = 0; x < 16; ++x)
    EXPECT_NEAR(values[x], std::clamp((2 * x - 1016 + 1000.5) / 31 + 0.5, 0.0, 1.0), kTolerance) << x;
}

TEST(Grey, monochrome_1_is_turned_so_that_dense_is_bright) {
  MadeFilm film = windowed("8", "8");
  film.photometric = "MONOCHROME1";
  const auto values = shown(film);
  EXPECT_EQ(values[0], 1.0F);
  EXPECT_NEAR(values[8], 1 - (0.5 / 7 + 0.5), kTolerance);
}

TEST(Grey, monochrome_1_with_shape_inverse_is_turned_once) {
  MadeFilm film = windowed("8", "8");
  film.photometric = "MONOCHROME1";
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    put(dataset, DCM_PresentationLUTShape, "INVERSE");
  };
  EXPECT_EQ(shown(film)[0], 1.0F);
}

TEST(Grey, monochrome_2_with_shape_inverse_is_turned_and_warned_of) {
  MadeFilm film = windowed("8", "8");
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    put(dataset, DCM_PresentationLUTShape, "INVERSE");
  };
  const auto read = read_film(film_bytes(film), {});
  EXPECT_EQ(read.film.values[0], 1.0F);
  EXPECT_TRUE(warned(read, "(2050,0020)"));
}

TEST(Grey, signed_values_are_twos_complement_of_the_bits_stored) {
  MadeFilm film = windowed("0", "17");  // y = (x + 0.5) / 16 + 0.5
  film.representation = 1;
  film.values = {0x0FF8, 0x0FFF, 0, 7, 0x0FF8, 0x0FFF, 0, 7,
                 0x0FF8, 0x0FFF, 0, 7, 0x0FF8, 0x0FFF, 0, 7};  // -8, -1, 0, 7
  const auto values = shown(film);
  EXPECT_NEAR(values[0], 0.5 + (-8 + 0.5) / 16, kTolerance);
  EXPECT_NEAR(values[1], 0.5 + (-1 + 0.5) / 16, kTolerance);
  EXPECT_NEAR(values[2], 0.5 + 0.5 / 16, kTolerance);
  EXPECT_NEAR(values[3], 0.5 + 7.5 / 16, kTolerance);
}

TEST(Grey, garbage_and_overlays_in_unused_bits_are_masked) {
  MadeFilm clean = windowed("8", "8"), dirty = windowed("8", "8");
  for (int x = 0; x < 16; ++x) dirty.values.push_back(static_cast<std::uint16_t>(x | (x % 3) << 13 | 0x1000));
  EXPECT_EQ(shown(clean), shown(dirty));
}

TEST(Grey, a_high_bit_above_the_stored_bits_shifts_the_value) {
  MadeFilm clean = windowed("8", "8"), high = windowed("8", "8");
  high.high_bit = 15;
  for (int x = 0; x < 16; ++x) high.values.push_back(static_cast<std::uint16_t>(x << 4 | 0x000F));
  EXPECT_EQ(shown(clean), shown(high));
}

TEST(Grey, padding_is_black_and_counted_with_its_range) {
  MadeFilm film = windowed("8", "8");
  film.photometric = "MONOCHROME1";
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    dataset.putAndInsertUint16(DcmTag(DCM_PixelPaddingValue, EVR_US), 2);
    dataset.putAndInsertUint16(DcmTag(DCM_PixelPaddingRangeLimit, EVR_US), 0);
  };
  const auto read = read_film(film_bytes(film), {});
  EXPECT_EQ(read.film.padded, 3U);
  for (int x = 0; x < 3; ++x) EXPECT_EQ(read.film.values[x], 0.0F) << x;
  EXPECT_EQ(read.film.values[3], 1.0F);
}

TEST(Grey, padding_does_not_stretch_the_range_of_a_film_without_window) {
  MadeFilm film;
  film.representation = 1;
  film.stored = 16;
  film.high_bit = 15;
  film.values.assign(16, static_cast<std::uint16_t>(-2000));
  film.values[0] = 10;
  film.values[1] = 20;
  film.change = [](DcmDataset& dataset) { dataset.putAndInsertSint16(DcmTag(DCM_PixelPaddingValue, EVR_SS), -2000); };
  const auto read = read_film(film_bytes(film), {});
  EXPECT_EQ(read.film.padded, 14U);
  EXPECT_EQ(read.film.values[0], 0.0F);
  EXPECT_EQ(read.film.values[1], 1.0F);
}

void insert_table(DcmDataset& dataset, const DcmTagKey& sequence, std::vector<std::uint16_t> descriptor,
                  std::vector<std::uint16_t> entries) {
  DcmItem* item = nullptr;
  ASSERT_TRUE(dataset.findOrCreateSequenceItem(sequence, item, -2).good());
  item->putAndInsertUint16Array(DcmTag(DCM_LUTDescriptor, EVR_US), descriptor.data(), descriptor.size());
  item->putAndInsertUint16Array(DcmTag(DCM_LUTData, EVR_US), entries.data(), entries.size());
}

TEST(Grey, a_voi_table_goes_before_a_window) {
  MadeFilm film = windowed("8", "8");
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    insert_table(dataset, DCM_VOILUTSequence, {3, 5, 8}, {0, 51, 255});  // inputs 5, 6, 7
  };
  const auto values = shown(film);
  EXPECT_EQ(values[0], 0.0F);  // below the first input the first entry holds
  EXPECT_EQ(values[5], 0.0F);
  EXPECT_NEAR(values[6], 0.2, kTolerance);
  EXPECT_EQ(values[7], 1.0F);
  EXPECT_EQ(values[15], 1.0F);
}

TEST(Grey, a_modality_table_feeds_the_window) {
  MadeFilm film = windowed("100", "101");  // y = (x - 99.5) / 100 + 0.5
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    insert_table(dataset, DCM_ModalityLUTSequence, {4, 0, 16}, {100, 80, 120, 100});
  };
  const auto values = shown(film);
  EXPECT_NEAR(values[0], 0.505, kTolerance);
  EXPECT_NEAR(values[1], 0.305, kTolerance);
  EXPECT_NEAR(values[2], 0.705, kTolerance);
  EXPECT_NEAR(values[15], 0.505, kTolerance);
}

TEST(Grey, a_modality_table_that_is_too_short_is_an_error) {
  MadeFilm film;
  film.change = [](DcmDataset& dataset) { insert_table(dataset, DCM_ModalityLUTSequence, {16, 0, 16}, {1, 2}); };
  EXPECT_EQ(refused(film), ErrorCode::HeaderInvalid);
}

TEST(Grey, an_unknown_rescale_type_is_only_warned_of) {
  MadeFilm film = windowed("8", "8");
  const auto window = film.change;
  film.change = [=](DcmDataset& dataset) {
    window(dataset);
    put(dataset, DCM_RescaleType, "BRIGHTNESS");
  };
  EXPECT_TRUE(warned(read_film(film_bytes(film), {}), "(0028,1054)"));
}

TEST(Grey, raw_detector_data_become_bright_where_little_radiation_came) {
  MadeFilm film;
  film.sop_class = "1.2.840.10008.5.1.4.1.1.1.1.1";
  film.values = {1, 10, 100, 1000, 1, 10, 100, 1000, 1, 10, 100, 1000, 1, 10, 100, 1000};
  film.change = [](DcmDataset& dataset) {
    put(dataset, DCM_PresentationIntentType, "FOR PROCESSING");
    put(dataset, DCM_PixelIntensityRelationship, "LIN");
    dataset.putAndInsertSint16(DCM_PixelIntensityRelationshipSign, 1);
  };
  const auto read = read_film(film_bytes(film), {});
  // log 1, 10, 100, 1000 are evenly spaced; sign 1: low values are little radiation, so dense.
  EXPECT_NEAR(read.film.values[0], 1.0, kTolerance);
  EXPECT_NEAR(read.film.values[1], 2.0 / 3, kTolerance);
  EXPECT_NEAR(read.film.values[2], 1.0 / 3, kTolerance);
  EXPECT_NEAR(read.film.values[3], 0.0, kTolerance);
  EXPECT_TRUE(warned(read, "FOR PROCESSING"));
}

MadeFilm colour(std::uint16_t red, std::uint16_t green, std::uint16_t blue, int planar = 0) {
  MadeFilm film;
  film.allocated = film.stored = 8;
  film.high_bit = 7;
  film.samples = 3;
  film.planar = planar;
  film.photometric = "RGB";
  for (int i = 0; i < 48; ++i) {
    const int channel = planar == 1 ? i / 16 : i % 3;
    film.values.push_back(channel == 0 ? red : channel == 1 ? green : blue);
  }
  film.values[0] = red;
  return film;
}

TEST(Grey, equal_channels_are_one_grey_in_both_planar_configurations) {
  for (const int planar : {0, 1}) {
    const auto read = read_film(film_bytes(colour(51, 51, 51, planar)), {});
    EXPECT_TRUE(read.film.from_colour);
    EXPECT_NEAR(read.film.values[5], 0.2, kTolerance);
  }
}

TEST(Grey, channels_within_two_steps_are_grey_and_warned_of_and_three_steps_are_colour) {
  const auto read = read_film(film_bytes(colour(50, 51, 52, 1)), {});
  EXPECT_NEAR(read.film.values[5], 0.2, kTolerance);
  EXPECT_TRUE(warned(read, "channels differ"));
  EXPECT_EQ(refused(colour(50, 51, 53)), ErrorCode::NotGrey);
}

TEST(Grey, luminance_with_neutral_colour_is_grey) {
  MadeFilm film = colour(51, 128, 128);
  film.photometric = "YBR_FULL";
  EXPECT_NEAR(shown(film)[5], 0.2, kTolerance);
}

TEST(Grey, a_palette_of_greys_is_followed_and_a_coloured_one_refused) {
  MadeFilm film;
  film.allocated = film.stored = 8;
  film.high_bit = 7;
  film.photometric = "PALETTE COLOR";
  const auto palette = [](std::uint16_t blue) {
    return [blue](DcmDataset& dataset) {
      const std::uint16_t descriptor[] = {16, 0, 16};
      std::vector<std::uint16_t> table(16);
      for (std::size_t i = 0; i < 16; ++i) table[i] = static_cast<std::uint16_t>(i * 4369);
      for (const auto& tag : {DCM_RedPaletteColorLookupTableDescriptor, DCM_GreenPaletteColorLookupTableDescriptor,
                              DCM_BluePaletteColorLookupTableDescriptor})
        dataset.putAndInsertUint16Array(DcmTag(tag, EVR_US), descriptor, 3);
      for (const auto& tag : {DCM_RedPaletteColorLookupTableData, DCM_GreenPaletteColorLookupTableData,
                              DCM_BluePaletteColorLookupTableData}) {
        if (tag == DCM_BluePaletteColorLookupTableData) table[3] = blue;
        dataset.putAndInsertUint16Array(DcmTag(tag, EVR_OW), table.data(), 16);
      }
    };
  };
  film.change = palette(3 * 4369);
  EXPECT_NEAR(shown(film)[3], 0.2, kTolerance);
  film.change = palette(60'000);
  EXPECT_EQ(refused(film), ErrorCode::NotGrey);
}

TEST(Grey, several_frames_need_a_choice) {
  MadeFilm film = windowed("16", "33");  // y = (x - 15.5) / 32 + 0.5
  film.frames = "2";
  for (int x = 0; x < 32; ++x) film.values.push_back(static_cast<std::uint16_t>(x));
  EXPECT_EQ(refused(film), ErrorCode::MultiFrame);
  EXPECT_EQ(refused(film, 3), ErrorCode::MultiFrame);
  EXPECT_EQ(refused(film, 0), ErrorCode::MultiFrame);
  const auto second = read_film(film_bytes(film), {}, 2).film.values;
  for (int x = 0; x < 16; ++x) EXPECT_NEAR(second[x], (x + 16 - 15.5) / 32 + 0.5, kTolerance);
}

class EverySyntax : public testing::TestWithParam<E_TransferSyntax> {};

TEST_P(EverySyntax, shows_the_same_film) {
  for (const int bits : {8, 16}) {
    MadeFilm film = windowed("8", "17");
    film.allocated = bits;
    film.stored = bits == 8 ? 8 : 12;
    film.high_bit = film.stored - 1;
    MadeFilm other = film;
    other.syntax = GetParam();
    EXPECT_EQ(shown(film), shown(other)) << bits;
  }
}
INSTANTIATE_TEST_SUITE_P(Native, EverySyntax,
                         testing::Values(EXS_LittleEndianImplicit, EXS_BigEndianExplicit,
                                         EXS_DeflatedLittleEndianExplicit));

}  // namespace
}  // namespace rouage::dicom
