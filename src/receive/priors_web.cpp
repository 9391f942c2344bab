#include <curl/curl.h>

#include <algorithm>
#include <atomic>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/host.h"
#include "base/service.h"
#include "receive/multipart.h"
#include "receive/priors_source.h"

namespace rouage::receive {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kMostJsonBytes = 16 * 1024 * 1024;
constexpr std::uint64_t kMostObjectBytes = 8ULL * 1024 * 1024 * 1024;

struct FreeEasy {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};
struct FreeList {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

/// One GET. `begin` sees status and content type before the first byte; what the callbacks throw ends the transfer.
struct Download {
  std::function<void(long status, const std::string& content_type)> begin;
  std::function<void(std::span<const std::uint8_t>)> data;
  std::exception_ptr thrown;
  CURL* easy = nullptr;
  bool begun = false;

  static std::size_t write(char* bytes, std::size_t one, std::size_t count, void* self) {
    auto& download = *static_cast<Download*>(self);
    try {
      download.start();
      download.data({reinterpret_cast<const std::uint8_t*>(bytes), one * count});
      return one * count;
    } catch (...) {  // no exception may pass through C
      download.thrown = std::current_exception();
      return 0;
    }
  }

  void start() {
    if (begun) return;
    begun = true;
    long status = 0;
    const char* type = nullptr;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    begin(status, type == nullptr ? "" : type);
  }
};

/// Ends a download that nobody waits for any more.
struct Enough : std::exception {};

void throw_for_status(long status) {
  if (status >= 200 && status < 300) return;
  const std::string text = "answered HTTP status " + std::to_string(status);
  if (status == 401 || status == 403) throw Error(ErrorCode::PeerRefused, text);
  throw Error(status >= 500 || status == 429 || status == 408 ? ErrorCode::PeerUnreachable : ErrorCode::PeerRefused,
              text);
}

std::string text_of(const Json& object, const char* tag) {
  const auto found = object.find(tag);
  if (found == object.end() || !found->is_object()) return {};
  const auto values = found->find("Value");
  if (values == found->end() || !values->is_array()) return {};
  std::string joined;
  for (const Json& one : *values) {
    std::string text = one.is_string() ? one.get<std::string>() : one.is_number() ? one.dump() : std::string{};
    if (!joined.empty()) joined += '\\';
    joined += text;
  }
  return joined;
}

/// The objects of a multipart answer, one after the other, each into the incoming folder.
class ObjectStream {
 public:
  ObjectStream(InstanceSink& sink, const TakeObject& take) : sink_(sink), take_(take) {}
  std::size_t count() const { return count_; }

  void begin(const std::string& content_type) {
    const MediaType type = media_type(content_type);
    if (type.type == "application/dicom") {
      open();
      return;
    }
    if (type.type != "multipart/related")
      throw Error(ErrorCode::PeerRefused, "WADO-RS answered " + (type.type.empty() ? "no known type" : type.type));
    parser_ = std::make_unique<MultipartParser>(
        type.parameter("boundary"), MultipartLimits{},
        MultipartParser::Events{[this](const PartHeaders&) { open(); },
                                [this](std::span<const std::uint8_t> bytes) { add(bytes); }, [this] { close(); }});
  }
  void data(std::span<const std::uint8_t> bytes) { parser_ ? parser_->feed(bytes) : add(bytes); }
  void finish() { parser_ ? parser_->finish() : close(); }

 private:
  void open() {
    static std::atomic<std::uint64_t> next{0};
    if (auto full = sink_.no_room(0)) throw Error(*full);
    path_ = sink_.incoming() / ("priors-" + std::to_string(next++) + "-" +
                                sha256(utc_now_text() + std::to_string(monotonic_s())).short_hex() + ".part");
    file_ = std::make_unique<DurableFile>(path_);
  }
  void add(std::span<const std::uint8_t> bytes) {
    if (!file_) return;
    if (file_->size() + bytes.size() > kMostObjectBytes) throw Error(ErrorCode::FileTooLarge, "an object of WADO-RS");
    file_->write(bytes);
  }
  void close() {
    if (!file_) return;
    const std::uint64_t size = file_->size();
    const Digest digest = file_->finish(false);  // the store flushes what it keeps
    file_.reset();
    ++count_;
    if (!take_(path_, size, digest)) throw Enough{};
  }

  InstanceSink& sink_;
  const TakeObject& take_;
  std::unique_ptr<MultipartParser> parser_;
  std::unique_ptr<DurableFile> file_;
  std::filesystem::path path_;
  std::size_t count_ = 0;
};

class WebPriors : public PriorsPeer {
 public:
  WebPriors(const PriorsSource& source, const Deadline& deadline)
      : source_(source), deadline_(deadline), easy_(curl_easy_init()) {
    if (!easy_) throw Error(ErrorCode::Internal, "libcurl cannot start");
    base_ = source_.url;
    while (!base_.empty() && base_.back() == '/') base_.pop_back();
    if (!source_.bearer_token_file.empty())
      token_ = std::string(trimmed(read_text(source_.bearer_token_file, 64 * 1024)));
  }

