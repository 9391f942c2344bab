#include "results/frames.h"

#include "page/page.h"

namespace rouage::results {
namespace {

std::string series_uid(const dicom::InstanceHeader& source, cogs::Provenance provenance, std::string_view role) {
  provenance.input_uids.clear();
  std::vector<std::string> parts = provenance.uid_parts();
  parts.insert(parts.end(), {source.study_instance_uid, source.series_instance_uid, std::string(role), "series"});
  return derived_uid(parts);
}

}  // namespace

std::pair<std::string, std::string> content_moment(const dicom::InstanceHeader& header) {
  if (!header.content_date.empty()) return {header.content_date, header.content_time};
  if (!header.series_date.empty()) return {header.series_date, header.series_time};
  return {header.study_date, header.study_time};
}

std::string algorithm_name(const cogs::Provenance& provenance) {
  return provenance.models.empty() ? "Rouage " + provenance.cog : provenance.models.front().name;
}

std::string algorithm_version(const cogs::Provenance& provenance) {
  return provenance.models.empty() ? provenance.cog_version : provenance.models.front().version;
}

dicom::Equipment equipment_of(const cogs::Provenance& provenance) {
  std::vector<std::string> parts{"rouage", "device", provenance.cog, provenance.cog_version};
  std::string versions = "rouage " + provenance.cog + " " + provenance.cog_version;
  for (const cogs::ModelIdentity& model : provenance.models) {
    parts.push_back(model.digest);
    versions += ", " + model.name + " " + model.version;
  }
  return {"Rouage", "Rouage " + provenance.cog, versions, derived_uid(parts)};
}

dicom::ObjectFrame object_frame(const dicom::InstanceHeader& source, const cogs::Provenance& provenance,
                                const ObjectKind& kind, const std::string& language) {
  dicom::ObjectFrame frame;
  frame.source = source;
  std::vector<std::string> parts = provenance.uid_parts();
  parts.insert(parts.end(), {source.sop_instance_uid, std::string(kind.role), "instance"});
  frame.sop_instance_uid = derived_uid(parts);
  frame.series_instance_uid = series_uid(source, provenance, kind.role);
  frame.series_number = kind.series_number;
  frame.series_description = language == "fr" ? kind.title_fr : kind.title_en;
  const std::string origin = origin_text(source, language);
  if (!origin.empty())
    frame.series_description += " (" + origin + ")";
  else if (says_after_report(provenance))  // not both: a series description has 64 characters
    frame.series_description += " (" + page::text(language, "after_report.short") + ")";
  std::tie(frame.content_date, frame.content_time) = content_moment(source);
  frame.equipment = equipment_of(provenance);
  return frame;
}

dicom::ImageReference source_reference(const dicom::InstanceHeader& header) {
  dicom::ImageReference reference{header.sop_class_uid, header.sop_instance_uid, header.series_instance_uid,
                                  header.study_instance_uid};
  if (header.frames > 1) reference.frame = 1;
  return reference;
}

ResultFile dicom_file(const ObjectKind& kind, const dicom::ObjectFrame& frame, Bytes bytes) {
  return {std::string(kind.file_name),     std::string(kind.role), std::move(bytes),
          std::string(kind.sop_class_uid), frame.sop_instance_uid, frame.series_instance_uid};
}

bool synthetic(const dicom::InstanceHeader& header) {
  const auto says_so = [](const std::string& text) { return lower_case(text).starts_with("synthetic phantom"); };
  return says_so(header.series_description) || says_so(header.study_description);
}

std::string origin_text(const dicom::InstanceHeader& header, const std::string& language) {
  if (synthetic(header)) return page::text(language, "synthetic");
  if (header.made_from_picture) return language == "fr" ? "à partir d'une image" : "made from a picture";
  return {};
}

}  // namespace rouage::results
