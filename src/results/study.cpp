/// Objects of one examination: the key-object list of all results of the run, and the study's FHIR bundle.
#include "page/page.h"

#include <optional>

#include "results/documents.h"

namespace rouage::results {
namespace {

const Code& code(std::string_view name) {
  return dicom::concept_code(name);
}

bool is_image(const ResultFile& file) {
  return file.sop_class_uid == kSegmentation || file.sop_class_uid == kSecondaryCapture;
}

/// The header whose content moment is the latest: the list is dated like its latest input.
const dicom::InstanceHeader& latest(const std::vector<FilmSummary>& films) {
  const dicom::InstanceHeader* last = &films.front().header;
  for (const FilmSummary& film : films)
    if (content_moment(film.header) > content_moment(*last)) last = &film.header;
  return *last;
}

/// TID 2010 over every result object; the films themselves stand in the evidence of each result.
std::optional<dicom::SrObject> key_objects(const std::vector<FilmSummary>& films, const cogs::CogResult& study,
                                           const std::string& language) {
  dicom::SrObject object;
  const dicom::InstanceHeader& header = latest(films);
  object.sop_class_uid = kKeyObjectSelection;
  object.frame = object_frame(header, study.provenance, kKeyObjects, language);
  object.root = container("", code("of_interest"), "2010");
  auto& children = object.root.children;
  children.push_back(language_node(language));
  for (SrItem& node : observer_nodes(object.frame.equipment)) children.push_back(std::move(node));
  children.push_back(worded(kContains, code("key_object_description"),
                            std::string(language == "fr" ? kKeyObjects.title_fr : kKeyObjects.title_en)));
  std::vector<std::string> parts = study.provenance.uid_parts();
  parts.insert(parts.end(), {header.study_instance_uid, "key_objects"});
  for (const FilmSummary& film : films) {
    for (const ResultFile& file : film.files) {
      if (file.sop_instance_uid.empty() || file.name == "source.dcm") continue;
      dicom::ImageReference reference{file.sop_class_uid, file.sop_instance_uid, file.series_instance_uid,
                                      film.header.study_instance_uid};
      children.push_back(is_image(file) ? pictured(kContains, reference) : composed(kContains, reference));
      parts.push_back(file.sop_instance_uid);
      object.evidence.push_back(std::move(reference));
    }
  }
  if (object.evidence.empty()) return std::nullopt;
  // The list changes with what it lists, so its identifier does too.
  object.frame.sop_instance_uid = derived_uid(parts);
  return object;
}

}  // namespace

std::vector<ResultFile> study_results(const std::vector<FilmSummary>& films, const cogs::CogResult& study,
                                      const ResultOptions& options) {
  std::vector<ResultFile> files;
  if (films.empty()) return files;
  if (const auto list = key_objects(films, study, options.language))
    files.push_back(dicom_file(kKeyObjects, list->frame, dicom::write_sr(*list)));
  std::vector<const dicom::InstanceHeader*> headers;
  std::vector<ResultFile> objects = files;
  for (const FilmSummary& film : films) {
    headers.push_back(&film.header);
    for (const ResultFile& file : film.files)
      objects.push_back(
          {file.name, file.role, {}, file.sop_class_uid, file.sop_instance_uid, file.series_instance_uid});
  }
  const std::string bundle = fhir_bundle(headers, study, objects, options.language);
  files.push_back({"fhir.json", "fhir", Bytes(bundle.begin(), bundle.end()), "", "", ""});
  return files;
}

}  // namespace rouage::results
