/// Small series whose every value is known, made with DCMTK (never with the code under test).
#pragma once
#include <dcmtk/dcmdata/dctk.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "dicom/series/series.h"

namespace rouage::dicom::made_series {

namespace fs = std::filesystem;
using Change = std::function<void(int k, DcmDataset& dataset)>;

inline constexpr int kColumns = 4, kRows = 3;
inline constexpr double kStep = 2.5;

/// An empty folder of this test program.
fs::path fresh_folder(const std::string& name);
void put(DcmItem& dataset, const DcmTagKey& tag, const std::string& value);

/// HU of the made series at (i, j, k): stored - 1024.
inline double made_hu(int i, int j, int k) {
  return 100 * k + 10 * j + i - 1024;
}

/// A CT series of `slices` slices, 4 x 3 voxels of 1.5 mm along a row and 2 mm along a column, at z = -10 + 2.5 k, in
/// files a.dcm on in an order that is not k's. `change` may alter a slice before it is written.
fs::path make_ct(const std::string& name, int slices, const Change& change = {});
/// One more file in the folder of a made series.
void add_slice(const fs::path& folder, const std::string& file, int k, const Change& change = {});

/// A dataset with identity and image pixel module of `frames` frames of 4 x 3 signed words, value 100 f + 10 j + i.
void fill_frames(DcmDataset& dataset, const std::string& sop_class, const std::string& modality, int frames);
void save(DcmFileFormat& file, const fs::path& path, E_TransferSyntax syntax = EXS_LittleEndianExplicit);

/// What reading gives, or the error.
struct Outcome {
  SeriesReading reading;
  std::optional<Error> error;
};
Outcome read(const fs::path& folder, const SeriesOptions& options = {});
/// True when some text of `texts` contains `part`.
bool says(const std::vector<std::string>& texts, const std::string& part);

}  // namespace rouage::dicom::made_series
