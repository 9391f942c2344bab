// The one report of a study.
#include <fmt/format.h>
#include <algorithm>
#include <cmath>

#include "evidence/study_plan.h"

namespace rouage::evidence {
namespace {

class Composer {
 public:
  Composer(const StudyPlan& plan, const std::vector<RunAnalysis>& runs, bool french)
      : plan_(plan), runs_(runs), french_(french) {
    report_.title = plan.title;
    report_.date = plan.date;
    report_.language = french ? "fr" : "en";
    report_.subtitle = say("Plan of ", "Plan du ") + plan.date + "; SHA-256 " + plan.digest;
  }

  page::Report compose(const std::vector<Decision>& decisions, const std::vector<std::string>& differences) {
    registration(differences);
    heading(say("Question", "Question"));
    line("", plan_.question);
    line(say("Design: ", "Schéma : "), plan_.design);
    line(say("Intended use: ", "Usage prévu : "), plan_.intended_use);
    hypotheses(decisions);
    sizes();
    if (plan_.reading_order) {
      heading(say("Order of the readings", "Ordre des lectures"));
      reading_order();
    }
    for (const RunAnalysis& run : runs_) analysis(run);
    deviations();
    methods();
    checklist("STARD 2015", stard_items(), plan_.stard, known_stard());
    checklist("CLAIM 2024", claim_items(), plan_.claim, known_claim());
    return std::move(report_);
  }

 private:
  std::string say(const char* en, const char* fr) const { return french_ ? fr : en; }
  void heading(std::string text, int level = 2) {
    report_.blocks.emplace_back(page::ReportHeading{std::move(text), level});
  }
  void line(const std::string& before, const std::string& text, bool warning = false) {
    if (!text.empty()) report_.blocks.emplace_back(page::ReportText{before + text, warning});
  }
  void table(page::ReportTable value) {
    if (!value.rows.empty()) report_.blocks.emplace_back(std::move(value));
  }
  std::string number(const std::optional<double>& value, const char* format = "{:.4g}") const {
    if (!value || !std::isfinite(*value)) return "-";
    std::string text = fmt::format(fmt::runtime(format), *value);
    if (french_)
      if (const auto dot = text.find('.'); dot != std::string::npos) text[dot] = ',';
    return text;
  }
  std::string p_text(const std::optional<double>& p) const {
    if (p && *p < 0.0001) return say("< 0.0001", "< 0,0001");
    return number(p, "{:.4f}");
  }
  std::string interval(const std::optional<double>& lower, const std::optional<double>& upper) const {
    if (!lower && !upper) return "-";
    return number(lower) + say(" to ", " à ") + number(upper);
  }

  void registration(const std::vector<std::string>& differences) {
    if (differences.empty()) {
      line("",
           say("Registered: plan and data are those whose digests were written before the analysis.",
               "Enregistrée : le plan et les données sont ceux dont les empreintes ont été écrites avant l'analyse."));
      return;
    }
    line("",
         say("NOT REGISTERED: read these results as exploratory.",
             "NON ENREGISTRÉE : lire ces résultats comme exploratoires."),
         true);
    for (const std::string& difference : differences) line("", difference, true);
  }

  std::string criterion(const Hypothesis& h) const {
    std::string text = h.analysis + ": " + (h.figure.empty() ? h.test : h.figure);
    if (!h.stratum.empty()) text += " (" + h.stratum + ")";
    if (h.above) text += say(", whole interval above ", ", intervalle entier au-dessus de ") + number(h.above);
    if (h.below) text += say(", whole interval below ", ", intervalle entier au-dessous de ") + number(h.below);
    if (h.direction == "greater") text += " > 0";
    if (h.direction == "less") text += " < 0";
    return text;
  }

  void hypotheses(const std::vector<Decision>& decisions) {
    if (decisions.empty()) return;
    heading(say("Hypotheses", "Hypothèses"));
    page::ReportTable rows;
    rows.header = {"",
                   say("hypothesis", "hypothèse"),
                   say("rank", "rang"),
                   say("criterion", "critère"),
                   say("value", "valeur"),
                   say("interval", "intervalle"),
                   "p",
                   say("adjusted p", "p ajusté"),
                   say("conclusion", "conclusion")};
    for (const Decision& d : decisions) {
      const Hypothesis& h = *d.hypothesis;
      std::string conclusion = d.shown ? say("shown", "démontrée") : say("not shown", "non démontrée");
      if (!d.shown && !d.why.empty()) conclusion += ": " + d.why;
      rows.rows.push_back({h.id, h.text, h.primary ? say("primary", "principale") : say("secondary", "secondaire"),
                           criterion(h), number(d.value), interval(d.lower, d.upper), p_text(d.p), p_text(d.adjusted),
                           conclusion});
    }
    table(std::move(rows));
    line("", multiplicity());
  }

