/// The analyses of this program, one entry each: what it reads, which options it takes, how it runs. The command line
/// and the study kit are made from this table.
///
///   for (const AnalysisEntry& entry : all_analyses()) ...
///   Outcome outcome = find_analysis("roc")->run({.inputs = {{"input", "scores.csv"}}, .options = {{"score",
///   "p_Effusion"}}});
#pragma once
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "evidence/evidence.h"

namespace rouage::evidence {

struct AnalysisRequest {
  std::map<std::string, std::filesystem::path> inputs{};  ///< by InputEntry::name
  std::map<std::string, std::string> options;  ///< by OptionEntry::name, as typed; an absent one takes its default
  AnalysisOptions common{};
};

struct InputEntry {
  std::string name;  ///< "input", "marks"
  std::string help;  ///< which columns
  bool required = true;
};
struct OptionEntry {
  std::string name;  ///< without dashes: "score", "counts"
  std::string help;
  std::string initial = {};             ///< default, as typed; "" for none
  std::vector<std::string> words = {};  ///< the allowed values; empty: any
  bool flag = false;                    ///< takes no value; "1" when given
};

struct AnalysisEntry {
  std::string name;   ///< "roc"
  std::string title;  ///< one sentence for --help
  std::vector<InputEntry> inputs;
  std::vector<OptionEntry> options;
  /// Errors: FileMissing, TableInvalid, OptionInvalid (names option and remedy), StatisticUndefined when nothing can be
  /// said.
  Outcome (*run)(const AnalysisRequest& request);
};

/// In the order of analyses.cpp.
const std::vector<AnalysisEntry>& all_analyses();
const AnalysisEntry* find_analysis(const std::string& name);  ///< nullptr when there is none

/// An option as typed or its default; whole list split at commas; a number. Errors: OptionInvalid.
std::string option_text(const AnalysisEntry& entry, const AnalysisRequest& request, const std::string& name);
std::vector<std::string> option_list(const AnalysisEntry& entry, const AnalysisRequest& request,
                                     const std::string& name);
double option_number(const AnalysisEntry& entry, const AnalysisRequest& request, const std::string& name);
bool option_flag(const AnalysisRequest& request, const std::string& name);

}  // namespace rouage::evidence
