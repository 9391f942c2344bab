/// Priors from a real archive (Orthanc) by C-FIND with C-GET and C-MOVE, and by QIDO-RS with WADO-RS: the right
/// studies, the right person, byte-equal pixels, within their time.
#include "receive/priors.h"

#include <fcntl.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>
#include <thread>

#include "base/host.h"
#include "dicom/object.h"
#include "memory_sink.h"
#include "orthanc.h"

namespace {

using namespace rouage;
using namespace rouage::receive;
using receive::testing::free_port;
using receive::testing::MemorySink;
using receive::testing::Orthanc;
using receive::testing::Program;
using receive::testing::TestFolder;
namespace fs = std::filesystem;

/// The film of the shared collection that all made studies are copies of.
fs::path film() {
  const fs::path folder = fs::path(ROUAGE_SHARED_DIR) / "data" / "cxr" / "dicom";
  if (!fs::exists(folder)) return {};
  for (const fs::path& file : files_below(folder))
    if (file.extension() == ".dcm") return file;
  return {};
}

struct Made {
  std::string uid, patient, birth, sex, date, time, modality, body;
  int images = 1;
};
/// One patient's history around 2026-06-01, and others that must not be mixed in.
const std::vector<Made> kHistory = {
    {"1.2.3.100", "P1", "19600101", "M", "20260601", "120000", "CR", "CHEST"},     // the current study
    {"1.2.3.101", "P1", "19600101", "M", "20250110", "080000", "CR", "CHEST", 2},  // wanted
    {"1.2.3.102", "P1", "19600101", "M", "20240110", "080000", "CR", "CHEST"},     // wanted
    {"1.2.3.103", "P1", "19600101", "M", "20230101", "080000", "CR", "HAND"},      // another body part
    {"1.2.3.104", "P1", "19600101", "M", "20100101", "080000", "CR", "CHEST"},     // too old
    {"1.2.3.105", "P1", "19600101", "M", "20250601", "080000", "OT", "CHEST"},     // another modality
    {"1.2.3.106", "P1", "19600101", "M", "20260601", "130000", "CR", "CHEST"},     // later the same day
    {"1.2.3.107", "P1", "19710707", "M", "20240505", "080000", "CR", "CHEST"},     // another birth date
    {"1.2.3.108", "P1", "19600101", "F", "20240506", "080000", "CR", "CHEST"},     // another sex
    {"1.2.3.109", "P12", "19600101", "M", "20250505", "080000", "CR", "CHEST"},    // another id
    {"1.2.3.110", "OLD1", "19600101", "M", "20220202", "080000", "CR", "CHEST"}};  // merged into P1

const CurrentStudy kCurrent = {"P1", "", "19600101", "M", {}, "1.2.3.100", "20260601", "120000", "CR", "CHEST", ""};

class Priors : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    if (film().empty() || !Orthanc::installed()) return;
    folder_ = new TestFolder("priors");
    rouage_port_ = free_port();
    orthanc_ = new Orthanc(*folder_ / "orthanc", rouage_port_);
    if (!orthanc_->ready()) return;
    up_ = true;
    for (const Made& made : kHistory)
      for (int i = 1; i <= made.images; ++i) up_ = upload(made, i) && up_;
  }
  static void TearDownTestSuite() {
    delete orthanc_;
    delete folder_;
    orthanc_ = nullptr;
    folder_ = nullptr;
  }
  static bool upload(const Made& made, int image) {
    const fs::path copy = *folder_ / ("made-" + made.uid + "-" + std::to_string(image) + ".dcm");
    fs::copy_file(film(), copy);
    fs::permissions(copy, fs::perms::owner_all);
    const std::string instance = made.uid + ".1." + std::to_string(image);
    const auto set = [](const std::string& tag, const std::string& value) {
      return " -i '(" + tag + ")=" + value + "'";
    };
    const std::string command = "dcmodify -nb" + set("0010,0020", made.patient) + set("0010,0030", made.birth) +
                                set("0010,0040", made.sex) + set("0008,0020", made.date) + set("0008,0030", made.time) +
                                set("0008,0060", made.modality) + set("0018,0015", made.body) +
                                set("0020,000d", made.uid) + set("0020,000e", made.uid + ".1") +
                                set("0008,0018", instance) + " " + copy.string() + " >/dev/null 2>&1";
    files_[instance] = copy;
    return std::system(command.c_str()) == 0 && orthanc_->upload(copy);
  }
  void SetUp() override {
    if (!up_) GTEST_SKIP() << "no Orthanc with DICOMweb, no dcmodify, or no shared films";
  }
  static PriorsSource get_source() {
    PriorsSource source;
    source.peer = dimse::Peer{.host = "127.0.0.1", .port = orthanc_->dicom_port, .ae_title = "ORTHANC"};
    return source;
  }
  static PriorsSource web_source() {
    PriorsSource source;
    source.url = orthanc_->url() + "/dicom-web/";
    return source;
  }
  static std::vector<std::string> uids(const PriorsFound& found) {
    std::vector<std::string> list;
    for (const PriorStudy& study : found.studies) list.push_back(study.study_instance_uid);
    return list;
  }
  /// The archive gives back what it was given: the same encoded pixels, the same person.
  void expect_equal_pixels(const fs::path& folder) const {
    for (const fs::path& file : files_below(folder)) {
      const auto entry = dicom::index_entry(file);
      const fs::path sent = files_.at(entry.sop_instance_uid);
      EXPECT_EQ(entry.transfer_syntax_uid, dicom::index_entry(sent).transfer_syntax_uid);
      EXPECT_EQ(dicom::encoded_frames(file, {1}).frames, dicom::encoded_frames(sent, {1}).frames);
    }
  }

  static inline TestFolder* folder_ = nullptr;
  static inline Orthanc* orthanc_ = nullptr;
  static inline std::map<std::string, fs::path> files_;
  static inline int rouage_port_ = 0;
  static inline bool up_ = false;
};

