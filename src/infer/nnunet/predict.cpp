#include "infer/nnunet/predict.h"

#include <algorithm>

#include "base/error.h"
#include "infer/nnunet/parallel.h"
#include "infer/nnunet/slab.h"
#include "infer/nnunet/window.h"

namespace rouage::infer::nnunet {
namespace {

/// Buffers of one window.
struct Window {
  std::vector<float> patch, logits, sum;
};

/// sum += logits with the flipped axes turned back, or sum = logits for the first.
void add_turned(std::span<const float> logits, const Shape3& patch, std::size_t classes, unsigned flipped, bool first,
                std::span<float> sum, int threads) {
  parallel_for(classes * patch[0], threads, [&](std::size_t task) {
    const std::size_t c = task / patch[0], a = task % patch[0];
    const std::size_t from_a = (flipped & 1U) != 0 ? patch[0] - 1 - a : a;
    for (std::size_t b = 0; b < patch[1]; ++b) {
      const std::size_t from_b = (flipped & 2U) != 0 ? patch[1] - 1 - b : b;
      const float* in = logits.data() + ((c * patch[0] + from_a) * patch[1] + from_b) * patch[2];
      float* out = sum.data() + ((c * patch[0] + a) * patch[1] + b) * patch[2];
      if (first) {
        std::copy_n(in, patch[2], out);
      } else if ((flipped & 4U) != 0) {
        for (std::size_t x = 0; x < patch[2]; ++x) out[x] += in[patch[2] - 1 - x];
      } else {
        for (std::size_t x = 0; x < patch[2]; ++x) out[x] += in[x];
      }
    }
  });
}

/// Logits of one window, mirrored passes averaged: section 6.4.
std::span<const float> window_logits(const Prediction& job, const PatchNet& net, const std::vector<unsigned>& flips,
                                     const Shape3& start, Window& window) {
  const int threads = job.options.threads;
  for (std::size_t i = 0; i < flips.size(); ++i) {
    cut_patch(job.data, job.geometry, start, flips[i], window.patch);
    net(window.patch, window.logits);
    if (flips.size() == 1) return window.logits;
    add_turned(window.logits, job.geometry.patch, job.model.classes(), flips[i], i == 0, window.sum, threads);
  }
  const auto passes = static_cast<float>(flips.size());
  for (float& value : window.sum) value /= passes;
  return window.sum;
}

void give_plane(const Prediction& job, Slab& slab, std::uint32_t z, Exporter& exporter, const LogitsSink& sink) {
  const Geometry& g = job.geometry;
  if (z < g.pad_low[0] || z - g.pad_low[0] >= g.target[0]) return slab.discard(z);
  const std::uint32_t plane = z - g.pad_low[0];
  if (job.options.accumulation == Accumulation::exact) {
    slab.finish(z, exporter.halves(plane));
    if (sink) sink({job.model.classes(), g.target, plane, exporter.halves(plane)});
  } else {
    slab.finish(z, exporter.floats(plane));
    if (sink) {
      std::vector<std::uint16_t> halves(exporter.floats(plane).size());
      narrow(exporter.floats(plane), halves);
      sink({job.model.classes(), g.target, plane, halves});
    }
  }
  exporter.commit(plane);
}

}  // namespace

void report(const SegmentOptions& options, SegmentStage stage, std::uint64_t done, std::uint64_t total) {
  if (options.progress && !options.progress(stage, done, total))
    throw Error(ErrorCode::Cancelled, "the segmentation was stopped after " + std::to_string(done) + " of " +
                                          std::to_string(total) + " steps");
}

std::vector<unsigned> flips_of(const NnunetModel& model, bool mirroring) {
  std::vector<unsigned> flips{0};
  if (!mirroring) return flips;
  std::vector<unsigned> bits;  // of a 2d patch [1][y][x], axis 0 of the net is axis 1
  for (const int axis : model.mirror_axes) bits.push_back(1U << (axis + (model.two_dimensional ? 1 : 0)));
  const std::size_t n = bits.size();
  for (std::size_t i = 0; i < n; ++i) flips.push_back(bits[i]);
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = i + 1; j < n; ++j) flips.push_back(bits[i] | bits[j]);
  if (n == 3) flips.push_back(bits[0] | bits[1] | bits[2]);
  return flips;
}

void predict(const Prediction& job, Exporter& exporter, const LogitsSink& logits) {
  const Geometry& g = job.geometry;
  const std::size_t folds = std::max<std::size_t>(1, job.model.folds.size()), classes = job.model.classes();
  std::vector<float> weights(g.patch_voxels());
  widen(gaussian_weights(g.patch, job.model.two_dimensional), weights);
  const std::vector<unsigned> flips = flips_of(job.model, job.options.mirroring);
  Window window{std::vector<float>(job.model.net_channels() * g.patch_voxels()),
                std::vector<float>(classes * g.patch_voxels()),
                std::vector<float>(flips.size() > 1 ? classes * g.patch_voxels() : 0)};
  Slab slab(g, job.model.classes(), folds, job.options.accumulation, job.options.threads);
  std::vector<PatchNet> open(folds);
  const std::uint64_t total = g.windows() * folds;
  std::uint64_t done = 0;
  for (std::size_t row = 0; row < g.starts[0].size(); ++row) {
    for (std::size_t fold = 0; fold < folds; ++fold) {
      if (!open[fold]) open[fold] = job.nets(fold);
      for (const std::uint32_t b : g.starts[1]) {
        for (const std::uint32_t c : g.starts[2]) {
          const Shape3 start{g.starts[0][row], b, c};
          slab.add(fold, start, window_logits(job, open[fold], flips, start, window), weights);
          report(job.options, SegmentStage::predict, ++done, total);
        }
      }
      if (!job.nets_kept) open[fold] = nullptr;
    }
    const std::uint32_t end = row + 1 < g.starts[0].size() ? g.starts[0][row + 1] : g.padded[0];
    for (std::uint32_t z = g.starts[0][row]; z < end; ++z) give_plane(job, slab, z, exporter, logits);
  }
}

}  // namespace rouage::infer::nnunet
