#include "infer/checkpoint/pickle.h"

#include <fmt/format.h>

#include <bit>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/values.h"
#include "infer/checkpoint/forbidden_names.h"

namespace rouage::infer::checkpoint {
namespace {

constexpr std::size_t kNameCap = 512;

enum Opcode : std::uint8_t {
  kMark = '(',
  kStop = '.',
  kPop = '0',
  kPopMark = '1',
  kDup = '2',
  kBinInt = 'J',
  kBinInt1 = 'K',
  kBinInt2 = 'M',
  kNone = 'N',
  kBinPersistent = 'Q',
  kReduce = 'R',
  kBinString = 'T',
  kShortBinString = 'U',
  kBinUnicode = 'X',
  kAppend = 'a',
  kBuild = 'b',
  kGlobal = 'c',
  kDict = 'd',
  kAppends = 'e',
  kBinGet = 'h',
  kLongBinGet = 'j',
  kList = 'l',
  kBinPut = 'q',
  kLongBinPut = 'r',
  kSetItem = 's',
  kTuple = 't',
  kSetItems = 'u',
  kEmptyTuple = ')',
  kEmptyList = ']',
  kEmptyDict = '}',
  kBinFloat = 'G',
  kBinBytes = 'B',
  kShortBinBytes = 'C',
  kProto = 0x80,
  kNewObject = 0x81,
  kTuple1 = 0x85,
  kTuple2 = 0x86,
  kTuple3 = 0x87,
  kNewTrue = 0x88,
  kNewFalse = 0x89,
  kLong1 = 0x8a,
  kLong4 = 0x8b,
  kShortBinUnicode = 0x8c,
  kBinUnicode8 = 0x8d,
  kBinBytes8 = 0x8e,
  kEmptySet = 0x8f,
  kAddItems = 0x90,
  kFrozenSet = 0x91,
  kNewObjectEx = 0x92,
  kStackGlobal = 0x93,
  kMemoize = 0x94,
  kFrame = 0x95,
  kByteArray8 = 0x96
};  // clang-format would give each a line of its own

class Machine {
 public:
  Machine(std::span<const std::uint8_t> bytes, const PickleLimits& limits) : bytes_(bytes), limits_(limits) {}

  Pickle run() {
    if (bytes_.size() > limits_.bytes)
      fail(fmt::format("the pickle has {} bytes, at most {} are read", bytes_.size(), limits_.bytes));
    if (bytes_.size() < 2 || bytes_[0] != kProto) fail("no pickle of protocol 2 or later");
    for (;;) {
      start_ = at_;
      const std::uint8_t op = u8();
      if (op == kStop) break;
      if (!number(op) && !text(op) && !container(op) && !object(op) && !memory(op))
        fail(fmt::format("the opcode 0x{:02x} is outside the subset that is read", op));
      if (stack_.size() + memo_.size() + marks_.size() > limits_.references) fail("more values in use than are read");
    }
    if (stack_.size() != 1 || !marks_.empty()) fail("the pickle does not end with one value");
    const Ref root = stack_.back();
    return {std::move(nodes_), root};
  }

 private:
  [[noreturn]] void fail(const std::string& what) const {
    throw Error(ErrorCode::CheckpointInvalid, what).tag(fmt::format("data.pkl, byte {}", start_));
  }

  // Bytes of the pickle.
  std::span<const std::uint8_t> take(std::uint64_t count) {
    if (count > bytes_.size() - at_) fail("the pickle ends too early");
    const auto part = bytes_.subspan(at_, static_cast<std::size_t>(count));
    at_ += part.size();
    return part;
  }
  std::uint8_t u8() { return take(1)[0]; }
  std::uint64_t little(std::size_t width) {
    std::uint64_t value = 0;
    const auto part = take(width);
    for (std::size_t i = 0; i < width; ++i) value |= std::uint64_t{part[i]} << (8 * i);
    return value;
  }
  std::string chars(std::uint64_t count) {
    const auto part = take(count);
    return {part.begin(), part.end()};
  }
  std::string line() {
    std::string made;
    for (std::uint8_t c = u8(); c != '\n'; c = u8()) {
      if (made.size() >= kNameCap) fail("a name that does not end");
      made += static_cast<char>(c);
    }
    return made;
  }

