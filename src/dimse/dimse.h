/// What two machines say to each other in DICOM's own protocol: associations, as client (Scu) and as server.
///
///   Scu pacs({.host = "pacs", .port = 104, .ae_title = "PACS"}, "ROUAGE", {{sop_class, transfer_syntax}});
///   pacs.store("x.dcm");                                      // DIMSE status, text
///   serve_association(socket, options, services);             // one accepted TCP connection, to its end
///
/// Both turn Nagle's algorithm off: with it every C-STORE takes 45 ms. No state outside the objects; one object, one
/// thread; many objects in many threads.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/service.h"
#include "base/values.h"
#include "dicom/object.h"

namespace rouage::dimse {

struct TlsFiles {
  std::string certificate, key, authorities;  ///< PEM files
  bool verify_peer = true;                    ///< mutual: the other side must show a certificate of `authorities`
};

struct Peer {
  std::string host;
  int port = 104;
  std::string ae_title = "ANY-SCP";
  std::optional<TlsFiles> tls;
  double connect_timeout_s = 10, answer_timeout_s = 60;
};

/// A DIMSE answer: 0x0000 success, 0xB000.. warning, else failure.
struct Status {
  std::uint16_t code = 0;
  std::string text;
  bool good() const { return code == 0 || (code & 0xF000) == 0xB000; }
};

/// What an SCU asks for. transfer_syntaxes empty: Explicit and Implicit VR Little Endian. Several: the uncompressed
/// ones share one presentation context (the peer chooses), each other one has its own. At most 128 contexts in all.
struct Proposal {
  std::string sop_class;
  std::vector<std::string> transfer_syntaxes;
  bool as_scp = false;  ///< role selection: for C-GET, the storage classes that we accept
};

/// What `store` needs for these files: each class with its syntaxes, and the uncompressed ones beside an uncompressed
/// syntax. Errors: FileMissing, NotDicom.
std::vector<Proposal> proposals_for(const std::vector<std::filesystem::path>& files);
/// The same for pairs (SOP class, transfer syntax).
std::vector<Proposal> proposals_for(const std::vector<std::pair<std::string, std::string>>& kinds);
/// Study or patient root ("study", "patient") of C-FIND, C-MOVE or C-GET; verification; Storage Commitment.
inline constexpr const char* kVerificationClass = "1.2.840.10008.1.1";
inline constexpr const char* kCommitmentClass = "1.2.840.10008.1.20.1";
std::string query_class(const std::string& model, const std::string& verb);  ///< verb: "find", "move", "get"

/// Receives an object of a C-GET: the file is complete and durable; returns the status to answer.
using ObjectArrived =
    std::function<Status(const std::filesystem::path& file, std::uint64_t bytes, const Digest& digest)>;

/// One association as client. The constructor negotiates. Errors: PeerUnreachable (retry; a transient rejection too),
/// PeerRefused (rejected, or no presentation context accepted), ConfigInvalid (certificates). All functions:
/// PeerUnreachable when the association ends under them; a service whose class was not accepted answers 0x0122. The
/// destructor releases. A host is a name, an IPv4 or an IPv6 address ("::1", "[::1]").
class Scu {
 public:
  Scu(const Peer& peer, const std::string& calling_ae, const std::vector<Proposal>& proposals);
  ~Scu();
  Scu(const Scu&) = delete;
  Scu& operator=(const Scu&) = delete;

