#include "results/delivery_http.h"

#include <curl/curl.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/host.h"

namespace rouage::results {
namespace {

constexpr std::size_t kMostAnswer = 1024 * 1024;
constexpr long kConnectS = 10;
/// A peer that neither takes nor gives a byte for so long is given up: a store may need a while to answer.
constexpr long kSilentS = 120;

/// An open file that closes itself.
class File {
 public:
  explicit File(const std::filesystem::path& path) : descriptor_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {
    if (descriptor_ < 0) throw Error(ErrorCode::FileMissing, std::strerror(errno)).file(path);
    struct stat facts {};
    if (::fstat(descriptor_, &facts) != 0 || !S_ISREG(facts.st_mode)) {
      ::close(descriptor_);
      throw Error(ErrorCode::FileMissing, "not a file").file(path);
    }
    size_ = facts.st_size;
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  std::int64_t size() const { return size_; }
  /// -1 on an error, 0 at the end.
  std::int64_t read(char* to, std::size_t most) {
    ssize_t got = 0;
    do got = ::read(descriptor_, to, most);
    while (got < 0 && errno == EINTR);
    return got;
  }

 private:
  int descriptor_ = -1;
  std::int64_t size_ = 0;
};

/// head, file, tail as one stream.
struct Source {
  const Upload* upload = nullptr;
  std::unique_ptr<File> file;
  std::size_t head_done = 0, tail_done = 0;
  std::int64_t file_left = 0;
};

std::size_t take(const std::string& from, std::size_t& done, char* to, std::size_t most) {
  const std::size_t many = std::min(most, from.size() - done);
  std::copy_n(from.begin() + static_cast<std::ptrdiff_t>(done), many, to);
  done += many;
  return many;
}

std::size_t read_body(char* to, std::size_t size, std::size_t items, void* user) {
  auto& source = *static_cast<Source*>(user);
  const std::size_t most = size * items;
  if (source.head_done < source.upload->head.size()) return take(source.upload->head, source.head_done, to, most);
  if (source.file_left > 0) {
    const auto wanted = std::min<std::int64_t>(source.file_left, static_cast<std::int64_t>(most));
    const std::int64_t got = source.file->read(to, static_cast<std::size_t>(wanted));
    if (got <= 0) return CURL_READFUNC_ABORT;  // shorter than announced
    source.file_left -= got;
    return static_cast<std::size_t>(got);
  }
  return take(source.upload->tail, source.tail_done, to, most);
}

std::size_t keep_answer(char* data, std::size_t size, std::size_t items, void* user) {
  auto& body = *static_cast<std::string*>(user);
  const std::size_t many = size * items;
  body.append(data, std::min(many, kMostAnswer - body.size()));
  return many;
}

int watch(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(user) ? 1 : 0;
}

std::string secret(const std::string& file) {
  const std::string text = read_text(file, 64 * 1024);
  return std::string(trimmed(text));
}

/// A list of headers that frees itself.
class HeaderList {
 public:
  ~HeaderList() { curl_slist_free_all(list_); }
  HeaderList() = default;
  HeaderList(const HeaderList&) = delete;
  HeaderList& operator=(const HeaderList&) = delete;
  void add(const std::string& line) { list_ = curl_slist_append(list_, line.c_str()); }
  curl_slist* get() const { return list_; }

 private:
  curl_slist* list_ = nullptr;
};

void set_limits(CURL* curl, const std::atomic<bool>* cut) {
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectS);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, kSilentS);
  curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch);
  curl_easy_setopt(curl, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(cut));
}

/// Who we are to the peer, and whose word we take for who it is. libcurl copies what it is given.
void set_identity(CURL* curl, const Destination& destination, HeaderList& headers) {
  if (!destination.bearer_token_file.empty())
    headers.add("Authorization: Bearer " + secret(destination.bearer_token_file));
  if (!destination.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, destination.user.c_str());
    if (!destination.password_file.empty())
      curl_easy_setopt(curl, CURLOPT_PASSWORD, secret(destination.password_file).c_str());
  }
  if (!destination.tls) return;
  const TlsPaths& tls = *destination.tls;
  if (!tls.authorities.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, tls.authorities.c_str());
  if (!tls.certificate.empty()) curl_easy_setopt(curl, CURLOPT_SSLCERT, tls.certificate.c_str());
  if (!tls.key.empty()) curl_easy_setopt(curl, CURLOPT_SSLKEY, tls.key.c_str());
}

