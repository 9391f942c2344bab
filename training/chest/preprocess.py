"""The preprocessing contract of rouage-chest: film -> network input. The C++ engine does exactly this.

    film_to_input(gray, size) -> float32 [size, size]

1. Resize. The whole film (rows x columns of display values, MONOCHROME2: bright = dense, any positive linear
   scale) is squeezed to size x size; the aspect is not kept. Each axis is decided by itself:
   * n > size (shrinking): exact area average. Output pixel i is the mean of the input over its footprint
     [i*n/size, (i+1)*n/size) with fractional weights at both edges.
   * n <= size (n < size enlarging, n == size identity): linear with half-pixel centres. Output pixel i samples
     x = (i+0.5)*n/size - 0.5, clamped to [0, n-1] (edge-clamped; align_corners=False).
   Both are linear, so the 2-D resize is  W_rows @ gray @ W_columns^T  with the matrices of `resize_matrix`.
2. Standardise: (x - mean) / (population standard deviation + 1e-6), over the resized picture.
3. Clip to [-4, 4].

Arithmetic: weights and sums in float32 or float64 (results differ by < 1e-5).  Film of constant value -> zeros.
"""
import numpy as np

CLIP = 4.0
EPSILON = 1e-6


def resize_matrix(n: int, size: int) -> np.ndarray:
    """Weights float64 [size, n] of one axis; rows sum to 1. n: input pixels >= 1, size: output pixels >= 1."""
    w = np.zeros((size, n))
    if n > size:
        step = n / size
        for i in range(size):
            lo, hi = i * step, (i + 1) * step
            first, last = int(np.floor(lo)), min(int(np.ceil(hi)), n)
            for j in range(first, last):
                w[i, j] = max(0.0, min(hi, j + 1) - max(lo, j)) / step
    else:
        for i in range(size):
            x = min(max((i + 0.5) * n / size - 0.5, 0.0), n - 1.0)
            j = int(np.floor(x))
            f = x - j
            w[i, j] += 1.0 - f
            if f > 0.0:
                w[i, min(j + 1, n - 1)] += f
    return w


_matrices: dict = {}


def resize(gray: np.ndarray, size: int) -> np.ndarray:
    """gray [rows, columns] -> float32 [size, size] by step 1 of the module's contract (same units as gray)."""
    if gray.ndim != 2 or min(gray.shape) < 1:
        raise ValueError(f"a film is a 2-D array, not {gray.shape}")
    rows, columns = (_matrices.setdefault((n, size), resize_matrix(n, size)) for n in gray.shape)
    return (rows @ gray.astype(np.float64) @ columns.T).astype(np.float32)


def standardise(picture: np.ndarray) -> np.ndarray:
    """Steps 2 and 3 on one resized picture [size, size]; returns float32, no unit, within [-4, 4]."""
    p = picture.astype(np.float64)
    return np.clip((p - p.mean()) / (p.std() + EPSILON), -CLIP, CLIP).astype(np.float32)


def film_to_input(gray: np.ndarray, size: int) -> np.ndarray:
    """gray: float32 2-D display values (MONOCHROME2) -> float32 [size, size], the network's input."""
    return standardise(resize(gray, size))
