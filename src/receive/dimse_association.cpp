#include "receive/dimse_association.h"

#include <fmt/format.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "base/error.h"
#include "base/host.h"
#include "dicom/object.h"
#include "receive/entry_json.h"

namespace rouage::receive {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kLongestAnswer = 256 * kMebibyte;  // a retrieval of a million objects; the gateway is trusted
constexpr double kRoomKnownFor_s = 1;                    // what the last answer said about the disk

class GatewayServices : public dimse::Services {
 public:
  explicit GatewayServices(LineChannel& channel) : channel_(channel) {}

  std::optional<std::string> refuses(const dimse::Caller& caller) override {
    const Json answer = ask({{"do", "opened"}, {"caller", to_json(caller)}});
    if (answer.contains("refused")) return answer.at("refused").get<std::string>();
    association_ = answer.at("association").get<std::uint64_t>();
    incoming_ = answer.at("incoming").get<std::string>();
    note_room(answer);
    return {};
  }

  std::optional<dimse::Status> refuses_object(const std::string& sop_class, const std::string& sop_instance) override {
    expected_class_ = sop_class;
    expected_instance_ = sop_instance;
    if (room_.code != 0 || monotonic_s() - room_at_s_ > kRoomKnownFor_s) note_room(ask({{"do", "room"}}));
    if (room_.code != 0) return room_;
    return {};
  }

  std::filesystem::path new_file() override { return incoming_ / fmt::format("d{}-{}.part", association_, ++files_); }

  dimse::Status arrived(const std::filesystem::path& file, std::uint64_t bytes, const Digest& digest) override {
    dicom::IndexEntry entry;
    try {
      entry = dicom::index_entry(file);
    } catch (const Error& error) {
      log_event(LogLevel::warning, "receive", "object refused",
                {{"why", error.what()}, patient_field("sop_instance", expected_instance_)});
      return {0xC000, error.detail()};
    }
    if (entry.sop_class_uid != expected_class_ || entry.sop_instance_uid != expected_instance_)
      return {0xA900, "the object is not the one that the request names"};
    channel_.say({{"do", "arrived"}, {"file", file.string()}, {"bytes", bytes}, {"digest", digest.hex()}},
                 entry_to_line(entry));
    const Json answer = hear();
    note_room(answer);
    return status_from(answer);
  }

  dimse::Status find(const std::string& model, const dicom::Attributes& keys,
                     const std::function<bool(const dicom::Attributes&)>& match) override {
    channel_.say({{"do", "find"}, {"model", model}, {"keys", to_json(keys)}});
    for (;;) {
      const Json answer = hear();
      if (answer.contains("code")) return status_from(answer);
      bool more = false;
      try {
        more = match(attributes_from(answer.at("match")));
      } catch (...) {
        channel_.say({{"more", false}});  // the gateway's thread must not wait for an association that is over
        throw;
      }
      channel_.say({{"more", more}});
    }
  }

  Retrieval retrieve(const std::string& model, const dicom::Attributes& keys, const std::string& move_to) override {
    return retrieval_from(ask({{"do", "retrieve"}, {"model", model}, {"keys", to_json(keys)}, {"move_to", move_to}}));
  }

  dimse::Status commitment(const std::string& transaction_uid,
                           const std::vector<std::pair<std::string, std::string>>& instances) override {
    return status_from(ask({{"do", "commitment"}, {"transaction", transaction_uid}, {"instances", instances}}));
  }

  dimse::Status committed(const std::string& transaction_uid, const std::vector<std::string>& committed,
                          const std::vector<std::string>& failed) override {
    return status_from(
        ask({{"do", "committed"}, {"transaction", transaction_uid}, {"committed", committed}, {"failed", failed}}));
  }

  dimse::Status series_lists(const std::vector<SeriesList>& lists) override {
    Json rows = Json::array();
    for (const SeriesList& list : lists)
      rows.push_back({{"state", list.state},
                      {"message", list.message_uid},
                      {"study", list.study_instance_uid},
                      {"series", list.series_instance_uid},
                      {"instances", list.sop_instances}});
    return status_from(ask({{"do", "lists"}, {"lists", rows}}));
  }

  void ended(bool released) override {
    if (association_ != 0) ask({{"do", "ended"}, {"released", released}});
  }

 private:
  Json hear() {
    std::optional<Json> answer = channel_.hear(kLongestAnswer);
    if (!answer) ::_exit(1);  // without the gateway nothing can be promised
    return std::move(*answer);
  }
  Json ask(const Json& question) {
    channel_.say(question);
    return hear();
  }
  void note_room(const Json& answer) {
    room_ = status_from(answer.at("room"));
    room_at_s_ = monotonic_s();
  }

  LineChannel& channel_;
  std::uint64_t association_ = 0, files_ = 0;
  std::filesystem::path incoming_;
  std::string expected_class_, expected_instance_;
  dimse::Status room_;
  double room_at_s_ = 0;
};

void limit_memory(std::uint64_t megabytes) {
  const rlimit none{0, 0};
  ::setrlimit(RLIMIT_CORE, &none);
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  const rlim_t bytes = megabytes * kMebibyte;
  const rlimit heap{bytes, bytes};
  if (megabytes > 0) ::setrlimit(RLIMIT_DATA, &heap);
#else
  (void)megabytes;
#endif
}

/// The gateway closing its end is an order to leave, whatever this process waits for.
void leave_with_the_gateway(int channel) {
  std::thread([channel] {
    pollfd watched{channel, 0, 0};  // hang-up and errors only
    while (::poll(&watched, 1, -1) <= 0) {
    }
    ::_exit(1);
  }).detach();
}

}  // namespace

void run_association(int connection, Descriptor channel, const DimseFrontOptions& options) {
  limit_memory(options.association_memory_mb);
  LineChannel line(std::move(channel));
  leave_with_the_gateway(line.number());
  GatewayServices services(line);
  try {
    dimse::serve_association(connection, options.server, services);
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "receive", "association process failed", {{"why", error.what()}});
  }
}

}  // namespace rouage::receive
