"""Writes the model card (README.md of the package) from measured figures only."""
from data import FINDINGS


def _f(r, digits=3):
    return "not enough films" if r is None else f"{r['value']:.{digits}f} ({r['lower']:.{digits}f} to {r['upper']:.{digits}f})"


def _find(records, **want):
    return next((r for r in records if all(r[k] == v for k, v in want.items())), None)


def _auroc_table(records, data) -> list:
    out = ["| output | positives | pooled | within source | within view | no pixels, pooled | no pixels, within source |", "|---|---|---|---|---|---|---|"]
    for label in FINDINGS + ["remarkable", "view_ap", "sex_male"]:
        pooled = _find(records, figure="auroc", label=label, stratum="pooled", data=data)
        if pooled is None:
            continue
        cells = [_f(pooled)] + [_f(_find(records, figure="auroc", label=label, stratum=s, data=data)) if (label, s) != ("view_ap", "within_view") else "-"
                                for s in ("within_source", "within_view")]
        for s in ("pooled", "within_source"):
            r = _find(records, figure="auroc_metadata_only", label=label, stratum=s, data=data)
            cells.append(f"{r['value']:.3f}" if r else "-")
        out.append(f"| {label} | {pooled['positives']} of {pooled['n']} | " + " | ".join(cells) + " |")
    return out


def _rows(records, figures, data=None, digits=3) -> list:
    out = ["| figure | of | films | value (95 % interval) | n |", "|---|---|---|---|---|"]
    for r in records:
        if r["figure"] in figures and (data is None or r["data"] == data or r["data"] in data):
            out.append(f"| {r['figure']} | {r['label']} | {r['stratum']} | {_f(r, digits)} | {r['n']} |")
    return out


def _no_pixels(rec, oof) -> str:
    """Names the outputs whose pooled AUROC is not clearly above that of the model without pixels."""
    out = []
    for label in FINDINGS + ["remarkable"]:
        r, m = (_find(rec, figure=f, label=label, stratum="pooled", data=oof) for f in ("auroc", "auroc_metadata_only"))
        if r and m and r["lower"] <= m["value"]:
            out.append(f"{label} ({r['value']:.3f} against {m['value']:.3f})")
    return "Pooled figure not clearly above the model without pixels: " + ("; ".join(out) if out else "none") + "."


def _verdict(rec, goal, oof, cal) -> str:
    """Says plainly which of the asked figures are not met, by the point estimates."""
    out = []
    for name, (figure, stratum, asked, _) in goal.items():
        if asked:
            limit, more = float(asked.split()[0]), "more" in asked
            for column, data in (("out-of-fold", oof), ("on the calibration split", cal)):
                r = _find(rec, figure=figure, stratum=stratum, data=data)
                if r and (r["value"] < limit if more else r["value"] > limit):
                    out.append(f"{name}, {column}: {r['value']} (asked: {asked})")
    return ("**Not met here:** " + "; ".join(out) + ".") if out else "All asked figures are met here by the point estimates."


def _eligible(rec, goal, oof, cal) -> list:
    """The asked figures again on the films that the eligibility check lets through: refusing must not be what makes them good."""
    names = ["eligible films only, " + d for d in (oof, cal)]
    rates = [_find(rec, figure="eligible_rate", data=d) for d in names]
    if None in rates:
        return ["", "Figures on eligible films only were not measured for this version."]
    out = ["", "Only the films that the eligibility check (`rouage-chest-gate`, with the ages and views of the table) lets through: "
           + "; ".join(f"{r['positives']} of {r['n']} {w}" for r, w in zip(rates, ("out-of-fold", "of the calibration split"))) + ". Refused films are mostly of minors.", "",
           "| eligible films only | out-of-fold | calibration split |", "|---|---|---|"]
    for name, (figure, stratum, _, digits) in goal.items():
        out.append(f"| {name} | " + " | ".join(_f(_find(rec, figure=figure, stratum=stratum, data=d), digits) for d in names) + " |")
    return out


def _members(figures) -> str:
    names, folds = (", ".join(n[:-3] for n in figures[key]) for key in ("nets", "fold_nets"))
    if figures["nets"] == figures["fold_nets"]:
        return f"{len(figures['nets'])} nets ({names}; the digit is the fold left out), each trained without its fold and without the calibration split; the same nets ship."
    return (f"Fold nets ({folds}; the digit is the fold left out) give the out-of-fold figures. Then each was trained on for a few epochs with all folds ({names}); these refits ship. "
            "So the out-of-fold figures judge the recipe on patients never seen, not the very weights that ship; the calibration split, which no net ever saw, judges the shipped ensemble.")


def _points(figures) -> list:
    out = ["| output | point | threshold | sensitivity | specificity | positives / negatives |", "|---|---|---|---|---|---|"]
    for label, points in figures["operating_points"].items():
        for p in points:
            out.append(f"| {label} | {p['name']} | {p['threshold']:.3f} | {p['sensitivity']:.3f} | {p['specificity']:.3f} | {p['positives']} / {p['negatives']} |")
    return out


