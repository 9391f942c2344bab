// "AI unavailable", and a result that came after the report.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "dicom/object.h"
#include "page/page.h"
#include "results/dicom_dump.h"
#include "results/external.h"
#include "results/results.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

using results::ResultFile;
using results::UnavailableFacts;
using results::UnavailableReason;

UnavailableFacts facts() {
  UnavailableFacts facts;
  facts.reason = UnavailableReason::timed_out;
  facts.cog = "chest";
  facts.cog_version = "0.1.0";
  facts.models = {{"chest-film", "0.1.0", std::string(64, 'a'), "Rouage"}};
  facts.detail = "no answer within 300 s";
  facts.instances = 3;
  return facts;
}

ResultFile document(const std::string& language, const UnavailableFacts& what = facts()) {
  return results::unavailable_results(sample_header(), what, {language, true}).at(0);
}

// RES-8: a study without AI result says so and why.
TEST(Unavailable, saysSoWhyAndForWhichSeriesInBothLanguages) {
  const std::string english = sr_tree(document("en").bytes), french = sr_tree(document("fr").bytes);
  EXPECT_NE(english.find("AI unavailable: no AI result exists for this series"), std::string::npos);
  EXPECT_NE(english.find("the analysis did not end in time"), std::string::npos);
  EXPECT_NE(english.find("(timed_out,99ROUAGE"), std::string::npos) << english;
  EXPECT_NE(english.find("1.2.3.4"), std::string::npos) << "the series";
  EXPECT_NE(english.find("3 instances"), std::string::npos);
  EXPECT_NE(english.find("no answer within 300 s"), std::string::npos);
  EXPECT_NE(french.find("IA indisponible"), std::string::npos);
  EXPECT_NE(french.find("ne s'est pas termin"), std::string::npos);
}

TEST(Unavailable, everyReasonHasWordsInBothLanguages) {
  for (const auto reason : {UnavailableReason::no_model, UnavailableReason::failed, UnavailableReason::crashed,
                            UnavailableReason::out_of_memory, UnavailableReason::timed_out, UnavailableReason::expired,
                            UnavailableReason::cancelled, UnavailableReason::incomplete}) {
    UnavailableFacts what = facts();
    what.reason = reason;
    for (const std::string language : {"en", "fr"}) {
      EXPECT_FALSE(page::text(language, "unavailable." + results::reason_name(reason)).empty());
      EXPECT_EQ(sr_complaint(document(language, what).bytes), "");
    }
  }
}

TEST(Unavailable, theSameFactsGiveTheSameBytesAndOtherFactsAnotherObject) {
  EXPECT_EQ(document("fr").bytes, document("fr").bytes);
  UnavailableFacts later = facts();
  later.series_version = 1;
  EXPECT_NE(document("fr").sop_instance_uid, document("fr", later).sop_instance_uid);
  later = facts();
  later.detail = "another";
  EXPECT_NE(document("fr").sop_instance_uid, document("fr", later).sop_instance_uid) << "other bytes, another UID";
}

TEST(Unavailable, isAPreliminaryReportOfOurs) {
  const auto folder = fresh_folder("unavailable");
  const ResultFile file = document("en");
  EXPECT_EQ(file.role, "sr") << "whoever is sent reports is sent this";
  put(folder / file.name, file.bytes);
  const dicom::IndexEntry entry = dicom::index_entry(folder / file.name);
  EXPECT_TRUE(entry.made_by_rouage);
  EXPECT_EQ(entry.sop_instance_uid, file.sop_instance_uid);
  EXPECT_EQ(entry.study_instance_uid, "1.2.3");
  EXPECT_EQ(entry.patient_id, "P-0001");
  EXPECT_NE(dump(file.bytes).find("[PRELIMINARY]"), std::string::npos);
}

TEST(Unavailable, passesDciodvfyAndTheReviewedDump) {
  EXPECT_EQ(golden_difference("unavailable.dcm", reviewable(document("en").bytes)), "");
  if (!program_exists("dciodvfy")) GTEST_SKIP() << "dciodvfy (Debian package dicom3tools) is not installed";
  const auto folder = fresh_folder("unavailable-dciodvfy");
  UnavailableFacts bare;
  bare.cog = "chest";
  bare.cog_version = "0.1.0";
  put(folder / "full.dcm", document("fr").bytes);
  put(folder / "bare.dcm", document("en", bare).bytes);
  EXPECT_EQ(dciodvfy_errors(folder / "full.dcm"), "");
  EXPECT_EQ(dciodvfy_errors(folder / "bare.dcm"), "");
}

TEST(Unavailable, itsBundleIsACancelledReport) {
  const auto files = results::unavailable_results(sample_header(), facts(), {"en", true});
  ASSERT_EQ(files.size(), 2U);
  EXPECT_EQ(files[1].role, "fhir");
  const auto bundle = nlohmann::json::parse(files[1].bytes.begin(), files[1].bytes.end());
  const auto report = bundle["entry"].back()["resource"];
  EXPECT_EQ(report["resourceType"], "DiagnosticReport");
  EXPECT_EQ(report["status"], "cancelled");
  EXPECT_NE(report["conclusion"].get<std::string>().find("AI unavailable"), std::string::npos);
  const std::filesystem::path package = std::filesystem::path(ROUAGE_SOURCE_DIR) / "build/fhir/node_modules/fhir";
  if (!program_exists("node") || !std::filesystem::exists(package))
    GTEST_SKIP() << package << " is missing: run scripts/install";
  const auto folder = fresh_folder("unavailable-fhir");
  put(folder / "unavailable.json", files[1].bytes);
  const Outcome outcome = run_command("node " ROUAGE_SOURCE_DIR "/tests/results/validate_fhir.js " + package.string() +
                                      " " + folder.string() + "/unavailable.json");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

// RES-9: a result that came after the final report says so.
TEST(AfterReport, everyDicomObjectAndTheBundleSaySo) {
  cogs::CogResult late = sample_result();
  results::say_after_report(late, "202503141015+0100", "en");
  bool report_says = false;
  for (const ResultFile& file : results::film_results(sample_picture(), late, {"en", true})) {
    if (file.role == "fhir") {
      EXPECT_NE(std::string(file.bytes.begin(), file.bytes.end()).find("after the report"), std::string::npos);
    } else if (!file.sop_class_uid.empty()) {
      EXPECT_NE(dump(file.bytes).find("after the report"), std::string::npos) << file.role;
    }
    if (file.role == "sr")
      report_says = sr_tree(file.bytes).find("came after the report of 2025-03-14 10:15") != std::string::npos;
  }
  EXPECT_TRUE(report_says);
}

TEST(AfterReport, isAnotherObjectThanTheResultInTime) {
  cogs::CogResult late = sample_result();
  results::say_after_report(late, "", "fr");
  EXPECT_TRUE(results::says_after_report(late.provenance));
  EXPECT_FALSE(results::says_after_report(sample_result().provenance));
  const auto in_time = results::film_results(sample_picture(), sample_result(), {"fr", false});
  const auto after = results::film_results(sample_picture(), late, {"fr", false});
  EXPECT_NE(in_time[0].sop_instance_uid, after[0].sop_instance_uid);
  EXPECT_NE(sr_tree(after[0].bytes).find("compte rendu"), std::string::npos);
}

TEST(AfterReport, aTimeThatIsNoneIsLeftOut) {
  cogs::CogResult late = sample_result();
  results::say_after_report(late, "yesterday", "en");
  EXPECT_EQ(late.warnings.back(), page::text("en", "after_report.undated"));
}

}  // namespace
}  // namespace rouage::test
