// Compressed pixel data: lossless syntaxes give the very values, lossy ones stay near, damaged ones are refused.
#include <dcmtk/dcmdata/dcrleerg.h>
#include <dcmtk/dcmdata/dcrlerp.h>
#include <dcmtk/dcmjpeg/djencode.h>
#include <dcmtk/dcmjpeg/djrploss.h>
#include <dcmtk/dcmjpls/djencode.h>
#include <gtest/gtest.h>
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dicom/reading_made_files.h"

namespace rouage::dicom {
namespace {

const std::filesystem::path kData = std::filesystem::path(ROUAGE_SHARED_DIR) / "data" / "dicom";

// INP-3
TEST(Codecs, one_ct_slice_is_the_same_in_seven_syntaxes) {
  const auto folder = kData / "ct_all_syntaxes";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const std::vector<float> plain = read_film(folder / "CTImage.dcm", {}).film.values;
  int compared = 0;
  for (const auto& file : files_below(folder)) {
    if (!file.filename().string().starts_with("CTImage.dcm_")) continue;
    EXPECT_EQ(read_film(file, {}).film.values, plain)
        << file;  // the window is monotone and 16 bits wide: equal means equal
    ++compared;
  }
  EXPECT_EQ(compared, 6);
}

TEST(Codecs, the_frames_of_an_enhanced_mr_are_the_same_in_five_syntaxes) {
  const auto folder = kData / "pydicom_data";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not here";
  for (const int frame : {1, 10}) {
    const std::vector<float> plain = read_film(folder / "emri_small.dcm", {}, frame).film.values;
    for (const char* other : {"emri_small_RLE.dcm", "emri_small_big_endian.dcm", "emri_small_jpeg_2k_lossless.dcm",
                              "emri_small_jpeg_ls_lossless.dcm"})
      EXPECT_EQ(read_film(folder / other, {}, frame).film.values, plain) << other << " frame " << frame;
  }
}

/// Encoders of DCMTK, for this test program only.
void register_encoders() {
  static const bool once = [] {
    DJEncoderRegistration::registerCodecs();
    DJLSEncoderRegistration::registerCodecs();
    DcmRLEEncoderRegistration::registerCodecs();
    return true;
  }();
  ASSERT_TRUE(once);
}

/// A smooth hill with steps in it, 64 x 48.
made::MadeFilm hill(int bits, bool is_signed) {
  made::MadeFilm film;
  film.rows = 48;
  film.columns = 64;
  film.allocated = bits <= 8 ? 8 : 16;
  film.stored = bits;
  film.high_bit = bits - 1;
  film.representation = is_signed ? 1 : 0;
  const int range = 1 << bits;
  for (int i = 0; i < 48 * 64; ++i) {
    const int value = (i % 64) * range / 80 + (i / 64) * range / 300 + (i % 64 > 40 ? range / 10 : 0);
    film.values.push_back(static_cast<std::uint16_t>((is_signed ? value - range / 2 : value) & (range - 1)));
  }
  film.change = [=](DcmDataset& dataset) {
    dataset.putAndInsertString(DCM_WindowCenter, is_signed ? "0" : std::to_string(range / 2).c_str());
    dataset.putAndInsertString(DCM_WindowWidth, std::to_string(range).c_str());
  };
  return film;
}

struct Coded {
  E_TransferSyntax syntax;
  int bits;
  bool is_signed;
};

class Lossless : public testing::TestWithParam<Coded> {};

TEST_P(Lossless, values_are_the_very_same) {
  register_encoders();
  made::MadeFilm film = hill(GetParam().bits, GetParam().is_signed);
  const auto plain = read_film(made::film_bytes(film), {}).film.values;
  film.syntax = GetParam().syntax;
  EXPECT_EQ(read_film(made::film_bytes(film), {}).film.values, plain);
}
INSTANTIATE_TEST_SUITE_P(Codecs, Lossless,
                         testing::Values(Coded{EXS_RLELossless, 8, false}, Coded{EXS_RLELossless, 12, true},
                                         Coded{EXS_RLELossless, 16, false}, Coded{EXS_JPEGProcess14, 8, false},
                                         Coded{EXS_JPEGProcess14SV1, 8, false}, Coded{EXS_JPEGProcess14SV1, 12, false},
                                         Coded{EXS_JPEGProcess14SV1, 16, false}, Coded{EXS_JPEGLSLossless, 8, false},
                                         Coded{EXS_JPEGLSLossless, 10, false}, Coded{EXS_JPEGLSLossless, 16, true},
                                         Coded{EXS_JPEGLSLossless, 16, false}));

class Lossy : public testing::TestWithParam<Coded> {};

TEST_P(Lossy, values_stay_near) {
  register_encoders();
  made::MadeFilm film = hill(GetParam().bits, false);
  const auto plain = read_film(made::film_bytes(film), {}).film.values;
  film.syntax = GetParam().syntax;
  const auto lossy = read_film(made::film_bytes(film), {}).film.values;
  double sum = 0;
  for (std::size_t i = 0; i < plain.size(); ++i) sum += std::abs(double{lossy[i]} - double{plain[i]});
  EXPECT_LT(sum / static_cast<double>(plain.size()), 0.01);  // quality 90: about a grey step on the mean
  EXPECT_GT(sum, 0);
}
INSTANTIATE_TEST_SUITE_P(Codecs, Lossy,
                         testing::Values(Coded{EXS_JPEGProcess1, 8, false}, Coded{EXS_JPEGProcess2_4, 12, false}));

/// A film in every compressed syntax that DCMTK writes.
std::vector<Bytes> compressed_films() {
  register_encoders();
  std::vector<Bytes> films;
  for (const Coded& coded : {Coded{EXS_RLELossless, 12, false}, Coded{EXS_JPEGProcess1, 8, false},
                             Coded{EXS_JPEGProcess14SV1, 16, false}, Coded{EXS_JPEGLSLossless, 12, false}}) {
    made::MadeFilm film = hill(coded.bits, false);
    film.syntax = coded.syntax;
    films.push_back(made::film_bytes(film));
  }
  return films;
}

ErrorCode refused(const Bytes& bytes) {
  try {
    read_film(bytes, {});
  } catch (const Error& error) {
    EXPECT_FALSE(error.remedy().empty());
    return error.code();
  }
  return ErrorCode::Internal;
}

TEST(Codecs, a_codestream_of_another_size_than_the_header_says_is_refused) {
  for (Bytes film : compressed_films()) {
    // Rows, explicit little endian: 28 00 10 00 'US' 02 00 30 00.
    const Bytes rows = {0x28, 0x00, 0x10, 0x00, 'U', 'S', 0x02, 0x00, 48, 0x00};
    const auto place = std::search(film.begin(), film.end(), rows.begin(), rows.end());
    ASSERT_NE(place, film.end());
    place[8] = 0xFF;
    place[9] = 0x7F;  // 32,767 rows
    const ErrorCode code = refused(film);
    EXPECT_TRUE(code == ErrorCode::HeaderInvalid || code == ErrorCode::PixelDataTruncated);
  }
}

TEST(Codecs, a_cut_codestream_is_refused) {
  for (Bytes film : compressed_films()) {
    film.resize(film.size() - film.size() / 4);
    EXPECT_EQ(refused(film), ErrorCode::PixelDataTruncated);
  }
}

TEST(Codecs, empty_and_missing_pixel_data_are_said) {
  const auto film = [](const Bytes& element) { return made::raw_film("1.2.840.10008.1.2.1", 4, 4, "", element); };
  EXPECT_EQ(refused(film({})), ErrorCode::NoPixelData);
  EXPECT_EQ(refused(film(made::raw_element(0x7FE0, 0x0010, "OW", {}))), ErrorCode::NoPixelData);
  EXPECT_EQ(refused(film(made::raw_element(0x7FE0, 0x0010, "OW", Bytes(31)))), ErrorCode::PixelDataTruncated);
  EXPECT_EQ(refused(made::raw_film("1.2.840.10008.1.2.5", 4, 4, "",
                                   {0xE0, 0x7F, 0x10, 0x00, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF})),
            ErrorCode::NoPixelData);
}

TEST(Codecs, a_syntax_that_is_not_read_is_named) {
  for (const auto& [uid, name] : {std::pair{"1.2.840.10008.1.2.4.201", "High-Throughput"},
                                  std::pair{"1.2.840.10008.1.2.4.102", "MPEG-4"}, std::pair{"1.2.3.4.5", "unknown"}}) {
    try {
      read_film(made::raw_film(uid, 4, 4, "", made::raw_element(0x7FE0, 0x0010, "OB", Bytes(32))), {});
      ADD_FAILURE() << uid;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::PixelDataUnsupported);
      EXPECT_NE(std::string(error.what()).find(name), std::string::npos) << error.what();
    }
  }
}

}  // namespace
}  // namespace rouage::dicom
