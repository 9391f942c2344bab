#include "app/ups_routes.h"

#include <utility>

#include "base/error.h"

namespace rouage::app {
namespace {

constexpr std::size_t kSeriesOfAStudy = 1000;

/// "?workitem=UID", "?AffectedSOPInstanceUID=UID" and the older "?UID".
std::string uid_parameter(const Request& request, const std::vector<std::string>& names) {
  for (const std::string& name : names)
    if (const auto value = request.parameter(name)) return *value;
  for (const auto& [name, value] : request.query)
    if (value.empty() && dicom::valid_uid(name)) return name;
  return {};
}

bool names_json(const std::string& header) {
  return header.find("application/dicom+json") != std::string::npos ||
         header.find("application/json") != std::string::npos;
}

bool accepts_json(const Request& request) {
  const std::string accept = request.header("accept");
  return accept.empty() || names_json(accept) || accept.find("*/*") != std::string::npos ||
         accept.find("application/*") != std::string::npos;
}

Response answered(route::UpsAnswer answer) {
  Response response;
  if (!answer.body.empty()) response = dicom_json_response(answer.status, std::move(answer.body));
  response.status = answer.status;
  for (auto& header : answer.headers) response.headers.push_back(std::move(header));
  return response;
}

/// Errors become answers, with a Warning header as PS3.18 chapter 11 wants it: the table's text only, since details
/// may quote what the other side sent.
template <typename Work>
Response guarded(const Request& request, bool with_dataset, Work work) {
  try {
    if (!accepts_json(request))
      throw Error(ErrorCode::NotAcceptable, "the worklist is answered in application/dicom+json");
    const std::string type = request.header("content-type");
    if (with_dataset && !type.empty() && !names_json(type)) {
      Response response =
          error_response(Error(ErrorCode::RequestInvalid, "datasets are taken in application/dicom+json"));
      response.status = 415;
      return response;
    }
    return answered(work());
  } catch (const Error& error) {
    Response response = error_response(error);
    response.headers.emplace_back("Warning", "299 rouage \"" + std::string(error_entry(error.code()).en) + "\"");
    return response;
  }
}

Response no_events(const Request&, Body&) {
  Response response = error_response(
      Error(ErrorCode::NotAcceptable, "events of the worklist are not offered: ask for the work item's state instead"));
  response.status = 501;
  return response;
}

void add_event_routes(Routes& routes, const std::string& prefix) {
  const std::string subscribers = prefix + "/workitems/{uid}/subscribers/{ae}";
  routes.add("POST", subscribers, no_events);
  routes.add("DELETE", subscribers, no_events);
  routes.add("POST", subscribers + "/suspend", no_events);
  routes.add("GET", prefix + "/subscribers/{ae}", no_events);
}

}  // namespace

void add_ups_routes(Routes& routes, std::shared_ptr<route::Ups> ups, const std::string& prefix) {
  const std::string all = prefix + "/workitems", one = all + "/{uid}";
  constexpr std::size_t kCap = route::Ups::kLargestDataset;
  routes.add("POST", all, [ups, all](const Request& request, Body& body) {
    return guarded(request, true, [&] {
      const std::string uid = uid_parameter(request, {"workitem", "AffectedSOPInstanceUID"});
      route::UpsAnswer answer = ups->create(uid, body.all(kCap), "ups:" + request.client);
      for (auto& [name, value] : answer.headers)
        if (name == "Location") value = all + "/" + value;
      return answer;
    });
  });
  routes.add("GET", all, [ups](const Request& request, Body&) {
    return guarded(request, false, [&] { return ups->search(request.query); });
  });
  routes.add("GET", one, [ups](const Request& request, Body&) {
    return guarded(request, false, [&] { return ups->retrieve(request.parts.at("uid")); });
  });
  const Handler update = [ups](const Request& request, Body& body) {
    return guarded(request, true, [&] {
      const std::string transaction = uid_parameter(request, {"transaction-uid", "transaction"});
      return ups->update(request.parts.at("uid"), transaction, body.all(kCap));
    });
  };
  routes.add("POST", one, update);  // PS3.18 11.6; some clients use PUT
  routes.add("PUT", one, update);
  routes.add("PUT", one + "/state", [ups](const Request& request, Body& body) {
    return guarded(request, true, [&] { return ups->change_state(request.parts.at("uid"), body.all(kCap)); });
  });
  routes.add("POST", one + "/cancelrequest", [ups](const Request& request, Body& body) {
    return guarded(request, true, [&] { return ups->request_cancel(request.parts.at("uid"), body.all(kCap)); });
  });
  add_event_routes(routes, prefix);
}

route::UpsSources ups_sources(store::Store& store, const store::ReleasePermit& permit, store::Policy policy,
                              std::vector<route::CogFacts> cogs, const std::string& ae_title) {
  route::UpsSources sources;
  sources.cogs = std::move(cogs);
  sources.series = [&store](const std::string& study) { return store.series_states(study, kSeriesOfAStudy); };
  sources.attributes = [&store](const std::string& study, const std::string& series) {
    dicom::Attributes found;
    store::Query query;
    query.level = store::Level::series;
    query.match = {{0x0020000D, study}, {0x0020000E, series}};
    query.wanted = {0x00100010, 0x00100020, 0x00100021, 0x00100030, 0x00100040, 0x00080050};
    query.limit = 1;
    store.query(query, [&found](const dicom::Attributes& attributes) {
      found = attributes;
      return false;
    });
    return found;
  };
  sources.permit = &permit;
  sources.policy = policy;
  sources.ae_title = ae_title;
  return sources;
}

}  // namespace rouage::app
