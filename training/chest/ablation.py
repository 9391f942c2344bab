"""Paired comparison of nets trained on the same fold: differences with 95 % intervals, patients drawn with replacement.

    python3 ablation.py --base build/train/ab_base.pt --other build/train/ab_no_balance.pt build/train/ab_no_border.pt
"""
import argparse
from pathlib import Path

import numpy as np

from data import AGE, FINDINGS, NIH, REMARKABLE, folds_of, read_manifest, targets_of
from stats import auroc, clustered_interval


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--base", type=Path, required=True)
    p.add_argument("--other", type=Path, nargs="+", required=True)
    a = p.parse_args()
    rows = read_manifest()
    target = targets_of(rows)
    base = np.load(a.base.with_suffix(".oof.npz"))
    index = base["index"]
    t, patient, source = target[index], np.array([rows[i]["patient"] for i in index]), np.array([rows[i]["from"] for i in index])
    labels = [k for k in range(len(FINDINGS)) if t[:, k].sum() >= 8]

    def within(z, i):
        return np.mean([auroc(t[i[source[i] == s], REMARKABLE], z[i[source[i] == s], REMARKABLE]) for s in NIH[:2]])
    figures = {
        "remarkable, mean within jrzech and muhammedtalo": within,
        "remarkable, pooled": lambda z, i: auroc(t[i, REMARKABLE], z[i, REMARKABLE]),
        "mean of findings": lambda z, i: np.nanmean([auroc(t[i, k], z[i, k]) for k in labels]),
        "age error in years": lambda z, i: 20 * np.abs(z[i, AGE] - t[i, AGE]).mean(),
    }
    everything = np.arange(len(index))
    for path in a.other:
        z = np.load(path.with_suffix(".oof.npz"))["logits"]
        for name, f in figures.items():
            lo, hi = clustered_interval(patient, lambda i: f(z, i) - f(base["logits"], i))
            print(f"{path.stem} | {name} | {f(base['logits'], everything):.3f} -> {f(z, everything):.3f} | difference {f(z, everything) - f(base['logits'], everything):+.3f} ({lo:+.3f} to {hi:+.3f}) | n {len(index)}")


if __name__ == "__main__":
    main()
