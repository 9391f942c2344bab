/// The server's side of one association: what each message asks, answered by Services.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "dimse/association.h"
#include "dimse/dimse.h"
#include "dimse/message.h"
#include "dimse/object_sender.h"

namespace rouage::dimse {

class Session {
 public:
  Session(Association& association, const ServerOptions& options, Services& services)
      : association_(association), options_(options), services_(services) {}

  /// Until the association ends. Errors: Ended (always, in the end).
  [[noreturn]] void run();

 private:
  /// Numbers of a C-MOVE or C-GET, and what failed.
  struct SubOperations {
    std::size_t remaining = 0, completed = 0, failed = 0, warning = 0;
    std::vector<std::string> failed_instances;
    void note(const Status& status, const std::string& instance);
    Status outcome() const;
  };

  void handle(const Message& message);
  void store(const Message& request);
  void find(const Message& request);
  void move(const Message& request);
  void get(const Message& request);
  void action(const Message& request);
  void event_report(const Message& request);
  void create_or_set(const Message& request);

  void answer(const Message& request, const Status& status);
  void answer_operations(const Message& request, const Status& status, const SubOperations& numbers);
  Bytes data_of(const Message& request);
  const std::string& syntax_of(const Message& request) const;
  bool cancelled(const Message& request);  ///< a C-CANCEL for it has come
  void move_objects(const Message& request, const Services::Retrieval& retrieval, SubOperations& numbers,
                    bool& was_cancelled);
  Status get_object(const Message& request, const Services::Outgoing& object, bool& was_cancelled);
  std::uint16_t sub_message_id() { return ++sub_message_id_; }

  Association& association_;
  const ServerOptions& options_;
  Services& services_;
  std::uint16_t sub_message_id_ = 0;
  std::map<std::string, std::string> studies_of_steps_;  ///< MPPS instance -> study: N-SET does not repeat it
};

/// What a failure of ours is called in DIMSE.
Status status_of(const Error& error);
/// Runs an action of the services; an Error becomes its status.
template <typename Action>
Status guarded(const Action& action) {
  try {
    return action();
  } catch (const Ended&) {
    throw;
  } catch (const Error& error) {
    return status_of(error);
  }
}

}  // namespace rouage::dimse
