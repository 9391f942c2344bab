/// One net for one patch, planned and packed: convolutions by oneDNN (2.6.3) or our own, the rest by passes.h.
///
///   Engine engine(graph, {128, 128, 128}, Precision::bf16, 2);
///   engine.run(input, logits);
///
/// One run at a time. The graph is not needed afterwards.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "infer/unet/graph.h"
#include "infer/unet/plan.h"
#include "infer/unet/volume_net.h"

namespace rouage::infer::unet {

class Engine {
 public:
  /// Errors: those of make_plan(); NetUnsupported (oneDNN has only its reference loop for a layer, named); FileMissing
  /// and ModelInvalid (external weights).
  Engine(const Graph& graph, const Extent& patch, Precision precision, int threads);
  ~Engine();
  Engine(Engine&&) noexcept;
  Engine& operator=(Engine&&) noexcept;

  const Plan& plan() const;
  std::uint64_t memory_bytes() const;
  /// input: [c][z][y][x]; logits: [class][z][y][x]. Errors: InferenceFailed.
  void run(const float* input, float* logits);
  /// A line a step: what runs it, with its sizes; for tests and people.
  std::string description() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "rouage-unet 1 (oneDNN 2.6.3)"
std::string engine_name();

}  // namespace rouage::infer::unet
