/// Planes of logits at the plan's spacing in, planes of labels on the input's grid out: resampling, argmax or regions,
/// and the place in the volume. Logits of two planes are held, never more. Specification section 7.
#pragma once
#include "infer/nnunet/geometry.h"
#include "infer/nnunet/rows.h"

namespace rouage::infer::nnunet {

/// From cropped, transposed planes of labels to slices of the input's grid.
class LabelPlacer {
 public:
  LabelPlacer(const Geometry& geometry, const NnunetModel& model, LabelSink sink);
  /// index: along axis 0 of the box, ascending. plane: [cropped[1]][cropped[2]].
  void place(std::uint32_t index, std::span<const std::uint16_t> plane);
  /// After the last plane: slices beyond the box.
  void finish();
  const std::vector<std::uint64_t>& counts() const { return counts_; }

 private:
  void emit(std::uint32_t k, std::span<const std::uint16_t> slice);
  void empty_until(std::uint32_t k);

  Shape3 full_;  ///< transposed
  Box box_;
  std::array<std::size_t, 3> step_{};  ///< of transposed axes in the grid's memory
  bool in_order_;                      ///< transposed axis 0 is the grid's slices
  std::size_t slice_size_;
  std::uint32_t next_ = 0;
  std::vector<std::uint16_t> slice_, volume_;
  std::vector<std::uint64_t> counts_;
  LabelSink sink_;
};

class Exporter {
 public:
  Exporter(const Geometry& geometry, const NnunetModel& model, Accumulation accumulation, int threads, LabelSink sink);

  /// Where the values of plane z go; z ascending from 0. Exact: halves(), else floats().
  /// [classes][target[1]][target[2]].
  std::span<std::uint16_t> halves(std::uint32_t z);
  std::span<float> floats(std::uint32_t z);
  /// Plane z is filled: every label plane that needs no later one leaves.
  void commit(std::uint32_t z);
  void finish() { placer_.finish(); }
  const std::vector<std::uint64_t>& counts() const { return placer_.counts(); }

 private:
  void label_rows(std::uint32_t k, std::uint32_t first, std::uint32_t end);
  template <class Real>
  void label_rows_in(std::uint32_t k, std::uint32_t first, std::uint32_t end);
  template <class Real>
  void fetch_row(std::uint32_t k, std::uint32_t label, std::size_t row, std::span<Real> out) const;

  Shape3 from_, to_;
  std::uint32_t classes_;
  bool exact_, round_, regions_;
  int threads_;
  std::vector<std::uint16_t> written_;
  std::array<LinearAxis, 3> axes_;
  std::array<std::vector<std::uint16_t>, 2> halves_;
  std::array<std::vector<float>, 2> floats_;
  std::uint32_t next_ = 0;
  std::vector<std::uint16_t> labels_;
  LabelPlacer placer_;
};

std::uint64_t exporter_bytes(const Geometry& geometry, const NnunetModel& model, Accumulation accumulation,
                             int threads);

}  // namespace rouage::infer::nnunet
