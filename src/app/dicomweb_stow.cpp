// STOW-RS (PS3.18 10.5): parts are streamed to the store's incoming folder, their headers read in children, and
// answered after the store has said that they are durable.
#include <atomic>
#include <set>

#include "app/dicomweb_answers.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace {

constexpr std::size_t kBatch = 32;  ///< objects that share one commit
constexpr std::uint16_t kCannotUnderstand = 0xC000, kMismatch = 0xA900, kNotSupported = 0x0122,
                        kProcessingFailure = 0x0110, kConflict = 0xB000;

/// What becomes of one part.
struct Item {
  std::string sop_class = {}, sop_instance = {}, study = {}, series = {};
  std::uint16_t reason = 0;  ///< failure (0008,1197); 0: stored
  std::uint16_t warning = 0;
};

Item item_of(const dicom::IndexEntry& entry, std::uint16_t reason) {
  return {entry.sop_class_uid, entry.sop_instance_uid, entry.study_instance_uid, entry.series_instance_uid, reason, 0};
}

std::filesystem::path new_file(const receive::InstanceSink& sink) {
  static std::atomic<std::uint64_t> count{0};
  return sink.incoming() / ("stow-" + std::to_string(++count) + ".part");
}

/// Removes what lies in the incoming folder and was not handed on.
class Pending {
 public:
  ~Pending() {
    for (const receive::Arrival& arrival : arrivals) remove(arrival.file);
  }
  static void remove(const std::filesystem::path& file) {
    std::error_code ignored;
    std::filesystem::remove(file, ignored);
  }
  std::vector<receive::Arrival> arrivals;
};

/// One request's objects, in order.
class Intake {
 public:
  Intake(const DicomWebContext& context, std::string study, receive::Origin origin)
      : context_(context), study_(std::move(study)), origin_(std::move(origin)) {
    // A request is to completeness what an association is: its end says that its sender has sent what it wanted to.
    static std::atomic<std::uint64_t> requests{0};
    origin_.association = ++requests;
    context_.sink.association_opened(origin_.association, origin_);
  }
  ~Intake() { context_.sink.association_ended(origin_.association, finished_); }
  Intake(const Intake&) = delete;
  Intake& operator=(const Intake&) = delete;

  void begin(const std::string& content_type) {
    bytes_ = 0;
    const std::string type = receive::media_type(content_type).type;
    if (!type.empty() && type != "application/dicom") {
      items_.push_back({.reason = kNotSupported});
      return;
    }
    path_ = new_file(context_.store);
    file_ = std::make_unique<DurableFile>(path_);
  }
  void data(std::span<const std::uint8_t> bytes) {
    bytes_ += bytes.size();
    if (bytes_ > context_.max_object_bytes)
      throw Error(ErrorCode::RequestTooLarge, "an object is larger than the gateway takes");
    if (file_) file_->write(bytes);
  }
  void end() {
    if (!file_) return;
    receive::Arrival arrival{.file = path_, .bytes = file_->size(), .digest = {}, .entry = {}, .origin = origin_};
    arrival.digest = file_->finish(false);  // the store flushes what it accepts
    file_.reset();
    if (!read(arrival)) return Pending::remove(arrival.file);
    pending_.arrivals.push_back(std::move(arrival));
    if (pending_.arrivals.size() >= kBatch) accept();
  }
  /// All parts are there.
  std::vector<Item> finish() {
    accept();
    finished_ = true;
    return std::move(items_);
  }

 private:
  bool read(receive::Arrival& arrival) {
    try {
      arrival.entry = context_.headers.read(arrival.file);
    } catch (const Error& error) {
      log_event(LogLevel::warning, "app", "STOW part refused",
                {{"sender", origin_.sender}, {"error", std::string(error_entry(error.code()).name)}});
      const bool ours = error.code() == ErrorCode::WorkerEnded;
      items_.push_back({.reason = ours ? kProcessingFailure : kCannotUnderstand});
      return false;
    }
    const dicom::IndexEntry& entry = arrival.entry;
    if (study_.empty() || study_ == entry.study_instance_uid) return true;
    items_.push_back(item_of(entry, kMismatch));
    return false;
  }

  void accept() {
    if (pending_.arrivals.empty()) return;
    const std::vector<receive::Arrival> taken = pending_.arrivals;
    const std::vector<receive::Receipt> receipts = context_.sink.accept(std::move(pending_.arrivals));
    pending_.arrivals.clear();
    for (std::size_t i = 0; i < taken.size(); ++i) {
      Item item = item_of(taken[i].entry, receipts[i].dimse_status());
      if (receipts[i].outcome == receive::Outcome::conflict) item.warning = kConflict;
      items_.push_back(std::move(item));
    }
  }

