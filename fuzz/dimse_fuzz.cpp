// Bytes of a peer to serve_association, as they would come over the line. The first byte says how: 0 puts a valid
// association request (verification, CT, the query models, commitment, MPPS) before them; 2 does so and takes the bytes
// as records (context, flags, two bytes of length, content) that become well-formed P-DATA; odd: as they are. The
// association must end, whatever comes; what it hands on must be what it promises.
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/service.h"
#include "dicom/object.h"
#include "dimse/dimse.h"

namespace {

using namespace rouage;

std::string item(int type, const std::string& content) {
  std::string bytes(1, static_cast<char>(type));
  bytes += '\0';
  bytes += static_cast<char>(content.size() >> 8);
  bytes += static_cast<char>(content.size());
  return bytes + content;
}

/// PS3.8 9.3.2. Contexts 1, 3, 5...: explicit little endian; storage with the role of an SCP too (C-GET).
std::string association_request() {
  const std::vector<std::string> classes = {"1.2.840.10008.1.1",
                                            "1.2.840.10008.5.1.4.1.1.2",
                                            dimse::query_class("study", "find"),
                                            dimse::query_class("study", "move"),
                                            dimse::query_class("study", "get"),
                                            "1.2.840.10008.1.20.1",
                                            "1.2.840.10008.3.1.2.3.3",
                                            "1.2.840.10008.5.1.4.33"};
  std::string items = item(0x10, "1.2.840.10008.3.1.1.1");
  int id = 1;
  for (const std::string& sop_class : classes) {
    std::string context(4, '\0');
    context[0] = static_cast<char>(id);
    items += item(0x20, context + item(0x30, sop_class) + item(0x40, "1.2.840.10008.1.2.1"));
    id += 2;
  }
  items += item(0x50, item(0x51, std::string("\0\0\x40\0", 4)) + item(0x52, "1.2.3"));
  std::string body(2, '\0');
  body[1] = 1;
  body += std::string(2, '\0') + "ROUAGE          FUZZ            " + std::string(32, '\0') + items;
  std::string head(4, '\0');
  head[0] = 1;
  head += static_cast<char>(body.size() >> 8);
  head += static_cast<char>(body.size());
  return head + body;
}

/// Records to PDUs of one value each (PS3.8 9.3.5).
std::string framed(const std::uint8_t* data, std::size_t size) {
  std::string line;
  std::size_t at = 0;
  while (size - at >= 4) {
    const std::size_t length =
        std::min<std::size_t>(static_cast<std::size_t>(data[at + 2]) << 8 | data[at + 3], size - at - 4);
    std::string head(12, '\0');
    head[0] = 4;
    for (int i = 0; i < 4; ++i) head[static_cast<std::size_t>(2 + i)] = static_cast<char>((length + 6) >> (24 - 8 * i));
    for (int i = 0; i < 4; ++i) head[static_cast<std::size_t>(6 + i)] = static_cast<char>((length + 2) >> (24 - 8 * i));
    head[10] = static_cast<char>(data[at]);
    head[11] = static_cast<char>(data[at + 1]);
    line += head;
    line.append(reinterpret_cast<const char*>(data) + at + 4, length);
    at += 4 + length;
  }
  return line;
}

class MemoryServices : public dimse::Services {
 public:
  explicit MemoryServices(std::filesystem::path folder) : folder_(std::move(folder)) {}
  std::optional<std::string> refuses(const dimse::Caller&) override { return {}; }
  std::optional<dimse::Status> refuses_object(const std::string& sop_class, const std::string& sop_instance) override {
    if (!dicom::valid_uid(sop_class) || !dicom::valid_uid(sop_instance)) std::abort();
    return {};
  }
  std::filesystem::path new_file() override { return folder_ / ("f" + std::to_string(++files_)); }
  dimse::Status arrived(const std::filesystem::path& file, std::uint64_t bytes, const Digest&) override {
    if (std::filesystem::file_size(file) != bytes) std::abort();
    ::unlink(file.c_str());
    return {};
  }
  dimse::Status find(const std::string&, const dicom::Attributes& keys,
                     const std::function<bool(const dicom::Attributes&)>& match) override {
    for (const auto& [tag, value] : keys)
      if (!valid_utf8(value)) std::abort();
    for (int i = 0; i < 3 && match({{0x00080052, "STUDY"}, {0x0020000D, "1.2.3"}}); ++i) {
    }
    return {};
  }
  Retrieval retrieve(const std::string&, const dicom::Attributes&, const std::string&) override { return {}; }
  dimse::Status commitment(const std::string& transaction,
                           const std::vector<std::pair<std::string, std::string>>& instances) override {
    if (!dicom::valid_uid(transaction)) std::abort();
    for (const auto& [sop_class, instance] : instances)
      if (!dicom::valid_uid(instance)) std::abort();
    return {};
  }
  dimse::Status committed(const std::string&, const std::vector<std::string>&,
                          const std::vector<std::string>&) override {
    return {};
  }
  dimse::Status series_lists(const std::vector<SeriesList>& lists) override {
    for (const SeriesList& list : lists)
      if (!dicom::valid_uid(list.series_instance_uid) || !dicom::valid_uid(list.message_uid)) std::abort();
    return {};
  }
  void ended(bool) override { ++ended_; }
  int times_ended() const { return ended_; }

 private:
  std::filesystem::path folder_;
  int files_ = 0, ended_ = 0;
};

std::filesystem::path own_folder() {
  const auto folder = std::filesystem::temp_directory_path() / ("rouage-dimse-fuzz-" + std::to_string(::getpid()));
  std::filesystem::create_directories(folder);
  LogOptions quiet;
  quiet.least = LogLevel::error;
  set_log_options(quiet);
  return folder;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::filesystem::path folder = own_folder();
  static const std::string request = association_request();
  constexpr std::size_t kMostBytes = 16 * 1024;  // fits the socket's buffer: nobody reads while it is written
  if (size < 1 || size > kMostBytes) return 0;
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return 0;
  if ((data[0] & 1) == 0) ::send(pair[0], request.data(), request.size(), MSG_NOSIGNAL);
  const std::string line =
      (data[0] & 3) == 2 ? framed(data + 1, size - 1) : std::string(reinterpret_cast<const char*>(data) + 1, size - 1);
  ::send(pair[0], line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(pair[0], SHUT_WR);
  dimse::ServerOptions options;
  options.stall_timeout_s = options.idle_timeout_s = options.association_timeout_s = 1;
  options.max_object_bytes = 1024 * 1024;
  MemoryServices services(folder);
  dimse::serve_association(pair[1], options, services);
  ::close(pair[0]);
  if (services.times_ended() != 1) std::abort();
  return 0;
}
