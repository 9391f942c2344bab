#include "receive/dimse_conversation.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "receive/dimse_address.h"
#include "receive/entry_json.h"

namespace rouage::receive {
namespace {

using Json = nlohmann::json;
/// A commitment of 50,000 instances has some 7 MB.
constexpr std::size_t kLongestQuestion = 32 * kMebibyte, kLongestEntry = kMebibyte;

Digest digest_from(const std::string& hex) {
  Digest digest;
  if (hex.size() != 2 * digest.bytes.size()) throw Error(ErrorCode::RequestInvalid, "a digest has another length");
  const auto nibble = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    throw Error(ErrorCode::RequestInvalid, "a digest is not hexadecimal");
  };
  for (std::size_t i = 0; i < digest.bytes.size(); ++i)
    digest.bytes[i] = static_cast<std::uint8_t>(nibble(hex[2 * i]) << 4 | nibble(hex[2 * i + 1]));
  return digest;
}

void require_uids(const std::vector<std::string>& uids) {
  for (const std::string& uid : uids)
    if (!dicom::valid_uid(uid)) throw Error(ErrorCode::RequestInvalid, "an instance is no valid UID");
}

dimse::Status status_of(const Error& error) {
  return {static_cast<std::uint16_t>(error_entry(error.code()).dimse), error.detail()};
}

/// AE titles and addresses come in pairs: this title from that address.
bool allowed(const std::vector<AllowedPeer>& peers, const dimse::Caller& caller) {
  if (peers.empty()) return true;
  return std::any_of(peers.begin(), peers.end(), [&](const AllowedPeer& peer) {
    if (!peer.ae_title.empty() && peer.ae_title != "*" && peer.ae_title != caller.calling_ae) return false;
    const std::vector<AddressBlock> blocks(peer.addresses.begin(), peer.addresses.end());
    return blocks.empty() || any_holds(blocks, caller.address);
  });
}

class Conversation {
 public:
  Conversation(Descriptor channel, std::uint64_t association, const DimseFrontOptions& options, InstanceSink& sink,
               Answers& answers)
      : channel_(std::move(channel)), association_(association), options_(options), sink_(sink), answers_(answers) {}

  void hold();

 private:
  void answer(const Json& question);
  Json open(const Json& question);
  Json arrived(const Json& question);
  void find(const Json& question);
  dimse::Status noted(const Json& question);
  Json room() const;
  Json with_room(Json answer) const;
  void close(bool released);
  void remove_leftovers() const;

