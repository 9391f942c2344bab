/// What the result objects of one film have in common: identifiers, equipment, series, texts. Internal.
#pragma once
#include <string>
#include <string_view>

#include "cogs/cog.h"
#include "dicom/writing.h"
#include "results/results.h"

namespace rouage::results {

inline constexpr std::string_view kComprehensive3dSr = "1.2.840.10008.5.1.4.1.1.88.34";
inline constexpr std::string_view kBasicTextSr = "1.2.840.10008.5.1.4.1.1.88.11";
inline constexpr std::string_view kChestCadSr = "1.2.840.10008.5.1.4.1.1.88.65";
inline constexpr std::string_view kKeyObjectSelection = "1.2.840.10008.5.1.4.1.1.88.59";
inline constexpr std::string_view kSegmentation = "1.2.840.10008.5.1.4.1.1.66.4";
inline constexpr std::string_view kGreyPresentationState = "1.2.840.10008.5.1.4.1.1.11.1";
inline constexpr std::string_view kSecondaryCapture = "1.2.840.10008.5.1.4.1.1.7";

/// A kind of result object: its role in file lists and UIDs, its file, its series.
struct ObjectKind {
  std::string_view role, file_name, sop_class_uid;
  int series_number;
  std::string_view title_en, title_fr;  ///< series description
};
inline constexpr ObjectKind kReport{
    "sr", "sr.dcm", kComprehensive3dSr, 9001, "AI report, not reviewed", "Compte rendu IA, non relu"};
inline constexpr ObjectKind kCad{
    "cad_sr", "cad-sr.dcm", kChestCadSr, 9002, "AI chest CAD, not reviewed", "CAD thorax IA, non relu"};
inline constexpr ObjectKind kSegments{
    "seg", "seg.dcm", kSegmentation, 9003, "AI regions, not reviewed", "Régions IA, non relues"};
inline constexpr ObjectKind kOutlines{
    "gsps", "gsps.dcm", kGreyPresentationState, 9004, "AI outlines, not reviewed", "Contours IA, non relus"};
inline constexpr ObjectKind kCapture{
    "capture", "capture.dcm", kSecondaryCapture, 9005, "AI overlay, not reviewed", "Image IA, non relue"};
inline constexpr ObjectKind kKeyObjects{"key_objects", "key-objects.dcm",          kKeyObjectSelection,
                                        9006,          "AI results, not reviewed", "Résultats IA, non relus"};
/// Its files have the role "sr", so that whoever is sent reports is sent this too.
inline constexpr ObjectKind kUnavailable{"unavailable", "unavailable.dcm", kBasicTextSr,
                                         9007,          "AI unavailable",  "IA indisponible"};

/// Instance and series UID, number, description, content time and equipment of one object. The instance's UID comes
/// from the provenance and the role; the series' from the source series, the provenance without its inputs, and the
/// role, so that the results of several films of one series stand in one series.
dicom::ObjectFrame object_frame(const dicom::InstanceHeader& source, const cogs::Provenance& provenance,
                                const ObjectKind& kind, const std::string& language);

/// Content date, else series date, else study date, with the time of the same level ("" when there is none).
std::pair<std::string, std::string> content_moment(const dicom::InstanceHeader& header);
dicom::Equipment equipment_of(const cogs::Provenance& provenance);
dicom::ImageReference source_reference(const dicom::InstanceHeader& header);
/// The object as a file of the result list.
ResultFile dicom_file(const ObjectKind& kind, const dicom::ObjectFrame& frame, Bytes bytes);

/// "chest 0.1.0", name and version of the algorithm for people; the model's where there is one.
std::string algorithm_name(const cogs::Provenance& provenance);
std::string algorithm_version(const cogs::Provenance& provenance);
/// True for films that `rouage phantom film` made: their header says so.
bool synthetic(const dicom::InstanceHeader& header);
/// "synthetic phantom" and the like, for people; "" for a film of a patient.
std::string origin_text(const dicom::InstanceHeader& header, const std::string& language);

}  // namespace rouage::results
