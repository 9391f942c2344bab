/// How a cog's result is said: DICOM objects, JSON, FHIR, pictures. Pure: values in, bytes out.
///
///   std::vector<ResultFile> files = film_results(picture, result, options);   // sr.dcm, seg.dcm, ..., picture.png
///   std::vector<ResultFile> study = study_results(films, study_result, options);  // key-objects.dcm, results.json
#pragma once
#include <string>
#include <utility>
#include <vector>

#include "base/values.h"
#include "cogs/cog.h"

namespace rouage::results {

struct ResultOptions {
  std::string language = "en";  ///< "en" or "fr": texts that people read
  bool pictures = true;         ///< secondary capture and PNG
};

struct ResultFile {
  std::string name;  ///< file name inside the film's folder, e.g. "report.sr.dcm"
  std::string role;  ///< sr, cad_sr, seg, gsps, capture, key_objects, source, fhir, picture
  Bytes bytes;
  std::string sop_class_uid, sop_instance_uid, series_instance_uid;  ///< DICOM objects only
};

/// Objects of one film. For a film made from a picture also `source.dcm`, the film itself as secondary capture, so that
/// every reference can be resolved. An ineligible film gets an SR that says so, without findings (and no SEG or GSPS).
std::vector<ResultFile> film_results(const cogs::Picture& picture, const cogs::CogResult& result,
                                     const ResultOptions& options);

/// What the study needs of a finished film.
struct FilmSummary {
  dicom::InstanceHeader header;
  cogs::CogResult result;
  std::vector<ResultFile> files;  ///< bytes may be empty
};
/// Key-object selection over all result objects of the run, and the FHIR bundle of the study.
std::vector<ResultFile> study_results(const std::vector<FilmSummary>& films, const cogs::CogResult& study,
                                      const ResultOptions& options);

/// One line of `analyze --json` and the content of results.json (design.md section 3; docs/formats/analyze.md).
/// `input`: the path, or the Study Instance UID at study level (then `inputs`: the films). `outputs`: paths.
struct LineContext {
  std::string input;
  std::vector<std::string> inputs, outputs;
  std::string study_instance_uid, sop_instance_uid;
};
std::string analyze_json(const cogs::CogResult& result, const LineContext& context);
/// The inverse of analyze_json for what the study row needs (findings, scores, measurements, reasons, provenance).
/// Errors: TableInvalid.
cogs::CogResult parse_analyze_json(const std::string& json);

}  // namespace rouage::results
