/// What a source of priors can do, whatever it speaks. Internal to the room. Implementations throw rouage::Error; one
/// object, one thread, one question.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "receive/priors.h"

namespace rouage::receive {

/// A moment after which nothing more is begun.
class Deadline {
 public:
  explicit Deadline(double seconds);
  double left_s() const;  ///< at least 0
  bool passed() const { return left_s() <= 0; }

 private:
  double at_s_;
};

/// A study as a query answers it.
struct FoundStudy {
  PriorStudy study;
  std::string issuer, birth_date, sex, modalities;  ///< modalities: joined by backslashes
};

/// Takes an object that lies in sink.incoming(). False: stop, nothing more is wanted.
using TakeObject = std::function<bool(const std::filesystem::path& file, std::uint64_t bytes, const Digest& digest)>;

class PriorsPeer {
 public:
  virtual ~PriorsPeer() = default;
  /// All studies of a patient id in a range of days ("20160101-20261124").
  virtual std::vector<FoundStudy> studies(const std::string& patient_id, const std::string& days) = 0;
  virtual std::vector<PriorSeries> series(const std::string& study_instance_uid) = 0;
  /// True when all came. Objects that C-MOVE asked for do not come through `take`.
  virtual bool fetch(const PriorStudy& study, const PriorSeries& series, InstanceSink& sink,
                     const TakeObject& take) = 0;
};

std::unique_ptr<PriorsPeer> dimse_priors(const PriorsSource& source, const Deadline& deadline);
std::unique_ptr<PriorsPeer> web_priors(const PriorsSource& source, const Deadline& deadline);

/// Answers beyond it are not read: a peer cannot fill our memory.
inline constexpr std::size_t kMostAnswers = 10'000;

}  // namespace rouage::receive