  LineChannel channel_;
  const std::uint64_t association_;
  const DimseFrontOptions& options_;
  InstanceSink& sink_;
  Answers& answers_;
  dimse::Caller caller_;
  Origin origin_;
  bool open_ = false, closed_ = false;
  std::uint64_t kept_ = 0, refused_ = 0;
  double opened_s_ = 0;
};

void Conversation::hold() {
  static Counter& broken = metrics().counter("rouage_dimse_conversations_broken_total",
                                             "association processes that said what they must not");
  try {
    while (const std::optional<Json> question = channel_.hear(kLongestQuestion)) answer(*question);
  } catch (const std::exception& error) {
    broken.add();
    log_event(LogLevel::error, "receive", "an association's process was not understood and is ended",
              {{"why", error.what()}, {"calling", caller_.calling_ae}});
  }
  if (open_ && !closed_) {
    close(false);
    remove_leftovers();
  }
}

void Conversation::answer(const Json& question) {
  const std::string what = question.at("do").get<std::string>();
  if (what == "opened") return channel_.say(open(question));
  if (!open_) throw Error(ErrorCode::RequestInvalid, "a question before the association was opened");
  if (what == "room") return channel_.say({{"room", room()}});
  if (what == "arrived") return channel_.say(arrived(question));
  if (what == "find") return find(question);
  if (what == "ended") {
    close(question.at("released").get<bool>());
    return channel_.say(Json::object());
  }
  if (what == "retrieve") {
    dimse::Services::Retrieval retrieval;
    try {
      retrieval = answers_.retrieve(caller_, question.at("model"), attributes_from(question.at("keys")),
                                    question.at("move_to"));
    } catch (const Error& error) {
      retrieval = {status_of(error), {}, {}};
    }
    return channel_.say(to_json(retrieval));
  }
  try {
    channel_.say(to_json(noted(question)));
  } catch (const Error& error) {
    if (error.code() == ErrorCode::RequestInvalid) throw;
    channel_.say(to_json(status_of(error)));
  }
}

Json Conversation::room() const {
  const std::optional<Error> full = sink_.no_room(0);
  return to_json(full ? status_of(*full) : dimse::Status{});
}

Json Conversation::with_room(Json answer) const {
  answer["room"] = room();
  return answer;
}

Json Conversation::open(const Json& question) {
  if (open_) throw Error(ErrorCode::RequestInvalid, "an association is opened once");
  caller_ = caller_from(question.at("caller"));
  if (!allowed(options_.allowed, caller_)) {
    const std::string why = "this AE title is not allowed from this address";
    answers_.turned_away(caller_, why);
    return {{"refused", why}};
  }
  origin_ = {.way = Origin::Way::dimse,
             .sender = caller_.calling_ae,
             .called = caller_.called_ae,
             .address = caller_.address,
             .association = association_};
  sink_.association_opened(association_, origin_);
  open_ = true;
  opened_s_ = monotonic_s();
  log_event(LogLevel::info, "receive", "association opened",
            {{"calling", caller_.calling_ae},
             {"called", caller_.called_ae},
             {"address", caller_.address},
             {"subject", caller_.certificate_subject},
             {"association", std::to_string(association_)}});
  return with_room({{"association", association_}, {"incoming", sink_.incoming().string()}});
}

Json Conversation::arrived(const Json& question) {
  static Counter& kept = metrics().counter("rouage_dimse_objects_total", "objects of C-STORE", {{"outcome", "kept"}});
  static Counter& refused =
      metrics().counter("rouage_dimse_objects_total", "objects of C-STORE", {{"outcome", "refused"}});
  static Histogram& durable = metrics().histogram("rouage_dimse_durable_seconds",
                                                  "from an object's last byte in its file to its durable index row");
  Arrival arrival;
  arrival.file = question.at("file").get<std::string>();
  const std::string name = arrival.file.filename().string();
  if (arrival.file.parent_path() != sink_.incoming() || !name.starts_with(fmt::format("d{}-", association_)))
    throw Error(ErrorCode::RequestInvalid, "a file that is not this association's");
  arrival.bytes = question.at("bytes").get<std::uint64_t>();
  arrival.digest = digest_from(question.at("digest").get<std::string>());
  const std::optional<std::string> entry = channel_.hear_attachment(kLongestEntry);
  if (!entry) throw Error(ErrorCode::RequestInvalid, "an object without its entry");
  arrival.entry = entry_from_line(*entry);
  arrival.origin = origin_;
  const double begun_s = monotonic_s();
  std::vector<Arrival> arrivals;
  arrivals.push_back(std::move(arrival));
  const std::vector<Receipt> receipts = sink_.accept(std::move(arrivals));
  durable.observe(monotonic_s() - begun_s);
  const Receipt& receipt = receipts.at(0);
  const bool good = receipt.outcome != Outcome::refused;
  (good ? kept : refused).add();
  ++(good ? kept_ : refused_);
  return with_room(to_json(dimse::Status{receipt.dimse_status(), receipt.text}));
}

void Conversation::find(const Json& question) {
  const dicom::Attributes keys = attributes_from(question.at("keys"));
  const std::string model = question.at("model").get<std::string>();
  dimse::Status status;
  try {
    status = answers_.find(caller_, model, keys, [&](const dicom::Attributes& match) {
      channel_.say({{"match", to_json(match)}});
      const std::optional<Json> reply = channel_.hear(kLongestQuestion);
      return reply && reply->at("more").get<bool>();
    });
  } catch (const Error& error) {
    status = status_of(error);
  }
  channel_.say(to_json(status));
}

dimse::Status Conversation::noted(const Json& question) {
  using Pairs = std::vector<std::pair<std::string, std::string>>;
  const std::string what = question.at("do").get<std::string>();
  if (what == "commitment" || what == "committed") {
    const std::string transaction = question.at("transaction").get<std::string>();
    require_uids({transaction});
    if (what == "committed") {
      const auto committed = question.at("committed").get<std::vector<std::string>>();
      const auto failed = question.at("failed").get<std::vector<std::string>>();
      require_uids(committed);
      require_uids(failed);
      return answers_.committed(caller_, transaction, committed, failed);
    }
    const auto instances = question.at("instances").get<Pairs>();
    for (const auto& [sop_class, instance] : instances) require_uids({instance});
    return answers_.commitment(caller_, transaction, instances);
  }
  if (what != "lists") throw Error(ErrorCode::RequestInvalid, "an unknown question");
  std::vector<SeriesList> lists;
  for (const Json& row : question.at("lists")) {
    SeriesList list;
    const std::string state = row.at("state").get<std::string>();
    list.source = state == "IAN" ? "IAN" : "MPPS";
    list.closed = state == "IAN" || state == "COMPLETED" || state == "DISCONTINUED";
    list.message_uid = row.at("message");
    list.study_instance_uid = row.at("study");
    list.series_instance_uid = row.at("series");
    list.sop_instances = row.at("instances").get<std::vector<std::string>>();
    require_uids({list.message_uid, list.series_instance_uid});
    if (!list.study_instance_uid.empty()) require_uids({list.study_instance_uid});
    require_uids(list.sop_instances);
    lists.push_back(std::move(list));
  }
  sink_.note_lists(lists);
  return {};
}

void Conversation::close(bool released) {
  closed_ = true;
  sink_.association_ended(association_, released);
  log_event(LogLevel::info, "receive", released ? "association released" : "association broke off",
            {{"calling", caller_.calling_ae},
             {"address", caller_.address},
             {"association", std::to_string(association_)},
             {"kept", std::to_string(kept_)},
             {"refused", std::to_string(refused_)},
             {"seconds", fixed_text(monotonic_s() - opened_s_, 1)}});
}

/// What a killed process left behind was never acknowledged.
void Conversation::remove_leftovers() const {
  std::error_code ignored;
  const std::string prefix = fmt::format("d{}-", association_);
  std::vector<std::filesystem::path> left;
  for (const auto& entry : std::filesystem::directory_iterator(sink_.incoming(), ignored))
    if (entry.path().filename().string().starts_with(prefix)) left.push_back(entry.path());
  for (const auto& file : left) std::filesystem::remove(file, ignored);
}

}  // namespace

void hold_conversation(Descriptor channel, std::uint64_t association, const DimseFrontOptions& options,
                       InstanceSink& sink, Answers& answers) {
  try {
    Conversation(std::move(channel), association, options, sink, answers).hold();
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "receive", "the end of an association could not be noted", {{"why", error.what()}});
  }
}

}  // namespace rouage::receive
