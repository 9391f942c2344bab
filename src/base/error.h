/// The one family of exceptions of Rouage.
///
///   throw Error(ErrorCode::FileMissing, "no such folder").file(path);
///   catch (Error& e) { throw e.file(path); }          // context is added on the way up, never replaced
///
/// Thrown at room boundaries for what should not have happened. What is expected (a film that is not eligible, a
/// result that is not there yet) is a value, never an Error. The table of codes is src/base/errors.toml.
#pragma once
#include <exception>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error_codes.h"

namespace rouage {

const ErrorEntry& error_entry(ErrorCode code);

class Error : public std::exception {
 public:
  /// detail: what exactly is wrong, in English, one sentence without the file name.
  explicit Error(ErrorCode code, std::string detail = {});

  /// Each setter keeps what an inner frame already said.
  Error& file(const std::filesystem::path& path);
  Error& tag(std::string_view tag);        ///< e.g. "(0028,0010) Rows"
  Error& remedy(std::string_view remedy);  ///< replaces the table's general remedy by a precise one

  ErrorCode code() const { return code_; }
  const std::string& detail() const { return detail_; }
  const std::string& file() const { return file_; }
  const std::string& tag() const { return tag_; }
  std::string remedy() const;
  int exit_code() const { return error_entry(code_).exit; }

  /// "film.dcm: (0028,0010) Rows: <table text>: <detail>; <remedy>", absent parts left out.
  const char* what() const noexcept override { return what_.c_str(); }

 private:
  void compose();
  ErrorCode code_;
  std::string detail_, file_, tag_, remedy_, what_;
};

}  // namespace rouage
