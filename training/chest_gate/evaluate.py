"""Measure the gate on pictures of unseen patients: evaluate.py --checkpoints a0.ckpt --fold 0 -> WORK/figures.json.

Thresholds are cross-fitted: the held-out patients fall into two halves by hash; each half is judged by thresholds set on the
other. The thresholds that ship are set on both halves together.
"""
import argparse
import hashlib
import json

import numpy as np
import torch

from export import load_gate
from films import WORK, load_films
from made_cases import BLURS, GEOMETRIC, UNCERTAIN
from net import LABELS, SIZE
from thresholds import choose, clustered, platt, sigmoid, wilson

REASONS = LABELS + ("blurred",)


def half_of(patient: str) -> int:
    return int(hashlib.sha256(("half " + patient).encode()).hexdigest(), 16) % 2


def logits_of(gate, inputs: np.ndarray) -> np.ndarray:
    """inputs float16 [n,128,128] -> logits [n,10]."""
    with torch.no_grad():
        return np.concatenate([gate(torch.from_numpy(inputs[i:i + 64].astype(np.float32))[:, None]).numpy()
                               for i in range(0, len(inputs), 64)])


class Table:
    """Rows of the test set with logits; selections by set and case."""

    def __init__(self, rows, logits):
        self.rows, self.z = rows, logits
        self.group = np.array([r["set"] for r in rows])
        self.case = np.array([r["case"] for r in rows])
        self.sharp = np.array([np.nan if r["sharpness"] is None else r["sharpness"] for r in rows])
        patient = {f.file: f.patient for f in load_films(("nih", "nih64", "kermany", "jsrt", "covid", "actualmed", "figure1"))}
        self.patient = np.array([patient.get(r["file"], r["file"]) for r in rows])
        self.half = np.array([half_of(p) for p in self.patient])
        self.view = np.array([r["view"] for r in rows])

    def select(self, groups, cases):
        return np.isin(self.group, groups) & np.isin(self.case, cases)


def fit(t: Table, use: np.ndarray) -> dict:
    """Thresholds from the rows in `use`: logit cut and Platt per label, sharpness threshold."""
    good = use & t.select(["nih"], ["plain"])
    both = use & t.select(["nih", "nih64"], ["plain"])
    made = {k: use & t.select(["nih", "nih64"], [c for c, label in GEOMETRIC.items() if label == k and c not in UNCERTAIN])
            for k in LABELS}
    made["child"] = use & t.select(["kermany"], ["child"])
    made["not_chest"] = use & (t.group == "painted")
    blurred = use & t.select(["nih"], BLURS)
    a, b = np.quantile(t.sharp[good], 0.002), np.quantile(t.sharp[blurred], 0.985)
    sharp_cut = float((a + b) / 2) if b < a else float(b)
    logits = {k: t.z[made[k], i] for i, k in enumerate(LABELS)}
    cut = choose(t.z[good], logits, t.sharp[good] < sharp_cut)
    calibration = {k: platt(t.z[both, i], logits[k]) for i, k in enumerate(LABELS)}
    return {"cut": cut, "platt": calibration, "sharpness": sharp_cut,
            "counts": {k: (int(made[k].sum()), int(both.sum())) for k in LABELS}}


def fired(t: Table, f: dict) -> np.ndarray:
    """bool [n, 11]: which of REASONS speak for each row. Sharpness is judged where it was measured."""
    out = t.z >= np.array([f["cut"][k] for k in LABELS])
    return np.concatenate([out, (t.sharp < f["sharpness"])[:, None]], 1)


def proportion(hit: np.ndarray) -> dict:
    lower, upper = wilson(int(hit.sum()), len(hit))
    return {"value": float(hit.mean()) if len(hit) else None, "lower": lower, "upper": upper, "n": int(len(hit))}


