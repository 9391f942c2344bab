#include "dicom/reading_file.h"

#include <fmt/format.h>
#include <zlib.h>

#include <memory>

#include "base/error.h"

namespace rouage::dicom::reading {
namespace {

constexpr std::size_t kPreamble = 128;
constexpr Tag kTransferSyntax = 0x00020010;

bool magic_at(ByteView bytes, std::size_t at) {
  return bytes.size() >= at + 4 && bytes[at] == 'D' && bytes[at + 1] == 'I' && bytes[at + 2] == 'C' &&
         bytes[at + 3] == 'M';
}

/// Files without preamble are taken only when their first elements read like the start of a data set: known low groups,
/// rising tags. Plain text or another binary format does not pass.
bool reads_like_dataset(ByteView bytes) {
  const auto encoding = guess_encoding(bytes);
  if (!encoding) return false;
  std::size_t at = 0;
  Tag last = 0;
  int seen = 0;
  for (; seen < 3 && at < bytes.size(); ++seen) {
    const auto element = read_element_header(bytes, at, *encoding);
    if (!element || element->tag <= last || (element->tag >> 16) > 0x0010 || (element->tag >> 16) % 2 != 0)
      return false;
    if (seen == 0 && (element->tag & 0xFFFF) > 0x0100) return false;
    if (encoding->explicit_vr && !known_vr(element->vr[0], element->vr[1])) return false;
    if (element->claimed == kUndefinedLength) return seen > 0;
    if (element->claimed > bytes.size() - at) return seen >= 2;
    last = element->tag;
    at += element->claimed;
  }
  return seen >= 2;
}

/// Where the data set begins: behind preamble, "DICM" and group 0002.
struct Start {
  std::size_t meta = 0, dataset = 0;
  bool found = false;
  Encoding meta_encoding;
};

Start find_start(ByteView bytes) {
  Start start;
  if (magic_at(bytes, kPreamble)) {
    start.meta = kPreamble + 4;
  } else if (magic_at(bytes, 0)) {
    start.meta = 4;
  } else if (!reads_like_dataset(bytes)) {
    return start;
  }
  start.found = true;
  start.meta_encoding = {true, false};
  if (const auto guess = guess_encoding(bytes.subspan(start.meta)); guess && !guess->big_endian)
    start.meta_encoding = *guess;
  std::size_t at = start.meta;
  start.dataset = at;
  while (at < bytes.size()) {
    const auto element = read_element_header(bytes, at, start.meta_encoding);
    if (!element || element->tag >> 16 != 0x0002 || element->claimed > bytes.size() - at) break;
    at += element->claimed;
    start.dataset = at;
  }
  return start;
}

struct InflateEnd {
  void operator()(z_stream* stream) const { inflateEnd(stream); }
};

/// Raw deflate (PS3.5 A.5), some writers use the zlib form. A cut stream gives what is there of it.
Bytes inflate_all(ByteView bytes, std::uint64_t limit, std::vector<std::string>& warnings) {
  z_stream stream{};
  const bool zlib_form = bytes.size() > 2 && bytes[0] == 0x78 && (bytes[0] * 256U + bytes[1]) % 31 == 0;
  if (inflateInit2(&stream, zlib_form ? MAX_WBITS : -MAX_WBITS) != Z_OK)
    throw Error(ErrorCode::Internal, "zlib cannot start");
  const std::unique_ptr<z_stream, InflateEnd> guard(&stream);
  Bytes out;
  std::size_t used = 0;
  stream.next_in = const_cast<Bytef*>(bytes.data());  // zlib only reads through it
  stream.avail_in = static_cast<uInt>(std::min<std::size_t>(bytes.size(), UINT32_MAX));
  int state = Z_OK;
  while (state == Z_OK) {
    if (used == out.size()) {
      if (used >= limit)
        throw Error(ErrorCode::FileTooLarge, fmt::format("the deflated data set grows over {} bytes", limit));
      out.resize(static_cast<std::size_t>(std::min<std::uint64_t>(limit, std::max<std::uint64_t>(65'536, used * 2))));
    }
    stream.next_out = out.data() + used;
    const auto room = static_cast<uInt>(std::min<std::size_t>(out.size() - used, UINT32_MAX));
    stream.avail_out = room;
    state = inflate(&stream, Z_NO_FLUSH);
    used += room - stream.avail_out;
    if (state == Z_BUF_ERROR) break;
  }
  if (state == Z_DATA_ERROR || state == Z_NEED_DICT || state == Z_MEM_ERROR)
    throw Error(ErrorCode::PixelDataTruncated, "the deflated data set is damaged");
  if (state != Z_STREAM_END) warnings.emplace_back("the deflated data set has no end mark");
  out.resize(used);
  return out;
}

}  // namespace

bool looks_like_dicom(ByteView bytes) {
  return magic_at(bytes, kPreamble) || magic_at(bytes, 0) || reads_like_dataset(bytes);
}

ParsedFile parse_file(ByteView bytes, const ReadLimits& limits) {
  const Start start = find_start(bytes);
  if (!start.found)
    throw Error(ErrorCode::NotDicom, bytes.empty() ? "the file is empty" : "no DICM mark and no data set at its start");
  ParsedFile file;
  file.meta = ElementSet::parse(bytes.subspan(start.meta, start.dataset - start.meta), start.meta_encoding);
  const std::string uid = file.meta.text(kTransferSyntax);
  ByteView rest = bytes.subspan(start.dataset);
  if (rest.empty())
    throw Error(ErrorCode::HeaderInvalid, "the file ends before its data set")
        .remedy("copy the file again from its source");
  if (!uid.empty()) {
    file.syntax = transfer_syntax(uid);
  } else {
    const auto guess = guess_encoding(rest).value_or(Encoding{false, false});
    file.syntax = transfer_syntax(guess.big_endian    ? "1.2.840.10008.1.2.2"
                                  : guess.explicit_vr ? "1.2.840.10008.1.2.1"
                                                      : "1.2.840.10008.1.2");
    file.warnings.emplace_back("no transfer syntax in the file; taken for " + file.syntax.name);
  }
  if (file.syntax.deflated) {
    file.inflated = inflate_all(rest, limits.file_bytes, file.warnings);
    rest = file.inflated;
  }
  Encoding encoding = file.syntax.encoding;
  // Some writers name one encoding and use another; the first element shows it.
  if (const auto guess = guess_encoding(rest);
      guess && (guess->explicit_vr != encoding.explicit_vr || guess->big_endian != encoding.big_endian)) {
    encoding = *guess;
    file.warnings.emplace_back("the data set is not coded as its transfer syntax says (" + file.syntax.name + ")");
    if (file.syntax.coding == PixelCoding::native) file.syntax.pixels_big_endian = guess->big_endian;
  }
  file.dataset = ElementSet::parse(rest, encoding);
  return file;
}

}  // namespace rouage::dicom::reading
