"""Figures of the shipped ensemble: out-of-fold (single nets), calibration split (ensemble), tests on foreign sets.

    python3 evaluate.py --nets build/train/fold?.pt --ship build/train/all?.pt --size 128 --out build/train/figures

Writes figures.json (everything that the card and model.yaml quote), calibration.png and oof.csv (stays out of the repository).
"""
import argparse
import csv
import json
from pathlib import Path

import numpy as np

from baseline import metadata_scores
from data import AGE, AGE_OFFSET, AGE_SCALE, CALIBRATION, FINDINGS, NIH, OUTPUTS, REMARKABLE, SEX, VIEW, cached, folds_of, read_manifest, targets_of
from ensemble import load_net
from preprocess import standardise
from plots import calibration_plot
from stats import auroc, clustered_interval, operating_point, platt, sigmoid, stratified_auroc
from train import WORK, predict

BINARY = [k for k in range(len(OUTPUTS)) if k != AGE]
BLANK = "out-of-fold, outer 8 % of each side blanked"
ELIGIBLE = "eligible films only, "
ENOUGH = 20       # positives and negatives in the calibration split, below which Platt is fitted out-of-fold


class Set:
    """A part of the films: logits [N,K], targets [N,K], and strings per film."""

    def __init__(self, rows, target, index, logits):
        self.index, self.logits, self.target = index, logits, target[index]
        self.rows = [rows[i] for i in index]
        self.patient = np.array([r["patient"] for r in self.rows])
        self.source = np.array([r["from"] for r in self.rows])
        self.view = np.array([r["view"][:2] for r in self.rows])

    def part(self, mask):
        out = object.__new__(Set)
        out.__dict__ = {k: (v[mask] if isinstance(v, np.ndarray) else [x for x, m in zip(v, mask) if m]) for k, v in self.__dict__.items()}
        return out


def record(figure, label, stratum, data, s: Set, function, positives=None, decimals=4, repeats=400):
    """function(index array) -> figure on those films of s; with the interval clustered by patient."""
    lower, upper = clustered_interval(s.patient, function, repeats)
    value = function(np.arange(len(s.patient)))
    r = dict(figure=figure, label=label, stratum=stratum, value=value, lower=lower, upper=upper, n=len(s.patient), positives=positives, data=data)
    return {k: (round(v, decimals) if isinstance(v, float) else v) for k, v in r.items()}


def aurocs(s: Set, data: str, metadata=None) -> list:
    """AUROC of every binary output: pooled, within source, within view, and of the metadata-only model."""
    out = []
    for k in BINARY:
        y, z, positives = s.target[:, k], s.logits[:, k], int(np.nansum(s.target[:, k]))
        if positives < 5 or positives > len(y) - 5:
            continue
        common = dict(label=OUTPUTS[k], data=data, s=s, positives=positives)
        out.append(record("auroc", stratum="pooled", function=lambda i: auroc(y[i], z[i]), **common))
        out.append(record("auroc", stratum="within_source", function=lambda i: stratified_auroc(y[i], z[i], s.source[i]), **common))
        if k != VIEW:
            out.append(record("auroc", stratum="within_view", function=lambda i: stratified_auroc(y[i], z[i], s.view[i]), **common))
        if metadata is not None and k <= REMARKABLE:
            out.append(record("auroc_metadata_only", stratum="pooled", function=lambda i: auroc(y[i], metadata[i, k]), **common))
            out.append(record("auroc_metadata_only", stratum="within_source", function=lambda i: stratified_auroc(y[i], metadata[i, k], s.source[i]), **common))
    return out


