"""AUROC, bootstrap clustered by patient, operating points. Pure numpy."""
import numpy as np


def auroc(truth, score) -> float:
    """Area under the ROC curve, ties count one half; NaN where a class is missing. truth 0/1 (NaN = left out)."""
    truth, score = np.asarray(truth, float), np.asarray(score, float)
    known = np.isfinite(truth)
    truth, score = truth[known] > 0.5, score[known]
    positives = int(truth.sum())
    if positives == 0 or positives == len(truth):
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    return float((rank[truth].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives)))


def clustered_interval(patients, figure, repeats: int = 400, seed: int = 7):
    """95 % percentile interval of figure(index array) when whole patients are drawn with replacement."""
    rng = np.random.RandomState(seed)
    _, group = np.unique(patients, return_inverse=True)
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    values = []
    for _ in range(repeats):
        index = np.concatenate([members[g] for g in rng.randint(0, len(members), len(members))])
        v = figure(index)
        if np.isfinite(v):
            values.append(v)
    return (float(np.percentile(values, 2.5)), float(np.percentile(values, 97.5))) if len(values) > repeats // 2 else (float("nan"),) * 2


def stratified_auroc(truth, score, stratum) -> float:
    """AUROC counting only pairs of a positive and a negative of the same stratum (source or view), pairs weighing the same."""
    truth, score, stratum = np.asarray(truth, float), np.asarray(score, float), np.asarray(stratum)
    won, pairs = 0.0, 0
    for s in np.unique(stratum):
        m = (stratum == s) & np.isfinite(truth)
        p = int((truth[m] > 0.5).sum())
        n = int(m.sum()) - p
        if p and n:
            won, pairs = won + auroc(truth[m], score[m]) * p * n, pairs + p * n
    return won / pairs if pairs else float("nan")


def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-np.asarray(x, float)))


def platt(logit, truth, ridge: float = 1.0):
    """(a, b) of p = 1/(1+exp(-(a*logit+b))). Newton on the log likelihood with Platt's smoothed targets and a
    Gaussian prior a ~ N(1, 1/ridge), which keeps rare labels near the uncalibrated slope."""
    logit, truth = np.asarray(logit, float), np.asarray(truth, float)
    known = np.isfinite(truth)
    x, y = logit[known], truth[known] > 0.5
    p, n = y.sum(), (~y).sum()
    t = np.where(y, (p + 1) / (p + 2), 1 / (n + 2))
    a, b = 1.0, np.log((p + 1) / (n + 1)) - np.log(np.mean(sigmoid(x)) / (1 - np.mean(sigmoid(x))))
    for _ in range(100):
        q = sigmoid(a * x + b)
        gradient = np.array([np.sum((q - t) * x) + ridge * (a - 1), np.sum(q - t)])
        w = q * (1 - q)
        hessian = np.array([[np.sum(w * x * x) + ridge, np.sum(w * x)], [np.sum(w * x), np.sum(w) + 1e-9]])
        step = np.linalg.solve(hessian, gradient)
        step *= min(1.0, 2.0 / (np.abs(step).max() + 1e-12))
        a, b = a - step[0], b - step[1]
        if np.abs(step).max() < 1e-9:
            break
    return float(a), float(b)


def operating_point(truth, probability, kind: str, least_sensitivity: float = 0.95) -> dict:
    """'balanced': largest sensitivity + specificity (Youden); 'sensitive': highest threshold with at least the asked
    sensitivity. A film is positive where probability >= threshold. The threshold is put half way to the next film."""
    truth, probability = np.asarray(truth, float), np.asarray(probability, float)
    known = np.isfinite(truth)
    y, p = truth[known] > 0.5, probability[known]
    cuts = np.unique(p)
    cuts = np.concatenate([[cuts[0] / 2], (cuts[1:] + cuts[:-1]) / 2])
    order, positives, negatives = np.sort(p[y]), int(y.sum()), int((~y).sum())
    sensitivity = 1 - np.searchsorted(order, cuts) / positives
    specificity = np.searchsorted(np.sort(p[~y]), cuts) / negatives
    if kind == "balanced":
        i = int(np.argmax(sensitivity + specificity))
    else:
        i = int(np.flatnonzero(sensitivity >= least_sensitivity)[-1])
    return dict(name=kind, threshold=float(cuts[i]), sensitivity=float(sensitivity[i]), specificity=float(specificity[i]),
                positives=positives, negatives=negatives)
