// The files of a film and of an examination: complete, valid, the same bytes twice, readable by others.
#include <gtest/gtest.h>

#include <set>

#include "base/host.h"
#include "results/dicom_dump.h"
#include "results/external.h"
#include "results/results.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

std::vector<results::ResultFile> film_files(const std::string& language = "en", bool pictures = false) {
  return results::film_results(sample_picture(), sample_result(), {language, pictures});
}

results::ResultFile file_of(const std::vector<results::ResultFile>& files, const std::string& role) {
  for (const results::ResultFile& file : files)
    if (file.role == role) return file;
  throw std::runtime_error("no file of role " + role);
}

std::vector<results::ResultFile> study_files(const std::string& language = "en") {
  const cogs::Picture picture = sample_picture();
  results::FilmSummary film{picture.header, sample_result(), film_files(language, true)};
  return results::study_results({film}, study_result(), {language, true});
}

bool is_dicom(const results::ResultFile& file) {
  return !file.sop_class_uid.empty();
}

TEST(FilmResults, holdEveryKindOfObject) {
  std::set<std::string> roles;
  for (const auto& file : film_files("en", true)) roles.insert(file.role);
  EXPECT_EQ(roles, (std::set<std::string>{"sr", "cad_sr", "seg", "gsps", "capture", "picture", "fhir"}));
}

TEST(FilmResults, aSecondRunGivesTheSameBytes) {
  const auto first = film_files("fr", true), second = film_files("fr", true);
  ASSERT_EQ(first.size(), second.size());
  for (std::size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i].bytes, second[i].bytes) << first[i].name;
}

TEST(FilmResults, identifiersDependOnModelAndRole) {
  const auto files = film_files();
  std::set<std::string> instances, series;
  for (const auto& file : files)
    if (is_dicom(file)) {
      instances.insert(file.sop_instance_uid);
      series.insert(file.series_instance_uid);
    }
  EXPECT_EQ(instances.size(), 4U);
  EXPECT_EQ(series.size(), 4U);
  cogs::CogResult other = sample_result();
  other.provenance.models[0].digest = std::string(64, 'b');
  for (const auto& file : results::film_results(sample_picture(), other, {"en", false}))
    if (is_dicom(file)) {
      EXPECT_FALSE(instances.contains(file.sop_instance_uid));
      EXPECT_FALSE(series.contains(file.series_instance_uid));
    }
}

TEST(FilmResults, filmsOfOneSeriesShareTheResultSeries) {
  cogs::Picture second = sample_picture();
  second.header.sop_instance_uid = "1.2.3.4.2";
  cogs::CogResult result = sample_result();
  result.provenance.input_uids = {"1.2.3.4.2"};
  const auto a = file_of(film_files(), "sr");
  const auto files = results::film_results(second, result, {"en", false});
  const auto b = file_of(files, "sr");
  EXPECT_EQ(a.series_instance_uid, b.series_instance_uid);
  EXPECT_NE(a.sop_instance_uid, b.sop_instance_uid);
}

TEST(FilmResults, roundTripThroughDcmtkChangesNothing) {
  for (const auto& file : film_files("en", true))
    if (is_dicom(file)) EXPECT_EQ(dump(file.bytes), dump_of_rewritten(file.bytes)) << file.name;
}

TEST(FilmResults, equalTheReviewedDumps) {
  for (const auto& file : film_files())
    if (is_dicom(file)) EXPECT_EQ(golden_difference(file.name, reviewable(file.bytes)), "");
  for (const auto& file : study_files())
    if (is_dicom(file)) EXPECT_EQ(golden_difference(file.name, reviewable(file.bytes)), "");
}

TEST(FilmResults, passDciodvfyWithoutError) {
  if (!program_exists("dciodvfy")) GTEST_SKIP() << "dciodvfy (Debian package dicom3tools) is not installed";
  const auto folder = fresh_folder("dciodvfy");
  auto files = film_files("fr", true);
  for (const auto& file : study_files("fr")) files.push_back(file);
  cogs::Picture picture = sample_picture();
  picture.header.made_from_picture = true;
  picture.header.sop_class_uid = "1.2.840.10008.5.1.4.1.1.7";
  for (const auto& file : results::film_results(picture, ineligible_result(), {"en", true}))
    files.push_back({"ineligible-" + file.name, file.role, file.bytes, file.sop_class_uid, "", ""});
  for (const auto& file : files) {
    if (!is_dicom(file)) continue;
    put(folder / file.name, file.bytes);
    EXPECT_EQ(dciodvfy_errors(folder / file.name), "") << file.name;
  }
}

