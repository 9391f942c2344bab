#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <map>
#include <set>

#include "dcmtk/dcmdata/dcdeftag.h"
#include "dcmtk/dcmdata/dcuid.h"
#include "dimse/association.h"
#include "dimse/data_sets.h"
#include "dimse/dimse.h"
#include "dimse/message.h"
#include "dimse/object_receiver.h"
#include "dimse/object_sender.h"
#include "dimse/part10.h"
#include "dimse/sop_classes.h"

namespace rouage::dimse {
namespace {

constexpr std::uint64_t kMostObjectBytes = 8ULL * 1024 * 1024 * 1024;
constexpr std::size_t kMostMessageBytes = 64 * 1024 * 1024;

Status not_accepted(const std::string& what) {
  return {codes::kSopClassNotSupported, what + " was not accepted"};
}

std::filesystem::path new_name(const std::filesystem::path& folder) {
  static std::atomic<std::uint64_t> next{0};
  return folder / fmt::format("{}-{}.part", ::getpid(), ++next);
}

}  // namespace

struct Scu::State {
  Association association;
  std::string calling_ae, called_ae;
  std::uint16_t next_id = 1;
  bool broken_off = false;  ///< an exception left an operation half done: nothing orderly can follow

  /// Stands for the duration of one operation.
  class Operation {
   public:
    explicit Operation(State& state) : state_(state) {}
    ~Operation() { state_.broken_off = state_.broken_off || std::uncaught_exceptions() > before_; }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;

   private:
    State& state_;
    int before_ = std::uncaught_exceptions();
  };

  State(const Peer& peer, const std::string& calling, const std::vector<Proposal>& proposals)
      : association(peer, calling, proposals), calling_ae(calling), called_ae(peer.ae_title) {}

  std::uint16_t message_id() { return next_id++; }
  double wait_s() const { return association.answer_timeout_s(); }

  /// The answer to `verb`; anything else on the way is given to `other`, which says whether it was expected.
  Message answer(Verb verb, const std::function<bool(const Message&)>& other = {}) {
    for (;;) {
      Message message = receive_command(association, wait_s());
      if (message.command.answers(verb)) return message;
      if (!other || !other(message)) {
        association.abort();
        throw Ended(End::broken,
                    fmt::format("the peer sent message 0x{:04X} instead of an answer", message.command.verb()));
      }
    }
  }

  /// Sends a request with identifiers. Absent: the class was not accepted.
  std::optional<Message> ask(Verb verb, const std::string& sop_class, const dicom::Attributes& keys,
                             const std::string& destination = {}) {
    const Context* const context = association.context_for(sop_class);
    if (context == nullptr) return {};
    Message request{context->id, Command(verb, sop_class, message_id())};
    request.command.set(Field::priority, 0);
    if (!destination.empty()) request.command.set_text(Field::move_destination, destination);
    DcmDataset data_set = data_set_of(keys, false);
    send_message(association, context->id, request.command, encoded(data_set, context->transfer_syntax));
    return request;
  }

  void cancel(const Message& request) {
    Command cancel;
    cancel.set(Field::command, static_cast<std::uint16_t>(Verb::c_cancel))
        .set(Field::responded_to, request.command.number(Field::message_id));
    send_message(association, request.context, cancel);
  }

  Status store(const std::filesystem::path& file, const MoveOriginator* originator) {
    const FileMeta meta = read_file_meta(file);
    const Context* const context = context_for_object(association, meta, false);
    if (context == nullptr) return {codes::kSopClassNotSupported, no_context_text(meta)};
    send_object(association, *context, file, meta, message_id(), originator);
    return answer(Verb::c_store).command.status();
  }

  void take_object(const Message& request, const std::filesystem::path& folder, const ObjectArrived& arrived) {
    const Reception reception =
        receive_object(association, request, new_name(folder), called_ae, kMostObjectBytes, true);
    Status status = reception.status;
    if (reception.object) {
      try {
        status = arrived(reception.object->file, reception.object->bytes, reception.object->digest);
      } catch (const Error& error) {
        status = {static_cast<std::uint16_t>(error_entry(error.code()).dimse), error.what()};
      }
    }
    send_message(association, request.context, Command::answer(request.command, status));
  }

