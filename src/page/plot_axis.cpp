// Scales, round ticks and their labels.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "page/plot_scene.h"

namespace rouage::page {
namespace {

constexpr std::size_t kMostTicks = 200;

std::string localised(std::string text, std::string_view language) {
  if (language == "fr")
    if (const auto dot = text.find('.'); dot != std::string::npos) text[dot] = ',';
  if (!text.empty() && text[0] == '-') text.replace(0, 1, "\u2212");
  return text;
}

std::string superscript(int exponent) {
  static const char* const kDigits[] = {"\u2070", "\u00b9", "\u00b2", "\u00b3", "\u2074",
                                        "\u2075", "\u2076", "\u2077", "\u2078", "\u2079"};
  std::string text = exponent < 0 ? "\u207b" : "";
  for (const char c : std::to_string(std::abs(exponent))) text += kDigits[c - '0'];
  return text;
}

/// 2.5e-7 as "2,5×10⁻⁷".
std::string scientific(double value, std::string_view language) {
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific, 3).ptr;
  const std::string text(buffer, end);
  const std::size_t e = text.find('e');
  std::string mantissa = text.substr(0, e);
  while (mantissa.back() == '0') mantissa.pop_back();
  if (mantissa.back() == '.') mantissa.pop_back();
  const int exponent = std::atoi(text.c_str() + e + 1);
  const std::string power = "10" + superscript(exponent);
  if (mantissa == "1") return power;
  return localised(mantissa, language) + "\u00d7" + power;
}

/// Smallest of 1, 2, 5 times a power of ten that makes at most `most` steps.
double round_step(double range, int most) {
  const double rough = range / std::max(1, most);
  const double power = std::pow(10, std::floor(std::log10(rough)));
  for (const double factor : {1.0, 2.0, 5.0})
    if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

Ticks linear_ticks(double low, double high, int most, std::string_view language) {
  Ticks ticks;
  const double step = round_step(high - low, most);
  const double largest = std::max(std::abs(low), std::abs(high));
  if (!(step > largest * 1e-12)) return ticks;  // the range is below the numbers' resolution
  const int decimals = std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9)));
  const bool powers = largest >= 1e6 || decimals > 5;
  for (double k = std::ceil(low / step - 1e-9); k * step <= high + step * 1e-9 && ticks.size() < kMostTicks; ++k) {
    const double value = std::abs(k) < 0.5 ? 0.0 : k * step;
    ticks.emplace_back(
        value, powers && value != 0 ? scientific(value, language) : localised(fixed_text(value, decimals), language));
  }
  return ticks;
}

Ticks logarithmic_ticks(double low, double high, int most, std::string_view language) {
  Ticks ticks;
  const double from = std::log10(low), to = std::log10(high);
  const double decades = to - from;
  const double stride = std::max(1.0, std::ceil(decades / std::max(1, most)));
  std::vector<double> factors{1};
  if (decades <= most / 3.0)
    factors = {1, 2, 5};
  else if (decades <= most / 2.0)
    factors = {1, 3};
  for (double k = std::floor(from); k <= to + 1e-9 && ticks.size() < kMostTicks; k += stride)
    for (const double factor : factors) {
      const double value = factor * std::pow(10, k);
      if (value < low * (1 - 1e-9) || value > high * (1 + 1e-9)) continue;
      ticks.emplace_back(value, plot_number(value, language));
    }
  if (ticks.size() < 2) return linear_ticks(low, high, most, language);
  return ticks;
}

}  // namespace

double AxisScale::at(double value) const {
  if (!logarithmic) return (value - low) / (high - low);
  if (!(value > 0)) return std::numeric_limits<double>::quiet_NaN();
  return (std::log10(value) - std::log10(low)) / (std::log10(high) - std::log10(low));
}

