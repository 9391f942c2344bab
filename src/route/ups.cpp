#include "route/ups.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/service.h"
#include "route/glob.h"
#include "route/rule.h"
#include "route/ups_dataset.h"

namespace rouage::route {
namespace {

using ups::Json;
using ups::text_at;

constexpr std::size_t kLongestReason = 500;
constexpr int kPriorsWithoutRule = 1;

/// Ours to say, or what the work is about: not to be changed by an update.
const std::set<std::string>& fixed_attributes() {
  static const std::set<std::string> fixed{ups::kSopClass,     ups::kSopInstance, ups::kState,      ups::kInput,
                                           ups::kWorkitemCode, ups::kParameters,  ups::kExpiration, "00100020",
                                           "00100021",         "0040A370"};
  return fixed;
}

std::string dumped(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

UpsAnswer warned(int status, const std::string& why) {
  return {.status = status, .body = {}, .headers = {{"Warning", "299 rouage \"" + why + "\""}}};
}

[[noreturn]] void invalid(const std::string& why) {
  throw Error(ErrorCode::RequestInvalid, why);
}

void check_new(const Json& dataset) {
  if (text_at(dataset, ups::kState) != "SCHEDULED") invalid("Procedure Step State (0074,1000) shall be SCHEDULED");
  if (!text_at(dataset, ups::kTransaction).empty()) invalid("Transaction UID (0008,1195) shall be empty");
}

const CogFacts& cog_of(const Json& dataset, const std::vector<CogFacts>& cogs) {
  std::vector<std::string> names{text_at(dataset, ups::kLabel)};
  for (const Json& code : ups::items_at(dataset, ups::kWorkitemCode))
    names.insert(names.begin(), text_at(code, "00080100"));
  for (const std::string& name : names)
    if (const CogFacts* cog = find_cog(cogs, name)) return *cog;
  std::vector<std::string> known;
  for (const CogFacts& cog : cogs) known.push_back(cog.name);
  invalid("neither Scheduled Workitem Code Sequence (0040,4018) nor Procedure Step Label (0074,1204) names a cog: " +
          listed(known));
}

/// The one series that the input names, or the only one of its study that the cog takes.
store::Store::SeriesState input_of(const Json& dataset, const CogFacts& cog, const UpsSources& sources) {
  std::set<std::string> studies, named;
  for (const Json& input : ups::items_at(dataset, ups::kInput)) {
    studies.insert(text_at(input, ups::kStudy));
    if (const std::string series = text_at(input, ups::kSeries); !series.empty()) named.insert(series);
  }
  if (studies.size() != 1 || !dicom::valid_uid(*studies.begin()))
    invalid("Input Information Sequence (0040,4021) shall name one study");
  if (named.size() > 1) invalid("one series a work item: create one for each");
  std::vector<store::Store::SeriesState> fitting;
  for (const store::Store::SeriesState& series : sources.series(*studies.begin())) {
    const bool taken = cog.modalities.empty() ||
                       std::find(cog.modalities.begin(), cog.modalities.end(), series.modality) != cog.modalities.end();
    if (named.contains(series.series_instance_uid) && !taken)
      invalid(fmt::format("{} takes {}, not {}", cog.name, listed(cog.modalities), series.modality));
    if (taken && (named.empty() || named.contains(series.series_instance_uid))) fitting.push_back(series);
  }
  if (fitting.empty()) invalid("no such series is here that " + cog.name + " takes");
  if (fitting.size() > 1) invalid("the study has several series that " + cog.name + " takes: name one");
  return fitting.front();
}

/// Scheduled Processing Parameters Sequence: concept name's code value -> text or number.
std::map<std::string, std::string> options_of(const Json& dataset) {
  std::map<std::string, std::string> options;
  for (const Json& parameter : ups::items_at(dataset, ups::kParameters)) {
    const std::vector<Json> concept_names = ups::items_at(parameter, "0040A043");
    if (concept_names.empty()) continue;
    std::string value = text_at(parameter, "0040A160");
    if (value.empty()) value = text_at(parameter, "0040A30A");
    options[text_at(concept_names.front(), "00080100")] = value;
  }
  return options;
}

double time_at(const Json& dataset, const char* tag) {
  const std::string text = text_at(dataset, tag);
  if (text.empty()) return 0;
  const std::optional<double> seconds = ups::seconds_of(text);
  if (!seconds) invalid(fmt::format("({}) is no date and time", tag));
  return *seconds;
}

Priority priority_at(const Json& dataset) {
  const std::optional<Priority> priority = ups::priority_of(text_at(dataset, ups::kPriority));
  if (!priority) invalid("Scheduled Procedure Step Priority (0074,1200) is none of HIGH, MEDIUM, LOW");
  return *priority;
}

std::string requested_uid(const std::string& uid, const Json& dataset, const std::string& sender) {
  const std::string inside = text_at(dataset, ups::kSopInstance);
  if (!uid.empty() && !inside.empty() && uid != inside) invalid("the UIDs of request and dataset differ");
  const std::string asked = uid.empty() ? inside : uid;
  if (asked.empty()) return derived_uid({"ups", sender, number_text(utc_now_s()), dataset.dump()});
  if (!dicom::valid_uid(asked)) invalid("the work item's UID is no UID");
  return asked;
}

}  // namespace

Ups::Ups(Items& items, UpsSources sources) : items_(items), sources_(std::move(sources)) {}

Item Ups::find(const std::string& uid) const {
  std::optional<Item> item = dicom::valid_uid(uid) ? items_.find_uid(uid) : std::nullopt;
  if (!item) throw Error(ErrorCode::NotFound, "no work item of this UID");
  return *std::move(item);
}

UpsAnswer Ups::create(const std::string& uid, std::string_view text, const std::string& sender) {
  Json dataset = ups::dataset_of(text);
  check_new(dataset);
  const CogFacts& cog = cog_of(dataset, sources_.cogs);
  const store::Store::SeriesState series = input_of(dataset, cog, sources_);
  WorkRequest request;
  request.uid = requested_uid(uid, dataset, sender);
  request.study_instance_uid = series.study_instance_uid;
  request.series_instance_uid = series.series_instance_uid;
  request.series_version = series.version;
  request.cog = cog.name;
  request.sender = sender;
  request.priority = priority_at(dataset);
  request.due_s = time_at(dataset, ups::kStart);
  request.deadline_s = time_at(dataset, ups::kExpiration);
  request.options = options_of(dataset);
  request.waits_for = upstream_of(cog);
  if (requires_role(cog, "prior")) request.priors = kPriorsWithoutRule;
  if (requires_role(cog, "companion")) request.companion = "*";
  dataset.erase(ups::kTransaction);
  request.dataset = dumped(dataset);
  if (!items_.request(request)) throw Error(ErrorCode::StateConflict, "a work item of this UID exists");
  return {.status = 201, .body = {}, .headers = {{"Location", request.uid}}};
}

UpsAnswer Ups::retrieve(const std::string& uid) const {
  const Item item = find(uid);
  const std::string given = items_.dataset(item.id);
  const ups::Told told{.item = item,
                       .given = given.empty() ? Json::object() : Json::parse(given),
                       .attributes = sources_.attributes
                                         ? sources_.attributes(item.study_instance_uid, item.series_instance_uid)
                                         : dicom::Attributes{},
                       .outputs = items_.outputs(item.id)};
  return {.status = 200, .body = dumped(Json::array({ups::ups_json(told, sources_)})), .headers = {}};
}

UpsAnswer Ups::update(const std::string& uid, const std::string& transaction_uid, std::string_view text) {
  const Item item = find(uid);
  const Json changes = ups::dataset_of(text);
  const std::string state = ups::state_text(item.state);
  const std::string inside = text_at(changes, ups::kTransaction);
  const std::string transaction = transaction_uid.empty() ? inside : transaction_uid;
  if (state == "COMPLETED" || state == "CANCELED") invalid("the work item is " + state + " and may not be changed");
  if (state == "SCHEDULED" && !transaction.empty()) invalid("a SCHEDULED work item has no Transaction UID");
  if (state == "IN PROGRESS" && (transaction.empty() || transaction != item.claim))
    invalid("the Transaction UID is missing or incorrect");
  const std::string given = items_.dataset(item.id);
  Json dataset = given.empty() ? Json::object() : Json::parse(given);
  for (const auto& [tag, value] : changes.items()) {
    if (fixed_attributes().contains(tag)) invalid(fmt::format("({}) may not be changed by an update", tag));
    if (tag != ups::kTransaction) dataset[tag] = value;
  }
  if (dataset.dump().size() > kLargestDataset) throw Error(ErrorCode::RequestTooLarge, "all updates of a work item");
  const Priority priority = changes.contains(ups::kPriority) ? priority_at(changes) : item.priority;
  items_.set_dataset(item.id, dumped(dataset), priority);
  return {};
}

UpsAnswer Ups::change_state(const std::string& uid, std::string_view text) {
  const Item item = find(uid);
  const Json action = ups::dataset_of(text);
  const std::string now = ups::state_text(item.state), asked = text_at(action, ups::kState);
  const std::string transaction = text_at(action, ups::kTransaction);
  const auto conflict = [&](const std::string& why) -> UpsAnswer { throw Error(ErrorCode::StateConflict, why); };
  if (asked != "IN PROGRESS" && asked != "COMPLETED" && asked != "CANCELED")
    invalid("Procedure Step State (0074,1000) shall be IN PROGRESS, COMPLETED or CANCELED");
  if (transaction.empty() || !dicom::valid_uid(transaction)) invalid("the Transaction UID is missing or no UID");
  if (asked == "IN PROGRESS") {
    if (now == "SCHEDULED" && items_.claim(item.id, transaction)) return {};
    return conflict(now == "SCHEDULED" ? "another performer was faster" : "the work item is " + now);
  }
  if (now == "SCHEDULED") return conflict("the work item is not yet IN PROGRESS");
  if (item.claim.empty() || transaction != item.claim) invalid("the Transaction UID is incorrect");
  if (now == asked) return warned(200, "The UPS is already in the requested state of " + asked);
  if (now != "IN PROGRESS") return conflict("the work item is " + now);
  const std::string given = items_.dataset(item.id);
  const Json dataset = given.empty() ? Json::object() : Json::parse(given);
  if (asked == "COMPLETED" && ups::items_at(dataset, ups::kPerformed).empty())
    return conflict(
        "Unified Procedure Step Performed Procedure Sequence (0074,1216) is missing: the final state needs it");
  if (!items_.end_claim(item.id, transaction, asked == "COMPLETED", asked + " by the outside performer"))
    return conflict("its state has just changed");
  return {};
}

UpsAnswer Ups::request_cancel(const std::string& uid, std::string_view text) {
  const Item item = find(uid);
  const Json request = ups::dataset_of(text, true);
  const std::string state = ups::state_text(item.state);
  if (state == "COMPLETED") throw Error(ErrorCode::StateConflict, "the work item is COMPLETED");
  if (state == "CANCELED") return warned(202, "The UPS is already in the requested state of CANCELED");
  if (state == "IN PROGRESS" && !item.claim.empty())
    throw Error(ErrorCode::StateConflict, "its performer is outside and cannot be told");
  std::string why = "cancellation asked for from outside";
  if (const std::string reason = text_at(request, ups::kReason); !reason.empty())
    why += ": " + reason.substr(0, kLongestReason);
  if (!items_.cancel(item.id, why)) throw Error(ErrorCode::StateConflict, "its state has just changed");
  return {.status = 202, .body = {}, .headers = {}};
}

}  // namespace rouage::route
