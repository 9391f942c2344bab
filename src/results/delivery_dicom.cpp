/// C-STORE and Storage Commitment: one association a batch, contexts of the objects' own transfer syntaxes.
#include <fmt/format.h>

#include <set>

#include "base/error.h"
#include "dicom/object.h"
#include "dimse/dimse.h"
#include "results/delivery_sender.h"

namespace rouage::results {
namespace {

constexpr const char* kImplicit = "1.2.840.10008.1.2";
constexpr const char* kExplicit = "1.2.840.10008.1.2.1";
constexpr const char* kVerification = "1.2.840.10008.1.1";
constexpr const char* kCommitmentPush = "1.2.840.10008.1.20.1";
/// Also the longest that stop() waits for a peer that has fallen silent.
constexpr double kAnswerS = 30;
/// For peers that answer a commitment on the same association; most open one of their own.
constexpr double kCommitmentAnswerS = 1;

dimse::Peer peer_of(const Destination& destination) {
  dimse::Peer peer;
  peer.host = destination.host;
  peer.port = destination.port;
  peer.ae_title = destination.ae_title;
  peer.answer_timeout_s = kAnswerS;
  if (destination.tls)
    peer.tls = dimse::TlsFiles{destination.tls->certificate, destination.tls->key, destination.tls->authorities};
  return peer;
}

/// One context an (SOP class, transfer syntax); an uncompressed object may travel in either uncompressed syntax.
std::vector<dimse::Proposal> proposals_of(const std::vector<DueObject>& batch) {
  std::set<std::pair<std::string, std::string>> pairs;
  for (const DueObject& object : batch) {
    std::string syntax;
    try {
      syntax = dicom::index_entry(object.file).transfer_syntax_uid;
    } catch (const Error&) {
      continue;  // its own try says what is wrong with it
    }
    const bool plain = syntax == kImplicit || syntax == kExplicit;
    pairs.emplace(object.sop_class_uid, plain ? kExplicit : syntax);
  }
  std::vector<dimse::Proposal> proposals;
  for (const auto& [sop_class, syntax] : pairs) {
    std::vector<std::string> syntaxes{syntax};
    if (syntax == kExplicit) syntaxes.emplace_back(kImplicit);
    proposals.push_back({sop_class, std::move(syntaxes)});
  }
  return proposals;
}

/// PS3.4 table B.2-1; PS3.7 annex C for the general ones.
Attempt attempt_of(const dimse::Status& status) {
  using Kind = Attempt::Kind;
  std::string said = fmt::format("status 0x{:04X}", status.code);
  if (!status.text.empty()) said += " " + status.text;
  if (status.good()) return {Kind::delivered, status.code == 0 ? std::string() : said, 0};
  if (status.code == 0x0111) return {Kind::delivered, "the peer has had it already", 0};
  if ((status.code & 0xFF00) == 0xA700) return {Kind::away, said, 0};
  if (status.code == 0x0122 || status.code == 0x0124 || (status.code & 0xFF00) == 0xA900 ||
      (status.code & 0xF000) == 0xC000)
    return {Kind::refused, said, 0};
  return {Kind::again, said, 0};
}

class DicomSender : public Sender {
 public:
  DicomSender(const Destination& destination, std::string own_ae)
      : peer_(peer_of(destination)), own_ae_(std::move(own_ae)) {}

  std::optional<Attempt> open(const std::vector<DueObject>& batch) override {
    proposals_ = proposals_of(batch);
    if (proposals_.empty()) return std::nullopt;  // no file can be read: each object says so
    return connect();
  }

  Attempt send(const DueObject& object) override {
    if (!scu_) {
      if (proposals_.empty()) proposals_ = proposals_of({object});
      if (proposals_.empty()) return {Attempt::Kind::refused, "the file cannot be read as DICOM", 0};
      if (auto failure = connect()) return *failure;
    }
    try {
      return attempt_of(scu_->store(object.file));
    } catch (const Error& error) {
      // The association broke at this object: it may be the object, so that the others go on in a new one.
      scu_.reset();
      return {Attempt::Kind::again, error.what(), 0};
    }
  }

  void close() override {
    scu_.reset();
    proposals_.clear();
  }

 private:
  std::optional<Attempt> connect() {
    try {
      scu_ = std::make_unique<dimse::Scu>(peer_, own_ae_, proposals_);
      return std::nullopt;
    } catch (const Error& error) {
      const bool refused = error.code() == ErrorCode::PeerRefused && answers_echo();
      return Attempt{refused ? Attempt::Kind::refused : Attempt::Kind::away, error.what(), 0};
    }
  }

  /// It takes our associations: then it was these objects that it did not want.
  bool answers_echo() const {
    try {
      dimse::Scu scu(peer_, own_ae_, {{kVerification, {}}});
      return scu.echo().good();
    } catch (const Error&) {
      return false;
    }
  }

  dimse::Peer peer_;
  std::string own_ae_;
  std::vector<dimse::Proposal> proposals_;
  std::unique_ptr<dimse::Scu> scu_;
};

class DicomCommitter : public Committer {
 public:
  DicomCommitter(const Destination& destination, std::string own_ae)
      : peer_(peer_of(destination)), own_ae_(std::move(own_ae)) {}

  Answer ask(const CommitmentRequest& request) override {
    Answer answer;
    try {
      dimse::Scu scu(peer_, own_ae_, {{kCommitmentPush, {}}});
      const auto said = scu.request_commitment(request.transaction_uid, request.instances, kCommitmentAnswerS);
      answer.attempt = attempt_of(said.status);
      answer.committed = said.committed;
      answer.failed = said.failed;
    } catch (const Error& error) {
      const auto kind = error.code() == ErrorCode::PeerRefused ? Attempt::Kind::refused : Attempt::Kind::away;
      answer.attempt = {kind, error.what(), 0};
    }
    return answer;
  }

 private:
  dimse::Peer peer_;
  std::string own_ae_;
};

}  // namespace

std::unique_ptr<Sender> make_dicom_sender(const Destination& destination, const std::string& own_ae) {
  return std::make_unique<DicomSender>(destination, own_ae);
}

std::unique_ptr<Committer> make_dicom_committer(const Destination& destination, const std::string& own_ae) {
  return std::make_unique<DicomCommitter>(destination, own_ae);
}

}  // namespace rouage::results