def means(s: Set, data: str) -> list:
    """The figures that the issue asks for: remarkable within each source and their mean; mean over the findings."""
    y, z = s.target[:, REMARKABLE], s.logits[:, REMARKABLE]

    def within(i, source):
        m = i[s.source[i] == source]
        return auroc(y[m], z[m])
    out = []
    for v in NIH:
        q = s.part(s.source == v)
        a, b = q.target[:, REMARKABLE], q.logits[:, REMARKABLE]
        out.append(record("auroc", "remarkable", f"source {v}", data, q, lambda i: auroc(a[i], b[i]), int(np.nansum(a))))
    out.append(record("auroc_mean_of_sources", "remarkable", "jrzech and muhammedtalo", data, s, lambda i: np.mean([within(i, v) for v in NIH[:2]]), None))
    for name, mask in (("all films", s.source != ""), ("512 px films", s.source != "nih64")):
        q = s.part(mask)
        labels = [k for k in range(len(FINDINGS)) if q.target[:, k].sum() >= 8]
        out.append(record("auroc_mean_of_findings", f"{len(labels)} findings", name, data, q,
                          lambda i: np.nanmean([auroc(q.target[i, k], q.logits[i, k]) for k in labels]), None))
    return out


def age_figures(s: Set, age: np.ndarray, data: str) -> list:
    truth = s.target[:, AGE] * AGE_SCALE + AGE_OFFSET
    error = age - truth
    out = []
    for name, m in (("all films", truth > -1), ("512 px films", s.source != "nih64"), ("adults (18 a and more)", truth >= 18), ("under 18 a", truth < 18)):
        if m.sum() >= 5:
            q, e = s.part(m), error[m]
            out.append(record("age_mae_a", "estimated_age", name, data, q, lambda i: float(np.abs(e[i]).mean()), None, 2))
    bands = ((0, 18), (18, 30), (30, 45), (45, 60), (60, 75), (75, 120))
    for lo, hi in bands:
        m = (truth >= lo) & (truth < hi)
        if m.sum() >= 5:
            q, e = s.part(m), error[m]
            out.append(record("age_bias_a", "estimated_age", f"true age {lo} to {hi} a", data, q, lambda i: float(e[i].mean()), None, 2))
    out.append(dict(figure="age_limits_of_agreement_a", label="estimated_age", stratum="adults (18 a and more)", value=round(float(error[truth >= 18].mean()), 2),
                    lower=round(float(error[truth >= 18].mean() - 1.96 * error[truth >= 18].std()), 2),
                    upper=round(float(error[truth >= 18].mean() + 1.96 * error[truth >= 18].std()), 2), n=int((truth >= 18).sum()), positives=None, data=data))
    return out


def line_fit(logit, truth):
    """Least squares truth = offset + scale * logit."""
    scale, offset = np.polyfit(logit, truth, 1)
    return float(scale), float(offset)


def foreign(s: Set, calibration, points) -> list:
    """Domain shift: JSRT nodules, COVID sets. Never trained on."""
    out, p = [], sigmoid(calibration[REMARKABLE][0] * s.logits[:, REMARKABLE] + calibration[REMARKABLE][1])
    for source in ("jsrt", "covid", "actualmed", "figure1"):
        q, pr = s.part(s.source == source), p[s.source == source]
        if source == "jsrt":
            for k in (FINDINGS.index("Nodule"), REMARKABLE):
                y, z = q.target[:, k], q.logits[:, k]
                out.append(record("auroc", OUTPUTS[k], "nodule against none", "JSRT, test only", q, lambda i: auroc(y[i], z[i]), int(np.nansum(y))))
        sick = q.target[:, REMARKABLE] == 1
        if sick.sum() >= 5:
            for point in points[REMARKABLE]:
                out.append(record("share_called_remarkable", point["name"], "films with a finding", f"{source}, test only", q.part(sick),
                                  lambda i: float((pr[sick][i] >= point["threshold"]).mean()), int(sick.sum())))
        if np.isfinite(q.target[:, AGE]).sum() >= 5:
            a = q.part(np.isfinite(q.target[:, AGE]))
            e = np.abs(calibration[AGE][0] * a.logits[:, AGE] + calibration[AGE][1] - a.target[:, AGE] * AGE_SCALE - AGE_OFFSET)
            out.append(record("age_mae_a", "estimated_age", "films with an age", f"{source}, test only", a, lambda i: float(e[i].mean()), None, 2))
        for k in (VIEW, SEX):
            y, z = q.target[:, k], q.logits[:, k]
            if 5 <= np.nansum(y) <= np.isfinite(y).sum() - 5:
                out.append(record("auroc", OUTPUTS[k], "films with the attribute", f"{source}, test only", q, lambda i: auroc(y[i], z[i]), int(np.nansum(y))))
    return out


