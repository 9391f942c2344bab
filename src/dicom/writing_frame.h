/// The modules that all our objects share: Patient, General Study, Series, Equipment, SOP Common.
#pragma once
#include <array>
#include <string>
#include <string_view>

#include "dicom/writing.h"
#include "dicom/writing_item.h"

namespace rouage::dicom {

inline constexpr std::string_view kSecondaryCapture = "1.2.840.10008.5.1.4.1.1.7";
inline constexpr std::string_view kComputedRadiography = "1.2.840.10008.5.1.4.1.1.1";
inline constexpr std::string_view kSegmentation = "1.2.840.10008.5.1.4.1.1.66.4";
inline constexpr std::string_view kGreyPresentationState = "1.2.840.10008.5.1.4.1.1.11.1";

/// Content date and time where the standard asks for a value (type 1) and the source gives none: no clock is read, and
/// 1 January 1900 cannot be taken for an examination's date.
inline constexpr std::string_view kNoDate = "19000101";
inline constexpr std::string_view kNoTime = "000000";

/// Patient and study attributes byte-equal from the source, the type 2 attributes that it lacks empty, the series,
/// equipment and SOP Common modules filled.  Errors: WriteInvalid without Study, Series or SOP Instance UID.
Item framed_item(const ObjectFrame& frame, std::string_view sop_class_uid, std::string_view modality);

/// (0008,0023) and (0008,0033) as type 1 (kNoDate, kNoTime where absent) or left out when absent.
void add_content_time(Item& item, const ObjectFrame& frame, const DcmTagKey& date, const DcmTagKey& time,
                      bool required);

/// A value of the source as CS: upper case, at most 16 of A-Z, 0-9, blank and underscore; "" for anything else, so that
/// an invalid source does not make an invalid result.
std::string clean_code_string(std::string_view value);
/// Patient orientation as (0020,0020) "L\F", empty where the source does not say both directions.
void add_patient_orientation(Item& item, const std::array<std::string, 2>& orientation);

/// (0018,0015) and (0020,0060) of the source. Laterality is type 2C: left out for a known body part that is not one of
/// a pair (the chest), empty where the body part is unknown.
void add_body_part(Item& item, const std::string& body_part, const std::string& laterality);

/// ReferencedSOPClassUID and ReferencedSOPInstanceUID.
void add_reference(Item& item, std::string_view sop_class_uid, std::string_view sop_instance_uid);
/// The source image of the frame as an item of `sequence`.
Item& add_source(Item& parent, const DcmTagKey& sequence, const ObjectFrame& frame);
/// What 99ROUAGE is (Coding Scheme Identification Sequence).
void add_coding_schemes(Item& item);

}  // namespace rouage::dicom
