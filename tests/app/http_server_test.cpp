/// The HTTP door under good and bad manners. Times have generous upper bounds: the machine may be busy; what is tested
/// is that nobody waits for somebody else's 10 or 60 s timeout.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "app/http.h"
#include "app/http_client.h"
#include "app/http_values.h"
#include "app/program.h"
#include "base/host.h"

namespace {

using namespace rouage;
using app::Body;
using app::HttpOptions;
using app::HttpServer;
using app::Request;
using app::Response;
using http_client::ask;
using http_client::get;
using http_client::Socket;

std::uint64_t resident_bytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * 4096;
}

/// Routes that tell what arrived.
app::Routes telling_routes(const program::Folder* folder = nullptr) {
  app::Routes routes;
  routes.add("GET", "/health", [](const Request&, Body&) { return app::json_response(200, "{}"); });
  routes.add("GET", "/hello", [](const Request& r, Body&) {
    Response response = app::json_response(200, "\"hello " + r.parameter("name").value_or("nobody") + "\"");
    response.headers.emplace_back("X-Odd", "a\r\nInjected: b");
    return response;
  });
  routes.add("GET", "/items/{id}", [](const Request& r, Body&) { return app::json_response(200, r.parts.at("id")); });
  routes.add("GET", "/items/special", [](const Request&, Body&) { return app::json_response(200, "fixed"); });
  routes.add("GET", "/slow", [](const Request&, Body&) {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    return app::json_response(200, "slow");
  });
  routes.add("GET", "/error", [](const Request&, Body&) -> Response {
    throw Error(ErrorCode::DiskFull, "nothing left").file("/secret/place");
  });
  routes.add("GET", "/crash", [](const Request&, Body&) -> Response { throw std::runtime_error("secret detail"); });
  routes.add("POST", "/count", [](const Request&, Body& body) {
    std::uint64_t bytes = 0;
    Sha256 digest;
    for (auto piece = body.next(); !piece.empty(); piece = body.next()) {
      bytes += piece.size();
      digest.add(piece);
    }
    return app::json_response(200, std::to_string(bytes) + " " + digest.finish().hex());
  });
  routes.add("POST", "/unread", [](const Request&, Body&) { return app::json_response(202, "unread"); });
  routes.add("GET", "/stream", [](const Request& r, Body&) {
    Response response;
    response.headers.emplace_back("Content-Type", "text/plain");
    const int pieces = std::stoi(r.parameter("pieces").value_or("3"));
    const bool breaks = r.parameter("break").has_value();
    response.stream = [i = 0, pieces, breaks](std::string& piece) mutable {
      if (breaks && i == 2) throw Error(ErrorCode::StoreDamaged, "gone");
      piece = "piece " + std::to_string(i) + ";";
      return ++i < pieces;
    };
    return response;
  });
  if (folder != nullptr)
    routes.add("GET", "/file", [file = *folder / "file.bin"](const Request&, Body&) {
      Response response;
      response.headers.emplace_back("Content-Type", "application/octet-stream");
      response.file = file;
      return response;
    });
  return routes;
}

class HttpDoor : public ::testing::Test {
 protected:
  HttpServer& serve(HttpOptions options = {}, app::Routes routes = telling_routes()) {
    options.port = 0;
    server_ = std::make_unique<HttpServer>(std::move(options), std::move(routes));
    server_->start();
    port_ = server_->port();
    return *server_;
  }
  std::unique_ptr<HttpServer> server_;
  int port_ = 0;
};

