#include "dcmtk/config/osconfig.h"
// DCMTK asks for its configuration first.
#include <fmt/format.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <cstring>

#include "dcmtk/dcmdata/dcdict.h"
#include "dcmtk/dcmnet/assoc.h"
#include "dcmtk/dcmnet/cond.h"
#include "dicom/object.h"
#include "dicom/reading.h"
#include "dimse/association.h"
#include "dimse/ipv6_connection.h"
#include "dimse/transport.h"
#include "dimse/watch.h"

namespace rouage::dimse {
namespace {

constexpr int kMostContexts = 128;  // PS3.8 9.3.2.2: odd numbers of one byte

std::string text_of(const OFCondition& condition) {
  std::string text = condition.text();
  for (char& c : text)
    if (c == '\n' || c == '\r') c = ' ';
  return text;
}

int whole_seconds(double seconds) {
  return std::max(1, static_cast<int>(std::ceil(seconds)));
}

/// One context for the uncompressed syntaxes together (the peer chooses), one for each other: so that a compressed
/// object can always be sent as it is when the peer knows its syntax.
std::vector<std::vector<std::string>> groups_of(const std::vector<std::string>& syntaxes) {
  std::vector<std::string> plain;
  std::vector<std::vector<std::string>> groups;
  for (const std::string& syntax : syntaxes) {
    if (syntax == UID_LittleEndianExplicitTransferSyntax || syntax == UID_LittleEndianImplicitTransferSyntax ||
        syntax == UID_BigEndianExplicitTransferSyntax)
      plain.push_back(syntax);
    else
      groups.push_back({syntax});
  }
  if (syntaxes.empty()) plain = {UID_LittleEndianExplicitTransferSyntax, UID_LittleEndianImplicitTransferSyntax};
  if (!plain.empty()) groups.push_back(plain);
  return groups;
}

std::string numeric_address(int socket) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&address), &length) != 0) return {};
  return address_text(address);
}

std::string rejection_text(const T_ASC_RejectParameters& rejected) {
  OFString text;
  ASC_printRejectParameters(text, &rejected);
  std::string one_line(text.c_str());
  for (char& c : one_line)
    if (c == '\n') c = ' ';
  return one_line;
}

}  // namespace

struct Association::State {
  // The watch is destroyed first (declared last), before DCMTK closes the socket that it might shut down.
  T_ASC_Network* network = nullptr;
  T_ASC_Association* association = nullptr;
  std::unique_ptr<DcmTransportLayer> layer;
  std::optional<Ipv6Connection> elsewhere;  ///< client only
  std::vector<Context> contexts;
  Caller caller;
  double stall_s = 30, answer_s = 60;
  bool over = false;
  SocketWatch watch;

  ~State() {
    watch.attach(-1);
    if (association != nullptr) ASC_destroyAssociation(&association);
    if (network != nullptr) ASC_dropNetwork(&network);
  }

  void open_network(T_ASC_NetworkRole role, const std::optional<TlsFiles>& tls) {
    const bool server = role == NET_ACCEPTOR;
    const OFCondition made = ASC_initializeNetwork(role, 0, whole_seconds(answer_s), &network);
    if (made.bad()) throw Error(ErrorCode::PeerUnreachable, text_of(made));
    // DCMTK's own limits are one a process; ours stand on the socket itself.
    layer = make_transport_layer(server, tls, [this](int socket) {
      if (elsewhere) elsewhere->replace(socket);
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
      watch.attach(socket);
    });
    ASC_setTransportLayer(network, layer.get(), 0);
  }

  void propose(T_ASC_Parameters* parameters, const std::vector<Proposal>& proposals) const {
    int number = 0;
    for (const Proposal& proposal : proposals) {
      for (const std::vector<std::string>& group : groups_of(proposal.transfer_syntaxes)) {
        if (number == kMostContexts)
          throw Error(ErrorCode::RequestInvalid, "an association has at most 128 presentation contexts");
        std::vector<const char*> names;
        for (const std::string& syntax : group) names.push_back(syntax.c_str());
        const OFCondition added = ASC_addPresentationContext(
            parameters, static_cast<T_ASC_PresentationContextID>(2 * number + 1), proposal.sop_class.c_str(),
            names.data(), static_cast<int>(names.size()), proposal.as_scp ? ASC_SC_ROLE_SCP : ASC_SC_ROLE_DEFAULT);
        if (added.bad()) throw Error(ErrorCode::RequestInvalid, text_of(added));
        ++number;
      }
    }
  }

