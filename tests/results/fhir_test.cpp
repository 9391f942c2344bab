// FHIR R4 bundles: valid for the npm package `fhir`, preliminary, deterministic, with the accession as identifier.
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "results/documents.h"
#include "results/external.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

using Json = nlohmann::json;

Json bundle(const cogs::CogResult& result) {
  const dicom::InstanceHeader header = sample_header();
  return Json::parse(results::fhir_bundle({&header}, result, {}, "fr"));
}

std::vector<Json> resources(const Json& json, const std::string& type) {
  std::vector<Json> found;
  for (const Json& entry : json["entry"])
    if (entry["resource"]["resourceType"] == type) found.push_back(entry["resource"]);
  return found;
}

TEST(FhirBundle, holdsOneResourceOfEachKindAndAnObservationAFinding) {
  const Json json = bundle(sample_result());
  EXPECT_EQ(json["type"], "collection");
  for (const char* type : {"Patient", "ImagingStudy", "Device", "DiagnosticReport"})
    EXPECT_EQ(resources(json, type).size(), 1U) << type;
  EXPECT_EQ(resources(json, "Observation").size(), 6U);  // score, four findings, age
}

TEST(FhirBundle, isPreliminaryAndCarriesTheAccession) {
  const Json json = bundle(sample_result());
  const Json report = resources(json, "DiagnosticReport")[0];
  EXPECT_EQ(report["status"], "preliminary");
  EXPECT_EQ(report["code"]["coding"][0]["system"], "http://loinc.org");
  EXPECT_EQ(report["identifier"][0]["value"], "ACC-77");
  EXPECT_EQ(resources(json, "ImagingStudy")[0]["identifier"][1]["type"]["coding"][0]["code"], "ACSN");
  for (const Json& observation : resources(json, "Observation")) EXPECT_EQ(observation["status"], "preliminary");
}

TEST(FhirBundle, aFindingHasProbabilityVerdictAndSide) {
  const Json effusion = resources(bundle(sample_result()), "Observation")[1];
  EXPECT_EQ(effusion["code"]["coding"][0]["code"], "60046008");
  EXPECT_EQ(effusion["component"][0]["valueQuantity"]["value"], 0.873);
  EXPECT_EQ(effusion["interpretation"][0]["coding"][0]["code"], "POS");
  EXPECT_EQ(effusion["bodySite"]["coding"][0]["code"], "7771000");
}

TEST(FhirBundle, anIneligibleFilmHasNoObservations) {
  const Json json = bundle(ineligible_result());
  EXPECT_TRUE(resources(json, "Observation").empty());
  EXPECT_NE(resources(json, "DiagnosticReport")[0]["conclusion"].get<std::string>().find("mirrored"),
            std::string::npos);
}

TEST(FhirBundle, isDeterministicAndItsReferencesResolve) {
  EXPECT_EQ(bundle(sample_result()).dump(), bundle(sample_result()).dump());
  const Json json = bundle(sample_result());
  std::set<std::string> urls;
  for (const Json& entry : json["entry"]) EXPECT_TRUE(urls.insert(entry["fullUrl"]).second) << "repeated id";
  const Json report = resources(json, "DiagnosticReport")[0];
  for (const Json& reference : report["result"]) EXPECT_TRUE(urls.contains(reference["reference"]));
  EXPECT_TRUE(urls.contains(report["subject"]["reference"]));
}

TEST(FhirBundle, isValidForTheFhirPackage) {
  const std::filesystem::path package = std::filesystem::path(ROUAGE_SOURCE_DIR) / "build/fhir/node_modules/fhir";
  if (!program_exists("node")) GTEST_SKIP() << "node is not installed";
  if (!std::filesystem::exists(package)) GTEST_SKIP() << package << " is missing: run scripts/install";
  const auto folder = fresh_folder("fhir");
  const dicom::InstanceHeader header = sample_header();
  dicom::InstanceHeader bare;
  bare.sop_class_uid = header.sop_class_uid;
  bare.sop_instance_uid = "1.2.3.4.9";
  bare.series_instance_uid = "1.2.3.5";
  bare.study_instance_uid = "1.2.9";
  const auto write = [&](const std::string& name, const std::string& text) {
    put(folder / name, Bytes(text.begin(), text.end()));
  };
  write("film.json", results::fhir_bundle({&header}, sample_result(), {}, "fr"));
  write("ineligible.json", results::fhir_bundle({&header}, ineligible_result(), {}, "en"));
  write("bare.json", results::fhir_bundle({&bare}, sample_result(), {}, "en"));
  write("study.json", results::fhir_bundle({&header, &bare}, study_result(), {}, "en"));
  const Outcome outcome = run_command("node " ROUAGE_SOURCE_DIR "/tests/results/validate_fhir.js " + package.string() +
                                      " " + folder.string() + "/*.json");
  EXPECT_EQ(outcome.status, 0) << outcome.output;
}

}  // namespace
}  // namespace rouage::test
