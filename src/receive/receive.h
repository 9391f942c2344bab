/// Who sent what, did it arrive whole: the ways in, and what they hand on.
///
/// Every way in (DIMSE, STOW-RS, a watched folder, a query for priors) writes one complete Part 10 file into
/// sink.incoming(), and answers its sender only after sink.accept() said that the object is durable.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/values.h"
#include "dicom/object.h"

namespace rouage::receive {

struct Origin {
  enum class Way { dimse, stow, folder, priors, own };  ///< own: a result of this gateway
  Way way = Way::dimse;
  std::string sender;             ///< calling AE title, "stow:<user or address>", "folder:<path>"
  std::string called, address;    ///< called AE title; numeric IP
  std::uint64_t association = 0;  ///< identifies the transport that carried it; 0: none
};

/// One object that lies complete in the incoming folder.
struct Arrival {
  std::filesystem::path file;
  std::uint64_t bytes = 0;
  Digest digest;  ///< SHA-256 of the file
  dicom::IndexEntry entry;
  Origin origin;
};

enum class Outcome {
  stored,     ///< new
  duplicate,  ///< the same bytes (or the same dataset under another file header) are here already
  conflict,   ///< the same SOP Instance UID with other content: kept beside the first, reported, first stays current
  returned,   ///< a result of ours came back: not kept twice, not processed
  refused     ///< not kept: `code` says why
};

struct Receipt {
  Outcome outcome = Outcome::stored;
  ErrorCode code = ErrorCode::Internal;  ///< refused only
  std::string text;                      ///< for people and logs; says too when a patient id conflicts
  std::uint16_t dimse_status() const;    ///< 0 for all that is kept; else of the code
};

/// Instances that a series has by its modality's own list (MPPS, IAN).
struct SeriesList {
  std::string source;       ///< "MPPS" or "IAN"
  std::string message_uid;  ///< of the MPPS or IAN instance
  bool closed = false;      ///< the step is completed or discontinued: the list is whole
  std::string study_instance_uid, series_instance_uid;
  std::vector<std::string> sop_instances;
};

/// An order, a report or a change of identity by HL7 v2.
struct OrderMessage {
  std::string message_type;  ///< "ORM^O01", "OMI^O23", "ORU^R01", "ADT^A08", "ADT^A40"
  std::string control_id;    ///< MSH-10: with the sender, what makes a resent message one
  std::string sender;        ///< MSH-3|MSH-4
  std::string patient_id, issuer, patient_name, birth_date, sex;
  std::string merged_patient_id, merged_issuer;  ///< A40: MRG-1, the id that is given up
  std::string accession_number, placer_order, filler_order, study_instance_uid, procedure_code, procedure_text,
      clinical_question, priority, scheduled_at, status;
  std::string report_text, report_status, report_at;  ///< ORU: OBX texts joined; OBR-25; OBR-22
  std::string raw;                                    ///< the message, UTF-8
};

/// Implemented by `store`. Thread-safe.
class InstanceSink {
 public:
  virtual ~InstanceSink() = default;
  /// Folder for files that arrive: the store's own file system; its leftovers are removed at start.
  virtual std::filesystem::path incoming() const = 0;
  /// Absent: there is room for an object of so many bytes (0: unknown). Else why not (DiskFull, Stopping).
  virtual std::optional<Error> no_room(std::uint64_t bytes) const = 0;
  /// Answers when bytes and index rows are durable; one receipt an arrival, in order. The files are moved away (or
  /// removed, when not kept). Never throws for an object; DatabaseFailed and the like become refused receipts.
  virtual std::vector<Receipt> accept(std::vector<Arrival> arrivals) = 0;
  virtual void association_opened(std::uint64_t association, const Origin& origin) = 0;
  virtual void association_ended(std::uint64_t association, bool released) = 0;
  virtual void note_lists(const std::vector<SeriesList>& lists) = 0;  ///< durable on return
  virtual void note_message(const OrderMessage& message) = 0;         ///< durable on return
};

/// Reads and digests a file that somebody else wrote completely (folder, STOW-RS): the Arrival of it.
/// Errors: NotDicom, HeaderInvalid, FileTooLarge.
Arrival arrival_of(const std::filesystem::path& file, const Origin& origin);

}  // namespace rouage::receive
