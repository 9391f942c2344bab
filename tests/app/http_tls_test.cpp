/// TLS at the HTTP door, with openssl's and curl's own programs as the other side.
#include <gtest/gtest.h>

#include "app/http.h"
#include "app/program.h"
#include "base/error.h"

namespace {

using namespace rouage;

int shell(const std::string& line) {
  const int status = std::system(line.c_str());
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// An authority, a server and a client certificate of it, and a stranger's certificate.
class HttpTls : public ::testing::Test {
 protected:
  void SetUp() override {
    if (shell("command -v openssl >/dev/null && command -v curl >/dev/null") != 0)
      GTEST_SKIP() << "openssl or curl is not installed";
    const std::string d = folder_.path().string();
    const std::string quiet = " >/dev/null 2>&1";
    ASSERT_EQ(
        shell("cd " + d +
              " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem"
              " && for n in server client; do openssl req -newkey rsa:2048 -nodes -subj /CN=$n -keyout $n.key -out "
              "$n.csr && printf 'subjectAltName=IP:127.0.0.1' > ext && openssl x509 -req -in $n.csr -CA ca.pem "
              "-CAkey ca.key -CAcreateserial -days 2 -extfile ext -out $n.pem; done"
              " && openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=stranger -keyout stranger.key -out "
              "stranger.pem" +
              quiet),
        0);
  }
  app::HttpOptions options(bool client_certificates) const {
    app::HttpOptions options;
    options.port = 0;
    options.certificate = folder_ / "server.pem";
    options.key = folder_ / "server.key";
    if (client_certificates) options.authorities = folder_ / "ca.pem";
    return options;
  }
  static app::Routes routes() {
    app::Routes routes;
    routes.add("GET", "/who",
               [](const app::Request& r, app::Body&) { return app::json_response(200, r.certificate_subject); });
    routes.add("POST", "/size", [](const app::Request&, app::Body& b) {
      return app::json_response(200, std::to_string(b.all(1 << 26).size()));
    });
    return routes;
  }
  std::string curl(int port, const std::string& arguments, const std::string& path = "/who") {
    const auto out = (folder_ / "out").string();
    if (shell("curl -sS -m 10 --cacert " + (folder_ / "ca.pem").string() + " " + arguments +
              " https://127.0.0.1:" + std::to_string(port) + path + " >" + out + " 2>/dev/null") != 0)
      return "refused";
    return program::slurp(out);
  }
  program::Folder folder_{"http-tls"};
};

TEST_F(HttpTls, ServesWithoutClientCertificates) {
  app::HttpServer server(options(false), routes());
  server.start();
  EXPECT_EQ(curl(server.port(), ""), "");
  EXPECT_EQ(curl(server.port(), "--tls-max 1.1"), "refused");
  EXPECT_NE(shell("curl -s -m 5 http://127.0.0.1:" + std::to_string(server.port()) + "/who"), 0);
  const auto big = (folder_ / "big").string();
  ASSERT_EQ(shell("head -c 20000000 /dev/zero >" + big), 0);
  EXPECT_EQ(curl(server.port(), "--data-binary @" + big, "/size"), "20000000");
}

TEST_F(HttpTls, AsksForACertificateOfItsAuthority) {
  app::HttpServer server(options(true), routes());
  server.start();
  const std::string d = folder_.path().string();
  EXPECT_EQ(curl(server.port(), ""), "refused");
  EXPECT_EQ(curl(server.port(), "--cert " + d + "/stranger.pem --key " + d + "/stranger.key"), "refused");
  EXPECT_EQ(curl(server.port(), "--cert " + d + "/client.pem --key " + d + "/client.key"), "/CN=client");
}

TEST_F(HttpTls, ACertificateThatCannotBeReadIsSaidAtStart) {
  app::HttpOptions broken = options(false);
  broken.key = folder_ / "nothing.key";
  try {
    app::HttpServer server(broken, routes());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::ConfigInvalid);
  }
}

}  // namespace
