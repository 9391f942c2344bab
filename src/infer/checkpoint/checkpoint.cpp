#include "infer/checkpoint/checkpoint.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/host.h"
#include "infer/checkpoint/pickle.h"
#include "infer/float16.h"

namespace rouage::infer::checkpoint {
namespace {

constexpr std::uint64_t kPickleCap = 64 * kMebibyte;
constexpr std::uint64_t kTensorCap = 1024 * kMebibyte;  // bytes: no .onnx file over 1 GiB is opened anyway
constexpr std::size_t kAxesCap = 8;
constexpr std::size_t kWeightsCap = 100'000;
constexpr const char* kPickleName = "data.pkl";

std::uint64_t width_of(Element element) {
  switch (element) {
    case Element::float16:
    case Element::bfloat16:
      return 2;
    case Element::float64:
      return 8;
    default:
      return 4;
  }
}

Element element_of(std::string_view storage) {
  if (storage == "torch FloatStorage") return Element::float32;
  if (storage == "torch HalfStorage") return Element::float16;
  if (storage == "torch BFloat16Storage") return Element::bfloat16;
  if (storage == "torch DoubleStorage") return Element::float64;
  return Element::other;
}

/// The archive, after a look at the first bytes: other formats get a word of their own.
ZipArchive open_archive(RandomAccess file) {
  const Bytes start = file.bytes(0, std::min<std::uint64_t>(file.size, 512));
  const auto text_at = [&](std::size_t at, std::string_view text) {
    return start.size() >= at + text.size() &&
           std::equal(text.begin(), text.end(), start.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const bool legacy = (start.size() > 2 && start[0] == 0x80 && start[1] <= 5) || text_at(257, "ustar");
  if (legacy)
    throw Error(ErrorCode::CheckpointInvalid, "it was saved in the format from before torch 1.6")
        .remedy("load and save it once with a torch of today, or export ONNX (training/export_nnunet.py)");
  if (!text_at(0, "PK")) throw Error(ErrorCode::CheckpointInvalid, "it is no torch checkpoint: no zip archive");
  return ZipArchive(std::move(file));
}

std::string find_root(const ZipArchive& archive) {
  std::string root;
  int found = 0;
  for (const auto& [name, entry] : archive.entries()) {
    const auto slash = name.find('/');
    if (slash == std::string::npos || name.substr(slash + 1) != kPickleName) continue;
    root = name.substr(0, slash + 1);
    ++found;
  }
  if (found != 1)
    throw Error(ErrorCode::CheckpointInvalid, fmt::format("one entry NAME/data.pkl is expected, there are {}", found));
  if (archive.find(root + "constants.pkl") != nullptr)
    throw Error(ErrorCode::CheckpointInvalid, "it is a TorchScript program, not a checkpoint");
  if (archive.find(root + "byteorder") != nullptr) {
    const Bytes order = archive.read(root + "byteorder", 16);
    if (std::string(order.begin(), order.end()) != "little")
      throw Error(ErrorCode::CheckpointInvalid, "it was written on a big-endian machine")
          .remedy("save it again on a little-endian one");
  }
  return root;
}

std::vector<std::uint64_t> extents(const Pickle& pickle, Ref ref) {
  const Node& node = pickle.at(ref);
  if (node.kind != Kind::tuple || node.items.size() > kAxesCap)
    pickle.refuse(ref, "a tensor's sizes or strides are expected");
  std::vector<std::uint64_t> made;
  for (const Ref item : node.items) {
    const std::optional<std::int64_t> value = pickle.integer_of(item);
    if (!value || *value < 0) pickle.refuse(item, "a size or stride is no whole number of at least 0");
    made.push_back(static_cast<std::uint64_t>(*value));
  }
  return made;
}

void read_storage(const Pickle& pickle, Ref ref, TensorView& view) {
  const Node& node = pickle.at(ref);
  if (node.kind != Kind::stored) pickle.refuse(ref, "a tensor's storage is expected");
  const Node& id = pickle.at(node.items[0]);
  if (id.kind != Kind::tuple || id.items.size() != 5 || pickle.text_of(id.items[0]).value_or("") != "storage")
    pickle.refuse(ref, "a persistent id (\"storage\", type, key, place, elements) is expected");
  const Node& type = pickle.at(id.items[1]);
  const std::optional<std::string> key = pickle.text_of(id.items[2]);
  const std::optional<std::int64_t> elements = pickle.integer_of(id.items[4]);
  if (type.kind != Kind::global || !key || !elements || *elements < 0)
    pickle.refuse(ref, "a storage of an unknown form");
  view.element = element_of(type.text);
  view.type = type.text;
  view.storage = *key;
  view.storage_elements = static_cast<std::uint64_t>(*elements);
}

/// The last element that the view reaches must lie inside the storage, and it may not show more elements than there
/// are.
void check_view(const Pickle& pickle, Ref ref, const TensorView& view) {
  std::uint64_t last = view.offset, elements = 1;
  bool good = true;
  for (std::size_t i = 0; good && i < view.sizes.size(); ++i) {
    std::uint64_t step = 0;
    good = multiply_checked({elements, view.sizes[i]}, elements) &&
           multiply_checked({view.sizes[i] > 0 ? view.sizes[i] - 1 : 0, view.strides[i]}, step) &&
           step <= UINT64_MAX - last;
    if (good) last += step;
  }
  good = good && elements <= view.storage_elements && (elements == 0 || last < view.storage_elements);
  if (!good) pickle.refuse(ref, "a tensor reaches beyond its storage");
}

TensorView tensor_view(const Pickle& pickle, Ref ref) {
  if (pickle.callee(ref) == "torch._utils _rebuild_parameter") ref = pickle.argument(ref, 0);
  if (pickle.callee(ref) != "torch._utils _rebuild_tensor_v2") pickle.refuse(ref, "a tensor is expected");
  TensorView view;
  read_storage(pickle, pickle.argument(ref, 0), view);
  const std::optional<std::int64_t> offset = pickle.integer_of(pickle.argument(ref, 1));
  if (!offset || *offset < 0) pickle.refuse(ref, "a tensor's offset is no whole number of at least 0");
  view.offset = static_cast<std::uint64_t>(*offset);
  view.sizes = extents(pickle, pickle.argument(ref, 2));
  view.strides = extents(pickle, pickle.argument(ref, 3));
  if (view.sizes.size() != view.strides.size()) pickle.refuse(ref, "a tensor has not as many strides as sizes");
  check_view(pickle, ref, view);
  return view;
}

std::string bare_name(std::string_view name) {
  for (bool again = true; again;) {
    again = false;
    for (const std::string_view prefix : {"module.", "_orig_mod."})
      if (name.starts_with(prefix)) {
        name.remove_prefix(prefix.size());
        again = true;
      }
  }
  return std::string(name);
}

std::map<std::string, TensorView> read_weights(const Pickle& pickle) {
  const std::optional<Ref> found = pickle.find(pickle.root(), "network_weights");
  if (!found) pickle.refuse(pickle.root(), "there is no network_weights: it is no checkpoint of nnU-Net v2");
  const Node& dict = pickle.at(*found);
  if (dict.kind != Kind::dict || dict.items.empty()) pickle.refuse(*found, "network_weights is no dict of tensors");
  if (dict.items.size() / 2 > kWeightsCap) pickle.refuse(*found, "network_weights has more entries than any net");
  std::map<std::string, TensorView> weights;
  for (std::size_t i = 0; i + 1 < dict.items.size(); i += 2) {
    const std::optional<std::string> name = pickle.text_of(dict.items[i]);
    if (!name || name->empty()) pickle.refuse(dict.items[i], "the name of a weight is expected");
    try {
      if (!weights.emplace(bare_name(*name), tensor_view(pickle, dict.items[i + 1])).second)
        pickle.refuse(dict.items[i], "it stands there twice");
    } catch (Error& error) {
      throw Error(error.code(), "network_weights, " + *name + ": " + error.detail())
          .tag(error.tag())
          .remedy(error.remedy());
    }
  }
  return weights;
}

/// A copy of a file that lies beside the checkpoint: not needed, so what is no plain data is let lie.
std::string json_beside(const Pickle& pickle, Ref arguments, std::string_view key) {
  const std::optional<Ref> found = pickle.find(arguments, key);
  if (!found || pickle.at(*found).kind != Kind::dict) return {};
  try {
    return pickle.json_of(*found);
  } catch (const Error&) {
    return {};
  }
}

/// Widens bytes to float32. The element type is one of the four.
float value_at(const std::uint8_t* bytes, Element element) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < width_of(element); ++i) bits |= std::uint64_t{bytes[i]} << (8 * i);
  if (element == Element::float16) return half_to_float(static_cast<std::uint16_t>(bits));
  if (element == Element::bfloat16) return std::bit_cast<float>(static_cast<std::uint32_t>(bits << 16));
  if (element == Element::float64) return static_cast<float>(std::bit_cast<double>(bits));
  return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
}

/// Row-major values of a view whose first element is the first of `bytes`.
std::vector<float> gather(const TensorView& view, std::span<const std::uint8_t> bytes) {
  std::vector<float> values(static_cast<std::size_t>(view.elements()));
  std::vector<std::uint64_t> index(view.sizes.size(), 0);
  const std::uint64_t width = width_of(view.element);
  std::uint64_t at = 0;
  for (float& value : values) {
    value = value_at(bytes.data() + at * width, view.element);
    for (std::size_t axis = index.size(); axis-- > 0;) {
      at += view.strides[axis];
      if (++index[axis] < view.sizes[axis]) break;
      at -= view.strides[axis] * view.sizes[axis];
      index[axis] = 0;
    }
  }
  return values;
}

}  // namespace

std::uint64_t TensorView::elements() const {
  std::uint64_t count = 1;
  for (const std::uint64_t size : sizes) count *= size;
  return count;
}

Checkpoint::Checkpoint(RandomAccess file) : archive_(open_archive(std::move(file))), root_(find_root(archive_)) {
  read_pickle_entry();
}

void Checkpoint::read_pickle_entry() {
  const Pickle pickle = read_pickle(archive_.read(root_ + kPickleName, kPickleCap), {.bytes = kPickleCap});
  const Ref top = pickle.root();
  weights_ = read_weights(pickle);
  if (const auto name = pickle.find(top, "trainer_name")) trainer = pickle.text_of(*name).value_or("");
  if (const auto arguments = pickle.find(top, "init_args")) {
    if (const auto word = pickle.find(*arguments, "configuration")) configuration = pickle.text_of(*word).value_or("");
    plans_json = json_beside(pickle, *arguments, "plans");
    dataset_json = json_beside(pickle, *arguments, "dataset_json");
  }
  const auto axes = pickle.find(top, "inference_allowed_mirroring_axes");
  mirroring_known = axes.has_value();
  if (!axes || pickle.at(*axes).kind == Kind::none) return;
  const Node& list = pickle.at(*axes);
  if (list.kind != Kind::tuple && list.kind != Kind::list) pickle.refuse(*axes, "the mirroring axes are no list");
  mirroring_axes.emplace();
  for (const Ref item : list.items) {
    const std::int64_t axis = pickle.integer_of(item).value_or(-1);
    const bool twice = std::find(mirroring_axes->begin(), mirroring_axes->end(), axis) != mirroring_axes->end();
    if (axis < 0 || axis > 2 || twice) pickle.refuse(item, "a mirroring axis from 0 to 2 is expected, each once");
    mirroring_axes->push_back(static_cast<int>(axis));
  }
}

std::vector<float> Checkpoint::load(const std::string& name) {
  const auto found = weights_.find(name);
  if (found == weights_.end()) throw Error(ErrorCode::CheckpointInvalid, "the weight " + name + " is missing");
  const TensorView& view = found->second;
  if (view.element == Element::other)
    throw Error(ErrorCode::CheckpointInvalid,
                "the weight " + name + " is of the type " + view.type + ", which is not read");
  if (view.elements() == 0) throw Error(ErrorCode::CheckpointInvalid, "the weight " + name + " is empty");
  const std::uint64_t width = width_of(view.element);
  std::uint64_t reach = 1, all = 0, first = 0, length = 0;  // check_view made sure that the reach fits
  for (std::size_t i = 0; i < view.sizes.size(); ++i) reach += (view.sizes[i] - 1) * view.strides[i];
  const std::string entry = root_ + "data/" + view.storage;
  const ZipEntry* stored = archive_.find(entry);
  if (stored == nullptr)
    throw Error(ErrorCode::CheckpointInvalid, "the storage " + entry + " of " + name + " is missing");
  if (!multiply_checked({view.storage_elements, width}, all) || all > stored->size ||
      !multiply_checked({view.offset, width}, first) || !multiply_checked({reach, width}, length) ||
      length > kTensorCap)
    throw Error(ErrorCode::CheckpointInvalid, "the storage of " + name + " is shorter than it says, or over 1 GiB");
  std::vector<float> values = gather(view, archive_.read_range(entry, first, length));
  if (std::any_of(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }))
    throw Error(ErrorCode::CheckpointInvalid, "the weight " + name + " holds values that are not finite");
  return values;
}

}  // namespace rouage::infer::checkpoint