TEST(FilmResults, withoutDatesCarryTheFixedOne) {
  cogs::Picture picture = sample_picture();
  picture.header.study_date = picture.header.study_time = "";
  picture.header.content_date = picture.header.content_time = "";
  std::erase_if(picture.header.patient_and_study,
                [](const dicom::RawAttribute& a) { return a.group == 8 && (a.element == 0x20 || a.element == 0x30); });
  const auto files = results::film_results(picture, sample_result(), {"en", false});
  const std::string text = dump(file_of(files, "sr").bytes);
  EXPECT_NE(text.find("(0008,0023) DA [19000101]"), std::string::npos);
  EXPECT_NE(text.find("(0008,0033) TM [000000]"), std::string::npos);
  EXPECT_NE(text.find("(0008,0020) DA (no value available)"), std::string::npos);
}

TEST(FilmResults, anIneligibleFilmSaysWhyAndHasNoFindings) {
  const auto files = results::film_results(sample_picture(), ineligible_result(), {"en", false});
  std::set<std::string> roles;
  for (const auto& file : files) roles.insert(file.role);
  EXPECT_EQ(roles, (std::set<std::string>{"sr", "fhir"}));
  const std::string tree = sr_tree(file_of(files, "sr").bytes);
  EXPECT_NE(tree.find("mirrored"), std::string::npos);
  EXPECT_NE(tree.find("Not eligible"), std::string::npos);
  EXPECT_EQ(tree.find("Measurement Group"), std::string::npos);
}

TEST(FilmResults, aFilmMadeFromAPictureBringsItsSource) {
  cogs::Picture picture = sample_picture();
  picture.header.made_from_picture = true;
  picture.header.sop_class_uid = "1.2.840.10008.5.1.4.1.1.7";
  const auto files = results::film_results(picture, sample_result(), {"en", false});
  const auto source = file_of(files, "source");
  EXPECT_EQ(source.name, "source.dcm");
  EXPECT_EQ(source.sop_instance_uid, picture.header.sop_instance_uid);
  EXPECT_NE(sr_tree(file_of(files, "sr").bytes).find("made from a picture"), std::string::npos);
}

TEST(FilmResults, aPhantomIsCalledSo) {
  cogs::Picture picture = sample_picture();
  picture.header.series_description = "Synthetic phantom film";
  const auto files = results::film_results(picture, sample_result(), {"en", false});
  EXPECT_NE(sr_tree(file_of(files, "sr").bytes).find("synthetic phantom"), std::string::npos);
  EXPECT_NE(dump(file_of(files, "seg").bytes).find("synthetic phantom"), std::string::npos);
}

TEST(FilmResults, aColourSourceHasNoGreyPresentationState) {
  cogs::Picture picture = sample_picture();
  picture.header.grey.photometric = "RGB";
  for (const auto& file : results::film_results(picture, sample_result(), {"en", false})) EXPECT_NE(file.role, "gsps");
}

TEST(StudyResults, listEveryResultObjectOnce) {
  const auto files = study_files();
  const std::string tree = sr_tree(file_of(files, "key_objects").bytes);
  for (const auto& file : film_files("en", true))
    if (is_dicom(file)) EXPECT_NE(tree.find(file.sop_instance_uid), std::string::npos) << file.name;
}

TEST(FilmResults, areReadByPydicom) {
  if (run_command("/usr/bin/python3 -c 'import pydicom'").status != 0)
    GTEST_SKIP() << "python3-pydicom is not installed";
  const auto folder = fresh_folder("pydicom");
  for (const auto& file : film_files("fr", true)) put(folder / file.name, file.bytes);
  const Outcome outcome =
      run_command("/usr/bin/python3 " ROUAGE_SOURCE_DIR "/tests/results/read_results.py " + folder.string());
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

}  // namespace
}  // namespace rouage::test
