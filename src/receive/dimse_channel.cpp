#include "receive/dimse_channel.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/error.h"

namespace rouage::receive {
namespace {

using Json = nlohmann::json;
constexpr std::size_t kHandedBytes = 512;

Json tls_json(const std::optional<dimse::TlsFiles>& tls) {
  if (!tls) return nullptr;
  return {{"certificate", tls->certificate},
          {"key", tls->key},
          {"authorities", tls->authorities},
          {"verify_peer", tls->verify_peer}};
}

std::optional<dimse::TlsFiles> tls_from(const Json& json) {
  if (json.is_null()) return {};
  return dimse::TlsFiles{json.at("certificate"), json.at("key"), json.at("authorities"), json.at("verify_peer")};
}

/// nlohmann's complaints become ours.
template <typename Action>
auto checked(const Action& action) {
  try {
    return action();
  } catch (const Json::exception& error) {
    throw Error(ErrorCode::RequestInvalid, std::string("a message between our processes: ") + error.what());
  }
}

}  // namespace

Descriptor::~Descriptor() {
  close();
}

Descriptor& Descriptor::operator=(Descriptor&& other) noexcept {
  if (this != &other) {
    close();
    number_ = other.release();
  }
  return *this;
}

int Descriptor::release() {
  return std::exchange(number_, -1);
}

void Descriptor::close() {
  if (number_ >= 0) ::close(number_);
  number_ = -1;
}

void LineChannel::say(const Json& message, std::string_view attachment) {
  std::string line = message.dump(-1, ' ', false, Json::error_handler_t::replace);
  line += '\n';
  if (!attachment.empty()) line.append(attachment).append(1, '\n');
  std::string_view rest = line;
  while (!rest.empty()) {
    const ssize_t sent = ::send(socket_.number(), rest.data(), rest.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) throw Error(ErrorCode::PeerUnreachable, "the other process of the gateway is gone");
    rest.remove_prefix(static_cast<std::size_t>(sent));
  }
}

std::optional<Json> LineChannel::hear(std::size_t most) {
  const std::optional<std::string> line = hear_attachment(most);
  if (!line) return {};
  Json message = Json::parse(*line, nullptr, false);
  if (!message.is_object()) throw Error(ErrorCode::RequestInvalid, "a line between our processes is no JSON object");
  return message;
}

std::optional<std::string> LineChannel::hear_attachment(std::size_t most) {
  std::size_t searched = 0;
  for (;;) {
    const std::size_t end = ahead_.find('\n', searched);
    if (end != std::string::npos) {
      std::string line = ahead_.substr(0, end);
      ahead_.erase(0, end + 1);
      return line;
    }
    searched = ahead_.size();
    if (searched > most) throw Error(ErrorCode::RequestInvalid, "a line between our processes is too long");
    char buffer[16 * 1024];
    const ssize_t got = ::recv(socket_.number(), buffer, sizeof(buffer), 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return {};
    ahead_.append(buffer, static_cast<std::size_t>(got));
  }
}

bool hand_over(int channel, const std::string& message, int descriptor) {
  iovec part{const_cast<char*>(message.data()), message.size()};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (descriptor >= 0) {
    header.msg_control = control;
    header.msg_controllen = sizeof(control);
    cmsghdr* const head = CMSG_FIRSTHDR(&header);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(head), &descriptor, sizeof(int));
  }
  for (;;) {
    const ssize_t sent = ::sendmsg(channel, &header, MSG_NOSIGNAL);
    if (sent >= 0) return true;
    if (errno != EINTR) return false;
  }
}

std::optional<Handed> take_over(int channel) {
  char bytes[kHandedBytes];
  iovec part{bytes, sizeof(bytes)};
  msghdr header{};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  header.msg_control = control;
  header.msg_controllen = sizeof(control);
  ssize_t got = 0;
  do {
    got = ::recvmsg(channel, &header, MSG_CMSG_CLOEXEC);
  } while (got < 0 && errno == EINTR);
  if (got <= 0) return {};
  Handed handed{std::string(bytes, static_cast<std::size_t>(got)), Descriptor()};
  for (cmsghdr* head = CMSG_FIRSTHDR(&header); head != nullptr; head = CMSG_NXTHDR(&header, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    int number = -1;
    std::memcpy(&number, CMSG_DATA(head), sizeof(int));
    handed.descriptor = Descriptor(number);
  }
  return handed;
}

Json to_json(const dicom::Attributes& attributes) {
  Json json = Json::object();
  for (const auto& [tag, value] : attributes) json[std::to_string(tag)] = value;
  return json;
}

dicom::Attributes attributes_from(const Json& json) {
  return checked([&] {
    dicom::Attributes attributes;
    for (const auto& [tag, value] : json.items()) {
      std::uint32_t number = 0;
      for (const char c : tag) {
        if (c < '0' || c > '9' || tag.size() > 10) throw Error(ErrorCode::RequestInvalid, "a tag is no number");
        number = number * 10 + static_cast<std::uint32_t>(c - '0');
      }
      attributes[number] = value.get<std::string>();
    }
    return attributes;
  });
}

Json to_json(const dimse::Status& status) {
  return {{"code", status.code}, {"text", status.text}};
}

dimse::Status status_from(const Json& json) {
  return checked([&] {
    return dimse::Status{json.at("code").get<std::uint16_t>(), json.at("text").get<std::string>()};
  });
}

Json to_json(const dimse::Caller& caller) {
  return {{"calling", caller.calling_ae},
          {"called", caller.called_ae},
          {"address", caller.address},
          {"subject", caller.certificate_subject}};
}

dimse::Caller caller_from(const Json& json) {
  return checked([&] {
    return dimse::Caller{json.at("calling"), json.at("called"), json.at("address"), json.at("subject")};
  });
}

Json to_json(const dimse::Services::Retrieval& retrieval) {
  Json objects = Json::array();
  for (const auto& object : retrieval.objects)
    objects.push_back({object.file.string(), object.sop_class, object.sop_instance, object.transfer_syntax});
  Json destination;
  if (const auto& peer = retrieval.destination)
    destination = {{"host", peer->host},
                   {"port", peer->port},
                   {"ae_title", peer->ae_title},
                   {"tls", tls_json(peer->tls)},
                   {"connect_timeout_s", peer->connect_timeout_s},
                   {"answer_timeout_s", peer->answer_timeout_s}};
  return {{"status", to_json(retrieval.status)}, {"objects", objects}, {"destination", destination}};
}

dimse::Services::Retrieval retrieval_from(const Json& json) {
  return checked([&] {
    dimse::Services::Retrieval retrieval{status_from(json.at("status")), {}, {}};
    for (const Json& object : json.at("objects"))
      retrieval.objects.push_back({object.at(0).get<std::string>(), object.at(1), object.at(2), object.at(3)});
    const Json& peer = json.at("destination");
    if (!peer.is_null())
      retrieval.destination = dimse::Peer{.host = peer.at("host"),
                                          .port = peer.at("port"),
                                          .ae_title = peer.at("ae_title"),
                                          .tls = tls_from(peer.at("tls")),
                                          .connect_timeout_s = peer.at("connect_timeout_s"),
                                          .answer_timeout_s = peer.at("answer_timeout_s")};
    return retrieval;
  });
}

Json to_json(const DimseFrontOptions& options) {
  const dimse::ServerOptions& server = options.server;
  Json allowed = Json::array();
  for (const AllowedPeer& peer : options.allowed)
    allowed.push_back({{"ae_title", peer.ae_title}, {"addresses", peer.addresses}});
  return {{"ae_title", server.ae_title},
          {"called_titles", server.called_titles},
          {"calling_titles", server.calling_titles},
          {"tls", tls_json(server.tls)},
          {"max_pdu", server.max_pdu},
          {"association_timeout_s", server.association_timeout_s},
          {"idle_timeout_s", server.idle_timeout_s},
          {"stall_timeout_s", server.stall_timeout_s},
          {"max_object_bytes", server.max_object_bytes},
          {"accept_unknown_sop_classes", server.accept_unknown_sop_classes},
          {"max_message_bytes", server.max_message_bytes},
          {"allowed", allowed},
          {"max_associations", options.max_associations},
          {"max_per_address", options.max_per_address},
          {"max_waiting", options.max_waiting},
          {"max_waiting_per_address", options.max_waiting_per_address},
          {"association_memory_mb", options.association_memory_mb},
          {"log_least", static_cast<int>(options.log.least)},
          {"log_json", options.log.json},
          {"log_patient_data", options.log.patient_data},
          {"log_salt", options.log.salt}};
}

DimseFrontOptions options_from(const Json& json) {
  return checked([&] {
    DimseFrontOptions options;
    dimse::ServerOptions& server = options.server;
    server.ae_title = json.at("ae_title");
    server.called_titles = json.at("called_titles").get<std::vector<std::string>>();
    server.calling_titles = json.at("calling_titles").get<std::vector<std::string>>();
    server.tls = tls_from(json.at("tls"));
    server.max_pdu = json.at("max_pdu");
    server.association_timeout_s = json.at("association_timeout_s");
    server.idle_timeout_s = json.at("idle_timeout_s");
    server.stall_timeout_s = json.at("stall_timeout_s");
    server.max_object_bytes = json.at("max_object_bytes");
    server.accept_unknown_sop_classes = json.at("accept_unknown_sop_classes");
    server.max_message_bytes = json.at("max_message_bytes");
    for (const Json& peer : json.at("allowed"))
      options.allowed.push_back({peer.at("ae_title"), peer.at("addresses").get<std::vector<std::string>>()});
    options.max_associations = json.at("max_associations");
    options.max_per_address = json.at("max_per_address");
    options.max_waiting = json.at("max_waiting");
    options.max_waiting_per_address = json.at("max_waiting_per_address");
    options.association_memory_mb = json.at("association_memory_mb");
    options.log = {static_cast<LogLevel>(json.at("log_least").get<int>()), json.at("log_json"),
                   json.at("log_patient_data"), json.at("log_salt")};
    return options;
  });
}

}  // namespace rouage::receive
