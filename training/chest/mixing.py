"""One linear map over the nets' logits: what one output knows may help another (remarkable is the union of the findings).

mixed = logits @ M.T + c, with M [K,K], c [K]. It is fitted on out-of-fold logits only. A linear map of a linear head is a linear
head, so the shipped graph carries it inside head_weight and head_bias, and class activation maps stay exact.

Each binary output is a logistic regression, the age a ridge regression, on all logits (standardised); the output's own logit is
hardly penalised, the others strongly. Source and view enter as offsets that are thrown away afterwards, so that no weight can
be earned by guessing the source. view_ap and sex_male are left as they are.
"""
import numpy as np
from sklearn.linear_model import LogisticRegression, Ridge

from data import AGE, REMARKABLE, SEX, VIEW

OWN = 10.0            # how much larger the own logit's scale is: its penalty is OWN**2 times smaller
KEPT = (VIEW, SEX)


def _design(logits, mean, scale, k, strata):
    z = (logits - mean) / scale
    z[:, k] *= OWN
    return np.concatenate([z, 5.0 * strata], 1)


def fit(logits, target, strata, penalty: float):
    """logits float [N,K]; target [N,K] with NaN; strata float [N,S] one-hot. Returns (M [K,K], c [K])."""
    n, size = logits.shape
    mean, scale = logits.mean(0), logits.std(0) + 1e-6
    m, c = np.eye(size), np.zeros(size)
    for k in range(size):
        known = np.isfinite(target[:, k])
        if k in KEPT or known.sum() < 50:
            continue
        x, y = _design(logits[known].astype(np.float64), mean, scale, k, strata[known]), target[known, k]
        if k == AGE:
            model = Ridge(alpha=penalty).fit(x, y)
            w, bias = model.coef_[:size].copy(), float(model.intercept_)
        else:
            model = LogisticRegression(C=1.0 / penalty, max_iter=500).fit(x, y > 0.5)
            w, bias = model.coef_[0, :size].copy(), 0.0
        w[k] *= OWN
        m[k] = w / scale
        c[k] = bias - float(m[k] @ mean)
    return m, c


def apply(logits, m, c):
    return logits @ m.T + c


def strata_of(rows) -> np.ndarray:
    """One-hot of source and view."""
    names = [r["from"] + r["view"][:2] for r in rows]
    known = sorted(set(names))
    return np.array([[float(n == k) for k in known] for n in names])


def cross_fitted(logits, target, rows, fold, penalty: float, mapped=None) -> np.ndarray:
    """Each fold is mapped by what the logits of the other folds taught. mapped: other logits of the same films to map instead."""
    strata, given = strata_of(rows), logits if mapped is None else mapped
    out = given.copy()
    for f in sorted(set(fold)):
        others = fold != f
        out[~others] = apply(given[~others], *fit(logits[others], target[others], strata[others], penalty))
    return out
