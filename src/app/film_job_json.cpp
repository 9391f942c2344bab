#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "app/film_job.h"
#include "base/error.h"
#include "receive/entry_json.h"

namespace rouage::app {
namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;
namespace {

Json facts_to_json(const dicom::PictureFacts& facts) {
  Json json{{"patient", facts.patient_id}, {"study", facts.study_id},      {"sex", facts.sex},
            {"view", facts.view},          {"accession", facts.accession}, {"date", facts.study_date}};
  if (facts.age_a) json["age_a"] = *facts.age_a;
  return json;
}

dicom::PictureFacts facts_from_json(const Json& json) {
  dicom::PictureFacts facts;
  facts.patient_id = json.at("patient");
  facts.study_id = json.at("study");
  facts.sex = json.at("sex");
  facts.view = json.at("view");
  facts.accession = json.at("accession");
  facts.study_date = json.at("date");
  if (json.contains("age_a")) facts.age_a = json.at("age_a").get<double>();
  return facts;
}

std::string answer_line(const JobAnswer& answer) {
  return Json{{"status", answer.status},        {"document", answer.document},
              {"files", answer.files},          {"study", answer.study_instance_uid},
              {"sop", answer.sop_instance_uid}, {"error", answer.error_code},
              {"message", answer.message}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string text_of(const std::string& document, const char* key) {
  const Json json = Json::parse(document, nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::TableInvalid, "not a document of rouage analyze");
  return json.contains(key) && json[key].is_string() ? json[key].get<std::string>() : std::string();
}

}  // namespace

std::string settings_to_json(const RunSettings& s) {
  return Json{{"cog", s.cog},
              {"language", s.language},
              {"provider", s.provider},
              {"packages", s.packages},
              {"model_folders", s.model_folders},
              {"options", s.options},
              {"pictures", s.pictures},
              {"threads", s.threads},
              {"max_file_mb", s.max_file_mb}}
      .dump();
}

RunSettings settings_from_json(const std::string& text) {
  const Json json = Json::parse(text);
  RunSettings s;
  s.cog = json.at("cog");
  s.language = json.at("language");
  s.provider = json.at("provider");
  s.packages = json.at("packages").get<std::map<std::string, std::string>>();
  s.model_folders = json.at("model_folders").get<std::vector<std::string>>();
  s.options = json.at("options").get<std::map<std::string, std::string>>();
  s.pictures = json.at("pictures");
  s.threads = json.at("threads");
  s.max_file_mb = json.at("max_file_mb");
  return s;
}

void throw_from_json(const std::string& json) {
  throw receive::error_from_json(json);
}

std::string film_request(const FilmJob& job, const fs::path& folder) {
  Json json{{"kind", "film"},
            {"path", job.path.string()},
            {"as_film", job.as_film},
            {"facts", facts_to_json(job.facts)},
            {"folder", folder.string()}};
  if (job.frame) json["frame"] = *job.frame;
  if (job.reported_at) json["reported_at"] = *job.reported_at;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string study_request(const std::string& study_uid, const std::vector<fs::path>& films, const fs::path& folder,
                          const std::optional<std::string>& reported_at) {
  Json names = Json::array();
  for (const fs::path& film : films) names.push_back(film.string());
  Json json{{"kind", "study"}, {"study", study_uid}, {"films", names}, {"folder", folder.string()}};
  if (reported_at) json["reported_at"] = *reported_at;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string execute_request(const Workshop& workshop, const std::string& request) {
  const Json json = Json::parse(request);
  const fs::path folder = json.at("folder").get<std::string>();
  std::optional<std::string> reported_at;
  if (json.contains("reported_at")) reported_at = json.at("reported_at").get<std::string>();
  if (json.at("kind") == "study") {
    std::vector<fs::path> films;
    for (const auto& film : json.at("films")) films.emplace_back(film.get<std::string>());
    return answer_line(workshop.study(json.at("study"), films, folder, reported_at));
  }
  FilmJob job;
  job.path = json.at("path").get<std::string>();
  job.as_film = json.at("as_film");
  job.facts = facts_from_json(json.at("facts"));
  if (json.contains("frame")) job.frame = json.at("frame").get<int>();
  job.reported_at = reported_at;
  return answer_line(workshop.film(job, folder));
}

JobAnswer parse_answer(const std::string& line) {
  const Json json = Json::parse(line, nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::Internal, "a worker's answer is not JSON");
  JobAnswer answer;
  answer.status = json.value("status", "");
  answer.document = json.value("document", "");
  if (json.contains("files")) answer.files = json.at("files").get<std::vector<std::string>>();
  answer.study_instance_uid = json.value("study", "");
  answer.sop_instance_uid = json.value("sop", "");
  answer.error_code = json.value("error", "");
  answer.message = json.value("message", "");
  return answer;
}

std::string refused_document(const std::string& input, const std::string& cog, const std::string& error_code,
                             const std::string& message, const std::string& tag, const std::string& remedy) {
  return Json{{"input", input},
              {"level", "image"},
              {"cog", cog},
              {"status", "refused"},
              {"reason", message},
              {"error", {{"code", error_code}, {"tag", tag}, {"remedy", remedy}}},
              {"findings", Json::array()},
              {"scores", Json::object()},
              {"measurements", Json::array()},
              {"outputs", Json::array()},
              {"model", nullptr}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string document_input(const std::string& document) {
  return text_of(document, "input");
}

std::string document_reason(const std::string& document) {
  return text_of(document, "reason");
}

std::string with_objects(const std::string& document, const std::vector<results::ResultFile>& files) {
  Json json = Json::parse(document);
  Json objects = Json::array();
  for (const results::ResultFile& file : files)
    if (!file.sop_instance_uid.empty())
      objects.push_back({{"file", file.name},
                         {"role", file.role},
                         {"sop_class_uid", file.sop_class_uid},
                         {"sop_instance_uid", file.sop_instance_uid},
                         {"series_instance_uid", file.series_instance_uid}});
  json["objects"] = objects;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::vector<results::ResultFile> document_objects(const std::string& document) {
  const Json json = Json::parse(document, nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::TableInvalid, "not a document of rouage analyze");
  std::vector<results::ResultFile> files;
  for (const Json& object : json.value("objects", Json::array())) {
    results::ResultFile file;
    file.name = object.value("file", "");
    file.role = object.value("role", "");
    file.sop_class_uid = object.value("sop_class_uid", "");
    file.sop_instance_uid = object.value("sop_instance_uid", "");
    file.series_instance_uid = object.value("series_instance_uid", "");
    files.push_back(std::move(file));
  }
  return files;
}

std::string with_outputs(const std::string& document, const std::string& input,
                         const std::vector<std::string>& outputs) {
  Json json = Json::parse(document);
  json["input"] = input;
  json["outputs"] = outputs;
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace rouage::app
