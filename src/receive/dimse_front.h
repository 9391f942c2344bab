/// DICOM associations into the gateway: a listener process, a process for each association, and here the threads that
/// answer them.
///
///   DimseFront front({.port = 11112}, store, answers);      // accepts from here on
///   front.stop();                                           // no new ones; those at work finish within patience_s
///
///   hospital ──TCP──▶ listener (epoll, one thread) ──fork──▶ association (DCMTK, parses) ──JSON lines──▶ this process
///
/// The listener holds a connection as a bare descriptor until its association request has come: a silent client costs
/// that, and stalls nobody. Bytes from the network are parsed in the association's own process: a crash ends it alone.
/// It writes the object into sink.incoming(), reads its header, and waits until sink.accept() made it durable.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/service.h"
#include "dimse/dimse.h"
#include "receive/receive.h"

namespace rouage::receive {

/// What the gateway knows and an association asks. Called on the thread of the association; thread-safe.
class Answers {
 public:
  virtual ~Answers() = default;
  /// PS3.4 C.4.1; keys hold (0008,0052). `match` returns false when nobody wants more.
  virtual dimse::Status find(const dimse::Caller& caller, const std::string& model, const dicom::Attributes& keys,
                             const std::function<bool(const dicom::Attributes&)>& match) = 0;
  /// Objects that may leave; for a C-MOVE (move_to not empty) their destination too.
  virtual dimse::Services::Retrieval retrieve(const dimse::Caller& caller, const std::string& model,
                                              const dicom::Attributes& keys, const std::string& move_to) = 0;
  /// Durable on return; the report is sent later, on an association of its own.
  virtual dimse::Status commitment(const dimse::Caller& caller, const std::string& transaction_uid,
                                   const std::vector<std::pair<std::string, std::string>>& instances) = 0;
  /// A destination's report on what we had asked it to keep.
  virtual dimse::Status committed(const dimse::Caller& caller, const std::string& transaction_uid,
                                  const std::vector<std::string>& committed,
                                  const std::vector<std::string>& failed) = 0;
  /// Somebody who may not call did: for the audit trail.
  virtual void turned_away(const dimse::Caller& /*caller*/, const std::string& /*why*/) {}
};

/// Who may call. ae_title "" or "*": any. addresses: numeric or CIDR blocks (IPv4, IPv6); empty: any.
struct AllowedPeer {
  std::string ae_title;
  std::vector<std::string> addresses;
};

struct DimseFrontOptions {
  std::string address = "127.0.0.1";  ///< numeric; "0.0.0.0" or "::" for all
  int port = 11112;                   ///< 0: any free one
  dimse::ServerOptions server;
  std::vector<AllowedPeer> allowed;  ///< empty: everybody
  int max_associations = 200;        ///< more are rejected as "local limit exceeded", a transient reason
  int max_per_address = 50;
  int max_waiting = 1024;                     ///< connections that have not sent their request; the oldest gives way
  int max_waiting_per_address = 128;          ///< likewise
  std::uint64_t association_memory_mb = 512;  ///< heap of an association's process
  double patience_s = 20;                     ///< for associations at work, when stopping
  std::filesystem::path program;              ///< of the listener; empty: this program
  std::vector<std::string> program_arguments = {"receive", "--listener"};
  LogOptions log;  ///< of the child processes
};

class DimseFront {
 public:
  /// Binds and starts the listener. Errors: AddressInUse, ConfigInvalid (certificates, address blocks).
  DimseFront(DimseFrontOptions options, InstanceSink& sink, Answers& answers);
  ~DimseFront();  ///< stops
  DimseFront(const DimseFront&) = delete;
  DimseFront& operator=(const DimseFront&) = delete;
  int port() const;
  int associations() const;  ///< at this moment
  int listener_process() const;
  void stop();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `rouage receive --listener`: the listener's whole life, started by DimseFront. Returns the exit code.
int dimse_listener_as_child();

}  // namespace rouage::receive
