/// A data set under construction and its bytes. Internal to the writers of this room.
#pragma once
#include <dcmtk/config/osconfig.h>
#include <dcmtk/dcmdata/dcdeftag.h>
#include <dcmtk/dcmdata/dctagkey.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/values.h"
#include "dicom/code.h"
#include "dicom/instance.h"

namespace rouage::dicom {

/// Attributes in tag order, each with its VR. Written in explicit VR little endian with explicit lengths, byte values
/// as they were given (so that attributes copied from a source stay byte-equal, which DcmDataset does not promise).
class Item {
 public:
  /// `bytes` already stand in the object's character set; odd lengths are padded as the VR asks.
  void text(const DcmTagKey& tag, std::string_view vr, std::string_view bytes);
  void uid(const DcmTagKey& tag, std::string_view uid) { text(tag, "UI", uid); }
  void code_string(const DcmTagKey& tag, std::string_view value) { text(tag, "CS", value); }
  void integer_string(const DcmTagKey& tag, long value) { text(tag, "IS", std::to_string(value)); }
  void unsigned_shorts(const DcmTagKey& tag, const std::vector<std::uint16_t>& values);
  void unsigned_longs(const DcmTagKey& tag, const std::vector<std::uint32_t>& values);
  void signed_longs(const DcmTagKey& tag, const std::vector<std::int32_t>& values);
  void floats(const DcmTagKey& tag, const std::vector<float>& values);
  void float64(const DcmTagKey& tag, double value);
  void tag_pointer(const DcmTagKey& tag, const DcmTagKey& value);
  void bytes(const DcmTagKey& tag, std::string_view vr, Bytes value);
  void raw(const RawAttribute& attribute);
  /// One more item of a sequence. The reference holds until the next item is added to the same sequence.
  Item& add_item(const DcmTagKey& tag);
  void empty_sequence(const DcmTagKey& tag) { element(tag, "SQ"); }
  bool has(const DcmTagKey& tag) const;

  void append_to(Bytes& out) const;

 private:
  struct Element {
    std::string vr;
    Bytes value;
    std::vector<Item> items;
  };
  Element& element(const DcmTagKey& tag, std::string_view vr);
  std::map<std::uint32_t, Element> elements_;
};

/// Preamble, "DICM" and file meta group (our implementation class UID and version name).
/// Errors: WriteInvalid for UIDs that are empty or no UIDs.
Bytes file_head(const std::string& sop_class_uid, const std::string& sop_instance_uid,
                std::string_view transfer_syntax);

/// The head and the data set, explicit VR little endian.
/// Errors: WriteInvalid for UIDs that are empty or no UIDs.
Bytes file_bytes(const Item& dataset, const std::string& sop_class_uid, const std::string& sop_instance_uid);

/// Texts of ours in the character set of an object. Representable characters are converted (ISO_IR 192: all; the Latin
/// sets: theirs), others are folded to ASCII ("é" -> "e"); control characters and, where VR separates values by it, the
/// backslash become blanks and '/'. Lengths are those of the VR, in characters.
class Texts {
 public:
  explicit Texts(std::string_view character_set);
  std::string sh(std::string_view utf8) const { return value(utf8, 16, true); }
  std::string lo(std::string_view utf8) const { return value(utf8, 64, true); }
  std::string st(std::string_view utf8) const { return value(utf8, 1024, false); }
  std::string ut(std::string_view utf8) const { return value(utf8, 65536, false); }

 private:
  std::string value(std::string_view utf8, std::size_t longest, bool one_line) const;
  std::string set_;
};

/// A code as an item of a code sequence (PS3.3 section 8); the item comes back so that modifiers can go into it.
Item& add_code(Item& parent, const DcmTagKey& sequence, const Code& code, const Texts& texts);

/// DS of at most 16 characters, as near to `value` as they allow.  Errors: WriteInvalid for NaN and infinities.
std::string decimal_string(double value);

}  // namespace rouage::dicom
