#include "app/unavailable_writer.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/host.h"
#include "cogs/cog.h"
#include "dicom/reading.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

using Json = nlohmann::json;
using results::UnavailableReason;

constexpr std::array kReasons{UnavailableReason::no_model,  UnavailableReason::failed,
                              UnavailableReason::crashed,   UnavailableReason::out_of_memory,
                              UnavailableReason::timed_out, UnavailableReason::expired,
                              UnavailableReason::cancelled, UnavailableReason::incomplete};

UnavailableReason reason_of(const std::string& name) {
  for (const UnavailableReason reason : kReasons)
    if (results::reason_name(reason) == name) return reason;
  throw Error(ErrorCode::RequestInvalid, "no reason is called " + name);
}

std::string request_of(const UnavailableJob& job) {
  return Json{{"source", job.source.string()},
              {"folder", job.folder.string()},
              {"language", job.language},
              {"reason", results::reason_name(job.facts.reason)},
              {"cog", job.facts.cog},
              {"cog_version", job.facts.cog_version},
              {"detail", job.facts.detail},
              {"series_version", job.facts.series_version},
              {"instances", job.facts.instances}}
      .dump(-1, ' ', false, Json::error_handler_t::replace);
}

std::string answer_to(const std::string& request) {
  const Json json = Json::parse(request);
  results::UnavailableFacts facts;
  facts.reason = reason_of(json.at("reason"));
  facts.cog = json.at("cog");
  facts.cog_version = json.at("cog_version");
  facts.detail = json.at("detail");
  facts.series_version = json.at("series_version");
  facts.instances = json.at("instances");
  const fs::path folder = json.at("folder").get<std::string>();
  const dicom::InstanceHeader source = dicom::read_header(json.at("source").get<std::string>(), {});
  Json files = Json::array();
  for (const results::ResultFile& file :
       results::unavailable_results(source, facts, {.language = json.at("language"), .pictures = false})) {
    write_file(folder / file.name, file.bytes);
    files.push_back({{"file", file.name},
                     {"role", file.role},
                     {"sop_class_uid", file.sop_class_uid},
                     {"sop_instance_uid", file.sop_instance_uid},
                     {"series_instance_uid", file.series_instance_uid}});
  }
  return files.dump();
}

}  // namespace

UnavailableWriter::UnavailableWriter() : children_({.program = {}, .command = "write-unavailable", .children = 1}) {}

std::vector<results::ResultFile> UnavailableWriter::write(const UnavailableJob& job) {
  const Json answer = Json::parse(children_.ask(request_of(job)), nullptr, false);
  if (!answer.is_array()) throw Error(ErrorCode::Internal, "a child's answer is not JSON");
  std::vector<results::ResultFile> files;
  for (const Json& file : answer)
    files.push_back({.name = file.value("file", ""),
                     .role = file.value("role", ""),
                     .bytes = {},
                     .sop_class_uid = file.value("sop_class_uid", ""),
                     .sop_instance_uid = file.value("sop_instance_uid", ""),
                     .series_instance_uid = file.value("series_instance_uid", "")});
  return files;
}

int write_unavailable_as_child(std::uint64_t memory_mb, double deadline_s) {
  dicom::initialise();
  return receive::answer_as_child(memory_mb, deadline_s, answer_to);
}

results::UnavailableReason unavailable_reason(ErrorCode code) {
  switch (code) {
    case ErrorCode::PackageInvalid:
    case ErrorCode::PackageDigest:
    case ErrorCode::ModelInvalid:
    case ErrorCode::RuntimeMissing:
    case ErrorCode::ProviderMissing:
      return UnavailableReason::no_model;
    case ErrorCode::WorkerEnded:
      return UnavailableReason::crashed;
    case ErrorCode::Cancelled:
      return UnavailableReason::cancelled;
    default:
      return UnavailableReason::failed;
  }
}

}  // namespace rouage::app
