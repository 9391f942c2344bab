/// Data sets of messages: attributes to bytes and back. Texts are UTF-8 on our side.
#pragma once
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include "dcmtk/dcmdata/dcdatset.h"
#include "dcmtk/dcmdata/dcostrma.h"
#include "dicom/object.h"

namespace rouage::dimse {

using Instances = std::vector<std::pair<std::string, std::string>>;  ///< (SOP class, SOP instance)

/// Attributes whose tag the dictionary does not know are left out; a sequence becomes an empty one. Texts beyond ASCII
/// make it ISO_IR 192; `always_utf8` says that set in any case.
DcmDataset data_set_of(const dicom::Attributes& attributes, bool always_utf8);
/// Top-level attributes, turned into UTF-8; sequences keep only their presence; binary bulk is left out.
dicom::Attributes attributes_of_data_set(DcmDataset& data_set);

/// Errors: WriteInvalid.
Bytes encoded(DcmDataset& data_set, const std::string& transfer_syntax);
/// Errors: RequestInvalid.
DcmDataset decoded(std::span<const std::uint8_t> bytes, const std::string& transfer_syntax);

/// The data set's bytes in another syntax, in pieces, without holding them all. Errors: WriteInvalid; what `take`
/// throws.
void write_pieces(DcmDataset& data_set, const std::string& transfer_syntax,
                  const std::function<void(std::span<const std::uint8_t>)>& take);

/// (0008,1150) and (0008,1155) of the items of a sequence; items without a valid instance UID are left out.
Instances referenced(DcmItem& item, const DcmTagKey& sequence);
void refer(DcmItem& item, const DcmTagKey& sequence, const Instances& instances, std::uint16_t failure_reason = 0);
std::string text_in(DcmItem& item, const DcmTagKey& tag);
/// Items of a sequence, in order.
void for_each_item(DcmItem& item, const DcmTagKey& sequence, const std::function<void(DcmItem&)>& look);

}  // namespace rouage::dimse
