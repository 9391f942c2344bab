/// The made-up patient and study of a phantom, and the phantom as a DICOM file.
#pragma once
#include <string>

#include "base/values.h"
#include "dicom/instance.h"
#include "image/phantom_film.h"

namespace rouage::app {

/// Header of a phantom: patient PHANTOM, UIDs derived from the pixels, one fixed date (a phantom has no clock).
dicom::InstanceHeader phantom_header(const image::PhantomFilm& phantom);

/// Computed Radiography object, 12 bits, said synthetic.
Bytes phantom_dicom(const image::PhantomFilm& phantom);
/// The same as another study's film.
Bytes phantom_dicom(const image::PhantomFilm& phantom, const dicom::InstanceHeader& header);

/// Truth as JSON: boxes, sides, cardiothoracic ratio.
std::string phantom_truth_json(const image::PhantomFilm& phantom, const std::string& file);

}  // namespace rouage::app