  void note_contexts() {
    contexts.clear();
    const int count = ASC_countPresentationContexts(association->params);
    for (int i = 0; i < count; ++i) {
      T_ASC_PresentationContext context;
      ASC_getPresentationContext(association->params, i, &context);
      if (context.resultReason != ASC_P_ACCEPTANCE) continue;
      contexts.push_back({context.presentationContextID, context.abstractSyntax, context.acceptedTransferSyntax,
                          context.acceptedRole == ASC_SC_ROLE_SCP || context.acceptedRole == ASC_SC_ROLE_SCUSCP});
    }
  }

  [[noreturn]] void ended(const OFCondition& condition) {
    over = true;
    if (condition == DUL_PEERREQUESTEDRELEASE) {
      over = false;
      throw Ended(End::released, "the peer released the association");
    }
    if (watch.fired()) throw Ended(End::timed_out, fmt::format("no progress for {} s", stall_s));
    if (condition == DUL_PEERABORTEDASSOCIATION) throw Ended(End::aborted, "the peer aborted or closed");
    throw Ended(End::broken, text_of(condition));
  }
};

Association::Association(const Peer& peer, const std::string& calling_ae, const std::vector<Proposal>& proposals)
    : state_(std::make_unique<State>()) {
  dicom::initialise();
  if (peer.host.empty() || peer.host.size() > 120)
    throw Error(ErrorCode::RequestInvalid, "the host of a DICOM peer is a name or an address");
  State& s = *state_;
  s.stall_s = s.answer_s = peer.answer_timeout_s;
  if (is_ipv6_literal(peer.host)) s.elsewhere.emplace(peer.host, peer.port, peer.connect_timeout_s);
  s.open_network(NET_REQUESTOR, peer.tls);
  T_ASC_Parameters* parameters = nullptr;
  ASC_createAssociationParameters(&parameters, ASC_MAXIMUMPDUSIZE);
  try {
    ASC_setTransportLayerType(parameters, peer.tls.has_value());
    name_implementation(parameters->ourImplementationClassUID, parameters->ourImplementationVersionName);
    ASC_setAPTitles(parameters, calling_ae.substr(0, 16).c_str(), peer.ae_title.substr(0, 16).c_str(), nullptr);
    const std::string address = s.elsewhere ? s.elsewhere->stand_in() : fmt::format("{}:{}", peer.host, peer.port);
    ASC_setPresentationAddresses(parameters, "localhost", address.c_str());
    s.propose(parameters, proposals);
  } catch (...) {
    ASC_destroyAssociationParameters(&parameters);
    throw;
  }
  dcmConnectionTimeout.set(whole_seconds(peer.connect_timeout_s));
  s.watch.arm(peer.connect_timeout_s + peer.answer_timeout_s);
  const OFCondition made = ASC_requestAssociation(s.network, parameters, &s.association, nullptr, nullptr, DUL_NOBLOCK,
                                                  whole_seconds(peer.answer_timeout_s));
  s.watch.disarm();
  const std::string who = fmt::format("{} at {}:{}", peer.ae_title, peer.host, peer.port);
  if (made.bad()) {
    s.over = true;
    if (s.association == nullptr) {
      ASC_destroyAssociationParameters(&parameters);
      throw Error(ErrorCode::RequestInvalid, text_of(made));
    }
    if (made == DUL_ASSOCIATIONREJECTED) {
      T_ASC_RejectParameters rejected;
      ASC_getRejectParameters(parameters, &rejected);
      // A transient rejection is a busy peer: worth another try.
      const bool transient = rejected.result == ASC_RESULT_REJECTEDTRANSIENT;
      throw Error(transient ? ErrorCode::PeerUnreachable : ErrorCode::PeerRefused,
                  fmt::format("{}: {}", who, rejection_text(rejected)));
    }
    throw Error(ErrorCode::PeerUnreachable,
                fmt::format("{}: {}", who, s.watch.fired() ? "no answer in time" : text_of(made)));
  }
  s.elsewhere.reset();
  s.note_contexts();
  if (s.contexts.empty()) throw Error(ErrorCode::PeerRefused, who + " accepted no presentation context");
}

