"""The calibration plot of the card."""
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from data import FINDINGS, REMARKABLE
from stats import sigmoid


def _curve(truth, probability, bins):
    order = np.argsort(probability)
    parts = np.array_split(order, bins)
    return [probability[p].mean() for p in parts], [truth[p].mean() for p in parts], [np.sqrt(max(truth[p].mean() * (1 - truth[p].mean()), 1e-4) / len(p)) for p in parts]


def calibration_plot(oof, cal, calibration, path):
    """Left: remarkable. Right: all findings pooled. Quantile bins, one standard error."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 4.3), dpi=110)
    for axis, outputs, title in ((axes[0], [REMARKABLE], "remarkable"), (axes[1], range(len(FINDINGS)), "the findings, pooled")):
        for s, name, bins, colour in ((oof, "out-of-fold", 12, "#1f4e79"), (cal, "calibration split, ensemble", 6, "#c55a11")):
            p = np.concatenate([sigmoid(calibration[k][0] * s.logits[:, k] + calibration[k][1]) for k in outputs])
            y = np.concatenate([s.target[:, k] for k in outputs])
            x, f, e = _curve(y, p, bins)
            axis.errorbar(x, f, e, marker="o", ms=4, lw=1.2, capsize=2, label=name, color=colour)
        top = 1.0 if title == "remarkable" else 0.6
        axis.plot([0, top], [0, top], color="#888888", lw=0.8)
        axis.set(xlabel="calibrated probability", ylabel="observed share", title=title, xlim=(0, top), ylim=(0, top))
        axis.legend(fontsize=8, frameon=False)
    figure.tight_layout()
    figure.savefig(path)
    plt.close(figure)