def on_eligible(s: Set, age: np.ndarray, data: str, path: Path) -> list:
    """The asked figures on the films that the eligibility check lets through, and how many those are."""
    ok = {r["file"]: r["eligible"] == "1" for r in csv.DictReader(open(path, newline=""))}
    m = np.array([ok[r["file"]] for r in s.rows])
    kept, name = s.part(m), ELIGIBLE + data
    return [record("eligible_rate", "films", "all films", name, s, lambda i: float(m[i].mean()), int(m.sum()))] + means(kept, name) + age_figures(kept, age[m], name)


def points_on(s: Set, data: str, calibration, points) -> list:
    """Sensitivity and specificity at the thresholds chosen out-of-fold, on films that chose nothing."""
    out = []
    for k in range(REMARKABLE + 1):
        y = s.target[:, k]
        if not ENOUGH <= y.sum() <= len(y) - ENOUGH:
            continue
        p = sigmoid(calibration[k][0] * s.logits[:, k] + calibration[k][1])
        for point in points[k]:
            for name, m in (("sensitivity", y == 1), ("specificity", y == 0)):
                hit = (p[m] >= point["threshold"]) == (name == "sensitivity")
                out.append(record(name, OUTPUTS[k], point["name"], data, s.part(m), lambda i: float(hit[i].mean()), int(y.sum())))
    return out