Association::Association(int socket, const ServerOptions& options) : state_(std::make_unique<State>()) {
  dicom::initialise();
  State& s = *state_;
  s.stall_s = options.stall_timeout_s;
  s.answer_s = options.stall_timeout_s;
  s.caller.address = numeric_address(socket);
  s.watch.attach(socket);
  s.watch.arm(options.association_timeout_s);
  dcmExternalSocketHandle.set(socket);
  dcmDisableGethostbyaddr.set(OFTrue);
  try {
    s.open_network(NET_ACCEPTOR, options.tls);
  } catch (...) {
    ::close(socket);
    throw;
  }
  const long pdu = std::clamp<long>(options.max_pdu, ASC_MINIMUMPDUSIZE, ASC_MAXIMUMPDUSIZE);
  const OFCondition got =
      ASC_receiveAssociation(s.network, &s.association, pdu, nullptr, nullptr, options.tls.has_value(), DUL_NOBLOCK,
                             whole_seconds(options.association_timeout_s));
  s.watch.disarm();
  if (got.bad()) s.ended(got);
  const DUL_ASSOCIATESERVICEPARAMETERS& said = s.association->params->DULparams;
  s.caller.calling_ae = trimmed(std::string_view(said.callingAPTitle));
  s.caller.called_ae = trimmed(std::string_view(said.calledAPTitle));
  if (options.tls) s.caller.certificate_subject = certificate_subject(s.association);
}

Association::~Association() {
  if (state_->association != nullptr && !state_->over) abort();
}

const Caller& Association::caller() const {
  return state_->caller;
}
const std::vector<Context>& Association::contexts() const {
  return state_->contexts;
}
bool Association::over() const {
  return state_->over;
}
double Association::answer_timeout_s() const {
  return state_->answer_s;
}

void Association::accept(const ServerOptions& options) {
  State& s = *state_;
  T_ASC_Parameters* parameters = s.association->params;
  const int count = ASC_countPresentationContexts(parameters);
  for (int i = 0; i < count; ++i) {
    T_ASC_PresentationContext context;
    ASC_getPresentationContext(parameters, i, &context);
    // More than 50 syntaxes: DCMTK names the first 50 and leaves their number out.
    std::vector<std::string> proposed;
    for (const auto& syntax : context.proposedTransferSyntaxes)
      if (syntax[0] != '\0') proposed.emplace_back(syntax);
    const Choice choice = choose_transfer_syntax(context.abstractSyntax, proposed, options.accept_unknown_sop_classes);
    if (choice.known_class && !choice.transfer_syntax.empty())
      ASC_acceptPresentationContext(parameters, context.presentationContextID, choice.transfer_syntax.c_str(),
                                    context.proposedRole);
    else
      ASC_refusePresentationContext(
          parameters, context.presentationContextID,
          choice.known_class ? ASC_P_TRANSFERSYNTAXESNOTSUPPORTED : ASC_P_ABSTRACTSYNTAXNOTSUPPORTED);
  }
  name_implementation(parameters->ourImplementationClassUID, parameters->ourImplementationVersionName);
  s.watch.arm(s.stall_s);
  const OFCondition sent = ASC_acknowledgeAssociation(s.association);
  s.watch.disarm();
  if (sent.bad()) s.ended(sent);
  s.note_contexts();
}

