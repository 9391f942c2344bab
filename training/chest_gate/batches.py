"""Training batches with made cases drawn on the fly at low resolution.

batch(): uint8 films [B,160,160] -> image float32 [B,1,128,128] (standardised), labels and weights float32 [B,10].
A weight of 0 means that the label is not defined for that picture (mirrored of a CT slice, child of an unknown age).
"""
import numpy as np
import torch
import torch.nn.functional as F

from net import LABELS, SIZE

L = {n: i for i, n in enumerate(LABELS)}
# case -> probability for a film; what remains is a plain film. Every case may be mirrored (p = 0.5).
CASES = (("rotated_90", 0.05), ("rotated_270", 0.05), ("rotated_180", 0.06), ("cropped_apex", 0.10), ("cropped_base", 0.10),
         ("inverted", 0.07), ("two_films", 0.08), ("part", 0.07))


def pick_case(rng) -> str:
    u = rng.random()
    for name, p in CASES:
        if u < p:
            return name
        u -= p
    return "plain"


# Teacher logits at which a cut starts to cost lung (checked by eye against lung_rows.csv: mean error 0.00, sd 0.05 of the height).
TEACHER_CUT = {"cropped_apex": 0.3, "cropped_base": 1.8}


def crop_extent(rng) -> tuple:
    """(fraction of the height cut off, weight of the label) for the first stage: 18-40 % counts, between 10 and 18 % is not judged.

    Many films show so much neck or abdomen that such a cut loses no lung; the second stage asks the first stage's net (`judge`).
    """
    c = rng.uniform(0.10, 0.42)
    return c, 1.0 if c >= 0.18 else 0.0


def judge(teacher, x: torch.Tensor, cases: list, y: np.ndarray, w: np.ndarray) -> None:
    """Set the crop labels from the teacher's view of the undisturbed picture x [B,1,128,128], in place: 1 clearly cut, 0 clearly not."""
    at = [i for i, c in enumerate(cases) if c in TEACHER_CUT]
    with torch.no_grad():
        z = teacher(standardise(x[at])).numpy()
    for k, i in enumerate(at):
        label = L[cases[i]]
        margin = z[k, label] - TEACHER_CUT[cases[i]]
        y[i, label], w[i, label] = float(margin > 0), float(margin > 0.4 or margin < -2.0)


def geometry(rng, case: str) -> tuple:
    """Sampling frame of one film: (x0, x1, y0, y1) in fractions of the film seen by the upright picture, weight of the crop."""
    x0, x1, y0, y1 = 0.0, 1.0, 0.0, 1.0
    weight = 1.0
    if case == "cropped_apex":
        y0, weight = crop_extent(rng)
    elif case == "cropped_base":
        cut, weight = crop_extent(rng)
        y1 = 1 - cut
    if case in ("cropped_apex", "cropped_base"):
        if rng.random() < 0.35:  # a little off the sides, so that stretching alone does not give the crop away
            s = rng.uniform(0, 0.10)
            x0, x1 = s * rng.uniform(0.5, 1), 1 - s * rng.uniform(0.5, 1)
        if rng.random() < 0.15:
            y1, y0 = (y1 - rng.uniform(0, 0.06), y0) if case == "cropped_apex" else (y1, y0 + rng.uniform(0, 0.04))
        return x0, x1, y0, y1, weight
    if case == "part":  # a zoom into one region, or one half of the chest
        if rng.random() < 0.5:
            w = rng.uniform(0.15, 0.45)
            h = w * rng.uniform(0.7, 1.4)
            x0, y0 = rng.uniform(0, 1 - w), rng.uniform(0, max(0.01, 1 - h))
            return x0, x0 + w, y0, y0 + h, 1.0
        cut = rng.uniform(0.38, 0.55)
        return (cut, 1.0, 0.0, 1.0, 1.0) if rng.random() < 0.5 else (0.0, 1 - cut, 0.0, 1.0, 1.0)
    # Plain collimation: margins of up to 5 % off or up to 12 % on at each side (stretches the anatomy both ways).
    m = np.where(rng.random(4) < 0.5, rng.uniform(-0.12, 0, 4) * (rng.random(4) < 0.6), rng.uniform(0, 0.045, 4))
    if rng.random() < 0.25:  # wider or taller frames
        k = rng.uniform(0, 0.1, 2)
        m[:2] = m[:2] - k[0] if rng.random() < 0.5 else m[:2]
        m[2:] = m[2:] - k[1] if rng.random() < 0.5 else m[2:]
    return m[0], 1 - m[1], m[2], 1 - m[3], 1.0