def blank_border(inputs, share: float = 0.08):
    """[N,S,S] -> the same films with the outer share of each side (markers, annotations) set to the film's minimum."""
    out, e = np.array(inputs), round(share * inputs.shape[-1])
    for x in out:
        inner = x[e:-e, e:-e].copy()
        x[:] = x.min()
        x[e:-e, e:-e] = inner
        x[:] = standardise(x)
    return out


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--nets", type=Path, nargs="+", required=True)
    p.add_argument("--ship", type=Path, nargs="*", help="the nets that ship, where they are refits of --nets on all folds")
    p.add_argument("--size", type=int, required=True)
    p.add_argument("--eligible", type=Path, help="CSV of eligible.py: figures on eligible films beside all films")
    p.add_argument("--out", type=Path, required=True)
    a = p.parse_args()
    a.out.mkdir(parents=True, exist_ok=True)
    rows = read_manifest()
    target, fold = targets_of(rows), folds_of(rows)
    inputs = cached(rows, WORK, a.size, exact=True)
    src = np.array([r["from"] for r in rows])
    extra = np.flatnonzero((fold == CALIBRATION) | np.isin(src, ["jsrt", "covid", "actualmed", "figure1"]))
    by_fold, blanked = {}, {}
    for path in a.nets:
        o = np.load(path.with_suffix(".oof.npz"))
        if int(o["size"]) != a.size:
            raise SystemExit(f"{path}: predicted at {o['size']} px, not {a.size}")
        k = int(fold[o["index"][0]])
        by_fold.setdefault(k, []).append(o)      # several nets of one fold: their mean
        blanked.setdefault(k, []).append(predict(load_net(path), blank_border(inputs[o["index"]]), "cpu"))
    ship = a.ship or a.nets
    parts = [predict(load_net(path), inputs[extra], "cpu") for path in ship]
    oof_index = [nets[0]["index"] for nets in by_fold.values()]
    oof_logits = [np.mean([o["logits"] for o in nets], 0) for nets in by_fold.values()]
    each = f"{min(map(len, by_fold.values()))} to {max(map(len, by_fold.values()))} nets a film" if len(a.nets) > len(by_fold) else "single nets"
    logits = np.mean(parts, 0)
    oof = Set(rows, target, np.concatenate(oof_index), np.concatenate(oof_logits))
    of = fold[oof.index]
    held = fold[extra] == CALIBRATION
    cal = Set(rows, target, extra[held], logits[held])
    alien = Set(rows, target, extra[~held], logits[~held])

    oof_name = f"out-of-fold, {each}, {len(oof.rows)} NIH films of {len(set(oof.patient))} patients"
    cal_name = f"calibration split, ensemble, {len(cal.rows)} NIH films of {len(set(cal.patient))} patients"
    calibration, set_on, points = {}, {}, {}
    for k in BINARY:
        n = np.nansum(cal.target[:, k])
        use = cal if ENOUGH <= n <= len(cal.rows) - ENOUGH else oof
        set_on[k] = cal_name if use is cal else oof_name
        calibration[k] = platt(use.logits[:, k], use.target[:, k])
        prob = sigmoid(calibration[k][0] * oof.logits[:, k] + calibration[k][1])
        points[k] = [dict(operating_point(oof.target[:, k], prob, kind), set_on=oof_name) for kind in (("balanced", "sensitive") if k <= REMARKABLE else ("balanced",))]
    truth_cal = cal.target[:, AGE] * AGE_SCALE + AGE_OFFSET
    calibration[AGE] = line_fit(cal.logits[:, AGE], truth_cal)
    age_cal = calibration[AGE][0] * cal.logits[:, AGE] + calibration[AGE][1]
    age_oof = np.zeros(len(of))
    truth_oof = oof.target[:, AGE] * AGE_SCALE + AGE_OFFSET
    for f in set(of):     # cross-fitted
        others = of != f if (of != f).any() else of == f
        s, b = line_fit(oof.logits[others, AGE], truth_oof[others])
        age_oof[of == f] = s * oof.logits[of == f, AGE] + b
    metadata = metadata_scores(oof.rows, oof.target, of) if len(set(of)) > 1 else None
    performance = aurocs(oof, oof_name, metadata) + means(oof, oof_name) + age_figures(oof, age_oof, oof_name)
    performance += aurocs(cal, cal_name) + means(cal, cal_name)
    performance += [dict(r, note="offset and scale fitted on these films") for r in age_figures(cal, age_cal, cal_name)]
    if a.eligible:
        performance += on_eligible(oof, age_oof, oof_name, a.eligible) + on_eligible(cal, age_cal, cal_name, a.eligible)
    performance += points_on(cal, cal_name, calibration, points)
    bare = Set(rows, target, oof.index, np.concatenate([np.mean(v, 0) for v in blanked.values()]))
    performance += means(bare, BLANK)
    young = oof.part(truth_oof < 18)
    if len(young.rows) >= 10:
        y, z = young.target[:, REMARKABLE], young.logits[:, REMARKABLE]
        performance.append(record("auroc", "remarkable", "under 18 a", oof_name, young, lambda i: auroc(y[i], z[i]), int(y.sum())))
    performance += foreign(alien, calibration, points)
    calibration_plot(oof, cal, calibration, a.out / "calibration.png")
    json.dump(dict(nets=[p.name for p in ship], fold_nets=[p.name for p in a.nets], each=each, size=a.size, outputs=OUTPUTS, calibration={OUTPUTS[k]: v for k, v in calibration.items()},
                   set_on={OUTPUTS[k]: v for k, v in set_on.items()}, operating_points={OUTPUTS[k]: v for k, v in points.items()},
                   age=dict(sd_calibration=float((age_cal - truth_cal).std()), sd_oof=float((age_oof - truth_oof).std()), set_on=cal_name),
                   oof=oof_name, calibration_split=cal_name, performance=performance), open(a.out / "figures.json", "w"), indent=1)
    with open(a.out / "oof.csv", "w", newline="") as f:
        w = csv.writer(f)
        w.writerow(["patient", "file", "fold"] + OUTPUTS)
        for r, k, z in zip(oof.rows, of, oof.logits):
            w.writerow([r["patient"], r["file"], int(k)] + [f"{v:.5f}" for v in z])
    for r in performance:
        if r["figure"] != "auroc" or r["label"] in ("remarkable", "view_ap", "sex_male"):
            print(r["figure"], r["label"], r["stratum"], r["value"], (r["lower"], r["upper"]), "n", r["n"], "|", r["data"][:24])


if __name__ == "__main__":
    main()
