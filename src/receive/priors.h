/// Earlier examinations of the same patient, fetched before the cogs run: from a PACS by C-FIND and C-GET or C-MOVE, or
/// from a DICOMweb server by QIDO-RS and WADO-RS.
///
///   const PriorsSource source{.peer = dimse::Peer{...}, .calling_ae = "ROUAGE"};
///   const PriorsFound found = find_priors(source, {.most = 2}, current_study_of(entry), 10);
///   const FetchReport report = fetch_priors(source, found, current, sink, read_header, 60);
///
/// Nothing here throws for what a peer does or fails to do: it is said in the values, and the cogs run without priors.
/// Objects are handed to the sink with Origin::Way::priors: kept and indexed, no work for any cog. Whoever is not
/// certainly the same person (id, issuer, birth date, sex) is not fetched, and an object that says another person than
/// was asked for is not kept.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "dimse/dimse.h"
#include "receive/receive.h"

namespace rouage::receive {

class PriorsGate;

/// Where priors are. One of: `peer` (DIMSE), `url` (DICOMweb).
struct PriorsSource {
  std::optional<dimse::Peer> peer;
  std::string calling_ae = "ROUAGE";
  /// C-MOVE to this AE title, which is our own listener; "": C-GET. The listener's sink must be `gate`.
  std::string move_to;
  std::shared_ptr<PriorsGate> gate;
  std::string url;  ///< ".../dicom-web"; http or https
  std::filesystem::path bearer_token_file;
  std::string user, password;                 ///< basic authentication; "" none
  std::string authorities, certificate, key;  ///< PEM files of TLS; authorities "": the system's
  int tries = 2;                              ///< of what may succeed later
  std::string name() const;                   ///< for logs and Origin::sender: "priors:<AE or URL>"
};

struct PriorRules {
  std::size_t most = 2;                 ///< studies
  std::vector<std::string> modalities;  ///< of the series that are fetched; empty: the current study's
  /// Globs (*, ?), whatever the case. A series fits when its body part, its description or its study's fits one of
  /// them. Both empty: the current body part, where both name one.
  std::vector<std::string> body_parts, descriptions;
  double years = 10;
  int most_instances = 4000;  ///< of one study; a larger one is passed over
};

struct CurrentStudy {
  std::string patient_id, issuer, birth_date, sex;
  std::vector<std::string> other_ids;  ///< ids that were merged into patient_id (HL7 A40)
  std::string study_instance_uid, study_date, study_time, modality, body_part, description;
};
CurrentStudy current_study_of(const dicom::IndexEntry& entry);

struct PriorSeries {
  std::string series_instance_uid, modality, body_part, description;
  int instances = 0;                     ///< 0: not said
  std::vector<std::string> sop_classes;  ///< empty: not said
};
struct PriorStudy {
  std::string study_instance_uid, patient_id, study_date, study_time, description, accession_number;
  std::vector<PriorSeries> series;  ///< those that fit
  std::string why;                  ///< for people: why it is relevant
};
struct PriorsFound {
  std::vector<PriorStudy> studies;       ///< latest first
  std::vector<std::string> passed_over;  ///< "<study date>: why not", for people; no name, no id
  std::string failure;                   ///< why nothing, or not all, could be asked; "" none
};

/// Asks for at most `deadline_s`.
PriorsFound find_priors(const PriorsSource& source, const PriorRules& rules, const CurrentStudy& current,
                        double deadline_s);

struct FetchReport {
  std::size_t objects = 0, duplicates = 0, refused = 0;  ///< objects: kept, new ones and duplicates
  std::vector<std::string> studies_whole;                ///< UIDs of which every series came without a failure
  std::vector<std::string> failures;                     ///< for people, without patient data
  bool in_time = true;
  double seconds = 0;
};

/// Fetches what find_priors chose, latest study first, until `deadline_s`; what came until then is kept. C-GET and
/// WADO-RS stop between two objects; C-MOVE between two series (each answer is waited for no longer than what is left).
/// `read_header` parses in a child (HeaderReader::read).
FetchReport fetch_priors(const PriorsSource& source, const PriorsFound& found, const CurrentStudy& current,
                         InstanceSink& sink,
                         const std::function<dicom::IndexEntry(const std::filesystem::path&)>& read_header,
                         double deadline_s);

/// Why this series would not be fetched as a prior, or absent. For tests and for `rouage rules test`. Pure.
std::optional<std::string> unfit_series(const PriorRules& rules, const CurrentStudy& current, const PriorStudy& study,
                                        const PriorSeries& series);
/// Why this is not certainly the same person, or absent. Pure.
std::optional<std::string> other_person(const CurrentStudy& current, const std::string& patient_id,
                                        const std::string& issuer, const std::string& birth_date,
                                        const std::string& sex);

/// Stands between our listener and the store: objects that a C-MOVE of ours asked for come as C-STORE like all others,
/// and are marked as priors here, by study and sender. Thread-safe.
class PriorsGate : public InstanceSink {
 public:
  explicit PriorsGate(InstanceSink& store);
  ~PriorsGate() override;
  /// From now on; counts what comes. `sender`: the AE title that will send.
  void expect(const std::string& study_instance_uid, const std::string& sender, const CurrentStudy& current);
  struct Count {
    std::size_t kept = 0, duplicates = 0, refused = 0;
    std::vector<std::string> failures;
  };
  Count forget(const std::string& study_instance_uid);

  std::filesystem::path incoming() const override;
  std::optional<Error> no_room(std::uint64_t bytes) const override;
  std::vector<Receipt> accept(std::vector<Arrival> arrivals) override;
  void association_opened(std::uint64_t association, const Origin& origin) override;
  void association_ended(std::uint64_t association, bool released) override;
  void note_lists(const std::vector<SeriesList>& lists) override;
  void note_message(const OrderMessage& message) override;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::receive
