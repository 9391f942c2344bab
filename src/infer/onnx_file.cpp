#include "infer/onnx_file.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <set>
#include <span>

#include "base/error.h"
#include "base/host.h"
#include "infer/wire.h"

namespace rouage::infer {
namespace {

constexpr std::uint64_t kFileCap = 1024 * kMebibyte;
constexpr int kDepthCap = 8;  // subgraphs in subgraphs: real models have two

[[noreturn]] void malformed(const char* what) {
  throw Error(ErrorCode::ModelInvalid, std::string("not an ONNX file: ") + what);
}

std::uint64_t number(const std::string& digits) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error != std::errc{} || end != digits.data() + digits.size()) malformed("an external offset that is no number");
  return value;
}

class Walk {
 public:
  explicit Walk(std::span<const std::uint8_t> file) : file_(file) {}

  OnnxContent model() {
    bool graph_seen = false;
    Message message(file_);
    for (Field f; message.next(f);) {
      if (f.number == 1 && f.wire == 0) content_.ir_version = static_cast<std::int64_t>(f.value);
      if (f.number == 7 && f.wire == 2) {
        graph(f.content, 0);
        graph_seen = true;
      }
    }
    if (!graph_seen) malformed("no graph");
    return std::move(content_);
  }

 private:
  void graph(std::span<const std::uint8_t> bytes, int depth) {
    if (depth > kDepthCap) malformed("subgraphs too deep");
    Message message(bytes);
    for (Field f; message.next(f);) {
      if (f.wire != 2) continue;
      if (f.number == 1) node(f.content, depth);
      if (f.number == 5) tensor(f.content);
    }
  }

  void node(std::span<const std::uint8_t> bytes, int depth) {
    ++content_.node_count;
    Message message(bytes);
    for (Field f; message.next(f);) {
      if (f.number != 5 || f.wire != 2) continue;
      Message attribute(f.content);
      for (Field a; attribute.next(a);) {
        if (a.wire != 2) continue;
        if (a.number == 5 || a.number == 10) tensor(a.content);            // t, tensors
        if (a.number == 6 || a.number == 11) graph(a.content, depth + 1);  // g, graphs
      }
    }
  }

  void tensor(std::span<const std::uint8_t> bytes) {
    OnnxTensor made;
    bool external = false;
    Message message(bytes);
    for (Field f; message.next(f);) {
      if (f.number == 1 && f.wire == 0) made.dims.push_back(static_cast<std::int64_t>(f.value));
      if (f.number == 1 && f.wire == 2)
        for (Message packed(f.content); !packed.empty();)
          made.dims.push_back(static_cast<std::int64_t>(packed.varint()));
      if (f.number == 2 && f.wire == 0) made.element_type = static_cast<int>(f.value);
      if (f.number == 8 && f.wire == 2) made.name = text(f.content);
      if (f.number == 9 && f.wire == 2) {
        made.offset = static_cast<std::uint64_t>(f.content.data() - file_.data());
        made.length = f.content.size();
      }
      if (f.number == 13 && f.wire == 2) external_entry(f.content, made);
      if (f.number == 14 && f.wire == 0) external = f.value == 1;
    }
    if (external && made.external_file.empty()) malformed("a tensor outside the file without a location");
    content_.initializers.push_back(std::move(made));
  }

  static void external_entry(std::span<const std::uint8_t> bytes, OnnxTensor& made) {
    std::string key, value;
    Message message(bytes);
    for (Field f; message.next(f);) {
      if (f.number == 1 && f.wire == 2) key = text(f.content);
      if (f.number == 2 && f.wire == 2) value = text(f.content);
    }
    if (key == "location") made.external_file = value;
    if (key == "offset") made.offset = number(value);
    if (key == "length") made.length = number(value);
  }

  std::span<const std::uint8_t> file_;
  OnnxContent content_;
};

}  // namespace

std::vector<std::string> OnnxContent::external_files() const {
  std::set<std::string> files;
  for (const OnnxTensor& t : initializers)
    if (!t.external_file.empty()) files.insert(t.external_file);
  return {files.begin(), files.end()};
}

OnnxContent read_onnx(std::span<const std::uint8_t> bytes) {
  return Walk(bytes).model();
}

bool plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string("/\\:\0", 4)) == std::string::npos;
}

void check_onnx_file(const std::filesystem::path& onnx) {
  const Bytes bytes = read_file(onnx, kFileCap);
  for (const std::string& name : read_onnx(bytes).external_files()) {
    if (!plain_file_name(name)) throw Error(ErrorCode::ModelInvalid, "its weights point outside its folder: " + name);
    if (!std::filesystem::is_regular_file(onnx.parent_path() / name))
      throw Error(ErrorCode::ModelInvalid, "its file of weights is missing: " + name);
  }
}

}  // namespace rouage::infer