  bool note_commitment(const Message& message, Commitment& commitment) {
    if (!message.command.is(Verb::n_event_report) || !message.command.with_data()) return false;
    const Bytes bytes = receive_data(association, message.context, kMostMessageBytes);
    DcmDataset report = decoded(bytes, association.context(message.context)->transfer_syntax);
    commitment.committed.emplace();
    commitment.failed.emplace();
    for (const auto& [sop_class, instance] : referenced(report, DCM_ReferencedSOPSequence))
      commitment.committed->push_back(instance);
    for (const auto& [sop_class, instance] : referenced(report, DCM_FailedSOPSequence))
      commitment.failed->push_back(instance);
    send_message(association, message.context, Command::answer(message.command, {}));
    return true;
  }
};

Scu::Scu(const Peer& peer, const std::string& calling_ae, const std::vector<Proposal>& proposals)
    : state_(std::make_unique<State>(peer, calling_ae, proposals)) {}

Scu::~Scu() {
  if (!state_->broken_off) state_->association.release();  // else the association's destructor aborts
}

Status Scu::echo() {
  const Context* const context = state_->association.context_for(sop::kVerification);
  if (context == nullptr) return not_accepted("verification");
  send_message(state_->association, context->id, Command(Verb::c_echo, sop::kVerification, state_->message_id()));
  return state_->answer(Verb::c_echo).command.status();
}

Status Scu::store(const std::filesystem::path& file) {
  return state_->store(file, nullptr);
}

Status Scu::store(const std::filesystem::path& file, const std::string& originator_ae, std::uint16_t originator_id) {
  const MoveOriginator originator{originator_ae, originator_id};
  return state_->store(file, &originator);
}

Status Scu::find(const std::string& model, const dicom::Attributes& keys,
                 const std::function<bool(const dicom::Attributes&)>& match) {
  const State::Operation operation(*state_);
  const auto request = state_->ask(Verb::c_find, query_class(model, "find"), keys);
  if (!request) return not_accepted("the query model");
  Association& association = state_->association;
  bool cancelled = false;
  for (;;) {
    const Message message = state_->answer(Verb::c_find);
    Bytes bytes;
    if (message.command.with_data()) bytes = receive_data(association, message.context, kMostMessageBytes);
    const Status status = message.command.status();
    if ((status.code & 0xFFFE) != codes::kPending) return status;
    if (cancelled) continue;  // what was under way before the peer heard of it
    DcmDataset found = decoded(bytes, association.context(message.context)->transfer_syntax);
    if (!match(attributes_of_data_set(found))) {
      state_->cancel(*request);
      cancelled = true;
    }
  }
}

Status Scu::move(const std::string& model, const std::string& destination_ae, const dicom::Attributes& keys) {
  const State::Operation operation(*state_);
  const auto request = state_->ask(Verb::c_move, query_class(model, "move"), keys, destination_ae);
  if (!request) return not_accepted("the query model");
  for (;;) {
    const Message message = state_->answer(Verb::c_move);
    if (message.command.with_data()) skip_data(state_->association, message.context, kMostMessageBytes);
    Status status = message.command.status();
    if (status.code == codes::kPending) continue;
    if (status.code != 0)
      status.text += fmt::format(" ({} sent, {} failed)", message.command.number(Field::completed),
                                 message.command.number(Field::failed));
    return status;
  }
}

Status Scu::get(const std::string& model, const dicom::Attributes& keys, const std::filesystem::path& folder,
                const ObjectArrived& arrived) {
  const State::Operation operation(*state_);
  const auto request = state_->ask(Verb::c_get, query_class(model, "get"), keys);
  if (!request) return not_accepted("the query model");
  for (;;) {
    const Message message = state_->answer(Verb::c_get, [&](const Message& other) {
      if (!other.command.is(Verb::c_store) || !other.command.with_data()) return false;
      state_->take_object(other, folder, arrived);
      return true;
    });
    if (message.command.with_data()) skip_data(state_->association, message.context, kMostMessageBytes);
    const Status status = message.command.status();
    if (status.code != codes::kPending) return status;
  }
}

Scu::Commitment Scu::request_commitment(const std::string& transaction_uid,
                                        const std::vector<std::pair<std::string, std::string>>& instances,
                                        double wait_s) {
  const State::Operation operation(*state_);
  Association& association = state_->association;
  Commitment commitment;
  const Context* const context = association.context_for(sop::kCommitment);
  if (context == nullptr) {
    commitment.status = not_accepted("Storage Commitment");
    return commitment;
  }
  Command request(Verb::n_action, {}, state_->message_id());
  request.set_uid(Field::requested_sop_class, sop::kCommitment)
      .set_uid(Field::requested_sop_instance, sop::kCommitmentInstance)
      .set(Field::action_type, 1);
  DcmDataset data_set;
  data_set.putAndInsertString(DCM_TransactionUID, transaction_uid.c_str());
  refer(data_set, DCM_ReferencedSOPSequence, instances);
  send_message(association, context->id, request, encoded(data_set, context->transfer_syntax));
  commitment.status =
      state_->answer(Verb::n_action, [&](const Message& other) { return state_->note_commitment(other, commitment); })
          .command.status();
  if (!commitment.status.good() || commitment.committed || wait_s <= 0) return commitment;
  try {
    state_->note_commitment(receive_command(association, wait_s), commitment);
  } catch (const Ended&) {
    // No report on this association (time, or the peer went): it will come to our SCP.
  }
  return commitment;
}

Status Scu::report_commitment(const std::string& transaction_uid,
                              const std::vector<std::pair<std::string, std::string>>& committed,
                              const std::vector<std::pair<std::string, std::string>>& failed) {
  const State::Operation operation(*state_);
  Association& association = state_->association;
  const Context* const context = association.context_for(sop::kCommitment);
  if (context == nullptr) return not_accepted("Storage Commitment");
  Command request(Verb::n_event_report, sop::kCommitment, state_->message_id());
  request.set_uid(Field::affected_sop_instance, sop::kCommitmentInstance)
      .set(Field::event_type, failed.empty() ? 1 : 2);
  DcmDataset report;
  report.putAndInsertString(DCM_TransactionUID, transaction_uid.c_str());
  refer(report, DCM_ReferencedSOPSequence, committed);
  constexpr std::uint16_t kNoSuchInstance = 0x0112;  // PS3.3 C.14
  refer(report, DCM_FailedSOPSequence, failed, kNoSuchInstance);
  send_message(association, context->id, request, encoded(report, context->transfer_syntax));
  const Message message = state_->answer(Verb::n_event_report);
  if (message.command.with_data()) skip_data(association, message.context, kMostMessageBytes);
  return message.command.status();
}

std::vector<Proposal> proposals_for(const std::vector<std::filesystem::path>& files) {
  std::vector<std::pair<std::string, std::string>> kinds;
  for (const std::filesystem::path& file : files) {
    const FileMeta meta = read_file_meta(file);
    kinds.emplace_back(meta.sop_class, meta.transfer_syntax);
  }
  return proposals_for(kinds);
}

std::vector<Proposal> proposals_for(const std::vector<std::pair<std::string, std::string>>& kinds) {
  std::map<std::string, std::set<std::string>> wanted;
  for (const auto& [sop_class, syntax] : kinds) {
    std::set<std::string>& syntaxes = wanted[sop_class];
    syntaxes.insert(syntax);
    if (uncompressed(syntax))
      syntaxes.insert({UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax});
  }
  std::vector<Proposal> proposals;
  // Each syntax has a context to itself: an acceptor chooses one of each context only.
  for (const auto& [sop_class, syntaxes] : wanted)
    for (const std::string& syntax : syntaxes) proposals.push_back({sop_class, {syntax}, false});
  return proposals;
}

std::string query_class(const std::string& model, const std::string& verb) {
  const bool patient = model == "patient";
  if (verb == "find") return patient ? sop::kPatientRootFind : sop::kStudyRootFind;
  if (verb == "move") return patient ? sop::kPatientRootMove : sop::kStudyRootMove;
  return patient ? sop::kPatientRootGet : sop::kStudyRootGet;
}

}  // namespace rouage::dimse
