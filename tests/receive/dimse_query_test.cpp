// Queries, retrieval, commitment and notices: DCMTK's programs and our own client ask, the front answers.
#include "receive/dimse_fixture.h"

namespace rouage::receive {
namespace {

constexpr std::uint32_t kLevel = 0x00080052, kPatientName = 0x00100010, kStudy = 0x0020000D, kInstance = 0x00080018;

class DimseQueryTest : public DimseFrontTest {
 protected:
  void SetUp() override {
    DimseFrontTest::SetUp();
    if (IsSkipped()) return;
    start();
    for (const char* name : {"charset/chrFren.dcm", "charset/chrRuss.dcm", "ct_all_syntaxes/CTImage.dcm"})
      files_.push_back(test::shared("dicom") / name);
    dimse::Scu scu(peer(), "CT1", dimse::proposals_for(files_));
    for (const fs::path& file : files_) ASSERT_EQ(scu.store(file).code, 0) << file;
  }
  dimse::Scu asker(const std::string& verb) const {
    return dimse::Scu(peer(), "WORKSTATION", {{dimse::query_class("study", verb), {}}});
  }
  std::vector<fs::path> files_;
};

TEST_F(DimseQueryTest, findscu_gets_utf8_answers_and_says_so) {
  const test::Outcome outcome =
      test::shell("findscu -S -v -k QueryRetrieveLevel=IMAGE -k PatientName= -k SOPInstanceUID= " + at() + " -X -od " +
                  scratch_.path().string());
  ASSERT_EQ(outcome.status, 0) << outcome.output;
  std::string dumps;
  for (const fs::path& file : files_below(scratch_.path()))
    if (file.filename().string().starts_with("rsp")) dumps += test::dump_of(file);
  EXPECT_NE(dumps.find("ISO_IR 192"), std::string::npos) << dumps;
  EXPECT_NE(dumps.find("Buc^J\xC3\xA9r\xC3\xB4me"), std::string::npos) << dumps;
  EXPECT_NE(dumps.find("Люкceмбypг"), std::string::npos) << dumps;
}

TEST_F(DimseQueryTest, our_client_reads_the_same_answers) {
  std::set<std::string> names;
  const dimse::Status status =
      asker("find").find("study", {{kLevel, "IMAGE"}, {kPatientName, ""}}, [&](const dicom::Attributes& match) {
        names.insert(match.at(kPatientName));
        return true;
      });
  EXPECT_EQ(status.code, 0);
  EXPECT_TRUE(names.contains("Buc^J\xC3\xA9r\xC3\xB4me"));
}

TEST_F(DimseQueryTest, a_query_can_be_cancelled) {
  answers_.repeat = 100'000;
  int got = 0;
  auto scu = asker("find");
  const dimse::Status status =
      scu.find("study", {{kLevel, "IMAGE"}, {kInstance, ""}}, [&](const dicom::Attributes&) { return ++got < 10; });
  EXPECT_EQ(status.code, 0xFE00) << status.text;
  EXPECT_EQ(got, 10);
  EXPECT_LT(answers_.given, 300'000);
  EXPECT_EQ(scu.find("study", {{kLevel, "IMAGE"}}, [](const dicom::Attributes&) { return false; }).code, 0xFE00)
      << "the association goes on";
}

TEST_F(DimseQueryTest, a_query_without_a_level_and_a_failing_store_are_answered) {
  auto scu = asker("find");
  EXPECT_EQ(scu.find("study", {{kPatientName, ""}}, [](const dicom::Attributes&) { return true; }).code, 0xC000);
  answers_.fail_with = ErrorCode::DatabaseFailed;
  EXPECT_EQ(scu.find("study", {{kLevel, "STUDY"}}, [](const dicom::Attributes&) { return true; }).code, 0x0110);
}

TEST_F(DimseQueryTest, movescu_with_storescp_as_its_destination) {
  const int port = test::free_port();
  fs::create_directories(scratch_ / "moved");
  test::Background storescp({"storescp", "+xa", "-od", (scratch_ / "moved").string(), std::to_string(port)},
                            scratch_ / "storescp.log");
  ASSERT_TRUE(storescp.listens(port));
  answers_.destinations["DEST"] = {.host = "127.0.0.1", .port = port, .ae_title = "DEST"};
  const test::Outcome outcome =
      test::shell("movescu -S -v -aem DEST -k QueryRetrieveLevel=STUDY -k StudyInstanceUID= " + at());
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_NE(outcome.output.find("Success"), std::string::npos) << outcome.output;
  EXPECT_EQ(files_below(scratch_ / "moved").size(), 3u);
  EXPECT_EQ(asker("move").move("study", "NOBODY", {{kLevel, "STUDY"}}).code, 0xA801);
}

TEST_F(DimseQueryTest, a_move_to_a_dead_destination_says_what_failed) {
  answers_.destinations["DEST"] = {.host = "127.0.0.1", .port = test::free_port(), .ae_title = "DEST"};
  const dimse::Status status = asker("move").move("study", "DEST", {{kLevel, "STUDY"}});
  EXPECT_EQ(status.code, 0xA702);
  EXPECT_NE(status.text.find("3 failed"), std::string::npos) << status.text;
}

TEST_F(DimseQueryTest, getscu_receives_on_its_own_association) {
  fs::create_directories(scratch_ / "got");
  const test::Outcome outcome = test::shell("getscu -S -v -k QueryRetrieveLevel=STUDY -k StudyInstanceUID= -od " +
                                            (scratch_ / "got").string() + " " + at());
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(files_below(scratch_ / "got").size(), 3u) << outcome.output;
}

TEST_F(DimseQueryTest, our_client_gets_what_was_sent_byte_by_byte) {
  std::vector<dimse::Proposal> proposals = dimse::proposals_for(files_);
  for (dimse::Proposal& proposal : proposals) proposal.as_scp = true;
  proposals.push_back({dimse::query_class("study", "get"), {}});
  dimse::Scu scu(peer(), "WORKSTATION", proposals);
  fs::create_directories(scratch_ / "got");
  std::set<Bytes> got;
  const dimse::Status status = scu.get("study", {{kLevel, "STUDY"}, {kStudy, ""}}, scratch_ / "got",
                                       [&](const fs::path& file, std::uint64_t bytes, const Digest& digest) {
                                         EXPECT_EQ(fs::file_size(file), bytes);
                                         EXPECT_EQ(file_digest(file, bytes), digest);
                                         got.insert(test::data_set_bytes(file));
                                         return dimse::Status{};
                                       });
  EXPECT_EQ(status.code, 0) << status.text;
  for (const fs::path& file : files_) EXPECT_TRUE(got.contains(test::data_set_bytes(file))) << file;
}

TEST_F(DimseQueryTest, commitment_is_taken_and_reported) {
  dimse::Scu scu(peer(), "CT1", {{dimse::kCommitmentClass, {}}});
  const auto asked = scu.request_commitment("1.2.3.4", {{"1.2.840.10008.5.1.4.1.1.2", "1.2.3.5"}}, 0);
  EXPECT_EQ(asked.status.code, 0);
  EXPECT_FALSE(asked.committed);
  ASSERT_EQ(answers_.asked.size(), 1u);
  EXPECT_EQ(answers_.asked["1.2.3.4"].front().second, "1.2.3.5");

  dimse::Scu reporter(peer(), "PACS", {{dimse::kCommitmentClass, {}, true}});
  EXPECT_EQ(reporter
                .report_commitment("1.2.3.6", {{"1.2.840.10008.5.1.4.1.1.2", "1.2.3.7"}},
                                   {{"1.2.840.10008.5.1.4.1.1.2", "1.2.3.8"}})
                .code,
            0);
  EXPECT_EQ(answers_.reported["1.2.3.6"].first, std::vector<std::string>{"1.2.3.7"});
  EXPECT_EQ(answers_.reported["1.2.3.6"].second, std::vector<std::string>{"1.2.3.8"});
}

}  // namespace
}  // namespace rouage::receive