  std::string multiplicity() const {
    const std::string alpha = say("Two-sided alpha ", "Alpha bilatéral ") + number(plan_.alpha) + ". ";
    const std::string gates =
        say(" Secondary hypotheses count only where all primary ones are shown.",
            " Les hypothèses secondaires ne comptent que si toutes les principales sont démontrées.");
    if (plan_.multiplicity == "holm")
      return alpha +
             say("Multiplicity: Holm (1979), within each rank.", "Multiplicité : Holm (1979), dans chaque rang.") +
             gates;
    if (plan_.multiplicity == "hochberg")
      return alpha +
             say("Multiplicity: Hochberg (1988), within each rank.",
                 "Multiplicité : Hochberg (1988), dans chaque rang.") +
             gates;
    if (plan_.multiplicity == "gatekeeping")
      return alpha + say("Multiplicity: fixed order, each hypothesis only where all before it are shown (Maurer and "
                         "others 1995).",
                         "Multiplicité : ordre fixé, chaque hypothèse seulement si toutes les précédentes sont "
                         "démontrées (Maurer et coll. 1995).");
    return alpha +
           say("No adjustment for multiplicity within a rank was planned.",
               "Aucun ajustement de multiplicité n'est prévu dans un rang.") +
           gates;
  }

  void sizes() {
    if (plan_.sizes.empty()) return;
    heading(say("Sample size", "Taille d'échantillon"));
    page::ReportTable rows;
    rows.header = {say("figure", "chiffre"), say("planned", "prévu"), say("found", "trouvé"), say("reason", "raison")};
    for (const PlannedSize& size : plan_.sizes) {
      const Figure* figure = find_figure(runs_, size.analysis, size.figure, size.stratum);
      const std::string found = figure == nullptr ? "-" : std::to_string(figure->n);
      rows.rows.push_back({size.analysis + ": " + size.figure + (size.stratum.empty() ? "" : " (" + size.stratum + ")"),
                           std::to_string(size.planned), found, size.text});
      if (figure != nullptr && figure->n < static_cast<std::uint64_t>(size.planned))
        line("", rows.rows.back()[0] + say(": fewer than planned", " : moins que prévu"), true);
    }
    table(std::move(rows));
  }

  void reading_order() {
    for (page::ReportBlock& block : reading_order_blocks(plan_, french_)) report_.blocks.push_back(std::move(block));
  }

  void analysis(const RunAnalysis& run) {
    heading(run.planned->name + " (" + run.planned->kind + ")");
    std::string asked;
    for (const auto& [name, data] : run.planned->inputs) asked += (asked.empty() ? "" : "; ") + name + " = " + data;
    for (const auto& [name, value] : run.planned->options) asked += "; " + name + " = " + value;
    line(say("As planned: ", "Selon le plan : "), asked);
    line(say("Could not be run: ", "N'a pas pu être faite : "), run.refused, true);
    for (const std::string& note : run.outcome.notes) line("", note);
    page::ReportTable figures;
    figures.header = {
        say("figure", "chiffre"), say("stratum", "strate"), say("value", "valeur"), say("interval", "intervalle"), "n",
        say("method", "méthode")};
    for (const Figure& f : run.outcome.estimates)
      figures.rows.push_back({f.name, f.stratum, number(f.value), interval(f.lower, f.upper), std::to_string(f.n),
                              f.why.empty()      ? f.method
                              : f.method.empty() ? f.why
                                                 : f.method + ": " + f.why});
    table(std::move(figures));
    page::ReportTable tests;
    tests.header = {
        "test", say("stratum", "strate"), say("value", "valeur"), say("statistic", "statistique"), say("df", "ddl"),
        "p",    say("method", "méthode")};
    for (const Test& t : run.outcome.tests) {
      std::string df;
      for (const double d : t.df) df += (df.empty() ? "" : "; ") + number(d);
      tests.rows.push_back({t.name, t.stratum, number(t.value), number(t.statistic), df.empty() ? "-" : df, p_text(t.p),
                            t.why.empty() ? t.method : t.why});
    }
    table(std::move(tests));
    for (const Detail& detail : run.outcome.details) {
      heading(detail.title, 3);
      table({detail.header, detail.rows});
    }
    for (const page::Plot& plot : run.outcome.plots) report_.blocks.emplace_back(plot);
  }

