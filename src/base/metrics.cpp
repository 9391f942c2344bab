#include <fmt/format.h>

#include <cmath>
#include <set>

#include "base/service.h"

namespace rouage {
namespace {

void add_to(std::atomic<double>& value, double by) {
  double seen = value;
  while (!value.compare_exchange_weak(seen, seen + by)) {
  }
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n')
      out += "\\n";
    else
      out += c;
  }
  return out;
}

/// {a="1",b="2"} or nothing; `more` is one label that is written already.
std::string label_text(const MetricLabels& labels, const std::string& more = {}) {
  std::string inner = more;
  for (const auto& [name, value] : labels)
    inner += fmt::format("{}{}=\"{}\"", inner.empty() ? "" : ",", name, escaped(value));
  return inner.empty() ? "" : "{" + inner + "}";
}

template <typename Metric>
struct Family {
  std::string help;
  std::map<MetricLabels, std::unique_ptr<Metric>> members;
};

template <typename Metric>
Metric& member(std::map<std::string, Family<Metric>>& families, const std::string& name, const std::string& help,
               const MetricLabels& labels) {
  Family<Metric>& family = families[name];
  if (family.help.empty()) family.help = help;
  std::unique_ptr<Metric>& metric = family.members[labels];
  if (!metric) metric = std::make_unique<Metric>();
  return *metric;
}

std::string histogram_text(const std::string& name, const MetricLabels& labels, const Histogram& histogram) {
  std::string out;
  std::uint64_t total = 0;
  for (int i = 0; i <= Histogram::kBuckets; ++i) {
    total += histogram.count(i);
    const std::string bound = i == Histogram::kBuckets ? "+Inf" : number_text(histogram.upper_s(i));
    out += fmt::format("{}_bucket{} {}\n", name, label_text(labels, "le=\"" + bound + "\""), total);
  }
  return out + fmt::format("{0}_sum{1} {2}\n{0}_count{1} {3}\n", name, label_text(labels), number_text(histogram.sum()),
                           total);
}

}  // namespace

void Counter::add(double by) {
  add_to(value_, by);
}
void Gauge::add(double by) {
  add_to(value_, by);
}

double Histogram::upper_s(int bucket) const {
  return 0.001 * std::exp2(bucket);
}

void Histogram::observe(double seconds) {
  int bucket = 0;
  while (bucket < kBuckets && seconds > upper_s(bucket)) ++bucket;
  ++buckets_[static_cast<std::size_t>(bucket)];
  add_to(sum_, seconds);
}

struct Metrics::Families {
  mutable std::mutex mutex;
  std::map<std::string, Family<Counter>> counters;
  std::map<std::string, Family<Gauge>> gauges;
  std::map<std::string, Family<Histogram>> histograms;
};

Metrics::Metrics() : families_(std::make_unique<Families>()) {}
Metrics::~Metrics() = default;

Counter& Metrics::counter(const std::string& name, const std::string& help, const MetricLabels& labels) {
  const std::lock_guard lock(families_->mutex);
  return member(families_->counters, name, help, labels);
}
Gauge& Metrics::gauge(const std::string& name, const std::string& help, const MetricLabels& labels) {
  const std::lock_guard lock(families_->mutex);
  return member(families_->gauges, name, help, labels);
}
Histogram& Metrics::histogram(const std::string& name, const std::string& help, const MetricLabels& labels) {
  const std::lock_guard lock(families_->mutex);
  return member(families_->histograms, name, help, labels);
}

std::string Metrics::text() const {
  const std::lock_guard lock(families_->mutex);
  std::string out;
  const auto head = [&out](const std::string& name, const std::string& help, const char* type) {
    out += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n", name, escaped(help), type);
  };
  for (const auto& [name, family] : families_->counters) {
    head(name, family.help, "counter");
    for (const auto& [labels, metric] : family.members)
      out += fmt::format("{}{} {}\n", name, label_text(labels), number_text(metric->value()));
  }
  for (const auto& [name, family] : families_->gauges) {
    head(name, family.help, "gauge");
    for (const auto& [labels, metric] : family.members)
      out += fmt::format("{}{} {}\n", name, label_text(labels), number_text(metric->value()));
  }
  for (const auto& [name, family] : families_->histograms) {
    head(name, family.help, "histogram");
    for (const auto& [labels, metric] : family.members) out += histogram_text(name, labels, *metric);
  }
  return out;
}

Metrics& metrics() {
  static Metrics registry;
  return registry;
}

}  // namespace rouage
