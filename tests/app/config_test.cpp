#include "app/config.h"

#include <gtest/gtest.h>

#include "app/program.h"
#include "base/toml_section.h"

namespace rouage::app {
namespace {

/// The message of the error that this text gives, "" when it is read.
std::string error_of(const std::string& text) {
  const program::Folder folder("config");
  std::ofstream(folder / "rouage.toml") << text;
  try {
    read_config(folder / "rouage.toml");
    return "";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::ConfigInvalid) << error.what();
    return error.what();
  }
}

TEST(Config, OfAHospitalIsReadWhole) {
  const program::Folder folder("config");
  std::ofstream(folder / "token") << "0123456789abcdef0123\n";
  std::ofstream(folder / "rouage.toml") << R"(
[site]
language = "fr"
ae = "ROUAGE1"
data = "/var/lib/rouage"
[store]
keep_free_mb = 4096
keep_days = 30
[dimse]
address = "0.0.0.0"
port = 11113
[[dimse.allow]]
ae = "CT1"
address = "10.1.0.0/16"
[[peer]]
ae = "PACS"
host = "pacs.local"
port = 4242
[http]
bearer_token_file = ")" << (folder / "token").string()
                                        << R"("
policy = "at_once"
[[destination]]
name = "pacs"
kind = "dicom"
host = "pacs.local"
port = 104
ae = "PACS"
policy = "at_once"
commitment = true
[[destination]]
name = "fhir"
kind = "fhir"
url = "https://fhir.local/r4"
[route]
workers = 2
[route.cogs.chest]
at_once = 2
memory_mb = 2048
[models.options]
operating_point = "sensitive"
)";
  const Config config = read_config(folder / "rouage.toml");
  EXPECT_EQ(config.language, "fr");
  EXPECT_EQ(config.ae_title, "ROUAGE1");
  EXPECT_EQ(config.store.folder, "/var/lib/rouage");
  EXPECT_EQ(config.store.keep_free_bytes, 4096ULL * 1024 * 1024);
  ASSERT_EQ(config.dimse.allowed.size(), 1);
  EXPECT_EQ(config.dimse.allowed[0].address, "10.1.0.0/16");
  ASSERT_EQ(config.peers.size(), 1);
  EXPECT_EQ(config.http.bearer_token, "0123456789abcdef0123");
  ASSERT_EQ(config.destinations.size(), 2);
  EXPECT_TRUE(config.destinations[0].commitment);
  EXPECT_EQ(config.destinations[1].policy, store::Policy::after_first_read) << "nothing leaves unread by default";
  EXPECT_EQ(config.route.limits.cogs.at("chest").at_once, 2);
  EXPECT_EQ(config.models.options.at("operating_point"), "sensitive");
}

TEST(Config, NamesLineKeyAndNearestKeyOfAMistake) {
  EXPECT_NE(error_of("[dimse]\nprot = 104\n").find("line 2: dimse.prot is not known; did you mean port?"),
            std::string::npos)
      << error_of("[dimse]\nprot = 104\n");
  EXPECT_NE(error_of("[dims]\n").find("did you mean dimse?"), std::string::npos);
  EXPECT_NE(error_of("[dimse]\nport = 70000\n").find("allowed are 0 to 65535"), std::string::npos);
  EXPECT_NE(error_of("[dimse]\nport = \"104\"\n").find("must be a whole number"), std::string::npos);
  EXPECT_NE(error_of("[dimse\n").find("line 1"), std::string::npos);
  EXPECT_NE(error_of("[site]\nlanguage = \"de\"\n").find("allowed are en, fr"), std::string::npos);
  EXPECT_NE(error_of("[[destination]]\nname = \"x\"\nkind = \"dicom\"\n").find("host is missing"), std::string::npos);
  EXPECT_NE(error_of("[priors]\nae = \"PACS\"\n").find("is not the ae of any [[peer]]"), std::string::npos);
  EXPECT_NE(error_of("[dimse.tls]\ncertificate = \"c.pem\"\n").find("needs key"), std::string::npos);
  const std::string twice =
      "[[destination]]\nname = \"a\"\nkind = \"folder\"\nfolder = \"x\"\n"
      "[[destination]]\nname = \"a\"\nkind = \"folder\"\nfolder = \"y\"\n";
  EXPECT_NE(error_of(twice).find("is used twice"), std::string::npos);
}

TEST(Config, SaysWhichExitsWaitForAReadingRoomThatIsNotThere) {
  const Config config;
  const auto warnings = warnings_of(config);
  EXPECT_TRUE(std::any_of(warnings.begin(), warnings.end(), [](const std::string& w) {
    return w.find("DICOMweb: policy after_first_read waits for a physician") != std::string::npos;
  }));
  for (const std::string& warning : warnings_of(demo_config()))
    EXPECT_EQ(warning.find("waits for a physician"), std::string::npos) << warning;
}

TEST(Config, OfTheDemonstrationListensOnLoopbackOnly) {
  const Config config = demo_config();
  EXPECT_EQ(config.dimse.address, "127.0.0.1");
  EXPECT_EQ(config.http.address, "127.0.0.1");
}

TEST(NearestWord, IsOfferedOnlyWhenItIsNear) {
  EXPECT_EQ(nearest_word("adress", {"address", "port"}), "address");
  EXPECT_EQ(nearest_word("completely_other", {"address", "port"}), "");
}

}  // namespace
}  // namespace rouage::app