  // The stack. A mark is a fence: nothing below it may be taken before it is.
  Ref add(Node node) {
    if (nodes_.size() >= limits_.nodes) fail(fmt::format("more than {} values", limits_.nodes));
    node.offset = static_cast<std::uint32_t>(start_);
    nodes_.push_back(std::move(node));
    return static_cast<Ref>(nodes_.size() - 1);
  }
  void push(Node node) { stack_.push_back(add(std::move(node))); }
  void push_kind(Kind kind, std::vector<Ref> items = {}) { push({.kind = kind, .items = std::move(items)}); }
  Ref pop() {
    if (stack_.size() <= (marks_.empty() ? 0 : marks_.back())) fail("the pickle takes a value that is not there");
    const Ref ref = stack_.back();
    stack_.pop_back();
    return ref;
  }
  Ref top() {
    const Ref ref = pop();
    stack_.push_back(ref);
    return ref;
  }
  std::vector<Ref> pop_to_mark() {
    if (marks_.empty()) fail("the pickle takes a mark that is not there");
    const auto from = stack_.begin() + static_cast<std::ptrdiff_t>(marks_.back());
    std::vector<Ref> items(from, stack_.end());
    stack_.erase(from, stack_.end());
    marks_.pop_back();
    return items;
  }

  bool number(std::uint8_t op) {
    switch (op) {
      case kNone:
        push_kind(Kind::none);
        return true;
      case kNewTrue:
        push({.kind = Kind::boolean, .integer = 1});
        return true;
      case kNewFalse:
        push({.kind = Kind::boolean});
        return true;
      case kBinInt:
        push_integer(static_cast<std::int32_t>(static_cast<std::uint32_t>(little(4))));
        return true;
      case kBinInt1:
        push_integer(u8());
        return true;
      case kBinInt2:
        push_integer(static_cast<std::int64_t>(little(2)));
        return true;
      case kLong1:
        push_long(u8());
        return true;
      case kLong4:
        push_long(little(4));
        return true;
      case kBinFloat: {
        std::uint64_t bits = 0;
        for (const std::uint8_t byte : take(8)) bits = bits << 8 | byte;
        push({.kind = Kind::real, .real = std::bit_cast<double>(bits)});
        return true;
      }
      default:
        return false;
    }
  }
  void push_integer(std::int64_t value) { push({.kind = Kind::integer, .integer = value}); }
  /// Two's complement, lowest byte first.
  void push_long(std::uint64_t width) {
    const auto part = take(width);
    if (width > 8) return push_kind(Kind::opaque);
    std::uint64_t value = width > 0 && (part.back() & 0x80) ? ~std::uint64_t{0} : 0;
    for (std::size_t i = part.size(); i-- > 0;) value = value << 8 | part[i];
    push_integer(static_cast<std::int64_t>(value));
  }

  bool text(std::uint8_t op) {
    switch (op) {
      case kShortBinUnicode:
        push_text(u8());
        return true;
      case kBinUnicode:
        push_text(little(4));
        return true;
      case kBinUnicode8:
        push_text(little(8));
        return true;
      case kShortBinBytes:
      case kShortBinString:
        push({.kind = Kind::bytes, .text = chars(u8())});
        return true;
      case kBinBytes:
      case kBinString:
        push({.kind = Kind::bytes, .text = chars(little(4))});
        return true;
      case kBinBytes8:
      case kByteArray8:
        push({.kind = Kind::bytes, .text = chars(little(8))});
        return true;
      default:
        return false;
    }
  }
  void push_text(std::uint64_t length) {
    std::string made = chars(length);
    if (!valid_utf8(made)) fail("a text that is not UTF-8");
    push({.kind = Kind::text, .text = std::move(made)});
  }

