// RTE-13: work items as Unified Procedure Steps: only the holder of the Transaction UID changes an item in progress, an
// item ends once, and no output is named before it may leave.  PS3.18 chapter 11, PS3.4 CC.1.1 and CC.2.1.
#include "route/ups.h"

#include <nlohmann/json.hpp>

#include "base/error.h"
#include "items_fixture.h"

using namespace route_tests;
using Json = nlohmann::json;

namespace {

constexpr auto kTransaction = "2.25.77";

/// Says yes to what is in its list, and remembers what it was asked.
struct ListedPermit : store::ReleasePermit {
  store::ExitAnswer ask(const store::ExitRequest& request) const override {
    asked.push_back(request);
    return {.allowed = allow, .why = allow ? "" : "waits for a first read"};
  }
  bool allow = false;
  mutable std::vector<store::ExitRequest> asked;
};

Json text(const char* vr, const std::string& value) {
  return {{"vr", vr}, {"Value", {value}}};
}

Json items_of(std::vector<Json> items) {
  return {{"vr", "SQ"}, {"Value", std::move(items)}};
}

class UpsTest : public ItemsTest {
 protected:
  void SetUp() override {
    ItemsTest::SetUp();
    if (IsSkipped()) return;
    UpsSources sources;
    sources.cogs = {{.name = "chest", .modalities = {"CR", "DX"}, .required_roles = {"current"}},
                    {.name = "organs", .modalities = {"CT"}, .required_roles = {"current"}}};
    sources.series = [](const std::string& study) {
      std::vector<store::Store::SeriesState> found;
      if (study != "1.2") return found;
      for (const auto& [uid, modality] : {std::pair{"1.2.1", "CR"}, {"1.2.2", "DX"}, {"1.2.3", "CT"}}) {
        store::Store::SeriesState state;
        state.study_instance_uid = "1.2";
        state.series_instance_uid = uid;
        state.modality = modality;
        state.version = 1;
        found.push_back(state);
      }
      return found;
    };
    sources.attributes = [](const std::string&, const std::string&) {
      return dicom::Attributes{{0x00100010, "MÜLLER^ÈVE"}, {0x00100020, "P42"}, {0x00080050, "A7"}};
    };
    sources.permit = &permit_;
    sources.policy = store::Policy::after_first_read;
    sources.ae_title = "ROUAGE";
    ups_ = std::make_unique<Ups>(*items_, sources);
  }
  /// A request for chest on series 1.2.1.
  Json asked(const std::string& cog = "chest", const std::string& series = "1.2.1") {
    Json input{{"0020000D", text("UI", "1.2")}};
    if (!series.empty()) input["0020000E"] = text("UI", series);
    return {{"00741000", text("CS", "SCHEDULED")},
            {"00741200", text("CS", "HIGH")},
            {"00741204", text("LO", "please read")},
            {"00404018", items_of({{{"00080100", text("SH", cog)}, {"00080102", text("SH", "99ROUAGE")}}})},
            {"00404021", items_of({input})}};
  }
  Json state_change(const std::string& state, const std::string& transaction = kTransaction) {
    Json action{{"00741000", text("CS", state)}};
    if (!transaction.empty()) action["00081195"] = text("UI", transaction);
    return action;
  }
  Json shown(const std::string& uid) { return Json::parse(ups_->retrieve(uid).body).at(0); }
  std::string value(const Json& dataset, const std::string& tag) {
    return dataset.contains(tag) && dataset[tag].contains("Value") ? dataset[tag]["Value"][0].get<std::string>() : "";
  }
  std::string shown_state(const std::string& uid) { return value(shown(uid), "00741000"); }
  std::string planned_uid() {
    plan(steps({step("chest")}), series());
    return all()[0].uid;
  }
  /// HTTP status of what `work` throws; 0 when it does not.
  int status_of(const std::function<void()>& work) {
    try {
      work();
    } catch (const Error& error) {
      return error_entry(error.code()).http;
    }
    return 0;
  }
  int change(const std::string& uid, const Json& action) {
    return status_of([&] { EXPECT_EQ(ups_->change_state(uid, action.dump()).status, 200); });
  }

