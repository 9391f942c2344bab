#include <CLI/CLI.hpp>
#include <cmath>
#include <optional>

#include "app/commands.h"
#include "app/phantom_header.h"
#include "base/error.h"
#include "base/host.h"
#include "image/picture.h"

namespace rouage::app {
namespace {

struct PhantomArguments {
  image::PhantomOptions film;
  std::string out, png, effusion, pneumothorax, skin_fold;
  std::vector<std::string> nodules;
  bool no_marker = false, json = false;
};

std::optional<image::Side> side_of(const std::string& text) {
  if (text.empty()) return std::nullopt;
  return text == "left" ? image::Side::left : image::Side::right;
}

image::PhantomNodule nodule_of(const std::string& text) {
  const std::vector<std::string> parts = split(text, ',');
  try {
    if (parts.size() == 3) return {std::stod(parts[0]), std::stod(parts[1]), std::stod(parts[2])};
  } catch (const std::exception&) {
  }
  throw Error(ErrorCode::Usage, "--nodule wants X,Y,DIAMETER in mm, got " + text);
}

int make_phantom(PhantomArguments& arguments) {
  arguments.film.effusion = side_of(arguments.effusion);
  arguments.film.pneumothorax = side_of(arguments.pneumothorax);
  arguments.film.skin_fold = side_of(arguments.skin_fold);
  arguments.film.marker = !arguments.no_marker;
  for (const std::string& text : arguments.nodules) arguments.film.nodules.push_back(nodule_of(text));
  const image::PhantomFilm phantom = image::make_phantom_film(arguments.film);
  write_file_atomic(arguments.out, phantom_dicom(phantom));
  if (!arguments.png.empty()) {
    Bytes grey(phantom.film.values.size());
    for (std::size_t i = 0; i < grey.size(); ++i)
      grey[i] = static_cast<std::uint8_t>(std::lround(phantom.film.values[i] * 255));
    write_file_atomic(arguments.png, image::write_png(phantom.film.columns, phantom.film.rows, 1, grey,
                                                      {{"Comment", "synthetic phantom film made by rouage"}}));
  }
  const std::string truth = phantom_truth_json(phantom, arguments.out);
  if (arguments.json) {
    std::printf("%s\n", truth.c_str());
    return 0;
  }
  std::printf("%s: synthetic phantom film, %u x %u, cardiothoracic ratio %.2f\n", arguments.out.c_str(),
              phantom.film.columns, phantom.film.rows, phantom.cardiothoracic_ratio);
  for (const image::PhantomTruth& row : phantom.truth)
    std::printf("  %-14s %-6s box [%.0f, %.0f, %.0f, %.0f]\n", row.label.c_str(),
                !row.side                        ? ""
                : *row.side == image::Side::left ? "left"
                                                 : "right",
                row.x0, row.y0, row.x1, row.y1);
  return 0;
}

}  // namespace

void add_phantom(CLI::App& program, int& exit_code) {
  CLI::App* group = program.add_subcommand("phantom", "Digital objects with known truth (synthetic)");
  group->require_subcommand(1);
  CLI::App* film =
      group->add_subcommand("film", "A chest film of a mathematical patient. Docs: docs/commands/phantom.md");
  const auto arguments = std::make_shared<PhantomArguments>();
  image::PhantomOptions& options = arguments->film;
  const auto side = CLI::IsMember({"left", "right"});
  film->add_option("--out", arguments->out, "the DICOM file to write")->required();
  film->add_option("--png", arguments->png, "also a picture");
  film->add_option("--columns", options.columns, "width in pixels")->capture_default_str();
  film->add_option("--rows", options.rows, "height in pixels")->capture_default_str();
  film->add_option("--width-mm", options.width_mm, "width at the detector, mm")->capture_default_str();
  film->add_option("--seed", options.seed, "anatomy's variation and noise")->capture_default_str();
  film->add_option("--nodule", arguments->nodules,
                   "X,Y,DIAMETER in mm from the centre, +X to the patient's left; may be repeated");
  film->add_option("--effusion", arguments->effusion, "left or right")->check(side);
  film->add_option("--pneumothorax", arguments->pneumothorax, "left or right")->check(side);
  film->add_option("--skin-fold", arguments->skin_fold, "left or right: looks like a pneumothorax and is none")
      ->check(side);
  film->add_flag("--cardiomegaly", options.cardiomegaly, "a large heart");
  film->add_option("--noise", options.noise, "quantum noise, 1: a usual dose, 0: none")->capture_default_str();
  film->add_flag("--no-marker", arguments->no_marker, "without the lead L at the patient's left");
  film->add_flag("--json", arguments->json, "the truth as JSON");
  film->callback([arguments, &exit_code] { exit_code = make_phantom(*arguments); });
  add_phantom_ct(*group, exit_code);
}

}  // namespace rouage::app
