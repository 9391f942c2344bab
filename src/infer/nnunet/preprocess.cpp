#include "infer/nnunet/preprocess.h"

#include <algorithm>

#include "infer/nnunet/parallel.h"
#include "infer/nnunet/resize.h"

namespace rouage::infer::nnunet {
namespace {

/// Two remaining axes of a plane across `across`, slower first.
std::array<std::size_t, 2> plane_axes(int across) {
  return {across == 0 ? std::size_t{1} : std::size_t{0}, across == 2 ? std::size_t{1} : std::size_t{2}};
}

/// Normalised planes of a cropped channel, read where they lie.
PlaneSource source_of(const View<float>& view, const Normalizer& normalizer, std::span<const std::uint8_t> mask) {
  PlaneSource source{view.size, {}, normalizer.low, normalizer.high};
  source.read = [view, normalizer, mask](int across, std::uint32_t index, std::span<double> plane) {
    const auto a = static_cast<std::size_t>(across);
    const auto [r, c] = plane_axes(across);
    const std::size_t columns = view.size[c];
    const std::array<std::size_t, 3> dense{std::size_t{view.size[1]} * view.size[2], view.size[2], 1};
    std::vector<float> gathered(columns), scaled(columns);
    for (std::size_t row = 0; row < view.size[r]; ++row) {
      const float* first = view.first + static_cast<std::ptrdiff_t>(index) * view.step[a] +
                           static_cast<std::ptrdiff_t>(row) * view.step[r];
      std::span<const float> values(first, view.step[c] == 1 ? columns : 0);
      if (view.step[c] != 1) {
        for (std::size_t x = 0; x < columns; ++x) gathered[x] = first[static_cast<std::ptrdiff_t>(x) * view.step[c]];
        values = gathered;
      }
      scale(values, normalizer.scaling, scaled);
      if (normalizer.inside_mask) {
        const std::uint8_t* inside = mask.data() + index * dense[a] + row * dense[r];
        for (std::size_t x = 0; x < columns; ++x)
          if (inside[x * dense[c]] == 0) scaled[x] = values[x];
      }
      widen(std::span<const float>(scaled), plane.subspan(row * columns, columns));
    }
  };
  return source;
}

ResizeJob data_job(const NnunetModel& model, const Geometry& geometry, int threads) {
  return {geometry.target, model.data.order, model.data.order_z,
          separate_axis(model.data.force_separate_z, geometry.current, geometry.plan), threads};
}

bool wants_mask(const NnunetModel& model) {
  const auto inside = [](const ChannelRule& c) { return c.scheme == Normalization::z_score && c.inside_mask; };
  return !model.previous_stage.empty() || std::any_of(model.channels.begin(), model.channels.end(), inside);
}

std::vector<std::int32_t> previous_labels(const View<std::uint16_t>& cropped, std::span<const std::uint8_t> mask) {
  std::vector<std::int32_t> labels;
  labels.reserve(mask.size());
  for (std::uint32_t a = 0; a < cropped.size[0]; ++a) {
    for (std::uint32_t b = 0; b < cropped.size[1]; ++b) {
      const std::uint16_t* row = cropped.row(a, b);
      for (std::uint32_t c = 0; c < cropped.size[2]; ++c) {
        const std::int32_t label = row[static_cast<std::ptrdiff_t>(c) * cropped.step[2]];
        labels.push_back(label == 0 && mask[labels.size()] == 0 ? -1 : label);
      }
    }
  }
  return labels;
}

/// One row of a patch: `count` values from x in padded coordinates, 0 outside; reversed when flipped.
template <class Read>
void fill_row(std::int64_t x, std::uint32_t size, bool flipped, std::span<float> out, const Read& read) {
  const auto count = static_cast<std::int64_t>(out.size());
  const std::int64_t first = std::clamp<std::int64_t>(-x, 0, count);
  const std::int64_t end = std::clamp<std::int64_t>(size - x, first, count);
  std::fill(out.begin(), out.begin() + first, 0.0F);
  std::fill(out.begin() + end, out.end(), 0.0F);
  for (std::int64_t k = first; k < end; ++k) out[static_cast<std::size_t>(k)] = read(static_cast<std::size_t>(x + k));
  if (flipped) std::reverse(out.begin(), out.end());
}

}  // namespace

Preprocessed preprocess(const std::vector<View<float>>& channels, const View<std::uint16_t>* previous,
                        const NnunetModel& model, const Geometry& geometry, int threads) {
  std::vector<View<float>> cropped;
  cropped.reserve(channels.size());
  for (const View<float>& channel : channels) cropped.push_back(cropped_view(channel, geometry.box));
  std::vector<std::uint8_t> mask;
  if (wants_mask(model)) mask = filled_mask(cropped, threads);
  Preprocessed out;
  out.shape = geometry.target;
  const ResizeJob job = data_job(model, geometry, threads);
  for (std::size_t c = 0; c < cropped.size(); ++c) {
    const Normalizer normalizer = normalizer_of(cropped[c], model.channels[c], mask, threads);
    const PlaneSource source = source_of(cropped[c], normalizer, mask);
    std::vector<float>& image = out.images.emplace_back(voxels(geometry.target));
    if (model.data.function == Resampling::torch)
      resize_torch(source, job, image);
    else
      resize(source, job, std::span<float>(image));
  }
  if (previous != nullptr) {
    const std::vector<std::int32_t> labels = previous_labels(cropped_view(*previous, geometry.box), mask);
    out.previous = resize_labels(labels, geometry.cropped, geometry.target, model.seg,
                                 separate_axis(model.seg.force_separate_z, geometry.current, geometry.plan), threads);
    out.one_hot_labels = model.foreground_labels;
  }
  return out;
}

std::uint64_t preprocess_work_bytes(const NnunetModel& model, const Geometry& geometry, int threads) {
  const std::uint64_t mask = wants_mask(model) ? voxels(geometry.cropped) : 0;
  const std::uint64_t resizing =
      geometry.cropped == geometry.target ? 0 : resize_work_bytes(geometry.cropped, data_job(model, geometry, threads));
  const std::uint64_t labels = model.previous_stage.empty() ? 0 : 4 * voxels(geometry.cropped);
  // Filling holes keeps starts of runs, 12 bytes each: counted as one for every second voxel, as in noise.
  const std::uint64_t flood = mask * 6;
  return mask + std::max({flood, resizing, labels});
}

void cut_patch(const Preprocessed& from, const Geometry& geometry, const Shape3& start, unsigned flipped,
               std::span<float> patch) {
  const Shape3& size = geometry.patch;
  std::array<std::int64_t, 3> origin{};
  for (std::size_t a = 0; a < 3; ++a) origin[a] = std::int64_t{start[a]} - geometry.pad_low[a];
  const std::size_t channels = from.images.size() + from.one_hot_labels.size();
  std::size_t position = 0;
  for (std::size_t c = 0; c < channels; ++c) {
    for (std::uint32_t a = 0; a < size[0]; ++a) {
      const std::int64_t z = origin[0] + ((flipped & 1U) != 0 ? size[0] - 1 - a : a);
      for (std::uint32_t b = 0; b < size[1]; ++b, position += size[2]) {
        const std::int64_t y = origin[1] + ((flipped & 2U) != 0 ? size[1] - 1 - b : b);
        const std::span<float> row = patch.subspan(position, size[2]);
        const bool outside = z < 0 || z >= from.shape[0] || y < 0 || y >= from.shape[1];
        const std::size_t first =
            outside ? 0 : (static_cast<std::size_t>(z) * from.shape[1] + static_cast<std::size_t>(y)) * from.shape[2];
        const std::uint32_t width = outside ? 0 : from.shape[2];
        if (c < from.images.size()) {
          const float* image = from.images[c].data() + first;
          fill_row(origin[2], width, (flipped & 4U) != 0, row, [image](std::size_t x) { return image[x]; });
        } else {
          const std::int32_t* labels = from.previous.data() + first;
          const std::int32_t wanted = from.one_hot_labels[c - from.images.size()];
          fill_row(origin[2], width, (flipped & 4U) != 0, row,
                   [labels, wanted](std::size_t x) { return labels[x] == wanted ? 1.0F : 0.0F; });
        }
      }
    }
  }
}

}  // namespace rouage::infer::nnunet
