"""Training-time augmentation of a batch, between resizing and standardising. No flips: situs matters.

uint8 [B,H,H] (H about 1.25 S) -> float32 [B,1,S,S] standardised and clipped as in preprocess.py.
"""
import math

import torch
import torch.nn.functional as F

from preprocess import CLIP, EPSILON


def standardise(x: torch.Tensor) -> torch.Tensor:
    """x [B,1,S,S] in any positive linear scale -> standardised per film (population standard deviation), clipped."""
    mean = x.mean((1, 2, 3), keepdim=True)
    std = ((x - mean) ** 2).mean((1, 2, 3), keepdim=True).sqrt()
    return ((x - mean) / (std + EPSILON)).clamp(-CLIP, CLIP)


def _uniform(n, lo, hi, rng):
    return torch.rand(n, generator=rng) * (hi - lo) + lo


def affine(x, size, rng, strength):
    """Rotation +-10 deg, scale 0.85..1.18, anisotropy +-8 %, shift +-7 %, shear +-0.06; edge-clamped; [B,1,H,H] -> [B,1,S,S]."""
    n = len(x)
    a = _uniform(n, -10, 10, rng) * math.pi / 180 * strength
    s = torch.exp(_uniform(n, -0.16, 0.16, rng) * strength)
    e = torch.exp(_uniform(n, -0.08, 0.08, rng) * strength)
    shear = _uniform(n, -0.06, 0.06, rng) * strength
    theta = torch.stack([torch.stack([s * e * a.cos(), -s * a.sin() + shear, _uniform(n, -0.14, 0.14, rng) * strength], 1),
                         torch.stack([s * a.sin(), s / e * a.cos(), _uniform(n, -0.14, 0.14, rng) * strength], 1)], 1)
    grid = F.affine_grid(theta, (n, 1, size, size), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def degrade(x, rng, probability):
    """Some films are reduced to 48..96 pixels and enlarged again, so that the blurred source does not stand out."""
    for i in range(len(x)):
        u = torch.rand(2, generator=rng)
        if u[0] < probability:
            small = int(48 + 48 * u[1])
            y = F.interpolate(x[i:i + 1], (small, small), mode="area")
            x[i:i + 1] = F.interpolate(y, x.shape[-2:], mode="bilinear", align_corners=False)
    return x


def erase(x, rng, probability, border_probability):
    """Random rectangles (2..12 % of the area) and random border strips (up to 12 % a side, where markers are) -> film mean."""
    n, size = len(x), x.shape[-1]
    for i in range(n):
        u = torch.rand(10, generator=rng)
        mean = float(x[i].mean())
        if u[0] < probability:
            area = (0.02 + 0.10 * u[1]) * size * size
            ratio = math.exp((u[2] - 0.5) * 1.4)
            h, w = min(size - 1, int((area * ratio) ** 0.5) + 1), min(size - 1, int((area / ratio) ** 0.5) + 1)
            y0, x0 = int(u[3] * (size - h)), int(u[4] * (size - w))
            x[i, :, y0:y0 + h, x0:x0 + w] = mean
        if u[5] < border_probability:
            t, b, l, r = (int(float(v) * 0.12 * size) for v in u[6:10])
            keep = x[i, :, t:size - b, l:size - r].clone()
            x[i] = 0.0
            x[i, :, t:size - b, l:size - r] = keep
    return x


def augment(films: torch.Tensor, size: int, rng: torch.Generator, strength: float = 1.0, border: float = 0.15) -> torch.Tensor:
    """One batch: films uint8 [B,H,H] -> network input float32 [B,1,S,S]. border: probability of border masking."""
    x = affine(films[:, None].float() / 255.0, size, rng, strength)
    gamma = torch.exp(_uniform(len(x), -0.45, 0.45, rng) * strength)[:, None, None, None]
    low = x.amin((1, 2, 3), keepdim=True)
    span = (x.amax((1, 2, 3), keepdim=True) - low).clamp_min(1e-3)
    x = ((x - low) / span).clamp(1e-4, 1) ** gamma
    x = degrade(x, rng, 0.25 * strength)
    noise = (torch.rand(len(x), generator=rng) < 0.3).float() * torch.rand(len(x), generator=rng) * 0.05
    x = x + torch.randn(x.shape, generator=rng) * noise[:, None, None, None]
    x = erase(x, rng, 0.4 * strength, border)
    return standardise(x)
