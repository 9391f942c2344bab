/// WADO-RS: what comes back is what was stored.
#include "app/dicomweb_fixture.h"
#include "image/picture.h"

namespace {

using namespace dicomweb;
using namespace rouage;

const fs::path kSyntaxes = kDicom / "ct_all_syntaxes";

TEST_F(DicomWeb, AStudyComesBackByteForByte) {
  const std::vector<fs::path> files = {kDicom / "dcmqi_seg/ct-3slice/01.dcm", kDicom / "dcmqi_seg/ct-3slice/02.dcm",
                                       kDicom / "dcmqi_seg/ct-3slice/03.dcm"};
  ASSERT_EQ(stow(files).status, 200);
  const auto entry = dicom::index_entry(files[0]);
  const std::string study = "/studies/" + entry.study_instance_uid;
  for (const std::string& target : {study, study + "/series/" + entry.series_instance_uid}) {
    const auto answer = get(target, "multipart/related; type=\"application/dicom\"; transfer-syntax=*");
    ASSERT_EQ(answer.status, 200);
    EXPECT_TRUE(answer.whole);
    std::multiset<std::string> got, sent;
    for (const Part& part : parts_of(answer)) {
      got.insert(sha256(part.body).hex());
      EXPECT_EQ(part.headers.at("content-type"), "application/dicom; transfer-syntax=" + entry.transfer_syntax_uid);
    }
    for (const fs::path& file : files) sent.insert(sha256(slurp(file)).hex());
    EXPECT_EQ(got, sent);
  }
  const auto single = get(instance_path(entry), "application/dicom");
  EXPECT_EQ(single.body, slurp(files[0]));
  EXPECT_EQ(parts_of(get(instance_path(entry))).at(0).body, slurp(files[0]));
  EXPECT_EQ(get("/studies/1.2.3").status, 404);
  EXPECT_EQ(get("/studies/1..2").status, 400);
}

TEST_F(DicomWeb, NothingIsTranscoded) {
  const fs::path file = kSyntaxes / "CTImage.dcm_JPEGLSLosslessTransferSyntax_1.2.840.10008.1.2.4.80.dcm";
  ASSERT_EQ(stow({file}).status, 200);
  const std::string path = instance_path(dicom::index_entry(file));
  const std::string dicom_parts = "multipart/related; type=\"application/dicom\"";
  EXPECT_EQ(get(path, dicom_parts + "; transfer-syntax=1.2.840.10008.1.2.4.80").status, 200);
  EXPECT_EQ(get(path, dicom_parts + "; transfer-syntax=1.2.840.10008.1.2.4.70").status, 406);
  EXPECT_EQ(
      get(path, dicom_parts + "; transfer-syntax=1.2.840.10008.1.2.4.70, " + dicom_parts + "; transfer-syntax=*;q=0.1")
          .status,
      200);
  EXPECT_EQ(get(path, "multipart/related; type=\"application/dicom+xml\"").status, 406);
}

TEST_F(DicomWeb, FramesInSevenSyntaxesAsCornerstoneAndOthersAskForThem) {
  for (const fs::path& file : files_below(kSyntaxes)) {
    if (file.filename() == "no-pixel-data.dcm") continue;
    // One UID for all seven: a store of its own each.
    server_->stop(1);
    store_.reset();
    fs::remove_all(folder_ / "store");
    open({});
    ASSERT_EQ(stow({file}).status, 200) << file;
    const auto entry = dicom::index_entry(file);
    const auto expected = dicom::encoded_frames(file, {1});
    const std::string bytes(expected.frames[0].begin(), expected.frames[0].end());
    const std::string target = instance_path(entry) + "/frames/1";
    const auto check = [&](const std::string& accept, const std::string& type) {
      const auto answer = get(target, accept);
      ASSERT_EQ(answer.status, 200) << file << " " << accept << answer.body;
      const auto parts = parts_of(answer);
      if (accept.starts_with("multipart") || accept.empty()) {
        ASSERT_EQ(parts.size(), 1u);
        EXPECT_EQ(parts[0].body, bytes);
        EXPECT_EQ(parts[0].headers.at("content-type"), type + "; transfer-syntax=" + expected.transfer_syntax_uid);
      } else {
        EXPECT_EQ(answer.body, bytes);
      }
    };
    check("", expected.media_type);
    check("multipart/related; type=\"" + expected.media_type + "\"", expected.media_type);
    check("multipart/related; type=application/octet-stream; transfer-syntax=*", "application/octet-stream");
    check(expected.media_type, expected.media_type);
    const bool plain = expected.media_type == "application/octet-stream";
    EXPECT_EQ(get(target, "multipart/related; type=\"application/octet-stream\"").status, plain ? 200 : 406);
    EXPECT_EQ(get(target, "image/heic").status, 406);
    EXPECT_EQ(get(instance_path(entry) + "/frames/2").status, 404);
    EXPECT_EQ(get(instance_path(entry) + "/frames/0").status, 400);
    EXPECT_EQ(get(instance_path(entry) + "/frames/1,x").status, 400);
  }
}

TEST_F(DicomWeb, ManyFramesInTheOrderAsked) {
  const fs::path file = kDicom / "pydicom_data/emri_small_RLE.dcm";
  ASSERT_EQ(stow({file}).status, 200);
  const auto entry = dicom::index_entry(file);
  ASSERT_GE(entry.frames, 10u);
  const auto parts =
      parts_of(get(instance_path(entry) + "/frames/10,3,4", "multipart/related; type=\"image/dicom-rle\""));
  ASSERT_EQ(parts.size(), 3u);
  const auto expected = dicom::encoded_frames(file, {10, 3, 4});
  for (std::size_t i = 0; i < 3; ++i)
    EXPECT_EQ(parts[i].body, std::string(expected.frames[i].begin(), expected.frames[i].end()));
  EXPECT_EQ(get(instance_path(entry) + "/frames/1,2", "image/dicom-rle").status, 406);  // two frames are no single body
}

TEST_F(DicomWeb, MetadataLeadToTheirBulkData) {
  const std::vector<fs::path> files = {kDicom / "pydicom_data/emri_small.dcm", kDicom / "charset/chrH31.dcm",
                                       kDicom / "dcmqi_seg/ct-3slice/01.dcm", kDicom / "dcmqi_seg/ct-3slice/02.dcm"};
  ASSERT_EQ(stow(files).status, 200);
  const auto entry = dicom::index_entry(files[2]);
  const Json study = json("/studies/" + entry.study_instance_uid + "/metadata");
  ASSERT_EQ(study.size(), 2u);
  EXPECT_EQ(study[0]["00083002"]["Value"][0], entry.transfer_syntax_uid);
  EXPECT_EQ(json(instance_path(dicom::index_entry(files[1])) + "/metadata")[0]["00100010"]["Value"][0]["Ideographic"],
            "山田^太郎");
  const std::string uri = study[0]["7FE00010"]["BulkDataURI"];
  const std::string base = "http://127.0.0.1:" + std::to_string(port()) + "/dicomweb";
  ASSERT_EQ(uri.substr(0, base.size()), base);
  const auto pixels = dicom::bulk_data(files[2], "7FE00010");
  const auto bulk = get(uri.substr(base.size()));
  EXPECT_EQ(bulk.body.size(), pixels.size());
  EXPECT_EQ(parts_of(get(uri.substr(base.size()), "multipart/related; type=\"application/octet-stream\"")).at(0).body,
            bulk.body);
  EXPECT_EQ(get(instance_path(entry) + "/bulkdata/00100010").status, 404);
  // All frames of a multi-frame object, one behind the other.
  const auto multi = dicom::index_entry(files[0]);
  const auto all = dicom::bulk_data(files[0], "7FE00010");
  EXPECT_EQ(get(instance_path(multi) + "/bulkdata/7FE00010").body, std::string(all.begin(), all.end()));
}

std::pair<std::uint32_t, std::uint32_t> size_of(const std::string& body, bool png) {
  const std::span<const std::uint8_t> bytes(reinterpret_cast<const std::uint8_t*>(body.data()), body.size());
  const auto picture = png ? image::read_png(bytes, 1 << 26) : image::read_jpeg(bytes, 1 << 26);
  return {picture.columns, picture.rows};
}

TEST_F(DicomWeb, PicturesAreRenderedInChildren) {
  const fs::path ct = kSyntaxes / "CTImage.dcm_JPEG2000LosslessOnlyTransferSyntax_1.2.840.10008.1.2.4.90.dcm";
  const fs::path colour = kDicom / "pydicom/SC_rgb.dcm";
  ASSERT_EQ(stow({ct, kDicom / "pydicom_data/emri_small.dcm"}).status, 200);
  const auto entry = dicom::index_entry(ct);
  const std::string path = instance_path(entry);
  const auto jpeg = get(path + "/rendered");
  ASSERT_EQ(jpeg.status, 200) << jpeg.body;
  EXPECT_EQ(jpeg.headers.at("content-type"), "image/jpeg");
  EXPECT_EQ(size_of(jpeg.body, false), std::pair(entry.columns, entry.rows));
  EXPECT_EQ(size_of(get(path + "/rendered", "image/png").body, true), std::pair(entry.columns, entry.rows));
  EXPECT_EQ(size_of(get(path + "/rendered?viewport=100,60", "image/png").body, true), std::pair(60U, 60U));
  EXPECT_EQ(size_of(get(path + "/thumbnail").body, false), std::pair(128U, 128U));
  EXPECT_EQ(get("/studies/" + entry.study_instance_uid + "/thumbnail").status, 200);
  EXPECT_EQ(get(path + "/rendered", "text/html").status, 406);
  for (const char* wrong : {"?viewport=0,1", "?viewport=1", "?viewport=1,2,3,4", "?quality=101", "?window=1,2,linear"})
    EXPECT_EQ(get(path + "/rendered" + wrong).status, 400) << wrong;
  const std::string frames = instance_path(dicom::index_entry(kDicom / "pydicom_data/emri_small.dcm"));
  EXPECT_EQ(get(frames + "/frames/10/rendered").status, 200);
  EXPECT_EQ(get(frames + "/frames/11/rendered").status, 404);
  if (!fs::exists(colour)) return;
  ASSERT_EQ(stow({colour}).status, 200);
  const auto rgb = get(instance_path(dicom::index_entry(colour)) + "/rendered", "image/png");
  ASSERT_EQ(rgb.status, 200) << rgb.body;
}

/// RES: a result that may not leave is neither found nor given, by any service of this exit.
// STO-7
TEST_F(DicomWeb, AWithheldResultIsNotThere) {
  const fs::path image = kDicom / "highdicom/ct_image.dcm", report = kDicom / "highdicom/sr_document.dcm";
  ASSERT_EQ(stow({image}).status, 200);
  const auto source = dicom::index_entry(image);
  fs::copy_file(report, folder_ / "result.dcm");
  store::ResultObject result{.file = folder_ / "result.dcm", .entry = dicom::index_entry(report)};
  result.bytes = fs::file_size(result.file);
  result.digest = file_digest(result.file, 1 << 20);
  const auto kept = store_->keep_results({result});
  store_->database().write(
      [&](store::Transaction& tx) { store_->index_results(tx, kept, source.series_instance_uid, 1); });
  const std::string study = "/studies/" + result.entry.study_instance_uid;
  const std::string path = instance_path(result.entry);
  EXPECT_EQ(json("/instances?SOPInstanceUID=" + result.entry.sop_instance_uid).size(), 0u);
  EXPECT_EQ(json(study + "/series?Modality=SR").size(), 0u);
  for (const std::string target : {"", "/metadata", "/rendered", "/thumbnail", "/frames/1", "/bulkdata/7FE00010"})
    EXPECT_EQ(get(path + target).status, 404) << target;
}

}  // namespace
