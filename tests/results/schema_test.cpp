// docs/formats/analyze.schema.json (draft 7) accepts what we print and refuses what misses a key. valijson lives here
// only.
#include <gtest/gtest.h>
#include <filesystem>

#include <nlohmann/json.hpp>
#include <valijson/adapters/nlohmann_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validator.hpp>

#include "base/host.h"
#include "results/results.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

using Json = nlohmann::json;

/// "" when the document fits the schema, else the first complaint.
std::string complaint(const Json& document) {
  static const Json text =
      Json::parse(read_text(std::filesystem::path(ROUAGE_SOURCE_DIR) / "docs/formats/analyze.schema.json"));
  valijson::Schema schema;
  valijson::SchemaParser parser(valijson::SchemaParser::kDraft7);
  const valijson::adapters::NlohmannJsonAdapter schema_adapter(text);
  parser.populateSchema(schema_adapter, schema);
  valijson::Validator validator;
  valijson::ValidationResults results;
  const valijson::adapters::NlohmannJsonAdapter target(document);
  if (validator.validate(schema, target, &results)) return {};
  valijson::ValidationResults::Error error;
  std::string said = "no reason given";
  while (results.popError(error)) {
    said.clear();
    for (const std::string& part : error.context) said += part;
    said += ": " + error.description;
  }
  return said;
}

TEST(AnalyzeSchema, acceptsEveryKindOfLine) {
  for (const cogs::CogResult& result : {sample_result(), ineligible_result(), study_result()})
    EXPECT_EQ(
        complaint(Json::parse(results::analyze_json(result, {"a.dcm", {"a.dcm"}, {"sr.dcm"}, "1.2.3", "1.2.3.4.1"}))),
        "");
  const Json refused = {{"input", "bad.dcm"},
                        {"level", "image"},
                        {"cog", "chest"},
                        {"status", "refused"},
                        {"reason", "bad.dcm: ..."},
                        {"error", {{"code", "NotDicom"}, {"tag", ""}, {"remedy", ""}}},
                        {"findings", Json::array()},
                        {"scores", Json::object()},
                        {"measurements", Json::array()},
                        {"outputs", Json::array()},
                        {"model", nullptr}};
  EXPECT_EQ(complaint(refused), "");
}

TEST(AnalyzeSchema, refusesMissingKeysAndWrongTypes) {
  const Json good = Json::parse(results::analyze_json(sample_result(), {"a.dcm", {}, {}, "1.2.3", "1.2.3.4.1"}));
  for (const char* key :
       {"input", "level", "cog", "status", "reason", "findings", "scores", "measurements", "outputs", "model"}) {
    Json without = good;
    without.erase(key);
    EXPECT_NE(complaint(without), "") << key;
  }
  Json wrong = good;
  wrong["findings"][0]["probability"] = 1.5;
  EXPECT_NE(complaint(wrong), "") << "a probability above 1";
  wrong = good;
  wrong["status"] = "finished";
  EXPECT_NE(complaint(wrong), "");
}

}  // namespace
}  // namespace rouage::test
