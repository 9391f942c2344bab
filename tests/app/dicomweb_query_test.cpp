/// QIDO-RS over the real store.
#include "app/dicomweb_fixture.h"

namespace {

using namespace dicomweb;
using namespace rouage;

class Qido : public DicomWeb {
 protected:
  void SetUp() override {
    DicomWeb::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(stow({kDicom / "dcmqi_seg/ct-3slice/01.dcm", kDicom / "dcmqi_seg/ct-3slice/02.dcm",
                    kDicom / "highdicom/ct_image.dcm", kDicom / "charset/chrFren.dcm"})
                  .status,
              200);
    slice_ = dicom::index_entry(kDicom / "dcmqi_seg/ct-3slice/01.dcm");
  }
  dicom::IndexEntry slice_;
};

TEST_F(Qido, AllStudies) {
  const Json found = json("/studies");
  ASSERT_EQ(found.size(), 3u);
  for (const Json& study : found) {
    EXPECT_TRUE(study.contains("0020000D"));
    EXPECT_EQ(study["00081190"]["vr"], "UR");
    EXPECT_TRUE(study.contains("00201208"));
  }
}

TEST_F(Qido, ByKeywordAndByTagAndByUidList) {
  const std::string uid = slice_.study_instance_uid;
  EXPECT_EQ(json("/studies?StudyInstanceUID=" + uid).size(), 1u);
  EXPECT_EQ(json("/studies?0020000D=" + uid + ",1.2.3.4").size(), 1u);
  EXPECT_EQ(json("/studies?0020000d=" + uid).size(), 1u);
  EXPECT_EQ(json("/studies?StudyInstanceUID=1.2.3.4").size(), 0u);
  EXPECT_EQ(json("/studies?PatientName=Buc*").size(), 1u);
  EXPECT_EQ(json("/studies?PatientName=buc&fuzzymatching=true").size(), 1u);
  EXPECT_EQ(json("/studies?ModalitiesInStudy=CT").size(), 2u);
}

TEST_F(Qido, SeriesAndInstancesOfTheirPaths) {
  const std::string study = "/studies/" + slice_.study_instance_uid;
  const Json series = json(study + "/series");
  ASSERT_EQ(series.size(), 1u);
  EXPECT_EQ(series[0]["0020000E"]["Value"][0], slice_.series_instance_uid);
  EXPECT_EQ(series[0]["00201209"]["Value"][0], 2);
  const Json instances = json(study + "/series/" + slice_.series_instance_uid + "/instances");
  ASSERT_EQ(instances.size(), 2u);
  EXPECT_TRUE(instances[0].contains("00080018"));
  EXPECT_TRUE(instances[0].contains("00280010"));
  const std::string url = instances[0]["00081190"]["Value"][0];
  EXPECT_NE(url.find("/instances/"), std::string::npos);
  EXPECT_EQ(json(study + "/instances").size(), 2u);
  EXPECT_EQ(json("/series").size(), 3u);
  EXPECT_EQ(json("/instances").size(), 4u);
  EXPECT_EQ(json("/instances?SOPInstanceUID=" + slice_.sop_instance_uid).size(), 1u);
}

TEST_F(Qido, IncludedFields) {
  const std::string target = "/series?SeriesInstanceUID=" + slice_.series_instance_uid;
  EXPECT_TRUE(json(target + "&includefield=Manufacturer")[0].contains("00080070"));
  EXPECT_TRUE(json(target + "&includefield=00080070,BodyPartExamined")[0].contains("00180015"));
  EXPECT_TRUE(json(target + "&includefield=all")[0].contains("00080070"));
  // A study has no SOP Instance UID, whatever is included.
  EXPECT_FALSE(json("/studies?includefield=all")[0].contains("00080018"));
}

TEST_F(Qido, PagesAreAnnounced) {
  const auto first = get("/studies?limit=2");
  EXPECT_EQ(Json::parse(first.body).size(), 2u);
  EXPECT_EQ(first.headers.at("warning").substr(0, 4), "299 ");
  const auto rest = get("/studies?limit=2&offset=2");
  EXPECT_EQ(Json::parse(rest.body).size(), 1u);
  EXPECT_EQ(rest.headers.count("warning"), 0u);
}

TEST_F(Qido, WhatIsNotUnderstoodIsRefusedNotIgnored) {
  for (const char* query : {"?PatientNam=x", "?limit=-1", "?limit=x", "?offset=99999999999999999999",
                            "?fuzzymatching=1", "?includefield=Nonsense", "?00081140.00081155=1.2"})
    EXPECT_EQ(get("/studies" + std::string(query)).status, 400) << query;
  EXPECT_EQ(get("/studies/1.2.x/series").status, 400);
  EXPECT_EQ(get("/studies", "application/dicom+xml").status, 406);
  EXPECT_EQ(get("/studies", "multipart/related; type=\"application/dicom+xml\"").status, 406);
  for (const char* accept : {"application/json", "*/*", "application/*", "text/html, */*;q=0.1"})
    EXPECT_EQ(get("/studies", accept).status, 200) << accept;
}

}  // namespace
