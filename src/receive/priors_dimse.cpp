#include <algorithm>
#include <map>

#include "base/error.h"
#include "receive/priors_source.h"

namespace rouage::receive {
namespace {

constexpr std::uint32_t kCharset = 0x00080005, kSopClass = 0x00080016, kSopInstance = 0x00080018, kDate = 0x00080020,
                        kTime = 0x00080030, kAccession = 0x00080050, kLevel = 0x00080052, kModality = 0x00080060,
                        kModalities = 0x00080061, kStudyText = 0x00081030, kSeriesText = 0x0008103E, kId = 0x00100020,
                        kIssuer = 0x00100021, kBirth = 0x00100030, kSex = 0x00100040, kBodyPart = 0x00180015,
                        kStudy = 0x0020000D, kSeries = 0x0020000E, kInSeries = 0x00201209;

/// A study that says nothing of its classes is asked for with these: images that a cog may compare.
constexpr std::array<const char*, 10> kUsualClasses = {
    "1.2.840.10008.5.1.4.1.1.1",      // CR
    "1.2.840.10008.5.1.4.1.1.1.1",    // DX for presentation
    "1.2.840.10008.5.1.4.1.1.1.1.1",  // DX for processing
    "1.2.840.10008.5.1.4.1.1.2",      // CT
    "1.2.840.10008.5.1.4.1.1.2.1",    // enhanced CT
    "1.2.840.10008.5.1.4.1.1.4",      // MR
    "1.2.840.10008.5.1.4.1.1.4.1",    // enhanced MR
    "1.2.840.10008.5.1.4.1.1.1.2",    // mammography for presentation
    "1.2.840.10008.5.1.4.1.1.20",     // NM
    "1.2.840.10008.5.1.4.1.1.128",    // PET
};

/// As the archive holds it, whatever that is: uncompressed, then each compression that readers here know.
const std::vector<std::string> kSyntaxes = {
    "1.2.840.10008.1.2.1",    "1.2.840.10008.1.2",      "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.57",
    "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.50",
    "1.2.840.10008.1.2.4.51", "1.2.840.10008.1.2.5"};

/// A presentation context a compression: 128 are all that an association has.
constexpr std::size_t kMostClasses = 12;

/// Leaves a C-GET that is under way; Scu aborts its association when anything else than its own errors passes through.
struct Enough : std::exception {};

std::string value(const dicom::Attributes& attributes, std::uint32_t tag) {
  const auto found = attributes.find(tag);
  return found == attributes.end() ? std::string{} : found->second;
}

int count_of(const std::string& text) {
  const bool digits = !text.empty() && text.size() < 8 && text.find_first_not_of("0123456789") == std::string::npos;
  return digits ? std::stoi(text) : 0;
}

class DimsePriors : public PriorsPeer {
 public:
  DimsePriors(const PriorsSource& source, const Deadline& deadline) : source_(source), deadline_(deadline) {}

  std::vector<FoundStudy> studies(const std::string& patient_id, const std::string& days) override {
    dicom::Attributes keys = {{kLevel, "STUDY"}, {kId, patient_id}, {kDate, days}, {kCharset, "ISO_IR 192"}};
    for (const std::uint32_t tag : {kStudy, kTime, kAccession, kModalities, kStudyText, kIssuer, kBirth, kSex})
      keys[tag] = "";
    std::vector<FoundStudy> all;
    ask(keys, [&](const dicom::Attributes& answer) {
      FoundStudy found;
      found.study = {value(answer, kStudy),
                     value(answer, kId),
                     value(answer, kDate),
                     value(answer, kTime),
                     value(answer, kStudyText),
                     value(answer, kAccession),
                     {},
                     {}};
      found.issuer = value(answer, kIssuer);
      found.birth_date = value(answer, kBirth);
      found.sex = value(answer, kSex);
      found.modalities = value(answer, kModalities);
      all.push_back(std::move(found));
      return all.size() < kMostAnswers;
    });
    return all;
  }

  std::vector<PriorSeries> series(const std::string& study_instance_uid) override {
    dicom::Attributes keys = {{kLevel, "SERIES"}, {kStudy, study_instance_uid}, {kCharset, "ISO_IR 192"}};
    for (const std::uint32_t tag : {kSeries, kModality, kSeriesText, kBodyPart, kInSeries}) keys[tag] = "";
    std::vector<PriorSeries> all;
    ask(keys, [&](const dicom::Attributes& answer) {
      all.push_back({value(answer, kSeries),
                     value(answer, kModality),
                     value(answer, kBodyPart),
                     value(answer, kSeriesText),
                     count_of(value(answer, kInSeries)),
                     {}});
      return all.size() < kMostAnswers;
    });
    return all;
  }

