/// Hostile files end their reader, never the gateway. The readers here are small shell programs that misbehave on
/// purpose; tests/app/dicomweb_stow_test.cpp uses the real one.
#include "receive/header_reader.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/host.h"
#include "receive/entry_json.h"

namespace {

using namespace rouage;
namespace fs = std::filesystem;

/// A reader whose loop answers each request by a shell body ($request holds it).
class Script {
 public:
  explicit Script(const std::string& body) {
    static int count = 0;
    path_ = fs::temp_directory_path() /
            ("rouage-reader-" + std::to_string(::getpid()) + "-" + std::to_string(count++) + ".sh");
    std::ofstream(path_) << "#!/bin/bash\nanswer() { printf '%d\\n%s' \"${#1}\" \"$1\"; }\n"
                         << "while read -r length && read -r -N \"$length\" request; do\n"
                         << body << "\ndone\n";
    fs::permissions(path_, fs::perms::owner_all);
  }
  ~Script() { fs::remove(path_); }
  receive::ReaderOptions options(double deadline_s = 10) const {
    return {.program = path_, .command = "read", .children = 2, .deadline_s = deadline_s, .answer_bytes = 4096};
  }

 private:
  fs::path path_;
};

dicom::IndexEntry some_entry() {
  dicom::IndexEntry entry;
  entry.patient_name = "Müller^Jürgen=山田^太郎";
  entry.study_instance_uid = "1.2.3";
  entry.series_instance_uid = "1.2.3.4";
  entry.sop_instance_uid = "1.2.3.4.5";
  entry.sop_class_uid = "1.2.840.10008.5.1.4.1.1.2";
  entry.transfer_syntax_uid = "1.2.840.10008.1.2.1";
  entry.rows = 512;
  entry.position_mm = -12.625;
  entry.said_count = 200;
  entry.made_by_rouage = true;
  return entry;
}

TEST(EntryJson, ComesBackEqual) {
  const auto entry = some_entry();
  const auto back = receive::entry_from_json(receive::entry_to_json(entry));
  EXPECT_EQ(back.patient_name, entry.patient_name);
  EXPECT_EQ(back.sop_instance_uid, entry.sop_instance_uid);
  EXPECT_EQ(back.rows, 512u);
  EXPECT_EQ(back.position_mm, entry.position_mm);  // binary fraction: exact in decimal text
  EXPECT_EQ(back.said_count, 200);
  EXPECT_TRUE(back.made_by_rouage);
  EXPECT_FALSE(back.has_pixels);
  EXPECT_EQ(receive::entry_to_json(back), receive::entry_to_json(entry));
}

TEST(EntryJson, NothingOfAChildThatWasTakenOverIsBelieved) {
  const std::string good = receive::entry_to_json(some_entry());
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string line = good;
    const auto at = line.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    line.replace(at, from.size(), to);
    try {
      receive::entry_from_json(line);
      FAIL() << "taken: " << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid);
    }
  };
  refused("\"1.2.3.4.5\"", "\"../../etc/passwd\"");
  refused("\"1.2.3\"", "\"1.2.3/4\"");
  refused("\"1.2.3\"", "\"\"");
  refused("\"1.2.840.10008.1.2.1\"", "7");
  refused("512", "-1");
  refused("512", "4294967296");
  refused("-12.625", "1e300");
  refused("200", "99999999999");
  refused("true", "\"yes\"");
  refused("Müller", "M\\u0000ller");
  refused("Müller", std::string(20'000, 'a'));
  refused("{", "[");
}

TEST(EntryLine, ComesBackEqual) {
  auto entry = some_entry();
  entry.study_description = "tab\there, line\nthere, back\\slash \\t";
  entry.stack = "1\\0\\0";
  entry.stands_alone = true;
  const auto back = receive::entry_from_line(receive::entry_to_line(entry));
  EXPECT_EQ(back.study_description, entry.study_description);
  EXPECT_EQ(receive::entry_to_json(back), receive::entry_to_json(entry));  // all that the other way carries
  const auto bare = receive::entry_from_line(receive::entry_to_line([&] {
    auto without = entry;
    without.position_mm.reset();
    without.said_count.reset();
    return without;
  }()));
  EXPECT_FALSE(bare.position_mm || bare.said_count);
}

TEST(EntryLine, IsOneLineAndUtf8WhateverTheTextsHold) {
  auto entry = some_entry();
  entry.patient_name = "caf\xE9\nau lait";
  const std::string line = receive::entry_to_line(entry);
  EXPECT_EQ(line.find('\n'), std::string::npos);
  EXPECT_EQ(receive::entry_from_line(line).patient_name, "caf?\nau lait");
}

TEST(EntryLine, NothingOfAChildThatWasTakenOverIsBelieved) {
  const std::string good = receive::entry_to_line(some_entry());
  const auto refused = [&](const std::string& from, const std::string& to) {
    std::string line = good;
    const auto at = line.find(from);
    ASSERT_NE(at, std::string::npos) << from;
    line.replace(at, from.size(), to);
    try {
      receive::entry_from_line(line);
      FAIL() << "taken: " << line;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid);
    }
  };
  refused("\t1.2.3.4.5\t", "\t../../etc/passwd\t");
  refused("\t1.2.3\t", "\t1.2.3/4\t");
  refused("\t1.2.3\t", "\t\t");
  refused("\t1.2.840.10008.1.2.1\t", "\t7 \t");
  refused("512", "-1");
  refused("512", "4294967296");
  refused("512", "51x");
  refused("-12.625", "1e300");
  refused("-12.625", "nan");
  refused("200", "99999999999");
  refused("\t1\t-12", "\t2\t-12");  // a truth value
  refused("Müller", std::string("M\0ller", 6));
  refused("Müller", "M\xFCller");
  refused("Müller", "M\\xller");
  refused("Müller", std::string(20'000, 'a'));
  refused("\t200\t", "\t200");
  refused("\t200\t", "\t200\tmore\t");
  EXPECT_THROW(receive::entry_from_line(""), Error);
}

TEST(EntryJson, ErrorsCrossWithCodeTagAndRemedy) {
  Error error(ErrorCode::HeaderInvalid, "no study");
  error.file("/x/y.dcm").tag("(0020,000D)").remedy("mend it");
  const Error back = receive::error_from_json(receive::error_to_json(error));
  EXPECT_EQ(back.code(), ErrorCode::HeaderInvalid);
  EXPECT_STREQ(back.what(), error.what());
  EXPECT_EQ(receive::error_from_json("rubbish").code(), ErrorCode::Internal);
}

TEST(ReaderChildren, AnswersAndErrorsOfTheChildComeThrough) {
  const Script script(R"(case "$request" in
    bad) answer '-{"error":"NotDicom","detail":"a poem"}' ;;
    *) answer "+<$request>" ;;
  esac)");
  receive::ReaderChildren children(script.options());
  EXPECT_EQ(children.ask("one"), "<one>");
  EXPECT_EQ(children.ask("two\nlines"), "<two\nlines>");
  try {
    children.ask("bad");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::NotDicom);
    EXPECT_EQ(error.detail(), "a poem");
  }
}

