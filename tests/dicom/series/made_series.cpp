#include "dicom/series/made_series.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <stdexcept>

namespace rouage::dicom::made_series {

namespace {

/// The folder of this program, removed when it ends.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("rouage-series-" + std::to_string(::getpid()));
  Scratch() = default;
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

fs::path fresh_folder(const std::string& name) {
  static const Scratch scratch;
  const fs::path folder = scratch.path / name;
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

void put(DcmItem& dataset, const DcmTagKey& tag, const std::string& value) {
  if (dataset.putAndInsertString(tag, value.c_str()).bad()) throw std::runtime_error("DCMTK refuses a value");
}

void fill_frames(DcmDataset& dataset, const std::string& sop_class, const std::string& modality, int frames) {
  put(dataset, DCM_SOPClassUID, sop_class);
  put(dataset, DCM_SOPInstanceUID, "1.2.3.4.100");
  put(dataset, DCM_StudyInstanceUID, "1.2.3.4.2");
  put(dataset, DCM_SeriesInstanceUID, "1.2.3.4.3");
  put(dataset, DCM_FrameOfReferenceUID, "1.2.3.4.4");
  put(dataset, DCM_Modality, modality);
  dataset.putAndInsertUint16(DCM_SamplesPerPixel, 1);
  put(dataset, DCM_PhotometricInterpretation, "MONOCHROME2");
  dataset.putAndInsertUint16(DCM_Rows, kRows);
  dataset.putAndInsertUint16(DCM_Columns, kColumns);
  dataset.putAndInsertUint16(DCM_BitsAllocated, 16);
  dataset.putAndInsertUint16(DCM_BitsStored, 16);
  dataset.putAndInsertUint16(DCM_HighBit, 15);
  dataset.putAndInsertUint16(DCM_PixelRepresentation, 1);
  std::vector<Uint16> values;
  for (int f = 0; f < frames; ++f)
    for (int j = 0; j < kRows; ++j)
      for (int i = 0; i < kColumns; ++i) values.push_back(static_cast<Uint16>(100 * f + 10 * j + i));
  dataset.putAndInsertUint16Array(DCM_PixelData, values.data(), values.size());
}

void save(DcmFileFormat& file, const fs::path& path, E_TransferSyntax syntax) {
  if (file.getDataset()->chooseRepresentation(syntax, nullptr).bad() || file.saveFile(path.c_str(), syntax).bad())
    throw std::runtime_error("DCMTK cannot write");
}

void add_slice(const fs::path& folder, const std::string& name, int k, const Change& change) {
  DcmFileFormat file;
  DcmDataset& dataset = *file.getDataset();
  fill_frames(dataset, UID_CTImageStorage, "CT", 1);
  put(dataset, DCM_SOPInstanceUID, fmt::format("1.2.3.4.100.{}", k + 1));
  put(dataset, DCM_InstanceNumber, std::to_string(k + 1));
  put(dataset, DCM_ImageType, "ORIGINAL\\PRIMARY\\AXIAL");
  put(dataset, DCM_AcquisitionNumber, "1");
  put(dataset, DCM_ImagePositionPatient, fmt::format("-3\\-4\\{}", -10 + kStep * k));
  put(dataset, DCM_ImageOrientationPatient, "1\\0\\0\\0\\1\\0");
  put(dataset, DCM_PixelSpacing, "2\\1.5");
  put(dataset, DCM_SliceThickness, "2.5");
  put(dataset, DCM_RescaleSlope, "1");
  put(dataset, DCM_RescaleIntercept, "-1024");
  std::vector<Uint16> values;
  for (int j = 0; j < kRows; ++j)
    for (int i = 0; i < kColumns; ++i) values.push_back(static_cast<Uint16>(static_cast<int>(made_hu(i, j, k)) + 1024));
  dataset.putAndInsertUint16Array(DCM_PixelData, values.data(), values.size());
  if (change) change(k, dataset);
  save(file, folder / name);
}

fs::path make_ct(const std::string& name, int slices, const Change& change) {
  const fs::path folder = fresh_folder(name);
  for (int k = 0; k < slices; ++k) add_slice(folder, fmt::format("{:03}.dcm", (k * 7 + 3) % 101), k, change);
  return folder;
}

Outcome read(const fs::path& folder, const SeriesOptions& options) {
  Outcome outcome;
  try {
    outcome.reading = read_series(folder, options);
  } catch (const Error& error) {
    outcome.error = error;
  }
  return outcome;
}

bool says(const std::vector<std::string>& texts, const std::string& part) {
  return std::any_of(texts.begin(), texts.end(),
                     [&](const std::string& text) { return text.find(part) != std::string::npos; });
}

}  // namespace rouage::dicom::made_series
