// Queries as PS3.4 C.2.2.2 asks for them, and what may not leave is not found.
#include <fmt/format.h>

#include "base/error.h"
#include "store/name_key.h"
#include "store_fixture.h"

namespace rouage::store::testing {
namespace {

using dicom::Attributes;
constexpr std::uint32_t kPatientId = 0x00100020, kName = 0x00100010, kStudyDate = 0x00080020, kStudyTime = 0x00080030,
                        kAccession = 0x00080050, kModalities = 0x00080061, kModality = 0x00080060,
                        kStudyUid = 0x0020000D, kSeriesUid = 0x0020000E, kSopUid = 0x00080018,
                        kDescription = 0x00081030;

/// Four studies of three patients.
class Queries : public StoreTest {
 protected:
  void SetUp() override {
    StoreTest::SetUp();
    if (!store_) return;
    add({.patient = "P1",
         .name = "Lévy^René",
         .study = "1.1",
         .date = "20260101",
         .time = "081500",
         .accession = "A1",
         .description = "Thorax 100%",
         .series = "1.1.1",
         .modality = "CR",
         .sop = "1.1.1.1"});
    add({.patient = "P1",
         .name = "Lévy^René",
         .study = "1.2",
         .date = "20260215",
         .time = "101500",
         .accession = "A2",
         .description = "CT_thorax",
         .series = "1.2.1",
         .modality = "CT",
         .sop = "1.2.1.1"});
    add({.patient = "P1",
         .name = "Lévy^René",
         .study = "1.2",
         .date = "20260215",
         .time = "101500",
         .accession = "A2",
         .series = "1.2.2",
         .modality = "PT",
         .sop = "1.2.2.1"});
    add({.patient = "P2",
         .name = "MARTIN^Luc^Jean",
         .study = "1.3",
         .date = "20260215",
         .time = "235959.5",
         .accession = "A3",
         .series = "1.3.1",
         .modality = "MG",
         .sop = "1.3.1.1"});
    add({.patient = "P3",
         .name = "Martinez^Ana",
         .study = "1.4",
         .date = "20261124",
         .time = "12",
         .accession = "B*1",
         .series = "1.4.1",
         .modality = "CR",
         .sop = "1.4.1.1"});
  }
  void add(const Made& made) { ASSERT_EQ(send(*store_, made).outcome, receive::Outcome::stored); }
  std::string studies(const Attributes& match, bool fuzzy = false) {
    std::vector<std::string> uids;
    store_->query({.level = Level::study, .match = match, .fuzzy = fuzzy}, [&](const Attributes& one) {
      uids.push_back(one.at(kStudyUid));
      return true;
    });
    std::sort(uids.begin(), uids.end());
    return fmt::format("{}", fmt::join(uids, " "));
  }
};
ROUAGE_ON_BOTH(Queries);

TEST_P(Queries, single_values_wild_cards_and_universal_matching) {
  EXPECT_EQ(studies({}), "1.1 1.2 1.3 1.4");
  EXPECT_EQ(studies({{kPatientId, ""}}), "1.1 1.2 1.3 1.4");
  EXPECT_EQ(studies({{kPatientId, "*"}}), "1.1 1.2 1.3 1.4");
  EXPECT_EQ(studies({{kPatientId, "P1"}}), "1.1 1.2");
  EXPECT_EQ(studies({{kPatientId, "p1"}}), "") << "identifiers keep their case";
  EXPECT_EQ(studies({{kPatientId, "P?"}}), "1.1 1.2 1.3 1.4");
  EXPECT_EQ(studies({{kAccession, "A*"}}), "1.1 1.2 1.3");
  EXPECT_EQ(studies({{kDescription, "*thorax"}}), "1.2");
  EXPECT_EQ(studies({{kDescription, "Thorax 100%"}}), "1.1");
  EXPECT_EQ(studies({{kDescription, "CT_*"}}), "1.2") << "an underscore means itself";
  EXPECT_EQ(studies({{kDescription, "CT%"}}), "") << "a percent sign means itself";
  EXPECT_EQ(studies({{0x00321060, "unknown key"}}), "1.1 1.2 1.3 1.4") << "keys without index are not matched";
  EXPECT_EQ(studies({{kPatientId, "'; DROP TABLE study; --"}}), "");
}

TEST_P(Queries, dates_and_times_as_ranges) {
  EXPECT_EQ(studies({{kStudyDate, "20260215"}}), "1.2 1.3");
  EXPECT_EQ(studies({{kStudyDate, "20260102-20260301"}}), "1.2 1.3");
  EXPECT_EQ(studies({{kStudyDate, "20260215-"}}), "1.2 1.3 1.4");
  EXPECT_EQ(studies({{kStudyDate, "-20260215"}}), "1.1 1.2 1.3");
  EXPECT_EQ(studies({{kStudyTime, "0800-1020"}}), "1.1 1.2");
  EXPECT_EQ(studies({{kStudyTime, "235959-"}}), "1.3");
  EXPECT_EQ(studies({{kStudyDate, "20260215"}, {kStudyTime, "10"}}), "1.2");
}

TEST_P(Queries, names_without_case_and_accents_and_fuzzy_by_words) {
  EXPECT_EQ(studies({{kName, "levy^rene"}}), "1.1 1.2");
  EXPECT_EQ(studies({{kName, "LÉVY*"}}), "1.1 1.2");
  EXPECT_EQ(studies({{kName, "Martin^Luc^Jean"}}), "1.3");
  EXPECT_EQ(studies({{kName, "Martin"}}), "") << "not a wild card";
  EXPECT_EQ(studies({{kName, "martin*"}}), "1.3 1.4");
  EXPECT_EQ(studies({{kName, "jean martin"}}, true), "1.3");
  EXPECT_EQ(studies({{kName, "mart"}}, true), "1.3 1.4");
  EXPECT_EQ(studies({{kName, "artin"}}, true), "");
  EXPECT_EQ(studies({{kName, "*artin*"}}, true), "1.3 1.4") << "as OHIF asks";
  EXPECT_EQ(studies({{kName, "m?rt luc"}}, true), "1.3");
}

TEST_P(Queries, lists_of_uids_and_modalities_in_study) {
  EXPECT_EQ(studies({{kStudyUid, "1.1\\1.4\\9.9"}}), "1.1 1.4");
  EXPECT_EQ(studies({{kModalities, "CT"}}), "1.2");
  EXPECT_EQ(studies({{kModalities, "PT\\MG"}}), "1.2 1.3");
  EXPECT_EQ(studies({{kModalities, "XX"}}), "");
  EXPECT_EQ(studies({{kSeriesUid, "1.2.2"}}), "1.2");
  EXPECT_EQ(studies({{kSopUid, "1.3.1.1"}}), "1.3");
  std::string many = "1.1";
  for (int i = 0; i < 2'000; ++i) many += "\\9." + std::to_string(i);
  EXPECT_THROW(studies({{kStudyUid, many}}), Error);
}

TEST_P(Queries, answers_hold_what_the_level_requires_and_what_was_asked) {
  const auto study = find(Level::study, {{kStudyUid, "1.2"}}).at(0);
  EXPECT_EQ(study.at(kModalities), "CT\\PT");
  EXPECT_EQ(study.at(0x00201206), "2");
  EXPECT_EQ(study.at(0x00201208), "2");
  EXPECT_EQ(study.at(kName), "Lévy^René");
  const auto series = find(Level::series, {{kStudyUid, "1.2"}, {kModality, "PT"}});
  ASSERT_EQ(series.size(), 1U);
  EXPECT_EQ(series[0].at(kSeriesUid), "1.2.2");
  EXPECT_EQ(series[0].at(0x00201209), "1");
  const auto instances = find(Level::instance, {{kStudyUid, "1.2"}});
  ASSERT_EQ(instances.size(), 2U);
  EXPECT_EQ(instances[0].at(kSopUid), "1.2.1.1");
  const auto patients = find(Level::patient, {{kPatientId, "P1"}});
  ASSERT_EQ(patients.size(), 1U);
  EXPECT_EQ(patients[0].at(0x00201200), "2");
  EXPECT_EQ(patients[0].at(0x00201204), "3");
  std::string manufacturer;
  store_->query({.level = Level::study, .match = {{kStudyUid, "1.1"}}, .wanted = {0x00081090, 0x00080062}},
                [&](const Attributes& one) {
                  manufacturer = one.at(0x00081090);
                  EXPECT_EQ(one.at(0x00080062), "1.2.840.10008.5.1.4.1.1.1");
                  return true;
                });
  EXPECT_EQ(manufacturer, "X1") << "what the index does not hold comes from an object";
}

TEST_P(Queries, pages_hold_each_match_once_the_latest_study_first) {
  std::string seen;
  bool more = true;
  for (std::size_t offset = 0; more; ++offset)
    more = store_->query({.level = Level::study, .limit = 1, .offset = offset}, [&](const Attributes& one) {
      seen += one.at(kStudyUid) + " ";
      return true;
    });
  EXPECT_EQ(seen, "1.4 1.3 1.2 1.1 ");
  int answers = 0;
  EXPECT_FALSE(store_->query({}, [&](const Attributes&) { return ++answers < 2; }));
  EXPECT_EQ(answers, 2) << "the caller stops it";
}

// STO-7: a result that may not leave by an exit is not found, not counted and not given by it.
TEST_P(Queries, results_that_may_not_leave_are_not_found) {
  const auto kept = store_->keep_results({made_result(scratch_folder("staging"), "1.1", "2.25.1"),
                                          made_result(scratch_folder("staging"), "1.1", "2.25.2")});
  store_->database().write([&](Transaction& tx) { store_->index_results(tx, kept, "1.1.1", 0); });
  struct OnlyFirst : ReleasePermit {
    ExitAnswer ask(const ExitRequest& request) const override {
      return {request.policy == Policy::at_once || request.sop_instance_uid == "2.25.1", "test"};
    }
  };
  const auto count = [&](Policy policy) {
    return find(Level::study, {{kStudyUid, "1.1"}}, policy).at(0).at(0x00201208);
  };
  EXPECT_EQ(count(Policy::at_once), "3");
  EXPECT_EQ(count(Policy::after_first_read), "1") << "without a reading room nothing waits for a reading that ends";
  EXPECT_EQ(find(Level::study, {{kModalities, "SR"}}, Policy::after_first_read).size(), 0U)
      << "nor is the study found by what is withheld";
  EXPECT_EQ(find(Level::study, {{kModalities, "SR"}}, Policy::at_once).size(), 1U);
  EXPECT_EQ(find(Level::series, {{kStudyUid, "1.1"}}, Policy::never).size(), 1U);
  EXPECT_EQ(find(Level::patient, {{kPatientId, "P1"}}, Policy::never).at(0).at(0x00201204), "3");
  EXPECT_EQ(store_->objects({.study_instance_uid = "1.1", .policy = Policy::after_first_read}).size(), 1U);
  EXPECT_EQ(store_->objects({.study_instance_uid = "1.1", .policy = Policy::never, .inside = true}).size(), 3U);
  const OnlyFirst permit;
  store_->set_permit(&permit);
  EXPECT_EQ(count(Policy::after_first_read), "2");
  EXPECT_EQ(find(Level::instance, {{kStudyUid, "1.1"}}, Policy::after_first_read).size(), 2U);
  EXPECT_EQ(store_->objects({.study_instance_uid = "1.1", .policy = Policy::after_first_read}).size(), 2U);
  store_->set_permit(nullptr);
}

TEST_P(Queries, merged_patients_are_one_and_nothing_is_rewritten) {
  store_->note_message({.message_type = "ADT^A40",
                        .control_id = "1",
                        .sender = "HIS",
                        .patient_id = "P2",
                        .merged_patient_id = "P1",
                        .raw = "MSH|A40"});
  EXPECT_EQ(studies({{kPatientId, "P2"}}), "1.1 1.2 1.3");
  EXPECT_EQ(studies({{kPatientId, "P1"}}), "1.1 1.2 1.3") << "also by the id that was given up";
  EXPECT_EQ(find(Level::study, {{kStudyUid, "1.1"}}).at(0).at(kPatientId), "P2") << "who survives is answered";
  EXPECT_EQ(store_->objects({.patient_id = "P2"}).size(), 4U);
  const auto patients = find(Level::patient, {{kPatientId, "P2"}});
  ASSERT_EQ(patients.size(), 1U);
  EXPECT_EQ(patients[0].at(0x00201200), "3");
  EXPECT_EQ(dicom::index_entry(inside("1.1").at(0).file).patient_id, "P1") << "the object is what it was";
  open();
  EXPECT_EQ(studies({{kPatientId, "P2"}}), "1.1 1.2 1.3") << "after a restart too";
}

TEST_P(Queries, messages_are_kept_once_and_follow_a_merge) {
  const receive::OrderMessage report{.message_type = "ORU^R01",
                                     .control_id = "77",
                                     .sender = "RIS",
                                     .patient_id = "P1",
                                     .accession_number = "A1",
                                     .clinical_question = "nodule ?",
                                     .report_text = "Épanchement à gauche.",
                                     .raw = "MSH|report"};
  store_->note_message(report);
  store_->note_message(report);
  EXPECT_EQ(store_->messages_for("A1", "").size(), 1U);
  auto again = report;
  again.raw = "MSH|another";
  again.report_text = "Corrected.";
  store_->note_message(again);
  const auto messages = store_->messages_for("A1", "P1");
  ASSERT_EQ(messages.size(), 2U);
  EXPECT_EQ(messages[0].report_text, "Corrected.") << "the latest first";
  EXPECT_EQ(messages[1].report_text, "Épanchement à gauche.");
  EXPECT_EQ(messages[1].raw, "MSH|report");
  store_->note_message({.message_type = "ADT^A40",
                        .control_id = "2",
                        .sender = "HIS",
                        .patient_id = "P9",
                        .merged_patient_id = "P1",
                        .raw = "x"});
  EXPECT_EQ(store_->messages_for("", "P9").size(), 3U);
}

TEST(NameKey, folds_case_accents_and_padding) {
  EXPECT_EQ(name_key("Lévy^René"), "levy^rene");
  EXPECT_EQ(name_key("ŒUVRARD^Ève ^^"), "oeuvrard^eve");
  EXPECT_EQ(name_key("Müller-Weiß^Jörg"), "muller-weiss^jorg");
  EXPECT_EQ(name_key("Łukasz^Żółć"), "lukasz^zolc");
  EXPECT_EQ(name_key("ИВАНОВ^Иван"), "иванов^иван");
  EXPECT_EQ(name_key("山田^太郎"), "山田^太郎");
  EXPECT_EQ(name_key(""), "");
  EXPECT_EQ(name_key("\xC3"), "\xC3") << "cut text does no harm";
}

}  // namespace
}  // namespace rouage::store::testing