/// Keeps the files of what was accepted, so that they can be compared.
class KeepingSink : public MemorySink {
 public:
  KeepingSink(const fs::path& incoming, fs::path kept) : MemorySink(incoming), kept_(std::move(kept)) {
    fs::create_directories(kept_);
  }
  std::vector<Receipt> accept(std::vector<Arrival> arrivals) override {
    for (const Arrival& arrival : arrivals)
      fs::copy_file(arrival.file, kept_ / arrival.entry.sop_instance_uid, fs::copy_options::overwrite_existing);
    return MemorySink::accept(std::move(arrivals));
  }

 private:
  fs::path kept_;
};

TEST_F(Priors, TheRightStudiesAreFoundByDimseAndByWeb) {
  for (const PriorsSource& source : {get_source(), web_source()}) {
    SCOPED_TRACE(source.name());
    const PriorsFound found = find_priors(source, {.most = 5}, kCurrent, 20);
    EXPECT_EQ(found.failure, "");
    EXPECT_EQ(uids(found), (std::vector<std::string>{"1.2.3.101", "1.2.3.102"}));
    ASSERT_FALSE(found.studies.empty());
    EXPECT_EQ(found.studies[0].series.at(0).instances, 2);
    EXPECT_NE(found.studies[0].why.find("CR of 20250110"), std::string::npos) << found.studies[0].why;
    std::string passed_over;
    for (const std::string& line : found.passed_over) passed_over += line + "\n";
    for (const char* reason : {"20230101: body part HAND is not CHEST", "another birth date", "another sex",
                               "20260601: it is not earlier", "20250601: none of its modalities"})
      EXPECT_NE(passed_over.find(reason), std::string::npos) << reason << " in:\n" << passed_over;
    EXPECT_EQ(passed_over.find("P12"), std::string::npos);
    EXPECT_EQ(uids(find_priors(source, {.most = 1}, kCurrent, 20)), (std::vector<std::string>{"1.2.3.101"}));
  }
}

TEST_F(Priors, RulesWidenTheSearch) {
  const PriorRules rules{.most = 5, .modalities = {"CR", "OT"}, .body_parts = {"h?nd", "CH*"}, .years = 20};
  EXPECT_EQ(uids(find_priors(get_source(), rules, kCurrent, 20)),
            (std::vector<std::string>{"1.2.3.105", "1.2.3.101", "1.2.3.102", "1.2.3.103", "1.2.3.104"}));
  CurrentStudy merged = kCurrent;
  merged.other_ids = {"OLD1"};
  EXPECT_EQ(uids(find_priors(get_source(), {.most = 5}, merged, 20)),
            (std::vector<std::string>{"1.2.3.101", "1.2.3.102", "1.2.3.110"}));
}

