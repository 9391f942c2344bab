/// Rows of windows through the nets, finished planes to the exporter. Specification section 6.
#pragma once
#include "infer/nnunet/exporter.h"
#include "infer/nnunet/preprocess.h"

namespace rouage::infer::nnunet {

struct Prediction {
  const Preprocessed& data;
  const Geometry& geometry;
  const NnunetModel& model;
  const SegmentOptions& options;
  const NetFactory& nets;
  bool nets_kept = true;
};

/// Errors: InferenceFailed, Cancelled, what the nets throw.
void predict(const Prediction& job, Exporter& exporter, const LogitsSink& logits);

/// Errors: Cancelled when the caller's progress says no.
void report(const SegmentOptions& options, SegmentStage stage, std::uint64_t done, std::uint64_t total);

/// Flips of one prediction, bit a for axis a of the patch: none, then every subset of the axes by size, each in the
/// given order.
std::vector<unsigned> flips_of(const NnunetModel& model, bool mirroring);

}  // namespace rouage::infer::nnunet
