/// Films out of files: DICOM (CR, DX, secondary capture, one frame of a multi-frame), PNG and JPEG.
///
///   dicom::FilmInstance instance = dicom::read_film(path, {});
///   instance.film, instance.header
///
/// Every error names file, tag and remedy. Sizes in a header are checked against the limits and against the bytes that
/// are really there before memory is taken.
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "base/values.h"
#include "dicom/instance.h"
#include "image/film.h"

namespace rouage::dicom {

struct ReadLimits {
  std::uint64_t file_bytes = 1024ULL * 1024 * 1024;
  std::uint64_t pixels = 100'000'000;  ///< rows * columns of one frame; a 43 x 43 cm film at 0.1 mm has 18.5 million
  std::uint32_t side = 32'768;
};

struct FilmInstance {
  image::Film film;
  InstanceHeader header;
};

/// A DICOM file as one film. Pixel decoding: uncompressed little and big endian, deflated, RLE, JPEG baseline, extended
/// and lossless, JPEG-LS, JPEG 2000. `frame` (1-based) chooses in a multi-frame file; without it a file of more than
/// one frame is refused. Modality LUT, VOI LUT or window, presentation LUT shape and polarity applied (PS3.4 N.2).
/// A film for processing is shown by a logarithmic/percentile rendering and warned of.
/// Errors: FileMissing, FileTooLarge, NotDicom, NoPixelData, PixelDataTruncated, PixelDataUnsupported, HeaderInvalid,
/// ImageTooLarge, MultiFrame, NotGrey.  Thread-safe.
FilmInstance read_film(const std::filesystem::path& file, const ReadLimits& limits, std::optional<int> frame = {});
FilmInstance read_film(std::span<const std::uint8_t> bytes, const ReadLimits& limits, std::optional<int> frame = {});

/// Only the header (stops before the pixels; file_digest stays zero): to group and to refuse early. Same errors.
InstanceHeader read_header(const std::filesystem::path& file, const ReadLimits& limits);

/// What a picture file does not say and a person may: a row of the --as-film table.
struct PictureFacts {
  std::string patient_id, study_id, sex, view, accession, study_date;
  std::optional<double> age_a;
};
/// A PNG or JPEG (8 or 16 bits, grey or grey RGB; alpha ignored) as a film. UIDs are derived from the bytes and facts;
/// the study is that of facts.study_id where given. Errors: NotPicture, ImageTooLarge, PixelDataTruncated, NotGrey.
FilmInstance read_picture_as_film(const std::filesystem::path& file, const PictureFacts& facts,
                                  const ReadLimits& limits);

enum class FileKind { dicom, png, jpeg, other };
/// By content, not by name. Errors: FileMissing.
FileKind file_kind(const std::filesystem::path& file);

/// Once a process: the DICOM dictionary is loaded, codecs are registered. Errors: DictionaryMissing.
void initialise();

}  // namespace rouage::dicom
