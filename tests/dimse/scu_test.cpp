// What we ask of others: DCMTK's storescp and Orthanc's archive answer.
#include <gtest/gtest.h>

#include "base/error.h"
#include "dimse/dimse.h"
#include "dimse/peers.h"

namespace rouage::dimse {
namespace {

using test::Background;
using test::Scratch;
namespace fs = std::filesystem;

constexpr const char* kExplicitLittle = "1.2.840.10008.1.2.1";
constexpr const char* kImplicitLittle = "1.2.840.10008.1.2";
constexpr const char* kCtImage = "1.2.840.10008.5.1.4.1.1.2";

class ScuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!test::program_exists("storescp")) GTEST_SKIP() << "storescp (dcmtk) is not installed";
    if (!fs::exists(test::shared("dicom/ct_all_syntaxes"))) GTEST_SKIP() << "../shared/data is not here";
    for (const fs::path& file : files_below(test::shared("dicom/ct_all_syntaxes")))
      if (file.extension() == ".dcm") films_.push_back(file);
    port_ = test::free_port();
  }
  Peer peer() const { return {.host = "127.0.0.1", .port = port_, .ae_title = "PACS", .answer_timeout_s = 20}; }
  std::vector<fs::path> received() const {
    return fs::exists(scratch_ / "in") ? files_below(scratch_ / "in") : std::vector<fs::path>();
  }
  std::unique_ptr<Background> storescp(std::vector<std::string> options) {
    fs::create_directories(scratch_ / "in");
    std::vector<std::string> words = {"storescp"};
    words.insert(words.end(), options.begin(), options.end());
    words.insert(words.end(), {"-od", (scratch_ / "in").string(), std::to_string(port_)});
    auto server = std::make_unique<Background>(words, scratch_ / "storescp.log");
    EXPECT_TRUE(server->listens(port_));
    return server;
  }

  Scratch scratch_{"scu"};
  std::vector<fs::path> films_;
  int port_ = 0;
};

TEST_F(ScuTest, verification_is_answered) {
  const auto server = storescp({});
  Scu scu(peer(), "ROUAGE", {{kVerificationClass, {}}});
  EXPECT_EQ(scu.echo().code, 0);
}

// Compared byte by byte: what travels is what stands in the file (an odd deflated data set gains its NUL).
TEST_F(ScuTest, objects_of_every_transfer_syntax_arrive_as_they_are) {
  const auto server = storescp({"+xa", "+B"});  // all syntaxes; bit-preserving
  ASSERT_GT(films_.size(), 3u);
  Scu scu(peer(), "ROUAGE", proposals_for(films_));
  std::size_t sent = 0;
  for (const fs::path& film : films_) {
    const Status status = scu.store(film);
    if (status.code == 0x0122) continue;  // storescp knows no such syntax
    ASSERT_EQ(status.code, 0) << film << status.text;
    ++sent;
    Bytes own = test::data_set_bytes(film);
    if (own.size() % 2 != 0) own.push_back(0);
    bool equal = false;
    for (const fs::path& file : received()) equal = equal || test::data_set_bytes(file) == own;
    EXPECT_TRUE(equal) << film;
  }
  EXPECT_GT(sent, 3u);
}

TEST_F(ScuTest, an_uncompressed_object_is_converted_when_the_peer_takes_implicit_only) {
  const auto server = storescp({"+xi"});
  for (const fs::path& film : films_) {
    Scu scu(peer(), "ROUAGE", proposals_for({film}));
    if (scu.store(film).code != 0) continue;
    const fs::path file = received().front();
    EXPECT_NE(test::dump_of(file).find("LittleEndianImplicit"), std::string::npos);
    return;
  }
  FAIL() << "no film of ../shared/data is uncompressed";
}

TEST_F(ScuTest, a_compressed_object_is_not_decompressed_for_a_peer_that_does_not_take_it) {
  const auto server = storescp({"+x="});  // uncompressed only
  std::size_t refused = 0;
  for (const fs::path& film : films_) {
    std::vector<Proposal> proposals = proposals_for({film});
    proposals.push_back({kVerificationClass, {}});
    Scu scu(peer(), "ROUAGE", proposals);
    const Status status = scu.store(film);
    if (status.code == 0) continue;
    EXPECT_EQ(status.code, 0x0122);
    EXPECT_NE(status.text.find("takes no"), std::string::npos) << status.text;
    EXPECT_EQ(scu.echo().code, 0) << "the association goes on";
    ++refused;
  }
  EXPECT_GT(refused, 0u);
}

TEST_F(ScuTest, nobody_listens) {
  try {
    Scu scu(peer(), "ROUAGE", {{kVerificationClass, {}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PeerUnreachable);
  }
}

TEST_F(ScuTest, a_rejection_is_told_from_a_dead_line) {
  const auto server = storescp({"--refuse"});
  try {
    Scu scu(peer(), "ROUAGE", {{kVerificationClass, {}}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PeerRefused) << error.what();
  }
}

TEST_F(ScuTest, a_class_that_nobody_takes_is_refused) {
  const auto server = storescp({});
  try {
    Scu scu(peer(), "ROUAGE", {{"1.2.840.10008.5.1.4.31", {}}});  // modality worklist
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PeerRefused) << error.what();
  }
}

// The server accepts the connection and then says nothing.
TEST_F(ScuTest, a_silent_server_costs_no_more_than_the_time_allowed) {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = ::htonl(INADDR_LOOPBACK);
  address.sin_port = ::htons(static_cast<std::uint16_t>(port_));
  ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ::listen(listener, 4);
  Peer silent = peer();
  silent.answer_timeout_s = 1;
  silent.connect_timeout_s = 1;
  const double begun = monotonic_s();
  EXPECT_THROW(Scu(silent, "ROUAGE", {{kVerificationClass, {}}}), Error);
  EXPECT_LT(monotonic_s() - begun, 5);
  ::close(listener);
}

TEST_F(ScuTest, a_server_that_aborts_in_mid_object_is_an_error_with_another_try) {
  const auto server = storescp({"+xa", "--abort-during"});
  Scu scu(peer(), "ROUAGE", proposals_for({films_.front()}));
  try {
    const Status status = scu.store(films_.front());
    EXPECT_NE(status.code, 0);
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::PeerUnreachable);
  }
}

TEST(Proposals, an_uncompressed_file_may_go_in_each_uncompressed_syntax) {
  const fs::path file = test::shared("dicom/ct_all_syntaxes/CTImage.dcm");
  if (!fs::exists(file)) GTEST_SKIP() << "../shared/data is not here";
  bool explicit_little = false, implicit_little = false;
  for (const Proposal& proposal : proposals_for({file})) {
    EXPECT_EQ(proposal.sop_class, kCtImage);
    ASSERT_EQ(proposal.transfer_syntaxes.size(), 1u);
    explicit_little = explicit_little || proposal.transfer_syntaxes.front() == kExplicitLittle;
    implicit_little = implicit_little || proposal.transfer_syntaxes.front() == kImplicitLittle;
  }
  EXPECT_TRUE(explicit_little && implicit_little);
}

}  // namespace
}  // namespace rouage::dimse
