// A multipart body cut at every byte and not cut at all: the same parts, the same verdict. The first byte chooses the
// boundary's length, the rest is the body.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.h"
#include "receive/multipart.h"

namespace {

/// All that happened, as one text.
std::string story(std::span<const std::uint8_t> body, const std::string& boundary, std::size_t piece) {
  std::string told;
  rouage::receive::MultipartParser::Events events;
  events.begin = [&](const rouage::receive::PartHeaders& headers) {
    told += "<";
    for (const auto& [name, value] : headers.fields) told += name + ":" + value + ";";
  };
  events.data = [&](std::span<const std::uint8_t> bytes) { told.append(bytes.begin(), bytes.end()); };
  events.end = [&] { told += ">"; };
  const rouage::receive::MultipartLimits limits{256, 8, 16};
  try {
    rouage::receive::MultipartParser parser(boundary, limits, events);
    for (std::size_t at = 0; at < body.size(); at += piece)
      parser.feed(body.subspan(at, std::min(piece, body.size() - at)));
    parser.finish();
    told += "!";
  } catch (const rouage::Error& error) {
    if (error.code() == rouage::ErrorCode::Internal) std::abort();
    told += std::string("?") + error.what();
  }
  return told;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string boundary(1 + data[0] % 4, 'B');
  const std::span<const std::uint8_t> body(data + 1, size - 1);
  const std::string whole = story(body, boundary, body.size() + 1);
  if (story(body, boundary, 1) != whole || story(body, boundary, 7) != whole) std::abort();
  return 0;
}