  ListedPermit permit_;
  std::unique_ptr<Ups> ups_;
};

}  // namespace

INSTANTIATE_TEST_SUITE_P(On, UpsTest, ::testing::Values("sqlite"),
                         [](const auto& information) { return information.param; });

TEST_P(UpsTest, AnItemIsSeenAsAUps) {
  const std::string uid = planned_uid();
  const Json ups = shown(uid);
  EXPECT_EQ(value(ups, "00080016"), "1.2.840.10008.5.1.4.34.6.1");
  EXPECT_EQ(value(ups, "00080018"), uid);
  EXPECT_EQ(value(ups, "00741000"), "SCHEDULED");
  EXPECT_EQ(value(ups, "00741200"), "MEDIUM");
  EXPECT_EQ(value(ups, "00741204"), "chest");
  EXPECT_EQ(value(ups, "00404041"), "READY");
  EXPECT_EQ(ups.at("00100010").at("Value").at(0).at("Alphabetic"), "MÜLLER^ÈVE");
  EXPECT_EQ(value(ups, "00100020"), "P42");
  EXPECT_EQ(value(ups["00404021"]["Value"][0], "0020000D"), "1.2");
  EXPECT_EQ(value(ups["00404021"]["Value"][0], "0020000E"), "1.2.1");
  EXPECT_EQ(value(ups["0040A370"]["Value"][0], "00080050"), "A7");
  EXPECT_EQ(value(ups, "00404005").size(), 23U) << "YYYYMMDDHHMMSS.mmm+0000";
  EXPECT_FALSE(ups.contains("00081195")) << "the Transaction UID is never told";
}

TEST_P(UpsTest, OneThatIsAskedForRunsLikeAnyOther) {
  Json request = asked();
  request["00741210"] = items_of({{{"0040A040", text("CS", "TEXT")},
                                   {"0040A043", items_of({{{"00080100", text("SH", "operating_point")}}})},
                                   {"0040A160", text("UT", "sensitive")}}});
  request["00404008"] = text("DT", "20991231235959+0100");
  const UpsAnswer answer = ups_->create("2.25.5", request.dump(), "ups:10.0.0.1");
  EXPECT_EQ(answer.status, 201);
  const Item item = take(1).value();
  EXPECT_EQ(item.uid, "2.25.5");
  EXPECT_EQ(item.cog, "chest");
  EXPECT_EQ(item.series_instance_uid, "1.2.1");
  EXPECT_EQ(item.series_version, 1);
  EXPECT_EQ(item.priority, Priority::high);
  EXPECT_EQ(item.options, (std::map<std::string, std::string>{{"operating_point", "sensitive"}}));
  EXPECT_EQ(item.sender, "ups:10.0.0.1");
  EXPECT_TRUE(item.requested);
  EXPECT_NEAR(item.deadline_s, 4102441199, 1) << "2099-12-31 22:59:59 UTC";
  EXPECT_EQ(shown_state("2.25.5"), "IN PROGRESS");
  EXPECT_EQ(value(shown("2.25.5"), "00741204"), "please read");
  done(item);
  EXPECT_EQ(shown_state("2.25.5"), "COMPLETED");
}

TEST_P(UpsTest, OneThatIsAskedForStandsBesideThePlannedOne) {
  plan(steps({step("chest")}), series("1.2.1", 1));
  EXPECT_EQ(ups_->create("2.25.5", asked().dump(), "x").status, 201);
  EXPECT_EQ(all().size(), 2U);
  EXPECT_EQ(status_of([&] { ups_->create("2.25.5", asked().dump(), "x"); }), 409) << "that UID exists";
}

TEST_P(UpsTest, WithoutAUidItIsGivenOne) {
  const UpsAnswer answer = ups_->create("", Json::array({asked()}).dump(), "x");
  ASSERT_EQ(answer.headers.size(), 1U);
  EXPECT_EQ(answer.headers[0].first, "Location");
  EXPECT_EQ(shown_state(answer.headers[0].second), "SCHEDULED");
}