void Association::reject(Rejection reason) {
  T_ASC_RejectParameters parameters{ASC_RESULT_REJECTEDPERMANENT, ASC_SOURCE_SERVICEUSER, ASC_REASON_SU_NOREASON};
  if (reason == Rejection::called_title) parameters.reason = ASC_REASON_SU_CALLEDAETITLENOTRECOGNIZED;
  if (reason == Rejection::calling_title) parameters.reason = ASC_REASON_SU_CALLINGAETITLENOTRECOGNIZED;
  if (reason == Rejection::busy)
    parameters = {ASC_RESULT_REJECTEDTRANSIENT, ASC_SOURCE_SERVICEPROVIDER_PRESENTATION_RELATED,
                  ASC_REASON_SP_PRES_LOCALLIMITEXCEEDED};
  state_->watch.arm(state_->stall_s);
  ASC_rejectAssociation(state_->association, &parameters);
  ASC_dropSCPAssociation(state_->association, 2);  // the peer closes first, having read the answer
  state_->watch.disarm();
  state_->over = true;
}

const Context* Association::context(std::uint8_t id) const {
  for (const Context& context : state_->contexts)
    if (context.id == id) return &context;
  return nullptr;
}

const Context* Association::context_for(const std::string& sop_class, const std::string& transfer_syntax,
                                        bool peer_receives) const {
  for (const Context& context : state_->contexts)
    if (context.sop_class == sop_class && (transfer_syntax.empty() || context.transfer_syntax == transfer_syntax) &&
        (!peer_receives || context.requestor_scp))
      return &context;
  return nullptr;
}

bool Association::waiting() const {
  return ASC_dataWaiting(state_->association, 0) == OFTrue;
}

Fragment Association::next(double wait_s) {
  State& s = *state_;
  DUL_PDV value;
  if (DUL_NextPDV(&s.association->DULassociation, &value).bad()) {
    if (wait_s > 0 && !ASC_dataWaiting(s.association, whole_seconds(wait_s)))
      throw Ended(End::timed_out, fmt::format("nothing came for {} s", wait_s));
    s.watch.arm(s.stall_s);
    OFCondition got = DUL_ReadPDVs(&s.association->DULassociation, nullptr, DUL_BLOCK, 0);
    s.watch.disarm();
    if (got != DUL_PDATAPDUARRIVED) s.ended(got);
    got = DUL_NextPDV(&s.association->DULassociation, &value);
    if (got.bad()) s.ended(got);
  }
  return {value.presentationContextID,
          value.pdvType == DUL_COMMANDPDV,
          value.lastPDV == OFTrue,
          {static_cast<const std::uint8_t*>(value.data), value.fragmentLength}};
}

void Association::send(std::uint8_t context, bool command, std::span<const std::uint8_t> bytes, bool last) {
  constexpr std::size_t kPiece = 1024 * 1024;  // the watch counts anew for each: a slow line is no dead one
  State& s = *state_;
  do {
    const auto piece = bytes.first(std::min(bytes.size(), kPiece));
    bytes = bytes.subspan(piece.size());
    DUL_PDV value;
    value.fragmentLength = piece.size();
    value.presentationContextID = context;
    value.pdvType = command ? DUL_COMMANDPDV : DUL_DATASETPDV;
    value.lastPDV = last && bytes.empty();
    value.data = const_cast<std::uint8_t*>(piece.data());
    DUL_PDVLIST values;
    std::memset(&values, 0, sizeof(values));
    values.count = 1;
    values.pdv = &value;
    s.watch.arm(s.stall_s);
    const OFCondition sent = DUL_WritePDVs(&s.association->DULassociation, &values);
    s.watch.disarm();
    if (sent.bad()) s.ended(sent);
  } while (!bytes.empty());
}

void Association::release() {
  if (state_->over) return;
  state_->over = true;
  state_->watch.arm(state_->answer_s);
  ASC_releaseAssociation(state_->association);
  state_->watch.disarm();
}

void Association::acknowledge_release() {
  state_->over = true;
  state_->watch.arm(state_->stall_s);
  ASC_acknowledgeRelease(state_->association);
  ASC_dropSCPAssociation(state_->association, 2);
  state_->watch.disarm();
}

void Association::abort() {
  if (state_->over) return;
  state_->over = true;
  state_->watch.arm(2);
  ASC_abortAssociation(state_->association);
  state_->watch.disarm();
}

}  // namespace rouage::dimse
