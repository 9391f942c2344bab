// The worklist by HTTP: statuses, headers and forms of PS3.18 chapter 11; what it does with items stands in
// tests/route/ups_test.cpp.
#include "app/ups_routes.h"

#include <gtest/gtest.h>

#include "program.h"
#include "store/database.h"

using namespace rouage;
using app::Request;
using app::Response;
using program::Json;

namespace {

class TextBody : public app::Body {
 public:
  explicit TextBody(std::string text) : text_(std::move(text)) {}
  std::span<const std::uint8_t> next() override {
    if (told_) return {};
    told_ = true;
    return {reinterpret_cast<const std::uint8_t*>(text_.data()), text_.size()};
  }

 private:
  std::string text_;
  bool told_ = false;
};

class UpsRoutes : public ::testing::Test {
 protected:
  UpsRoutes() : folder_("ups"), database_({.folder = folder_.path()}), items_(database_, {}) {
    route::UpsSources sources;
    sources.cogs = {{.name = "chest", .modalities = {"CR"}, .required_roles = {"current"}}};
    sources.series = [](const std::string& study) {
      store::Store::SeriesState state;
      state.study_instance_uid = study;
      state.series_instance_uid = "1.2.1";
      state.modality = "CR";
      return std::vector<store::Store::SeriesState>{state};
    };
    sources.permit = &permit_;
    app::add_ups_routes(routes_, std::make_shared<route::Ups>(items_, sources));
  }
  Response ask(const std::string& method, const std::string& path, const std::string& body = "",
               const std::vector<std::pair<std::string, std::string>>& query = {},
               const std::map<std::string, std::string>& headers = {}) {
    const app::Routes::Found found = routes_.find(method, path);
    if (found.handler == nullptr) return {.status = found.other_method ? 405 : 404};
    Request request{.method = method, .path = path, .parts = found.parts, .query = query, .headers = headers};
    TextBody text(body);
    return (*found.handler)(request, text);
  }
  std::string header(const Response& response, const std::string& name) {
    for (const auto& [key, value] : response.headers)
      if (key == name) return value;
    return "";
  }
  static constexpr auto kAsked =
      R"({"00741000": {"vr": "CS", "Value": ["SCHEDULED"]}, "00741204": {"vr": "LO", "Value": ["chest"]},
          "00404021": {"vr": "SQ", "Value": [{"0020000D": {"vr": "UI", "Value": ["1.2"]}}]}})";

  program::Folder folder_;
  store::Database database_;
  route::Items items_;
  store::PolicyOnlyPermit permit_;
  app::Routes routes_;
};

}  // namespace

TEST_F(UpsRoutes, CreateInTheThreeFormsOfTheUid) {
  const Response made = ask("POST", "/dicomweb/workitems", kAsked, {{"workitem", "2.25.1"}});
  EXPECT_EQ(made.status, 201) << made.body;
  EXPECT_EQ(header(made, "Location"), "/dicomweb/workitems/2.25.1");
  EXPECT_EQ(ask("POST", "/dicomweb/workitems", kAsked, {{"AffectedSOPInstanceUID", "2.25.2"}}).status, 201);
  EXPECT_EQ(ask("POST", "/dicomweb/workitems", kAsked, {{"2.25.3", ""}}).status, 201);
  EXPECT_EQ(ask("POST", "/dicomweb/workitems", kAsked, {{"workitem", "2.25.1"}}).status, 409);
  const Response bad = ask("POST", "/dicomweb/workitems", "{}", {{"workitem", "2.25.4"}});
  EXPECT_EQ(bad.status, 400);
  EXPECT_TRUE(header(bad, "Warning").starts_with("299 rouage "));
}

TEST_F(UpsRoutes, OneLifeFromOutside) {
  ask("POST", "/dicomweb/workitems", kAsked, {{"workitem", "2.25.1"}});
  const std::string item = "/dicomweb/workitems/2.25.1";
  const Response shown = ask("GET", item);
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(header(shown, "Content-Type"), "application/dicom+json");
  EXPECT_EQ(ask("GET", "/dicomweb/workitems", "", {{"ProcedureStepState", "SCHEDULED"}}).status, 200);
  EXPECT_EQ(ask("GET", "/dicomweb/workitems", "", {{"ProcedureStepState", "COMPLETED"}}).status, 204);
  const auto state = [](const std::string& to) {
    return R"({"00741000": {"vr": "CS", "Value": [")" + to + R"("]}, "00081195": {"vr": "UI", "Value": ["2.25.77"]}})";
  };
  EXPECT_EQ(ask("PUT", item + "/state", state("IN PROGRESS")).status, 200);
  EXPECT_EQ(ask("POST", item + "/cancelrequest").status, 409) << "its performer cannot be told";
  const auto performed = R"({"00741216": {"vr": "SQ", "Value": [{"00404050": {"vr": "DT", "Value": ["20261124"]}}]}})";
  EXPECT_EQ(ask("POST", item, performed, {{"transaction-uid", "2.25.78"}}).status, 400);
  EXPECT_EQ(ask("POST", item, performed, {{"transaction-uid", "2.25.77"}}).status, 200);
  EXPECT_EQ(ask("PUT", item + "/state", state("COMPLETED")).status, 200);
  EXPECT_EQ(ask("PUT", item + "/state", state("CANCELED")).status, 409);
  EXPECT_EQ(ask("POST", item + "/cancelrequest").status, 409);
}

TEST_F(UpsRoutes, CancelRequest) {
  ask("POST", "/dicomweb/workitems", kAsked, {{"workitem", "2.25.1"}});
  EXPECT_EQ(ask("POST", "/dicomweb/workitems/2.25.1/cancelrequest").status, 202);
  EXPECT_FALSE(header(ask("POST", "/dicomweb/workitems/2.25.1/cancelrequest"), "Warning").empty());
}

TEST_F(UpsRoutes, FormsThatAreNotOffered) {
  EXPECT_EQ(ask("GET", "/dicomweb/workitems", "", {}, {{"accept", "application/dicom+xml"}}).status, 406);
  EXPECT_EQ(ask("POST", "/dicomweb/workitems", kAsked, {}, {{"content-type", "application/dicom+xml"}}).status, 415);
  EXPECT_EQ(ask("POST", "/dicomweb/workitems/2.25.1/subscribers/ME").status, 501);
  EXPECT_EQ(ask("DELETE", "/dicomweb/workitems/2.25.1/subscribers/ME").status, 501);
  EXPECT_EQ(ask("POST", "/dicomweb/workitems/1.2.840.10008.5.1.4.34.5/subscribers/ME/suspend").status, 501);
  EXPECT_EQ(ask("GET", "/dicomweb/subscribers/ME").status, 501);
  EXPECT_EQ(ask("GET", "/dicomweb/workitems/2.25.404").status, 404);
}

// What the other side sent is in no header of the answer.
TEST_F(UpsRoutes, HostileWordsDoNotReachTheHeaders) {
  const Response response =
      ask("POST", "/dicomweb/workitems", R"({"x\r\nSet-Cookie: a": {"vr": "CS"}})", {{"workitem", "2.25.1"}});
  EXPECT_EQ(response.status, 400);
  for (const auto& [name, value] : response.headers) EXPECT_EQ(value.find('\n'), std::string::npos) << name;
}
