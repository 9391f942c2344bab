// Which hypotheses are shown, all of them taken together.
#include <algorithm>
#include <numeric>

#include "evidence/study_plan.h"

namespace rouage::evidence {
namespace {

std::vector<std::size_t> ascending(const std::vector<double>& p) {
  std::vector<std::size_t> order(p.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return p[a] < p[b]; });
  return order;
}

const RunAnalysis* find_run(const std::vector<RunAnalysis>& runs, const std::string& name) {
  for (const RunAnalysis& run : runs)
    if (run.planned->name == name) return &run;
  return nullptr;
}

Decision by_test(const Hypothesis& h, const RunAnalysis& run, bool french) {
  Decision d{.hypothesis = &h};
  const auto found = std::find_if(run.outcome.tests.begin(), run.outcome.tests.end(),
                                  [&](const Test& t) { return t.name == h.test && t.stratum == h.stratum; });
  if (found == run.outcome.tests.end()) {
    d.why = (french ? "l'analyse ne donne pas le test " : "the analysis gives no test ") + h.test;
    return d;
  }
  d.value = found->value;
  d.p = found->p;
  d.method = found->method;
  if (!d.p) d.why = found->why;
  // Where a test has no value of its own, its statistic carries the sign.
  const std::optional<double> side = found->value ? found->value : found->statistic;
  const bool wrong_side =
      (h.direction == "greater" && !(side && *side > 0)) || (h.direction == "less" && !(side && *side < 0));
  if (wrong_side && d.p) d.why = french ? "la différence va dans l'autre sens" : "the difference goes the other way";
  return d;
}

Decision by_figure(const Hypothesis& h, const std::vector<RunAnalysis>& runs, bool french) {
  Decision d{.hypothesis = &h};
  const Figure* figure = find_figure(runs, h.analysis, h.figure, h.stratum);
  if (figure == nullptr) {
    d.why = (french ? "l'analyse ne donne pas le chiffre " : "the analysis gives no figure ") + h.figure;
    return d;
  }
  d.value = figure->value;
  d.lower = figure->lower;
  d.upper = figure->upper;
  d.method = figure->method;
  d.why = figure->why;
  return d;
}

/// Shown at alpha on its own, before the others are thought of.
bool passes(const Decision& d, double alpha) {
  const Hypothesis& h = *d.hypothesis;
  if (!h.figure.empty())
    return (h.above && d.lower && *d.lower > *h.above) || (h.below && d.upper && *d.upper < *h.below);
  const std::optional<double> p = d.adjusted ? d.adjusted : d.p;
  return d.why.empty() && p && *p <= alpha;
}

void adjust(std::vector<Decision>& decisions, bool primary, const std::string& method) {
  std::vector<double> p;
  std::vector<Decision*> family;
  for (Decision& d : decisions) {
    if (d.hypothesis->primary != primary) continue;
    family.push_back(&d);
    p.push_back(d.p.value_or(1));
  }
  const std::vector<double> adjusted = method == "holm" ? adjusted_holm(p) : adjusted_hochberg(p);
  for (std::size_t i = 0; i < family.size(); ++i)
    if (family[i]->p) family[i]->adjusted = adjusted[i];
}

/// In the order of the plan, each only where all before it are shown.
void open_gates(std::vector<Decision>& decisions, const StudyPlan& plan, bool french) {
  bool open = true;
  for (const std::string& id : plan.order)
    for (Decision& d : decisions) {
      if (d.hypothesis->id != id) continue;
      if (!open && d.shown)
        d.why = french ? "une hypothèse qui la précède n'est pas démontrée" : "a hypothesis before it is not shown";
      d.shown = d.shown && open;
      open = d.shown;
    }
}

}  // namespace

std::vector<double> adjusted_holm(const std::vector<double>& p) {
  const std::vector<std::size_t> order = ascending(p);
  std::vector<double> adjusted(p.size());
  double running = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    running = std::max(running, static_cast<double>(order.size() - i) * p[order[i]]);
    adjusted[order[i]] = std::min(1.0, running);
  }
  return adjusted;
}

std::vector<double> adjusted_hochberg(const std::vector<double>& p) {
  const std::vector<std::size_t> order = ascending(p);
  std::vector<double> adjusted(p.size());
  double running = 1;
  for (std::size_t i = order.size(); i-- > 0;) {
    running = std::min(running, static_cast<double>(order.size() - i) * p[order[i]]);
    adjusted[order[i]] = running;
  }
  return adjusted;
}

const Figure* find_figure(const std::vector<RunAnalysis>& runs, const std::string& analysis, const std::string& figure,
                          const std::string& stratum) {
  const RunAnalysis* run = find_run(runs, analysis);
  if (run == nullptr) return nullptr;
  for (const Figure& f : run->outcome.estimates)
    if (f.name == figure && f.stratum == stratum) return &f;
  return nullptr;
}

std::vector<Decision> decide(const StudyPlan& plan, const std::vector<RunAnalysis>& runs, bool french) {
  std::vector<Decision> decisions;
  for (const Hypothesis& h : plan.hypotheses) {
    const RunAnalysis* run = find_run(runs, h.analysis);
    if (run == nullptr || !run->refused.empty()) {
      decisions.push_back({.hypothesis = &h});
      decisions.back().why = french ? "son analyse n'a pas pu être faite" : "its analysis could not be run";
      continue;
    }
    decisions.push_back(h.figure.empty() ? by_test(h, *run, french) : by_figure(h, runs, french));
  }
  if (plan.multiplicity == "holm" || plan.multiplicity == "hochberg") {
    adjust(decisions, true, plan.multiplicity);
    adjust(decisions, false, plan.multiplicity);
  }
  bool primaries = true;
  for (Decision& d : decisions) {
    d.shown = passes(d, plan.alpha);
    if (d.hypothesis->primary) primaries = primaries && d.shown;
  }
  if (plan.multiplicity == "gatekeeping") {
    open_gates(decisions, plan, french);
  } else {
    for (Decision& d : decisions) {
      if (d.hypothesis->primary || primaries || !d.shown) continue;
      d.shown = false;
      d.why = french ? "une hypothèse principale n'est pas démontrée" : "a primary hypothesis is not shown";
    }
  }
  return decisions;
}

}  // namespace rouage::evidence
