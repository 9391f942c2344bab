/// STOW-RS: what is answered as stored is stored; what is hostile costs itself only.
#include "app/dicomweb_fixture.h"

namespace {

using namespace dicomweb;
using namespace rouage;

const std::vector<fs::path> kSlices = {kDicom / "dcmqi_seg/ct-3slice/01.dcm", kDicom / "dcmqi_seg/ct-3slice/02.dcm",
                                       kDicom / "dcmqi_seg/ct-3slice/03.dcm"};

TEST_F(DicomWeb, StoresAndSaysWhere) {
  const auto answer = stow(kSlices);
  ASSERT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(answer.headers.at("content-type"), "application/dicom+json");
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["00081199"]["Value"].size(), 3u);
  EXPECT_FALSE(json.contains("00081198"));
  const auto entry = dicom::index_entry(kSlices[0]);
  EXPECT_EQ(json["00081190"]["Value"][0], "http://x/dicomweb/studies/" + entry.study_instance_uid);
  const Json& first = json["00081199"]["Value"][0];
  EXPECT_EQ(first["00081155"]["Value"][0], entry.sop_instance_uid);
  EXPECT_EQ(first["00081190"]["Value"][0], "http://x/dicomweb" + instance_path(entry));
  EXPECT_EQ(store_->status().instances, 3u);
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(DicomWeb, TheSameObjectsAgainAreSuccessAndKeptOnce) {
  ASSERT_EQ(stow(kSlices).status, 200);
  const auto again = stow(kSlices);
  EXPECT_EQ(again.status, 200);
  EXPECT_EQ(Json::parse(again.body)["00081199"]["Value"].size(), 3u);
  EXPECT_EQ(store_->status().instances, 3u);
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(DicomWeb, OtherContentUnderTheSameUidIsAWarning) {
  ASSERT_EQ(stow({kSlices[0]}).status, 200);
  std::string changed = slurp(kSlices[0]);
  changed[changed.size() - 100] = static_cast<char>(changed[changed.size() - 100] ^ 0x55);
  const auto answer = post("/studies", kMultipart, multipart({changed}));
  EXPECT_EQ(answer.status, 202);
  EXPECT_EQ(Json::parse(answer.body)["00081199"]["Value"][0]["00081196"]["Value"][0], 0xB000);
}

TEST_F(DicomWeb, ASingleObjectNeedsNoMultipart) {
  EXPECT_EQ(post("/studies", "application/dicom", slurp(kSlices[0])).status, 200);
  EXPECT_EQ(store_->status().instances, 1u);
}

TEST_F(DicomWeb, APartOfAnotherStudyIsRefusedByItself) {
  const auto entry = dicom::index_entry(kSlices[0]);
  const fs::path other = kDicom / "highdicom/ct_image.dcm";
  const auto answer = stow({kSlices[0], other}, "/studies/" + entry.study_instance_uid);
  EXPECT_EQ(answer.status, 202);
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["00081199"]["Value"].size(), 1u);
  EXPECT_EQ(json["00081198"]["Value"][0]["00081155"]["Value"][0], dicom::index_entry(other).sop_instance_uid);
  EXPECT_EQ(json["00081198"]["Value"][0]["00081197"]["Value"][0], 0xA900);
  EXPECT_EQ(stow({other}, "/studies/" + entry.study_instance_uid).status, 409);
  EXPECT_EQ(stow({other}, "/studies/1.2.x").status, 400);
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(DicomWeb, HostilePartsCostThemselvesOnly) {
  const std::string good = slurp(kSlices[0]);
  std::string escaping = good;
  const std::string uid = dicom::index_entry(kSlices[0]).sop_instance_uid;
  for (std::size_t at = escaping.find(uid); at != std::string::npos; at = escaping.find(uid, at))
    escaping.replace(at, uid.size(), ("../../../../" + std::string(64, 'a')).substr(0, uid.size()));
  std::string nested = good.substr(0, 400);
  for (int i = 0; i < 100'000; ++i)
    nested += std::string("\x08\x00\x40\x11SQ\x00\x00\xFF\xFF\xFF\xFF\xFE\xFF\x00\xE0\xFF\xFF\xFF\xFF", 20);
  const auto answer = post("/studies", kMultipart,
                           multipart({"a poem", "", std::string(5000, '\0'), good.substr(0, 200), escaping, nested,
                                      "PK\x03\x04" + std::string(2000, 'z'), good}));
  EXPECT_EQ(answer.status, 202) << answer.body;
  const Json json = Json::parse(answer.body);
  EXPECT_EQ(json["00081199"]["Value"].size(), 1u);
  EXPECT_EQ(json["0008119A"]["Value"].size(), 7u);
  EXPECT_EQ(store_->status().instances, 1u);
  EXPECT_EQ(left_over(), 0u);
  EXPECT_EQ(post("/studies", kMultipart, multipart({"a poem"})).status, 409);
}

/// RCV: a file that crashes its reader is refused, the gateway goes on.
// RCV-3
TEST_F(DicomWeb, AReaderThatCrashesRefusesItsFileAndTheDoorStaysOpen) {
  const fs::path script = folder_ / "reader.sh";
  std::ofstream(script) << "#!/bin/bash\nread -r n; read -r -N \"$n\" r; kill -SEGV $$\n";
  fs::permissions(script, fs::perms::owner_all);
  open({.program = script});
  EXPECT_EQ(stow({kSlices[0]}).status, 409);
  open({});
  EXPECT_EQ(stow({kSlices[0]}).status, 200);
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(DicomWeb, WhatIsNoStoreRequestIsRefusedBeforeItIsKept) {
  const std::string body = multipart({slurp(kSlices[0])});
  EXPECT_EQ(post("/studies", "text/plain", body).status, 415);
  EXPECT_EQ(post("/studies", "multipart/related; type=\"application/dicom+json\"; boundary=B", body).status, 415);
  EXPECT_EQ(post("/studies", "multipart/related; type=\"application/dicom\"", body).status, 400);
  EXPECT_EQ(post("/studies", kMultipart, body, "Accept: application/dicom+xml\r\n").status, 406);
  EXPECT_EQ(post("/studies", kMultipart, body, "Content-Encoding: gzip\r\n").status, 415);
  EXPECT_EQ(post("/studies", kMultipart, body.substr(0, body.size() / 2)).status, 400);
  EXPECT_EQ(post("/studies", kMultipart, "").status, 400);
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(DicomWeb, ASenderThatGoesAwayLeavesNothingBehind) {
  const std::string body = multipart({slurp(kSlices[0]), slurp(kSlices[1])});
  {
    http_client::Socket socket(port());
    ASSERT_TRUE(socket.send("POST /dicomweb/studies HTTP/1.1\r\nHost: x\r\nContent-Type: " + std::string(kMultipart) +
                            "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" +
                            body.substr(0, body.size() - 5000)));
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  }
  for (int i = 0; i < 100 && left_over() > 0; ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(left_over(), 0u);
}

TEST_F(DicomWeb, AFullDiskIsSaidWith507) {
  server_->stop(1);
  store_.reset();
  store::StoreOptions options;
  options.folder = folder_ / "full";
  options.keep_free_bytes = std::uint64_t{1} << 60;
  store_ = std::make_unique<store::Store>(options);
  open({});
  const auto answer = stow({kSlices[0]});
  EXPECT_EQ(answer.status, 507);
  EXPECT_EQ(answer.headers.count("retry-after"), 1u);
  EXPECT_EQ(left_over(), 0u);
}

}  // namespace