TEST_F(HttpDoor, AnswersRoutesByTheirMostSpecificPattern) {
  serve();
  EXPECT_EQ(get(port_, "/hello?name=Ren%C3%A9e+D").body, "\"hello Renée D\"");
  EXPECT_EQ(get(port_, "/items/1.2.3").body, "1.2.3");
  EXPECT_EQ(get(port_, "/items/special").body, "fixed");
  EXPECT_EQ(get(port_, "/items/special/").body, "fixed");
  EXPECT_EQ(get(port_, "/nothing").status, 404);
  const auto other = ask(port_, "DELETE /hello HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_EQ(other.status, 405);
  EXPECT_EQ(other.headers.at("allow"), "GET");
}

TEST_F(HttpDoor, HeaderValuesCannotInjectLines) {
  serve();
  const auto answer = get(port_, "/hello");
  EXPECT_EQ(answer.headers.count("injected"), 0u);
  EXPECT_EQ(answer.headers.at("x-odd"), "a  Injected: b");
}

TEST_F(HttpDoor, HeadHasTheLengthAndNoBody) {
  serve();
  Socket socket(port_);
  ASSERT_TRUE(socket.send("HEAD /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /items/after HTTP/1.1\r\nHost: x\r\n\r\n"));
  const auto head = socket.answer(10, true);
  ASSERT_TRUE(head);
  EXPECT_EQ(head->headers.at("content-length"), "14");
  EXPECT_EQ(socket.answer()->body, "after");
}

TEST_F(HttpDoor, ErrorsTellCodeAndRemedyButNoFileName) {
  serve();
  const auto full = get(port_, "/error");
  EXPECT_EQ(full.status, 507);
  EXPECT_EQ(full.headers.at("retry-after"), "10");
  EXPECT_NE(full.body.find("DiskFull"), std::string::npos);
  EXPECT_EQ(full.body.find("/secret"), std::string::npos);
  const auto crash = get(port_, "/crash");
  EXPECT_EQ(crash.status, 500);
  EXPECT_EQ(crash.body.find("secret"), std::string::npos);
}

TEST_F(HttpDoor, ManyRequestsOnOneConnectionAndPipelined) {
  serve();
  Socket socket(port_);
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(socket.send("GET /items/" + std::to_string(i) + " HTTP/1.1\r\nHost: x\r\n\r\n"));
    ASSERT_EQ(socket.answer()->body, std::to_string(i));
  }
  std::string many;
  for (int i = 0; i < 20; ++i) many += "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc";
  ASSERT_TRUE(socket.send(many));
  for (int i = 0; i < 20; ++i) EXPECT_EQ(socket.answer()->body, "3 " + sha256("abc").hex());
}

TEST_F(HttpDoor, OldClientsAreServedAndClosed) {
  serve();
  Socket socket(port_);
  ASSERT_TRUE(socket.send("GET /stream HTTP/1.0\r\n\r\n"));
  const auto answer = socket.answer();
  EXPECT_EQ(answer->body, "piece 0;piece 1;piece 2;");
  EXPECT_EQ(answer->headers.count("transfer-encoding"), 0u);
  EXPECT_TRUE(socket.closed_within(5));
}

TEST_F(HttpDoor, StreamsAreChunkedAndABrokenOneIsSeenToBeBroken) {
  serve();
  const auto good = get(port_, "/stream?pieces=500");
  EXPECT_TRUE(good.whole);
  EXPECT_EQ(good.body.substr(0, 16), "piece 0;piece 1;");
  EXPECT_EQ(good.body.substr(good.body.size() - 10), "piece 499;");
  const auto broken = get(port_, "/stream?break=1");
  EXPECT_EQ(broken.status, 200);
  EXPECT_FALSE(broken.whole);
}

TEST_F(HttpDoor, ChunkedBodiesAndExpectContinue) {
  serve();
  Socket socket(port_);
  ASSERT_TRUE(
      socket.send("POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n"));
  EXPECT_EQ(socket.answer()->status, 100);
  std::string sent;
  for (int i = 1; i < 40; ++i) {
    const std::string piece(static_cast<std::size_t>(i * 997), static_cast<char>('a' + i % 26));
    char length[16];
    std::snprintf(length, sizeof length, "%zx\r\n", piece.size());
    ASSERT_TRUE(socket.send(length + piece + "\r\n"));
    sent += piece;
  }
  ASSERT_TRUE(socket.send("0\r\n\r\n"));
  EXPECT_EQ(socket.answer()->body, std::to_string(sent.size()) + " " + sha256(sent).hex());
}

// RCV: the memory of the door is bounded whatever the size of a body.
TEST_F(HttpDoor, AHugeBodyPassesInFlatMemory) {
  serve();
  const std::uint64_t before = resident_bytes();
  std::uint64_t most = 0;
  Socket socket(port_);
  constexpr std::uint64_t kSize = 300ULL << 20;
  ASSERT_TRUE(socket.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::to_string(kSize) + "\r\n\r\n"));
  const std::string piece(1 << 20, 'x');
  for (std::uint64_t sent = 0; sent < kSize; sent += piece.size()) {
    ASSERT_TRUE(socket.send(piece, 30));
    most = std::max(most, resident_bytes());
  }
  EXPECT_EQ(socket.answer(30)->body.substr(0, 9), "314572800");
  EXPECT_LT(most - std::min(most, before), 32ULL << 20);  // buffers, thread stacks and the allocator's slack
}

