/// One film from file to result files: what a child process does for one request, and what `analyze` knows of the
/// answer.
///
/// The parent sends one JSON line a job to the child's standard input and reads one JSON line back:
///   {"kind":"film","path":...,"folder":...,...}  ->  {"status":"done","document":{...},"files":[...],...}
///   {"kind":"study","study":...,"films":[...],"folder":...}  ->  the same
/// The child's very first line says whether it can work at all: empty, or an Error as JSON (`receive::error_to_json`).
/// The folder is a staging folder of the parent's: the child only writes into it, the parent publishes it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "cogs/cog.h"
#include "dicom/reading.h"
#include "infer/package.h"
#include "results/results.h"

namespace rouage::app {

/// What holds for every film of a run.
struct RunSettings {
  std::string cog = "chest";
  std::string language = "en";
  std::string provider = "cpu";
  std::vector<std::string> model_folders;       ///< searched for packages, in order
  std::map<std::string, std::string> packages;  ///< a cog's package name -> folder to use instead
  std::map<std::string, std::string> options;   ///< handed to the cog, e.g. operating_point
  bool pictures = true;
  int threads = 1;
  std::uint64_t max_file_mb = 1024;
};

struct FilmJob {
  std::filesystem::path path;
  bool as_film = false;
  dicom::PictureFacts facts;
  std::optional<int> frame;
  std::optional<std::string> reported_at;  ///< the study has a final report, of this HL7 time ("": not known)
};

/// A finished film or study, as the parent sees it.
struct JobAnswer {
  std::string status;              ///< done, ineligible, refused
  std::string document;            ///< the analyze document (one line of JSON), outputs left empty
  std::vector<std::string> files;  ///< names in the folder
  std::string study_instance_uid, sop_instance_uid;
  std::string error_code;  ///< refused only: the name in errors.toml
  std::string message;     ///< refused only: one line
};

/// The models and the cog of a run, loaded once a process.
class Workshop {
 public:
  explicit Workshop(RunSettings settings);
  /// Never throws for what is wrong with the film: the answer is then `refused`.
  JobAnswer film(const FilmJob& job, const std::filesystem::path& folder) const;
  /// `films`: folders of finished films of one study.
  JobAnswer study(const std::string& study_uid, const std::vector<std::filesystem::path>& films,
                  const std::filesystem::path& folder, const std::optional<std::string>& reported_at = {}) const;
  const RunSettings& settings() const { return settings_; }
  /// Opens every net in the background, so that the first film waits less. What goes wrong is said when a film needs
  /// it.
  void open_nets();

 private:
  JobAnswer film_or_throw(const FilmJob& job, const std::filesystem::path& folder) const;
  RunSettings settings_;
  const cogs::Cog* cog_;
  std::map<std::string, std::shared_ptr<const infer::LoadedModel>> models_;
  std::vector<std::future<void>> opening_;
};

/// "name=digest;" of every package of the cog: part of the journal's key. Only model.yaml is read: the children check
/// that the rest of a package is what it says before they use it. Errors: Usage (no such cog), FileMissing.
std::string models_identity(const RunSettings& settings);

/// Throws the Error of a child's line (receive::error_to_json).
[[noreturn]] void throw_from_json(const std::string& json);

std::string settings_to_json(const RunSettings& settings);
RunSettings settings_from_json(const std::string& json);
std::string film_request(const FilmJob& job, const std::filesystem::path& folder);
std::string study_request(const std::string& study_uid, const std::vector<std::filesystem::path>& films,
                          const std::filesystem::path& folder, const std::optional<std::string>& reported_at = {});
/// The child's side: executes one request line, answers one line.
std::string execute_request(const Workshop& workshop, const std::string& request);
JobAnswer parse_answer(const std::string& line);

/// The document of a film that could not be read (status refused), one line of JSON.
std::string refused_document(const std::string& input, const std::string& cog, const std::string& error_code,
                             const std::string& message, const std::string& tag, const std::string& remedy);
/// The `input` and the `reason` of a document.
std::string document_input(const std::string& document);
std::string document_reason(const std::string& document);
/// A document with `objects`: name, role and UIDs of the DICOM objects among the files; and its inverse.
std::string with_objects(const std::string& document, const std::vector<results::ResultFile>& files);
std::vector<results::ResultFile> document_objects(const std::string& document);
/// A document with its `input` and `outputs` set.
std::string with_outputs(const std::string& document, const std::string& input,
                         const std::vector<std::string>& outputs);

}  // namespace rouage::app
