#include "dimse/data_sets.h"

#include <fmt/format.h>

#include <algorithm>
#include <exception>

#include "base/error.h"
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcistrmb.h"
#include "dcmtk/dcmdata/dcsequen.h"
#include "dcmtk/dcmdata/dcwcache.h"
#include "dcmtk/dcmdata/dcxfer.h"

namespace rouage::dimse {
namespace {

/// Gathers what DCMTK writes and hands it on; an exception is kept until DCMTK's frames are left.
class Taker : public DcmConsumer {
 public:
  explicit Taker(const std::function<void(std::span<const std::uint8_t>)>& take) : take_(take) {}
  OFBool good() const override { return failure_ == nullptr; }
  OFCondition status() const override { return failure_ ? EC_InvalidStream : EC_Normal; }
  OFBool isFlushed() const override { return OFTrue; }
  offile_off_t avail() const override { return kPiece; }
  offile_off_t write(const void* bytes, offile_off_t length) override {
    const auto* const first = static_cast<const std::uint8_t*>(bytes);
    gathered_.insert(gathered_.end(), first, first + length);
    if (gathered_.size() >= kPiece) hand_on();
    return failure_ ? 0 : length;
  }
  void flush() override {}
  void finish() {
    hand_on();
    if (failure_) std::rethrow_exception(failure_);
  }

 private:
  static constexpr std::size_t kPiece = 256 * 1024;
  void hand_on() {
    try {
      if (!failure_ && !gathered_.empty()) take_(gathered_);
    } catch (...) {
      failure_ = std::current_exception();
    }
    gathered_.clear();
  }
  const std::function<void(std::span<const std::uint8_t>)>& take_;
  Bytes gathered_;
  std::exception_ptr failure_;
};

class TakerStream : public DcmOutputStream {
 public:
  explicit TakerStream(Taker& taker) : DcmOutputStream(&taker) {}
};

bool bulk(DcmEVR vr) {
  return vr == EVR_OB || vr == EVR_OW || vr == EVR_OF || vr == EVR_OD || vr == EVR_OL || vr == EVR_UN || vr == EVR_ox ||
         vr == EVR_px;
}

bool ascii(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// Each value without its padding.
std::string without_padding(std::string_view values) {
  std::string joined;
  bool first = true;
  for (const std::string& value : split(values, '\\')) {
    if (!first) joined += '\\';
    first = false;
    joined += trimmed(value);
  }
  return joined;
}

}  // namespace

DcmDataset data_set_of(const dicom::Attributes& attributes, bool always_utf8) {
  DcmDataset data_set;
  bool beyond_ascii = always_utf8;
  for (const auto& [number, value] : attributes) {
    DcmTag tag(static_cast<Uint16>(number >> 16), static_cast<Uint16>(number & 0xFFFF));
    if (tag == DCM_SpecificCharacterSet || tag.getElement() == 0) continue;
    const DcmEVR vr = tag.getEVR();
    if (bulk(vr)) continue;
    if (vr == EVR_SQ || value.empty()) {
      data_set.insertEmptyElement(tag);
      continue;
    }
    if (data_set.putAndInsertOFStringArray(tag, OFString(value.data(), value.size())).bad())
      data_set.insertEmptyElement(tag);
    beyond_ascii = beyond_ascii || !ascii(value);
  }
  if (beyond_ascii) data_set.putAndInsertString(DCM_SpecificCharacterSet, "ISO_IR 192");
  return data_set;
}

dicom::Attributes attributes_of_data_set(DcmDataset& data_set) {
  dicom::Attributes attributes;
  data_set.convertToUTF8();  // what cannot be converted stays, and is replaced below
  for (unsigned long i = 0; i < data_set.card(); ++i) {
    DcmElement* const element = data_set.getElement(i);
    const std::uint32_t tag =
        (static_cast<std::uint32_t>(element->getGTag()) << 16) | static_cast<std::uint32_t>(element->getETag());
    if (element->getETag() == 0 || tag == 0x00080005) continue;
    if (element->ident() == EVR_SQ) {
      attributes[tag] = "";
      continue;
    }
    if (bulk(element->ident())) continue;
    OFString value;
    if (element->getOFStringArray(value).bad()) continue;
    std::string text = without_padding(std::string_view(value.data(), value.length()));
    if (!valid_utf8(text))
      std::replace_if(
          text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) >= 0x80; }, '?');
    attributes[tag] = std::move(text);
  }
  return attributes;
}

