#include <charconv>
#include <filesystem>
#include <map>
#include <optional>

#include "app/analyze.h"
#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

/// The --table rows by file name: the whole relative path first, the bare name where that is not found.
class FactsTable {
 public:
  FactsTable(CsvTable table, const fs::path& path)
      : table_(std::move(table)), path_(path), folder_(path.parent_path()) {
    const int file = table_.column("file");
    if (file < 0) throw Error(ErrorCode::TableInvalid, "no column is called file").file(path);
    for (std::size_t i = 0; i < table_.rows.size(); ++i) {
      const std::string& name = table_.rows[i][static_cast<std::size_t>(file)];
      rows_[name] = rows_[fs::path(name).filename().string()] = i;
    }
  }

  /// Cells are read when their film comes: a row that no input needs is not judged.
  dicom::PictureFacts find(const fs::path& input) const {
    const fs::path relative =
        fs::absolute(input).lexically_normal().lexically_relative(fs::absolute(folder_).lexically_normal());
    for (const std::string& name : {relative.string(), input.string(), input.filename().string()})
      if (const auto found = rows_.find(name); found != rows_.end()) try {
          return facts_of(table_, table_.rows[found->second]);
        } catch (const Error& error) {
          throw Error(ErrorCode::TableInvalid, "row " + std::to_string(found->second + 2) + ": " + error.detail())
              .file(path_);
        }
    return {};
  }

 private:
  static dicom::PictureFacts facts_of(const CsvTable& table, const std::vector<std::string>& row) {
    const auto cell = [&](std::string_view name) {
      const int column = table.column(name);
      return column < 0 ? std::string() : std::string(trimmed(row[static_cast<std::size_t>(column)]));
    };
    dicom::PictureFacts facts{.patient_id = cell("patient"),
                              .study_id = cell("study"),
                              .sex = cell("sex"),
                              .view = cell("view"),
                              .accession = cell("accession"),
                              .study_date = cell("date"),
                              .age_a = {}};
    if (const std::string age = cell("age"); !age.empty()) facts.age_a = age_of(age);
    return facts;
  }

  /// Years, or a range of years ("1-5") where the source gives no better: its middle, as long as the whole range is on
  /// one side of the age that decides (18); a range across it is no age.
  static std::optional<double> age_of(const std::string& text) {
    const auto dash = text.find('-', 1);
    if (dash == std::string::npos) return years_of(text);
    const double low = years_of(text.substr(0, dash)), high = years_of(text.substr(dash + 1));
    constexpr double kAdult = 18;
    if (low < kAdult && high >= kAdult) return std::nullopt;
    return (low + high) / 2;
  }

  static double years_of(const std::string& text) {
    double age = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), age);
    if (failure != std::errc() || end != text.data() + text.size() || !(age >= 0 && age < 150))
      throw Error(ErrorCode::TableInvalid, "\"" + text + "\" is not an age in years");
    return age;
  }

  CsvTable table_;
  fs::path path_;
  fs::path folder_;
  std::map<std::string, std::size_t> rows_;
};

bool inside(const fs::path& file, const fs::path& folder) {
  const auto relative =
      fs::absolute(file).lexically_normal().lexically_relative(fs::absolute(folder).lexically_normal());
  return !relative.empty() && *relative.begin() != "..";
}

}  // namespace

std::vector<PlannedInput> plan_inputs(const AnalyzeOptions& options) {
  std::optional<FactsTable> table;
  if (!options.table.empty()) table.emplace(read_csv(options.table), options.table);
  std::vector<PlannedInput> inputs;
  for (const std::string& path : options.paths) {
    try {
      for (const fs::path& file : files_below(path)) {
        if (inside(file, options.out)) continue;
        PlannedInput input;
        input.job.path = file;
        input.job.as_film = options.as_film;
        if (table) input.job.facts = table->find(file);
        if (options.frame > 0) input.job.frame = options.frame;
        inputs.push_back(std::move(input));
      }
    } catch (const Error& error) {
      PlannedInput input;
      input.job.path = path;
      input.problem_message = error.what();
      input.problem = refused_document(path, options.settings.cog, std::string(error_entry(error.code()).name),
                                       error.what(), error.tag(), error.remedy());
      inputs.push_back(std::move(input));
    }
  }
  return inputs;
}

}  // namespace rouage::app
