#include "base/service.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <thread>

#include "base/error.h"
#include "base/host.h"

namespace rouage {
namespace {
namespace fs = std::filesystem;

class DurableFiles : public ::testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("rouage-durable-" + std::to_string(::getpid()));
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

TEST_F(DurableFiles, KeepWhatWasWrittenInPiecesAndDigestIt) {
  const Bytes piece(300'000, 7);
  Bytes whole;
  DurableFile file(folder_ / "a");
  for (int i = 0; i < 5; ++i) {
    file.write(piece);
    whole.insert(whole.end(), piece.begin(), piece.end());
  }
  EXPECT_EQ(file.finish(), sha256(whole));
  EXPECT_EQ(file.size(), whole.size());
  EXPECT_EQ(read_file(folder_ / "a", kMebibyte * 10), whole);
}

TEST_F(DurableFiles, LeaveNothingWhenTheyWereNotFinished) {
  {
    DurableFile file(folder_ / "a");
    file.write(Bytes(10, 1));
  }
  EXPECT_FALSE(fs::exists(folder_ / "a"));
}

TEST_F(DurableFiles, NeverOverwrite) {
  DurableFile(folder_ / "a").finish();
  try {
    DurableFile again(folder_ / "a");
    FAIL() << "an existing file was opened for writing";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::FileUnwritable);
  }
}

TEST_F(DurableFiles, ReadARange) {
  DurableFile file(folder_ / "a");
  const Bytes bytes{0, 1, 2, 3, 4, 5};
  file.write(bytes);
  file.finish();
  EXPECT_EQ(read_file_range(folder_ / "a", 2, 3), (Bytes{2, 3, 4}));
  EXPECT_EQ(read_file_range(folder_ / "a", 4, 10), (Bytes{4, 5}));
  EXPECT_TRUE(read_file_range(folder_ / "a", 100, 10).empty());
}

TEST(Gate, LetsNobodyInAfterItClosedAndWaitsForThoseInside) {
  Gate gate;
  auto pass = std::make_unique<Gate::Pass>(gate.enter());
  ASSERT_TRUE(*pass);
  EXPECT_FALSE(gate.close(0.01)) << "somebody is still inside";
  EXPECT_FALSE(gate.enter()) << "closed";
  std::thread leaver([&] { pass.reset(); });
  EXPECT_TRUE(gate.close(10));
  leaver.join();
}

TEST(Metrics, PrintPrometheusText) {
  Metrics registry;
  registry.counter("rouage_x_total", "things", {{"ae", "CT\"1"}}).add(2);
  registry.counter("rouage_x_total", "things", {{"ae", "CT\"1"}}).add();
  registry.gauge("rouage_y_bytes", "bytes").set(1.5);
  Histogram& histogram = registry.histogram("rouage_z_seconds", "time");
  histogram.observe(0.0005);
  histogram.observe(0.003);
  histogram.observe(1e9);
  const std::string text = registry.text();
  EXPECT_NE(text.find("# TYPE rouage_x_total counter\nrouage_x_total{ae=\"CT\\\"1\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("rouage_y_bytes 1.5\n"), std::string::npos) << text;
  EXPECT_NE(text.find("rouage_z_seconds_bucket{le=\"0.001\"} 1\n"), std::string::npos) << text;
  EXPECT_NE(text.find("rouage_z_seconds_bucket{le=\"0.004\"} 2\n"), std::string::npos) << text;
  EXPECT_NE(text.find("rouage_z_seconds_bucket{le=\"+Inf\"} 3\n"), std::string::npos) << text;
  EXPECT_NE(text.find("rouage_z_seconds_count 3\n"), std::string::npos) << text;
}

TEST(Log, HidesPatientFieldsBehindASaltedDigestUnlessAllowed) {
  const auto lines_of = [](LogOptions options) {
    ::testing::internal::CaptureStderr();
    set_log_options(std::move(options));
    log_event(LogLevel::info, "receive", "object stored", {{"ae", "CT1"}, patient_field("patient", "DUPONT^ANNE")});
    log_event(LogLevel::debug, "receive", "not shown");
    set_log_options({});
    return ::testing::internal::GetCapturedStderr();
  };
  const std::string hidden = lines_of({.salt = "a"});
  EXPECT_EQ(hidden.find("DUPONT"), std::string::npos) << hidden;
  EXPECT_NE(hidden.find("\"ae\":\"CT1\""), std::string::npos) << hidden;
  EXPECT_EQ(hidden.find("not shown"), std::string::npos) << hidden;
  EXPECT_NE(hidden.substr(hidden.find("patient")), lines_of({.salt = "b"}).substr(hidden.find("patient")))
      << "another store, another digest";
  EXPECT_NE(lines_of({.patient_data = true}).find("DUPONT^ANNE"), std::string::npos);
}

TEST(Log, IsNotForgedByAPeersText) {
  ::testing::internal::CaptureStderr();
  set_log_options({.json = false});
  log_event(LogLevel::info, "receive", "refused", {{"ae", "A\n2026 error faked"}});
  set_log_options({});
  const std::string text = ::testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 1) << text;
}

TEST(UtcText, IsIso8601WithMilliseconds) {
  EXPECT_EQ(utc_text(0), "1970-01-01T00:00:00.000Z");
  EXPECT_EQ(utc_text(1.9996), "1970-01-01T00:00:02.000Z") << "rounds up into the next second";
}

}  // namespace
}  // namespace rouage
