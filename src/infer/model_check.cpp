#include "infer/model_check.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>

#include "base/error.h"
#include "infer/probe_films.h"

namespace rouage::infer {
namespace {

constexpr double kHeadTolerance = 1e-3;  ///< logits; fp16 weights and another order of summation leave about 1e-5
constexpr double kLeastSpread = 1e-3;    ///< logits, median SD over the probe films

const TensorInfo* find(const std::vector<TensorInfo>& infos, const std::string& name) {
  const auto at = std::find_if(infos.begin(), infos.end(), [&](const TensorInfo& i) { return i.name == name; });
  return at == infos.end() ? nullptr : &*at;
}

bool fits(const TensorInfo& info, const std::vector<std::int64_t>& wanted) {
  if (info.shape.size() != wanted.size()) return false;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    if (wanted[i] != -1 && info.shape[i] != -1 && info.shape[i] != wanted[i]) return false;
  return true;
}

/// A list that grows; a check that throws is a check that failed.
class List {
 public:
  bool add(const std::string& name, const std::function<std::string()>& measure) {
    try {
      checks.push_back({name, true, measure()});
    } catch (const std::exception& e) {
      checks.push_back({name, false, e.what()});
    }
    return checks.back().passed;
  }
  std::vector<Check> checks;
};

[[noreturn]] void fail(const std::string& what) {
  throw Error(ErrorCode::PackageInvalid, what);
}

std::string shapes(const LoadedModel& model) {
  const Package& p = model.package();
  const auto side = static_cast<std::int64_t>(p.input.size);
  const TensorInfo* in = find(model.net().inputs(), p.input.name);
  if (in == nullptr || !fits(*in, {-1, p.input.channels, side, side}))
    fail(fmt::format("the net's input {} is not [N,{},{},{}]", p.input.name, p.input.channels, side, side));
  if (model.net().inputs().size() != 1) fail("the net wants more than one input");
  const TensorInfo* logits = find(model.net().outputs(), p.logits);
  if (logits == nullptr || !fits(*logits, {-1, static_cast<std::int64_t>(p.outputs.size())}))
    fail(fmt::format("the net's output {} is not [N,{}] as model.yaml lists", p.logits, p.outputs.size()));
  for (const PackageOutput& o : p.outputs)
    if (o.index >= static_cast<int>(p.outputs.size()))
      fail(fmt::format("output {} has the index {}", o.label, o.index));
  return fmt::format("{} outputs, input {} x {}", p.outputs.size(), side, side);
}

/// Largest difference of logits and head x GAP(features) over the probe films.
std::string head(const LoadedModel& model) {
  const Package& p = model.package();
  const Tensor& weight = model.head_weight();
  const Tensor& bias = model.head_bias();
  const auto outputs = static_cast<std::size_t>(weight.shape.at(0)),
             channels = static_cast<std::size_t>(weight.shape.at(1));
  if (outputs != p.outputs.size()) fail(fmt::format("the head has {} rows for {} outputs", outputs, p.outputs.size()));
  if (!bias.values.empty() && bias.values.size() != outputs) fail("the head's bias has another length");
  double largest = 0;
  for (const image::Film& film : probe_films()) {
    const std::vector<Tensor> answer = model.answer(film_tensor(film, p.input), {p.logits, p.features});
    const Tensor& map = answer[1];
    if (map.shape.size() != 4 || map.shape[1] != weight.shape[1])
      fail(fmt::format("the features are not [1,{},h,w]", channels));
    const std::size_t cells = map.values.size() / channels;
    for (std::size_t k = 0; k < outputs; ++k) {
      double sum = bias.values.empty() ? 0 : static_cast<double>(bias.values[k]);
      for (std::size_t c = 0; c < channels; ++c) {
        double mean = 0;
        for (std::size_t i = 0; i < cells; ++i) mean += static_cast<double>(map.values[c * cells + i]);
        sum += static_cast<double>(weight.values[k * channels + c]) * mean / static_cast<double>(cells);
      }
      largest = std::max(largest, std::abs(sum - static_cast<double>(answer[0].values[k])));
    }
  }
  if (!(largest <= kHeadTolerance)) fail(fmt::format("logits differ from head x GAP(features) by {:.3g}", largest));
  return fmt::format("logits = head x GAP(features) within {:.2g}", largest);
}

std::string finite(const LoadedModel& model) {
  const Package& p = model.package();
  std::vector<image::Film> films = probe_patterns();
  for (const image::Film& film : films) {
    const Tensor input = film_tensor(film, p.input);
    const Tensor first = model.answer(input, {p.logits}).front();
    if (model.answer(input, {p.logits}).front().values != first.values) fail("the same picture gets two answers");
  }
  return fmt::format("{} patterns, each twice with the same answer", films.size());
}

std::string spread(const LoadedModel& model) {
  const Package& p = model.package();
  std::vector<std::vector<double>> columns(p.outputs.size());
  for (const image::Film& film : probe_films()) {
    const Tensor answer = model.answer(film_tensor(film, p.input), {p.logits}).front();
    for (std::size_t k = 0; k < columns.size(); ++k) columns[k].push_back(static_cast<double>(answer.values.at(k)));
  }
  std::vector<double> deviations;
  for (const auto& column : columns) {
    double sum = 0, squares = 0;
    for (const double v : column) sum += v;
    const double mean = sum / static_cast<double>(column.size());
    for (const double v : column) squares += (v - mean) * (v - mean);
    deviations.push_back(std::sqrt(squares / static_cast<double>(column.size())));
  }
  std::sort(deviations.begin(), deviations.end());
  const double middle = deviations[deviations.size() / 2];
  if (middle < kLeastSpread)
    fail(
        fmt::format("films make no difference: the median spread is {:.2g} logits; is the pixel scale right?", middle));
  return fmt::format("median spread over synthetic films {:.3g} logits", middle);
}

std::string calibration(const LoadedModel& model) {
  int calibrated = 0;
  for (const PackageOutput& o : model.package().outputs) {
    if (o.kind == "age") continue;
    if (!o.operating_points.empty() && !o.platt_a)
      fail(o.label + " has operating points but no calibration to read them on");
    calibrated += o.platt_a ? 1 : 0;
    for (const PackageOperatingPoint& point : o.operating_points)
      if (point.threshold <= 0 || point.threshold >= 1)
        fail(fmt::format("{}, {}: the threshold {} decides nothing", o.label, point.name, point.threshold));
  }
  return fmt::format("{} of {} outputs calibrated", calibrated, model.package().outputs.size());
}

std::string guided(const LoadedModel& model) {
  const Package& p = model.package();
  const auto outputs = static_cast<std::int64_t>(p.outputs.size());
  const Tensor input = film_tensor(probe_films().front(), p.input);
  for (std::int64_t k = 0; k < outputs; ++k) {
    Tensor target{.shape = {1, outputs}, .values = std::vector<float>(p.outputs.size(), 0.0F)};
    target.values[static_cast<std::size_t>(k)] = 1;
    const Tensor gradient =
        model.guided()->run({{p.guided_image, input}, {p.guided_target, target}}, {p.guided_gradient}).front();
    if (gradient.shape != input.shape) fail("the guided gradient has another shape than the input");
    for (const float v : gradient.values)
      if (!std::isfinite(v)) fail("the guided gradient is not finite");
  }
  return fmt::format("{} gradients of the input's shape, finite", outputs);
}

std::string figures(const Package& package) {
  for (const PackageFigure& f : package.performance)
    if (f.estimate.value < f.estimate.lower || f.estimate.value > f.estimate.upper)
      fail(fmt::format("{} {} {}: {} lies outside its interval {} to {}", f.figure, f.label, f.stratum,
                       f.estimate.value, f.estimate.lower, f.estimate.upper));
  return fmt::format("{} figures, each inside its interval", package.performance.size());
}

}  // namespace

std::vector<Check> check_package(const std::filesystem::path& folder, const SessionOptions& options) {
  List list;
  std::shared_ptr<const LoadedModel> model;
  const bool read = list.add("digests", [&] {
    model = load(read_package(folder), options);
    return fmt::format("{} files match, package {}", model->package().files.size(),
                       model->package().digest.substr(0, 16));
  });
  if (!read) return list.checks;
  const Package& package = model->package();
  list.add("figures", [&] { return figures(package); });
  list.add("calibration", [&] { return calibration(*model); });
  const bool opened = list.add("sessions", [&] {
    model->net();
    return std::string(model->guided() == nullptr ? "net" : "net and guided graph") + " opened by ONNX Runtime " +
           runtime_version();
  });
  if (!opened || !list.add("shapes", [&] { return shapes(*model); })) return list.checks;
  if (!list.add("finite", [&] { return finite(*model); })) return list.checks;
  list.add("spread", [&] { return spread(*model); });
  if (!package.head_weight.empty()) list.add("head", [&] { return head(*model); });
  if (model->guided() != nullptr) list.add("guided", [&] { return guided(*model); });
  return list.checks;
}

}  // namespace rouage::infer
