// Queries, retrieval, commitment and notices: DCMTK's programs and our own client ask, the front answers.
#include "dimse/message.h"
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
  std::set<std::string> got;  // digests of the data sets
  const dimse::Status status = scu.get("study", {{kLevel, "STUDY"}, {kStudy, ""}}, scratch_ / "got",
                                       [&](const fs::path& file, std::uint64_t bytes, const Digest& digest) {
                                         EXPECT_EQ(fs::file_size(file), bytes);
                                         EXPECT_EQ(file_digest(file, bytes), digest);
                                         got.insert(sha256(test::data_set_bytes(file)).hex());
                                         return dimse::Status{};
                                       });
  EXPECT_EQ(status.code, 0) << status.text;
  for (const fs::path& file : files_) EXPECT_TRUE(got.contains(sha256(test::data_set_bytes(file)).hex())) << file;
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

/// Explicit VR Little Endian by hand: what a modality says of its step.
class Written {
 public:
  Written& text(std::uint32_t tag, const char* vr, std::string value) {
    if (value.size() % 2 != 0) value.push_back(vr == std::string("UI") ? '\0' : ' ');
    head(tag);
    bytes_.insert(bytes_.end(),
                  {static_cast<std::uint8_t>(vr[0]), static_cast<std::uint8_t>(vr[1]),
                   static_cast<std::uint8_t>(value.size()), static_cast<std::uint8_t>(value.size() >> 8)});
    bytes_.insert(bytes_.end(), value.begin(), value.end());
    return *this;
  }
  Written& sequence(std::uint32_t tag, const std::vector<Written>& items) {
    Written content;
    for (const Written& item : items) {
      content.head(0xFFFEE000);
      content.length(item.bytes_.size());
      content.bytes_.insert(content.bytes_.end(), item.bytes_.begin(), item.bytes_.end());
    }
    head(tag);
    bytes_.insert(bytes_.end(), {'S', 'Q', 0, 0});
    length(content.bytes_.size());
    bytes_.insert(bytes_.end(), content.bytes_.begin(), content.bytes_.end());
    return *this;
  }
  const Bytes& bytes() const { return bytes_; }

 private:
  void head(std::uint32_t tag) {
    for (const int shift : {16, 24, 0, 8}) bytes_.push_back(static_cast<std::uint8_t>(tag >> shift));
  }
  void length(std::size_t value) {
    for (const int shift : {0, 8, 16, 24}) bytes_.push_back(static_cast<std::uint8_t>(value >> shift));
  }
  Bytes bytes_;
};

class DimseNoticeTest : public DimseFrontTest {
 protected:
  void SetUp() override {
    DimseFrontTest::SetUp();
    if (IsSkipped()) return;
    start();
    association_ = std::make_unique<dimse::Association>(
        peer(), "CT1", std::vector<dimse::Proposal>{{kStep, {kExplicit}}, {kAvailability, {kExplicit}}});
  }
  dimse::Status tell(const char* sop_class, dimse::Command command, const Bytes& data) {
    const dimse::Context* context = association_->context_for(sop_class);
    dimse::send_message(*association_, context->id, command, data);
    return dimse::receive_command(*association_, 5).command.status();
  }
  static Written reference(const std::string& uid) {
    return Written().text(0x00081150, "UI", "1.2.840.10008.5.1.4.1.1.2").text(0x00081155, "UI", uid);
  }
  static constexpr const char* kStep = "1.2.840.10008.3.1.2.3.3";
  static constexpr const char* kAvailability = "1.2.840.10008.5.1.4.33";
  static constexpr const char* kExplicit = "1.2.840.10008.1.2.1";
  std::unique_ptr<dimse::Association> association_;
};

