/// Small DICOM objects by hand, and their way into a store.
#pragma once
#include <filesystem>
#include <map>
#include <string>

#include "store/store.h"

namespace rouage::store::testing {

struct Made {
  std::string patient = "P1", issuer, name = "Martin^Luc", birth = "19700101", sex = "M";
  std::string study = "1.2.3", date = "20261124", time = "101500", accession = "A1", description = "THORAX";
  std::string series = "1.2.3.1", modality = "CR", series_description = "PA", number = "1";
  std::string sop = "1.2.3.1.1", sop_class = "1.2.840.10008.5.1.4.1.1.1";
  std::string position, orientation;  ///< of a slice
  std::string manufacturer = "Acme", model = "X1";
  std::string implementation = "TEST_1";  ///< of the file meta header: the way, not the content
  std::size_t pixels = 64;                ///< bytes
  unsigned seed = 1;                      ///< of the pixels
  std::map<std::uint32_t, std::pair<std::string, std::string>> more;  ///< tag -> VR, value
};

Made ct_slice(int number, double spacing_mm = 2.0);
Bytes bytes_of(const Made& made);
/// The object lies in the store's incoming folder.
receive::Arrival arrival(const Store& store, const Made& made, std::uint64_t association = 0,
                         const std::string& sender = "CT1");
receive::Receipt send(Store& store, const Made& made, std::uint64_t association = 0, const std::string& sender = "CT1");
/// A result of Rouage about a study, in a staging folder.
ResultObject made_result(const std::filesystem::path& staging, const std::string& study, const std::string& sop,
                         unsigned seed = 7);
Made result_made(const std::string& study, const std::string& sop, unsigned seed = 7);

}  // namespace rouage::store::testing
