#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "infer/model_check.h"
#include "infer/probe_films.h"

namespace rouage::infer {
namespace {

constexpr double kSaturatedLogit = 10;
constexpr double kDeadSpread = 1e-4;        ///< logits: films make no difference
constexpr double kPlausibleDistance = 1.6;  ///< a spread from 0.2 to 5 logits is what trained nets show
constexpr double kClearlyBetter = 0.7;      ///< ln 2: the other scale must be at least a factor of two nearer

/// Answers of nets that end in a sigmoid are turned back into logits, so that both kinds are measured alike.
void undo_sigmoid(std::vector<std::vector<double>>& answers) {
  for (const auto& film : answers)
    for (const double v : film)
      if (v < 0 || v > 1) return;
  for (auto& film : answers)
    for (double& v : film) {
      const double p = std::clamp(v, 1e-7, 1 - 1e-7);
      v = std::log(p / (1 - p));
    }
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

ScaleAnswer measure(std::vector<std::vector<double>> answers, const std::string& normalisation) {
  undo_sigmoid(answers);
  ScaleAnswer made{.normalisation = normalisation};
  const std::size_t outputs = answers.front().size();
  std::vector<double> deviations;
  double saturated = 0;
  for (std::size_t k = 0; k < outputs; ++k) {
    double sum = 0, squares = 0;
    for (const auto& film : answers) {
      sum += film[k];
      squares += film[k] * film[k];
      saturated += std::abs(film[k]) > kSaturatedLogit ? 1 : 0;
    }
    const double n = static_cast<double>(answers.size());
    deviations.push_back(std::sqrt(std::max(0.0, squares / n - (sum / n) * (sum / n))));
  }
  made.spread = median(deviations);
  made.saturated = saturated / static_cast<double>(answers.size() * outputs);
  made.distance = std::abs(std::log(std::max(made.spread, 1e-12))) + 3 * made.saturated;
  return made;
}

std::string describe(const ScaleReport& report) {
  std::string text;
  for (const ScaleAnswer& a : report.answers)
    text += fmt::format("{}{}: spread {:.3g} logits, saturated {:.0f} %", text.empty() ? "" : "; ", a.normalisation,
                        a.spread, 100 * a.saturated);
  return text;
}

}  // namespace

const ScaleAnswer& ScaleReport::of(const std::string& normalisation) const {
  const auto at = std::find_if(answers.begin(), answers.end(),
                               [&](const ScaleAnswer& a) { return a.normalisation == normalisation; });
  if (at == answers.end())
    throw Error(ErrorCode::ScaleMismatch, "the net gives no finite answer on the pixel scale " + normalisation);
  return *at;
}

ScaleReport probe_scales(const Session& net, const PackageInput& input, const std::string& logits) {
  const std::vector<image::Film> films = probe_films();
  ScaleReport report;
  for (const char* scale : {"scale_1024", "scale_255", "unit", "film_standardise"}) {
    PackageInput tried = input;
    tried.normalisation = scale;
    tried.clip = std::string(scale) == "film_standardise" ? 4 : 0;
    std::vector<std::vector<double>> answers;
    bool finite = true;
    for (const image::Film& film : films) {
      const Tensor answer = net.run({{input.name, film_tensor(film, tried)}}, {logits}).front();
      answers.emplace_back(answer.values.begin(), answer.values.end());
      for (const float v : answer.values) finite = finite && std::isfinite(v);
    }
    if (finite && !answers.front().empty()) report.answers.push_back(measure(std::move(answers), scale));
  }
  if (report.answers.empty()) throw Error(ErrorCode::OutputInvalid, "not finite on any pixel scale");
  report.best = std::min_element(report.answers.begin(), report.answers.end(), [](const auto& a, const auto& b) {
                  return a.distance < b.distance;
                })->normalisation;
  return report;
}

void require_scale(const ScaleReport& report, const std::string& claimed) {
  const ScaleAnswer& said = report.of(claimed);
  const ScaleAnswer& best = report.of(report.best);
  if (said.spread < kDeadSpread)
    throw Error(ErrorCode::ScaleMismatch,
                fmt::format("on the claimed scale {} the films make no difference ({})", claimed, describe(report)));
  if (said.distance > kPlausibleDistance && best.distance < said.distance - kClearlyBetter)
    throw Error(ErrorCode::ScaleMismatch, fmt::format("{} is claimed, but {} explains the net's answers ({})", claimed,
                                                      report.best, describe(report)));
}

}  // namespace rouage::infer
