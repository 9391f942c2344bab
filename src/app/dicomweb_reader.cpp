#include "app/dicomweb_reader.h"

#include <nlohmann/json.hpp>

#include "base/host.h"
#include "dicom/object.h"
#include "dicom/reading.h"

namespace rouage::app {
namespace {

using Json = nlohmann::json;

/// Requests: "kind\nargument\npath"; the path is last because it may hold anything.
std::string request_of(const std::string& kind, const std::string& argument, const std::filesystem::path& file) {
  return kind + "\n" + argument + "\n" + file.string();
}

std::string text_of(const Bytes& bytes) {
  return {bytes.begin(), bytes.end()};
}

/// "{...}\n" and the frame's bytes.
std::string frame_answer(const std::filesystem::path& file, std::uint32_t number) {
  const dicom::EncodedFrames found = dicom::encoded_frames(file, {number});
  const bool packed = found.media_type == "application/octet-stream" && dicom::attribute_text(file, 0x00280100) == "1";
  const Json head{{"type", found.media_type}, {"syntax", found.transfer_syntax_uid}, {"packed", packed}};
  return head.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n" + text_of(found.frames.at(0));
}

std::string render_answer(const std::filesystem::path& file, const std::string& argument) {
  const Json json = Json::parse(argument, nullptr, false);
  if (!json.is_object()) throw Error(ErrorCode::Internal, "a render request that is no JSON");
  RenderRequest request;
  request.frame = json.value("frame", 1U);
  request.most_columns = json.value("columns", 0U);
  request.most_rows = json.value("rows", 0U);
  request.png = json.value("png", false);
  request.quality = json.value("quality", 90);
  return rendered_picture(file, request);
}

std::string answer(const std::string& request) {
  const auto first = request.find('\n');
  const auto second = first == std::string::npos ? first : request.find('\n', first + 1);
  if (second == std::string::npos) throw Error(ErrorCode::Internal, "a request without kind, argument and path");
  const std::string kind = request.substr(0, first), argument = request.substr(first + 1, second - first - 1);
  const std::filesystem::path file = request.substr(second + 1);
  if (kind == "json") return dicom::dicom_json(file, {.bulk_data_url = argument});
  if (kind == "frame") return frame_answer(file, static_cast<std::uint32_t>(std::stoul(argument)));
  if (kind == "bulk") return text_of(dicom::bulk_data(file, argument));
  if (kind == "render") return render_answer(file, argument);
  throw Error(ErrorCode::Internal, "no request is called " + kind);
}

}  // namespace

ObjectReader::ObjectReader(receive::ReaderOptions options)
    : children_([&] {
        if (options.command.empty()) options.command = "read-object";
        options.answer_bytes = std::max<std::uint64_t>(options.answer_bytes, 512 * kMebibyte);
        return std::move(options);
      }()) {}

std::string ObjectReader::json(const std::filesystem::path& file, const std::string& bulk_data_url) {
  return children_.ask(request_of("json", bulk_data_url, file));
}

FrameBytes ObjectReader::frame(const std::filesystem::path& file, std::uint32_t number) {
  std::string text = children_.ask(request_of("frame", std::to_string(number), file));
  const auto end = text.find('\n');
  const Json json = Json::parse(text.substr(0, end), nullptr, false);
  if (end == std::string::npos || !json.is_object()) throw Error(ErrorCode::HeaderInvalid, "no frame was answered");
  FrameBytes found;
  found.media_type = json.value("type", "");
  found.transfer_syntax_uid = json.value("syntax", "");
  found.packed = json.value("packed", false);
  text.erase(0, end + 1);
  found.bytes = std::move(text);
  return found;
}

std::string ObjectReader::bulk(const std::filesystem::path& file, const std::string& path) {
  return children_.ask(request_of("bulk", path, file));
}

std::string ObjectReader::render(const std::filesystem::path& file, const RenderRequest& request) {
  const Json json{{"frame", request.frame},
                  {"columns", request.most_columns},
                  {"rows", request.most_rows},
                  {"png", request.png},
                  {"quality", request.quality}};
  return children_.ask(request_of("render", json.dump(), file));
}

int read_object_as_child(std::uint64_t memory_mb, double deadline_s) {
  dicom::initialise();
  return receive::answer_as_child(memory_mb, deadline_s, answer);
}

}  // namespace rouage::app