def matrix(rng, frame, flip: bool, quarter: int) -> np.ndarray:
    """2x3 affine of grid_sample: output [-1,1]^2 -> film [-1,1]^2. quarter: turns of 90 degrees counter-clockwise of the picture."""
    x0, x1, y0, y1 = frame
    scale = np.diag([x1 - x0, y1 - y0])
    shift = np.array([x0 + x1 - 1, y0 + y1 - 1])
    a = np.deg2rad(np.clip(rng.normal(0, 3.5), -9, 9))
    tilt = np.array([[np.cos(a), -np.sin(a)], [np.sin(a), np.cos(a)]])
    turn = np.linalg.matrix_power(np.array([[0, -1], [1, 0]]), quarter)  # np.rot90(picture, quarter)
    mirror = np.diag([-1.0 if flip else 1.0, 1.0])
    m = tilt @ scale @ mirror @ turn
    return np.concatenate([m, shift[:, None]], 1)


def photometry(rng, x: torch.Tensor, invert: np.ndarray) -> torch.Tensor:
    """Grey-scale variety of x [B,1,h,w] in 0..1: blur, gamma, contrast, noise (up to 20 % of the contrast), inversion."""
    b = x.shape[0]

    def t(a):
        return torch.as_tensor(a, dtype=torch.float32).view(b, 1, 1, 1)

    low = F.interpolate(F.avg_pool2d(x, 8), scale_factor=8, mode="bilinear", align_corners=False)
    local = np.where(rng.random(b) < 0.3, rng.uniform(0.1, 0.7, b), 0.0)  # processing that flattens large structures
    x = (x - t(local) * (low - low.mean((1, 2, 3), keepdim=True))).clamp(0, 1)
    soft = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
    mix = np.where(rng.random(b) < 0.3, rng.uniform(0, 1, b), 0.0)
    sharp = np.where(rng.random(b) < 0.25, rng.uniform(0, 1.2, b), 0.0)
    x = (x + t(mix - sharp) * (soft - x)).clamp(0, 1)
    x = x.clamp_min(1e-4) ** t(np.exp(rng.normal(0, 0.35, b)))
    gain = np.where(rng.random(b) < 0.3, rng.uniform(1.0, 1.5, b), 1.0)
    x = ((x - 0.5) * t(gain) + 0.5 + t(rng.normal(0, 0.05, b) * (gain > 1))).clamp(0, 1)
    noisy = np.where(rng.random(b) < 0.3)[0]
    if len(noisy):
        level = t(rng.uniform(0, 0.2, b))[noisy] * x[noisy].std((1, 2, 3), keepdim=True)
        x[noisy] += level * torch.from_numpy(rng.standard_normal((len(noisy), *x.shape[1:]), dtype=np.float32))
    return torch.where(t(invert) > 0.5, 1 - x, x)


def overlays(rng, x: torch.Tensor, i: int) -> None:
    """Markers, labels, arrows, black boxes, collimation edges on picture i of x [B,1,128,128] (0..1), in place."""
    p = x[i, 0].numpy()  # a view: drawing writes through
    for _ in range(int(rng.integers(0, 4)) if rng.random() < 0.6 else 0):
        h, w = rng.integers(2, 14, 2)
        v = float(rng.choice([0.0, 1.0, rng.random()]))
        if rng.random() < 0.8:  # near an edge
            r = int(rng.choice([rng.integers(0, 20), rng.integers(95, 126)])) if rng.random() < 0.8 else int(rng.integers(0, 126))
            c = int(rng.choice([rng.integers(0, 25), rng.integers(95, 126)]))
        else:
            r, c = rng.integers(0, 126, 2)
        block = p[r:r + h, c:c + w]
        if rng.random() < 0.4:
            block[rng.random(block.shape) < 0.5] = v
        else:
            block[:] = v
    if rng.random() < 0.15:  # collimated border, black or white
        k, side, v = int(rng.integers(2, 12)), int(rng.integers(0, 4)), 0.0 if rng.random() < 0.8 else 1.0
        [p[:k], p[-k:], p[:, :k], p[:, -k:]][side][:] = v
    if rng.random() < 0.06:  # a line: tube, lead, drain
        r, c = rng.integers(0, 128, 2)
        n = int(rng.integers(20, 120))
        yy = np.clip(r + np.cumsum(rng.normal(0, 0.8, n)), 0, 127).astype(int)
        xx = np.clip(c + np.cumsum(rng.normal(0, 0.8, n) + 0.3), 0, 127).astype(int)
        p[yy, xx] = 1.0


def standardise(x: torch.Tensor) -> torch.Tensor:
    """[B,1,h,w] -> per-picture mean 0, population standard deviation 1, clipped to +-4."""
    mean = x.mean((1, 2, 3), keepdim=True)
    std = x.std((1, 2, 3), unbiased=False, keepdim=True)
    return ((x - mean) / (std + 1e-6)).clamp(-4, 4)


