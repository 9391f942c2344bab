/// What the DICOMweb services share: who asks for which form, where things are, bodies of several parts.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "app/dicomweb_routes.h"
#include "receive/multipart.h"

namespace rouage::app {

/// One media type that a client takes (PS3.18 8.7.5), from Accept or the query parameter `accept`.
struct Wanted {
  std::string type;             ///< "multipart/related", "application/dicom", "*/*"...
  std::string part;             ///< multipart: its `type`; "*/*" when it does not say
  std::string transfer_syntax;  ///< "" not said, "*" as stored, or a UID
};
/// In order of preference (q); what is refused by q=0 left out. No header: one "*/*".
std::vector<Wanted> wanted_by(const Request& request);

/// True when one of `types` is taken as a body of its own.
bool takes(const std::vector<Wanted>& wanted, std::initializer_list<std::string_view> types);
/// Errors: NotAcceptable (application/dicom+xml alone, for instance).
void require_json(const Request& request);

/// The UID of a part of the path. Errors: RequestInvalid.
std::string uid_part(const Request& request, const std::string& name);

/// "http://host:8042/dicomweb": how this client reaches us.
std::string base_url(const DicomWebContext& context, const Request& request);
std::string study_url(const std::string& base, const std::string& study);
std::string instance_url(const std::string& base, const store::StoredObject& object);

/// Objects of the path's study, series, instance, that may leave. Errors: NotFound (none), RequestInvalid.
std::vector<store::StoredObject> objects_of(const DicomWebContext& context, const Request& request);

/// One part of a multipart answer: its head, then its body piece by piece.
struct OutgoingPart {
  std::string content_type, location;
  std::function<bool(std::string& piece)> body;  ///< appends; false: that was the last piece
};
/// multipart/related; `next` gives part after part, nothing at the end. Asked for when the part is due: memory for one
/// piece.
Response multipart_response(const std::string& part_type, std::function<std::optional<OutgoingPart>()> next);

/// The bytes of a file, a quarter of a megabyte at a time.
std::function<bool(std::string&)> file_pieces(const std::filesystem::path& file, std::uint64_t bytes);
/// A text that is there.
std::function<bool(std::string&)> whole_piece(std::string text);

}  // namespace rouage::app
