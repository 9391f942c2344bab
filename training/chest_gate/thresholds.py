"""From logits to refusals: Platt calibration and jointly chosen operating points."""
import numpy as np

from net import LABELS

TARGET = 0.018  # false refusals on adult NIH films aimed at, all reasons together
# Sensitivity each label starts from. Crops and children overlap with good films: a little less for them.
START = {k: {"child": 0.962, "cropped_apex": 0.972, "cropped_base": 0.975}.get(k, 0.985) for k in LABELS}
OVERLAPPING = ("child", "cropped_apex", "cropped_base")  # no room to move their thresholds towards good films of other sites


def sigmoid(v):
    return 1 / (1 + np.exp(-np.clip(v, -60, 60)))


def platt(negatives: np.ndarray, positives: np.ndarray) -> tuple:
    """(a, b) of p = sigmoid(a*logit + b) with Platt's smoothed targets and equal weight of both classes.

    The calibrated value is the probability of the defect where it is as frequent as a good film.
    """
    z = np.concatenate([negatives, positives]).astype(np.float64)
    n, m = len(negatives), len(positives)
    t = np.concatenate([np.full(n, 1 / (n + 2)), np.full(m, (m + 1) / (m + 2))])
    w = np.concatenate([np.full(n, 0.5 / n), np.full(m, 0.5 / m)])
    x = np.stack([z, np.ones_like(z)], 1)
    theta = np.array([1.0, 0.0])
    ridge = np.diag([1e-4, 1e-6])  # separable classes have no finite optimum
    for _ in range(200):
        p = sigmoid(x @ theta)
        gradient = x.T @ (w * (p - t)) + ridge @ (theta - [1.0, 0.0])
        step = np.linalg.solve((x * (w * p * (1 - p) + 1e-9)[:, None]).T @ x + ridge, gradient)
        theta = theta - np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return float(theta[0]), float(theta[1])


def cut_at(label: str, negatives: np.ndarray, positives: np.ndarray) -> float:
    """Logit threshold with the label's starting sensitivity, moved halfway to the good films where there is room
    (not_chest at most by 1.25: its painted positives say little about other pictures)."""
    t = np.quantile(positives, 1 - START[label], method="lower")
    room = np.quantile(negatives, 0.998, method="higher")
    if label == "not_chest":
        room = max(room, t - 2.5)
    return float((t + room) / 2 if room < t and label not in OVERLAPPING else t)


def choose(good: np.ndarray, made: dict, already: np.ndarray) -> dict:
    """Logit thresholds {label: t}: each starts at START sensitivity; while the false refusals of all reasons together exceed TARGET,
    the label that alone refuses most good films spares its weakest one.

    good [n, 10]: logits of good films; made: label -> logits [m] of its cases; already [n]: good films refused as blurred.
    """
    cut = np.array([cut_at(k, good[:, i], made[k]) for i, k in enumerate(LABELS)])
    while True:
        over = good >= cut
        if (already | over.any(1)).mean() <= TARGET or not over.any():
            break
        alone = over & (over.sum(1, keepdims=True) == 1) & ~already[:, None]
        worst = int((alone if alone.any() else over).sum(0).argmax())
        z = np.sort(good[over[:, worst], worst])
        cut[worst] = z[0] + 1e-4 if len(z) == 1 else max(z[0] + 1e-4, (z[0] + z[1]) / 2)
    return dict(zip(LABELS, map(float, cut)))


def wilson(k: int, n: int) -> tuple:
    """95 % Wilson interval of k of n."""
    if n == 0:
        return 0.0, 1.0
    z, p = 1.959964, k / n
    mid, half = (p + z * z / (2 * n)) / (1 + z * z / n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    return float(max(0, mid - half)), float(min(1, mid + half))


def clustered(refused: np.ndarray, patients: list, draws: int = 2000) -> tuple:
    """95 % bootstrap interval of a mean over films, patients drawn with replacement."""
    keys = sorted(set(patients))
    at = {p: i for i, p in enumerate(keys)}
    index = np.array([at[p] for p in patients])
    hits, films = np.bincount(index, refused, len(keys)), np.bincount(index, minlength=len(keys))
    rng = np.random.default_rng(3)
    d = rng.integers(0, len(keys), (draws, len(keys)))
    rates = hits[d].sum(1) / films[d].sum(1)
    return float(np.quantile(rates, 0.025)), float(np.quantile(rates, 0.975))
