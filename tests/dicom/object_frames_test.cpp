/// Encoded frames are the file's own bytes: compared with pydicom's reading of the same files, and with made ones.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/host.h"
#include "dicom/object.h"
#include "dicom/reading.h"

namespace {

using namespace rouage;
namespace fs = std::filesystem;

const fs::path kDicom = fs::path(ROUAGE_SHARED_DIR) / "data/dicom";

TEST(EncodedFrames, OneSliceInSevenSyntaxes) {
  const fs::path folder = kDicom / "ct_all_syntaxes";
  if (!fs::exists(folder)) GTEST_SKIP() << "no ../shared/data/dicom";
  const auto plain = dicom::encoded_frames(folder / "CTImage.dcm", {1});
  EXPECT_EQ(plain.media_type, "application/octet-stream");
  EXPECT_EQ(plain.transfer_syntax_uid, "1.2.840.10008.1.2.1");
  ASSERT_EQ(plain.frames.size(), 1u);
  const auto same_as_plain = [&](const std::string& name) {
    const auto frames = dicom::encoded_frames(folder / name, {1});
    EXPECT_EQ(frames.transfer_syntax_uid, "1.2.840.10008.1.2.1") << name;
    EXPECT_EQ(frames.frames.at(0), plain.frames.at(0)) << name;
  };
  same_as_plain("CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm");
  same_as_plain("CTImage.dcm_DeflatedExplicitVRLittleEndianTransferSyntax_1.2.840.10008.1.2.1.99.dcm");
  const auto compressed = [&](const std::string& name, const std::string& type, Bytes start) {
    const auto frames = dicom::encoded_frames(folder / name, {1});
    EXPECT_EQ(frames.media_type, type);
    EXPECT_EQ(frames.transfer_syntax_uid, name.substr(name.rfind("_1.2.") + 1, name.size() - name.rfind("_1.2.") - 5));
    const Bytes& frame = frames.frames.at(0);
    EXPECT_TRUE(std::equal(start.begin(), start.end(), frame.begin())) << name;
  };
  compressed("CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm", "image/jp2", {0xFF, 0x4F});
  compressed("CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm", "image/jls", {0xFF, 0xD8});
  compressed("CTImage.dcm_JPEGProcess14SV1TransferSyntax_1.2.840.10008.1.2.4.70.dcm", "image/jpeg", {0xFF, 0xD8});
  compressed("CTImage.dcm_RLELosslessTransferSyntax_1.2.840.10008.1.2.5.dcm", "image/dicom-rle", {2, 0, 0, 0});
  EXPECT_THROW(dicom::encoded_frames(folder / "no-pixel-data.dcm", {1}), Error);
}

TEST(EncodedFrames, EveryFrameOfEveryFileIsWhatPydicomFinds) {
  if (!fs::exists(kDicom)) GTEST_SKIP() << "no ../shared/data/dicom";
  if (std::system("/usr/bin/python3 -c 'import pydicom' 2>/dev/null") != 0) GTEST_SKIP() << "no python3-pydicom";
  const fs::path list = fs::temp_directory_path() / ("rouage-frames-" + std::to_string(::getpid()));
  std::ofstream out(list);
  int files = 0;
  for (const fs::path& file : files_below(kDicom)) {
    if (dicom::file_kind(file) != dicom::FileKind::dicom) continue;
    try {
      std::vector<std::uint32_t> numbers;
      const std::string count = dicom::attribute_text(file, 0x00280008);
      const int frames = count.empty() ? 1 : std::min(500, std::atoi(count.c_str()));
      for (int n = 1; n <= std::max(1, frames); ++n) numbers.push_back(static_cast<std::uint32_t>(n));
      const auto found = dicom::encoded_frames(file, numbers);
      out << file.string();
      for (const Bytes& frame : found.frames) out << '\t' << sha256(frame).hex();
      out << '\n';
      ++files;
    } catch (const Error&) {
      continue;  // no pixels, or damaged on purpose
    }
  }
  out.close();
  EXPECT_GT(files, 100);
  EXPECT_EQ(
      std::system(
          ("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/dicom/object_frames_compare.py " + list.string()).c_str()),
      0);
  fs::remove(list);
}

}  // namespace