  const DicomWebContext& context_;
  std::string study_;
  receive::Origin origin_;
  std::filesystem::path path_;
  std::unique_ptr<DurableFile> file_;
  std::uint64_t bytes_ = 0;
  Pending pending_;
  std::vector<Item> items_;
  bool finished_ = false;
};

void append_items(std::string& json, const char* tag, const std::vector<std::string>& items) {
  if (items.empty()) return;
  if (json.size() > 1) json += ',';
  json += std::string("\"") + tag + R"(":{"vr":"SQ","Value":[)";
  for (std::size_t i = 0; i < items.size(); ++i) json += (i > 0 ? "," : "") + items[i];
  json += "]}";
}

/// The store instances response module (PS3.18 annex I) and its status (table 10.5.3-1).
Response stored_response(const std::vector<Item>& items, const std::string& base) {
  std::vector<std::string> stored, failed, others;
  std::set<std::string> studies;
  bool warned = false, all_for_room = !items.empty();
  for (const Item& item : items) {
    all_for_room = all_for_room && item.reason == 0xA700;
    if (item.reason != 0 && item.sop_instance.empty()) {
      others.push_back(dicom::dicom_json(dicom::Attributes{{0x00081197, std::to_string(item.reason)}}));
      continue;
    }
    dicom::Attributes attributes{{0x00081150, item.sop_class}, {0x00081155, item.sop_instance}};
    if (item.reason != 0) {
      attributes[0x00081197] = std::to_string(item.reason);
      failed.push_back(dicom::dicom_json(attributes));
      continue;
    }
    attributes[0x00081190] = study_url(base, item.study) + "/series/" + item.series + "/instances/" + item.sop_instance;
    if (item.warning != 0) attributes[0x00081196] = std::to_string(item.warning);
    warned = warned || item.warning != 0;
    studies.insert(item.study);
    stored.push_back(dicom::dicom_json(attributes));
  }
  std::string json = "{";
  if (studies.size() == 1) json += R"("00081190":{"vr":"UR","Value":[")" + study_url(base, *studies.begin()) + R"("]})";
  append_items(json, "00081198", failed);
  append_items(json, "00081199", stored);
  append_items(json, "0008119A", others);
  json += '}';
  const bool refused = !failed.empty() || !others.empty();
  int status = refused || warned ? 202 : 200;
  if (stored.empty()) status = all_for_room ? 507 : 409;
  Response response = dicom_json_response(status, json);
  if (status == 507) response.headers.emplace_back("Retry-After", "60");
  return response;
}

std::string sender_of(const Request& request) {
  return "stow:" + (request.certificate_subject.empty() ? request.client : request.certificate_subject);
}

Response store_instances(const DicomWebContext& context, const Request& request, Body& body) {
  require_json(request);
  const receive::MediaType type = receive::media_type(request.header("content-type"));
  const bool multipart = type.type == "multipart/related";
  const std::string part = lower_case(type.parameter("type"));
  if ((!multipart && type.type != "application/dicom") || (multipart && !part.empty() && part != "application/dicom"))
    return json_response(
        415, R"({"error":"RequestInvalid","message":"send application/dicom, or multipart/related of it"})");
  if (const auto why = context.sink.no_room(0)) throw Error(*why);
  Intake intake(
      context, uid_part(request, "study"),
      {.way = receive::Origin::Way::stow, .sender = sender_of(request), .called = {}, .address = request.client});
  if (!multipart) {
    intake.begin("application/dicom");
    for (auto piece = body.next(); !piece.empty(); piece = body.next()) intake.data(piece);
    intake.end();
  } else {
    receive::MultipartParser parser(
        type.parameter("boundary"), {},
        {.begin = [&](const receive::PartHeaders& headers) { intake.begin(headers.field("content-type")); },
         .data = [&](std::span<const std::uint8_t> bytes) { intake.data(bytes); },
         .end = [&] { intake.end(); }});
    for (auto piece = body.next(); !piece.empty(); piece = body.next()) parser.feed(piece);
    parser.finish();
  }
  return stored_response(intake.finish(), base_url(context, request));
}

}  // namespace

void add_stow_routes(Routes& routes, const DicomWebContext& context) {
  const auto handler = [context](const Request& request, Body& body) {
    return store_instances(context, request, body);
  };
  routes.add("POST", context.prefix + "/studies", handler);
  routes.add("POST", context.prefix + "/studies/{study}", handler);
}

}  // namespace rouage::app
