// `rouage model`, run as a user runs it.
#include <gtest/gtest.h>

#include "program.h"

using namespace program;

namespace {

bool chest_package_is_here() {
  return fs::exists(fs::path(ROUAGE_SOURCE_DIR) / "models" / "rouage-chest");
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
  if (!chest_package_is_here()) GTEST_SKIP() << "models/rouage-chest is absent";
  EXPECT_GE(Json::parse(run("model list --json").out).size(), 2U);
  EXPECT_EQ(Json::parse(run("model show rouage-chest --json").out)["name"], "rouage-chest");
  const Outcome check = run("model check rouage-chest --json");
  EXPECT_EQ(check.exit_code, 0) << check.out;
  EXPECT_TRUE(Json::parse(check.out)["passed"]);
}

TEST(Model, CheckPlaysThePointingGameOnBoxes) {
  if (!chest_package_is_here()) GTEST_SKIP() << "models/rouage-chest is absent";
  const Folder folder("boxes");
  make_phantoms(folder, 2);
  std::ofstream(folder / "boxes.csv") << "file,finding,x,y,w,h,px_frame\nfilm1.dcm,Infiltrate,0,0,1024,1024,1024\n"
                                         "film2.dcm,Infiltration,0,0,512,512,512\nfilm2.dcm,Unicorn,1,1,9,9,512\n";
  const Outcome outcome = run("model check rouage-chest --json --boxes " + (folder / "boxes.csv").string());
  ASSERT_EQ(outcome.exit_code, 0) << outcome.err;
  const Json pointing = Json::parse(outcome.out)["pointing"];
  EXPECT_EQ(pointing["without_output"], 1);
  ASSERT_EQ(pointing["rows"].size(), 1U);
  const Json& row = pointing["rows"][0];
  // Boxes of the whole film are hit by every map: 2 of 2.
  EXPECT_EQ(row["label"], "Infiltration");
  EXPECT_EQ(row["n"], 2);
  EXPECT_EQ(row["map"]["value"], 1.0);
  EXPECT_EQ(row["shuffled"]["value"], 1.0);
}

TEST(Model, CheckNamesTheRowOfABadBox) {
  if (!chest_package_is_here()) GTEST_SKIP() << "models/rouage-chest is absent";
  const Folder folder("badboxes");
  make_phantoms(folder, 1);
  const auto answer = [&](const std::string& table) {
    std::ofstream(folder / "boxes.csv") << table;
    return run("model check rouage-chest --boxes " + (folder / "boxes.csv").string());
  };
  const Outcome word = answer("file,finding,x,y,w,h\nfilm1.dcm,Mass,1,two,9,9\n");
  EXPECT_EQ(word.exit_code, 2);
  EXPECT_NE(word.err.find("row 2"), std::string::npos) << word.err;
  EXPECT_NE(answer("file,finding,x,y,w,h\nfilm1.dcm,Mass,900,1,9,9\n").err.find("outside"), std::string::npos);
  EXPECT_NE(answer("file,x,y,w,h\n").err.find("finding"), std::string::npos);
}

}  // namespace