TEST_F(Priors, ComeByGetAndByWebAsTheyAreInTheArchive) {
  for (const PriorsSource& source : {get_source(), web_source()}) {
    SCOPED_TRACE(source.name());
    const TestFolder folder("priors-in");
    KeepingSink sink(folder / "incoming", folder / "kept");
    const PriorsFound found = find_priors(source, {.most = 5}, kCurrent, 20);
    const FetchReport report = fetch_priors(source, found, kCurrent, sink, dicom::index_entry, 30);
    EXPECT_EQ(report.failures, std::vector<std::string>{});
    EXPECT_EQ(report.objects, 3);
    EXPECT_EQ(report.studies_whole.size(), 2);
    EXPECT_TRUE(report.in_time);
    std::set<std::string> instances;
    for (const Arrival& arrival : sink.arrivals()) {
      EXPECT_EQ(arrival.origin.way, Origin::Way::priors);  // no cog will run on it
      EXPECT_EQ(arrival.origin.sender, source.name());
      EXPECT_EQ(arrival.digest, file_digest(folder / "kept" / arrival.entry.sop_instance_uid, 8 * kMebibyte));
      instances.insert(arrival.entry.sop_instance_uid);
    }
    EXPECT_EQ(instances, (std::set<std::string>{"1.2.3.101.1.1", "1.2.3.101.1.2", "1.2.3.102.1.1"}));
    expect_equal_pixels(folder / "kept");
    EXPECT_TRUE(fs::is_empty(folder / "incoming"));
    const FetchReport again = fetch_priors(source, found, kCurrent, sink, dicom::index_entry, 30);
    EXPECT_EQ(again.duplicates, 3);
  }
}

// C-MOVE: the archive sends to our AE title; here Debian's storescp stands for our listener.
TEST_F(Priors, MoveSendsThemToOurListener) {
  const TestFolder folder("priors-move");
  fs::create_directories(folder / "received");
  const Program listener(
      {"storescp", "-aet", "ROUAGE", "+xa", "-od", (folder / "received").string(), std::to_string(rouage_port_)},
      folder / "storescp.log");
  ::usleep(500'000);
  MemorySink sink(folder / "incoming");
  PriorsSource source = get_source();
  source.move_to = "ROUAGE";
  source.gate = std::make_shared<PriorsGate>(sink);
  const PriorsFound found = find_priors(source, {.most = 5}, kCurrent, 20);
  const FetchReport report = fetch_priors(source, found, kCurrent, sink, dicom::index_entry, 30);
  EXPECT_EQ(report.failures, std::vector<std::string>{});
  EXPECT_EQ(report.studies_whole.size(), 2);
  EXPECT_EQ(files_below(folder / "received").size(), 3);
  expect_equal_pixels(folder / "received");
}

TEST_F(Priors, AFullDiskAndAHostileObjectAreSaidNotFatal) {
  for (const PriorsSource& source : {get_source(), web_source()}) {
    SCOPED_TRACE(source.name());
    const TestFolder folder("priors-full");
    MemorySink sink(folder / "incoming");
    const PriorsFound found = find_priors(source, {.most = 5}, kCurrent, 20);
    sink.full = true;
    const FetchReport full = fetch_priors(source, found, kCurrent, sink, dicom::index_entry, 30);
    EXPECT_EQ(full.objects, 0);
    EXPECT_FALSE(full.failures.empty());
    sink.full = false;
    const auto hostile = [](const fs::path&) -> dicom::IndexEntry {
      throw Error(ErrorCode::HeaderInvalid, "its reader crashed twice");
    };
    const FetchReport bad = fetch_priors(source, found, kCurrent, sink, hostile, 30);
    EXPECT_EQ(bad.objects, 0);
    EXPECT_EQ(bad.refused, 3);
    EXPECT_TRUE(bad.studies_whole.empty());
    EXPECT_TRUE(fs::is_empty(folder / "incoming"));
  }
}

// An archive that answers with objects of another person: nothing of them is kept.
// RCV-12
TEST_F(Priors, AnObjectOfAnotherPersonIsNotKept) {
  const TestFolder folder("priors-other");
  MemorySink sink(folder / "incoming");
  const PriorsFound found = find_priors(get_source(), {.most = 1}, kCurrent, 20);
  CurrentStudy other = kCurrent;
  other.birth_date = "19990909";
  const FetchReport report = fetch_priors(get_source(), found, other, sink, dicom::index_entry, 30);
  EXPECT_EQ(report.objects, 0);
  EXPECT_EQ(report.refused, 2);
  EXPECT_TRUE(sink.arrivals().empty());
}

/// Accepts connections and says nothing.
class Silent {
 public:
  Silent() : socket_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    ::bind(socket_, reinterpret_cast<sockaddr*>(&address), length);
    ::listen(socket_, 16);
    ::getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &length);
    port = ntohs(address.sin_port);
  }
  ~Silent() { ::close(socket_); }
  int port = 0;

 private:
  int socket_;
};