void write_pieces(DcmDataset& data_set, const std::string& transfer_syntax,
                  const std::function<void(std::span<const std::uint8_t>)>& take) {
  const E_TransferSyntax syntax = DcmXfer(transfer_syntax.c_str()).getXfer();
  if (syntax == EXS_Unknown || !data_set.canWriteXfer(syntax, EXS_Unknown)) {
    data_set.chooseRepresentation(syntax, nullptr);
    if (syntax == EXS_Unknown || !data_set.canWriteXfer(syntax, EXS_Unknown))
      throw Error(ErrorCode::WriteInvalid, "the data set cannot be written in " + transfer_syntax);
  }
  Taker taker(take);
  TakerStream stream(taker);
  data_set.transferInit();
  DcmWriteCache cache;  // long values are read from their file piece by piece
  const OFCondition written = data_set.write(stream, syntax, EET_ExplicitLength, &cache, EGL_withoutGL);
  data_set.transferEnd();
  if (written.good()) stream.flush();
  taker.finish();
  if (written.bad()) throw Error(ErrorCode::WriteInvalid, written.text());
}

Bytes encoded(DcmDataset& data_set, const std::string& transfer_syntax) {
  Bytes bytes;
  write_pieces(data_set, transfer_syntax,
               [&](std::span<const std::uint8_t> piece) { bytes.insert(bytes.end(), piece.begin(), piece.end()); });
  return bytes;
}

DcmDataset decoded(std::span<const std::uint8_t> bytes, const std::string& transfer_syntax) {
  DcmDataset data_set;
  DcmInputBufferStream stream;
  if (!bytes.empty()) stream.setBuffer(bytes.data(), static_cast<offile_off_t>(bytes.size()));
  stream.setEos();
  data_set.transferInit();
  const OFCondition read = data_set.read(stream, DcmXfer(transfer_syntax.c_str()).getXfer(), EGL_noChange);
  data_set.transferEnd();
  if (read.bad()) throw Error(ErrorCode::RequestInvalid, std::string("the data set cannot be read: ") + read.text());
  // The buffer is the caller's: nothing may be left on the stream.
  data_set.loadAllDataIntoMemory();
  return data_set;
}

std::string text_in(DcmItem& item, const DcmTagKey& tag) {
  OFString value;
  if (item.findAndGetOFStringArray(tag, value).bad()) return {};
  return without_padding(std::string_view(value.data(), value.length()));
}

void for_each_item(DcmItem& item, const DcmTagKey& sequence, const std::function<void(DcmItem&)>& look) {
  DcmSequenceOfItems* items = nullptr;
  if (item.findAndGetSequence(sequence, items).bad() || items == nullptr) return;
  for (unsigned long i = 0; i < items->card(); ++i) look(*items->getItem(i));
}

Instances referenced(DcmItem& item, const DcmTagKey& sequence) {
  Instances instances;
  for_each_item(item, sequence, [&](DcmItem& reference) {
    std::string uid = text_in(reference, DCM_ReferencedSOPInstanceUID);
    if (dicom::valid_uid(uid)) instances.emplace_back(text_in(reference, DCM_ReferencedSOPClassUID), std::move(uid));
  });
  return instances;
}

void refer(DcmItem& item, const DcmTagKey& sequence, const Instances& instances, std::uint16_t failure_reason) {
  for (const auto& [sop_class, instance] : instances) {
    DcmItem* reference = nullptr;
    if (item.findOrCreateSequenceItem(sequence, reference, -2).bad()) return;  // -2: a new item at the end
    reference->putAndInsertString(DCM_ReferencedSOPClassUID, sop_class.c_str());
    reference->putAndInsertString(DCM_ReferencedSOPInstanceUID, instance.c_str());
    if (failure_reason != 0) reference->putAndInsertUint16(DCM_FailureReason, failure_reason);
  }
}

}  // namespace rouage::dimse
