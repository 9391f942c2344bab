/// An IndexEntry and an Error between processes: what a child that read hostile bytes says, checked again on this side.
///
///   const dicom::IndexEntry entry = entry_from_json(line);   // UIDs valid, sizes bounded, or HeaderInvalid
#pragma once
#include <string>
#include <string_view>

#include "base/error.h"
#include "dicom/object.h"

namespace rouage::receive {

/// One line. Text that is not UTF-8 is replaced by U+FFFD, character by character.
std::string entry_to_json(const dicom::IndexEntry& entry);

/// The child may have been taken over by what it read: nothing of its answer is believed. Study, series, instance,
/// class and transfer syntax are valid UIDs, each text has at most 16,384 bytes without NUL, numbers are finite and in
/// range. Errors: HeaderInvalid (names the key).  Pure, thread-safe.
dicom::IndexEntry entry_from_json(const std::string& line);

/// The same entry as fields between tabs, without names: what an association says of each object, where JSON would take
/// longer than the index. Bytes of text that is not UTF-8 become question marks.
std::string entry_to_line(const dicom::IndexEntry& entry);
/// Believes as little as entry_from_json.  Errors: HeaderInvalid (names the key).  Pure, thread-safe.
dicom::IndexEntry entry_from_line(std::string_view line);

std::string error_to_json(const Error& error);
/// What is no such line becomes Error Internal.
Error error_from_json(const std::string& line);

}  // namespace rouage::receive
