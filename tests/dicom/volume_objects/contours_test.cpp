// Outlines of labels and back: holes, several pieces, corners; RTSTRUCT written and read; experts' contours read.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "base/error.h"
#include "base/host.h"
#include "dicom/volume_objects/made_volumes.h"

namespace rouage::dicom {
namespace {

using image::Grid;
using image::LabelMap;
using image::Point3;

/// A disc with a hole in which an island lies, a second piece, and in the last slice a chessboard (corners only).
LabelMap disc_with_hole(const Grid& grid) {
  LabelMap map = made::painted(grid, [](const Point3&) { return std::uint16_t{0}; });
  for (std::uint32_t k = 1; k + 1 < grid.size[2]; ++k)
    for (std::uint32_t j = 0; j < grid.size[1]; ++j)
      for (std::uint32_t i = 0; i < grid.size[0]; ++i) {
        const double r = std::hypot(i - 20.0, j - 18.0), piece = std::hypot(i - 45.0, j - 10.0);
        const bool holes = std::hypot(i - 14.0, j - 18.0) < 3 || std::hypot(i - 26.0, j - 18.5) < 4.2;
        const bool island = std::hypot(i - 26.0, j - 18.5) < 1.6;
        if ((r < 14 && !holes) || island || piece < 6) map.at(i, j, k) = 3;
      }
  for (std::uint32_t j = 4; j < 12; ++j)
    for (std::uint32_t i = 4; i < 12; ++i)
      if ((i + j) % 2 == 0) map.at(i, j, grid.size[2] - 1) = 3;
  return map;
}

double area_mm2(const Contour& contour, const Grid& grid) {
  double area = 0;
  for (std::size_t p = 0; p < contour.points_mm.size(); ++p) {
    const Point3 a = grid.index_of(contour.points_mm[p]),
                 b = grid.index_of(contour.points_mm[(p + 1) % contour.points_mm.size()]);
    area += (a[0] * b[1] - b[0] * a[1]) / 2;
  }
  return std::abs(area) * grid.spacing_mm()[0] * grid.spacing_mm()[1];
}

void expect_same(const image::Volume<std::uint8_t>& mask, const LabelMap& map, std::uint16_t value) {
  std::size_t differ = 0;
  for (std::size_t v = 0; v < map.values.size(); ++v) differ += (mask.values[v] != 0) != (map.values[v] == value);
  EXPECT_EQ(differ, 0U);
}

TEST(LabelContours, aDiscWithHolesIslandAndSecondPieceComesBackVoxelByVoxel) {
  const Grid grid = made::axial_grid(60, 40, 5);
  const LabelMap map = disc_with_hole(grid);
  const auto contours = label_contours(grid, made::source_of(map), std::vector<std::uint16_t>{3});
  expect_same(rasterise(contours[0], grid), map, 3);
  EXPECT_EQ(std::ranges::count_if(contours[0], [](const Contour& c) { return c.k == 1; }), 3)
      << "disc with keyholes, island, second piece";
  EXPECT_EQ(std::ranges::count_if(contours[0], [](const Contour& c) { return c.k == 4; }), 32) << "one a voxel";
  EXPECT_EQ(std::ranges::count_if(contours[0], [](const Contour& c) { return c.k == 0; }), 0);
}

// The area inside a keyhole contour is that of its voxels, because the channel has no width; so readers that unite the
// contours of a slice and readers that exclude what lies in two of them see the same region.
TEST(LabelContours, areasAddUpToTheVoxels) {
  const Grid grid = made::axial_grid(60, 40, 5);
  const LabelMap map = disc_with_hole(grid);
  double area = 0;
  const auto contours = label_contours(grid, made::source_of(map), std::vector<std::uint16_t>{3});
  for (const Contour& contour : contours[0]) area += area_mm2(contour, grid);
  EXPECT_NEAR(area * 2.5 / 1000, double(std::ranges::count(map.values, 3)) * grid.voxel_ml(), 1e-9);
}

TEST(LabelContours, randomMasksComeBackOnTurnedAndTiltedGrids) {
  Grid grid = made::axial_grid(24, 17, 6);
  grid.step_mm = {Point3{0.6, 0.45, 0}, Point3{-0.48, 0.64, 0}, Point3{0.3, 0.4, -2}};
  std::mt19937 random(11);
  for (int round = 0; round < 40; ++round) {
    LabelMap map = made::painted(
        grid, [&](const Point3&) { return std::uint16_t(int(random() % 100) < 35 + round ? 7 : random() % 2); });
    const std::vector<std::uint16_t> values{1, 7};
    const auto contours = label_contours(grid, made::source_of(map), values);
    for (std::size_t n = 0; n < 2; ++n) expect_same(rasterise(contours[n], grid), map, values[n]);
    double area = 0;
    for (const Contour& contour : contours[1]) area += area_mm2(contour, grid);
    ASSERT_NEAR(area, double(std::ranges::count(map.values, 7)) * 0.75 * 0.8, 1e-6) << "round " << round << ", seed 11";
  }
}

TEST(Rasterise, refusesContoursThatAreNotOnTheGrid) {
  const Grid grid = made::axial_grid(20, 20, 4);
  Contour contour;
  contour.points_mm = {grid.position(2, 2, 1), grid.position(9, 2, 1), grid.position(9, 9, 2)};
  EXPECT_THROW(rasterise(std::vector{contour}, grid), Error) << "tilted";
  contour.points_mm = {grid.position(2, 2, 5), grid.position(9, 2, 5), grid.position(9, 9, 5)};
  EXPECT_THROW(rasterise(std::vector{contour}, grid), Error) << "beyond the last slice";
  contour.type = "POINT";
  EXPECT_EQ(std::ranges::count(rasterise(std::vector{contour}, grid).values, 1), 0);
}

RtStructObject structures_of(const LabelMap& map) {
  RtStructObject object;
  object.frame = made::frame_of("2.25.7");
  object.frame_of_reference_uid = "1.2.3.9";
  object.sources = made::sources_of(map.grid);
  object.label = "Organes IA";
  const std::vector<std::uint16_t> values{3, 4};
  auto contours = label_contours(map.grid, made::source_of(map), values);
  object.rois.push_back({tg263_name("kidney_left"),
                         "rein gauche",
                         "net",
                         "ORGAN",
                         organ_codes("kidney_left"),
                         {200, 40, 40},
                         std::move(contours[0])});
  object.rois.push_back({"liver", "", "net", "ORGAN", organ_codes("liver"), {0, 255, 0}, std::move(contours[1])});
  return object;
}

std::filesystem::path written(const RtStructObject& object, const std::string& name) {
  const auto file = made::fresh_folder(name) / "rtstruct.dcm";
  write_file(file, write_rtstruct(object));
  return file;
}

TEST(WriteRtStruct, isReadBackVoxelByVoxel) {
  const LabelMap map = disc_with_hole(made::axial_grid(60, 40, 5));
  const auto file = written(structures_of(map), "rt");
  const ReadRtStruct read = read_rtstruct(file);
  ASSERT_EQ(read.rois.size(), 2U);
  EXPECT_EQ(read.rois[0].name, "Kidney_L");
  EXPECT_EQ(read.rois[0].interpreted_type, "ORGAN");
  EXPECT_EQ(read.rois[0].generation, "AUTOMATIC");
  EXPECT_EQ(read.rois[0].code.value_or(Code{}), organ_codes("kidney_left").type);
  EXPECT_EQ(read.rois[0].colour.value_or(Rgb{}), (Rgb{200, 40, 40}));
  EXPECT_EQ(read.frame_of_reference_uid, "1.2.3.9");
  EXPECT_TRUE(read.rois[1].contours.empty()) << "label 4 is nowhere";
  expect_same(rasterise(read.rois[0].contours, map.grid), map, 3);
  for (const Contour& contour : read.rois[0].contours) {
    const double k = map.grid.index_of(contour.points_mm[0])[2];
    EXPECT_EQ(contour.image_uid, "1.2.3.4." + std::to_string(std::lround(k) + 1));
  }
  EXPECT_EQ(write_rtstruct(structures_of(map)), read_file(file, 1 << 26)) << "the same bytes twice";
}

TEST(WriteRtStruct, dciodvfyFindsNoError) {
  if (!made::program_exists("dciodvfy")) GTEST_SKIP() << "dciodvfy is not there";
  RtStructObject object = structures_of(disc_with_hole(made::axial_grid(60, 40, 5)));
  EXPECT_EQ(made::dciodvfy_errors(written(object, "rt-iod")), "");
  object.sources.clear();
  for (RtRoi& roi : object.rois)
    for (Contour& contour : roi.contours) contour.k.reset();
  EXPECT_EQ(made::dciodvfy_errors(written(object, "rt-iod")), "") << "without source images";
}

// A chessboard has no run: 26 characters a point and more than 2,520 points do not fit the explicit VR form.
TEST(WriteRtStruct, holdsContoursOfMoreThan64KiB) {
  LabelMap map = made::painted(made::axial_grid(300, 200, 1), [](const Point3&) { return std::uint16_t{3}; });
  for (std::uint32_t j = 1; j < 199; j += 2)
    for (std::uint32_t i = 1; i < 299; i += 2) map.at(i, j, 0) = 0;
  const auto file = written(structures_of(map), "rt-long");
  const ReadRtStruct read = read_rtstruct(file);
  ASSERT_EQ(read.rois[0].contours.size(), 1U) << "every hole is a keyhole of one outline";
  EXPECT_GT(read.rois[0].contours[0].points_mm.size(), 50'000U);
  expect_same(rasterise(read.rois[0].contours, map.grid), map, 3);
  if (made::program_exists("dcmdump"))
    EXPECT_EQ(made::run_command("dcmdump -q " + file.string() + " >/dev/null").status, 0);
}

std::string mha_text(const Grid& grid) {
  const auto list = [](const auto& values) {
    std::string text;
    for (const auto& value : values) text += " " + number_text(double(value));
    return text;
  };
  return "ObjectType = Image\nNDims = 3\nBinaryData = True\nBinaryDataByteOrderMSB = False\nTransformMatrix = 1 0 0 0 "
         "1 0 0 0 1\n"
         "Offset =" +
         list(grid.origin_mm) + "\nElementSpacing =" + list(grid.spacing_mm()) + "\nDimSize =" + list(grid.size) +
         "\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n";
}

// plastimatch reads the contours by its own code and burns them into a grid; voxel centres lie half a voxel from every
// line, so nothing is left to rounding.
TEST(WriteRtStruct, plastimatchBurnsTheSameVoxels) {
  if (!made::program_exists("plastimatch")) GTEST_SKIP() << "plastimatch is not there";
  const LabelMap map = disc_with_hole(made::axial_grid(60, 40, 5));
  const auto file = written(structures_of(map), "plastimatch");
  const auto folder = file.parent_path();
  const std::string header = mha_text(map.grid);
  Bytes fixed(header.begin(), header.end());
  fixed.resize(fixed.size() + map.values.size(), 0);
  write_file(folder / "fixed.mha", fixed);
  const auto outcome =
      made::run_command("plastimatch convert --input " + file.string() + " --fixed " + (folder / "fixed.mha").string() +
                        " --output-prefix " + (folder / "masks").string() + " --prefix-format mha");
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  const auto made_file = folder / "masks/Kidney_L.mha";
  ASSERT_TRUE(std::filesystem::exists(made_file)) << outcome.output;
  const Bytes bytes = read_file(made_file, 1 << 26);
  ASSERT_GT(bytes.size(), map.values.size());
  image::Volume<std::uint8_t> mask;
  mask.grid = map.grid;
  mask.values.assign(bytes.end() - static_cast<std::ptrdiff_t>(map.values.size()), bytes.end());
  expect_same(mask, map, 3);
}

TEST(ReadRtStruct, readsTheLungsOfAnExpert) {
  const auto folder = made::shared_data() / "ct_lung1_001";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << folder << " is not there";
  const ReadRtStruct read = read_rtstruct(folder / "rtstruct.dcm");
  ASSERT_EQ(read.rois.size(), 4U);
  // A grid of the original slices around the patient: z of slices.csv, 1 mm pixels.
  const CsvTable slices = read_csv(folder / "slices.csv");
  Grid grid;
  double least = 1e9, most = -1e9;
  for (const ReadRoi& roi : read.rois)
    for (const Contour& contour : roi.contours)
      for (const Point3& p : contour.points_mm) {
        least = std::min(least, p[2]);
        most = std::max(most, p[2]);
      }
  grid.size = {520, 520, static_cast<std::uint32_t>(std::lround((most - least) / 3)) + 1};
  grid.origin_mm = {-260, -260 - 150, least};
  grid.step_mm = {Point3{1, 0, 0}, Point3{0, 1, 0}, Point3{0, 0, 3}};
  // Sums of polygon areas of the README; half a percent for burning 1 mm pixels.
  const std::vector<std::pair<std::string, double>> volumes{
      {"GTV-1", 156.3}, {"Spinal-Cord", 44.6}, {"Lung-Left", 2269}, {"Lung-Right", 2961}};
  for (const auto& [name, ml] : volumes) {
    const auto roi = std::ranges::find(read.rois, name, &ReadRoi::name);
    ASSERT_NE(roi, read.rois.end()) << name;
    double x = 0, points = 0;
    for (const Contour& contour : roi->contours)
      for (const Point3& p : contour.points_mm) {
        grid.origin_mm[1] = std::min(grid.origin_mm[1], p[1] - 5);
        x += p[0];
        ++points;
      }
    const auto mask = rasterise(roi->contours, grid);
    EXPECT_NEAR(double(std::ranges::count(mask.values, 1)) * grid.voxel_ml(), ml, ml * 0.005 + 1) << name;
    if (name == "Lung-Left") EXPECT_GT(x / points, 0) << "left is towards +x in LPS";
    if (name == "Lung-Right") EXPECT_LT(x / points, 0);
  }
}

}  // namespace
}  // namespace rouage::dicom
