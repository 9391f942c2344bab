#include "app/model_boxes.h"

#include <charconv>
#include <string>

#include "base/error.h"
#include "base/host.h"
#include "dicom/reading.h"
#include "infer/model_check.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t kShuffleSeed = 1;

class BoxTable {
 public:
  explicit BoxTable(const fs::path& path) : path_(path), table_(read_csv(path)) {
    for (const char* name : {"file", "finding", "x", "y", "w", "h"})
      if (table_.column(name) < 0)
        throw Error(ErrorCode::TableInvalid, std::string("no column is called ") + name)
            .file(path)
            .remedy("columns: file, finding, x, y, w, h and, if the boxes are of another size, px_frame");
  }
  std::size_t size() const { return table_.rows.size(); }
  std::string word(std::size_t row, const char* column) const {
    return table_.rows[row][static_cast<std::size_t>(table_.column(column))];
  }
  bool has(const char* column) const { return table_.column(column) >= 0; }
  double number(std::size_t row, const char* column) const {
    const std::string text(trimmed(word(row, column)));
    double value = 0;
    const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failure != std::errc() || end != text.data() + text.size())
      throw Error(ErrorCode::TableInvalid,
                  "row " + std::to_string(row + 2) + ": " + column + " \"" + text + "\" is no number")
          .file(path_);
    return value;
  }
  /// In pixels of a film that is `columns` wide.
  cogs::Box box(std::size_t row, std::uint32_t columns) const {
    const double scale = has("px_frame") ? columns / number(row, "px_frame") : 1;
    const double x = number(row, "x") * scale, y = number(row, "y") * scale;
    const cogs::Box box{x, y, x + number(row, "w") * scale, y + number(row, "h") * scale};
    if (!(box.x1 > box.x0 && box.y1 > box.y0 && scale > 0 && box.x0 < columns))
      throw Error(ErrorCode::TableInvalid, "row " + std::to_string(row + 2) + ": the box is empty or outside its film")
          .file(path_);
    return box;
  }

 private:
  fs::path path_;
  CsvTable table_;
};

image::Film film_at(const fs::path& path) {
  const dicom::FileKind kind = dicom::file_kind(path);
  const bool picture = kind == dicom::FileKind::png || kind == dicom::FileKind::jpeg;
  return std::move((picture ? dicom::read_picture_as_film(path, {}, {}) : dicom::read_film(path, {})).film);
}

/// The folder of a package with shuffled weights, removed again.
struct ShuffledPackage {
  fs::path folder;
  explicit ShuffledPackage(const infer::Package& package)
      : folder(fs::temp_directory_path() / ("rouage-shuffled-" + package.digest.substr(0, 16))) {
    infer::write_shuffled_package(package, kShuffleSeed, folder);
  }
  ~ShuffledPackage() {
    std::error_code ignored;
    fs::remove_all(folder, ignored);
  }
  ShuffledPackage(const ShuffledPackage&) = delete;
  ShuffledPackage& operator=(const ShuffledPackage&) = delete;
};

}  // namespace

BoxReport play_boxes(const fs::path& package_folder, const fs::path& boxes) {
  dicom::initialise();
  const BoxTable table(boxes);
  const infer::Package package = infer::read_package(package_folder);
  const ShuffledPackage shuffled(package);
  cogs::PointingGame game(infer::load(package, {}), infer::load(infer::read_package(shuffled.folder), {}));
  BoxReport report;
  ProgressBar progress("boxes", table.size());
  for (std::size_t row = 0; row < table.size(); ++row) {
    const image::Film film = film_at(boxes.parent_path() / table.word(row, "file"));
    std::string label = table.word(row, "finding");
    if (label == "Infiltrate") label = "Infiltration";
    ++report.boxes;
    if (!game.add(film, label, table.box(row, film.columns))) ++report.unknown;
    progress.advance(row + 1, label);
  }
  report.rows = game.rows();
  return report;
}

}  // namespace rouage::app
