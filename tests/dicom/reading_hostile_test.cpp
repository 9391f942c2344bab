// Files that lie: no crash, no memory taken for what is only claimed.
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <filesystem>
#include <optional>
#include <span>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dicom/reading_made_files.h"

namespace rouage::dicom {
namespace {

const std::filesystem::path kData = std::filesystem::path(ROUAGE_SHARED_DIR) / "data" / "dicom";

/// Error number of reading `bytes` in a process that may take 256 MiB more than it has; 0 for a film, -1 for a crash.
int outcome_in_little_memory(const Bytes& bytes, std::optional<int> frame = {}) {
  initialise();
  const pid_t child = fork();
  if (child == 0) {
    std::uint64_t pages = 0;
    if (FILE* statm = std::fopen("/proc/self/statm", "r")) {
      if (std::fscanf(statm, "%lu", &pages) != 1) pages = 0;
      std::fclose(statm);
    }
    const rlim_t most = pages * 4096 + 256 * kMebibyte;
    const rlimit limit{most, most};
    setrlimit(RLIMIT_AS, &limit);
    int code = 0;
    try {
      read_film(bytes, {}, frame);
    } catch (const Error& error) {
      code = static_cast<int>(error.code());
    } catch (...) {
      code = 1;
    }
    _exit(code == 0 ? 0 : code - 100);  // numbers are above 100 and must fit a byte
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (!WIFEXITED(status)) return -1;
  return WEXITSTATUS(status) == 0 ? 0 : WEXITSTATUS(status) + 100;
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool kLimitedMemory = false;  // a sanitizer reserves terabytes of addresses
#else
constexpr bool kLimitedMemory = true;
#endif

// INP-2
TEST(Hostile, sizes_that_are_only_claimed_take_no_memory) {
  if (!kLimitedMemory) GTEST_SKIP() << "not under a sanitizer";
  const Bytes pixels = made::raw_element(0x7FE0, 0x0010, "OW", Bytes(1'000));
  const auto number = [](ErrorCode code) { return static_cast<int>(code); };
  const std::string native = "1.2.840.10008.1.2.1";
  EXPECT_EQ(outcome_in_little_memory(made::raw_film(native, 65'535, 65'535, "1000", pixels)),
            number(ErrorCode::ImageTooLarge));
  EXPECT_EQ(outcome_in_little_memory(made::raw_film(native, 9'999, 9'999, "", pixels)),
            number(ErrorCode::PixelDataTruncated));
  EXPECT_EQ(outcome_in_little_memory(made::raw_film(native, 10, 10, "2147483647", pixels), 7),
            number(ErrorCode::PixelDataTruncated));
  EXPECT_EQ(outcome_in_little_memory(made::raw_film(native, 10, 10, "-3", pixels)), number(ErrorCode::HeaderInvalid));
}

/// One fragment behind an empty offset table.
Bytes encapsulated(const Bytes& codestream) {
  Bytes element = {0xE0, 0x7F, 0x10, 0x00, 'O', 'B', 0, 0, 0xFF, 0xFF, 0xFF, 0xFF,
                   0xFE, 0xFF, 0x00, 0xE0, 0,   0,   0, 0, 0xFE, 0xFF, 0x00, 0xE0};
  for (int place = 0; place < 4; ++place)
    element.push_back(static_cast<std::uint8_t>(codestream.size() >> (8 * place)));
  made::append(element, codestream);
  made::append(element, {0xFE, 0xFF, 0xDD, 0xE0, 0, 0, 0, 0});
  return element;
}

TEST(Hostile, a_codestream_that_claims_more_than_the_header_takes_no_memory) {
  if (!kLimitedMemory) GTEST_SKIP() << "not under a sanitizer";
  const Bytes jpeg = {0xFF, 0xD8, 0xFF, 0xC0, 0, 11, 8, 0xFF, 0xFF, 0xFF, 0xFF, 1, 1,    0x11,
                      0,    0xFF, 0xDA, 0,    8, 1,  1, 0,    0,    63,   0,    1, 0xFF, 0xD9};
  EXPECT_EQ(outcome_in_little_memory(made::raw_film("1.2.840.10008.1.2.4.50", 64, 64, "", encapsulated(jpeg))),
            static_cast<int>(ErrorCode::HeaderInvalid));
  Bytes honest = jpeg;
  honest[7] = honest[9] = 0x27;
  honest[8] = honest[10] = 0x0F;  // 9,999 x 9,999, in both
  EXPECT_EQ(outcome_in_little_memory(made::raw_film("1.2.840.10008.1.2.4.50", 9'999, 9'999, "", encapsulated(honest))),
            static_cast<int>(ErrorCode::PixelDataTruncated));
  EXPECT_EQ(
      outcome_in_little_memory(made::raw_film("1.2.840.10008.1.2.5", 9'999, 9'999, "", encapsulated(Bytes(100, 2)))),
      static_cast<int>(ErrorCode::PixelDataTruncated));
  Bytes j2k = {0xFF, 0x4F, 0xFF, 0x51, 0, 41, 0, 0, 0x7F, 0, 0, 0, 0x7F, 0, 0, 0};
  j2k.resize(100, 0);
  EXPECT_EQ(outcome_in_little_memory(made::raw_film("1.2.840.10008.1.2.4.90", 64, 64, "", encapsulated(j2k))),
            static_cast<int>(ErrorCode::PixelDataTruncated));
}

TEST(Hostile, sequences_nested_a_hundred_thousand_deep_are_refused) {
  Bytes bytes = made::raw_file_start("1.2.840.10008.1.2.1");
  const Bytes level = {0x08, 0x00, 0x15, 0x11, 'S',  'Q',  0,    0,    0xFF, 0xFF,
                       0xFF, 0xFF, 0xFE, 0xFF, 0x00, 0xE0, 0xFF, 0xFF, 0xFF, 0xFF};
  for (int i = 0; i < 100'000; ++i) made::append(bytes, level);
  try {
    read_film(bytes, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid);
  }
}

TEST(Hostile, a_deflate_bomb_stops_at_the_limit) {
  made::MadeFilm film;
  film.rows = film.columns = 512;
  film.values.assign(512 * 512, 0);
  film.syntax = EXS_DeflatedLittleEndianExplicit;
  ReadLimits limits;
  limits.file_bytes = 100'000;
  try {
    read_film(made::film_bytes(film), limits);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::FileTooLarge);
  }
}

/// Film or Error; anything else ends the test program.
void read_any(std::span<const std::uint8_t> bytes) {
  try {
    read_film(bytes, {}, 1);
  } catch (const Error& error) {
    EXPECT_NE(error.code(), ErrorCode::Internal) << error.what();
  }
}

TEST(Hostile, files_cut_at_any_place_are_read_or_refused) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << kData << " is not here";
  for (const char* name : {"pydicom/MR_small.dcm", "pydicom/MR_small_RLE.dcm", "pydicom/MR_small_jp2klossless.dcm",
                           "pydicom/MR_small_jpeg_ls_lossless.dcm", "pydicom/MR_small_bigendian.dcm",
                           "pydicom/JPGExtended.dcm", "pydicom/image_dfl.dcm", "pydicom_data/emri_small_RLE.dcm"}) {
    const Bytes bytes = read_file(kData / name, kMebibyte);
    for (std::size_t size = 0; size < bytes.size(); size += 64) read_any(std::span(bytes).first(size));
  }
}

TEST(Hostile, files_with_a_flipped_bit_are_read_or_refused) {
  if (!std::filesystem::exists(kData)) GTEST_SKIP() << kData << " is not here";
  for (const char* name :
       {"pydicom/MR_small_RLE.dcm", "pydicom/MR_small_jp2klossless.dcm", "pydicom/MR_small_jpeg_ls_lossless.dcm"}) {
    Bytes bytes = read_file(kData / name, kMebibyte);
    for (std::size_t at = 128; at < bytes.size(); at += 7) {
      bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
      read_any(bytes);
      bytes[at] ^= static_cast<std::uint8_t>(1U << (at % 8));
    }
  }
}

}  // namespace
}  // namespace rouage::dicom