TEST_P(UpsTest, WhatCannotBeDoneIsRefused) {
  const auto refused = [&](const Json& request, const std::string& uid = "2.25.9") {
    return status_of([&] { ups_->create(uid, request.dump(), "x"); });
  };
  Json request = asked();
  request["00741000"] = text("CS", "IN PROGRESS");
  EXPECT_EQ(refused(request), 400);
  request = asked();
  request["00081195"] = text("UI", "1.2.3");
  EXPECT_EQ(refused(request), 400) << "a Transaction UID";
  EXPECT_EQ(refused(asked("chset")), 400) << "no such cog";
  EXPECT_EQ(refused(asked("chest", "1.2.3")), 400) << "a CT series";
  EXPECT_EQ(refused(asked("chest", "1.9")), 400) << "a series that is not here";
  EXPECT_EQ(refused(asked("chest", "")), 400) << "two series that it takes: which one?";
  EXPECT_EQ(refused(asked(), "1.2.x"), 400) << "no UID";
  request = asked();
  request["00741200"] = text("CS", "NOW");
  EXPECT_EQ(refused(request), 400);
  request = asked();
  request["00404005"] = text("DT", "tomorrow");
  EXPECT_EQ(refused(request), 400);
  request = asked();
  request.erase("00404021");
  EXPECT_EQ(refused(request), 400) << "no input";
  EXPECT_TRUE(all().empty());
  EXPECT_EQ(ups_->create("2.25.9", asked("organs", "").dump(), "x").status, 201) << "one series that it takes";
}

TEST_P(UpsTest, HostileDatasetsAreRefused) {
  const auto refused = [&](const std::string& text) { return status_of([&] { ups_->create("2.25.9", text, "x"); }); };
  EXPECT_EQ(refused(""), 400);
  EXPECT_EQ(refused("{"), 400);
  EXPECT_EQ(refused("[]"), 400);
  EXPECT_EQ(refused("[{},{}]"), 400);
  EXPECT_EQ(refused("{\"x\": 1}"), 400);
  EXPECT_EQ(refused("{\"00741000\": \"SCHEDULED\"}"), 400);
  EXPECT_EQ(refused("{\"00741000\": {\"vr\": \"CS\", \"Value\": [\"\xFF\"]}}"), 400) << "no UTF-8";
  EXPECT_EQ(refused(std::string(100000, '[')), 400) << "depth";
  EXPECT_EQ(refused("{\"00741000\": " + std::string(50000, '[') + std::string(50000, ']') + "}"), 400) << "depth";
  EXPECT_EQ(refused("{\"00741000\": {\"vr\": 3, \"Value\": {}}}"), 400);
  EXPECT_EQ(refused(std::string(300 * 1024, ' ')), 413);
}

TEST_P(UpsTest, IsTakenOverAndCompletedByItsPerformerOnly) {
  const std::string uid = planned_uid();
  EXPECT_EQ(change(uid, state_change("COMPLETED")), 409) << "not yet in progress";
  EXPECT_EQ(change(uid, state_change("IN PROGRESS", "")), 400) << "no Transaction UID";
  EXPECT_EQ(change(uid, state_change("SCHEDULED")), 400);
  EXPECT_EQ(change(uid, state_change("IN PROGRESS")), 0);
  EXPECT_FALSE(take(100)) << "ours no more";
  EXPECT_EQ(items_->recover(), 0) << "our death is not its performer's";
  EXPECT_EQ(change(uid, state_change("IN PROGRESS", "2.25.78")), 409) << "taken already";
  EXPECT_EQ(change(uid, state_change("COMPLETED", "2.25.78")), 400) << "wrong Transaction UID";
  EXPECT_EQ(change(uid, state_change("COMPLETED")), 409) << "nothing is said of what was performed";
  const Json performed{{"00741216", items_of({{{"00404050", text("DT", "20261124120000")}}})}};
  EXPECT_EQ(status_of([&] { ups_->update(uid, "", performed.dump()); }), 400) << "no Transaction UID";
  EXPECT_EQ(status_of([&] { ups_->update(uid, "2.25.78", performed.dump()); }), 400) << "the wrong one";
  EXPECT_EQ(status_of([&] { ups_->update(uid, kTransaction, performed.dump()); }), 0);
  EXPECT_EQ(change(uid, state_change("COMPLETED")), 0);
  EXPECT_EQ(shown_state(uid), "COMPLETED");
  EXPECT_EQ(ups_->change_state(uid, state_change("COMPLETED").dump()).headers.size(), 1U) << "a warning: already so";
  EXPECT_EQ(change(uid, state_change("CANCELED")), 409);
  EXPECT_EQ(change(uid, state_change("IN PROGRESS")), 409);
  EXPECT_EQ(status_of([&] { ups_->update(uid, kTransaction, performed.dump()); }), 400) << "final";
}

