#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "dimse/object_receiver.h"
#include "dimse/session.h"
#include "dimse/sop_classes.h"
#include "dimse/transport.h"

namespace rouage::dimse {
namespace {

bool allowed(const std::vector<std::string>& titles, const std::string& title) {
  return titles.empty() || std::find(titles.begin(), titles.end(), title) != titles.end();
}

void log_refusal(const Caller& caller, const std::string& why) {
  log_event(LogLevel::warning, "dimse", "association refused",
            {{"calling", caller.calling_ae}, {"called", caller.called_ae}, {"address", caller.address}, {"why", why}});
}

/// False: the association was rejected.
bool admit(Association& association, const ServerOptions& options, Services& services) {
  const Caller& caller = association.caller();
  std::optional<Rejection> rejection;
  std::string why;
  if (!allowed(options.called_titles, caller.called_ae)) {
    rejection = Rejection::called_title;
    why = "called by another AE title";
  } else if (!allowed(options.calling_titles, caller.calling_ae)) {
    rejection = Rejection::calling_title;
    why = "the calling AE title is not in the list";
  } else if (const auto refusal = services.refuses(caller)) {
    rejection = Rejection::no_reason;
    why = *refusal;
  }
  if (!rejection) {
    association.accept(options);
    return true;
  }
  log_refusal(caller, why);
  association.reject(*rejection);
  return false;
}

/// Serves; true when the peer released the association.
bool serve(int socket, const ServerOptions& options, Services& services) {
  std::string address;
  try {
    Association association(socket, options);
    address = association.caller().address;
    if (!admit(association, options, services)) return false;
    try {
      Session(association, options, services).run();
    } catch (const Ended& ended) {
      if (ended.how() == End::released) {
        association.acknowledge_release();
        return true;
      }
      association.abort();
      throw;
    }
  } catch (const Ended& ended) {
    log_event(LogLevel::info, "dimse", "association ended early", {{"address", address}, {"why", ended.detail()}});
  } catch (const Error& error) {
    log_event(LogLevel::error, "dimse", "association failed", {{"address", address}, {"why", error.what()}});
  }
  return false;
}

}  // namespace

Status status_of(const Error& error) {
  return {static_cast<std::uint16_t>(error_entry(error.code()).dimse), error.detail()};
}

void check_options(const ServerOptions& options) {
  if (options.ae_title.empty() || options.ae_title.size() > 16)
    throw Error(ErrorCode::ConfigInvalid, "an AE title has 1 to 16 characters");
  if (options.tls) make_transport_layer(true, options.tls, [](int) {});
}

void serve_association(int socket, const ServerOptions& options, Services& services) {
  const bool released = serve(socket, options, services);
  services.ended(released);
}

void Session::run() {
  for (;;) handle(receive_command(association_, options_.idle_timeout_s));
}

void Session::handle(const Message& message) {
  const Command& command = message.command;
  if ((command.verb() & static_cast<std::uint16_t>(Verb::response)) != 0 || command.is(Verb::c_cancel)) {
    // An answer that nobody waits for, or a cancel that came too late.
    if (command.with_data()) data_of(message);
    return;
  }
  switch (static_cast<Verb>(command.verb())) {
    case Verb::c_echo:
      if (command.with_data()) data_of(message);
      return answer(message, {});
    case Verb::c_store:
      return store(message);
    case Verb::c_find:
      return find(message);
    case Verb::c_move:
      return move(message);
    case Verb::c_get:
      return get(message);
    case Verb::n_action:
      return action(message);
    case Verb::n_event_report:
      return event_report(message);
    case Verb::n_create:
    case Verb::n_set:
      return create_or_set(message);
    default:
      if (command.with_data()) data_of(message);
      return answer(message, {codes::kUnrecognisedOperation, "this operation is not offered"});
  }
}

void Session::answer(const Message& request, const Status& status) {
  send_message(association_, request.context, Command::answer(request.command, status));
}

Bytes Session::data_of(const Message& request) {
  return receive_data(association_, request.context, options_.max_message_bytes);
}

const std::string& Session::syntax_of(const Message& request) const {
  return association_.context(request.context)->transfer_syntax;
}

void Session::store(const Message& request) {
  const std::string sop_class = request.command.text(Field::affected_sop_class),
                    instance = request.command.text(Field::affected_sop_instance);
  if (!request.command.with_data()) return answer(request, {codes::kCannotUnderstand, "a C-STORE without an object"});
  std::optional<Status> refusal;
  if (!dicom::valid_uid(sop_class) || !dicom::valid_uid(instance))
    refusal = Status{codes::kCannotUnderstand, "the SOP class or instance is no valid UID"};
  else if (association_.context(request.context)->sop_class == sop::kVerification)
    refusal = Status{codes::kSopClassNotSupported, "an object in a context of verification"};
  else
    refusal = services_.refuses_object(sop_class, instance);
  if (refusal) {
    skip_data(association_, request.context, options_.max_object_bytes);
    return answer(request, *refusal);
  }
  const Reception reception = receive_object(association_, request, services_.new_file(),
                                             association_.caller().calling_ae, options_.max_object_bytes, false);
  Status status = reception.status;
  if (reception.object) {
    const auto& object = *reception.object;
    status = guarded([&] { return services_.arrived(object.file, object.bytes, object.digest); });
    if (!status.good()) ::unlink(object.file.c_str());  // not kept: whoever took it has moved it away
  }
  answer(request, status);
}

}  // namespace rouage::dimse
