"""Made cases on the full matrix, for testing: each takes a film float32 [rows, columns] 0..255 and gives one.

Drawn with the film's own seed, so that the same film always gives the same case.
"""
import hashlib

import numpy as np
from scipy import ndimage
from scipy.signal import fftconvolve


def seed_of(name: str) -> np.random.Generator:
    """A generator that depends on the file name only."""
    return np.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:12], 16))


def crop_apex(p: np.ndarray, fraction: float) -> np.ndarray:
    """Cut `fraction` of the height off at the top."""
    return p[int(round(p.shape[0] * fraction)):]


def crop_base(p: np.ndarray, fraction: float) -> np.ndarray:
    """Cut `fraction` of the height off at the bottom."""
    return p[:int(round(p.shape[0] * (1 - fraction)))]


def gaussian(p: np.ndarray, share: float) -> np.ndarray:
    """Gaussian blur with sigma = share of the width, rounded to whole grey levels."""
    return np.rint(ndimage.gaussian_filter(p, share * p.shape[1], truncate=3.0)).clip(0, 255)


def motion(p: np.ndarray, share: float, angle: float) -> np.ndarray:
    """Straight motion over share of the width at angle (radians), rounded to whole grey levels."""
    length = share * p.shape[1]
    n = (int(np.ceil(length)) | 1) + 2
    k = np.zeros((n, n))
    t = np.linspace(-0.5, 0.5, n * 8) * length
    np.add.at(k, (np.rint(t * np.sin(angle) + n // 2).astype(int), np.rint(t * np.cos(angle) + n // 2).astype(int)), 1)
    q = fftconvolve(np.pad(p, n, mode="edge"), k / k.sum(), "same")[n:-n, n:-n]
    return np.rint(q).clip(0, 255)


def two(p: np.ndarray, other: np.ndarray, beside: bool, gap: int) -> np.ndarray:
    """p and other beside or above each other with a black gap; the second is cut or padded to the first's side."""
    axis = 0 if beside else 1
    n = p.shape[axis]
    q = other[:n] if beside else other[:, :n]
    short = n - q.shape[axis]
    q = np.pad(q, ((0, short), (0, 0)) if beside else ((0, 0), (0, short)))
    bar = np.zeros((n, gap) if beside else (gap, n), p.dtype)
    return np.concatenate([p, bar, q], 1 - axis)


CROPS = (0.20, 0.23, 0.26, 0.29, 0.32, 0.35)
# made case -> the label that should speak. "_lost": cut 4 to 12 % of the height inside the lung, by lung_rows.csv.
GEOMETRIC = {"mirrored": "mirrored", "rotated_90": "rotated_90", "rotated_180": "rotated_180", "rotated_270": "rotated_270",
             "flipped_vertically": "rotated_180", "cropped_apex_lost": "cropped_apex", "cropped_base_lost": "cropped_base",
             "cropped_apex_20-26%": "cropped_apex", "cropped_apex_29-35%": "cropped_apex",
             "cropped_base_20-26%": "cropped_base", "cropped_base_29-35%": "cropped_base",
             "two_beside": "two_films", "two_above": "two_films", "inverted": "inverted"}
# Cases whose defect is not certain for each film; thresholds are set without them.
UNCERTAIN = ("cropped_base_20-26%", "cropped_base_29-35%")
BLURS = ("gaussian_1.0%", "gaussian_1.5%", "gaussian_2.5%", "motion_3%", "motion_5%")


def turned_cases(x: np.ndarray) -> dict:
    """Cases that the contract's resize commutes with, made from the film's network input x [128,128] itself."""
    return {"mirrored": x[:, ::-1], "rotated_90": np.rot90(x, 1), "rotated_180": np.rot90(x, 2), "rotated_270": np.rot90(x, 3),
            "flipped_vertically": x[::-1], "inverted": -x}


def cut_cases(p: np.ndarray, other: np.ndarray, name: str, rows) -> dict:
    """Crops and two films from film p; other: a film of another patient; rows: (apex, angle) as fractions of the height, or None."""
    rng = seed_of(name)
    apex, base = rng.choice(CROPS, 2)
    gap = int(rng.choice([0, 0, 8, 24])) * p.shape[1] // 512
    out = {"cropped_apex_" + ("20-26%" if apex < 0.27 else "29-35%"): crop_apex(p, apex),
           "cropped_base_" + ("20-26%" if base < 0.27 else "29-35%"): crop_base(p, base),
           "two_beside": two(p, other, True, gap), "two_above": two(p, other, False, gap)}
    if rows is not None:
        out["cropped_apex_lost"] = crop_apex(p, rows[0] + rng.uniform(0.04, 0.12))
        out["cropped_base_lost"] = crop_base(p, 1 - rows[1] + rng.uniform(0.04, 0.12))
    return out


def blur_cases(p: np.ndarray, name: str) -> dict:
    """All BLURS of film p."""
    rng = seed_of("blur " + name)
    angle = rng.choice([0, np.pi / 2, rng.uniform(0, np.pi)])
    return {"gaussian_1.0%": gaussian(p, 0.010), "gaussian_1.5%": gaussian(p, 0.015), "gaussian_2.5%": gaussian(p, 0.025),
            "motion_3%": motion(p, 0.03, angle), "motion_5%": motion(p, 0.05, angle)}
