#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include "dcmtk/dcmdata/dcuid.h"
#include "dcmtk/dcmdata/dcxfer.h"
#include "dimse/association.h"
#include "dimse/sop_classes.h"

namespace rouage::dimse {
namespace {

constexpr std::string_view kDicomRoot = "1.2.840.10008.", kStorageRoot = "1.2.840.10008.5.1.4.1.1.",
                           kTransferSyntaxRoot = "1.2.840.10008.1.2.";

/// Storage classes that DCMTK 3.6.7 does not list (PS3.4 table B.5-1, 2024).
constexpr std::array<std::string_view, 14> kNewerStorageClasses = {
    "1.2.840.10008.5.1.4.1.1.66.7",      // Label Map Segmentation
    "1.2.840.10008.5.1.4.1.1.66.8",      // Height Map Segmentation
    "1.2.840.10008.5.1.4.1.1.77.1.5.7",  // Confocal Microscopy Image
    "1.2.840.10008.5.1.4.1.1.77.1.5.8",  // Confocal Microscopy Tiled Pyramidal Image
    "1.2.840.10008.5.1.4.1.1.77.1.5.9",  // Dermoscopic Photography Image
    "1.2.840.10008.5.1.4.1.1.9.100.1",   // Waveform Presentation State
    "1.2.840.10008.5.1.4.1.1.9.100.2",   // Waveform Acquisition Presentation State
    "1.2.840.10008.5.1.4.1.1.88.77",     // Waveform Annotation SR
    "1.2.840.10008.5.1.4.1.1.481.22",    // Enhanced RT Image
    "1.2.840.10008.5.1.4.1.1.481.23",    // Enhanced Continuous RT Image
    "1.2.840.10008.5.1.4.1.1.481.24",    // RT Patient Position Acquisition Instruction
    "1.2.840.10008.5.1.4.1.1.201.6",     // Inventory
    "1.2.840.10008.5.1.4.1.1.104.5",     // Encapsulated MTL
    "1.2.840.10008.5.1.4.1.1.104.4"};    // Encapsulated OBJ

/// Served beside storage; their data sets are parsed here, so they come uncompressed.
bool is_service(const std::string& sop_class) {
  static const std::set<std::string> services = {
      sop::kVerification,    sop::kStudyRootFind,       sop::kStudyRootMove,  sop::kStudyRootGet,
      sop::kPatientRootFind, sop::kPatientRootMove,     sop::kPatientRootGet, sop::kCommitment,
      sop::kPerformedStep,   sop::kInstanceAvailability};
  return services.contains(sop_class);
}

bool is_storage(const std::string& sop_class, bool accept_unknown) {
  static const auto list = storage_sop_classes();
  static const std::set<std::string> known(list.begin(), list.end());
  if (known.contains(sop_class)) return true;
  // Makers' own storage classes lie under the makers' roots.
  return accept_unknown && (sop_class.starts_with(kStorageRoot) || !sop_class.starts_with(kDicomRoot));
}

/// Syntaxes newer than DCMTK 3.6.7 (HTJ2K, JPEG XL...) are encapsulated explicit little endian (PS3.5 A.4).
bool known_syntax(const std::string& syntax) {
  return syntax.starts_with(kTransferSyntaxRoot) || DcmXfer(syntax.c_str()).getXfer() != EXS_Unknown;
}

}  // namespace

std::vector<std::string> storage_sop_classes() {
  std::vector<std::string> classes;
  for (int i = 0; i < numberOfDcmAllStorageSOPClassUIDs; ++i) classes.emplace_back(dcmAllStorageSOPClassUIDs[i]);
  for (const std::string_view newer : kNewerStorageClasses)
    if (std::find(classes.begin(), classes.end(), newer) == classes.end()) classes.emplace_back(newer);
  return classes;
}

bool uncompressed(const std::string& transfer_syntax) {
  return transfer_syntax == UID_LittleEndianExplicitTransferSyntax ||
         transfer_syntax == UID_LittleEndianImplicitTransferSyntax ||
         transfer_syntax == UID_BigEndianExplicitTransferSyntax ||
         transfer_syntax == UID_DeflatedExplicitVRLittleEndianTransferSyntax;
}

Choice choose_transfer_syntax(const std::string& sop_class, const std::vector<std::string>& proposed,
                              bool accept_unknown) {
  const auto first = [&](auto fits) {
    const auto found = std::find_if(proposed.begin(), proposed.end(), fits);
    return found == proposed.end() ? std::string() : *found;
  };
  if (is_service(sop_class)) {
    std::string little = first([](const std::string& syntax) {
      return syntax == UID_LittleEndianExplicitTransferSyntax || syntax == UID_LittleEndianImplicitTransferSyntax;
    });
    if (!little.empty()) return {true, little};
    return {true, first([](const std::string& syntax) { return syntax == UID_BigEndianExplicitTransferSyntax; })};
  }
  if (!is_storage(sop_class, accept_unknown)) return {false, {}};
  // The sender knows best: what it names first is what it holds.
  return {true, first(known_syntax)};
}

}  // namespace rouage::dimse