  std::vector<FoundStudy> studies(const std::string& patient_id, const std::string& days) override {
    const std::string url = base_ + "/studies?PatientID=" + encoded(patient_id) + "&StudyDate=" + encoded(days) +
                            "&includefield=00081030&includefield=00080061&includefield=00100021&includefield=00100030"
                            "&includefield=00100040&includefield=00080050";
    std::vector<FoundStudy> all;
    for (const Json& one : answers(url)) {
      FoundStudy found;
      found.study = {text_of(one, "0020000D"),
                     text_of(one, "00100020"),
                     text_of(one, "00080020"),
                     text_of(one, "00080030"),
                     text_of(one, "00081030"),
                     text_of(one, "00080050"),
                     {},
                     {}};
      found.issuer = text_of(one, "00100021");
      found.birth_date = text_of(one, "00100030");
      found.sex = text_of(one, "00100040");
      found.modalities = text_of(one, "00080061");
      all.push_back(std::move(found));
    }
    return all;
  }

  std::vector<PriorSeries> series(const std::string& study_instance_uid) override {
    const std::string url = base_ + "/studies/" + study_instance_uid +
                            "/series?includefield=0008103E&includefield=00180015&includefield=00201209";
    std::vector<PriorSeries> all;
    for (const Json& one : answers(url)) {
      const std::string count = text_of(one, "00201209");
      const bool digits = !count.empty() && count.size() < 8 && count.find_first_not_of("0123456789") == count.npos;
      all.push_back({text_of(one, "0020000E"),
                     text_of(one, "00080060"),
                     text_of(one, "00180015"),
                     text_of(one, "0008103E"),
                     digits ? std::stoi(count) : 0,
                     {}});
    }
    return all;
  }

  bool fetch(const PriorStudy& study, const PriorSeries& series, InstanceSink& sink, const TakeObject& take) override {
    ObjectStream objects(sink, take);
    try {
      download(
          base_ + "/studies/" + study.study_instance_uid + "/series/" + series.series_instance_uid,
          "multipart/related; type=\"application/dicom\"; transfer-syntax=*",
          [&](long status, const std::string& type) {
            throw_for_status(status);
            objects.begin(type);
          },
          [&](std::span<const std::uint8_t> bytes) { objects.data(bytes); });
      objects.finish();
    } catch (const Enough&) {
      return false;
    }
    return series.instances == 0 || objects.count() >= static_cast<std::size_t>(series.instances);
  }

 private:
  std::string encoded(const std::string& text) const {
    char* raw = curl_easy_escape(easy_.get(), text.c_str(), static_cast<int>(text.size()));
    const std::string out(raw == nullptr ? "" : raw);
    curl_free(raw);
    return out;
  }

  std::vector<Json> answers(const std::string& url) {
    std::string body;
    bool empty = false;
    download(
        url, "application/dicom+json, application/json",
        [&](long status, const std::string&) {
          throw_for_status(status);
          empty = status == 204;
        },
        [&](std::span<const std::uint8_t> bytes) {
          if (body.size() + bytes.size() > kMostJsonBytes)
            throw Error(ErrorCode::PeerRefused, "the answer of QIDO-RS is larger than 16 MB");
          body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
        });
    if (empty || body.empty()) return {};
    const Json parsed = Json::parse(body, nullptr, false);
    if (!parsed.is_array()) throw Error(ErrorCode::PeerRefused, "the answer of QIDO-RS is no JSON array");
    std::vector<Json> all;
    for (const Json& one : parsed)
      if (one.is_object() && all.size() < kMostAnswers) all.push_back(one);
    return all;
  }

  void set_security() {
    CURL* easy = easy_.get();
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    if (!source_.authorities.empty()) curl_easy_setopt(easy, CURLOPT_CAINFO, source_.authorities.c_str());
    if (!source_.certificate.empty()) curl_easy_setopt(easy, CURLOPT_SSLCERT, source_.certificate.c_str());
    if (!source_.key.empty()) curl_easy_setopt(easy, CURLOPT_SSLKEY, source_.key.c_str());
    if (!token_.empty()) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
      curl_easy_setopt(easy, CURLOPT_XOAUTH2_BEARER, token_.c_str());
    } else if (!source_.user.empty()) {
      curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
      curl_easy_setopt(easy, CURLOPT_USERNAME, source_.user.c_str());
      curl_easy_setopt(easy, CURLOPT_PASSWORD, source_.password.c_str());
    }
  }

  void download(const std::string& url, const std::string& accept, std::function<void(long, const std::string&)> begin,
                std::function<void(std::span<const std::uint8_t>)> data) {
    CURL* easy = easy_.get();
    curl_easy_reset(easy);
    Download one{std::move(begin), std::move(data), nullptr, easy, false};
    const std::unique_ptr<curl_slist, FreeList> headers(curl_slist_append(nullptr, ("Accept: " + accept).c_str()));
    curl_easy_setopt(easy, CURLOPT_URL, url.c_str());
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers.get());
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Download::write);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, &one);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);  // a redirection could lead a token elsewhere
    const double left = deadline_.left_s();
    if (left <= 0) throw Error(ErrorCode::PeerUnreachable, "the time for priors is over");
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(left * 1000) + 1);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(std::min(left, 10.0) * 1000) + 1);
    set_security();
    const CURLcode result = curl_easy_perform(easy);
    if (one.thrown) std::rethrow_exception(one.thrown);
    if (result != CURLE_OK) throw Error(ErrorCode::PeerUnreachable, curl_easy_strerror(result));
    one.start();  // an answer without a body
  }

  const PriorsSource& source_;
  const Deadline& deadline_;
  std::unique_ptr<CURL, FreeEasy> easy_;
  std::string base_, token_;
};

}  // namespace

std::unique_ptr<PriorsPeer> web_priors(const PriorsSource& source, const Deadline& deadline) {
  return std::make_unique<WebPriors>(source, deadline);
}

}  // namespace rouage::receive
