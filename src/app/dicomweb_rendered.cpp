// Rendered pictures and thumbnails (PS3.18 10.4.1.1.4 and .5): decoded in a child, never here.
#include <charconv>

#include "app/dicomweb_answers.h"

namespace rouage::app {
namespace {

constexpr std::uint32_t kThumbnail = 128, kMostSide = 16'384;

std::uint32_t number_of(const std::string& text, const char* name, std::uint32_t least, std::uint32_t most) {
  std::uint32_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size() || value < least || value > most)
    throw Error(ErrorCode::RequestInvalid, std::string(name) + " is out of range");
  return value;
}

/// viewport=columns,rows. Cutting out (its further values) is not offered, nor are other windows than the object's own.
RenderRequest request_of(const Request& request) {
  RenderRequest wanted;
  if (const auto viewport = request.parameter("viewport")) {
    const auto sides = split(*viewport, ',');
    if (sides.size() != 2)
      throw Error(ErrorCode::RequestInvalid, "viewport is columns,rows; cutting out is not offered");
    wanted.most_columns = number_of(sides[0], "viewport", 1, kMostSide);
    wanted.most_rows = number_of(sides[1], "viewport", 1, kMostSide);
  }
  if (const auto quality = request.parameter("quality"))
    wanted.quality = static_cast<int>(number_of(*quality, "quality", 1, 100));
  if (request.parameter("window"))
    throw Error(ErrorCode::RequestInvalid, "window is not offered: the object's own window is used");
  const std::vector<Wanted> types = wanted_by(request);
  const bool jpeg = takes(types, {"image/jpeg"}), png = takes(types, {"image/png"});
  if (!jpeg && !png) throw Error(ErrorCode::NotAcceptable, "pictures are given as image/jpeg or image/png");
  wanted.png = png && (!jpeg || (!types.empty() && types.front().type == "image/png"));
  return wanted;
}

Response picture(const DicomWebContext& context, const store::StoredObject& object, const RenderRequest& wanted) {
  Response response;
  response.headers.emplace_back("Content-Type", wanted.png ? "image/png" : "image/jpeg");
  response.body = context.objects.render(object.file, wanted);
  return response;
}

Response rendered(const DicomWebContext& context, const Request& request) {
  RenderRequest wanted = request_of(request);
  const store::StoredObject object = objects_of(context, request).front();
  if (const auto frame = request.parts.find("frame"); frame != request.parts.end())
    wanted.frame = number_of(frame->second, "the frame", 1, INT32_MAX);
  return picture(context, object, wanted);
}

/// Of the first object that has a picture.
Response thumbnail(const DicomWebContext& context, const Request& request) {
  RenderRequest wanted = request_of(request);
  if (wanted.most_columns == 0) wanted.most_columns = wanted.most_rows = kThumbnail;
  for (const store::StoredObject& object : objects_of(context, request))
    if (object.frames > 0) return picture(context, object, wanted);
  throw Error(ErrorCode::NotFound, "no object of it has a picture");
}

}  // namespace

void add_rendered_routes(Routes& routes, const DicomWebContext& context) {
  using Answer = Response (*)(const DicomWebContext&, const Request&);
  const auto add = [&](const std::string& pattern, Answer answer) {
    routes.add("GET", context.prefix + pattern,
               [context, answer](const Request& request, Body&) { return answer(context, request); });
  };
  const std::string study = "/studies/{study}", series = study + "/series/{series}",
                    instance = series + "/instances/{instance}";
  add(instance + "/rendered", rendered);
  add(instance + "/frames/{frame}/rendered", rendered);
  for (const std::string& level : {study, series, instance}) add(level + "/thumbnail", thumbnail);
}

}  // namespace rouage::app
