#include "app/operations_routes.h"

#include <charconv>
#include <nlohmann/json.hpp>

#include "app/commands.h"
#include "base/service.h"

namespace rouage::app {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::size_t kListed = 500;

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json time_or_null(double utc_s) {
  return utc_s > 0 ? Json(utc_text(utc_s)) : Json(nullptr);
}

Json item_json(const route::Item& item) {
  return {{"id", item.id},
          {"uid", item.uid},
          {"study", item.study_instance_uid},
          {"series", item.series_instance_uid},
          {"series_version", item.series_version},
          {"cog", item.cog},
          {"rule", item.rule},
          {"priority", static_cast<int>(item.priority)},
          {"state", route::state_name(item.state)},
          {"tries", item.tries},
          {"planned", time_or_null(item.planned_s)},
          {"due", time_or_null(item.due_s)},
          {"started", time_or_null(item.started_s)},
          {"ended", time_or_null(item.ended_s)},
          {"message", item.message}};
}

Json delivery_json(const results::Delivery& delivery) {
  return {{"id", delivery.id},
          {"destination", delivery.destination},
          {"study", delivery.study_instance_uid},
          {"sop_instance", delivery.sop_instance_uid},
          {"role", delivery.role},
          {"state", results::state_name(delivery.state)},
          {"tries", delivery.tries},
          {"planned", time_or_null(delivery.planned_s)},
          {"due", time_or_null(delivery.due_s)},
          {"delivered", time_or_null(delivery.delivered_s)},
          {"message", delivery.message}};
}

Json store_json(const store::StoreStatus& s) {
  return {{"studies", s.studies},
          {"series", s.series},
          {"instances", s.instances},
          {"results", s.results},
          {"bytes", s.bytes},
          {"free_bytes", s.free_bytes},
          {"series_waiting", s.series_waiting},
          {"series_partial", s.series_partial},
          {"conflicts", s.conflicts},
          {"duplicates", s.duplicates},
          {"refusing", s.refusing},
          {"schema", s.schema}};
}

std::int64_t id_in(const Request& request) {
  const std::string& text = request.parts.at("id");
  std::int64_t id = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), id);
  if (error != std::errc{} || end != text.data() + text.size())
    throw Error(ErrorCode::RequestInvalid, "the id is not a number");
  return id;
}

/// A page of another site can make a browser post a form here, but not with this header.
void check_intent(const Request& request) {
  if (request.header("x-rouage-request").empty())
    throw Error(ErrorCode::NotAuthorised, "the header X-Rouage-Request is missing")
        .remedy("send X-Rouage-Request: 1 with what changes something");
}

template <typename State>
std::optional<State> state_in(const Request& request, const std::vector<State>& states) {
  const auto wanted = request.parameter("state");
  if (!wanted || wanted->empty()) return std::nullopt;
  for (const State state : states)
    if (state_name(state) == *wanted) return state;
  throw Error(ErrorCode::RequestInvalid, "no state is called " + *wanted);
}

Handler acting(const std::function<bool(std::int64_t)>& act) {
  return [act](const Request& request, Body&) {
    check_intent(request);
    if (!act(id_in(request))) throw Error(ErrorCode::StateConflict);
    return json_response(200, R"({"done":true})");
  };
}

void add_item_routes(Routes& routes, const std::shared_ptr<const Operations>& o) {
  routes.add("GET", "/api/items", [o](const Request& request, Body&) {
    using route::ItemState;
    const auto state =
        state_in<ItemState>(request, {ItemState::due, ItemState::running, ItemState::done, ItemState::failed,
                                      ItemState::parked, ItemState::cancelled, ItemState::expired});
    Json items = Json::array();
    for (const route::Item& item : o->items->list(state, request.parameter("study").value_or(""), kListed))
      items.push_back(item_json(item));
    return json_response(200, dumped(items));
  });
  routes.add("POST", "/api/items/{id}/retry", acting([o](std::int64_t id) { return o->items->retry(id); }));
  routes.add("POST", "/api/items/{id}/cancel", acting([o](std::int64_t id) {
               return o->dispatcher->cancel_running(id) || o->items->cancel(id, "cancelled by a person");
             }));
}