/// The peer was there, and the transfer broke.
bool connected(CURL* curl, CURLcode failure) {
  double connected_after_s = 0;
  curl_easy_getinfo(curl, CURLINFO_CONNECT_TIME, &connected_after_s);
  const bool handshake_failed = failure == CURLE_SSL_CONNECT_ERROR || failure == CURLE_PEER_FAILED_VERIFICATION ||
                                failure == CURLE_SSL_CERTPROBLEM || failure == CURLE_SSL_CACERT_BADFILE;
  return connected_after_s > 0 && !handshake_failed;
}

void start_curl_once() {
  static std::once_flag once;
  std::call_once(once, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
}

}  // namespace

struct HttpClient::State {
  Destination destination;
  const std::atomic<bool>* cut = nullptr;
  CURL* curl = nullptr;
};

HttpClient::HttpClient(const Destination& destination, const std::atomic<bool>& cut)
    : state_(std::make_unique<State>()) {
  start_curl_once();
  state_->destination = destination;
  state_->cut = &cut;
  state_->curl = curl_easy_init();
  if (state_->curl == nullptr) throw Error(ErrorCode::Internal, "libcurl gives no handle");
}

HttpClient::~HttpClient() {
  curl_easy_cleanup(state_->curl);
}

HttpAnswer HttpClient::post(const Upload& upload) {
  CURL* curl = state_->curl;
  curl_easy_reset(curl);  // keeps connections
  Source source;
  source.upload = &upload;
  if (!upload.file.empty()) {
    source.file = std::make_unique<File>(upload.file);
    source.file_left = source.file->size();
  }
  const auto length = static_cast<curl_off_t>(upload.head.size() + upload.tail.size()) + source.file_left;
  HeaderList headers;
  for (const std::string& line : upload.headers) headers.add(line);
  headers.add("Expect:");  // no second of waiting for a 100
  set_limits(curl, state_->cut);
  set_identity(curl, state_->destination, headers);
  HttpAnswer answer;
  std::array<char, CURL_ERROR_SIZE> words{};
  curl_easy_setopt(curl, CURLOPT_URL, upload.url.c_str());
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, words.data());
  curl_easy_setopt(curl, CURLOPT_POST, 1L);
  curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, length);
  curl_easy_setopt(curl, CURLOPT_READFUNCTION, read_body);
  curl_easy_setopt(curl, CURLOPT_READDATA, &source);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep_answer);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  const CURLcode result = curl_easy_perform(curl);
  if (result != CURLE_OK) {
    answer.error = words[0] != 0 ? words.data() : curl_easy_strerror(result);
    answer.connected = connected(curl, result);
    return answer;
  }
  long status = 0;
  curl_off_t retry_after_s = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &retry_after_s);
  answer.status = static_cast<int>(status);
  answer.connected = true;
  answer.retry_after_s = static_cast<double>(retry_after_s);
  return answer;
}

std::string excerpt(const std::string& text) {
  std::string line;
  for (const char c : text.substr(0, 300)) {
    const bool control = static_cast<unsigned char>(c) < ' ';
    if (control && (line.empty() || line.back() == ' ')) continue;
    line += control ? ' ' : c;
  }
  while (!line.empty() && !valid_utf8(line)) line.pop_back();  // a character cut in two, or no UTF-8 at all
  return line;
}

Attempt attempt_of(const HttpAnswer& answer) {
  using Kind = Attempt::Kind;
  if (answer.status == 0) return {answer.connected ? Kind::again : Kind::away, answer.error, 0};
  if (answer.status >= 200 && answer.status < 300) return {};
  std::string said = fmt::format("HTTP {}", answer.status);
  if (const std::string words = excerpt(answer.body); !words.empty()) said += ": " + words;
  switch (answer.status) {
    case 401:
    case 403:
    case 404:
    case 408:
    case 429:
    case 502:
    case 503:
    case 504:
      return {Kind::away, said, answer.retry_after_s};
    default:
      break;
  }
  const bool mendable = answer.status >= 500 || answer.status < 400;
  return {mendable ? Kind::again : Kind::refused, said, 0};
}

}  // namespace rouage::results