def half_films(rng, films: torch.Tensor, i: int, other: torch.Tensor) -> torch.Tensor:
    """Two films in one picture [128,128]: beside or above each other, with or without a gap, sizes 40-60 %."""
    a, b = films[i, 0], other
    if rng.random() < 0.5:
        b = b.flip(-1)
    if rng.random() < 0.5:
        a = a.flip(-1)
    if rng.random() < 0.2:
        b = ((b - b.mean()) * float(rng.uniform(0.4, 1.2)) + b.mean() + float(rng.normal(0, 0.15))).clamp(0, 1)
    at, gap = int(SIZE * rng.uniform(0.4, 0.6)), int(rng.integers(0, 8)) if rng.random() < 0.5 else 0
    out = torch.full((SIZE, SIZE), float(rng.choice([0.0, 1.0, 0.5], p=[0.7, 0.2, 0.1])))
    beside = rng.random() < 0.5
    pad = int(rng.integers(0, 34)) if rng.random() < 0.4 else 0  # letter-box that keeps the aspect

    def put(p, lo, hi):
        inner = (SIZE - 2 * pad, hi - lo) if beside else (hi - lo, SIZE - 2 * pad)
        q = F.interpolate(p[None, None], inner, mode="area" if rng.random() < 0.8 else "bilinear")[0, 0]
        if beside:
            out[pad:SIZE - pad, lo:hi] = q
        else:
            out[lo:hi, pad:SIZE - pad] = q

    put(a, 0, at - gap // 2)
    put(b, at + gap - gap // 2, SIZE)
    return out


def batch(rng, films: np.ndarray, child: np.ndarray, outliers: np.ndarray, teacher=None):
    """films uint8 [B,160,160]; child float [B]: 0, 1 or NaN (unknown); outliers uint8 [C,160,160].

    Returns image [B+C,1,128,128], labels [B+C,10], weights [B+C,10].
    """
    b, c = len(films), len(outliers)
    y = np.zeros((b + c, len(LABELS)), np.float32)
    w = np.zeros_like(y)
    theta = np.zeros((b + c, 2, 3), np.float32)
    invert = np.zeros(b + c)
    cases = []
    for i in range(b):
        case = pick_case(rng)
        cases.append(case)
        flip = rng.random() < 0.5
        *frame, weight = geometry(rng, case)
        quarter = {"rotated_90": 1, "rotated_180": 2, "rotated_270": 3}.get(case, 0)
        if case == "inverted" and rng.random() < 0.1:
            quarter = int(rng.integers(1, 4))
        theta[i] = matrix(rng, frame, flip, quarter)
        w[i] = 1
        y[i, L["mirrored"]] = flip
        if quarter:
            w[i, L["mirrored"]] = 0
            y[i, L[("rotated_90", "rotated_180", "rotated_270")[quarter - 1]]] = 1
        if case in ("cropped_apex", "cropped_base"):
            y[i, L[case]], w[i, L[case]] = 1, weight
        if np.isnan(child[i]):
            w[i, L["child"]] = 0
        else:
            y[i, L["child"]] = child[i]
        if case == "inverted":
            invert[i] = y[i, L["inverted"]] = 1
        if case in ("two_films", "part"):
            w[i] = 0
            name = "two_films" if case == "two_films" else "not_chest"
            y[i, L[name]] = w[i, L[name]] = 1
            if case == "part":
                w[i, L["two_films"]] = 1
                y[i, L["mirrored"]] = 0
                if rng.random() < 0.3:
                    theta[i] = matrix(rng, frame, flip, int(rng.integers(1, 4)))
    for i in range(b, b + c):
        m = rng.uniform(-0.1, 0.15, 4)
        theta[i] = matrix(rng, (m[0], 1 - m[1], m[2], 1 - m[3]), rng.random() < 0.5, int(rng.choice([0, 0, 0, 1, 2, 3])))
        invert[i] = rng.random() < 0.2
        y[i, L["not_chest"]] = 1
        w[i, [L["not_chest"], L["two_films"]]] = 1
    x = torch.from_numpy(np.concatenate([films, outliers])).float().unsqueeze(1) / 255
    grid = F.affine_grid(torch.from_numpy(theta), (b + c, 1, SIZE, SIZE), align_corners=False)
    out = F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)
    outside = (grid.abs() > 1).any(3).unsqueeze(1) & torch.from_numpy(rng.random(b + c) < 0.7).view(-1, 1, 1, 1)
    out = out.masked_fill(outside, 0)  # black beyond the film, or its edge repeated
    if teacher is not None:
        judge(teacher, out, cases, y, w)
    for i, case in enumerate(cases):
        if case == "two_films":
            j = int(rng.integers(0, b))
            out[i, 0] = half_films(rng, x, i, x[i if rng.random() < 0.15 else j, 0])
            if rng.random() < 0.1:
                invert[i] = 1
        elif case == "part" and rng.random() < 0.15:  # shuffled quarters: right texture, no chest
            q = out[i, 0].reshape(2, 64, 2, 64).permute(0, 2, 1, 3).reshape(4, 64, 64)[torch.from_numpy(rng.permutation(4))]
            out[i, 0] = q.reshape(2, 2, 64, 64).permute(0, 2, 1, 3).reshape(SIZE, SIZE)
            y[i, L["two_films"]], w[i, L["two_films"]] = 0, 0
    out = photometry(rng, out, invert)
    for i in range(b):
        overlays(rng, out, i)
    return standardise(out), torch.from_numpy(y), torch.from_numpy(w)
