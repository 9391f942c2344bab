#include "cogs/chest/explanation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"

namespace rouage::cogs::chest {
namespace {

/// Two neighbours and the weight of the second, for each output position of one axis.
struct Sample {
  std::uint32_t low = 0, high = 0;
  float fraction = 0;
};

std::vector<Sample> samples(std::uint32_t from, std::uint32_t to) {
  std::vector<Sample> list;
  for (std::uint32_t i = 0; i < to; ++i) {
    const double x = std::clamp((i + 0.5) * from / to - 0.5, 0.0, from - 1.0);
    const auto low = static_cast<std::uint32_t>(x);
    list.push_back({low, std::min(low + 1, from - 1), static_cast<float>(x - low)});
  }
  return list;
}

/// Covers columns [x0,x1) and rows [y0,y1) of every channel with that channel's own mean.
infer::Tensor covered(const infer::Tensor& input, std::size_t x0, std::size_t x1, std::size_t y0, std::size_t y1) {
  infer::Tensor made = input;
  const auto channels = static_cast<std::size_t>(input.shape[1]), rows = static_cast<std::size_t>(input.shape[2]),
             columns = static_cast<std::size_t>(input.shape[3]);
  for (std::size_t c = 0; c < channels; ++c) {
    float* plane = made.values.data() + c * rows * columns;
    double sum = 0;
    for (std::size_t i = 0; i < rows * columns; ++i) sum += static_cast<double>(plane[i]);
    const auto mean = static_cast<float>(sum / static_cast<double>(rows * columns));
    for (std::size_t y = y0; y < y1; ++y) std::fill(plane + y * columns + x0, plane + y * columns + x1, mean);
  }
  return made;
}

}  // namespace

Map activation_map(const infer::Tensor& features, const infer::Tensor& head_weight, int output) {
  const bool fits = features.shape.size() == 4 && features.shape[0] == 1 && head_weight.shape.size() == 2 &&
                    head_weight.shape[1] == features.shape[1] && output >= 0 && output < head_weight.shape[0];
  if (!fits) throw Error(ErrorCode::ModelInvalid, "the feature map and the head do not fit together");
  const auto channels = static_cast<std::size_t>(features.shape[1]);
  Map map{static_cast<std::uint32_t>(features.shape[3]), static_cast<std::uint32_t>(features.shape[2]), {}};
  const std::size_t cells = std::size_t{map.columns} * map.rows;
  std::vector<double> sum(cells, 0.0);
  for (std::size_t c = 0; c < channels; ++c) {
    const double weight = static_cast<double>(head_weight.values[static_cast<std::size_t>(output) * channels + c]);
    const float* plane = features.values.data() + c * cells;
    for (std::size_t i = 0; i < cells; ++i) sum[i] += weight * static_cast<double>(plane[i]);
  }
  map.values.assign(sum.begin(), sum.end());
  return map;
}

Map enlarged(const Map& map, std::uint32_t columns, std::uint32_t rows) {
  Map made{columns, rows, {}};
  made.values.reserve(std::size_t{columns} * rows);
  const std::vector<Sample> across = samples(map.columns, columns), down = samples(map.rows, rows);
  for (const Sample& y : down) {
    const float* upper = map.values.data() + std::size_t{y.low} * map.columns;
    const float* lower = map.values.data() + std::size_t{y.high} * map.columns;
    for (const Sample& x : across) {
      const float top = upper[x.low] + x.fraction * (upper[x.high] - upper[x.low]);
      const float bottom = lower[x.low] + x.fraction * (lower[x.high] - lower[x.low]);
      made.values.push_back(top + y.fraction * (bottom - top));
    }
  }
  return made;
}

Relief relief(const Map& map) {
  double sum = 0, highest = -HUGE_VAL;
  for (const float v : map.values) {
    sum += static_cast<double>(v);
    highest = std::max(highest, static_cast<double>(v));
  }
  const double mean = sum / static_cast<double>(std::max<std::size_t>(1, map.values.size()));
  Relief made{{map.columns, map.rows, std::vector<float>(map.values.size(), 0.0F)}, highest - mean};
  // Rounding of the mean alone can leave a trace of 1e-7 of the values in a constant map.
  if (!(made.maximum > 1e-6 * std::max(1.0, std::abs(mean)))) {
    made.maximum = 0;
    return made;
  }
  for (std::size_t i = 0; i < map.values.size(); ++i)
    made.map.values[i] =
        static_cast<float>(std::clamp((static_cast<double>(map.values[i]) - mean) / made.maximum, 0.0, 1.0));
  return made;
}

Map guided_map(const infer::LoadedModel& model, const infer::Tensor& input, int output, const Map& activation) {
  const infer::Package& package = model.package();
  const infer::Session* guided = model.guided();
  if (guided == nullptr) throw Error(ErrorCode::ModelInvalid, "the package has no guided graph").file(package.folder);
  infer::Tensor target{.shape = {1, static_cast<std::int64_t>(package.outputs.size())}, .values = {}};
  target.values.assign(package.outputs.size(), 0.0F);
  target.values.at(static_cast<std::size_t>(output)) = 1;
  const infer::Tensor gradient =
      guided->run({{package.guided_image, input}, {package.guided_target, target}}, {package.guided_gradient}).front();
  if (gradient.shape != input.shape)
    throw Error(ErrorCode::ModelInvalid, "the guided gradient has another shape than the input");
  Map made{static_cast<std::uint32_t>(input.shape[3]), static_cast<std::uint32_t>(input.shape[2]), {}};
  const Map where = enlarged(relief(activation).map, made.columns, made.rows);
  made.values.resize(where.values.size());
  for (std::size_t i = 0; i < made.values.size(); ++i)
    made.values[i] = std::max(0.0F, gradient.values[i]) * where.values[i];  // the first channel of the input
  return made;
}

std::vector<Map> occlusion_maps(const infer::LoadedModel& model, const infer::Tensor& input,
                                const std::atomic<bool>* cancel) {
  const infer::Package& package = model.package();
  const auto answer = [&](const infer::Tensor& picture) {
    return model.answer(picture, {package.logits}).front().values;
  };
  const std::vector<float> whole = answer(input);
  constexpr auto kCells = static_cast<std::size_t>(kOcclusionCells);
  std::vector<Map> maps(whole.size(), Map{kOcclusionCells, kOcclusionCells, std::vector<float>(kCells * kCells, 0.0F)});
  const auto rows = static_cast<std::size_t>(input.shape[2]), columns = static_cast<std::size_t>(input.shape[3]);
  // A square of two cells, moved by one and centred on the cell: half a cell beyond it at each side.
  const auto edge = [](std::size_t half_cells, std::size_t extent) { return half_cells * extent / (2 * kCells); };
  for (std::size_t y = 0; y < kCells; ++y)
    for (std::size_t x = 0; x < kCells; ++x) {
      if (cancel != nullptr && cancel->load()) throw Error(ErrorCode::Cancelled);
      const std::size_t x0 = x == 0 ? 0 : edge(2 * x - 1, columns), x1 = std::min(edge(2 * x + 3, columns), columns);
      const std::size_t y0 = y == 0 ? 0 : edge(2 * y - 1, rows), y1 = std::min(edge(2 * y + 3, rows), rows);
      const std::vector<float> part = answer(covered(input, x0, x1, y0, y1));
      for (std::size_t k = 0; k < whole.size(); ++k) maps[k].values[y * kCells + x] = whole[k] - part[k];
    }
  return maps;
}

DerivedImage derived_image(const Map& map, const std::string& role, const std::string& label,
                           const std::string& sop_instance_uid) {
  Relief made = relief(map);
  return {role, label, sop_instance_uid, map.columns, map.rows, std::move(made.map.values), made.maximum};
}

}  // namespace rouage::cogs::chest