  bool fetch(const PriorStudy& study, const PriorSeries& series, InstanceSink& sink, const TakeObject& take) override {
    const dicom::Attributes keys = {
        {kLevel, "SERIES"}, {kStudy, study.study_instance_uid}, {kSeries, series.series_instance_uid}};
    return source_.move_to.empty() ? get(keys, study, series, sink, take) : move(keys);
  }

 private:
  dimse::Peer peer() const {
    dimse::Peer peer = *source_.peer;
    const double left = std::max(0.5, deadline_.left_s());
    peer.connect_timeout_s = std::min(peer.connect_timeout_s, left);
    peer.answer_timeout_s = std::min(peer.answer_timeout_s, left);
    return peer;
  }

  void ask(const dicom::Attributes& keys, const std::function<bool(const dicom::Attributes&)>& match) {
    if (!query_)
      query_ = std::make_unique<dimse::Scu>(
          peer(), source_.calling_ae, std::vector<dimse::Proposal>{{dimse::query_class("study", "find"), {}, false}});
    dimse::Status status;
    try {
      status = query_->find("study", keys,
                            [&](const dicom::Attributes& answer) { return match(answer) && !deadline_.passed(); });
    } catch (const Error&) {
      query_.reset();  // the next try needs an association of its own
      throw;
    }
    if (deadline_.passed()) throw Error(ErrorCode::PeerUnreachable, "the time for priors is over");
    if (!status.good()) throw Error(ErrorCode::PeerRefused, fmt_status("C-FIND", status));
  }

  static std::string fmt_status(const std::string& what, const dimse::Status& status) {
    static constexpr char kDigits[] = "0123456789ABCDEF";
    std::string code;
    for (int shift = 12; shift >= 0; shift -= 4) code += kDigits[(status.code >> shift) & 0xF];
    return what + " was answered 0x" + code + (status.text.empty() ? "" : " (" + status.text + ")");
  }

  /// The classes of a series by an instance query, where the archive answers one.
  std::vector<std::string> classes(const PriorStudy& study, const PriorSeries& series) {
    std::vector<std::string> found;
    try {
      ask({{kLevel, "IMAGE"},
           {kStudy, study.study_instance_uid},
           {kSeries, series.series_instance_uid},
           {kSopInstance, ""},
           {kSopClass, ""}},
          [&](const dicom::Attributes& answer) {
            const std::string uid = value(answer, kSopClass);
            if (dicom::valid_uid(uid) && std::find(found.begin(), found.end(), uid) == found.end())
              found.push_back(uid);
            return found.size() < kMostClasses;
          });
    } catch (const Error& error) {
      if (error.code() != ErrorCode::PeerRefused) throw;
    }
    if (found.empty()) found.assign(kUsualClasses.begin(), kUsualClasses.end());
    return found;
  }

  bool get(const dicom::Attributes& keys, const PriorStudy& study, const PriorSeries& series, InstanceSink& sink,
           const TakeObject& take) {
    std::vector<dimse::Proposal> proposals = {{dimse::query_class("study", "get"), {}, false}};
    for (const std::string& uid : classes(study, series)) proposals.push_back({uid, kSyntaxes, true});
    query_.reset();  // archives count associations
    dimse::Scu scu(peer(), source_.calling_ae, proposals);
    std::size_t came = 0;
    bool all_kept = true;
    const auto arrived = [&](const std::filesystem::path& file, std::uint64_t bytes, const Digest& digest) {
      if (const auto full = sink.no_room(0)) {
        all_kept = false;
        std::error_code ignored;
        std::filesystem::remove(file, ignored);
        return dimse::Status{0xA700, full->what()};
      }
      ++came;
      if (!take(file, bytes, digest)) throw Enough{};
      return dimse::Status{};
    };
    try {
      const dimse::Status status = scu.get("study", keys, sink.incoming(), arrived);
      if (!status.good()) throw Error(ErrorCode::PeerRefused, fmt_status("C-GET", status));
      const bool expected = series.instances == 0 || came >= static_cast<std::size_t>(series.instances);
      return all_kept && expected && status.code == 0;
    } catch (const Enough&) {
      return false;
    }
  }

  bool move(const dicom::Attributes& keys) {
    query_.reset();
    dimse::Scu scu(peer(), source_.calling_ae, {{dimse::query_class("study", "move"), {}, false}});
    const dimse::Status status = scu.move("study", source_.move_to, keys);
    if (!status.good()) throw Error(ErrorCode::PeerRefused, fmt_status("C-MOVE", status));
    return status.code == 0;
  }

  const PriorsSource& source_;
  const Deadline& deadline_;
  std::unique_ptr<dimse::Scu> query_;
};

}  // namespace

std::unique_ptr<PriorsPeer> dimse_priors(const PriorsSource& source, const Deadline& deadline) {
  return std::make_unique<DimsePriors>(source, deadline);
}

}  // namespace rouage::receive
