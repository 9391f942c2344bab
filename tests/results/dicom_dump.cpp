#include "results/dicom_dump.h"

#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcistrmb.h>
#include <dcmtk/dcmdata/dcostrmb.h>
#include <dcmtk/dcmdata/dctk.h>
#include <dcmtk/dcmsr/dsrdoc.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <sstream>
#include <vector>

#include "base/host.h"

namespace rouage::test {
namespace {

void parse(const Bytes& file, DcmFileFormat& format) {
  DcmInputBufferStream stream;
  stream.setBuffer(file.data(), static_cast<offile_off_t>(file.size()));
  stream.setEos();
  format.transferInit();
  const OFCondition condition = format.read(stream);
  format.transferEnd();
  if (condition.bad()) throw std::runtime_error(condition.text());
}

/// Bytes beyond ASCII as \\xE9: a golden is a text file whatever the character set of the object.
std::string ascii(const std::string& bytes) {
  static constexpr char kDigits[] = "0123456789ABCDEF";
  std::string text;
  for (const char c : bytes) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x80)
      text += c;
    else
      text += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return text;
}

std::string printed(DcmFileFormat& format) {
  std::ostringstream text;
  format.print(text, DCMTypes::PF_shortenLongTagValues);
  return ascii(text.str());
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

}  // namespace

std::string dump(const Bytes& file) {
  DcmFileFormat format;
  parse(file, format);
  return printed(format);
}

std::string dump_of_rewritten(const Bytes& file) {
  DcmFileFormat format;
  parse(file, format);
  std::vector<Uint8> buffer(file.size() + 65536);
  DcmOutputBufferStream out(buffer.data(), static_cast<offile_off_t>(buffer.size()));
  format.transferInit();
  const OFCondition condition = format.write(out, EXS_LittleEndianExplicit, EET_ExplicitLength, nullptr, EGL_recalcGL,
                                             EPD_noChange, 0, 0, 0, EWM_dontUpdateMeta);
  format.transferEnd();
  if (condition.bad()) throw std::runtime_error(condition.text());
  void* bytes = nullptr;
  offile_off_t size = 0;
  out.flushBuffer(bytes, size);
  return dump(Bytes(static_cast<Uint8*>(bytes), static_cast<Uint8*>(bytes) + size));
}

std::string sr_complaint(const Bytes& file) {
  DcmFileFormat format;
  parse(file, format);
  DSRDocument document;
  const OFCondition condition = document.read(*format.getDataset());
  return condition.good() ? std::string() : std::string(condition.text());
}

std::string sr_tree(const Bytes& file) {
  DcmFileFormat format;
  parse(file, format);
  DSRDocument document;
  const OFCondition condition = document.read(*format.getDataset());
  if (condition.bad()) return condition.text();
  std::ostringstream text;
  document.print(text, DSRTypes::PF_printAllCodes | DSRTypes::PF_printTemplateIdentification |
                           DSRTypes::PF_printSOPInstanceUID | DSRTypes::PF_printLongSOPClassName);
  return text.str();
}

std::string reviewable(const Bytes& file) {
  DcmFileFormat format;
  parse(file, format);
  if (!format.getDataset()->tagExists(DCM_ContentSequence)) return printed(format);
  format.getDataset()->findAndDeleteElement(DCM_ContentSequence);
  return printed(format) + "\n" + ascii(sr_tree(file));
}

std::string golden_difference(const std::string& name, const std::string& text) {
  const std::filesystem::path file =
      std::filesystem::path(ROUAGE_SOURCE_DIR) / "tests/results/golden" / (name + ".txt");
  if (std::getenv("ROUAGE_UPDATE_GOLDEN")) {
    write_file(file, std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
    return {};
  }
  if (!std::filesystem::exists(file)) return "there is no " + file.string();
  const auto expected = lines_of(read_text(file)), given = lines_of(text);
  for (std::size_t i = 0; i < std::max(expected.size(), given.size()); ++i) {
    const std::string wanted = i < expected.size() ? expected[i] : "(end)";
    const std::string got = i < given.size() ? given[i] : "(end)";
    if (wanted != got)
      return name + " line " + std::to_string(i + 1) + "\n  expected " + wanted + "\n  got      " + got;
  }
  return {};
}

}  // namespace rouage::test
