// DCMTK's programs as senders and askers of the DIMSE front.
#include "receive/dimse_fixture.h"

namespace rouage::receive {
namespace {

TEST_F(DimseFrontTest, verification) {
  start();
  EXPECT_TRUE(echo_within(5));
  EXPECT_TRUE(test::within(5, [&] { return sink_.ended().size() == 1 && sink_.ended().begin()->second; }));
  EXPECT_EQ(sink_.opened().begin()->second.sender, "ECHOSCU");
  EXPECT_EQ(sink_.opened().begin()->second.address, "127.0.0.1");
}

// Each file in its own syntax, compared byte by byte after the file's meta header.
TEST_F(DimseFrontTest, every_transfer_syntax_is_kept_as_it_was_sent) {
  start();
  int kept = 0;
  for (const fs::path& file : files_below(all_syntaxes())) {
    if (file.extension() != ".dcm") continue;
    const std::string dump = test::dump_of(file);
    const char* syntax = dump.find("JPEG2000LosslessOnly") != std::string::npos    ? "-xv"
                         : dump.find("JPEGLSLossless") != std::string::npos        ? "-xt"
                         : dump.find("JPEGLossless") != std::string::npos          ? "-xs"
                         : dump.find("RLELossless") != std::string::npos           ? "-xr"
                         : dump.find("=Deflated") != std::string::npos             ? "-xd"
                         : dump.find("=BigEndian") != std::string::npos            ? "-xb"
                         : dump.find("=LittleEndianImplicit") != std::string::npos ? "-xi"
                                                                                   : "-xe";
    const test::Outcome outcome = storescu(std::string(syntax) + " " + at() + " \"" + file.string() + "\"");
    ASSERT_EQ(outcome.status, 0) << outcome.output;
    ASSERT_EQ(sink_.objects().size(), 1u) << file;
    const fs::path stored = sink_.objects().begin()->second.file;
    // What storescu sends, it encodes anew: its own dump is compared, not its bytes.
    EXPECT_EQ(
        test::shell("dcmdump -q -M +L +P SOPInstanceUID +P PatientName +P Rows +P PixelData " + stored.string()).output,
        test::shell("dcmdump -q -M +L +P SOPInstanceUID +P PatientName +P Rows +P PixelData " + file.string()).output);
    EXPECT_EQ(sink_.objects().begin()->second.digest.hex(), file_digest(stored, 1 << 30).hex());
    EXPECT_EQ(sink_.objects().begin()->second.bytes, fs::file_size(stored));
    fs::remove(stored);
    sink_.forget();
    ++kept;
  }
  EXPECT_GE(kept, 7);
}

// RCV-1
TEST_F(DimseFrontTest, what_travels_is_what_is_stored_byte_by_byte) {
  start();
  for (const fs::path& file : files_below(all_syntaxes())) {
    if (file.extension() != ".dcm") continue;
    dimse::Scu scu(peer(), "CT1", dimse::proposals_for({file}));
    ASSERT_EQ(scu.store(file).code, 0) << file;
    const Arrival arrival = sink_.objects().begin()->second;
    Bytes own = test::data_set_bytes(file);
    if (own.size() % 2 != 0) own.push_back(0);
    EXPECT_EQ(test::data_set_bytes(arrival.file), own) << file;
    EXPECT_EQ(arrival.origin.sender, "CT1");
    EXPECT_NE(test::dump_of(arrival.file).find("CT1"), std::string::npos) << "Source AE title in the meta header";
    fs::remove(arrival.file);
    sink_.forget();
  }
}

TEST_F(DimseFrontTest, an_ipv6_address_is_called_as_it_is_written) {
  options_.address = "::1";
  try {
    start();
  } catch (const Error& error) {
    GTEST_SKIP() << "no IPv6 on this machine: " << error.what();
  }
  for (const char* host : {"::1", "[::1]", "0:0:0:0:0:0:0:1"}) {
    dimse::Peer six = peer();
    six.host = host;
    dimse::Scu scu(six, "CT1", dimse::proposals_for({ct()}));
    EXPECT_EQ(scu.store(ct()).code, 0) << host;
  }
  EXPECT_EQ(sink_.objects().size(), 1u);
  EXPECT_EQ(sink_.objects().begin()->second.origin.address, "::1");
  const auto code_for = [&](const std::string& host, int port) {
    dimse::Peer wrong = peer();
    wrong.host = host;
    wrong.port = port;
    wrong.connect_timeout_s = 2;
    try {
      dimse::Scu(wrong, "CT1", {{dimse::kVerificationClass, {}}});
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::Internal;
  };
  EXPECT_EQ(code_for("::1", 1), ErrorCode::PeerUnreachable) << "nobody listens";
  EXPECT_EQ(code_for("1:2:3", front_->port()), ErrorCode::RequestInvalid) << "no address";
}

// HTJ2K, JPEG XL and what comes after: newer than DCMTK 3.6.7, kept all the same.
TEST_F(DimseFrontTest, a_transfer_syntax_newer_than_the_library_is_kept) {
  Bytes bytes = read_file(all_syntaxes() / "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm",
                          16 * kMebibyte);
  const std::string old_syntax = "1.2.840.10008.1.2.4.90", new_syntax = "1.2.840.10008.1.2.4.20";  // same length
  const auto found = std::search(bytes.begin(), bytes.end(), old_syntax.begin(), old_syntax.end());
  ASSERT_NE(found, bytes.end());
  std::copy(new_syntax.begin(), new_syntax.end(), found);
  const fs::path file = scratch_ / "newer.dcm";
  write_file(file, bytes);
  start();
  dimse::Scu scu(peer(), "CT1", dimse::proposals_for({file}));
  const dimse::Status status = scu.store(file);
  EXPECT_EQ(status.code, 0) << status.text;
  ASSERT_EQ(sink_.objects().size(), 1u);
  EXPECT_EQ(sink_.objects().begin()->second.entry.transfer_syntax_uid, new_syntax);
}

TEST_F(DimseFrontTest, dcmsend_of_a_whole_folder_over_several_associations) {
  start();
  const fs::path folder = test::shared("pet_raw_sts001/image");
  if (!fs::exists(folder)) GTEST_SKIP() << folder << " is not here";
  const test::Outcome outcome = test::shell("dcmsend +sd +r +ma --no-halt " + at() + " " + folder.string());
  EXPECT_EQ(outcome.status, 0) << outcome.output;
  EXPECT_EQ(sink_.objects().size(), files_below(folder).size());
}

TEST_F(DimseFrontTest, an_unknown_storage_class_is_taken_when_the_options_say_so) {
  Bytes bytes = read_file(ct(), 16 * kMebibyte);
  const std::string known = "1.2.840.10008.5.1.4.1.1.2", newer = "1.2.840.10008.5.1.4.1.1.0";
  for (auto at = bytes.begin(); (at = std::search(at, bytes.end(), known.begin(), known.end())) != bytes.end();)
    at = std::copy(newer.begin(), newer.end(), at);
  const fs::path file = scratch_ / "unknown.dcm";
  write_file(file, bytes);
  start();
  {
    dimse::Scu scu(peer(), "CT1", dimse::proposals_for({file}));
    EXPECT_EQ(scu.store(file).code, 0);
  }
  front_.reset();
  options_.server.accept_unknown_sop_classes = false;
  start();
  EXPECT_THROW(dimse::Scu(peer(), "CT1", dimse::proposals_for({file})), Error);
}

// STO-5
TEST_F(DimseFrontTest, nearly_full_disk_is_answered_with_out_of_resources_and_recovers) {
  sink_.full = true;
  start();
  dimse::Scu scu(peer(), "CT1", dimse::proposals_for({ct()}));
  EXPECT_EQ(scu.store(ct()).code, 0xA700);
  EXPECT_TRUE(sink_.objects().empty());
  EXPECT_TRUE(fs::is_empty(sink_.incoming()));
  sink_.full = false;
  EXPECT_EQ(scu.store(ct()).code, 0) << "on the same association";
}

// RCV-5
TEST_F(DimseFrontTest, an_object_that_is_not_what_the_request_says_is_refused) {
  Bytes bytes = read_file(ct(), 16 * kMebibyte);
  const std::string uid = dicom::index_entry(ct()).sop_instance_uid;
  const auto meta = std::search(bytes.begin(), bytes.end(), uid.begin(), uid.end());
  ASSERT_NE(meta, bytes.end());
  *(meta + static_cast<std::ptrdiff_t>(uid.size()) - 1) =
      *(meta + static_cast<std::ptrdiff_t>(uid.size()) - 1) == '1' ? '2' : '1';
  const fs::path file = scratch_ / "other.dcm";
  write_file(file, bytes);
  start();
  dimse::Scu scu(peer(), "CT1", dimse::proposals_for({file}));
  EXPECT_EQ(scu.store(file).code, 0xA900);
  EXPECT_TRUE(fs::is_empty(sink_.incoming()));
  EXPECT_EQ(scu.store(ct()).code, 0) << "the association goes on";
}

TEST_F(DimseFrontTest, bytes_that_are_no_data_set_are_refused) {
  Bytes bytes = read_file(ct(), 16 * kMebibyte);
  const Bytes data_set = test::data_set_bytes(ct());
  bytes.resize(bytes.size() - data_set.size());
  for (int i = 0; i < 5000; ++i) bytes.push_back(static_cast<std::uint8_t>(i * 37));
  const fs::path file = scratch_ / "noise.dcm";
  write_file(file, bytes);
  start();
  dimse::Scu scu(peer(), "CT1", dimse::proposals_for({file}));
  EXPECT_EQ(scu.store(file).code, 0xC000);
  EXPECT_TRUE(fs::is_empty(sink_.incoming()));
}

TEST_F(DimseFrontTest, an_object_over_the_limit_ends_its_association_only) {
  options_.server.max_object_bytes = 1000;
  start();
  {
    dimse::Scu scu(peer(), "CT1", dimse::proposals_for({ct()}));
    EXPECT_THROW(scu.store(ct()), Error);
  }
  EXPECT_TRUE(test::within(5, [&] { return fs::is_empty(sink_.incoming()); }));
  EXPECT_TRUE(echo_within(5));
}

// RCV-4
TEST_F(DimseFrontTest, titles_and_addresses_that_are_not_listed_stay_out) {
  options_.server.called_titles = {"ROUAGE"};
  options_.allowed = {{"CT1", {"127.0.0.0/8", "::1"}}, {"MR1", {"10.0.0.0/8"}}};
  start();
  EXPECT_EQ(test::shell("echoscu -aet CT1 -aec ROUAGE " + at()).status, 0);
  const test::Outcome called = test::shell("echoscu -aet CT1 -aec OTHER " + at());
  EXPECT_NE(called.status, 0);
  EXPECT_NE(called.output.find("Called AE Title Not Recognized"), std::string::npos) << called.output;
  EXPECT_NE(test::shell("echoscu -aet CT2 -aec ROUAGE " + at()).status, 0);
  EXPECT_NE(test::shell("echoscu -aet MR1 -aec ROUAGE " + at()).status, 0) << "from another address than its own";
  front_.reset();
  options_.allowed = {{"", {"10.0.0.0/8"}}};
  start();
  EXPECT_NE(test::shell("echoscu -aet CT1 -aec ROUAGE " + at()).status, 0);
  front_.reset();
  options_.allowed.clear();
  options_.server.calling_titles = {"CT1"};
  start();
  const test::Outcome calling = test::shell("echoscu -aet CT2 -aec ROUAGE " + at());
  EXPECT_NE(calling.output.find("Calling AE Title Not Recognized"), std::string::npos) << calling.output;
}

TEST_F(DimseFrontTest, tls_with_a_client_certificate) {
  if (!test::program_exists("openssl")) GTEST_SKIP() << "openssl is not installed";
  test::make_certificate(scratch_.path(), "gateway");
  test::make_certificate(scratch_.path(), "modality");
  const auto in = [&](const std::string& name) { return (scratch_ / name).string(); };
  options_.server.tls = dimse::TlsFiles{in("gateway.pem"), in("gateway.key"), in("ca.pem"), true};
  start();
  const std::string authority = " +cf " + in("ca.pem") + " ";
  const test::Outcome good = storescu("+tls " + in("modality.key") + " " + in("modality.pem") + authority + "-xi " +
                                      at() + " " + ct().string());
  EXPECT_EQ(good.status, 0) << good.output;
  EXPECT_EQ(sink_.objects().size(), 1u);
  EXPECT_NE(storescu("+tla" + authority + "-xi " + at() + " " + ct().string()).status, 0) << "without a certificate";
  EXPECT_NE(storescu("-xi " + at() + " " + ct().string()).status, 0) << "without TLS";
  dimse::Peer secured = peer();
  secured.tls = dimse::TlsFiles{in("modality.pem"), in("modality.key"), in("ca.pem"), true};
  dimse::Scu scu(secured, "CT1", {{dimse::kVerificationClass, {}}});
  EXPECT_EQ(scu.echo().code, 0) << "our own client";
  secured.tls->authorities = in("modality.pem");
  EXPECT_THROW(dimse::Scu(secured, "CT1", {{dimse::kVerificationClass, {}}}), Error) << "another authority";
}

TEST_F(DimseFrontTest, certificates_that_cannot_work_are_told_at_start) {
  options_.server.tls = dimse::TlsFiles{"/nowhere.pem", "/nowhere.key", "/nowhere.pem", true};
  try {
    start();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::ConfigInvalid);
  }
}

TEST_F(DimseFrontTest, a_port_in_use_is_told_at_start) {
  start();
  DimseFrontOptions second = options_;
  second.port = front_->port();
  EXPECT_THROW(DimseFront(second, sink_, answers_), Error);
}

TEST_F(DimseFrontTest, stop_lets_an_association_finish_its_object) {
  sink_.delay_ms = 600;
  start();
  std::thread sender([&] {
    const test::Outcome outcome = storescu("-xi " + at() + " " + ct().string());
    EXPECT_EQ(outcome.status, 0) << outcome.output;
  });
  ASSERT_TRUE(test::within(5, [&] { return front_->associations() == 1; }));
  ::usleep(200'000);
  front_->stop();
  sender.join();
  EXPECT_EQ(sink_.objects().size(), 1u);
  EXPECT_LT(connect_after_stop(), 0);
}

TEST_F(DimseFrontTest, stop_ends_an_association_that_does_not_leave) {
  options_.patience_s = 0.3;
  start();
  dimse::Scu scu(peer(), "CT1", {{dimse::kVerificationClass, {}}});
  ASSERT_EQ(scu.echo().code, 0);
  const double begun = monotonic_s();
  front_->stop();
  EXPECT_LT(monotonic_s() - begun, 5);
  EXPECT_THROW(scu.echo(), Error);
  EXPECT_FALSE(sink_.ended().begin()->second) << "it broke off";
}

}  // namespace
}  // namespace rouage::receive
