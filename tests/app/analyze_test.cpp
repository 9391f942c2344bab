// What `rouage analyze` promises its users, on the built program.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include "program.h"

using namespace program;

namespace {

const Json* film_line(const std::vector<Json>& lines, const std::string& name) {
  for (const Json& line : lines)
    if (line["level"] == "image" && line["input"].get<std::string>().find(name) != std::string::npos) return &line;
  return nullptr;
}

}  // namespace

TEST(Analyze, GivesAFilmRowAndAStudyRowWithTheAgreedKeys) {
  const Folder folder("keys");
  make_phantoms(folder, 1);
  const Outcome outcome =
      run("analyze " + (folder / "film1.dcm").string() + " --out " + (folder / "out").string() + " --json");
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  const auto lines = outcome.lines();
  ASSERT_EQ(lines.size(), 2U);
  for (const Json& line : lines)
    for (const char* key :
         {"input", "level", "cog", "status", "findings", "scores", "measurements", "outputs", "model"})
      EXPECT_TRUE(line.contains(key)) << key;
  EXPECT_EQ(lines[0]["level"], "image");
  EXPECT_EQ(lines[1]["level"], "study");
  EXPECT_EQ(lines[1]["inputs"].size(), 1U);
  for (const Json& path : lines[0]["outputs"]) EXPECT_TRUE(fs::exists(path.get<std::string>())) << path;
}

// RES-1, and the result does not depend on how many children did the work.
TEST(Analyze, GivesTheSameBytesOnASecondRunAndWithOtherJobs) {
  const Folder folder("bytes");
  make_phantoms(folder, 3);
  const std::string films =
      (folder / "film1.dcm").string() + " " + (folder / "film2.dcm").string() + " " + (folder / "film3.dcm").string();
  run("analyze " + films + " --jobs 1 --out " + (folder / "a").string());
  run("analyze " + films + " --jobs 3 --out " + (folder / "b").string());
  const auto a = tree(folder / "a"), b = tree(folder / "b");
  EXPECT_GT(a.size(), 9U);
  ASSERT_EQ(a.size(), b.size());
  for (const auto& [name, bytes] : a) {
    ASSERT_TRUE(b.contains(name)) << name;
    EXPECT_TRUE(bytes == b.at(name)) << name << " differs";
  }
}

// RTE-3
TEST(Analyze, InterruptedGoesOnAndPrintsFinishedInputsAgain) {
  const Folder folder("resume");
  make_phantoms(folder, 4);
  const std::string out = (folder / "out").string();
  run("analyze " + (folder / "film1.dcm").string() + " " + (folder / "film2.dcm").string() + " --out " + out);
  const auto before = fs::last_write_time(folder / "out" / ".rouage" / "journal.jsonl");
  const Outcome again = run("analyze " + (folder / "film1.dcm").string() + " " + (folder / "film2.dcm").string() +
                            " --out " + out + " --json");
  EXPECT_EQ(again.lines().size(), 4U);
  EXPECT_EQ(fs::last_write_time(folder / "out" / ".rouage" / "journal.jsonl"), before)
      << "finished work was done again";
  // A result that was damaged in the meantime is made anew.
  const std::string damaged = again.lines()[0]["outputs"][0];
  std::ofstream(damaged, std::ios::trunc).close();
  const Outcome mended = run("analyze " + (folder / "film1.dcm").string() + " --out " + out + " --json");
  EXPECT_EQ(mended.exit_code, 0);
  EXPECT_GT(fs::file_size(damaged), 0U);
}

