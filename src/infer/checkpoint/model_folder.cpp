#include "infer/checkpoint/model_folder.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "base/error.h"
#include "infer/onnx_file.h"

namespace rouage::infer::checkpoint {
namespace {

namespace fs = std::filesystem;
constexpr const char* kOnnx = "model.onnx";
constexpr const char* kFinal = "checkpoint_final.pth";
constexpr const char* kBest = "checkpoint_best.pth";

bool file_there(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

/// Numbers N of the folders fold_N, in order.
std::vector<int> fold_numbers(const fs::path& folder) {
  std::vector<int> numbers;
  std::error_code problem;
  for (auto at = fs::directory_iterator(folder, problem); !problem && at != fs::directory_iterator();
       at.increment(problem)) {
    const std::string name = at->path().filename().string();
    int number = -1;
    if (!name.starts_with("fold_") || name.size() > 9) continue;
    const auto [end, error] = std::from_chars(name.data() + 5, name.data() + name.size(), number);
    if (error == std::errc{} && end == name.data() + name.size() && number >= 0) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  return numbers;
}

fs::path checkpoint_in(const fs::path& fold, const NnunetImportOptions& options) {
  if (!options.checkpoint.empty()) return fold / options.checkpoint;
  return file_there(fold / kFinal) || !file_there(fold / kBest) ? fold / kFinal : fold / kBest;
}

std::vector<FoldSource> candidates(const fs::path& folder, const NnunetImportOptions& options) {
  std::vector<FoldSource> made;
  if (options.fold_all) return {{.fold = "all", .number = 0, .weights = folder / "fold_all"}};
  std::vector<int> wanted = options.folds.empty() ? fold_numbers(folder) : options.folds;
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  made.reserve(made.size() + wanted.size());
  for (const int number : wanted)
    made.push_back(
        {.fold = std::to_string(number), .number = number, .weights = folder / fmt::format("fold_{}", number)});
  return made;
}

[[noreturn]] void nothing_there(const fs::path& folder, const std::string& what) {
  throw Error(ErrorCode::FileMissing, fmt::format("{}; folders with a number here: {}", what, fold_numbers(folder)))
      .file(folder)
      .remedy(
          "give the folder DATASET/TRAINER__PLANS__CONFIGURATION that holds plans.json and fold_0 with its checkpoint");
}

}  // namespace

FolderSources find_sources(const fs::path& folder, const NnunetImportOptions& options) {
  std::error_code ignored;
  if (!fs::is_directory(folder, ignored)) throw Error(ErrorCode::FileMissing, "there is no such folder").file(folder);
  if (!options.checkpoint.empty() && !plain_file_name(options.checkpoint))
    throw Error(ErrorCode::FileMissing, "a file name is expected for the checkpoint, not a path")
        .file(options.checkpoint);
  const std::vector<FoldSource> all = candidates(folder, options);
  const bool chosen = options.fold_all || !options.folds.empty();
  FolderSources made;
  const bool every_onnx = !all.empty() && std::all_of(all.begin(), all.end(), [](const FoldSource& f) {
    return file_there(f.weights / kOnnx);
  });
  made.onnx = options.weights == NnunetWeights::onnx || (options.weights == NnunetWeights::automatic && every_onnx);
  for (FoldSource fold : all) {
    const fs::path home = fold.weights;
    fold.weights = made.onnx ? home / kOnnx : checkpoint_in(home, options);
    if (!file_there(fold.weights)) {
      if (chosen)
        nothing_there(folder, fmt::format("{} of fold {} is missing", fold.weights.filename().string(), fold.fold));
      made.warnings.push_back(
          fmt::format("fold {} has no {} and was left out", fold.fold, fold.weights.filename().string()));
      continue;
    }
    if (options.checkpoint.empty() && fold.weights.filename() == kBest)
      made.warnings.push_back(fmt::format("fold {} has no {}: {} was taken", fold.fold, kFinal, kBest));
    made.folds.push_back(std::move(fold));
  }
  if (made.folds.empty()) nothing_there(folder, "no fold has weights");
  if (!options.fold_all && fs::is_directory(folder / "fold_all", ignored))
    made.warnings.push_back("fold_all was left out, as nnU-Net does unless it is asked for");
  return made;
}

}  // namespace rouage::infer::checkpoint