  bool container(std::uint8_t op) {
    switch (op) {
      case kEmptyTuple:
        push_kind(Kind::tuple);
        return true;
      case kTuple1:
        push_tuple(1);
        return true;
      case kTuple2:
        push_tuple(2);
        return true;
      case kTuple3:
        push_tuple(3);
        return true;
      case kTuple:
        push_kind(Kind::tuple, pop_to_mark());
        return true;
      case kEmptyList:
      case kEmptySet:
        push_kind(Kind::list);
        return true;
      case kList:
      case kFrozenSet:
        push_kind(Kind::list, pop_to_mark());
        return true;
      case kEmptyDict:
        push_kind(Kind::dict);
        return true;
      case kDict:
        push_kind(Kind::dict, pairs(pop_to_mark()));
        return true;
      case kAppend:
        extend(Kind::list, {pop()});
        return true;
      case kAppends:
      case kAddItems:
        extend(Kind::list, pop_to_mark());
        return true;
      case kSetItems:
        extend(Kind::dict, pairs(pop_to_mark()));
        return true;
      case kSetItem: {
        const Ref value = pop(), key = pop();
        extend(Kind::dict, {key, value});
        return true;
      }
      default:
        return false;
    }
  }
  void push_tuple(std::size_t count) {
    std::vector<Ref> items(count);
    for (std::size_t i = count; i-- > 0;) items[i] = pop();
    push_kind(Kind::tuple, std::move(items));
  }
  std::vector<Ref> pairs(std::vector<Ref> items) const {
    if (items.size() % 2 != 0) fail("a key without a value");
    return items;
  }
  /// What is added to an object that a Python would have built is let go: such an object is never looked into.
  void extend(Kind kind, const std::vector<Ref>& items) {
    Node& node = nodes_[top()];
    if (node.kind == Kind::call) return;
    if (node.kind != kind) fail("something is added to a value that holds none");
    node.items.insert(node.items.end(), items.begin(), items.end());
  }

  bool object(std::uint8_t op) {
    switch (op) {
      case kGlobal: {
        const std::string module = line();
        push_global(module, line());
        return true;
      }
      case kStackGlobal: {
        const Ref name = pop(), module = pop();
        if (nodes_[name].kind != Kind::text || nodes_[module].kind != Kind::text) fail("a name that is no text");
        push_global(nodes_[module].text, nodes_[name].text);
        return true;
      }
      case kReduce:
      case kNewObject: {
        const Ref arguments = pop(), function = pop();
        push_call(function, arguments);
        return true;
      }
      case kNewObjectEx: {
        pop();
        const Ref arguments = pop(), function = pop();
        push_call(function, arguments);
        return true;
      }
      case kBuild:
        build();
        return true;
      case kBinPersistent:
        push_kind(Kind::stored, {pop()});
        return true;
      default:
        return false;
    }
  }
  void push_global(const std::string& module, const std::string& name) {
    if (module.size() > kNameCap || name.size() > kNameCap) fail("a name that is too long");
    if (!valid_utf8(module) || !valid_utf8(name)) fail("a name that is not UTF-8");
    // "a.b" as a name walks through attributes: from a harmless module to any other.
    if (forbidden_name(module, name) || name.find('.') != std::string::npos)
      throw Error(ErrorCode::CheckpointInvalid, "it names " + module + "." + name + ", which no checkpoint needs")
          .tag(fmt::format("data.pkl, byte {}", start_))
          .remedy("do not open this file with Python either: it may have been made to run a program; ask who made it");
    push({.kind = Kind::global, .text = module + " " + name});
  }
  void push_call(Ref function, Ref arguments) {
    if (nodes_[arguments].kind != Kind::tuple) fail("a call whose arguments are no tuple");
    const Node& called = nodes_[function];
    const bool dict = called.kind == Kind::global &&
                      (called.text == "collections OrderedDict" || called.text == "collections defaultdict" ||
                       called.text == "builtins dict" || called.text == "__builtin__ dict");
    if (dict && (nodes_[arguments].items.empty() || called.text == "collections defaultdict"))
      return push_kind(Kind::dict);
    push_kind(Kind::call, {function, arguments});
  }
  void build() {
    const Ref state = pop();
    Node& node = nodes_[top()];
    if (node.kind == Kind::call) {
      if (node.items.size() == 2) node.items.push_back(state);
    } else if (node.kind != Kind::dict && node.kind != Kind::list) {
      fail("a state is given to a value that has none");
    }
  }