def card_text(figures, version, report, ensemble, plan, total_bytes) -> str:
    rec, oof, cal = figures["performance"], figures["oof"], figures["calibration_split"]
    size, nets = figures["size"], len(figures["nets"])
    k, c = ensemble.head_weight.shape
    parameters = sum(v.numel() for m in ensemble.members for part in [m.stem] + [q for b in m.blocks for q in (b["conv1"], b["conv2"], b["project"]) if q] for v in part) + (c + 1) * k
    goal = {
        "remarkable, mean of the AUROCs within jrzech and muhammedtalo": ("auroc_mean_of_sources", "jrzech and muhammedtalo", "0.83 or more", 3),
        "mean AUROC of the findings with 8 positives or more, 512 px films": ("auroc_mean_of_findings", "512 px films", "0.77 or more", 3),
        "the same, all films": ("auroc_mean_of_findings", "all films", "", 3),
        "age, mean absolute error in years, 512 px films": ("age_mae_a", "512 px films", "8.5 or less", 2),
        "the same, all films ": ("age_mae_a", "all films", "", 2),
    }
    lines = [f"# rouage-chest {version}: model card", "",
             "A multi-task network for frontal chest films of adults. It estimates 13 findings of ChestX-ray14, a remarkable/unremarkable score, the projection (AP), the sex and the age. "
             "**Every output is preliminary and for review by a physician. It is not a medical device.** All figures in the tables were written by `training/chest/evaluate.py`; those under \"Compute plan\" come from the training logs.", "",
             "## In short", "", f"| | out-of-fold ({figures['each']}) | calibration split (ensemble) | asked for on unseen patients |", "|---|---|---|---|"]
    for name, (figure, stratum, asked, digits) in goal.items():
        cells = [_f(_find(rec, figure=figure, stratum=stratum, data=d), digits) for d in (oof, cal)]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} | {asked} |")
    lines += ["", _verdict(rec, goal, oof, cal)]
    lines += _eligible(rec, goal, oof, cal)
    lines += ["", f"The out-of-fold column: {oof}; each film is read only by a net that never saw its patient ({figures['each']}). The shipped ensemble of {nets} is not these nets one by one: it should be somewhat better, "
              f"which only the calibration column can show. The calibration column: {cal}, seen by no net; it is small, its intervals are wide, and the age line was fitted on it (two numbers). Intervals: 95 %, bootstrap of patients (400 draws, fixed seed).", "",
              "## Data and splits", "",
              "- Trained on: NIH ChestX-ray14 films only (Wang et al., CVPR 2017; provided by the NIH Clinical Center): `nih/` and `nih64/`, and `effusion/` as weakly labelled extra films (effusion yes/no; weight 0.5). Kermany et al. 2018 (CC BY 4.0, children) and `effusion/` for pretraining the trunk. No foreign weights.",
              "- `effusion/` carries no patient ids: it may hold other films of patients in the folds or the calibration split, which may favour the figures below a little.",
              f"- Split by patient, by hash with a fixed seed: about 10 % calibration, the rest in five folds, stratified by source.",
              f"- {_members(figures)}",
              "- Labels are mined from report text by the NIH; they are noisy, most of all Pneumonia, Infiltration and No Finding. Hernia has fewer than 20 positives and is not an output.",
              "- JSRT and the COVID sets were never trained on.", "",
              "## Confounding, plainly", "",
              "Source, projection and label are entangled in these data (one source holds nearly all unremarkable AP films; another was chosen to show all labels). The columns \"no pixels\" show what a model reaches that is given only source, view, age and sex, "
              "and no film (the better of a logistic regression and a gradient boosting, same folds). Where \"pooled\" is not clearly above it, the pooled figure is no proof of reading the film. Trust \"within source\" (only pairs of films of one source are compared). "
              "In training, `remarkable` is weighted so that within each source (and view, in muhammedtalo) both classes weigh the same; borders and markers are masked at random (15 % of the training films). "
              + (plan.get("ablations") or "An ablation of source balancing and of border masking was NOT done for lack of computing time."), "",
              "## AUROC per output, out-of-fold", ""] + _auroc_table(rec, oof)
    lines += ["", _no_pixels(rec, oof)]
    lines += ["", "## Remarkable within each source, means", "", "Out-of-fold:", ""] + _rows(rec, ("auroc_mean_of_sources", "auroc_mean_of_findings"), oof)
    lines += [f"| auroc | remarkable | {r['stratum']} | {_f(r)} | {r['n']} |" for r in rec if r["figure"] == "auroc" and (r["stratum"].startswith("source ") or r["stratum"] == "under 18 a") and r["data"] == oof]
    lines += ["", "Out-of-fold with the outer 8 % of each side blanked (no markers, no annotations): what falls was read from the border.", ""]
    lines += _rows(rec, ("auroc_mean_of_sources", "auroc_mean_of_findings"), "out-of-fold, outer 8 % of each side blanked")
    lines += ["", "Ensemble on the calibration split:", ""] + _rows(rec, ("auroc_mean_of_sources", "auroc_mean_of_findings"), cal)
    lines += [f"| auroc | remarkable | {r['stratum']} | {_f(r)} | {r['n']} |" for r in rec if r["figure"] == "auroc" and r["stratum"].startswith("source ") and r["data"] == cal]
    lines += ["", "## AUROC per output, ensemble on the calibration split", ""] + _auroc_table(rec, cal)
    lines += ["", "## Age", "", "`age_bias_a` is estimate minus truth: the young are estimated too old and the old too young, as regression to the mean makes it. Out-of-fold estimates are calibrated by a line fitted on the other folds.", ""]
    lines += _rows(rec, ("age_mae_a", "age_bias_a", "age_limits_of_agreement_a"), oof, 2) + ["", "Ensemble on the calibration split (line fitted on it):", ""] + _rows(rec, ("age_mae_a", "age_bias_a", "age_limits_of_agreement_a"), cal, 2)
    lines += ["", f"Standard deviation of the age error: {figures['age']['sd_calibration']:.1f} a (ensemble, calibration split), {figures['age']['sd_oof']:.1f} a (out-of-fold).", "",
              "## Calibration and operating points", "", "![calibration plot](calibration.png)", "",
              f"Probability = 1/(1+exp(-(a*logit+b))), Platt with a prior. Fitted for the ensemble on the calibration split where it has 20 positives and 20 negatives or more ({', '.join(o for o, s in figures['set_on'].items() if s == cal)}); "
              "else on the out-of-fold logits (all others), whose spread is slightly larger than the whole ensemble's. Probabilities hold for the prevalence of these data, not of a ward. "
              "Thresholds are calibrated probabilities; both points were chosen and measured on the same out-of-fold films, so they are slightly optimistic.", ""] + _points(figures)
    lines += ["", "The same thresholds with the shipped ensemble on the calibration split (outputs with 20 positives and negatives or more):", ""] + _rows(rec, ("sensitivity", "specificity"), cal)
    lines += ["", "## Tests on foreign films (domain shift; never trained on)", ""] + ["| figure | of | films | data | value (95 % interval) | n |", "|---|---|---|---|---|---|"]
    lines += [f"| {r['figure']} | {r['label']} | {r['stratum']} | {r['data']} | {_f(r, 2 if r['figure'].startswith('age') else 3)} | {r['n']} |" for r in rec if "test only" in r["data"]]
    lines += ["", "## The network and its cost", "",
              f"{nets} residual nets of {parameters / nets / 1e6:.2f} M parameters side by side in one graph ({parameters / 1e6:.1f} M; fp16 in `weights.bin`, computed in fp32; package {total_bytes / 2 ** 20:.1f} MiB). Input {size} x {size}, whole film squeezed (training/chest/preprocess.py). "
              f"The last maps ({c} channels, {size // 16} x {size // 16}) are concatenated; the head is linear on global average pooling, so a class activation map is exact. `guided.onnx` gives the guided-backpropagation gradient with forward operators only.",
              f"Checked against PyTorch: fp16 rounding changes logits by at most {report['fp16_logits']:.1e}; guided gradient differs by at most {max(v for q, v in report.items() if q.startswith('guided')):.1e} of its maximum; golden values in `golden.json`."]
    lines += [plan[q] for q in ("cost",) if q in plan]
    lines += ["", "## Compute plan and what was run", ""] + [f"- {q}" for q in plan.get("run", ["see training/chest/README.md"])]
    lines += ["", "## Failures and limits", "",
              f"- The film is reduced to {size} x {size} pixels: small nodules, thin pneumothorax lines and fine reticulation are not visible to the network.",
              "- Not for children (few in training; figures above), lateral films, or films that are rotated, mirrored or cropped: the eligibility check must stand before it.",
              "- Few positives a finding: intervals are wide. A negative answer excludes nothing.",
              "- The labels say what a report mentioned, not what is there. No comparison with readers was made.",
              "- Sex and age are estimates for plausibility checks and research, not for identification.",
              "- Films of other makers, detectors and display processing than those of the NIH set (before 2017) are domain shift; see the foreign tests."]
    jsrt = _find(rec, figure="auroc", label="Nodule", data="JSRT, test only")
    if jsrt and jsrt["lower"] <= 0.5:
        lines.append("- On JSRT (solitary nodules, another maker, low contrast) the nodule output is at chance: it must not be used to look for nodules on such films.")
    lines += [f"- {q}" for q in plan.get("limits", [])]
    return "\n".join(lines) + "\n"