  Status echo();
  /// A Part 10 file as it is. Not re-encoded, save between uncompressed syntaxes and deflated when only those were
  /// accepted; a compressed object whose syntax was not accepted answers 0x0122 with the reason.
  /// Errors besides: FileMissing, NotDicom.
  Status store(const std::filesystem::path& file);
  /// As a sub-operation of a C-MOVE that `originator_ae` asked for with that message id.
  Status store(const std::filesystem::path& file, const std::string& originator_ae, std::uint16_t originator_id);
  /// model: "study" or "patient". keys must hold (0008,0052). `match` returns false to cancel.
  Status find(const std::string& model, const dicom::Attributes& keys,
              const std::function<bool(const dicom::Attributes&)>& match);
  Status move(const std::string& model, const std::string& destination_ae, const dicom::Attributes& keys);
  /// The proposals hold the storage classes with as_scp. Objects are written into `folder` as <n>-<digits>.part,
  /// flushed; `arrived` may move them.
  Status get(const std::string& model, const dicom::Attributes& keys, const std::filesystem::path& folder,
             const ObjectArrived& arrived);
  /// Storage Commitment: N-ACTION of pairs (SOP class, instance). The N-EVENT-REPORT comes to our SCP, or on this
  /// association when the peer sends it at once (then `committed` is set).
  struct Commitment {
    Status status;
    std::optional<std::vector<std::string>> committed, failed;  ///< SOP Instance UIDs
  };
  Commitment request_commitment(const std::string& transaction_uid,
                                const std::vector<std::pair<std::string, std::string>>& instances, double wait_s);
  /// N-EVENT-REPORT of a commitment that we, as SCP, promised (role: we accepted the N-ACTION earlier).
  Status report_commitment(const std::string& transaction_uid,
                           const std::vector<std::pair<std::string, std::string>>& committed,
                           const std::vector<std::pair<std::string, std::string>>& failed);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// All storage SOP classes that Rouage accepts or sends: DCMTK's list and newer ones by UID; unknown ones are accepted
/// when the peer proposes them below the storage root and the options say so.
std::vector<std::string> storage_sop_classes();

/// Who is at the other end of an association that a server serves.
struct Caller {
  std::string calling_ae, called_ae, address;  ///< address: numeric IP
  std::string certificate_subject;             ///< TLS with a client certificate; else ""
};

/// What a server answers with. Called in the process of the association; implementations speak to the gateway.
class Services {
 public:
  virtual ~Services() = default;
  /// May this caller come in (its AE titles are checked already)? Else a rejection with this text in the log.
  virtual std::optional<std::string> refuses(const Caller& caller) = 0;
  /// Before the bytes of a C-STORE: absent to take it, or the status to answer (0xA700 when the disk is nearly full).
  virtual std::optional<Status> refuses_object(const std::string& sop_class, const std::string& sop_instance) = 0;
  /// Where the next object is to be written: a new name in the store's incoming folder.
  virtual std::filesystem::path new_file() = 0;
  /// The object is in `file` (complete Part 10, not flushed unless flush_in_child). Answers when it is durable.
  virtual Status arrived(const std::filesystem::path& file, std::uint64_t bytes, const Digest& digest) = 0;
  virtual Status find(const std::string& model, const dicom::Attributes& keys,
                      const std::function<bool(const dicom::Attributes&)>& match) = 0;
  /// Objects that a C-GET or C-MOVE asks for, those that may not leave left out.
  struct Outgoing {
    std::filesystem::path file;
    std::string sop_class, sop_instance, transfer_syntax;
  };
  struct Retrieval {
    Status status;
    std::vector<Outgoing> objects;
    std::optional<Peer> destination;  ///< C-MOVE: of the named AE; absent when it is not known (0xA801)
  };
  virtual Retrieval retrieve(const std::string& model, const dicom::Attributes& keys, const std::string& move_to) = 0;
  /// Storage Commitment N-ACTION: pairs (SOP class, instance). Answers when the request is durable.
  virtual Status commitment(const std::string& transaction_uid,
                            const std::vector<std::pair<std::string, std::string>>& instances) = 0;
  /// N-EVENT-REPORT of a commitment that we had asked a destination for.
  virtual Status committed(const std::string& transaction_uid, const std::vector<std::string>& committed,
                           const std::vector<std::string>& failed) = 0;
  /// A hint from MPPS (N-CREATE, N-SET; `state` "IN PROGRESS", "COMPLETED", "DISCONTINUED") or IAN (N-CREATE; state
  /// "IAN"): the instances that a series has, by its modality's own list.
  struct SeriesList {
    std::string state, message_uid, study_instance_uid, series_instance_uid;
    std::vector<std::string> sop_instances;
  };
  virtual Status series_lists(const std::vector<SeriesList>& lists) = 0;
  /// Once, at the end. `released`: orderly.
  virtual void ended(bool released) = 0;
};

struct ServerOptions {
  std::string ae_title = "ROUAGE";
  std::vector<std::string> called_titles;   ///< names by which we may be called; empty: any
  std::vector<std::string> calling_titles;  ///< AE titles that may call; empty: any
  std::optional<TlsFiles> tls;
  std::uint32_t max_pdu = 131072;
  double association_timeout_s = 5;  ///< for the A-ASSOCIATE-RQ
  double idle_timeout_s = 300;       ///< between messages
  double stall_timeout_s = 30;       ///< inside a message or a PDU
  std::uint64_t max_object_bytes = 8ULL * 1024 * 1024 * 1024;
  bool accept_unknown_sop_classes = true;
  std::uint32_t max_message_bytes = 16 * 1024 * 1024;  ///< any dataset but that of a C-STORE
};

/// Options that cannot work are told at once. Errors: ConfigInvalid (certificates, keys).
void check_options(const ServerOptions& options);

/// Serves one accepted TCP connection to its end (release, abort, timeout, error), then closes it. C-ECHO, C-STORE
/// (streamed to disk bit by bit, transfer syntax as sent), C-FIND, C-MOVE, C-GET, Storage Commitment, MPPS, IAN.
/// DCMTK's external socket handle is one a process: call it in a process of its own (receive/dimse_front.h does).
void serve_association(int socket, const ServerOptions& options, Services& services);

}  // namespace rouage::dimse
