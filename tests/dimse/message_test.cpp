// Commands, file headers and negotiation, without a network.
#include "dimse/message.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "dimse/data_sets.h"
#include "dimse/part10.h"
#include "dimse/peers.h"

namespace rouage::dimse {
namespace {

constexpr const char* kExplicitLittle = "1.2.840.10008.1.2.1";
constexpr const char* kImplicitLittle = "1.2.840.10008.1.2";
constexpr const char* kBigEndian = "1.2.840.10008.1.2.2";
constexpr const char* kCtImage = "1.2.840.10008.5.1.4.1.1.2";

TEST(Command, is_read_back_as_it_was_written) {
  Command command(Verb::c_store, kCtImage, 7);
  command.set_uid(Field::affected_sop_instance, "1.2.3").set(Field::priority, 2);
  const Command again = Command::decoded(command.encoded());
  EXPECT_TRUE(again.is(Verb::c_store));
  EXPECT_EQ(again.text(Field::affected_sop_class), kCtImage);
  EXPECT_EQ(again.text(Field::affected_sop_instance), "1.2.3");
  EXPECT_EQ(again.number(Field::message_id), 7);
  EXPECT_EQ(again.number(Field::priority), 2);
  EXPECT_EQ(command.encoded().size() % 2, 0u);
}

// PS3.7 9.3.5.2: a C-ECHO answer with its group length, byte for byte.
TEST(Command, an_answer_has_the_bytes_of_the_standard) {
  Command request(Verb::c_echo, "1.2.840.10008.1.1", 1);
  Command answer = Command::answer(request, {});
  answer.set(Field::data_set_type, Command::kNoData);
  const Bytes bytes = answer.encoded();
  const Bytes head = {0, 0, 0, 0, 4, 0, 0, 0, 66, 0, 0, 0, 0, 0, 2, 0, 18, 0, 0, 0};
  ASSERT_GT(bytes.size(), head.size());
  EXPECT_EQ(Bytes(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(head.size())), head);
  EXPECT_EQ(bytes.size(), 12u + 66u);
  EXPECT_TRUE(answer.answers(Verb::c_echo));
}

TEST(Command, an_error_comment_is_printable_and_short) {
  const Command answer =
      Command::answer(Command(Verb::c_store, kCtImage, 1), {0xA700, std::string(200, 'x') + "\n\xC3\xA9"});
  EXPECT_EQ(answer.text(Field::error_comment), std::string(64, 'x'));
  Command other;
  other.set_text(Field::error_comment, "a\n\xC3\\b");
  EXPECT_EQ(other.text(Field::error_comment), "a???b");
}

TEST(Command, bytes_that_are_no_command_set_are_refused) {
  const Bytes good = Command(Verb::c_echo, "1.2.840.10008.1.1", 1).encoded();
  for (std::size_t length = 1; length < good.size(); ++length) {
    const Bytes cut(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(length));
    try {
      Command::decoded(cut);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::RequestInvalid);
    }
  }
  Bytes other_group = good;
  other_group[0] = 8;
  EXPECT_THROW(Command::decoded(other_group), Error);
  Bytes long_value = good;
  long_value[4] = long_value[7] = 0xFF;
  EXPECT_THROW(Command::decoded(long_value), Error);
}

TEST(FileMeta, what_is_written_is_read_by_us_and_by_dcmdump) {
  test::Scratch scratch("meta");
  const FileMeta meta{kCtImage, "1.2.3.45", kExplicitLittle, 0};
  Bytes bytes = file_meta_bytes(meta, "CT1");
  const std::size_t length = bytes.size();
  const Bytes data_set = {8, 0, 0x18, 0, 'U', 'I', 8, 0, '1', '.', '2', '.', '3', '.', '4', '5'};
  bytes.insert(bytes.end(), data_set.begin(), data_set.end());
  write_file(scratch / "x.dcm", bytes);
  const FileMeta again = read_file_meta(scratch / "x.dcm");
  EXPECT_EQ(again.sop_class, kCtImage);
  EXPECT_EQ(again.sop_instance, "1.2.3.45");
  EXPECT_EQ(again.transfer_syntax, kExplicitLittle);
  EXPECT_EQ(again.data_set_at, length);
  if (!test::program_exists("dcmdump")) GTEST_SKIP() << "dcmdump (dcmtk) is not installed";
  const test::Outcome dump = test::shell("dcmdump " + (scratch / "x.dcm").string());
  EXPECT_EQ(dump.status, 0) << dump.output;
  EXPECT_EQ(dump.output.find("W:"), std::string::npos) << dump.output;
  EXPECT_NE(dump.output.find("ROUAGE_0_1"), std::string::npos) << dump.output;
}

TEST(FileMeta, a_file_without_its_header_is_refused) {
  test::Scratch scratch("nometa");
  for (const Bytes& bytes : {Bytes{}, Bytes(131, 0), Bytes(500, 0), Bytes(100'000, 'D')}) {
    write_file(scratch / "x", bytes);
    EXPECT_THROW(read_file_meta(scratch / "x"), Error);
  }
  Bytes cut = file_meta_bytes({kCtImage, "1.2.3", kExplicitLittle, 0}, "");
  cut.resize(cut.size() - 5);
  write_file(scratch / "x", cut);
  EXPECT_THROW(read_file_meta(scratch / "x"), Error);
}

TEST(Negotiation, the_first_syntax_of_the_sender_is_taken_for_objects) {
  const std::string jpeg = "1.2.840.10008.1.2.4.70", htj2k = "1.2.840.10008.1.2.4.201";
  EXPECT_EQ(choose_transfer_syntax(kCtImage, {jpeg, kExplicitLittle}, false).transfer_syntax, jpeg);
  EXPECT_EQ(choose_transfer_syntax(kCtImage, {kImplicitLittle, jpeg}, false).transfer_syntax, kImplicitLittle);
  EXPECT_EQ(choose_transfer_syntax(kCtImage, {htj2k}, false).transfer_syntax, htj2k);
  EXPECT_EQ(choose_transfer_syntax(kCtImage, {"1.2.3.4", kBigEndian}, false).transfer_syntax, kBigEndian);
  EXPECT_TRUE(choose_transfer_syntax(kCtImage, {"1.2.3.4"}, false).transfer_syntax.empty());
}

TEST(Negotiation, messages_that_are_parsed_here_come_uncompressed) {
  const std::string find = query_class("study", "find");
  EXPECT_EQ(choose_transfer_syntax(find, {kBigEndian, kImplicitLittle}, false).transfer_syntax, kImplicitLittle);
  EXPECT_EQ(choose_transfer_syntax(find, {kBigEndian}, false).transfer_syntax, kBigEndian);
  EXPECT_TRUE(choose_transfer_syntax(find, {"1.2.840.10008.1.2.1.99"}, false).transfer_syntax.empty());
}

TEST(Negotiation, unknown_classes_are_an_option_and_other_services_are_none) {
  const std::string unknown = "1.2.840.10008.5.1.4.1.1.999", private_class = "1.3.12.2.1107.5.9.1",
                    worklist = "1.2.840.10008.5.1.4.31";
  EXPECT_FALSE(choose_transfer_syntax(unknown, {kExplicitLittle}, false).known_class);
  EXPECT_TRUE(choose_transfer_syntax(unknown, {kExplicitLittle}, true).known_class);
  EXPECT_TRUE(choose_transfer_syntax(private_class, {kExplicitLittle}, true).known_class);
  EXPECT_FALSE(choose_transfer_syntax(worklist, {kExplicitLittle}, true).known_class);
}

TEST(DataSets, attributes_survive_the_road_with_all_their_letters) {
  const dicom::Attributes attributes = {{0x00080052, "STUDY"},  {0x00100010, "M\xC3\xBCller^J\xC3\xA9r\xC3\xB4me"},
                                        {0x00080061, "CT\\MR"}, {0x00201208, "12"},
                                        {0x0020000D, ""},       {0x00400275, ""}};
  for (const char* syntax : {kImplicitLittle, kExplicitLittle, kBigEndian}) {
    DcmDataset data_set = data_set_of(attributes, false);
    const Bytes bytes = encoded(data_set, syntax);
    DcmDataset again = decoded(bytes, syntax);
    EXPECT_EQ(attributes_of_data_set(again), attributes) << syntax;
  }
}

TEST(DataSets, latin_1_of_an_old_peer_becomes_utf8) {
  // (0008,0005) ISO_IR 100, (0010,0010) "René", explicit little endian
  const Bytes bytes = {8,   0,   5,   0,    'C', 'S',  10, 0,   'I', 'S', 'O', '_', 'I', 'R', ' ',
                       '1', '0', '0', 0x10, 0,   0x10, 0,  'P', 'N', 4,   0,   'R', 'e', 'n', 0xE9};
  DcmDataset data_set = decoded(bytes, kExplicitLittle);
  EXPECT_EQ(attributes_of_data_set(data_set).at(0x00100010), "Ren\xC3\xA9");
}

TEST(DataSets, hostile_bytes_are_a_refusal) {
  dicom::initialise();  // silences DCMTK's own log
  const Bytes long_value = {8, 0, 0x52, 0, 'C', 'S', 0xFE, 0xFF, 'X'};
  EXPECT_THROW(decoded(long_value, kExplicitLittle), Error);
  Bytes bytes(4096);
  std::uint32_t state = 1;  // seed
  for (int round = 0; round < 200; ++round) {
    for (std::uint8_t& byte : bytes) byte = static_cast<std::uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    try {
      DcmDataset data_set = decoded(bytes, kExplicitLittle);
      attributes_of_data_set(data_set);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::RequestInvalid);
    }
  }
}

}  // namespace
}  // namespace rouage::dimse
