/// A pickle read as plain data: nothing is imported, called or built.
///
///   const Pickle pickle = read_pickle(bytes);
///   if (auto weights = pickle.find(pickle.root(), "network_weights")) ...
///
/// The interpreter knows the opcodes that protocols 2 to 5 need for data. What a Python would call is kept as a node
/// (`call`) that names the function and holds its arguments; a reader that recognises the name may interpret it, nobody
/// executes it. A name that has no business in a checkpoint (os.system, builtins.eval...) refuses the whole file,
/// wherever it stands. Values live in one table and refer to each other by number, so that cycles and deep nesting cost
/// nothing. Source: CPython 3.11 Lib/pickletools.py (meaning of the opcodes), PEP 3154, PEP 574.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace rouage::infer::checkpoint {

using Ref = std::uint32_t;

enum class Kind : std::uint8_t {
  none,
  boolean,  ///< integer 0 or 1
  integer,
  real,
  text,   ///< UTF-8
  bytes,  ///< in `text`
  tuple,
  list,    ///< also sets
  dict,    ///< items: key, value, key, value...
  global,  ///< text: "module name"
  call,    ///< items: function, arguments [, state]
  stored,  ///< items: the persistent id (torch: a storage)
  opaque,  ///< a number beyond 64 bits
};

struct Node {
  Kind kind = Kind::none;
  std::uint32_t offset = 0;  ///< of the opcode that made it
  std::int64_t integer = 0;
  double real = 0;
  std::string text{};
  std::vector<Ref> items{};
};

struct PickleLimits {
  std::uint64_t bytes = 64ULL << 20;     ///< of the pickle
  std::uint64_t nodes = 2'000'000;       ///< values; a checkpoint of 1000 epochs has some 100,000
  std::uint64_t references = 8'000'000;  ///< entries of stack and memo together
};

class Pickle {
 public:
  Pickle(std::vector<Node> nodes, Ref root) : nodes_(std::move(nodes)), root_(root) {}

  Ref root() const { return root_; }
  const Node& at(Ref ref) const { return nodes_[ref]; }
  /// Value of a text key; the last one where it stands twice, as Python would. Absent also when `dict` is no dict.
  std::optional<Ref> find(Ref dict, std::string_view key) const;
  /// "module name" of the function of a call, else "".
  std::string_view callee(Ref ref) const;
  /// Argument `index` of a call. Errors: CheckpointInvalid (there are fewer).
  Ref argument(Ref ref, std::size_t index) const;
  std::optional<std::string> text_of(Ref ref) const;
  /// Integers, booleans and numpy's integer scalars.
  std::optional<std::int64_t> integer_of(Ref ref) const;
  /// What stands there, for a message: "a list", "a call of os system".
  std::string description(Ref ref) const;
  /// Throws CheckpointInvalid with the place in the pickle and what stands there.
  [[noreturn]] void refuse(Ref ref, const std::string& what) const;
  /// A JSON document of plain data (dict with text keys, list, tuple, numbers, texts, numpy scalars and small arrays).
  /// Errors: CheckpointInvalid (anything else in it, deeper than 64, over 200,000 values).
  std::string json_of(Ref ref) const;

 private:
  std::vector<Node> nodes_;
  Ref root_;
};

/// Errors: CheckpointInvalid (tag "data.pkl, byte N"): damaged, an opcode outside the subset, a forbidden name, over a
/// limit.
Pickle read_pickle(std::span<const std::uint8_t> bytes, const PickleLimits& limits = {});

}  // namespace rouage::infer::checkpoint
