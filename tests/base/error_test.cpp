#include "base/error.h"

#include <gtest/gtest.h>

using namespace rouage;

TEST(ErrorText, NamesFileTagCauseAndRemedy) {
  const auto error = Error(ErrorCode::FileTooLarge, "9 bytes").tag("(0028,0010) Rows").file("film.dcm");
  EXPECT_STREQ(
      error.what(),
      "film.dcm: (0028,0010) Rows: the file is larger than the limit: 9 bytes; raise the limit (--max-file-mb) "
      "if the file is right");
}

TEST(ErrorContext, OfAnInnerFrameIsKept) {
  auto error = Error(ErrorCode::FileMissing).file("inner");
  error.file("outer");
  EXPECT_EQ(error.file(), "inner");
}

TEST(ErrorTable, HasARemedyInBothLanguagesAndAnExitCodeForEach) {
  for (const ErrorEntry& entry : kErrorTable) {
    EXPECT_FALSE(entry.en.empty() || entry.fr.empty() || entry.remedy_en.empty() || entry.remedy_fr.empty())
        << entry.name;
    EXPECT_TRUE(entry.exit >= 1 && entry.exit <= 4) << entry.name;
    EXPECT_TRUE(entry.http >= 400 && entry.http < 600) << entry.name;
  }
}