void add_delivery_routes(Routes& routes, const std::shared_ptr<const Operations>& o) {
  routes.add("GET", "/api/deliveries", [o](const Request& request, Body&) {
    using results::DeliveryState;
    const auto state = state_in<DeliveryState>(
        request, {DeliveryState::due, DeliveryState::sending, DeliveryState::waiting_release,
                  DeliveryState::waiting_commitment, DeliveryState::delivered, DeliveryState::cancelled});
    Json list = Json::array();
    for (const results::Delivery& delivery : o->deliveries->list(state, kListed))
      list.push_back(delivery_json(delivery));
    return json_response(200, dumped(list));
  });
  routes.add("POST", "/api/deliveries/{id}/retry", acting([o](std::int64_t id) { return o->deliveries->retry(id); }));
  routes.add("POST", "/api/deliveries/{id}/cancel", acting([o](std::int64_t id) { return o->deliveries->cancel(id); }));
}

Json series_json(const store::Store::SeriesState& s) {
  return {{"series", s.series_instance_uid},
          {"study", s.study_instance_uid},
          {"modality", s.modality},
          {"sender", s.sender},
          {"state", s.state},
          {"reason", s.reason},
          {"instances", s.instances},
          {"version", s.version},
          {"first", time_or_null(s.first_s)},
          {"last", time_or_null(s.last_s)}};
}

}  // namespace

std::string status_document(const Operations& o) {
  Json queues = Json::array();
  for (const results::Deliveries::QueueState& q : o.deliveries->queues())
    queues.push_back({{"destination", q.destination},
                      {"reachable", q.reachable},
                      {"due", q.due},
                      {"waiting_release", q.waiting_release},
                      {"waiting_commitment", q.waiting_commitment},
                      {"delivered", q.delivered},
                      {"oldest", time_or_null(q.oldest_s)},
                      {"last_error", q.last_error}});
  Json running = Json::array();
  for (const route::Item& item : o.dispatcher->running()) running.push_back(item_json(item));
  const std::vector<std::string> reasons = o.not_ready();
  return dumped(Json{{"program", version_text()},
                     {"ae_title", o.ae_title},
                     {"started", utc_text(o.started_s)},
                     {"now", utc_text(utc_now_s())},
                     {"ready", reasons.empty()},
                     {"not_ready", reasons},
                     {"warnings", o.warnings},
                     {"ports", {{"dimse", o.dimse_port}, {"mllp", o.mllp_port}}},
                     {"store", store_json(o.store->status())},
                     {"items", o.items->counts()},
                     {"running", running},
                     {"destinations", queues}});
}

void add_operations_routes(Routes& routes, std::shared_ptr<const Operations> o) {
  routes.add("GET", "/health", [](const Request&, Body&) { return json_response(200, R"({"status":"up"})"); });
  routes.add("GET", "/ready", [o](const Request&, Body&) {
    const std::vector<std::string> reasons = o->not_ready();
    return json_response(reasons.empty() ? 200 : 503, dumped(Json{{"ready", reasons.empty()}, {"not_ready", reasons}}));
  });
  routes.add("GET", "/metrics", [](const Request&, Body&) {
    Response response{.status = 200, .headers = {}, .body = metrics().text(), .file = {}, .stream = {}};
    response.headers.emplace_back("Content-Type", "text/plain; version=0.0.4; charset=utf-8");
    return response;
  });
  routes.add("GET", "/api/status", [o](const Request&, Body&) { return json_response(200, status_document(*o)); });
  routes.add("GET", "/api/series", [o](const Request& request, Body&) {
    Json list = Json::array();
    for (const auto& series : o->store->series_states(request.parameter("study").value_or(""), kListed))
      list.push_back(series_json(series));
    return json_response(200, dumped(list));
  });
  add_item_routes(routes, o);
  add_delivery_routes(routes, o);
  routes.add("GET", "/", [o](const Request& request, Body&) {
    const std::string wanted = request.header("accept-language");
    const std::string language = wanted.starts_with("fr") ? "fr" : wanted.starts_with("en") ? "en" : o->language;
    Response response{.status = 200, .headers = {}, .body = status_page(language), .file = {}, .stream = {}};
    response.headers.emplace_back("Content-Type", "text/html; charset=utf-8");
    response.headers.emplace_back("Content-Security-Policy",
                                  "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
                                  "connect-src 'self'; frame-ancestors 'none'");
    return response;
  });
}

}  // namespace rouage::app
