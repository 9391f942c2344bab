#include <gtest/gtest.h>

#include "program.h"

using namespace program;

// RES-3
TEST(Doctor, ProvesThatLeftStaysLeftThroughEveryPath) {
  const Outcome outcome = run("doctor --json");
  ASSERT_EQ(outcome.exit_code, 0) << outcome.out << outcome.err;
  const Json report = Json::parse(outcome.out);
  EXPECT_TRUE(report["passed"]);
  int orientation = 0;
  for (const Json& check : report["checks"])
    orientation += check["check"].get<std::string>().rfind("left", 0) == 0 ? 1 : 0;
  EXPECT_GE(orientation, 5);
}

TEST(Doctor, SaysWhatIsWrongWithAnInstallation) {
  const Folder folder("sick");
  fs::create_directories(folder / "models");
  const Outcome outcome = run("doctor", "ROUAGE_HOME=" + folder.path().string() + " ");
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.out.find("FAILED"), std::string::npos);
  EXPECT_NE(outcome.out.find("no model package"), std::string::npos);
}

// COG-5
TEST(Model, WithAChangedFileIsRefused) {
  const Folder folder("tampered");
  const fs::path package = fs::path(ROUAGE_SOURCE_DIR) / "models" / "rouage-chest-gate";
  if (!fs::exists(package)) GTEST_SKIP() << "models/rouage-chest-gate is absent";
  fs::copy(package, folder / "gate");
  std::ofstream(folder / "gate" / "model.onnx", std::ios::app) << "x";
  const Outcome outcome = run("model show " + (folder / "gate").string());
  EXPECT_EQ(outcome.exit_code, 4);
  EXPECT_NE(outcome.err.find("model.onnx"), std::string::npos) << outcome.err;
}

TEST(Model, ListShowAndCheckAnswerInJson) {
  if (!fs::exists(fs::path(ROUAGE_SOURCE_DIR) / "models" / "rouage-chest"))
    GTEST_SKIP() << "models/rouage-chest is absent";
  EXPECT_GE(Json::parse(run("model list --json").out).size(), 2U);
  EXPECT_EQ(Json::parse(run("model show rouage-chest --json").out)["name"], "rouage-chest");
  const Outcome check = run("model check rouage-chest --json");
  EXPECT_EQ(check.exit_code, 0) << check.out;
  EXPECT_TRUE(Json::parse(check.out)["passed"]);
}