void expect_header_invalid(receive::ReaderChildren& children, const std::string& request) {
  try {
    children.ask(request);
    FAIL() << request;
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::HeaderInvalid) << error.what();
  }
}

TEST(ReaderChildren, ACrashCostsItsOwnFileOnly) {
  const Script script(R"([ "$request" = crash ] && kill -SEGV $$; answer "+$request")");
  receive::ReaderChildren children(script.options());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(children.ask("good"), "good");
    expect_header_invalid(children, "crash");
  }
  EXPECT_EQ(children.ask("good"), "good");
}

TEST(ReaderChildren, AChildThatDiedWhileIdleIsReplacedWithoutLoss) {
  const Script script(R"(answer "+$$")");
  receive::ReaderChildren children(script.options());
  const std::string first = children.ask("who");
  ASSERT_EQ(::kill(std::stoi(first), SIGKILL), 0);
  EXPECT_NE(children.ask("who"), first);
}

TEST(ReaderChildren, AHangingChildIsKilledAtItsDeadline) {
  const Script script(R"([ "$request" = hang ] && exec sleep 60; answer "+$request")");
  receive::ReaderChildren children(script.options(0.5));
  const double began_s = monotonic_s();
  expect_header_invalid(children, "hang");
  EXPECT_LT(monotonic_s() - began_s, 5);  // half a second is the deadline; the rest is for a busy machine
  EXPECT_EQ(children.ask("good"), "good");
}

TEST(ReaderChildren, AnAnswerIsNeverTrustedForItsLength) {
  const Script script(R"(case "$request" in
    long) printf '999999999999\nx' ;;
    huge) printf '99999999999999999999999999\nx' ;;
    odd) printf -- '-5\nx' ;;
    unmarked) answer "what" ;;
    empty) printf '0\n' ;;
    *) answer "+fine" ;;
  esac)");
  receive::ReaderChildren children(script.options(2));
  for (const char* request : {"long", "huge", "odd", "unmarked", "empty"}) expect_header_invalid(children, request);
  EXPECT_EQ(children.ask("other"), "fine");
}

TEST(ReaderChildren, ManyCallersShareFewChildren) {
  const Script script(R"(answer "+$request")");
  receive::ReaderChildren children(script.options());
  std::atomic<int> good{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 8; ++i)
    callers.emplace_back([&, i] {
      for (int j = 0; j < 20; ++j) {
        const std::string request = std::to_string(i * 100 + j);
        if (children.ask(request) == request) ++good;
      }
    });
  for (auto& caller : callers) caller.join();
  EXPECT_EQ(good, 160);
}

TEST(ReaderChildren, AProgramThatCannotBeStartedIsSaidWithRetry) {
  receive::ReaderChildren children({.program = "/nonexistent/rouage", .command = "read"});
  try {
    children.ask("x");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::WorkerEnded);
  }
}

}  // namespace