TEST_F(HttpDoor, ClaimedLengthsTakeNoMemoryAndTheLimitIsSaidAtOnce) {
  HttpOptions options;
  options.max_body_bytes = 1 << 20;
  serve(options);
  for (const char* length : {"4294967296", "4294967295", "18446744073709551615", "1048577"}) {
    const double began_s = http_client::now_s();
    const auto answer =
        ask(port_, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: " + std::string(length) + "\r\n\r\n");
    EXPECT_EQ(answer.status, 413) << length;
    EXPECT_LT(http_client::now_s() - began_s, 2);
  }
  EXPECT_EQ(ask(port_, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n").status,
            400);
  // The same by chunks, whose sum nobody announces.
  Socket socket(port_);
  ASSERT_TRUE(socket.send("POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"));
  const std::string chunk = "10000\r\n" + std::string(65536, 'x') + "\r\n";
  for (int i = 0; i < 40 && socket.send(chunk, 2); ++i) {
  }
  EXPECT_EQ(socket.answer()->status, 413);
  EXPECT_EQ(
      ask(port_, "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFFF\r\n").status,
      400);
}

// RCV-6
TEST_F(HttpDoor, A4GibibyteLengthWithinTheLimitIsNeitherAllocatedNorBelieved) {
  serve();
  const std::uint64_t before = resident_bytes();
  Socket socket(port_);
  ASSERT_TRUE(socket.send("POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5000000000\r\n\r\nabc" +
                          std::string(20'000, 'x')));
  EXPECT_EQ(socket.answer()->status, 202);
  EXPECT_TRUE(socket.closed_within(6));  // what was announced is not waited for
  EXPECT_LT(resident_bytes() - std::min(resident_bytes(), before), 16ULL << 20);
}

TEST_F(HttpDoor, OversizedHeadersGet431) {
  serve();
  EXPECT_EQ(get(port_, "/hello", "X: " + std::string(1 << 20, 'a') + "\r\n").status, 431);
  std::string many;
  for (int i = 0; i < 5000; ++i) many += "X-" + std::to_string(i) + ": abcdefghij\r\n";
  EXPECT_EQ(get(port_, "/hello", many).status, 431);
  EXPECT_EQ(get(port_, "/" + std::string(100'000, 'a')).status, 431);
  EXPECT_EQ(get(port_, "/health").status, 200);
}

TEST_F(HttpDoor, MalformedRequestsGet400) {
  serve();
  for (const std::string request :
       {"GARBAGE\r\n\r\n", "GET /hello\r\n\r\n", "GET /hello HTTP/9.9\r\nHost: x\r\n\r\n",
        "GET /hello HTTP/1.1\r\n\r\n",  // no Host
        "GET /hello HTTP/1.1\r\nHost: x\r\nBad Header: x\r\n\r\n", "GET hello HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET http://other/hello HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"})
    EXPECT_EQ(ask(port_, request).status, 400) << request;
  EXPECT_EQ(ask(port_, "POST /count HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n").status,
            501);
}

// RCV-7
TEST_F(HttpDoor, PathsCannotTraverseNorHoldNul) {
  serve();
  for (const char* target :
       {"/items/..", "/items/%2e%2e", "/items/../health", "/items/a%2Fb", "/items/a%5Cb", "/items/%00",
        "/items/a%0d%0ab", "/items/%zz", "/items/%", "/items/%ff", "/items/.", "/hello?name=%00", "/hello?name=%0a"})
    EXPECT_EQ(get(port_, target).status, 400) << target;
}

// RCV-13
TEST_F(HttpDoor, NothingIsEverInflated) {
  serve();
  for (const char* encoding : {"gzip", "deflate", "br", "zstd", "gzip, gzip", "GZIP"})
    EXPECT_EQ(ask(port_, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Encoding: " +
                             std::string(encoding) + "\r\n\r\nabc")
                  .status,
              415)
        << encoding;
}

TEST_F(HttpDoor, ADrippedHeaderHasOneDeadline) {
  HttpOptions options;
  options.header_deadline_s = 1;
  serve(options);
  Socket socket(port_);
  ASSERT_TRUE(socket.send("GET /hello HTTP/1.1\r\nHost: x\r\n"));
  const double began_s = http_client::now_s();
  // A byte each 100 ms: an idle timeout would never strike.
  while (http_client::now_s() - began_s < 8 && socket.send("X")) {
    if (socket.fill(0.1)) break;
    if (socket.closed_within(0.01)) break;
  }
  EXPECT_LT(http_client::now_s() - began_s, 5);
  Socket silent(port_);
  EXPECT_TRUE(silent.closed_within(8));
}

TEST_F(HttpDoor, ADrippedBodyIsGivenUp) {
  HttpOptions options;
  options.idle_timeout_s = 0.5;
  serve(options);
  Socket socket(port_);
  ASSERT_TRUE(
      socket.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" + std::string(50'000, 'x')));
  EXPECT_TRUE(socket.closed_within(8));
}

TEST_F(HttpDoor, ABodyThatOnlyTricklesIsGivenUpAlthoughItIsNeverIdle) {
  HttpOptions options;
  options.slow_body_patience_s = 0.5;
  serve(options);
  Socket socket(port_);
  ASSERT_TRUE(socket.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"));
  const double began_s = http_client::now_s();
  std::optional<http_client::Answer> answer;
  while (!answer && http_client::now_s() - began_s < 8 && socket.send("x")) answer = socket.answer(0.05);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 400);
  EXPECT_LT(http_client::now_s() - began_s, 5);
}

// RCV-2
TEST_F(HttpDoor, HalfOpenConnectionsDelayNobody) {
  serve();
  std::vector<Socket> held;
  for (int i = 0; i < 200; ++i) {
    held.emplace_back(port_);
    ASSERT_TRUE(held.back().send("GET /hello HTTP/1.1\r\nHost: x\r\nX-Slow: "));
  }
  const double began_s = http_client::now_s();
  EXPECT_EQ(get(port_, "/hello").status, 200);
  EXPECT_LT(http_client::now_s() - began_s, 1);
}

TEST_F(HttpDoor, StalledUploadsDelayNobodyElse) {
  HttpOptions options;
  options.handler_threads = 2;
  options.upload_threads = 2;
  serve(options);
  std::vector<Socket> held;
  for (int i = 0; i < 100; ++i) {
    held.emplace_back(port_);
    ASSERT_TRUE(held.back().send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" +
                                 std::string(30'000, 'x')));
  }
  const double began_s = http_client::now_s();
  EXPECT_EQ(get(port_, "/hello").status, 200);
  EXPECT_EQ(ask(port_, "POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc").status, 200);
  EXPECT_LT(http_client::now_s() - began_s, 1);
}

TEST_F(HttpDoor, ReadersThatStallDelayNobodyElse) {
  HttpOptions options;
  options.handler_threads = 2;
  serve(options);
  std::vector<Socket> held;
  for (int i = 0; i < 20; ++i) {
    held.emplace_back(port_);
    ASSERT_TRUE(held.back().send("GET /stream?pieces=100000000 HTTP/1.1\r\nHost: x\r\n\r\n"));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  const double began_s = http_client::now_s();
  EXPECT_EQ(get(port_, "/hello").status, 200);
  EXPECT_LT(http_client::now_s() - began_s, 2);
}

TEST_F(HttpDoor, OneAddressCannotTakeAllConnections) {
  HttpOptions options;
  options.max_connections_per_address = 10;
  serve(options);
  std::vector<Socket> held;
  for (int i = 0; i < 10; ++i) {
    held.emplace_back(port_);
    ASSERT_TRUE(held.back().send("GET"));
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  Socket over(port_);
  EXPECT_TRUE(over.closed_within(2));
  held.clear();
  for (int i = 0; i < 50 && get(port_, "/hello").status != 200; ++i)
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(get(port_, "/hello").status, 200);
}

TEST_F(HttpDoor, TokensAreAskedOfEverythingButHealth) {
  HttpOptions options;
  options.bearer_token = "correct horse";
  serve(options);
  EXPECT_EQ(get(port_, "/health").status, 200);
  EXPECT_EQ(get(port_, "/hello").status, 401);
  EXPECT_EQ(get(port_, "/hello").headers.at("www-authenticate"), "Bearer");
  for (const char* wrong :
       {"Bearer wrong", "Bearer", "Bearer ", "Basic correct horse", "correct horse", "Bearer correct horse battery"})
    EXPECT_EQ(get(port_, "/hello", "Authorization: " + std::string(wrong) + "\r\n").status, 401) << wrong;
  EXPECT_EQ(get(port_, "/hello", "Authorization: Bearer correct horse\r\n").status, 200);
  EXPECT_EQ(get(port_, "/hello", "Authorization: bearer correct horse\r\n").status, 200);
}

TEST_F(HttpDoor, CorsForTheOriginsThatAreNamed) {
  HttpOptions options;
  options.origins = {"http://viewer:3000"};
  options.bearer_token = "t";
  serve(options);
  const auto preflight = ask(port_,
                             "OPTIONS /hello HTTP/1.1\r\nHost: x\r\nOrigin: http://viewer:3000\r\n"
                             "Access-Control-Request-Method: GET\r\n\r\n");
  EXPECT_EQ(preflight.status, 204);
  EXPECT_EQ(preflight.headers.at("access-control-allow-origin"), "http://viewer:3000");
  EXPECT_NE(preflight.headers.at("access-control-allow-methods").find("GET"), std::string::npos);
  EXPECT_EQ(get(port_, "/health", "Origin: http://viewer:3000\r\n").headers.count("access-control-allow-origin"), 1u);
  EXPECT_EQ(get(port_, "/health", "Origin: http://evil\r\n").headers.count("access-control-allow-origin"), 0u);
}

TEST_F(HttpDoor, FilesComeFromDiskWholeOrByRange) {
  const program::Folder folder("http-file");
  std::string content;
  for (int i = 0; i < 300'000; ++i) content += std::to_string(i);
  std::ofstream(folder / "file.bin", std::ios::binary) << content;
  serve({}, telling_routes(&folder));
  const auto whole = get(port_, "/file");
  EXPECT_EQ(whole.body, content);
  EXPECT_EQ(whole.headers.at("accept-ranges"), "bytes");
  const auto part = get(port_, "/file", "Range: bytes=1000-1099\r\n");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.body, content.substr(1000, 100));
  EXPECT_EQ(part.headers.at("content-range"), "bytes 1000-1099/" + std::to_string(content.size()));
  EXPECT_EQ(get(port_, "/file", "Range: bytes=-5\r\n").body, content.substr(content.size() - 5));
  EXPECT_EQ(get(port_, "/file", "Range: bytes=99999999-\r\n").status, 416);
  EXPECT_EQ(get(port_, "/file", "Range: bytes=5-2\r\n").status, 200);  // malformed: ignored (RFC 9110 14.2)
  std::filesystem::remove(folder / "file.bin");
  EXPECT_EQ(get(port_, "/file").status, 404);
}

TEST_F(HttpDoor, StopFinishesWhatRunsAndClosesWhatIsIdle) {
  HttpServer& server = serve();
  Socket idle(port_);
  ASSERT_TRUE(idle.send("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"));
  ASSERT_TRUE(idle.answer());
  Socket running(port_);
  ASSERT_TRUE(running.send("GET /slow HTTP/1.1\r\nHost: x\r\n\r\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double began_s = http_client::now_s();
  server.stop(10);
  EXPECT_LT(http_client::now_s() - began_s, 8);
  const auto answer = running.answer();
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "slow");
  EXPECT_EQ(answer->headers.at("connection"), "close");
  EXPECT_TRUE(idle.closed_within(1));
  EXPECT_FALSE(Socket(port_).connected());
}

TEST_F(HttpDoor, StopDoesNotWaitForStalledClientsLongerThanItsPatience) {
  HttpServer& server = serve();
  Socket stalled(port_);
  ASSERT_TRUE(
      stalled.send("POST /count HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + std::string(30'000, 'x')));
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  const double began_s = http_client::now_s();
  server.stop(0.5);
  EXPECT_LT(http_client::now_s() - began_s, 5);
}

TEST_F(HttpDoor, APortInUseIsSaid) {
  serve();
  HttpOptions options;
  options.port = port_;
  try {
    HttpServer second(options, telling_routes());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::AddressInUse);
  }
}

TEST(HttpValues, Ranges) {
  EXPECT_EQ(app::byte_range("bytes=0-", 10)->length, 10u);
  EXPECT_EQ(app::byte_range("bytes=0-99", 10)->length, 10u);
  EXPECT_EQ(app::byte_range("bytes=-99", 10)->first, 0u);
  EXPECT_EQ(app::byte_range("bytes=10-", 10)->length, 0u);
  EXPECT_FALSE(app::byte_range("bytes=0-1,3-4", 10));
  EXPECT_FALSE(app::byte_range("items=0-1", 10));
  EXPECT_FALSE(app::byte_range("bytes=a-b", 10));
  EXPECT_FALSE(app::byte_range("bytes=0-99999999999999999999", 10));
}

}  // namespace