TEST(PriorsTime, APeerThatSaysNothingCostsTheDeadlineAndNoMore) {
  const Silent silent;
  PriorsSource dimse, web;
  dimse.peer = dimse::Peer{.host = "127.0.0.1", .port = silent.port, .ae_title = "SILENT"};
  web.url = "http://127.0.0.1:" + std::to_string(silent.port);
  for (const PriorsSource& source : {dimse, web}) {
    const double begun = monotonic_s();
    const PriorsFound found = find_priors(source, {}, kCurrent, 2);
    EXPECT_FALSE(found.failure.empty());
    EXPECT_LT(monotonic_s() - begun, 4.0)
        << source.name();  // the deadline, and one second for what ends an association
  }
  PriorsSource nobody;
  nobody.peer = dimse::Peer{.host = "127.0.0.1", .port = free_port(), .ae_title = "NOBODY"};
  EXPECT_FALSE(find_priors(nobody, {}, kCurrent, 5).failure.empty());
}

TEST(PriorsRules, WhoIsTheSamePerson) {
  EXPECT_FALSE(other_person(kCurrent, "P1", "", "19600101", "M"));
  EXPECT_FALSE(other_person(kCurrent, "P1", "CHU", "", ""));  // not said is not different
  EXPECT_TRUE(other_person(kCurrent, "P2", "", "19600101", "M"));
  EXPECT_TRUE(other_person(kCurrent, "", "", "19600101", "M"));
  EXPECT_TRUE(other_person(kCurrent, "P1", "", "19600102", "M"));
  EXPECT_TRUE(other_person(kCurrent, "P1", "", "19600101", "F"));
  CurrentStudy issued = kCurrent;
  issued.issuer = "CHU";
  EXPECT_TRUE(other_person(issued, "P1", "CLINIC", "19600101", "M"));
}

// A wild card in the patient's id would ask for other patients.
TEST(PriorsRules, AnIdThatMatchesOthersIsNotAskedFor) {
  for (const char* id : {"", "P*", "P?", "P1\\P2"}) {
    CurrentStudy current = kCurrent;
    current.patient_id = id;
    PriorsSource source;
    source.url = "http://127.0.0.1:1";
    EXPECT_EQ(find_priors(source, {}, current, 1).failure,
              "the current study has no patient id that names one patient");
  }
}

TEST(PriorsRules, SeriesFitByBodyPartOrDescription) {
  const PriorStudy study{.description = "RADIO THORAX"};
  const PriorSeries chest{.modality = "CR", .body_part = "CHEST", .description = "face"};
  EXPECT_FALSE(unfit_series({}, kCurrent, study, chest));
  EXPECT_TRUE(unfit_series({}, kCurrent, study, {.modality = "CT", .body_part = "CHEST"}));
  EXPECT_TRUE(unfit_series({}, kCurrent, study, {.modality = "CR", .body_part = "HAND"}));
  EXPECT_FALSE(unfit_series({}, kCurrent, study, {.modality = "CR"}));  // not said
  EXPECT_FALSE(unfit_series({.descriptions = {"*thorax*"}}, kCurrent, study, {.modality = "CR"}));
  EXPECT_TRUE(unfit_series({.body_parts = {"ABDOMEN"}}, kCurrent, study, chest));
}

TEST(PriorsGate, MarksOnlyWhatWasAskedFor) {
  const TestFolder folder("gate");
  MemorySink store(folder / "incoming");
  PriorsGate gate(store);
  const auto arrival = [&](const std::string& study, const std::string& sop, const std::string& sender,
                           const std::string& patient) {
    Arrival made;
    made.file = folder / "incoming" / sop;
    std::ofstream(made.file) << "x";
    made.entry.study_instance_uid = study;
    made.entry.sop_instance_uid = sop;
    made.entry.patient_id = patient;
    made.origin.way = Origin::Way::dimse;
    made.origin.sender = sender;
    return made;
  };
  gate.expect("1.2", "PACS", kCurrent);
  gate.accept({arrival("1.2", "1", "PACS", "P1"), arrival("1.2", "2", "CT1", "P1"), arrival("1.3", "3", "PACS", "P1"),
               arrival("1.2", "4", "PACS", "SOMEBODY")});
  const PriorsGate::Count count = gate.forget("1.2");
  EXPECT_EQ(count.kept, 1);
  EXPECT_EQ(count.refused, 1);
  gate.accept({arrival("1.2", "5", "PACS", "P1")});
  std::vector<bool> priors;
  for (const Arrival& kept : store.arrivals()) priors.push_back(kept.origin.way == Origin::Way::priors);
  EXPECT_EQ(priors, (std::vector<bool>{true, false, false, false, false}));
}

}  // namespace
