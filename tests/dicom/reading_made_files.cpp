#include "dicom/reading_made_files.h"

#include <unistd.h>

#include <filesystem>
#include <stdexcept>

#include "base/host.h"

namespace rouage::dicom::made {
namespace {

void put(DcmDataset& dataset, const DcmTagKey& tag, const std::string& value) {
  if (dataset.putAndInsertString(tag, value.c_str()).bad()) throw std::runtime_error("DCMTK refuses a value");
}

void put_identity(DcmDataset& dataset, const MadeFilm& film) {
  put(dataset, DCM_SOPClassUID, film.sop_class);
  put(dataset, DCM_SOPInstanceUID, "1.2.3.4.1");
  put(dataset, DCM_StudyInstanceUID, "1.2.3.4.2");
  put(dataset, DCM_SeriesInstanceUID, "1.2.3.4.3");
  put(dataset, DCM_Modality, "CR");
}

void put_pixels(DcmDataset& dataset, const MadeFilm& film) {
  std::vector<std::uint16_t> values = film.values;
  const std::size_t count = std::size_t{film.rows} * film.columns * static_cast<std::size_t>(film.samples);
  for (std::size_t i = values.size(); film.values.empty() && i < count; ++i)
    values.push_back(static_cast<std::uint16_t>(i));
  if (film.allocated == 8) {
    const std::vector<Uint8> bytes(values.begin(), values.end());
    dataset.putAndInsertUint8Array(DCM_PixelData, bytes.data(), bytes.size());
  } else {
    dataset.putAndInsertUint16Array(DCM_PixelData, values.data(), values.size());
  }
}

}  // namespace

Bytes film_bytes(const MadeFilm& film) {
  DcmFileFormat file;
  DcmDataset& dataset = *file.getDataset();
  put_identity(dataset, film);
  dataset.putAndInsertUint16(DCM_SamplesPerPixel, static_cast<Uint16>(film.samples));
  put(dataset, DCM_PhotometricInterpretation, film.photometric);
  if (film.samples > 1) dataset.putAndInsertUint16(DCM_PlanarConfiguration, static_cast<Uint16>(film.planar));
  if (!film.frames.empty()) put(dataset, DCM_NumberOfFrames, film.frames);
  dataset.putAndInsertUint16(DCM_Rows, static_cast<Uint16>(film.rows));
  dataset.putAndInsertUint16(DCM_Columns, static_cast<Uint16>(film.columns));
  dataset.putAndInsertUint16(DCM_BitsAllocated, static_cast<Uint16>(film.allocated));
  dataset.putAndInsertUint16(DCM_BitsStored, static_cast<Uint16>(film.stored));
  dataset.putAndInsertUint16(DCM_HighBit, static_cast<Uint16>(film.high_bit));
  dataset.putAndInsertUint16(DCM_PixelRepresentation, static_cast<Uint16>(film.representation));
  put_pixels(dataset, film);
  if (film.change) film.change(dataset);
  if (dataset.chooseRepresentation(film.syntax, nullptr).bad())
    throw std::runtime_error("DCMTK cannot write that transfer syntax");
  const std::filesystem::path path = scratch_folder() / "made.dcm";
  if (file.saveFile(path.c_str(), film.syntax).bad()) throw std::runtime_error("DCMTK cannot write");
  Bytes bytes = read_file(path, kMebibyte);
  return bytes;
}

std::filesystem::path scratch_folder() {
  static const std::filesystem::path folder = [] {
    const auto made = std::filesystem::temp_directory_path() / ("rouage-dicom-test-" + std::to_string(getpid()));
    std::filesystem::remove_all(made);
    std::filesystem::create_directories(made);
    return made;
  }();
  return folder;
}

void append(Bytes& to, const Bytes& more) {
  to.insert(to.end(), more.begin(), more.end());
}

Bytes raw_element(std::uint16_t group, std::uint16_t element, const std::string& vr, const Bytes& value) {
  const auto byte = [](std::size_t number, int place) { return static_cast<std::uint8_t>(number >> (8 * place)); };
  Bytes bytes = {byte(group, 0),
                 byte(group, 1),
                 byte(element, 0),
                 byte(element, 1),
                 static_cast<std::uint8_t>(vr[0]),
                 static_cast<std::uint8_t>(vr[1])};
  if (vr == "OB" || vr == "OW" || vr == "SQ" || vr == "UN") append(bytes, {0, 0});
  const int length_bytes = bytes.size() == 8 ? 4 : 2;
  for (int place = 0; place < length_bytes; ++place) bytes.push_back(byte(value.size(), place));
  append(bytes, value);
  return bytes;
}

Bytes raw_us(std::uint16_t group, std::uint16_t element, std::uint16_t value) {
  return raw_element(group, element, "US",
                     {static_cast<std::uint8_t>(value & 0xFF), static_cast<std::uint8_t>(value >> 8)});
}

Bytes raw_words(std::uint16_t group, std::uint16_t element, const std::string& vr, const std::string& text) {
  Bytes value(text.begin(), text.end());
  if (value.size() % 2 != 0) value.push_back(vr == "UI" ? 0 : ' ');
  return raw_element(group, element, vr, value);
}

Bytes raw_file_start(const std::string& transfer_syntax_uid) {
  Bytes bytes(128, 0);
  append(bytes, {'D', 'I', 'C', 'M'});
  append(bytes, raw_words(0x0002, 0x0010, "UI", transfer_syntax_uid));
  return bytes;
}

Bytes raw_film(const std::string& transfer_syntax_uid, std::uint16_t rows, std::uint16_t columns,
               const std::string& frames, const Bytes& pixel_element) {
  Bytes bytes = raw_file_start(transfer_syntax_uid);
  append(bytes, raw_words(0x0008, 0x0016, "UI", "1.2.840.10008.5.1.4.1.1.1"));
  append(bytes, raw_words(0x0008, 0x0018, "UI", "1.2.3.4.1"));
  append(bytes, raw_words(0x0020, 0x000D, "UI", "1.2.3.4.2"));
  append(bytes, raw_words(0x0020, 0x000E, "UI", "1.2.3.4.3"));
  append(bytes, raw_us(0x0028, 0x0002, 1));
  append(bytes, raw_words(0x0028, 0x0004, "CS", "MONOCHROME2"));
  if (!frames.empty()) append(bytes, raw_words(0x0028, 0x0008, "IS", frames));
  append(bytes, raw_us(0x0028, 0x0010, rows));
  append(bytes, raw_us(0x0028, 0x0011, columns));
  append(bytes, raw_us(0x0028, 0x0100, 16));
  append(bytes, raw_us(0x0028, 0x0101, 16));
  append(bytes, raw_us(0x0028, 0x0102, 15));
  append(bytes, raw_us(0x0028, 0x0103, 0));
  append(bytes, pixel_element);
  return bytes;
}

}  // namespace rouage::dicom::made
