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

/// Why a series has no AI result. The names (reason_name) are codes of the object and keys of the texts.
enum class UnavailableReason {
  no_model,       ///< none is installed, or none that is valid
  failed,         ///< the analysis failed as often as it may
  crashed,        ///< its process ended
  out_of_memory,  ///< it needed more memory than its budget
  timed_out,      ///< it did not end
  expired,        ///< its deadline passed before its turn came
  cancelled,      ///< a person ended it
  incomplete      ///< the series did not arrive whole
};
std::string reason_name(UnavailableReason reason);
struct UnavailableFacts {
  UnavailableReason reason = UnavailableReason::failed;
  std::string cog, cog_version;
  std::vector<cogs::ModelIdentity> models;  ///< those that were to run, where known
  std::string detail;                       ///< for engineers, as logged; holds no time, so that a repeat says the same
  int series_version = 0, instances = 0;    ///< of the series; 0 instances: not known
};
/// "AI unavailable" as an object that any viewer shows (Basic Text SR) and as a FHIR bundle (a cancelled
/// DiagnosticReport): for which series, why, and that it is to be read as usual. Delivered like a result.
/// source: the header of any instance of the series. The same values give the same bytes.
std::vector<ResultFile> unavailable_results(const dicom::InstanceHeader& source, const UnavailableFacts& facts,
                                            const ResultOptions& options);

/// The study had a final report before this result came: said as a warning (report, pictures), in the series
/// descriptions and in the FHIR conclusion; it becomes part of the identifiers, since it changes the bytes. To be
/// called before the writers. reported_at: HL7 time of the report ("202503141015"), "" when not known.
void say_after_report(cogs::CogResult& result, const std::string& reported_at, const std::string& language);
bool says_after_report(const cogs::Provenance& provenance);

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
