// Plain data out of a pickle: texts, integers, numpy's scalars and small arrays, JSON.
#include <fmt/format.h>

#include <bit>
#include <cstring>
#include <nlohmann/json.hpp>
#include <utility>

#include "base/error.h"
#include "base/values.h"
#include "infer/checkpoint/pickle.h"

namespace rouage::infer::checkpoint {
namespace {

constexpr int kDepthCap = 64;
constexpr std::size_t kValueCap = 200'000;
constexpr std::size_t kArrayCap = 4096;

/// Bytes of a numpy value: as they are, or as protocol 2 writes them: _codecs.encode(text, "latin1").
std::string raw_bytes(const Pickle& pickle, Ref ref, std::size_t cap) {
  const Node& node = pickle.at(ref);
  std::string made;
  if (node.kind == Kind::bytes) {
    made = node.text.substr(0, cap + 1);
  } else if (pickle.callee(ref) == "_codecs encode") {
    const Node& text = pickle.at(pickle.argument(ref, 0));
    // Latin-1 as UTF-8: one byte, or 0xC2 or 0xC3 and the lower six bits; valid UTF-8 was checked on the way in.
    for (std::size_t i = 0; i < text.text.size() && made.size() <= cap; ++i) {
      const auto lead = static_cast<unsigned char>(text.text[i]);
      if (lead >= 0xC4) pickle.refuse(ref, "bytes of a numpy value are expected");
      if (lead < 0x80)
        made += text.text[i];
      else
        made += static_cast<char>((lead & 3) << 6 | (static_cast<unsigned char>(text.text[++i]) & 0x3F));
    }
  } else {
    pickle.refuse(ref, "bytes of a numpy value are expected");
  }
  if (made.size() > cap) pickle.refuse(ref, "a numpy value that is larger than is read");
  return made;
}

/// "f8", "i4", "b1"...; big-endian and structured types are refused.
std::string element_type(const Pickle& pickle, Ref dtype) {
  if (pickle.callee(dtype) != "numpy dtype") pickle.refuse(dtype, "a numpy dtype is expected");
  std::string name = pickle.text_of(pickle.argument(dtype, 0)).value_or("");
  const Node& node = pickle.at(dtype);
  if (node.items.size() > 2) {
    const Node& state = pickle.at(node.items[2]);
    if (state.items.size() > 1 && pickle.text_of(state.items[1]).value_or("<") == ">")
      pickle.refuse(dtype, "big-endian numbers are not read");
  }
  return name;
}

std::size_t width_of(const Pickle& pickle, Ref dtype, const std::string& type) {
  static constexpr std::pair<std::string_view, std::size_t> kKnown[] = {{"f8", 8}, {"f4", 4}, {"i8", 8}, {"i4", 4},
                                                                        {"i2", 2}, {"i1", 1}, {"u8", 8}, {"u4", 4},
                                                                        {"u2", 2}, {"u1", 1}, {"b1", 1}};
  for (const auto& [name, width] : kKnown)
    if (type == name) return width;
  pickle.refuse(dtype, "numpy values of the type " + type.substr(0, 16) + " are not read");
}

nlohmann::json number_from(const std::string& type, std::string_view bytes) {
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) bits |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  if (type == "f8") return std::bit_cast<double>(bits);
  if (type == "f4") return static_cast<double>(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  if (type == "b1") return bits != 0;
  if (type[0] == 'u') return bits;
  const unsigned unused = static_cast<unsigned>(64 - 8 * bytes.size());
  return static_cast<std::int64_t>(bits << unused) >> unused;
}

bool is_scalar(std::string_view callee) {
  return callee == "numpy.core.multiarray scalar" || callee == "numpy._core.multiarray scalar";
}
bool is_array(std::string_view callee) {
  return callee == "numpy.core.multiarray _reconstruct" || callee == "numpy._core.multiarray _reconstruct";
}

nlohmann::json scalar(const Pickle& pickle, Ref ref) {
  const Ref dtype = pickle.argument(ref, 0);
  const std::string type = element_type(pickle, dtype);
  const std::size_t width = width_of(pickle, dtype, type);
  const std::string bytes = raw_bytes(pickle, pickle.argument(ref, 1), width);
  if (bytes.size() != width) pickle.refuse(ref, "a numpy scalar of another length than its type");
  return number_from(type, bytes);
}

/// State of an array: (version, shape, dtype, Fortran order, bytes). One axis only: lists of numbers are all that plans
/// hold.
nlohmann::json array(const Pickle& pickle, Ref ref) {
  const Node& node = pickle.at(ref);
  if (node.items.size() < 3 || pickle.at(node.items[2]).items.size() != 5)
    pickle.refuse(ref, "a numpy array without its state");
  const std::vector<Ref>& state = pickle.at(node.items[2]).items;
  const std::string type = element_type(pickle, state[2]);
  const std::size_t width = width_of(pickle, state[2], type);
  const Node& shape = pickle.at(state[1]);
  const std::int64_t count = shape.items.size() == 1 ? pickle.integer_of(shape.items[0]).value_or(-1) : -1;
  if (count < 0 || count > static_cast<std::int64_t>(kArrayCap))
    pickle.refuse(ref, "a numpy array that is not one short row of numbers");
  const std::string bytes = raw_bytes(pickle, state[4], width * kArrayCap);
  if (bytes.size() != width * static_cast<std::size_t>(count))
    pickle.refuse(ref, "a numpy array whose length differs from its shape");
  nlohmann::json made = nlohmann::json::array();
  for (std::size_t i = 0; i < bytes.size(); i += width)
    made.push_back(number_from(type, std::string_view(bytes).substr(i, width)));
  return made;
}

class JsonMaker {
 public:
  explicit JsonMaker(const Pickle& pickle) : pickle_(pickle) {}

