/// The analyses, one line each; nothing registers itself.
#include "evidence/analyses.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "evidence/agreement.h"
#include "evidence/assistance.h"
#include "evidence/calibration.h"
#include "evidence/diagnostic.h"
#include "evidence/mrmc.h"
#include "evidence/report.h"
#include "evidence/roc.h"
#include "evidence/survival.h"

namespace rouage::evidence {
namespace {

const OptionEntry& declared(const AnalysisEntry& entry, const std::string& name) {
  for (const OptionEntry& option : entry.options)
    if (option.name == name) return option;
  throw Error(ErrorCode::Internal, entry.name + " declares no option " + name);
}

}  // namespace

const std::vector<AnalysisEntry>& all_analyses() {
  static const std::vector<AnalysisEntry> kAnalyses{diagnostic_entry(), roc_entry(),        calibration_entry(),
                                                    agreement_entry(),  assistance_entry(), survival_entry(),
                                                    mrmc_entry(),       report_entry()};
  return kAnalyses;
}

const AnalysisEntry* find_analysis(const std::string& name) {
  for (const AnalysisEntry& entry : all_analyses())
    if (entry.name == name) return &entry;
  return nullptr;
}

std::string option_text(const AnalysisEntry& entry, const AnalysisRequest& request, const std::string& name) {
  const OptionEntry& option = declared(entry, name);
  const auto given = request.options.find(name);
  std::string value = given == request.options.end() ? option.initial : given->second;
  if (!option.words.empty() && !value.empty() &&
      std::find(option.words.begin(), option.words.end(), value) == option.words.end()) {
    std::string known;
    for (const std::string& word : option.words) known += (known.empty() ? "" : ", ") + word;
    throw Error(ErrorCode::OptionInvalid, "--" + name + " cannot be \"" + value + "\"").remedy("one of: " + known);
  }
  return value;
}

std::vector<std::string> option_list(const AnalysisEntry& entry, const AnalysisRequest& request,
                                     const std::string& name) {
  std::vector<std::string> items;
  for (const std::string& item : split(option_text(entry, request, name), ','))
    if (const std::string_view word = trimmed(item); !word.empty()) items.emplace_back(word);
  return items;
}

double option_number(const AnalysisEntry& entry, const AnalysisRequest& request, const std::string& name) {
  const std::string text = option_text(entry, request, name);
  double value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc() || end != text.data() + text.size())
    throw Error(ErrorCode::OptionInvalid, "--" + name + " wants a number, got \"" + text + "\"");
  return value;
}

bool option_flag(const AnalysisRequest& request, const std::string& name) {
  const auto given = request.options.find(name);
  return given != request.options.end() && given->second != "0" && !given->second.empty();
}

}  // namespace rouage::evidence
