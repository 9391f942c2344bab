/// The parts of FHIR R4 resources that are the same everywhere: identifiers, codings, references. Internal.
#pragma once
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "cogs/cog.h"
#include "dicom/instance.h"
#include "results/results.h"

namespace rouage::results {

using Json = nlohmann::ordered_json;

/// "urn:uuid:..." (version 8) derived from the parts.
std::string derived_urn(std::initializer_list<std::string> parts);
/// {"coding": [{system, code, display}], "text"}; a scheme without a known system keeps its name in `text` only.
Json concept_json(const dicom::Code& code);
Json coding_json(const dicom::Code& code);
/// "20260131" -> "2026-01-31"; "" when it is no date.
std::string fhir_date(const std::string& dicom_date);

Json patient_json(const dicom::InstanceHeader& header);
Json imaging_study_json(const std::vector<const dicom::InstanceHeader*>& films, const std::vector<ResultFile>& objects,
                        const std::string& patient_urn);
Json device_json(const cogs::Provenance& provenance);
/// Accession number as an identifier of type ACSN; null when the header has none.
Json accession_json(const dicom::InstanceHeader& header);

}  // namespace rouage::results
