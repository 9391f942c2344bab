#include "infer/nnunet/exporter.h"

#include <algorithm>

#include "base/error.h"
#include "infer/nnunet/parallel.h"
#include "infer/nnunet/resize.h"

namespace rouage::infer::nnunet {
namespace {

constexpr std::uint32_t kRowsATask = 32;  ///< best values and labels of so many rows stay in the second-level cache

/// Spacing of logits to spacing of the image, and whether one axis goes alone.
std::array<LinearAxis, 3> axes_of(const Geometry& geometry, const NnunetModel& model) {
  if (model.probabilities.function == Resampling::no_resampling && geometry.target != geometry.cropped)
    throw Error(ErrorCode::VolumeInvalid, "the plans do not resample logits, but their size differs from the image's")
        .remedy("give an image at the plan's spacing");
  return linear_axes(model.probabilities, geometry.target, geometry.cropped,
                     separate_axis(model.probabilities.force_separate_z, geometry.plan, geometry.current));
}

}  // namespace

LabelPlacer::LabelPlacer(const Geometry& geometry, const NnunetModel& model, LabelSink sink)
    : full_(geometry.full), box_(geometry.box), sink_(std::move(sink)) {
  Shape3 zyx{};
  for (std::size_t a = 0; a < 3; ++a) zyx[static_cast<std::size_t>(model.transpose_forward[a])] = full_[a];
  const std::array<std::size_t, 3> step{std::size_t{zyx[1]} * zyx[2], zyx[2], 1};
  for (std::size_t a = 0; a < 3; ++a) step_[a] = step[static_cast<std::size_t>(model.transpose_forward[a])];
  in_order_ = model.transpose_forward[0] == 0;
  slice_size_ = step[0];
  if (in_order_)
    slice_.assign(slice_size_, 0);
  else
    volume_.assign(voxels(full_), 0);
  const auto most = std::max_element(model.written_labels.begin(), model.written_labels.end());
  counts_.assign(std::size_t{*most} + 1, 0);
}

void LabelPlacer::emit(std::uint32_t k, std::span<const std::uint16_t> slice) {
  for (std::size_t first = 0;
       first < slice.size();) {  // by runs: a counter incremented each time would wait for itself
    std::size_t end = first + 1;
    while (end < slice.size() && slice[end] == slice[first]) ++end;
    counts_[slice[first]] += end - first;
    first = end;
  }
  if (sink_) sink_(k, slice);
}

void LabelPlacer::empty_until(std::uint32_t k) {
  if (next_ >= k) return;
  std::fill(slice_.begin(), slice_.end(), std::uint16_t{0});
  while (next_ < k) emit(next_++, slice_);
}

void LabelPlacer::place(std::uint32_t index, std::span<const std::uint16_t> plane) {
  const std::uint32_t a = box_.first[0] + index;
  std::vector<std::uint16_t>& into = in_order_ ? slice_ : volume_;
  if (in_order_) empty_until(a);
  const Shape3 size = box_.size();
  for (std::size_t b = 0; b < size[1]; ++b) {
    const std::size_t row = (in_order_ ? 0 : a * step_[0]) + (box_.first[1] + b) * step_[1] + box_.first[2] * step_[2];
    for (std::size_t c = 0; c < size[2]; ++c) into[row + c * step_[2]] = plane[b * size[2] + c];
  }
  if (in_order_) emit(next_++, slice_);
}

void LabelPlacer::finish() {
  if (in_order_) return empty_until(full_[0]);
  const auto slices = static_cast<std::uint32_t>(volume_.size() / slice_size_);
  while (next_ < slices) {
    emit(next_, std::span<const std::uint16_t>(volume_).subspan(next_ * slice_size_, slice_size_));
    ++next_;
  }
}

Exporter::Exporter(const Geometry& geometry, const NnunetModel& model, Accumulation accumulation, int threads,
                   LabelSink sink)
    : from_(geometry.target),
      to_(geometry.cropped),
      classes_(model.classes()),
      exact_(accumulation == Accumulation::exact),
      round_(exact_ && model.probabilities.function != Resampling::torch),
      regions_(model.regions),
      threads_(threads),
      written_(model.written_labels),
      axes_(axes_of(geometry, model)),
      labels_(std::size_t{to_[1]} * to_[2]),
      placer_(geometry, model, std::move(sink)) {
  const std::size_t plane = std::size_t{classes_} * from_[1] * from_[2];
  for (std::size_t i = 0; i < 2; ++i) exact_ ? halves_[i].resize(plane) : floats_[i].resize(plane);
}

std::span<std::uint16_t> Exporter::halves(std::uint32_t z) {
  return halves_[z % 2];
}
std::span<float> Exporter::floats(std::uint32_t z) {
  return floats_[z % 2];
}

void Exporter::commit(std::uint32_t z) {
  const std::uint32_t tasks = (to_[1] + kRowsATask - 1) / kRowsATask;
  while (next_ < to_[0] && axes_[0].high[next_] <= static_cast<std::int32_t>(z)) {
    const std::uint32_t k = next_++;
    parallel_for(tasks, threads_, [&](std::size_t t) {
      const std::uint32_t first = static_cast<std::uint32_t>(t) * kRowsATask;
      label_rows(k, first, std::min(first + kRowsATask, to_[1]));
    });
    placer_.place(k, labels_);
  }
}

/// Row of the plane between two stored ones, at the source's in-plane size.
template <class Real>
void Exporter::fetch_row(std::uint32_t k, std::uint32_t label, std::size_t row, std::span<Real> out) const {
  const LinearAxis& axis = axes_[0];
  const std::size_t at = (std::size_t{label} * from_[1] + row) * from_[2];
  const auto read = [&](std::int32_t z, std::span<Real> into) {
    const std::size_t slot = static_cast<std::size_t>(z) % 2;
    if (exact_)
      widen(Halves(halves_[slot]).subspan(at, from_[2]), into);
    else if constexpr (std::is_same_v<Real, float>)
      copy_row(std::span<const float>(floats_[slot]).subspan(at, from_[2]), into);
  };
  read(axis.low[k], out);
  if (axis.high[k] == axis.low[k] || axis.high_weight[k] == 0) return;
  thread_local std::vector<Real> other;
  other.resize(out.size());
  read(axis.high[k], other);
  if constexpr (std::is_same_v<Real, float>)
    mix(out, other, axis.low_weight_f[k], axis.high_weight_f[k], out);
  else
    mix(out, other, axis.low_weight[k], axis.high_weight[k], out);
}

template <class Real>
void Exporter::label_rows_in(std::uint32_t k, std::uint32_t first, std::uint32_t end) {
  const std::size_t columns = to_[2];
  thread_local std::vector<Real> narrow_row, mixed;
  thread_local std::array<std::vector<Real>, 2> wide;  // the two source rows in use, at the new width, by row % 2
  thread_local std::vector<float> values, best;
  thread_local std::vector<std::int32_t> labels;
  narrow_row.resize(from_[2]);
  mixed.resize(columns);
  for (std::vector<Real>& row : wide) row.resize(columns);
  values.resize(columns);
  best.assign((end - first) * columns, -std::numeric_limits<float>::infinity());
  labels.assign((end - first) * columns, 0);
  const LinearAxis& rows = axes_[1];
  for (std::uint32_t c = 0; c < classes_; ++c) {
    std::array<std::int32_t, 2> held{-1, -1};
    const auto wide_row = [&](std::int32_t row) -> const std::vector<Real>& {
      const std::size_t slot = static_cast<std::size_t>(row) % 2;
      if (held[slot] == row) return wide[slot];
      held[slot] = row;
      if (axes_[2].identity) {
        fetch_row<Real>(k, c, static_cast<std::size_t>(row), wide[slot]);
      } else {
        fetch_row<Real>(k, c, static_cast<std::size_t>(row), narrow_row);
        sample(narrow_row, axes_[2], std::span<Real>(wide[slot]));
      }
      return wide[slot];
    };
    for (std::uint32_t y = first; y < end; ++y) {
      const std::vector<Real>* value = &wide_row(rows.low[y]);
      if (rows.high[y] != rows.low[y] && rows.high_weight[y] != 0) {
        const std::vector<Real>& low = *value;
        if constexpr (std::is_same_v<Real, float>)
          mix(low, wide_row(rows.high[y]), rows.low_weight_f[y], rows.high_weight_f[y], std::span<Real>(mixed));
        else
          mix(low, wide_row(rows.high[y]), rows.low_weight[y], rows.high_weight[y], std::span<Real>(mixed));
        value = &mixed;
      }
      std::span<const float> comparable = values;
      if constexpr (std::is_same_v<Real, float>)
        comparable = *value;
      else
        round_to_half(*value, values);
      const std::size_t at = (y - first) * columns;
      if (regions_)
        write_region(comparable, written_[c], std::span(labels).subspan(at, columns));
      else
        keep_best(comparable, written_[c], std::span(best).subspan(at, columns),
                  std::span(labels).subspan(at, columns));
    }
  }
  std::transform(labels.begin(), labels.end(), labels_.begin() + static_cast<std::ptrdiff_t>(first * columns),
                 [](std::int32_t label) { return static_cast<std::uint16_t>(label); });
}

/// Exact mode computes in double and rounds to float16 once, as the reference does; torch's rule and float32 mode in
/// float32.
void Exporter::label_rows(std::uint32_t k, std::uint32_t first, std::uint32_t end) {
  if (round_)
    label_rows_in<double>(k, first, end);
  else
    label_rows_in<float>(k, first, end);
}

std::uint64_t exporter_bytes(const Geometry& geometry, const NnunetModel& model, Accumulation accumulation,
                             int threads) {
  const std::uint64_t value = accumulation == Accumulation::exact ? 2 : 4;
  const std::uint64_t planes = 2 * value * model.classes() * std::uint64_t{geometry.target[1]} * geometry.target[2];
  const std::uint64_t plane_labels = 2 * std::uint64_t{geometry.cropped[1]} * geometry.cropped[2];
  const std::uint64_t placing = model.transpose_forward[0] == 0 ? 2 * std::uint64_t{geometry.full[1]} * geometry.full[2]
                                                                : 2 * voxels(geometry.full);
  const std::uint64_t a_task = 8 * std::uint64_t{kRowsATask} * geometry.cropped[2] +
                               48 * (std::uint64_t{geometry.cropped[2]} + geometry.target[2]);
  return planes + plane_labels + placing + static_cast<std::uint64_t>(std::max(1, threads)) * a_task;
}

}  // namespace rouage::infer::nnunet