  bool memory(std::uint8_t op) {
    switch (op) {
      case kProto:
        if (const std::uint8_t protocol = u8(); protocol < 2 || protocol > 5)
          fail(fmt::format("pickle protocol {} is not read", protocol));
        return true;
      case kFrame:
        take_frame(little(8));
        return true;
      case kMark:
        marks_.push_back(stack_.size());
        return true;
      case kPop:
        if (!marks_.empty() && marks_.back() == stack_.size())
          marks_.pop_back();
        else
          pop();
        return true;
      case kPopMark:
        pop_to_mark();
        return true;
      case kDup:
        stack_.push_back(top());
        return true;
      case kBinPut:
        memo_[u8()] = top();
        return true;
      case kLongBinPut:
        memo_[little(4)] = top();
        return true;
      case kMemoize: {
        const std::uint64_t next = memo_.size();
        memo_[next] = top();
        return true;
      }
      case kBinGet:
        recall(u8());
        return true;
      case kLongBinGet:
        recall(little(4));
        return true;
      default:
        return false;
    }
  }
  void take_frame(std::uint64_t length) const {
    if (length > bytes_.size() - at_) fail("a frame that is longer than the pickle");
  }
  void recall(std::uint64_t key) {
    const auto found = memo_.find(key);
    if (found == memo_.end()) fail("the pickle recalls a value that it never put aside");
    stack_.push_back(found->second);
  }

  std::span<const std::uint8_t> bytes_;
  PickleLimits limits_;
  std::size_t at_ = 0, start_ = 0;
  std::vector<Node> nodes_;
  std::vector<Ref> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Ref> memo_;
};

}  // namespace

std::optional<Ref> Pickle::find(Ref dict, std::string_view key) const {
  const Node& node = at(dict);
  if (node.kind != Kind::dict) return std::nullopt;
  for (std::size_t i = node.items.size(); i >= 2; i -= 2)
    if (const Node& k = at(node.items[i - 2]); k.kind == Kind::text && k.text == key) return node.items[i - 1];
  return std::nullopt;
}

std::string_view Pickle::callee(Ref ref) const {
  const Node& node = at(ref);
  if (node.kind != Kind::call) return {};
  const Node& function = at(node.items[0]);
  return function.kind == Kind::global ? std::string_view(function.text) : std::string_view();
}

Ref Pickle::argument(Ref ref, std::size_t index) const {
  const Node& node = at(ref);
  if (node.kind != Kind::call || at(node.items[1]).items.size() <= index)
    refuse(ref, fmt::format("argument {} is missing", index + 1));
  return at(node.items[1]).items[index];
}

std::string Pickle::description(Ref ref) const {
  switch (at(ref).kind) {
    case Kind::none:
      return "None";
    case Kind::boolean:
      return "a truth value";
    case Kind::integer:
      return "an integer";
    case Kind::real:
      return "a number";
    case Kind::text:
      return "a text";
    case Kind::bytes:
      return "bytes";
    case Kind::tuple:
      return "a tuple";
    case Kind::list:
      return "a list";
    case Kind::dict:
      return "a dict";
    case Kind::global:
      return "the name " + at(ref).text;
    case Kind::call:
      return "an object made by " + std::string(callee(ref).empty() ? "another object" : callee(ref));
    case Kind::stored:
      return "a storage";
    case Kind::opaque:
      return "an integer of more than 64 bits";
  }
  return "";
}

void Pickle::refuse(Ref ref, const std::string& what) const {
  throw Error(ErrorCode::CheckpointInvalid, what + "; there stands " + description(ref))
      .tag(fmt::format("data.pkl, byte {}", at(ref).offset));
}

Pickle read_pickle(std::span<const std::uint8_t> bytes, const PickleLimits& limits) {
  return Machine(bytes, limits).run();
}

}  // namespace rouage::infer::checkpoint