TEST_P(UpsTest, NobodyEndsAnItemThatRunsHere) {
  const std::string uid = planned_uid();
  ASSERT_TRUE(take());
  EXPECT_EQ(change(uid, state_change("IN PROGRESS")), 409);
  EXPECT_EQ(change(uid, state_change("COMPLETED")), 400);
  EXPECT_EQ(change(uid, state_change("CANCELED")), 400);
  EXPECT_EQ(status_of([&] { ups_->update(uid, kTransaction, asked().dump()); }), 400);
  EXPECT_EQ(shown_state(uid), "IN PROGRESS");
}

TEST_P(UpsTest, CancellationIsAskedFor) {
  const std::string uid = planned_uid();
  const Json why{{"00741238", text("LT", "wrong patient")}};
  EXPECT_EQ(ups_->request_cancel(uid, why.dump()).status, 202);
  EXPECT_EQ(shown_state(uid), "CANCELED");
  const Json progress = shown(uid)["00741002"]["Value"][0];
  EXPECT_NE(value(progress, "00741238").find("wrong patient"), std::string::npos) << progress;
  const UpsAnswer again = ups_->request_cancel(uid, "");
  EXPECT_EQ(again.status, 202);
  EXPECT_EQ(again.headers.size(), 1U);
}

TEST_P(UpsTest, CancellationOfWhatRunsHereIsAcceptedOutsideIsNot) {
  plan(steps({step("chest"), step("age")}), series());
  const std::string here = take()->uid;
  const std::string outside = items_->list(ItemState::due, "", 1)[0].uid;
  EXPECT_EQ(change(outside, state_change("IN PROGRESS")), 0);
  EXPECT_EQ(ups_->request_cancel(here, "").status, 202);
  EXPECT_EQ(status_of([&] { ups_->request_cancel(outside, ""); }), 409) << "its performer cannot be told";
  EXPECT_EQ(change(outside, state_change("CANCELED")), 0) << "but may say so itself";
  EXPECT_EQ(shown_state(outside), "CANCELED");
}

TEST_P(UpsTest, UpdatesChangeWordsAndPriorityNotTheWork) {
  const std::string uid = planned_uid();
  const Json words{{"00741204", text("LO", "before noon")}, {"00741200", text("CS", "LOW")}};
  EXPECT_EQ(status_of([&] { ups_->update(uid, "", words.dump()); }), 0);
  EXPECT_EQ(value(shown(uid), "00741204"), "before noon");
  EXPECT_EQ(all()[0].priority, Priority::background);
  EXPECT_EQ(status_of([&] { ups_->update(uid, kTransaction, words.dump()); }), 400) << "SCHEDULED has none";
  for (const char* tag : {"00741000", "00404021", "00080018", "00100020"})
    EXPECT_EQ(status_of([&] { ups_->update(uid, "", Json{{tag, text("LO", "x")}}.dump()); }), 400) << tag;
}

