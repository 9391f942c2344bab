#include "databases.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>

namespace rouage::store::testing {
namespace fs = std::filesystem;
namespace {

const char* const kPrograms = "/usr/lib/postgresql/15/bin";

int free_port() {
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  if (::bind(socket, reinterpret_cast<sockaddr*>(&address), size) != 0) return 0;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return ntohs(address.sin_port);
}

bool run(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

/// A PostgreSQL server of this process.
class Server {
 public:
  Server() {
    if (!fs::exists(fs::path(kPrograms) / "initdb") || ::geteuid() != 0) return;
    folder_ = fs::temp_directory_path() / fmt::format("rouage-pg-{}", ::getpid());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    port_ = free_port();
    if (!run(fmt::format("chown postgres '{}'", folder_.string()))) return;
    if (!run(as_postgres(fmt::format("initdb -D '{}/d' -A trust -E UTF8 --locale=C.UTF-8 -N", folder_.string()))))
      return;
    running_ =
        run(as_postgres(fmt::format("pg_ctl -D '{0}/d' -w -l '{0}/log' -o '-p {1} -c listen_addresses=127.0.0.1 -c "
                                    "unix_socket_directories={0}' start",
                                    folder_.string(), port_)));
  }
  ~Server() {
    if (running_) run(as_postgres(fmt::format("pg_ctl -D '{}/d' -m immediate stop", folder_.string())));
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }
  bool psql(const std::string& statement) const {
    return running_ && run(fmt::format("{}/psql -h 127.0.0.1 -p {} -U postgres -d postgres -c \"{}\"", kPrograms, port_,
                                       statement));
  }
  std::string connection(const std::string& database) const {
    return fmt::format("host=127.0.0.1 port={} user=postgres dbname={}", port_, database);
  }

 private:
  std::string as_postgres(const std::string& command) const {
    return fmt::format("runuser -u postgres -- {}/{}", kPrograms, command);
  }
  fs::path folder_;
  int port_ = 0;
  bool running_ = false;
};

Server& server() {
  static Server one;
  return one;
}

struct Scratch {
  fs::path folder = fs::temp_directory_path() / fmt::format("rouage-store-test-{}", ::getpid());
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
};

}  // namespace

fs::path scratch_folder(const std::string& name) {
  static const Scratch scratch;
  static int count = 0;
  const fs::path folder = scratch.folder / fmt::format("{}-{}", name, ++count);
  fs::remove_all(folder);
  fs::create_directories(folder);
  return folder;
}

std::string new_postgresql_database() {
  static int count = 0;
  const std::string name = fmt::format("store{}", ++count);
  if (!server().psql("CREATE DATABASE " + name)) return {};
  return server().connection(name);
}

void end_postgresql_sessions() {
  server().psql(
      "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'store%' AND pid <> pg_backend_pid()");
}

}  // namespace rouage::store::testing
