#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "app/doctor.h"
#include "app/phantom_header.h"
#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dicom/writing.h"
#include "image/picture.h"
#include "page/page.h"
#include "results/results.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

constexpr std::uint32_t kSide = 512;

/// A phantom whose nodule lies in the patient's left lung, so at the image's right.
image::PhantomFilm left_sided_phantom() {
  image::PhantomOptions options;
  options.columns = options.rows = kSide;
  options.nodules = {{70, -20, 24}};
  return image::make_phantom_film(options);
}

const image::PhantomTruth& truth_of(const image::PhantomFilm& phantom, const std::string& label) {
  for (const image::PhantomTruth& row : phantom.truth)
    if (row.label == label) return row;
  throw Error(ErrorCode::DoctorFailed, "the phantom has no " + label);
}

/// A result that names the nodule where the phantom has it: what the writers must keep.
cogs::CogResult result_at(const image::PhantomTruth& nodule, const dicom::InstanceHeader& header) {
  cogs::CogResult result;
  result.provenance.cog = "doctor";
  result.provenance.cog_version = "1";
  result.provenance.models = {{"phantom truth", "1", "0", "Rouage"}};
  result.provenance.engine = "none";
  result.provenance.language = "en";
  result.provenance.input_uids = {header.sop_instance_uid};
  cogs::Region region;
  region.id = "region-1";
  region.tracking_uid = derived_uid({header.sop_instance_uid, "doctor"});
  region.label = "Nodule";
  region.code = dicom::finding_code("Nodule");
  region.laterality = cogs::Laterality::left;
  region.sop_instance_uid = header.sop_instance_uid;
  region.shape = cogs::Box{nodule.x0, nodule.y0, nodule.x1, nodule.y1};
  cogs::Finding finding;
  finding.id = "finding-1";
  finding.tracking_uid = region.tracking_uid;
  finding.label = "Nodule";
  finding.code = region.code;
  finding.laterality = cogs::Laterality::left;
  finding.probability = 0.9;
  finding.positive = true;
  finding.regions = {region.id};
  result.findings = {finding};
  result.regions = {region};
  return result;
}

std::string near_truth(const std::vector<dicom::GraphicShape>& shapes, const image::PhantomTruth& truth) {
  for (const dicom::GraphicShape& shape : shapes) {
    if (shape.points.size() < 3) continue;
    double x = 0, y = 0, n = 0;
    for (const dicom::Point& point : shape.points) {
      // A closed polyline repeats its first point.
      if (n > 0 && point.x == shape.points.front().x && point.y == shape.points.front().y) continue;
      x += point.x;
      y += point.y;
      n += 1;
    }
    const double off = std::hypot(x / n - (truth.x0 + truth.x1) / 2, y / n - (truth.y0 + truth.y1) / 2);
    if (off <= 2) return fmt::format("centre ({:.1f}, {:.1f}), {:.1f} pixels from the truth", x / n, y / n, off);
  }
  throw Error(ErrorCode::DoctorFailed, fmt::format("no shape at the truth among {}", shapes.size()));
}

/// Difference of the picture's film area with the film, as it is and mirrored. page::draw_film puts the film at the
/// left edge, its longer side film_side, between two banners of equal height.
std::string not_mirrored(const image::Picture& picture, const image::Film& film) {
  const std::uint32_t side = page::DrawOptions{}.film_side;
  const double scale = static_cast<double>(side) / film.rows;
  const double top = (picture.rows - static_cast<double>(side)) / 2;
  double straight = 0, mirrored = 0;
  for (std::uint32_t row = 0; row < film.rows; row += 4)
    for (std::uint32_t column = 0; column < film.columns; column += 4) {
      const auto x = static_cast<std::size_t>((column + 0.5) * scale);
      const auto y = static_cast<std::size_t>((row + 0.5) * scale + top);
      const std::size_t at = (y * picture.columns + x) * static_cast<std::size_t>(picture.channels);
      const double value = picture.samples.at(at) / 255.0;
      straight += std::abs(value - static_cast<double>(film.at(column, row)));
      mirrored += std::abs(value - static_cast<double>(film.at(film.columns - 1 - column, row)));
    }
  std::string text = fmt::format("difference {:.0f} as it is, {:.0f} mirrored", straight, mirrored);
  if (straight * 1.5 > mirrored) throw Error(ErrorCode::DoctorFailed, text);
  return text;
}

std::string laterality_said(const std::vector<results::ResultFile>& files) {
  const std::string left = "7771000", right = "24028007";
  for (const results::ResultFile& file : files) {
    if (file.role != "sr") continue;
    const std::string text(file.bytes.begin(), file.bytes.end());
    if (text.find(left) == std::string::npos || text.find(right) != std::string::npos)
      throw Error(ErrorCode::DoctorFailed, "the report does not say left, or says right");
    return "coded left (SCT 7771000)";
  }
  throw Error(ErrorCode::DoctorFailed, "no report was written");
}

template <typename Test>
DoctorLine examine(const std::string& name, const Test& test) {
  try {
    return {name, true, test()};
  } catch (const std::exception& error) {
    return {name, false, error.what()};
  }
}

std::string read_back(const image::PhantomFilm& phantom, const dicom::FilmInstance& instance) {
  const image::PhantomTruth& marker = truth_of(phantom, "Marker_L");
  if (marker.x0 < kSide / 2.0) throw Error(ErrorCode::DoctorFailed, "the phantom's marker L is at the image's left");
  double error = 0;
  for (std::size_t i = 0; i < phantom.film.values.size(); ++i)
    error = std::max(error, std::abs(double{phantom.film.values[i]} - double{instance.film.values[i]}));
  if (error > 1.0 / 4095) throw Error(ErrorCode::DoctorFailed, fmt::format("pixels differ by {:.4f}", error));
  if (instance.film.patient_orientation != phantom.film.patient_orientation)
    throw Error(ErrorCode::DoctorFailed, "the patient orientation was lost");
  return fmt::format("pixels equal within {:.5f}, orientation {}\\{}", error, instance.film.patient_orientation[0],
                     instance.film.patient_orientation[1]);
}

}  // namespace

std::vector<DoctorLine> examine_orientation(const fs::path& scratch) {
  std::vector<DoctorLine> lines;
  try {
    const image::PhantomFilm phantom = left_sided_phantom();
    const image::PhantomTruth& nodule = truth_of(phantom, "Nodule");
    StagedFolder staged(scratch);
    write_file(staged.path() / "phantom.dcm", phantom_dicom(phantom));
    cogs::Picture picture;
    dicom::FilmInstance instance = dicom::read_film(staged.path() / "phantom.dcm", {});
    lines.push_back(examine("left_film", [&] { return read_back(phantom, instance); }));
    picture.header = instance.header;
    picture.image = std::move(instance.film);
    const auto files = results::film_results(picture, result_at(nodule, picture.header), {});
    for (const results::ResultFile& file : files)
      if (file.role == "sr" || file.role == "cad_sr" || file.role == "seg" || file.role == "gsps")
        lines.push_back(
            examine("left_" + file.role, [&] { return near_truth(dicom::read_shapes(file.bytes), nodule); }));
    for (const results::ResultFile& file : files)
      if (file.role == "picture")
        lines.push_back(examine(
            "left_picture", [&] { return not_mirrored(image::read_png(file.bytes, 100'000'000), *picture.film()); }));
    lines.push_back(examine("left_code", [&] { return laterality_said(files); }));
  } catch (const std::exception& error) {
    lines.push_back({"left", false, error.what()});
  }
  return lines;
}

}  // namespace rouage::app