AxisScale axis_scale(const PlotAxis& axis) {
  AxisScale scale{axis.low, axis.high, axis.logarithmic};
  if (!std::isfinite(scale.low)) scale.low = std::isfinite(scale.high) ? scale.high - 1 : 0;
  if (!std::isfinite(scale.high)) scale.high = scale.low + 1;
  if (scale.logarithmic) {
    if (!(scale.high > 0)) scale.high = 1;
    if (!(scale.low > 0)) scale.low = scale.high / 1000;
  }
  const double width = std::abs(scale.high - scale.low);
  if (!(width > 1e-12 * std::max(std::abs(scale.low), std::abs(scale.high))) || !std::isfinite(width)) {
    if (scale.logarithmic) {
      scale.low /= 2;
      scale.high *= 2;
    } else {
      const double around = std::isfinite(width) ? scale.low : 0, half = std::max(0.5, std::abs(around) * 0.1);
      scale.low = around - half;
      scale.high = around + half;
    }
  }
  return scale;
}

Ticks axis_ticks(const PlotAxis& axis, const AxisScale& scale, int most, std::string_view language) {
  const double low = std::min(scale.low, scale.high), high = std::max(scale.low, scale.high);
  if (axis.ticks.empty())
    return scale.logarithmic ? logarithmic_ticks(low, high, most, language) : linear_ticks(low, high, most, language);
  Ticks ticks;
  for (const auto& tick : axis.ticks) {
    const double at = scale.at(tick.first);
    if (std::isfinite(at) && at >= -1e-9 && at <= 1 + 1e-9) ticks.push_back(tick);
  }
  return ticks;
}

std::string plot_number(double value, std::string_view language) {
  if (!std::isfinite(value)) return "-";
  if (value == 0) return "0";
  if (std::abs(value) >= 1e6 || std::abs(value) < 1e-4) return scientific(value, language);
  char buffer[64];
  const auto digits = std::max(0, 3 - static_cast<int>(std::floor(std::log10(std::abs(value)))));
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed, digits).ptr;
  std::string text(buffer, end);
  if (text.find('.') != std::string::npos) {
    while (text.back() == '0') text.pop_back();
    if (text.back() == '.') text.pop_back();
  }
  return localised(text, language);
}

SeriesStyle series_style(int colour) {
  static constexpr int kRgb[kPaletteColours] = {0x0072B2, 0xD55E00, 0x009E73, 0xCC79A7, 0xC28500, 0x000000, 0x3A97CF};
  static const std::vector<double> kDashes[] = {{}, {9, 3}, {2.5, 2.5}, {9, 3, 2, 3}, {14, 4}};
  const auto of = [](int rgb) {
    return Colour{((rgb >> 16) & 255) / 255.0, ((rgb >> 8) & 255) / 255.0, (rgb & 255) / 255.0, 1};
  };
  if (colour < 0) return {of(0x767676), {}, 0};
  return {of(kRgb[colour % kPaletteColours]), kDashes[(colour + colour / kPaletteColours) % 5], colour % 6};
}

SeriesPlan plan_series(const Plot& plot) {
  SeriesPlan plan;
  std::vector<int> taken;
  for (const PlotLine& line : plot.lines) taken.push_back(line.colour);
  for (const PlotPoints& points : plot.points) taken.push_back(points.colour);
  int next = 0;
  const auto fresh = [&] {
    while (next < kPaletteColours && std::find(taken.begin(), taken.end(), next) != taken.end()) ++next;
    return next++;
  };
  std::vector<int> colours;  // by series
  const auto use = [&](const std::string& name, int wanted) {
    if (name.empty()) return SeriesPlan::Use{wanted == -1 ? fresh() : wanted, -1};
    const auto known = std::find(plan.names.begin(), plan.names.end(), name);
    if (known != plan.names.end()) {
      const auto series = static_cast<std::size_t>(known - plan.names.begin());
      return SeriesPlan::Use{wanted == -1 ? colours[series] : wanted, static_cast<int>(series)};
    }
    plan.names.push_back(name);
    colours.push_back(wanted == -1 ? fresh() : wanted);
    return SeriesPlan::Use{colours.back(), static_cast<int>(colours.size()) - 1};
  };
  for (const PlotLine& line : plot.lines) plan.lines.push_back(use(line.name, line.colour));
  for (const PlotPoints& points : plot.points) plan.points.push_back(use(points.name, points.colour));
  for (const PlotBand& band : plot.bands) {
    SeriesPlan::Use found{band.colour, -1};
    for (std::size_t s = 0; s < colours.size() && found.series < 0; ++s)
      if (colours[s] == band.colour) found.series = static_cast<int>(s);
    plan.bands.push_back(found);
  }
  return plan;
}

}  // namespace rouage::page