TEST_F(DimseNoticeTest, a_performed_step_lists_its_series_when_it_is_completed) {
  dimse::Command create(dimse::Verb::n_create, kStep, 1);
  create.set_uid(dimse::Field::affected_sop_instance, "1.2.99");
  const Written begun =
      Written().text(0x00400252, "CS", "IN PROGRESS").sequence(0x00400270, {Written().text(0x0020000D, "UI", "1.2.7")});
  EXPECT_EQ(tell(kStep, create, begun.bytes()).code, 0);
  EXPECT_TRUE(sink_.lists().empty()) << "no series yet";
  dimse::Command set(dimse::Verb::n_set, {}, 2);
  set.set_uid(dimse::Field::requested_sop_class, kStep).set_uid(dimse::Field::requested_sop_instance, "1.2.99");
  const Written completed =
      Written()
          .text(0x00400252, "CS", "COMPLETED")
          .sequence(0x00400340, {Written()
                                     .text(0x0020000E, "UI", "1.2.8")
                                     .sequence(0x00081140, {reference("1.2.8.1"), reference("1.2.8.2")})
                                     .sequence(0x00400220, {reference("1.2.8.3")})});
  EXPECT_EQ(tell(kStep, set, completed.bytes()).code, 0);
  const auto lists = sink_.lists();
  ASSERT_EQ(lists.size(), 1u);
  EXPECT_EQ(lists[0].source, "MPPS");
  EXPECT_TRUE(lists[0].closed);
  EXPECT_EQ(lists[0].message_uid, "1.2.99");
  EXPECT_EQ(lists[0].study_instance_uid, "1.2.7") << "as N-CREATE had said";
  EXPECT_EQ(lists[0].series_instance_uid, "1.2.8");
  EXPECT_EQ(lists[0].sop_instances, (std::vector<std::string>{"1.2.8.1", "1.2.8.2", "1.2.8.3"}));
}

TEST_F(DimseNoticeTest, instance_availability_lists_series) {
  dimse::Command create(dimse::Verb::n_create, kAvailability, 1);  // without an instance UID: we name it
  const Written notice =
      Written()
          .sequence(0x00081115,
                    {Written().sequence(0x00081199, {reference("1.2.8.1")}).text(0x0020000E, "UI", "1.2.8")})
          .text(0x0020000D, "UI", "1.2.7");
  EXPECT_EQ(tell(kAvailability, create, notice.bytes()).code, 0);
  const auto lists = sink_.lists();
  ASSERT_EQ(lists.size(), 1u);
  EXPECT_EQ(lists[0].source, "IAN");
  EXPECT_TRUE(lists[0].closed);
  EXPECT_EQ(lists[0].study_instance_uid, "1.2.7");
  EXPECT_EQ(lists[0].sop_instances, std::vector<std::string>{"1.2.8.1"});
  EXPECT_TRUE(dicom::valid_uid(lists[0].message_uid));
}

TEST_F(DimseNoticeTest, notices_that_make_no_sense_are_refused_and_the_association_goes_on) {
  dimse::Command create(dimse::Verb::n_create, kStep, 1);
  create.set_uid(dimse::Field::affected_sop_instance, "no uid");
  EXPECT_EQ(tell(kStep, create, Written().text(0x00400252, "CS", "COMPLETED").bytes()).code, 0x0117);
  create.set_uid(dimse::Field::affected_sop_instance, "1.2.3");
  EXPECT_EQ(tell(kStep, create, Bytes{8, 0, 0x52, 0, 'C', 'S', 0xFE, 0xFF, 'X', 'X'}).code, 0xC000);
  dimse::Command other(dimse::Verb::n_create, "1.2.3.4", 2);
  EXPECT_EQ(tell(kStep, other, Written().text(0x00400252, "CS", "X").bytes()).code, 0x0118);
  dimse::Command get(dimse::Verb::n_get, {}, 3);
  dimse::send_message(*association_, association_->context_for(kStep)->id, get);
  EXPECT_EQ(dimse::receive_command(*association_, 5).command.status().code, 0x0211);
}

}  // namespace
}  // namespace rouage::receive