TEST(Analyze, NamesEachRefusedFileOnceAndExitsWithOne) {
  const Folder folder("refuse");
  make_phantoms(folder, 1);
  std::ofstream(folder / "letter.txt") << "not a film";
  std::ofstream(folder / "empty.dcm").close();
  const std::string whole = slurp(folder / "film1.dcm");
  std::ofstream(folder / "torn.dcm", std::ios::binary) << whole.substr(0, whole.size() / 2);
  const Outcome outcome = run("analyze " + folder.path().string() + " --out " + (folder / "out").string() + " --json");
  EXPECT_EQ(outcome.exit_code, 1);
  const auto lines = outcome.lines();
  for (const char* name : {"letter.txt", "empty.dcm", "torn.dcm"}) {
    const Json* line = film_line(lines, name);
    ASSERT_NE(line, nullptr) << name;
    EXPECT_EQ((*line)["status"], "refused") << name;
    EXPECT_FALSE((*line)["error"]["remedy"].get<std::string>().empty()) << name;
    EXPECT_NE(outcome.err.find(name), std::string::npos) << name;
  }
  EXPECT_NE((*film_line(lines, "film1.dcm"))["status"], "refused");
  for (const auto& entry : fs::directory_iterator(folder / "out"))
    EXPECT_EQ(entry.path().string().find(".part"), std::string::npos) << "RTE-2: something half-written was left";
}

TEST(Analyze, ExitCodesAreThePublicOnes) {
  const Folder folder("exit");
  EXPECT_EQ(run("analyze /nowhere/film.dcm --out " + (folder / "o").string()).exit_code, 3);
  EXPECT_EQ(run("analyze").exit_code, 2);
  EXPECT_EQ(run("frobnicate").exit_code, 2);
  EXPECT_EQ(run("--help").exit_code, 0);
  EXPECT_EQ(run("analyze --help").exit_code, 0);
  make_phantoms(folder, 1);
  EXPECT_EQ(
      run("analyze " + (folder / "film1.dcm").string() + " --cog none --out " + (folder / "o").string()).exit_code, 2);
}

TEST(Analyze, APictureNeedsAsFilmAndItsTableTellsTheAge) {
  const Folder folder("picture");
  run("phantom film --out " + (folder / "p.dcm").string() + " --png " + (folder / "child.png").string() +
      " --columns 512 --rows 512");
  const Outcome without =
      run("analyze " + (folder / "child.png").string() + " --out " + (folder / "a").string() + " --json");
  EXPECT_EQ(without.exit_code, 1);
  EXPECT_NE(without.err.find("--as-film"), std::string::npos);
  std::ofstream(folder / "facts.csv") << "file,age,sex,view\nchild.png,7,F,PA\n";
  const Outcome with = run("analyze " + (folder / "child.png").string() + " --as-film --table " +
                           (folder / "facts.csv").string() + " --out " + (folder / "b").string() + " --json");
  EXPECT_EQ(with.exit_code, 0) << with.err;
  const auto lines = with.lines();
  EXPECT_EQ(lines[0]["status"], "ineligible");
  EXPECT_TRUE(lines[0]["findings"].empty()) << "COG-1";
  EXPECT_NE(lines[0]["reason"].get<std::string>().find("child"), std::string::npos) << lines[0]["reason"];
}

TEST(Analyze, OnTheWholeConformanceFolderEndsWithOneClearLineARefusedFile) {
  const fs::path data = fs::path(ROUAGE_SHARED_DIR) / "data" / "dicom";
  if (!fs::exists(data)) GTEST_SKIP() << "the conformance files of ../shared/data/dicom are absent";
  const Folder folder("conformance");
  const Outcome outcome =
      run("analyze " + data.string() + " --no-pictures --out " + (folder / "out").string() + " --json");
  EXPECT_EQ(outcome.exit_code, 1) << outcome.err.substr(0, 2000);
  std::size_t refused = 0, said = 0;
  for (const Json& line : outcome.lines()) {
    EXPECT_NE(line["status"], "") << line["input"];
    if (line["status"] == "refused") {
      ++refused;
      EXPECT_NE(line["error"]["code"], "Internal") << line["reason"];
      EXPECT_NE(line["error"]["code"], "WorkerEnded") << line["reason"];
    }
  }
  std::istringstream messages(outcome.err);
  for (std::string line; std::getline(messages, line);) said += line.rfind("refused: ", 0) == 0 ? 1 : 0;
  EXPECT_EQ(said, refused);
  EXPECT_GT(refused, 20U);
}
