"""The gate's sharpness measure: classical, on the film at 256 px, so that noise and JPEG weigh little.

sharpness(gray) = min over four directions of ln(median over blocks of fine / coarse second differences); about -1.1
for a sharp film, about -2.3 after a Gaussian blur of 1 % of the width. Every step is spelled out in STEPS below.
"""
import numpy as np

import films  # noqa: F401  puts training/chest on the path
from preprocess import resize_matrix

LONGEST_PX = 256
FINE, COARSE = 1, 4
BLOCKS = 8
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))  # (dy, dx)
FLAT, EPSILON = 0.01, 1e-4  # in standard deviations of the film
MINIMUM_MATRIX_PX = 200

STEPS = (
    "1. n = max(rows, columns). If n > 256, each axis of length a is area-averaged (step 1 of film_to_input) to "
    "floor(a*256/n + 0.5) pixels; otherwise the film stays. "
    "2. Divide by (population standard deviation + 1e-6). "
    "3. For each direction (dy,dx) of (0,1),(1,0),(1,1),(1,-1) and lag 1 and 4: "
    "e_lag(y,x) = |2 g(y,x) - g(y-lag*dy,x-lag*dx) - g(y+lag*dy,x+lag*dx)| for 4 <= y < h-4, 4 <= x < w-4; call this field H x W. "
    "4. Window: y0 = floor(H/10), block row bounds y0 + floor((H-2*y0)*i/8), i = 0..8; the same for columns. "
    "5. Of the 64 blocks keep those with mean e_4 >= 0.01; q = (mean e_1 + 1e-4) / (mean e_4 + 1e-4). "
    "6. Per direction: ln(median of q) (even count: mean of the two middle values); with fewer than 8 blocks kept the "
    "direction gives 0. "
    "7. sharpness = minimum over the four directions. Refuse as blurred if sharpness < threshold and min(rows, columns) >= 200; "
    "below 200 px warn low_resolution instead.")

_matrices: dict = {}


def shrink(gray: np.ndarray) -> np.ndarray:
    """Step 1. gray [rows, columns] -> float64, longest side at most LONGEST_PX."""
    n = max(gray.shape)
    if n <= LONGEST_PX:
        return gray.astype(np.float64)
    w = []
    for a in gray.shape:
        key = (a, max(1, int(np.floor(a * LONGEST_PX / n + 0.5))))
        if key not in _matrices:
            _matrices[key] = resize_matrix(*key)
        w.append(_matrices[key])
    return w[0] @ gray.astype(np.float64) @ w[1].T


def block_means(e: np.ndarray) -> np.ndarray:
    """Step 4. Field [H, W] -> means of the 8x8 blocks of its inner 80 %."""
    bounds = []
    for n in e.shape:
        a = n // 10
        bounds.append([a + (n - 2 * a) * i // BLOCKS for i in range(BLOCKS + 1)])
    ys, xs = bounds
    inner = e[ys[0]:ys[-1], xs[0]:xs[-1]]
    sums = np.add.reduceat(np.add.reduceat(inner, np.subtract(ys[:-1], ys[0]), 0), np.subtract(xs[:-1], xs[0]), 1)
    return sums / np.outer(np.diff(ys), np.diff(xs))


def sharpness(gray: np.ndarray) -> float:
    """gray [rows, columns], MONOCHROME2 display values on any linear scale, both sides >= 40 px. No unit."""
    g = shrink(gray)
    g = g / (g.std() + 1e-6)
    (h, w), m = g.shape, COARSE
    found = []
    for dy, dx in DIRECTIONS:
        mean = {}
        for k in (FINE, COARSE):
            before = g[m - k * dy:h - m - k * dy, m - k * dx:w - m - k * dx]
            after = g[m + k * dy:h - m + k * dy, m + k * dx:w - m + k * dx]
            mean[k] = block_means(np.abs(2 * g[m:h - m, m:w - m] - before - after))
        keep = mean[COARSE] >= FLAT
        q = (mean[FINE][keep] + EPSILON) / (mean[COARSE][keep] + EPSILON)
        found.append(float(np.log(np.median(q))) if keep.sum() >= 8 else 0.0)
    return min(found)
