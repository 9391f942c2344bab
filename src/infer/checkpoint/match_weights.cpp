#include <fmt/format.h>
#include <fmt/ranges.h>

#include <charconv>
#include <set>
#include <string_view>

#include "base/error.h"
#include "infer/checkpoint/unet_graph.h"
#include "infer/checkpoint/weight_names.h"

namespace rouage::infer::checkpoint {
namespace {

constexpr std::string_view kAllModules = ".all_modules.";
constexpr std::string_view kEncoderAgain = "decoder.encoder.";
constexpr std::string_view kHeads = "decoder.seg_layers.";

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorCode::CheckpointInvalid, what)
      .tag("network_weights")
      .remedy(
          "plans.json must be the one that trained this checkpoint; a net that a trainer built itself is exported as "
          "ONNX "
          "(training/export_nnunet.py)");
}

bool is_constant(const std::string& name) {
  return name.starts_with(kConstantOne) || name.starts_with(kConstantZero);
}

/// Number at the start of `text`, which is moved behind it and the dot that follows.
std::optional<std::size_t> leading_number(std::string_view& text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data() + text.size() || *end != '.') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return value;
}

std::string shape_text(const std::vector<std::uint64_t>& sizes) {
  return fmt::format("[{}]", fmt::join(sizes, ", "));
}

void check_wanted(const OnnxWeight& wanted, const Checkpoint& checkpoint) {
  const auto found = checkpoint.weights().find(wanted.name);
  if (found == checkpoint.weights().end()) refuse("the weight " + wanted.name + " is missing");
  const std::vector<std::uint64_t> sizes(wanted.dims.begin(), wanted.dims.end());
  if (found->second.sizes != sizes)
    refuse(fmt::format("the weight {} has the shape {}, the plans make it {}", wanted.name,
                       shape_text(found->second.sizes), shape_text(sizes)));
}

void check_second_name(const std::string& second, const std::string& first, Checkpoint& checkpoint) {
  const auto& weights = checkpoint.weights();
  const auto original = weights.find(first);
  if (original == weights.end()) refuse("the weight " + second + " is left over: " + first + " is missing");
  if (original->second == weights.at(second)) return;
  if (original->second.sizes != weights.at(second).sizes || checkpoint.load(first) != checkpoint.load(second))
    refuse("the weights " + first + " and " + second + " are the same of the net and differ");
}

}  // namespace

std::optional<std::string> first_name(const std::string& name) {
  std::string made = name;
  if (made.starts_with(kEncoderAgain)) made = made.substr(std::string_view("decoder.").size());
  if (const auto at = made.find(kAllModules); at != std::string::npos) {
    std::string_view rest = std::string_view(made).substr(at + kAllModules.size());
    const std::optional<std::size_t> index = leading_number(rest);
    if (!index) return std::nullopt;
    made = made.substr(0, at) + (*index == 0 ? ".conv." : ".norm.") + std::string(rest);
  }
  if (made == name) return std::nullopt;
  return made;
}

bool is_deep_supervision_head(const std::string& name, std::size_t last) {
  if (!name.starts_with(kHeads)) return false;
  std::string_view rest = std::string_view(name).substr(kHeads.size());
  const std::optional<std::size_t> index = leading_number(rest);
  return index && *index < last && (rest == "weight" || rest == "bias");
}

void match_weights(const OnnxGraph& graph, Checkpoint& checkpoint) {
  std::set<std::string> used;
  std::size_t heads = 0;
  for (const OnnxNode& node : graph.nodes) heads += node.op == "ConvTranspose" ? 1 : 0;
  for (const OnnxWeight& wanted : graph.weights) {
    if (is_constant(wanted.name)) continue;
    check_wanted(wanted, checkpoint);
    used.insert(wanted.name);
  }
  for (const auto& [name, view] : checkpoint.weights()) {
    if (used.contains(name) || is_deep_supervision_head(name, heads - 1)) continue;
    const std::optional<std::string> first = first_name(name);
    if (!first || !used.contains(*first))
      refuse("the weight " + name + " " + shape_text(view.sizes) + " is left over: the plans describe another net");
    check_second_name(name, *first, checkpoint);
  }
}

std::vector<float> weight_values(const OnnxWeight& weight, Checkpoint& checkpoint) {
  if (!is_constant(weight.name)) return checkpoint.load(weight.name);
  return std::vector<float>(static_cast<std::size_t>(weight.dims.front()),
                            weight.name.starts_with(kConstantOne) ? 1.0F : 0.0F);
}

}  // namespace rouage::infer::checkpoint
