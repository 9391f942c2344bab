/// A study whose plan is written before its data are looked at: registered, run as planned, told in one report.
///
///   register_study("effusion.toml");                       // writes effusion.toml.lock: digests of plan and data
///   StudyReport report = run_study({.plan = "effusion.toml", .language = "fr"});
///   write_file_atomic("effusion.html", report.html);       // and report.pdf, report.json
///
/// The plan's form is docs/formats/evidence-study.md. The same plan, data, language and seed give the same bytes; the
/// only date is the plan's own.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/values.h"

namespace rouage::evidence {

struct StudyRequest {
  std::filesystem::path plan{};
  bool unregistered = false;  ///< run although there is no lock, or plan or data differ from it; the report says so
  std::string language = "en";
  int threads = 1;
};
struct StudyReport {
  std::string html{}, json{}, summary{};  ///< summary: lines for a terminal
  Bytes pdf{};
  bool registered = false;  ///< plan and data are what was registered
};

/// PLAN.lock beside the plan: SHA-256 of the plan and of each data file. Never replaces a lock of other digests.
/// Returns its path. Errors: FileMissing, ConfigInvalid (line and key; or a lock of another plan exists).
std::filesystem::path register_study(const std::filesystem::path& plan);

/// An analysis that cannot be run (StatisticUndefined, TableInvalid...) is listed with its reason, and a hypothesis
/// that needs it is not shown; the others run. Errors: FileMissing, ConfigInvalid (also: not registered, or changed
/// since: names what).
StudyReport run_study(const StudyRequest& request);

/// p values adjusted for all of them together, in the order given. Holm (1979): step down; Hochberg (1988): step up,
/// for independent or positively dependent tests. Absent p values count as 1.
std::vector<double> adjusted_holm(const std::vector<double>& p);
std::vector<double> adjusted_hochberg(const std::vector<double>& p);

}  // namespace rouage::evidence
