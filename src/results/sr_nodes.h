/// Nodes of SR content trees, and our private concepts. Internal.
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cogs/cog.h"
#include "dicom/writing.h"

namespace rouage::results {

inline constexpr std::string_view kPrivateScheme = "99ROUAGE";
inline constexpr std::string_view kContains = "CONTAINS";
inline constexpr std::string_view kConceptModifier = "HAS CONCEPT MOD";
inline constexpr std::string_view kObservationContext = "HAS OBS CONTEXT";
inline constexpr std::string_view kAcquisitionContext = "HAS ACQ CONTEXT";
inline constexpr std::string_view kProperties = "HAS PROPERTIES";
inline constexpr std::string_view kInferredFrom = "INFERRED FROM";
inline constexpr std::string_view kSelectedFrom = "SELECTED FROM";

using dicom::Code;
using dicom::SrItem;

SrItem container(std::string_view relationship, const Code& name, std::string_view template_id = {});
SrItem coded(std::string_view relationship, const Code& name, const Code& value);
SrItem worded(std::string_view relationship, const Code& name, std::string text);
SrItem unique(std::string_view relationship, const Code& name, std::string uid);
SrItem dated(std::string_view relationship, const Code& name, std::string date);
SrItem measured(std::string_view relationship, const Code& name, double value, const Code& unit);
SrItem pictured(std::string_view relationship, const dicom::ImageReference& reference);
SrItem composed(std::string_view relationship, const dicom::ImageReference& reference);
/// SCOORD by value; the image that it lies on is a child or a reference that the caller adds.
SrItem drawn(std::string_view relationship, const Code& name, std::string_view graphic_type,
             std::vector<dicom::Point> points);
SrItem referring(std::string_view relationship, std::vector<int> path);

/// A concept for which the tables have no code, by its value. All are listed in docs/formats/objects.md.
/// Errors: Internal for an unknown value.
Code private_concept(std::string_view value);
/// All of them, for the test that compares the documentation.
std::vector<Code> private_concepts();

/// Corners of a box or points of a polygon, first point repeated at the end.
std::vector<dicom::Point> closed_outline(const cogs::Region& region);
std::optional<Code> laterality_code(cogs::Laterality side);
/// TID 1204. `language`: "en" or "fr".
SrItem language_node(const std::string& language);
/// TID 4019, relation as the calling template asks: name, version, manufacturer, and as parameters the package digests.
std::vector<SrItem> algorithm_nodes(std::string_view relationship, const cogs::Provenance& provenance);
/// Every further parameter of the run (cog, engine, precision, thresholds, calibration...), said once a document.
std::vector<SrItem> parameter_nodes(std::string_view relationship, const cogs::Provenance& provenance);
/// TID 1001 with a device observer (TID 1002, 1004).
std::vector<SrItem> observer_nodes(const dicom::Equipment& equipment);

}  // namespace rouage::results
