/// The header of one instance as values (PS3.3 C.7), and its pixel spacing (PS3.3 10.7).
#pragma once
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "dicom/instance.h"
#include "dicom/reading_file.h"
#include "dicom/rendering.h"
#include "image/film.h"

namespace rouage::dicom::reading {

/// Everything of InstanceHeader but the digest. Errors: HeaderInvalid when a UID is missing that results must refer to.
InstanceHeader instance_header(const ParsedFile& file);

/// Spacing with its kind. Nothing when the file gives none, or one that is no positive number (then warned).
std::optional<image::PixelSpacing> pixel_spacing(const FrameAttributes& attributes, std::vector<std::string>& warnings);

/// Years out of "045Y", "018M", "003W", "010D"; nothing when it is no age.
std::optional<double> age_of(std::string_view age_string);
/// Birthdays between two dates "YYYYMMDD" (also "YYYY.MM.DD"); nothing when one is no date or they are
/// reversed.
std::optional<double> years_between(std::string_view birth_date, std::string_view date);

/// The error for an object that is no picture, with what it is and what to give instead.
Error no_pixels(const ParsedFile& file);

}  // namespace rouage::dicom::reading
