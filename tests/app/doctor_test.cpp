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

// RTE-5: ONNX Runtime is built with a telemetry client: nothing of it may be left in the user's folder, or be started.
TEST(Privacy, TheRuntimesTelemetryNeverStarts) {
  const Folder folder("home");
  const std::string home = "HOME=" + folder.path().string() + " XDG_CACHE_HOME= ROUAGE_HOME=" ROUAGE_SOURCE_DIR " ";
  ASSERT_EQ(run("doctor", home).exit_code, 0);
  for (const auto& entry : fs::recursive_directory_iterator(folder.path()))
    EXPECT_EQ(entry.path().string().find("onnxruntime"), std::string::npos) << entry.path();
}
