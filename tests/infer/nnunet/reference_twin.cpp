#include "reference_twin.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <set>

#include "infer/float16.h"

namespace rouage::testing {
namespace {

using infer::Shape3;
using infer::Spacing3;

double half(double value) {  // values here come from float sums, or are far from ties of two roundings
  return infer::half_to_float(infer::float_to_half(static_cast<float>(value)));
}
double single(double value) {
  return static_cast<float>(value);
}

std::vector<double> coefficients(std::vector<double> c) {
  const double z = std::sqrt(3.0) - 2.0;
  const std::size_t n = c.size();
  for (double& v : c) v *= (1 - z) * (1 - 1 / z);
  const double power = std::pow(z, n - 1);
  double start = c[0] + power * c[n - 1];
  for (std::size_t i = 1; i + 1 < n; ++i) start += std::pow(z, i) * (c[i] + power * c[n - 1 - i]);
  c[0] = start / (1 - std::pow(z, 2 * n - 2));
  for (std::size_t i = 1; i < n; ++i) c[i] += z * c[i - 1];
  c[n - 1] = (z * c[n - 2] + c[n - 1]) * z / (z * z - 1);
  for (std::size_t i = n - 1; i-- > 0;) c[i] = z * (c[i + 1] - c[i]);
  return c;
}

Array padded_coefficients(const Array& in) {
  Array out = array_of({in.shape[0] + 24, in.shape[1] + 24, in.shape[2] + 24});
  const auto edge = [](std::size_t i, std::size_t n) { return std::min(i < 12 ? 0 : i - 12, n - 1); };
  for (std::size_t a = 0; a < out.shape[0]; ++a)
    for (std::size_t b = 0; b < out.shape[1]; ++b)
      for (std::size_t c = 0; c < out.shape[2]; ++c)
        out.at(a, b, c) = in.at(edge(a, in.shape[0]), edge(b, in.shape[1]), edge(c, in.shape[2]));
  const std::array<std::size_t, 3> step{std::size_t{out.shape[1]} * out.shape[2], out.shape[2], 1};
  for (std::size_t axis = 0; axis < 3; ++axis) {
    for (std::size_t first = 0; first < out.values.size(); ++first) {
      if (first / step[axis] % out.shape[axis] != 0) continue;
      std::vector<double> line(out.shape[axis]);
      for (std::size_t i = 0; i < line.size(); ++i) line[i] = out.values[first + i * step[axis]];
      line = coefficients(line);
      for (std::size_t i = 0; i < line.size(); ++i) out.values[first + i * step[axis]] = line[i];
    }
  }
  return out;
}

/// Neighbours and weights of output k on one axis.
std::vector<std::pair<std::size_t, double>> taps(std::size_t k, std::uint32_t n, std::uint32_t m, int order) {
  double x = (static_cast<double>(k) + 0.5) * (static_cast<double>(n) / m) - 0.5;
  if (order == 3) {
    x += 12;
    const double f = std::floor(x), t = x - f, u = 1 - t;
    const double w0 = u * u * u / 6, w1 = (t * t * (t - 2) * 3 + 4) / 6, w2 = (u * u * (u - 2) * 3 + 4) / 6;
    const auto i = static_cast<std::size_t>(f);
    return {{i - 1, w0}, {i, w1}, {i + 1, w2}, {i + 2, 1 - w0 - w1 - w2}};
  }
  x = std::clamp(x, 0.0, n - 1.0);
  if (order == 0) return {{static_cast<std::size_t>(std::floor(x + 0.5)), 1.0}};
  const auto i = static_cast<std::size_t>(std::floor(x));
  const double t = x - std::floor(x);
  return {{i, 1 - t}, {std::min<std::size_t>(i + 1, n - 1), t}};
}

std::optional<std::size_t> ref_separate(const std::optional<bool>& force, const Spacing3& current,
                                        const Spacing3& wanted) {
  const auto wide = [](const Spacing3& s) {
    return *std::max_element(s.begin(), s.end()) / *std::min_element(s.begin(), s.end()) > 3;
  };
  const auto lowest = [](const Spacing3& s) {
    std::vector<std::size_t> axes;
    for (std::size_t a = 0; a < 3; ++a)
      if (*std::max_element(s.begin(), s.end()) / s[a] == 1) axes.push_back(a);
    return axes;
  };
  std::vector<std::size_t> axes;
  if (force) {
    if (*force) axes = lowest(current);
  } else if (wide(current)) {
    axes = lowest(current);
  } else if (wide(wanted)) {
    axes = lowest(wanted);
  }
  if (axes.size() != 1) return std::nullopt;
  return axes[0];
}

std::size_t index_of(const Shape3& at, const Shape3& shape) {
  return (std::size_t{at[0]} * shape[1] + at[1]) * shape[2] + at[2];
}

template <class Visit>
void each(const Shape3& shape, const Visit& visit) {
  Shape3 at{};
  for (at[0] = 0; at[0] < shape[0]; ++at[0])
    for (at[1] = 0; at[1] < shape[1]; ++at[1])
      for (at[2] = 0; at[2] < shape[2]; ++at[2]) visit(at);
}

}  // namespace

Array ref_resize(const Array& in, const Shape3& to, int order) {
  const Array source = order == 3 ? padded_coefficients(in) : in;
  const auto [low, high] = std::minmax_element(in.values.begin(), in.values.end());
  Array out = array_of(to);
  each(to, [&](const Shape3& at) {
    double sum = 0;
    for (const auto& [a, wa] : taps(at[0], in.shape[0], to[0], order))
      for (const auto& [b, wb] : taps(at[1], in.shape[1], to[1], order))
        for (const auto& [c, wc] : taps(at[2], in.shape[2], to[2], order)) sum += source.at(a, b, c) * wa * wb * wc;
    out.values[index_of(at, to)] = std::clamp(sum, *low, *high);
  });
  return out;
}

Array ref_resample(const Array& in, const Shape3& to, const infer::ResampleRule& rule, const Spacing3& current,
                   const Spacing3& wanted) {
  if (in.shape == to) return in;
  const auto separate = ref_separate(rule.force_separate_z, current, wanted);
  if (!separate) return ref_resize(in, to, rule.order);
  const std::size_t axis = *separate;
  Shape3 slice_shape = in.shape, slice_to = to, between_shape = to;
  slice_shape[axis] = slice_to[axis] = 1;
  between_shape[axis] = in.shape[axis];
  Array between = array_of(between_shape), out = array_of(to);
  for (std::uint32_t s = 0; s < in.shape[axis]; ++s) {
    Array slice = array_of(slice_shape);
    each(slice_shape, [&](Shape3 at) {
      const std::size_t i = index_of(at, slice_shape);
      at[axis] = s;
      slice.values[i] = in.values[index_of(at, in.shape)];
    });
    const Array resized = ref_resize(slice, slice_to, rule.order);
    each(slice_to, [&](Shape3 at) {
      const std::size_t i = index_of(at, slice_to);
      at[axis] = s;
      between.values[index_of(at, between_shape)] = resized.values[i];
    });
  }
  each(to, [&](const Shape3& at) {
    double sum = 0;
    for (const auto& [i, w] : taps(at[axis], in.shape[axis], to[axis], rule.order_z)) {
      Shape3 from = at;
      from[axis] = static_cast<std::uint32_t>(i);
      sum += between.values[index_of(from, between_shape)] * w;
    }
    out.values[index_of(at, to)] = sum;
  });
  return out;
}

std::vector<std::uint8_t> ref_filled_mask(const std::vector<Array>& channels) {
  const Shape3 shape = channels[0].shape;
  std::vector<std::uint8_t> mask(channels[0].values.size(), 0);
  for (const Array& c : channels)
    for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = mask[i] || c.values[i] != 0;
  std::vector<std::uint8_t> outside(mask.size(), 0);
  std::deque<Shape3> queue;
  const auto visit = [&](const Shape3& at) {
    const std::size_t i = index_of(at, shape);
    if (mask[i] || outside[i]) return;
    outside[i] = 1;
    queue.push_back(at);
  };
  each(shape, [&](const Shape3& at) {
    for (std::size_t a = 0; a < 3; ++a)
      if (at[a] == 0 || at[a] + 1 == shape[a]) visit(at);
  });
  while (!queue.empty()) {
    const Shape3 at = queue.front();
    queue.pop_front();
    for (std::size_t a = 0; a < 3; ++a) {
      Shape3 next = at;
      if (at[a] > 0) next[a] = at[a] - 1, visit(next);
      next = at;
      if (at[a] + 1 < shape[a]) next[a] = at[a] + 1, visit(next);
    }
  }
  for (std::size_t i = 0; i < mask.size(); ++i) mask[i] = !outside[i];
  return mask;
}

namespace {

void ref_normalise(Array& channel, const infer::ChannelRule& rule, const std::vector<std::uint8_t>& mask) {
  using infer::Normalization;
  std::vector<double>& v = channel.values;
  if (rule.scheme == Normalization::ct) {
    for (double& x : v) {
      x = std::clamp(x, single(rule.percentile_00_5), single(rule.percentile_99_5));
      x = single(single(x - single(rule.mean)) / single(std::max(rule.std, 1e-8)));
    }
  } else if (rule.scheme == Normalization::z_score) {
    double sum = 0, squares = 0, n = 0;
    for (std::size_t i = 0; i < v.size(); ++i)
      if (!rule.inside_mask || mask[i]) sum += v[i], ++n;
    const double mean = single(sum / n);
    for (std::size_t i = 0; i < v.size(); ++i)
      if (!rule.inside_mask || mask[i]) squares += (v[i] - mean) * (v[i] - mean);
    const double sd = single(std::max(std::sqrt(squares / n), 1e-8));
    for (std::size_t i = 0; i < v.size(); ++i)
      if (!rule.inside_mask || mask[i]) v[i] = single(single(v[i] - mean) / sd);
  } else if (rule.scheme == Normalization::rescale_to_01) {
    const double low = *std::min_element(v.begin(), v.end());
    for (double& x : v) x = single(x - low);
    const double high = std::max(*std::max_element(v.begin(), v.end()), single(1e-8));
    for (double& x : v) x = single(x / high);
  } else if (rule.scheme == Normalization::rgb_to_01) {
    for (double& x : v) x = single(x / 255);
  }
}

Array ref_labels_resampled(const Array& in, const Shape3& to, const infer::ResampleRule& rule, const Spacing3& current,
                           const Spacing3& wanted) {
  if (in.shape == to) return in;
  Array out = array_of(to);
  const std::set<double> labels(in.values.begin(), in.values.end());
  for (const double label : labels) {
    Array mask = in;
    for (double& v : mask.values) v = v == label ? 1 : 0;
    const Array share = ref_resample(mask, to, rule, current, wanted);
    for (std::size_t i = 0; i < out.values.size(); ++i)
      if (share.values[i] >= 0.5) out.values[i] = label;
  }
  return out;
}

std::vector<double> ref_gauss_line(std::uint32_t n) {
  const double sigma = n / 8.0;
  const int radius = static_cast<int>(4 * sigma + 0.5);
  std::vector<double> line(n, 0.0);
  double sum = 0;
  for (int x = -radius; x <= radius; ++x) sum += std::exp(-0.5 / (sigma * sigma) * x * x);
  for (int i = 0; i < static_cast<int>(n); ++i)
    if (std::abs(i - static_cast<int>(n / 2)) <= radius)
      line[static_cast<std::size_t>(i)] =
          std::exp(-0.5 / (sigma * sigma) * (i - static_cast<int>(n / 2)) * (i - static_cast<int>(n / 2))) / sum;
  return line;
}

std::vector<double> ref_gauss(const Shape3& patch, bool flat) {
  const auto a = flat ? std::vector<double>{1.0} : ref_gauss_line(patch[0]);
  const auto b = ref_gauss_line(patch[1]), c = ref_gauss_line(patch[2]);
  std::vector<double> out;
  double most = 0;
  for (const double x : a)
    for (const double y : b)
      for (const double z : c) out.push_back(x * y * z), most = std::max(most, out.back());
  double least = 1e9;
  for (double& v : out) {
    v = half(v / (most / 10));
    if (v > 0) least = std::min(least, v);
  }
  for (double& v : out)
    if (v == 0) v = least;
  return out;
}

std::vector<std::uint32_t> ref_starts(std::uint32_t size, std::uint32_t patch, double step) {
  const int n = static_cast<int>(std::ceil((size - patch) / (patch * step))) + 1;
  std::vector<std::uint32_t> out;
  for (int i = 0; i < n; ++i)
    out.push_back(n == 1 ? 0 : static_cast<std::uint32_t>(std::nearbyint((size - patch) / (n - 1.0) * i)));
  return out;
}

/// All subsets of the axes by size, as in itertools.combinations.
std::vector<std::vector<int>> ref_subsets(const std::vector<int>& axes) {
  std::vector<std::vector<int>> out{{}};
  for (std::size_t size = 1; size <= axes.size(); ++size) {
    std::vector<bool> chosen(axes.size(), false);
    std::fill_n(chosen.begin(), size, true);
    do {
      std::vector<int> subset;
      for (std::size_t i = 0; i < axes.size(); ++i)
        if (chosen[i]) subset.push_back(axes[i]);
      out.push_back(subset);
    } while (std::prev_permutation(chosen.begin(), chosen.end()));
  }
  return out;
}

struct Window {
  const std::vector<Array>& input;
  Shape3 patch, start;
  std::vector<std::vector<int>> subsets;
  std::size_t classes;
};

std::vector<double> ref_window(const Window& w, const infer::PatchNet& net) {
  const std::size_t count = std::size_t{w.patch[0]} * w.patch[1] * w.patch[2];
  std::vector<double> sum(count * w.classes, 0.0);
  for (const std::vector<int>& subset : w.subsets) {
    const auto flipped = [&](Shape3 at) {
      for (const int axis : subset)
        at[static_cast<std::size_t>(axis)] =
            w.patch[static_cast<std::size_t>(axis)] - 1 - at[static_cast<std::size_t>(axis)];
      return at;
    };
    std::vector<float> patch, logits(count * w.classes);
    for (const Array& channel : w.input)
      each(w.patch, [&](const Shape3& at) {
        const Shape3 f = flipped(at);
        patch.push_back(static_cast<float>(channel.at(w.start[0] + f[0], w.start[1] + f[1], w.start[2] + f[2])));
      });
    net(patch, logits);
    for (std::size_t c = 0; c < w.classes; ++c)
      each(w.patch, [&](const Shape3& at) {
        double& s = sum[c * count + index_of(at, w.patch)];
        s = single(s + logits[c * count + index_of(flipped(at), w.patch)]);
      });
  }
  for (double& s : sum) s = single(s / single(static_cast<double>(w.subsets.size())));
  return sum;
}

/// One fold over the padded volume; counts and sums rounded by `keep` after every addition.
template <class Keep>
std::vector<Array> ref_fold(const std::vector<Array>& padded, const infer::NnunetModel& model, const Shape3& patch,
                            double step, bool mirroring, const infer::PatchNet& net, const Keep& keep) {
  const Shape3 size = padded[0].shape;
  std::vector<Array> logits(model.classes(), array_of(size));
  Array count = array_of(size);
  const std::vector<double> gauss = ref_gauss(patch, model.two_dimensional);
  std::vector<int> axes;
  for (const int a : model.mirror_axes) axes.push_back(a + (model.two_dimensional ? 1 : 0));
  std::array<std::vector<std::uint32_t>, 3> starts;
  for (std::size_t a = 0; a < 3; ++a) starts[a] = ref_starts(size[a], patch[a], step);
  if (model.two_dimensional) {
    starts[0].clear();
    for (std::uint32_t z = 0; z < size[0]; ++z) starts[0].push_back(z);
  }
  for (const std::uint32_t a : starts[0])
    for (const std::uint32_t b : starts[1])
      for (const std::uint32_t c : starts[2]) {
        const auto out = ref_window(
            {padded, patch, {a, b, c}, mirroring ? ref_subsets(axes) : ref_subsets({}), model.classes()}, net);
        each(patch, [&](const Shape3& at) {
          const double w = gauss[index_of(at, patch)];
          double& n = count.at(a + at[0], b + at[1], c + at[2]);
          n = keep(n + w);
          for (std::size_t k = 0; k < logits.size(); ++k) {
            double& sum = logits[k].at(a + at[0], b + at[1], c + at[2]);
            const double term = single(out[k * gauss.size() + index_of(at, patch)] * w);
            sum = keep(single(sum + term));
          }
        });
      }
  for (Array& channel : logits)
    for (std::size_t i = 0; i < channel.values.size(); ++i)
      channel.values[i] = keep(single(channel.values[i] / count.values[i]));
  return logits;
}

Array transposed_array(const std::vector<float>& values, const image::Grid& grid, const std::array<int, 3>& forward) {
  const Shape3 zyx{grid.size[2], grid.size[1], grid.size[0]};
  Shape3 shape{};
  for (std::size_t a = 0; a < 3; ++a) shape[a] = zyx[static_cast<std::size_t>(forward[a])];
  Array out = array_of(shape);
  each(shape, [&](const Shape3& at) {
    Shape3 from{};
    for (std::size_t a = 0; a < 3; ++a) from[static_cast<std::size_t>(forward[a])] = at[a];
    out.values[index_of(at, shape)] = values[index_of(from, zyx)];
  });
  return out;
}

Array cropped(const Array& in, const Shape3& first, const Shape3& size) {
  Array out = array_of(size);
  each(size, [&](const Shape3& at) {
    out.values[index_of(at, size)] = in.at(at[0] + first[0], at[1] + first[1], at[2] + first[2]);
  });
  return out;
}

std::vector<std::uint16_t> ref_argmax(const std::vector<Array>& logits, const infer::NnunetModel& model) {
  std::vector<std::uint16_t> out(logits[0].values.size(), 0);
  for (std::size_t i = 0; i < out.size(); ++i) {
    std::size_t best = 0;
    for (std::size_t c = 0; c < logits.size(); ++c) {
      if (model.regions) {
        const float probability = 1.0F / (1.0F + std::exp(-static_cast<float>(logits[c].values[i])));
        if (probability > 0.5F) out[i] = model.written_labels[c];
      } else if (logits[c].values[i] > logits[best].values[i]) {
        best = c;
      }
    }
    if (!model.regions) out[i] = static_cast<std::uint16_t>(best);
  }
  return out;
}

}  // namespace

RefResult ref_segment(const std::vector<image::Volume<float>>& channels, const image::LabelMap* previous,
                      const infer::NnunetModel& model, double step, bool mirroring, bool float16,
                      const infer::NetFactory& nets) {
  const image::Grid& grid = channels[0].grid;
  std::vector<Array> images;
  for (const auto& channel : channels)
    images.push_back(transposed_array(channel.values, grid, model.transpose_forward));
  const Shape3 full = images[0].shape;
  Shape3 first = full, end{};
  each(full, [&](const Shape3& at) {
    bool set = false;
    for (const Array& image : images) set = set || image.values[index_of(at, full)] != 0;
    for (std::size_t a = 0; set && a < 3; ++a)
      first[a] = std::min(first[a], at[a]), end[a] = std::max(end[a], at[a] + 1);
  });
  if (end[0] == 0) first = {0, 0, 0}, end = full;
  RefResult result;
  result.box_first = first;
  result.cropped = {end[0] - first[0], end[1] - first[1], end[2] - first[2]};
  for (Array& image : images) image = cropped(image, first, result.cropped);
  const std::vector<std::uint8_t> mask = ref_filled_mask(images);
  const image::Point3 ijk = grid.spacing_mm();
  const Spacing3 zyx{ijk[2], ijk[1], ijk[0]};
  Spacing3 current{}, plan = model.spacing_mm;
  for (std::size_t a = 0; a < 3; ++a) current[a] = zyx[static_cast<std::size_t>(model.transpose_forward[a])];
  if (model.two_dimensional) plan[0] = current[0];
  Shape3 target{};
  for (std::size_t a = 0; a < 3; ++a)
    target[a] = static_cast<std::uint32_t>(std::nearbyint(current[a] / plan[a] * result.cropped[a]));
  for (std::size_t c = 0; c < images.size(); ++c) {
    ref_normalise(images[c], model.channels[c], mask);
    images[c] = ref_resample(images[c], target, model.data, current, plan);
    for (double& v : images[c].values) v = single(v);
  }
  if (previous != nullptr) {
    std::vector<float> values(previous->values.begin(), previous->values.end());
    Array seg = cropped(transposed_array(values, grid, model.transpose_forward), first, result.cropped);
    for (std::size_t i = 0; i < mask.size(); ++i)
      if (!mask[i] && seg.values[i] == 0) seg.values[i] = -1;
    seg = ref_labels_resampled(seg, target, model.seg, current, plan);
    for (const std::uint16_t label : model.foreground_labels) {
      images.push_back(seg);
      for (double& v : images.back().values) v = v == label ? 1 : 0;
    }
  }
  result.preprocessed = images;

  Shape3 patch = model.patch, low{}, padded_shape{};
  if (model.two_dimensional) patch[0] = 1;
  for (std::size_t a = 0; a < 3; ++a) {
    const std::uint32_t d = patch[a] > target[a] ? patch[a] - target[a] : 0;
    low[a] = d / 2;
    padded_shape[a] = target[a] + d;
  }
  std::vector<Array> padded;
  for (const Array& image : images) {
    padded.push_back(array_of(padded_shape));
    each(target, [&](const Shape3& at) {
      padded.back().at(at[0] + low[0], at[1] + low[1], at[2] + low[2]) = image.values[index_of(at, target)];
    });
  }
  const std::size_t folds = model.folds.size();
  for (std::size_t fold = 0; fold < folds; ++fold) {
    const infer::PatchNet net = nets(fold);
    std::vector<Array> of_fold = float16
                                     ? ref_fold(padded, model, patch, step, mirroring, net, half)
                                     : ref_fold(padded, model, patch, step, mirroring, net, [](double v) { return v; });
    for (std::size_t c = 0; c < of_fold.size(); ++c) {
      Array part = cropped(of_fold[c], low, target);
      if (fold == 0) {
        result.logits.push_back(part);
        continue;
      }
      for (std::size_t i = 0; i < part.values.size(); ++i) {
        double& sum = result.logits[c].values[i];
        sum = float16 ? half(sum + part.values[i]) : sum + part.values[i];
      }
    }
  }
  std::vector<Array> large;
  for (Array& channel : result.logits) {
    for (double& v : channel.values)
      if (folds > 1) v = float16 ? half(v / static_cast<double>(folds)) : v / static_cast<double>(folds);
    large.push_back(ref_resample(channel, result.cropped, model.probabilities, plan, current));
    if (float16)
      for (double& v : large.back().values) v = half(v);
  }
  const std::vector<std::uint16_t> labels = ref_argmax(large, model);
  result.labels.assign(channels[0].values.size(), 0);
  const Shape3 out_shape{grid.size[2], grid.size[1], grid.size[0]};
  each(result.cropped, [&](const Shape3& at) {
    Shape3 to{};
    for (std::size_t a = 0; a < 3; ++a) to[static_cast<std::size_t>(model.transpose_forward[a])] = at[a] + first[a];
    result.labels[index_of(to, out_shape)] = labels[index_of(at, result.cropped)];
  });
  return result;
}

}  // namespace rouage::testing
