/// The contract between Rouage and an algorithm.
///
/// A cog is a plain description plus one function. It is given values and gives a value back: it opens no file and no
/// socket, reads no clock, writes no DICOM. The same input, packages and parameters give the same result.
///
///   const Cog& chest = find_cog("chest");
///   Eligibility e = chest.eligible(input, context);     // a reason, not an exception
///   CogResult result = chest.run(input, context);       // ineligible films: status and reason, no findings
#pragma once
#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "base/values.h"
#include "dicom/code.h"
#include "dicom/instance.h"
#include "image/film.h"
#include "infer/package.h"

namespace rouage::cogs {

// ---- what goes in ---------------------------------------------------------------------------------------------------

/// One picture with its header. Volumes join the variant when a cog needs them.
struct Picture {
  std::variant<image::Film> image;
  dicom::InstanceHeader header;
  const image::Film* film() const { return std::get_if<image::Film>(&image); }
};

/// A column of a table: numbers or words, each value with its own time; unit in UCUM ("1" for none).
struct Column {
  std::string name, unit;
  std::variant<std::vector<double>, std::vector<std::string>> values;
  std::vector<std::string> times;  ///< ISO 8601 UTC, one a value, or empty
};
struct Table {
  std::string name;
  std::vector<Column> columns;
};

struct CogResult;

/// Named roles. A cog declares those that it requires; the others may be empty.
struct CogInput {
  std::vector<Picture> current;                                      ///< the pictures to read
  std::vector<Picture> companion;                                    ///< e.g. the CT of a PET
  std::vector<std::vector<Picture>> prior;                           ///< earlier examinations, latest first
  std::vector<Table> tables;                                         ///< clinical data, laboratory, omics, time series
  std::map<std::string, std::shared_ptr<const CogResult>> upstream;  ///< results of other cogs, by cog name
};

// ---- what comes out -------------------------------------------------------------------------------------------------

enum class Level { image, series, study, patient };
enum class Laterality { none, left, right, bilateral };

struct OperatingPoint {
  std::string name;
  double threshold = 0.5;  ///< on the calibrated probability; positive when probability >= threshold
  std::optional<double> sensitivity, specificity;
  std::string set_on;  ///< the data on which it was measured
};

/// Stored image's own matrix; (0,0) is the outer corner of the top-left pixel.
struct Box {
  double x0 = 0, y0 = 0, x1 = 0, y1 = 0;
};
struct Polygon {
  std::vector<std::array<double, 2>> points;  ///< x, y; closed implicitly
};
struct Region {
  std::string id, tracking_uid;
  Level level = Level::image;
  std::string label;
  dicom::Code code;
  std::optional<dicom::Code> site;
  Laterality laterality = Laterality::none;  ///< the patient's side
  std::string sop_instance_uid;
  int frame = 1;  ///< 1-based
  std::variant<Box, Polygon> shape;
  double score = 0;        ///< highest map value inside, 0..1 of the map's own maximum
  std::string derivation;  ///< how the region was found
};

struct Finding {
  std::string id, tracking_uid;
  Level level = Level::image;
  std::string label;  ///< ChestX-ray14's names where they apply
  dicom::Code code;
  std::optional<dicom::Code> site;
  Laterality laterality = Laterality::none;
  std::optional<double> probability;  ///< calibrated; absent where the package has no calibration
  double raw_score = 0;               ///< the net's own output (logit unless the package says otherwise)
  std::optional<OperatingPoint> operating_point;
  bool positive = false;
  std::vector<std::string> regions;  ///< ids of Region
};

struct Measurement {
  std::string id, tracking_uid;
  Level level = Level::image;
  std::string name;  ///< e.g. "estimated_age"
  dicom::Code code;
  double value = 0;
  std::string unit;                   ///< UCUM
  std::optional<double> uncertainty;  ///< one standard deviation, same unit
  std::string uncertainty_source;
};

/// A label mask on the stored matrix: 1 inside.
struct Mask {
  std::string id, tracking_uid, label;
  dicom::Code code;
  std::string sop_instance_uid;
  std::uint32_t columns = 0, rows = 0;
  std::vector<std::uint8_t> values;
};

/// A map on its own coarse matrix that covers the whole stored picture; values 0..1 after division by `maximum`.
struct DerivedImage {
  std::string role;   ///< "activation_map", "guided_grad_cam", "occlusion_map"
  std::string label;  ///< the output that it explains
  std::string sop_instance_uid;
  std::uint32_t columns = 0, rows = 0;
  std::vector<float> values;
  double maximum = 0;
};

struct ModelIdentity {
  std::string name, version, digest, maker;
};

struct Provenance {
  std::string cog, cog_version;
  std::vector<ModelIdentity> models;
  std::string engine, precision, language;
  std::map<std::string, std::string> parameters;  ///< canonical: thresholds, calibration, options
  std::vector<std::string> input_uids;            ///< SOP Instance UIDs, sorted
  std::vector<std::string> upstream_uids;
  /// All of the above as the parts of a derived UID.
  std::vector<std::string> uid_parts() const;
};

/// Why a picture gets no findings. `code` is stable ("mirrored"), `text` is for people.
struct Ineligibility {
  std::string code, text;
  std::optional<double> probability;
};

enum class Status { done, ineligible };

struct CogResult {
  Status status = Status::done;
  Level level = Level::image;
  std::vector<Ineligibility> reasons;    ///< at least one when ineligible
  std::vector<Finding> findings;         ///< every label that the model scores, positive or not
  std::map<std::string, double> scores;  ///< e.g. "remarkable": 0..1
  std::map<std::string, OperatingPoint> score_operating_points;
  std::vector<Region> regions;
  std::vector<Mask> masks;
  std::vector<Measurement> measurements;
  std::vector<DerivedImage> derived_images;
  std::string draft_text;
  std::vector<std::string> warnings;
  Provenance provenance;
};

struct Eligibility {
  bool eligible = true;
  std::vector<Ineligibility> reasons;
  std::vector<std::string> warnings;
};

// ---- the cog itself -------------------------------------------------------------------------------------------------

/// What the process lends to a cog: loaded packages, options. Shared by threads; `cancel` ends long work early.
struct CogContext {
  std::function<std::shared_ptr<const infer::LoadedModel>(const std::string& package)> model;
  std::map<std::string, std::string> options;  ///< e.g. {"operating_point","balanced"}
  std::string language = "en";
  const std::atomic<bool>* cancel = nullptr;
};

struct Cog {
  std::string name, version, title;
  std::vector<std::string> modalities;      ///< (0008,0060) of what it is given without a rule that says more
  std::vector<std::string> required_roles;  ///< e.g. {"current"}
  std::vector<std::string> packages;        ///< default model packages
  Eligibility (*eligible)(const CogInput&, const CogContext&);
  CogResult (*run)(const CogInput&, const CogContext&);
  /// Findings of one examination out of its films' results (same cog); level study.
  CogResult (*combine)(const std::vector<CogResult>& films, const std::string& study_instance_uid);
};

/// All cogs, in the order of cogs/list.cpp.
const std::vector<Cog>& all_cogs();
/// nullptr when there is no such cog.
const Cog* find_cog(const std::string& name);

}  // namespace rouage::cogs
