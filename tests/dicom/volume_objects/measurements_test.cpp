// Figures of labels against figures by hand; TID 1411 groups in a document that others accept.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "base/error.h"
#include "base/host.h"
#include "dicom/volume_objects/made_volumes.h"

namespace rouage::dicom {
namespace {

using image::LabelMap;
using image::Point3;

struct Case {
  LabelMap map;
  image::Volume<float> image;
};

Case random_case() {
  Case made{made::painted(made::axial_grid(31, 22, 9), [](const Point3&) { return std::uint16_t{0}; }), {}};
  std::mt19937 random(3);
  for (auto& value : made.map.values) value = random() % 5;
  made.image.grid = made.map.grid;
  for (std::size_t v = 0; v < made.map.values.size(); ++v)
    made.image.values.push_back(made.map.values[v] == 2
                                    ? std::ldexp(float(random() % 1000) - 500, int(random() % 40) - 20)
                                    : float(int(random() % 2000) - 1000));
  return made;
}

IntensitySource source_of(const image::Volume<float>& image) {
  return [&image](std::uint32_t k) { return image.slice(k); };
}

// The plain way: all values sorted, in long double.
TEST(MeasureLabels, areThoseOfTheSortedValues) {
  const Case made = random_case();
  const std::vector<std::uint16_t> values{1, 2, 3, 4, 17};
  const auto figures = measure_labels(made.map.grid, made::source_of(made.map), source_of(made.image), values);
  for (std::size_t n = 0; n < 4; ++n) {
    std::vector<float> sorted;
    for (std::size_t v = 0; v < made.map.values.size(); ++v)
      if (made.map.values[v] == values[n]) sorted.push_back(made.image.values[v]);
    std::sort(sorted.begin(), sorted.end());
    const long double mean = std::accumulate(sorted.begin(), sorted.end(), 0.0L) / sorted.size();
    long double squares = 0;
    for (const float x : sorted) squares += (x - mean) * (x - mean);
    const double scale = std::max(std::abs(double(sorted.front())), std::abs(double(sorted.back())));
    EXPECT_EQ(figures[n].voxels, sorted.size());
    EXPECT_DOUBLE_EQ(figures[n].volume_ml, sorted.size() * 0.75 * 0.8 * 2.5 / 1000);
    EXPECT_NEAR(*figures[n].mean, double(mean), 1e-12 * scale);
    EXPECT_NEAR(*figures[n].standard_deviation, double(std::sqrt(squares / (sorted.size() - 1))), 1e-9 * scale);
    EXPECT_EQ(*figures[n].minimum, sorted.front());
    EXPECT_EQ(*figures[n].maximum, sorted.back());
    EXPECT_EQ(*figures[n].median, (double(sorted[(sorted.size() - 1) / 2]) + sorted[sorted.size() / 2]) / 2);
  }
  EXPECT_EQ(figures[4].voxels, 0U) << "a label that is not there";
  EXPECT_FALSE(figures[4].mean || figures[4].median) << "has no intensities, not zeros";
}

TEST(MeasureLabels, oneVoxelAndVoxelsWithoutANumber) {
  LabelMap map = made::painted(made::axial_grid(4, 4, 1), [](const Point3&) { return std::uint16_t{0}; });
  image::Volume<float> image{map.grid, std::vector<float>(16, 7), ""};
  map.values[3] = 1;
  map.values[4] = map.values[5] = 2;
  image.values[4] = std::numeric_limits<float>::quiet_NaN();
  image.values[5] = -0.0F;
  const auto figures =
      measure_labels(map.grid, made::source_of(map), source_of(image), std::vector<std::uint16_t>{1, 2});
  EXPECT_EQ(*figures[0].standard_deviation, 0);
  EXPECT_EQ(*figures[0].median, 7);
  EXPECT_EQ(figures[1].voxels, 2U) << "the volume counts it";
  EXPECT_EQ(figures[1].not_finite, 1U);
  EXPECT_EQ(*figures[1].mean, 0);
  EXPECT_EQ(*figures[1].median, 0);
}

std::vector<OrganMeasurement> two_kidneys() {
  std::vector<OrganMeasurement> organs;
  for (const char* name : {"kidney_left", "kidney_right", "kidney_cyst_left"}) {
    OrganMeasurement organ;
    organ.tracking_id = name;
    organ.tracking_uid = derived_uid({"track", name});
    organ.codes = organ_codes(name);
    organ.segment = static_cast<int>(organs.size()) + 1;
    organ.figures = {1, 1000, 0, 151.25, 32.5, 11.75, -20, 190, 33};
    organ.intensity = intensity_meaning("CT", "[hnsf'U]");
    organs.push_back(organ);
  }
  organs[2].figures.mean = organs[2].figures.standard_deviation = organs[2].figures.minimum =
      organs[2].figures.maximum = organs[2].figures.median = std::nullopt;
  return organs;
}

MeasurementContext context() {
  return {{"1.2.840.10008.5.1.4.1.1.66.4", "2.25.1", "2.25.2", "1.2.3", 0, 0}, "1.2.3.4", "net", "1"};
}

TEST(OrganMeasurements, sayVolumeIntensitiesSegmentAndSide) {
  const auto groups = organ_measurements(two_kidneys(), context());
  ASSERT_EQ(groups.size(), 3U);
  const auto child = [](const SrItem& parent, const Code& name) {
    return std::ranges::find_if(parent.children, [&](const SrItem& item) { return item.concept_name == name; });
  };
  const SrItem& left = groups[0];
  EXPECT_EQ(left.template_id, "1411");
  EXPECT_EQ(child(left, concept_code("referenced_segment"))->reference.segment, 1);
  EXPECT_EQ(child(left, concept_code("volume"))->number, 151.25);
  EXPECT_EQ(child(left, concept_code("volume"))->unit.value, "mL");
  for (std::size_t n = 0; n < 3; ++n) {
    const auto site = child(groups[n], concept_code("finding_site"));
    ASSERT_EQ(site->children.size(), 1U);
    EXPECT_EQ(site->children[0].code, concept_code(n == 1 ? "right" : "left")) << "laterality below the site";
  }
  EXPECT_EQ(child(groups[2], concept_code("finding_site"))->code.meaning, "Kidney") << "a cyst's site is its region";
  const auto intensities = [](const SrItem& group) {
    return std::ranges::count_if(group.children,
                                 [](const SrItem& item) { return item.concept_name->value == "112031"; });
  };
  EXPECT_EQ(intensities(left), 5);
  EXPECT_EQ(intensities(groups[2]), 0) << "absent figures are left out";
}

TEST(OrganMeasurements, refuseWhatRefersToNothing) {
  auto organs = two_kidneys();
  organs[0].segment = 0;
  EXPECT_THROW(organ_measurements(organs, context()), Error);
  organs = two_kidneys();
  organs[1].tracking_uid.clear();
  EXPECT_THROW(organ_measurements(organs, context()), Error);
}

TEST(OrganReport, isAcceptedByDciodvfyAndDsrdump) {
  const auto file = made::fresh_folder("sr") / "sr.dcm";
  const auto sources = made::sources_of(made::axial_grid(4, 4, 7));
  write_file(file, write_sr(organ_report(made::frame_of("2.25.8"), two_kidneys(), context(), sources, "fr")));
  if (!made::program_exists("dciodvfy") || !made::program_exists("dsrdump"))
    GTEST_SKIP() << "dciodvfy or dsrdump is not there";
  EXPECT_EQ(made::dciodvfy_errors(file), "");
  const auto dump = made::run_command("dsrdump " + file.string());
  EXPECT_EQ(dump.status, 0) << dump.output;
  EXPECT_NE(dump.output.find("151.25"), std::string::npos) << dump.output;
  EXPECT_EQ(dump.output.find("Error"), std::string::npos) << dump.output;
}

}  // namespace
}  // namespace rouage::dicom
