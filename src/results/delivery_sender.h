/// One way to a destination: what a try of one object came to. Internal.
///
/// A sender belongs to one thread. A batch is open(), send() for each object, close(); the connection is made anew when
/// it broke in between.
#pragma once
#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "results/delivery_tables.h"

namespace rouage::results {

struct Attempt {
  enum class Kind {
    delivered,  ///< it is there; message: a warning, or that it was there already
    again,      ///< this object failed; a later try may succeed
    refused,    ///< this object is not wanted, and will hardly be
    away        ///< nobody answers, or takes nothing now: the whole destination waits
  };
  Kind kind = Kind::delivered;
  std::string message;
  double wait_s = 0;  ///< away: what the peer asked for (Retry-After); 0: nothing
};

class Sender {
 public:
  virtual ~Sender() = default;
  /// Absent: go on. Else what it came to for every object of the batch (away or refused).
  virtual std::optional<Attempt> open(const std::vector<DueObject>&) { return std::nullopt; }
  virtual Attempt send(const DueObject& object) = 0;
  virtual void close() {}
};

/// Storage Commitment of a DIMSE destination.
class Committer {
 public:
  virtual ~Committer() = default;
  struct Answer {
    Attempt attempt;                                            ///< delivered: the request was taken
    std::optional<std::vector<std::string>> committed, failed;  ///< answered at once
  };
  virtual Answer ask(const CommitmentRequest& request) = 0;
};

/// `cut`: set from outside, ends a transfer under way.
std::unique_ptr<Sender> make_dicom_sender(const Destination& destination, const std::string& own_ae);
std::unique_ptr<Committer> make_dicom_committer(const Destination& destination, const std::string& own_ae);
std::unique_ptr<Sender> make_stow_sender(const Destination& destination, const std::atomic<bool>& cut);
std::unique_ptr<Sender> make_fhir_sender(const Destination& destination, const std::atomic<bool>& cut);
std::unique_ptr<Sender> make_folder_sender(const Destination& destination);

}  // namespace rouage::results
