// WADO-RS (PS3.18 10.4): objects as they are stored, metadata, frames as they are stored, bulk data. Answers are made
// piece by piece: a study of gigabytes takes the memory of one frame or of a quarter of a megabyte.
#include <algorithm>
#include <charconv>

#include "app/dicomweb_answers.h"

namespace rouage::app {
namespace {

using Objects = std::shared_ptr<const std::vector<store::StoredObject>>;

constexpr std::string_view kOctets = "application/octet-stream", kDicom = "application/dicom",
                           kExplicitLittle = "1.2.840.10008.1.2.1";
constexpr std::size_t kMostFrames = 100'000;

Objects shared(std::vector<store::StoredObject> objects) {
  return std::make_shared<const std::vector<store::StoredObject>>(std::move(objects));
}

/// Nothing is transcoded here: what was asked for is "as stored", or the stored syntax by its name.
bool syntax_fits(const std::string& asked, const std::string& stored) {
  return asked.empty() || asked == "*" || asked == stored;
}

Response retrieve(const DicomWebContext& context, const Request& request) {
  const Objects objects = shared(objects_of(context, request));
  for (const Wanted& wanted : wanted_by(request)) {
    const bool multipart =
        wanted.type == "*/*" || (wanted.type == "multipart/related" && (wanted.part == kDicom || wanted.part == "*/*"));
    const bool single = wanted.type == kDicom && objects->size() == 1;
    const bool fits = std::all_of(objects->begin(), objects->end(), [&](const store::StoredObject& object) {
      return syntax_fits(wanted.transfer_syntax, object.transfer_syntax_uid);
    });
    if (!fits || (!multipart && !single)) continue;
    if (single) {
      Response response;
      response.headers.emplace_back("Content-Type",
                                    "application/dicom; transfer-syntax=" + objects->front().transfer_syntax_uid);
      response.file = objects->front().file;
      return response;
    }
    const std::string base = base_url(context, request);
    return multipart_response(std::string(kDicom),
                              [objects, base, at = std::size_t{0}]() mutable -> std::optional<OutgoingPart> {
                                if (at == objects->size()) return {};
                                const store::StoredObject& object = (*objects)[at++];
                                return OutgoingPart{"application/dicom; transfer-syntax=" + object.transfer_syntax_uid,
                                                    instance_url(base, object), file_pieces(object.file, object.bytes)};
                              });
  }
  throw Error(ErrorCode::NotAcceptable,
              "objects are given as application/dicom in the transfer syntax in which they are stored");
}

Response metadata(const DicomWebContext& context, const Request& request) {
  require_json(request);
  const Objects objects = shared(objects_of(context, request));
  const std::string base = base_url(context, request);
  const auto text_of = [&reader = context.objects, base](const store::StoredObject& object) {
    return reader.json(object.file, instance_url(base, object) + "/bulkdata");
  };
  // The first one before the head of the answer is written: what is wrong with all of them is then said as an error.
  std::string first = "[" + text_of(objects->front());
  if (objects->size() == 1) return dicom_json_response(200, first + "]");
  Response response = dicom_json_response(200, {});
  response.stream = [objects, text_of, first = std::move(first), at = std::size_t{1}](std::string& piece) mutable {
    if (at == 1) piece += first;
    if (at < objects->size()) piece += ",\n" + text_of((*objects)[at]);
    if (++at < objects->size()) return true;
    piece += "]";
    return false;
  };
  return response;
}

std::vector<std::uint32_t> frame_numbers(const std::string& list, std::uint32_t frames) {
  std::vector<std::uint32_t> numbers;
  for (const std::string& text : split(list, ',')) {
    std::uint32_t number = 0;
    const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (text.empty() || problem != std::errc() || end != text.data() + text.size() || number == 0)
      throw Error(ErrorCode::RequestInvalid, "frames are numbers from 1, with commas between");
    if (number > std::max(1U, frames)) throw Error(ErrorCode::NotFound, "no such frame");
    if (numbers.size() >= kMostFrames) throw Error(ErrorCode::RequestTooLarge, "too many frames at once");
    numbers.push_back(number);
  }
  return numbers;
}

/// How frames are to be given: their own media type, or opaque bytes with their transfer syntax.
struct FrameForm {
  bool multipart = true;
  std::string type;
};

std::optional<FrameForm> frame_form(const std::vector<Wanted>& wanted, const FrameBytes& frame, std::size_t count) {
  const bool plain = frame.media_type == kOctets;
  for (const Wanted& one : wanted) {
    const bool multipart = one.type == "multipart/related";
    if (one.type == "*/*") return FrameForm{true, frame.media_type};
    if (!multipart && count > 1) continue;
    const std::string& type = multipart ? one.part : one.type;
    if (!syntax_fits(one.transfer_syntax, frame.transfer_syntax_uid)) continue;
    if (type == frame.media_type || type == "*/*" ||
        (!plain && type == "image/*" && frame.media_type.starts_with("image/")))
      return FrameForm{multipart, frame.media_type};
    // As octets only when the client said that it takes any syntax: it finds out which by the part's own header.
    if (type == kOctets && !one.transfer_syntax.empty()) return FrameForm{multipart, std::string(kOctets)};
  }
  return {};
}

Response frames_response(const DicomWebContext& context, const Request& request, const store::StoredObject& object,
                         std::vector<std::uint32_t> numbers) {
  const auto first = std::make_shared<FrameBytes>(context.objects.frame(object.file, numbers.front()));
  const auto form = frame_form(wanted_by(request), *first, numbers.size());
  if (!form)
    throw Error(ErrorCode::NotAcceptable,
                "frames are stored as " + first->media_type + "; transfer-syntax=" + first->transfer_syntax_uid);
  const std::string type = form->type + "; transfer-syntax=" + first->transfer_syntax_uid;
  if (!form->multipart) {
    Response response;
    response.headers.emplace_back("Content-Type", type);
    response.body = std::move(first->bytes);
    return response;
  }
  const std::string location = instance_url(base_url(context, request), object) + "/frames/";
  return multipart_response(
      form->type,
      [&reader = context.objects, file = object.file, numbers = std::move(numbers), first, type, location,
       at = std::size_t{0}]() mutable -> std::optional<OutgoingPart> {
        if (at == numbers.size()) return {};
        const std::uint32_t number = numbers[at];
        std::string bytes = at++ == 0 ? std::move(first->bytes) : reader.frame(file, number).bytes;
        return OutgoingPart{type, location + std::to_string(number), whole_piece(std::move(bytes))};
      });
}

Response frames(const DicomWebContext& context, const Request& request) {
  const store::StoredObject object = objects_of(context, request).front();
  return frames_response(context, request, object, frame_numbers(request.parts.at("frames"), object.frames));
}

/// All frames of uncompressed pixels one behind the other.
std::function<bool(std::string&)> native_pixels(ObjectReader& reader, const store::StoredObject& object,
                                                std::string first) {
  return [&reader, file = object.file, frames = std::max(1U, object.frames), first = std::move(first),
          at = std::uint32_t{1}](std::string& piece) mutable {
    piece += at == 1 ? std::move(first) : reader.frame(file, at).bytes;
    return at++ < frames;
  };
}

Response bulk_data(const DicomWebContext& context, const Request& request) {
  const store::StoredObject object = objects_of(context, request).front();
  std::string path;
  for (const char* name : {"p1", "p2", "p3", "p4", "p5", "p6", "p7"})
    if (const auto part = request.parts.find(name); part != request.parts.end())
      path += (path.empty() ? "" : "/") + part->second;
  std::function<bool(std::string&)> body;
  if (path == "7FE00010") {
    FrameBytes first = context.objects.frame(object.file, 1);
    if (first.media_type != kOctets) {
      std::vector<std::uint32_t> all;
      for (std::uint32_t number = 1; number <= std::max(1U, object.frames); ++number) all.push_back(number);
      return frames_response(context, request, object, std::move(all));
    }
    body = first.packed ? whole_piece(context.objects.bulk(object.file, path))
                        : native_pixels(context.objects, object, std::move(first.bytes));
  } else {
    body = whole_piece(context.objects.bulk(object.file, path));
  }
  const std::vector<Wanted> wanted = wanted_by(request);
  for (const Wanted& one : wanted) {
    if (!syntax_fits(one.transfer_syntax, std::string(kExplicitLittle))) continue;
    if (one.type == "multipart/related" && (one.part == kOctets || one.part == "*/*")) {
      const std::string location = instance_url(base_url(context, request), object) + "/bulkdata/" + path;
      return multipart_response(std::string(kOctets),
                                [body, location, given = false]() mutable -> std::optional<OutgoingPart> {
                                  if (std::exchange(given, true)) return {};
                                  return OutgoingPart{std::string(kOctets), location, body};
                                });
    }
    if (one.type != kOctets && one.type != "*/*") continue;
    Response response;
    response.headers.emplace_back("Content-Type", std::string(kOctets));
    response.stream = body;
    return response;
  }
  throw Error(ErrorCode::NotAcceptable, "bulk data are given as application/octet-stream");
}

}  // namespace

void add_wado_routes(Routes& routes, const DicomWebContext& context) {
  using Answer = Response (*)(const DicomWebContext&, const Request&);
  const auto add = [&](const std::string& pattern, Answer answer) {
    routes.add("GET", context.prefix + pattern,
               [context, answer](const Request& request, Body&) { return answer(context, request); });
  };
  const std::string study = "/studies/{study}", series = study + "/series/{series}",
                    instance = series + "/instances/{instance}";
  for (const std::string& level : {study, series, instance}) {
    add(level, retrieve);
    add(level + "/metadata", metadata);
  }
  add(instance + "/frames/{frames}", frames);
  std::string bulk = instance + "/bulkdata/{p1}";
  add(bulk, bulk_data);
  for (const char* deeper : {"/{p2}/{p3}", "/{p4}/{p5}", "/{p6}/{p7}"}) {
    bulk += deeper;
    add(bulk, bulk_data);
  }
}

void add_dicomweb_routes(Routes& routes, const DicomWebContext& context) {
  add_stow_routes(routes, context);
  add_qido_routes(routes, context);
  add_wado_routes(routes, context);
  add_rendered_routes(routes, context);
}

}  // namespace rouage::app
