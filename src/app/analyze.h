/// `rouage analyze`: plan the inputs, let children do the work, publish, tell.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "app/film_job.h"

namespace rouage::app {

struct AnalyzeOptions {
  std::vector<std::string> paths;
  std::string out;
  RunSettings settings;
  bool as_film = false, json = false;
  std::string table;  ///< CSV with a column `file` and any of patient, study, age, sex, view, accession, date
  int frame = 0;      ///< 1-based; 0: the only frame
  int jobs = 0;       ///< children; 0: one a core
  std::uint64_t memory_mb = 4096;
  double deadline_s = 300;
};

/// One input of the run: a file to read, or a path that could not be opened (then `problem` is a refused document).
struct PlannedInput {
  FilmJob job;
  std::string problem, problem_message;
};

/// Files of all paths in order, those below `out` left out. Errors: TableInvalid, FileMissing (the table).
std::vector<PlannedInput> plan_inputs(const AnalyzeOptions& options);

/// What a person is shown.
class Teller {
 public:
  Teller(const AnalyzeOptions& options, std::size_t inputs);
  void tell(const std::string& document);  ///< in input order
  void close();                            ///< the table and the counts
 private:
  void remember(const std::string& line);
  const AnalyzeOptions& options_;
  std::vector<std::vector<std::string>> rows_;  ///< of the table at the end
  std::string details_;                         ///< of each film, where they are few
  std::map<std::string, int> counts_;           ///< films by status
  std::size_t inputs_;
};

/// Exit code: 0 done, 1 with refusals, 3 no input could be opened, 130 interrupted (run again to go on).
int analyze(const AnalyzeOptions& options);

}  // namespace rouage::app