  void deviations() {
    heading(say("Deviations from the plan", "Écarts au plan"));
    if (plan_.deviations.empty()) line("", say("None is stated.", "Aucun n'est déclaré."));
    page::ReportTable rows;
    rows.header = {"date", say("deviation", "écart"), say("reason", "raison")};
    for (const Deviation& d : plan_.deviations) rows.rows.push_back({d.date, d.text, d.reason});
    table(std::move(rows));
  }

  void methods() {
    heading(say("Methods and sources", "Méthodes et sources"));
    std::vector<std::string> seen;
    const auto add = [&](const std::string& method) {
      if (!method.empty() && std::find(seen.begin(), seen.end(), method) == seen.end()) seen.push_back(method);
    };
    for (const RunAnalysis& run : runs_) {
      for (const Figure& f : run.outcome.estimates) add(f.method);
      for (const Test& t : run.outcome.tests) add(t.method);
    }
    for (const std::string& method : seen) line("- ", method);
    line("", say("Intervals at level ", "Intervalles au niveau ") + number(plan_.level) + say("; seed ", " ; graine ") +
                 std::to_string(plan_.seed) + say("; draws ", " ; tirages ") + std::to_string(plan_.draws) + ".");
  }

  /// What the plan and this report say themselves.
  std::map<std::string, std::string> known_stard() const {
    std::map<std::string, std::string> known{{"3", plan_.intended_use},
                                             {"4", plan_.question},
                                             {"5", plan_.design},
                                             {"14", say("see Methods and sources", "voir Méthodes et sources")},
                                             {"24", say("see the analyses", "voir les analyses")},
                                             {"28", "SHA-256 " + plan_.digest}};
    if (!plan_.sizes.empty()) known["18"] = say("see Sample size", "voir Taille d'échantillon");
    return known;
  }
  std::map<std::string, std::string> known_claim() const {
    std::map<std::string, std::string> known{{"3", plan_.intended_use},
                                             {"4", plan_.question},
                                             {"5", plan_.design},
                                             {"28", say("see the analyses", "voir les analyses")},
                                             {"29", say("see Methods and sources", "voir Méthodes et sources")},
                                             {"37", say("see the analyses", "voir les analyses")}};
    if (!plan_.sizes.empty()) known["21"] = say("see Sample size", "voir Taille d'échantillon");
    return known;
  }

  void checklist(const std::string& name, const std::vector<ChecklistItem>& items,
                 const std::map<std::string, std::string>& said, const std::map<std::string, std::string>& known) {
    heading(name);
    page::ReportTable rows;
    rows.header = {say("item", "point"), say("asks for", "demande"),
                   say("stated in the plan or this report", "dit dans le plan ou ce rapport")};
    std::size_t silent = 0;
    for (const ChecklistItem& item : items) {
      std::string answer;
      if (const auto own = said.find(item.number); own != said.end()) answer = own->second;
      if (const auto own = known.find(item.number); answer.empty() && own != known.end()) answer = own->second;
      if (answer.empty()) {
        answer = say("not stated", "non précisé");
        ++silent;
      }
      rows.rows.push_back({item.number, french_ ? item.fr : item.en, answer});
    }
    line("", fmt::format("{} / {} ", items.size() - silent, items.size()) +
                 say("items stated. Items are given in our words; the checklist's own text is binding.",
                     "points renseignés. Les points sont dits avec nos mots ; le texte de la liste fait foi."));
    table(std::move(rows));
  }

  const StudyPlan& plan_;
  const std::vector<RunAnalysis>& runs_;
  bool french_;
  page::Report report_;
};

}  // namespace

page::Report compose_report(const StudyPlan& plan, const std::vector<RunAnalysis>& runs,
                            const std::vector<Decision>& decisions, const std::vector<std::string>& differences,
                            bool french) {
  return Composer(plan, runs, french).compose(decisions, differences);
}

}  // namespace rouage::evidence