TEST_P(UpsTest, IsFoundByItsAttributes) {
  plan(steps({step("chest"), step("age")}), series());
  take();
  ups_->create("2.25.5", asked("organs", "1.2.3").dump(), "x");
  using Parameters = std::vector<std::pair<std::string, std::string>>;
  const auto found = [&](const Parameters& parameters) {
    const UpsAnswer answer = ups_->search(parameters);
    return answer.status == 204 ? 0U : Json::parse(answer.body).size();
  };
  EXPECT_EQ(found({}), 3U);
  EXPECT_EQ(found({{"ProcedureStepState", "SCHEDULED"}}), 2U);
  EXPECT_EQ(found({{"00741000", "IN PROGRESS"}}), 1U);
  EXPECT_EQ(found({{"ProcedureStepLabel", "*read"}}), 1U);
  EXPECT_EQ(found({{"InputInformationSequence.StudyInstanceUID", "1.2"}}), 3U);
  EXPECT_EQ(found({{"InputInformationSequence.SeriesInstanceUID", "1.2.3"}}), 1U);
  EXPECT_EQ(found({{"InputInformationSequence.StudyInstanceUID", "1.3"}}), 0U);
  EXPECT_EQ(found({{"PatientName", "muller*"}}), 3U) << "without case and accents";
  EXPECT_EQ(found({{"PatientID", "p42"}}), 0U) << "exactly";
  EXPECT_EQ(found({{"ReferencedRequestSequence.AccessionNumber", "A7"}}), 3U);
  EXPECT_EQ(found({{"ScheduledProcedureStepStartDateTime", "20200101-20990101"}}), 3U);
  EXPECT_EQ(found({{"ScheduledProcedureStepStartDateTime", "-20200101"}}), 0U);
  EXPECT_EQ(found({{"limit", "2"}}), 2U);
  EXPECT_EQ(ups_->search({{"limit", "2"}}).headers.size(), 1U) << "there are more";
  EXPECT_EQ(found({{"limit", "2"}, {"offset", "2"}}), 1U);
  EXPECT_EQ(status_of([&] { found({{"Nonsense", "x"}}); }), 400);
  EXPECT_EQ(status_of([&] { found({{"limit", "x"}}); }), 400);
}

TEST_P(UpsTest, OutputsAreNamedOnlyWhenTheyMayLeave) {
  const std::string uid = planned_uid();
  const Item item = take().value();
  database_->write([&](store::Transaction& tx) {
    items_->done(tx, item.id, "2 findings");
    items_->note_outputs(tx, item.id, {{"1.5", "1.2.840.10008.5.1.4.1.1.88.34", "1.5.1"}});
  });
  const UpsAnswer withheld = ups_->retrieve(uid);
  EXPECT_EQ(withheld.body.find("1.5.1"), std::string::npos);
  EXPECT_EQ(withheld.body.find("findings"), std::string::npos) << "nor what the executor said";
  EXPECT_NE(withheld.body.find("waits for a first read"), std::string::npos);
  ASSERT_FALSE(permit_.asked.empty());
  EXPECT_EQ(permit_.asked[0].exit, "ups");
  EXPECT_EQ(permit_.asked[0].sop_instance_uid, "1.5.1");
  EXPECT_EQ(permit_.asked[0].study_instance_uid, "1.2");
  permit_.allow = true;
  const Json output = shown(uid)["00741216"]["Value"][0]["00404033"]["Value"][0];
  EXPECT_EQ(value(output, "0020000E"), "1.5");
  EXPECT_EQ(value(output["00081199"]["Value"][0], "00081155"), "1.5.1");
}

TEST_P(UpsTest, OutputsOfAnOutsidePerformerAreHeldBackToo) {
  const std::string uid = planned_uid();
  change(uid, state_change("IN PROGRESS"));
  const Json performed{{"00741216", items_of({{{"00404033", items_of({{{"0020000D", text("UI", "1.2.999")}}})}}})}};
  ups_->update(uid, kTransaction, performed.dump());
  EXPECT_EQ(ups_->retrieve(uid).body.find("1.2.999"), std::string::npos);
  permit_.allow = true;
  EXPECT_NE(ups_->retrieve(uid).body.find("1.2.999"), std::string::npos);
}

TEST_P(UpsTest, OfAnUnknownUidIsNotFound) {
  for (const char* uid : {"2.25.404", "../../etc", ""}) {
    EXPECT_EQ(status_of([&] { ups_->retrieve(uid); }), 404);
    EXPECT_EQ(status_of([&] { ups_->change_state(uid, "{}"); }), 404);
    EXPECT_EQ(status_of([&] { ups_->update(uid, "", "{}"); }), 404);
    EXPECT_EQ(status_of([&] { ups_->request_cancel(uid, ""); }), 404);
  }
}
