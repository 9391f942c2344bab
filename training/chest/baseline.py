"""The model without pixels: source, view, age and sex only, on the same folds. What it reaches is not skill in reading films."""
import warnings

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from data import AGE, NIH, REMARKABLE
from stats import auroc


def metadata_scores(rows, target, fold) -> np.ndarray:
    """Out-of-fold log odds [N, REMARKABLE+1]: per label the better (pooled, out-of-fold) of a logistic regression and a gradient
    boosting, so that the comparison favours the baseline."""
    age = target[:, AGE]
    x = np.stack([[r["from"] == s for r in rows] for s in NIH] + [[r["view"][:2] == "AP" for r in rows], [r["sex"] == "M" for r in rows]], 1).astype(float)
    x = np.column_stack([x, age, age ** 2, (x[:, :3] * x[:, 3:4]), x[:, :3] * age[:, None]])
    out = np.zeros((len(rows), REMARKABLE + 1))
    for k in range(REMARKABLE + 1):
        tried = []
        for make in (lambda: LogisticRegression(C=1.0, max_iter=2000), lambda: GradientBoostingClassifier(n_estimators=60, max_depth=2, subsample=0.7, random_state=0)):
            z = np.zeros(len(rows))
            for f in np.unique(fold):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    z[fold == f] = make().fit(x[fold != f], target[fold != f, k]).decision_function(x[fold == f])
            tried.append(z)
        out[:, k] = max(tried, key=lambda z: auroc(target[:, k], z))
    return out