def figures(t: Table, speaks: np.ndarray) -> dict:
    """All figures of the card from the cross-fitted decisions."""
    refused = speaks.any(1)
    out = {"false_refusals": [], "cases": [], "by_reason_on_good": {}}
    good = t.select(["nih"], ["plain"])
    strata = [("nih_adult", good), ("nih_adult_PA", good & (t.view == "PA")), ("nih_adult_AP", good & (t.view == "AP"))]
    strata += [(g, t.select([g], ["plain"])) for g in ("nih64", "nih_minor", "nih_1024", "nih_1024_seen", "jsrt", "covid", "actualmed",
                                                       "figure1", "siim_dicom")]
    for name, m in strata:
        if m.any():
            row = proportion(refused[m])
            row["lower"], row["upper"] = clustered(refused[m], list(t.patient[m])) if 0 < refused[m].mean() < 1 else (row["lower"], row["upper"])
            out["false_refusals"].append({"stratum": name, **row, "patients": len(set(t.patient[m])),
                                          "reasons": {k: int(speaks[m, i].sum()) for i, k in enumerate(REASONS) if speaks[m, i].any()}})
    groups = [(["nih"], c, want) for c, want in GEOMETRIC.items()] + [(["nih64"], c, want) for c, want in GEOMETRIC.items()]
    groups += [(["nih"], c, "blurred") for c in BLURS] + [(["kermany"], "child", "child")]
    groups += [([g], "mirrored", "mirrored") for g in ("jsrt", "covid", "actualmed", "figure1")]
    groups += [(["mias"], "mammogram", "not_chest"), (["mias"], "mammogram_flipped", "not_chest")]
    groups += [(["ct_lung1"], c, "not_chest") for c in ("ct_axial", "ct_coronal", "ct_sagittal")] + [(["ct_dicom"], "ct_axial", "not_chest")]
    groups += [(["painted"], c, "not_chest") for c in sorted(set(t.case[t.group == "painted"]))] + [(["dicom_samples"], "other", "not_chest")]
    for g, case, want in groups:
        m = t.select(g, [case])
        if m.any():
            out["cases"].append({"set": g[0], "case": case, "reason": want, **proportion(refused[m]),
                                 "named": float(speaks[m, REASONS.index(want)].mean()),
                                 "speaks": [float(speaks[m, i].mean()) for i in range(len(REASONS))]})
    m = t.select(["dicom_samples"], ["other"]) & ~refused
    out["accepted_samples"] = [t.rows[i]["file"] for i in np.where(m)[0]]
    out["refused_good"] = [{"file": t.rows[i]["file"], "set": t.rows[i]["set"], "view": t.rows[i]["view"],
                            "reasons": [k for j, k in enumerate(REASONS) if speaks[i, j]]}
                           for i in np.where(refused & (t.case == "plain"))[0]]
    out["sharpness"] = {"plain_median": float(np.nanmedian(t.sharp[good])), "plain_minimum": float(np.nanmin(t.sharp[good])),
                        "groups": {g: [float(np.nanquantile(t.sharp[t.select([g], ["plain", "child"])], q)) for q in (0.01, 0.5)]
                                   for g in ("nih", "kermany", "jsrt", "covid", "actualmed", "figure1", "nih_1024", "nih_1024_seen")
                                   if t.select([g], ["plain", "child"]).any()},
                        "blurs": {c: float(np.nanquantile(t.sharp[t.select(["nih"], [c])], 0.99)) for c in BLURS}}
    return out


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--checkpoints", required=True)
    a.add_argument("--fold", type=int, default=0)
    a.add_argument("--no-flip", action="store_true")
    a.add_argument("--out", default="figures.json")
    a = a.parse_args()
    torch.set_num_threads(1)
    gate = load_gate(a.checkpoints.split(","), not a.no_flip)
    rows = json.loads((WORK / "cache" / f"test_fold{a.fold}.json").read_text())
    inputs = np.load(WORK / "cache" / f"test_fold{a.fold}.npz")["inputs"]
    kept = WORK / "cache" / f"logits_{a.checkpoints.replace(',', '_')}_{a.fold}_{not a.no_flip}.npy"
    if not (kept.exists() and len(np.load(kept)) == len(rows)) or kept.stat().st_mtime < (WORK / a.checkpoints.split(",")[-1]).stat().st_mtime:
        np.save(kept, logits_of(gate, inputs))
    t = Table(rows, np.load(kept))
    speaks = np.zeros((len(rows), len(REASONS)), bool)
    for h in (0, 1):
        speaks[t.half == h] = fired(t, fit(t, t.half != h))[t.half == h]
    final = fit(t, np.ones(len(rows), bool))
    out = figures(t, speaks)
    out.update(checkpoints=a.checkpoints, fold=a.fold, flip=not a.no_flip, fit=final, size=SIZE,
               probability_cut={k: float(sigmoid(final["platt"][k][0] * final["cut"][k] + final["platt"][k][1])) for k in LABELS},
               resubstitution_false_refusals=float(fired(t, final)[t.select(["nih"], ["plain"])].any(1).mean()))
    good = t.select(["nih", "nih64"], ["plain"])
    out["specificity"] = {k: float(1 - speaks[good, i].mean()) for i, k in enumerate(REASONS)}
    (WORK / a.out).write_text(json.dumps(out, indent=1))
    for r in out["false_refusals"]:
        print(f"{r['stratum']:14s} {r['value']:.4f} [{r['lower']:.4f} {r['upper']:.4f}] n={r['n']} {r['reasons']}")
    for r in out["cases"]:
        print(f"{r['set']:13s} {r['case']:20s} refused {r['value']:.3f} named {r['named']:.3f} n={r['n']}")
    print("samples accepted:", out["accepted_samples"])


if __name__ == "__main__":
    main()
