#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include "dcmtk/dcmdata/dcdeftag.h"
#include "dimse/data_sets.h"
#include "dimse/session.h"
#include "dimse/sop_classes.h"

namespace rouage::dimse {
namespace {

constexpr std::uint32_t kQueryLevel = 0x00080052, kRetrieveAe = 0x00080054;
constexpr std::size_t kMostProposals = 100;  // of 128: a file may need three

/// "study", "patient", or "" when the class is none of that verb.
std::string model_of(const std::string& sop_class, const std::string& verb) {
  for (const char* model : {"study", "patient"})
    if (sop_class == query_class(model, verb)) return model;
  return {};
}

dicom::Attributes keys_in(const Bytes& bytes, const std::string& syntax) {
  DcmDataset data_set = decoded(bytes, syntax);
  dicom::Attributes keys = attributes_of_data_set(data_set);
  if (!keys.contains(kQueryLevel))
    throw Error(ErrorCode::RequestInvalid, "the identifier has no Query/Retrieve Level").tag("(0008,0052)");
  return keys;
}

std::uint16_t counted(std::size_t number) {
  return static_cast<std::uint16_t>(std::min<std::size_t>(number, 0xFFFF));
}

/// Objects that fit one association: at most so many different presentation contexts.
std::vector<std::vector<Services::Outgoing>> batches_of(const std::vector<Services::Outgoing>& objects) {
  std::vector<std::vector<Services::Outgoing>> batches;
  std::set<std::pair<std::string, std::string>> kinds;
  for (const Services::Outgoing& object : objects) {
    if (batches.empty() ||
        (kinds.size() * 3 >= kMostProposals && !kinds.contains({object.sop_class, object.transfer_syntax}))) {
      batches.emplace_back();
      kinds.clear();
    }
    kinds.insert({object.sop_class, object.transfer_syntax});
    batches.back().push_back(object);
  }
  return batches;
}

}  // namespace

void Session::SubOperations::note(const Status& status, const std::string& instance) {
  if (remaining > 0) --remaining;
  if (status.code == 0) {
    ++completed;
  } else if (status.good()) {
    ++warning;
  } else {
    ++failed;
    failed_instances.push_back(instance);
  }
}

Status Session::SubOperations::outcome() const {
  if (failed == 0 && warning == 0) return {};
  if (failed > 0 && completed == 0 && warning == 0)
    return {0xA702, "no object could be sent"};  // PS3.4 C.4.2.1.5: unable to perform sub-operations
  return {codes::kSubOperationsFailed, fmt::format("{} objects could not be sent", failed)};
}

bool Session::cancelled(const Message& request) {
  if (!association_.waiting()) return false;
  const Message message = receive_command(association_, options_.stall_timeout_s);
  if (!message.command.is(Verb::c_cancel))
    throw Ended(End::broken, fmt::format("message 0x{:04X} before the last one was answered", message.command.verb()));
  return message.command.number(Field::responded_to) == request.command.number(Field::message_id);
}

void Session::find(const Message& request) {
  const Bytes bytes = request.command.with_data() ? data_of(request) : Bytes();
  const std::string model = model_of(association_.context(request.context)->sop_class, "find");
  if (model.empty()) return answer(request, {codes::kSopClassNotSupported, "no query model in this context"});
  bool was_cancelled = false;
  const Status status = guarded([&] {
    return services_.find(model, keys_in(bytes, syntax_of(request)), [&](const dicom::Attributes& match) {
      was_cancelled = was_cancelled || cancelled(request);
      if (was_cancelled) return false;
      dicom::Attributes answer = match;
      answer.emplace(kRetrieveAe, options_.ae_title);
      DcmDataset data_set = data_set_of(answer, true);
      send_message(association_, request.context, Command::answer(request.command, {codes::kPending, {}}),
                   encoded(data_set, syntax_of(request)));
      return true;
    });
  });
  answer(request, was_cancelled ? Status{codes::kCancelled, "cancelled"} : status);
}

void Session::answer_operations(const Message& request, const Status& status, const SubOperations& numbers) {
  Command command = Command::answer(request.command, status);
  const bool under_way = status.code == codes::kPending || status.code == codes::kCancelled;
  if (under_way) command.set(Field::remaining, counted(numbers.remaining));
  command.set(Field::completed, counted(numbers.completed))
      .set(Field::failed, counted(numbers.failed))
      .set(Field::warning, counted(numbers.warning));
  if (status.code == codes::kPending || numbers.failed_instances.empty()) {
    send_message(association_, request.context, command);
    return;
  }
  DcmDataset failed;
  OFString list;
  for (const std::string& instance : numbers.failed_instances) {
    if (!list.empty()) list += "\\";
    list += instance.c_str();
  }
  failed.putAndInsertOFStringArray(DCM_FailedSOPInstanceUIDList, list);
  send_message(association_, request.context, command, encoded(failed, syntax_of(request)));
}

void Session::move(const Message& request) {
  const Bytes bytes = request.command.with_data() ? data_of(request) : Bytes();
  const std::string model = model_of(association_.context(request.context)->sop_class, "move");
  if (model.empty()) return answer(request, {codes::kSopClassNotSupported, "no query model in this context"});
  const std::string destination = request.command.text(Field::move_destination);
  Services::Retrieval retrieval;
  const Status found = guarded([&] {
    retrieval = services_.retrieve(model, keys_in(bytes, syntax_of(request)), destination);
    return retrieval.status;
  });
  SubOperations numbers;
  if (!found.good()) return answer_operations(request, found, numbers);
  if (!retrieval.destination)
    return answer_operations(request, {codes::kMoveDestinationUnknown, "the destination is not configured"}, numbers);
  numbers.remaining = retrieval.objects.size();
  bool was_cancelled = false;
  move_objects(request, retrieval, numbers, was_cancelled);
  answer_operations(request, was_cancelled ? Status{codes::kCancelled, "cancelled"} : numbers.outcome(), numbers);
}

void Session::move_objects(const Message& request, const Services::Retrieval& retrieval, SubOperations& numbers,
                           bool& was_cancelled) {
  const Peer& peer = *retrieval.destination;
  for (const auto& batch : batches_of(retrieval.objects)) {
    std::unique_ptr<Scu> destination;
    std::string failure;
    const auto attempt = [&](const auto& action) {
      try {
        return action();
      } catch (const Error& error) {
        log_event(LogLevel::warning, "dimse", "an object could not be moved",
                  {{"destination", peer.ae_title}, {"why", error.what()}});
        // A dead line fails the rest of the batch; a bad file only itself.
        if (error.code() == ErrorCode::PeerUnreachable || !destination) failure = error.detail();
        return status_of(error);
      }
    };
    attempt([&] {
      std::vector<std::pair<std::string, std::string>> kinds;
      for (const Services::Outgoing& object : batch) kinds.emplace_back(object.sop_class, object.transfer_syntax);
      destination = std::make_unique<Scu>(peer, options_.ae_title, proposals_for(kinds));
      return Status{};
    });
    for (const Services::Outgoing& object : batch) {
      was_cancelled = was_cancelled || cancelled(request);
      if (was_cancelled) return;
      Status status{codes::kProcessingFailure, failure};
      if (failure.empty())
        status = attempt([&] {
          return destination->store(object.file, association_.caller().calling_ae,
                                    request.command.number(Field::message_id));
        });
      numbers.note(status, object.sop_instance);
      answer_operations(request, {codes::kPending, {}}, numbers);
    }
  }
}

void Session::get(const Message& request) {
  const Bytes bytes = request.command.with_data() ? data_of(request) : Bytes();
  const std::string model = model_of(association_.context(request.context)->sop_class, "get");
  if (model.empty()) return answer(request, {codes::kSopClassNotSupported, "no query model in this context"});
  Services::Retrieval retrieval;
  const Status found = guarded([&] {
    retrieval = services_.retrieve(model, keys_in(bytes, syntax_of(request)), {});
    return retrieval.status;
  });
  SubOperations numbers;
  if (!found.good()) return answer_operations(request, found, numbers);
  numbers.remaining = retrieval.objects.size();
  bool was_cancelled = false;
  for (const Services::Outgoing& object : retrieval.objects) {
    was_cancelled = was_cancelled || cancelled(request);
    if (was_cancelled) break;
    const Status status = guarded([&] { return get_object(request, object, was_cancelled); });
    numbers.note(status, object.sop_instance);
    answer_operations(request, {codes::kPending, {}}, numbers);
  }
  answer_operations(request, was_cancelled ? Status{codes::kCancelled, "cancelled"} : numbers.outcome(), numbers);
}

Status Session::get_object(const Message& request, const Services::Outgoing& object, bool& was_cancelled) {
  const FileMeta meta = read_file_meta(object.file);
  const Context* const context = context_for_object(association_, meta, true);
  if (context == nullptr) return {codes::kSopClassNotSupported, no_context_text(meta)};
  send_object(association_, *context, object.file, meta, sub_message_id());
  for (;;) {
    const Message message = receive_command(association_, options_.stall_timeout_s);
    if (message.command.answers(Verb::c_store)) return message.command.status();
    if (!message.command.is(Verb::c_cancel)) throw Ended(End::broken, "no answer to an object of a C-GET");
    was_cancelled =
        was_cancelled || message.command.number(Field::responded_to) == request.command.number(Field::message_id);
  }
}

}  // namespace rouage::dimse
