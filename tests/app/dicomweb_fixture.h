/// A store behind the HTTP door, the built program's readers as children, and a client that speaks DICOMweb by hand.
#pragma once
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "app/dicomweb_routes.h"
#include "app/http_client.h"
#include "app/program.h"
#include "base/host.h"

namespace dicomweb {

namespace fs = std::filesystem;
using program::Json;
using program::slurp;

inline const fs::path kDicom = fs::path(ROUAGE_SHARED_DIR) / "data/dicom";

struct Part {
  std::map<std::string, std::string> headers;
  std::string body;
};

/// The parts of an answer, by a plain reading of RFC 2046 that has nothing in common with ours.
inline std::vector<Part> parts_of(const http_client::Answer& answer) {
  std::vector<Part> parts;
  const std::string type = answer.headers.count("content-type") ? answer.headers.at("content-type") : "";
  const auto at = type.find("boundary=");
  if (at == std::string::npos) return parts;
  const std::string delimiter = "--" + type.substr(at + 9);
  std::size_t begin = answer.body.find(delimiter + "\r\n");
  while (begin != std::string::npos) {
    begin += delimiter.size() + 2;
    const std::size_t head_end = answer.body.find("\r\n\r\n", begin);
    const std::size_t end = answer.body.find("\r\n" + delimiter, begin);
    if (head_end == std::string::npos || end == std::string::npos) break;
    Part part;
    for (const std::string& line : rouage::split(answer.body.substr(begin, head_end - begin), '\n')) {
      const auto colon = line.find(':');
      if (colon != std::string::npos)
        part.headers[rouage::lower_case(line.substr(0, colon))] =
            std::string(rouage::trimmed(std::string_view(line).substr(colon + 1)));
    }
    part.body = answer.body.substr(head_end + 4, end - head_end - 4);
    parts.push_back(std::move(part));
    begin = answer.body.compare(end + 2 + delimiter.size(), 2, "\r\n") == 0 ? end + 2 : std::string::npos;
  }
  return parts;
}

class DicomWeb : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!fs::exists(kDicom)) GTEST_SKIP() << "no ../shared/data/dicom";
    open({});
  }
  void TearDown() override {
    if (server_) server_->stop(5);
  }
  void open(rouage::receive::ReaderOptions reader) {
    if (server_) server_->stop(5);
    server_.reset();
    headers_.reset();
    if (!store_) {
      rouage::store::StoreOptions options;
      options.folder = folder_ / "store";
      options.keep_free_bytes = 1 << 20;
      store_ = std::make_unique<rouage::store::Store>(options);
    }
    const fs::path built = fs::path(ROUAGE_BINARY_DIR) / "rouage";
    if (reader.program.empty()) reader.program = built;
    headers_ = std::make_unique<rouage::receive::HeaderReader>(reader);
    objects_ = std::make_unique<rouage::app::ObjectReader>(rouage::receive::ReaderOptions{.program = built});
    rouage::app::Routes routes;
    rouage::app::add_dicomweb_routes(
        routes, {.store = *store_, .sink = *store_, .headers = *headers_, .objects = *objects_, .public_url = {}});
    server_ = std::make_unique<rouage::app::HttpServer>(rouage::app::HttpOptions{.port = 0}, std::move(routes));
    server_->start();
  }
  int port() const { return server_->port(); }

  http_client::Answer get(const std::string& target, const std::string& accept = "") {
    return http_client::ask(port(),
                            "GET /dicomweb" + target + " HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(port()) +
                                "\r\nConnection: close\r\n" + (accept.empty() ? "" : "Accept: " + accept + "\r\n") +
                                "\r\n",
                            30);
  }
  Json json(const std::string& target) {
    const auto answer = get(target, "application/dicom+json");
    EXPECT_EQ(answer.status, 200) << target << " " << answer.body;
    return Json::parse(answer.body, nullptr, false);
  }
  http_client::Answer post(const std::string& target, const std::string& content_type, const std::string& body,
                           const std::string& more = "") {
    return http_client::ask(port(),
                            "POST /dicomweb" + target +
                                " HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: " + content_type +
                                "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n" + more + "\r\n" + body,
                            60);
  }
  static std::string multipart(const std::vector<std::string>& bodies) {
    std::string text;
    for (const std::string& body : bodies) text += "--B\r\nContent-Type: application/dicom\r\n\r\n" + body + "\r\n";
    return text + "--B--\r\n";
  }
  http_client::Answer stow(const std::vector<fs::path>& files, const std::string& target = "/studies") {
    std::vector<std::string> bodies;
    for (const fs::path& file : files) bodies.push_back(slurp(file));
    return post(target, kMultipart, multipart(bodies));
  }
  /// Files that wait in incoming/: none after any answer.
  std::size_t left_over() const {
    std::size_t count = 0;
    for (const auto& entry : fs::directory_iterator(store_->incoming())) count += entry.is_regular_file() ? 1 : 0;
    return count;
  }
  static std::string instance_path(const rouage::dicom::IndexEntry& e) {
    return "/studies/" + e.study_instance_uid + "/series/" + e.series_instance_uid + "/instances/" + e.sop_instance_uid;
  }

  static constexpr const char* kMultipart = "multipart/related; type=\"application/dicom\"; boundary=B";
  program::Folder folder_{"dicomweb"};
  std::unique_ptr<rouage::store::Store> store_;
  std::unique_ptr<rouage::receive::HeaderReader> headers_;
  std::unique_ptr<rouage::app::ObjectReader> objects_;
  std::unique_ptr<rouage::app::HttpServer> server_;
};

}  // namespace dicomweb
