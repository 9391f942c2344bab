#include "infer/nnunet/memory.h"

#include <algorithm>

#include "base/error.h"
#include "base/host.h"
#include "base/values.h"
#include "infer/nnunet/exporter.h"
#include "infer/nnunet/preprocess.h"
#include "infer/nnunet/slab.h"

namespace rouage::infer {
namespace nnunet {
namespace {

std::string mib(std::uint64_t bytes) {
  return std::to_string((bytes + kMebibyte - 1) / kMebibyte);
}

/// Every product of the formula fits when these few do: they bound all others.
void refuse_overflow(const NnunetModel& model, const Geometry& g, std::size_t folds) {
  std::uint64_t product = 0;
  const std::uint64_t outputs = std::uint64_t{model.classes()} + 1, inputs = model.net_channels();
  const bool fits = multiply_checked({8 * inputs, g.full[0], g.full[1], g.full[2]}, product) &&
                    product < std::uint64_t{1} << 48 &&
                    multiply_checked({8 * inputs, g.padded[0], g.padded[1], g.padded[2]}, product) &&
                    product < std::uint64_t{1} << 48 &&
                    multiply_checked({4 * outputs * folds, g.patch[0], g.padded[1], g.padded[2]}, product) &&
                    product < std::uint64_t{1} << 48 && multiply_checked({8 * outputs, g.patch_voxels()}, product) &&
                    product < std::uint64_t{1} << 48;
  if (!fits)
    throw Error(ErrorCode::MemoryBudget, "the arrays would take more than 2^48 bytes")
        .remedy("check the sizes and spacings in the file's header and in plans.json");
}

}  // namespace

bool reorients(const NnunetModel& model, const image::Grid& grid) {
  return model.reorient_to_ras && grid.orientation() != "RAS";
}

MemoryPlan memory_of(const NnunetModel& model, const Geometry& g, const SegmentOptions& options) {
  const std::size_t folds = std::max<std::size_t>(1, model.folds.size());
  refuse_overflow(model, g, folds);
  MemoryPlan plan;
  const std::uint64_t grid = voxels(g.full), target = voxels(g.target);
  const bool cascade = !model.previous_stage.empty();
  plan.input = grid * (4 * model.channels.size() + (cascade ? 2 : 0));
  plan.preprocess = preprocess_work_bytes(model, g, options.threads);
  plan.preprocessed = 4 * target * (model.channels.size() + (cascade ? 1 : 0));
  const bool mirrored = options.mirroring && !model.mirror_axes.empty();
  plan.patches =
      4 * g.patch_voxels() * (model.net_channels() + std::uint64_t{model.classes()} * (mirrored ? 2 : 1) + 1);
  plan.slab = slab_bytes(g, model.classes(), folds, options.accumulation);
  plan.out = exporter_bytes(g, model, options.accumulation, options.threads);
  if (model.reorient_to_ras) {  // a turned copy of the input, and labels turned back
    plan.input *= 2;
    plan.out += 4 * grid;
  }
  const auto peak = [&](std::uint64_t nets) {
    plan.nets = nets;
    plan.peak =
        plan.input + plan.preprocessed + std::max(plan.preprocess, plan.patches + plan.slab + plan.nets + plan.out);
    return plan.peak;
  };
  peak(folds * options.net_bytes);
  if (options.memory_budget_bytes != 0 && plan.peak > options.memory_budget_bytes && folds > 1) {
    peak(options.net_bytes);
    plan.nets_kept = false;
  }
  if (options.memory_budget_bytes != 0 && plan.peak > options.memory_budget_bytes)
    throw Error(ErrorCode::MemoryBudget, mib(plan.peak) + " MiB are needed, " + mib(options.memory_budget_bytes) +
                                             " MiB allowed: " + plan.text())
        .remedy("allow more memory, or use fewer folds or no mirroring");
  return plan;
}

}  // namespace nnunet

std::string MemoryPlan::text() const {
  using nnunet::mib;
  return "input " + mib(input) + ", preprocessing " + mib(preprocess) + ", preprocessed " + mib(preprocessed) +
         ", patches " + mib(patches) + ", slab " + mib(slab) + ", nets " + mib(nets) +
         (nets_kept ? "" : " (one at a time)") + ", labels out " + mib(out) + ", peak " + mib(peak) + " MiB";
}

MemoryPlan plan_memory(const NnunetModel& model, const image::Grid& grid, const SegmentOptions& options) {
  const image::Grid seen = nnunet::reorients(model, grid) ? image::reoriented(grid, "RAS") : grid;
  const Shape3 full = nnunet::transposed(nnunet::shape_of(seen), model.transpose_forward);
  const Spacing3 spacing = nnunet::transposed(nnunet::spacing_of(seen), model.transpose_forward);
  return nnunet::memory_of(model, nnunet::geometry_of(model, full, {{0, 0, 0}, full}, spacing, options.step_size),
                           options);
}

}  // namespace rouage::infer