  nlohmann::json made(Ref ref, int depth) {
    if (depth > kDepthCap) pickle_.refuse(ref, "values nested deeper than is read");
    if (++count_ > kValueCap) pickle_.refuse(ref, "more values than are read");
    const Node& node = pickle_.at(ref);
    switch (node.kind) {
      case Kind::none:
        return nullptr;
      case Kind::boolean:
        return node.integer != 0;
      case Kind::integer:
        return node.integer;
      case Kind::real:
        return node.real;
      case Kind::text:
        return text(ref, node);
      case Kind::tuple:
      case Kind::list: {
        nlohmann::json list = nlohmann::json::array();
        for (const Ref item : node.items) list.push_back(made(item, depth + 1));
        return list;
      }
      case Kind::dict:
        return dict(node, depth);
      default:
        break;
    }
    if (is_scalar(pickle_.callee(ref))) return scalar(pickle_, ref);
    if (is_array(pickle_.callee(ref))) return array(pickle_, ref);
    pickle_.refuse(ref, "plain data is expected");
  }

 private:
  /// The memo lets one long text stand in a thousand places: its copies are counted by their length.
  std::string text(Ref ref, const Node& node) {
    count_ += node.text.size() / 64;
    if (count_ > kValueCap) pickle_.refuse(ref, "more text than is read");
    return node.text;
  }
  nlohmann::json dict(const Node& node, int depth) {
    nlohmann::json object = nlohmann::json::object();
    for (std::size_t i = 0; i + 1 < node.items.size(); i += 2) {
      const Node& key = pickle_.at(node.items[i]);
      std::string name;
      if (key.kind == Kind::text)
        name = text(node.items[i], key);
      else if (key.kind == Kind::integer)
        name = std::to_string(key.integer);
      else
        pickle_.refuse(node.items[i], "a text is expected as key");
      object[name] = made(node.items[i + 1], depth + 1);
    }
    return object;
  }

  const Pickle& pickle_;
  std::size_t count_ = 0;
};

}  // namespace

std::optional<std::string> Pickle::text_of(Ref ref) const {
  if (at(ref).kind != Kind::text) return std::nullopt;
  return at(ref).text;
}

std::optional<std::int64_t> Pickle::integer_of(Ref ref) const {
  if (at(ref).kind == Kind::integer || at(ref).kind == Kind::boolean) return at(ref).integer;
  if (!is_scalar(callee(ref))) return std::nullopt;
  const nlohmann::json value = scalar(*this, ref);
  if (!value.is_number_integer() || (value.is_number_unsigned() && value.get<std::uint64_t>() > INT64_MAX))
    return std::nullopt;
  return value.get<std::int64_t>();
}

std::string Pickle::json_of(Ref ref) const {
  return JsonMaker(*this).made(ref, 0).dump();
}

}  // namespace rouage::infer::checkpoint
