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


def insert_opacities(films, eligible, rng, probability):
    """Synthetic round opacities in the lung fields of real films: nodules (radius 4..15 mm) and masses (15..45 mm).

    films uint8 [B,H,H]; eligible bool [B]: films whose label names neither. The field of view is taken as 380 mm.
    Returns (films, int64 [B]: 0 none, 1 nodule, 2 mass). Opacities are projections of soft-edged ellipsoids, 12..70 grey levels.
    """
    n, size = len(films), films.shape[-1]
    made = torch.zeros(n, dtype=torch.long)
    if probability <= 0:
        return films, made
    films = films.clone()
    y, x = torch.meshgrid(torch.arange(size).float(), torch.arange(size).float(), indexing="ij")
    for i in range(n):
        u = torch.rand(12, generator=rng)
        if not eligible[i] or u[0] >= probability:
            continue
        mass = bool(u[1] < 0.5)
        total = torch.zeros(size, size)
        for k in range(1 + int(u[2] < 0.25)):       # one in four films has two
            v = torch.rand(9, generator=rng)
            radius = (15 + 30 * v[0] ** 1.5 if mass else 4 + 11 * v[0]) / 380 * size
            radius = radius.clamp_min(1.3)
            side = 0.29 + 0.13 * (v[1] - 0.5) * 2
            cx, cy = (side if v[2] < 0.5 else 1 - side) * size, (0.18 + 0.55 * v[3]) * size
            angle, stretch = v[4] * math.pi, 1 + 0.5 * v[5]
            dx, dy = x - cx, y - cy
            a, b = dx * angle.cos() + dy * angle.sin(), dy * angle.cos() - dx * angle.sin()
            wobble = 1 + 0.15 * torch.cos(3 * torch.atan2(b, a) + 6.28 * v[6])
            r2 = ((a * stretch) ** 2 + (b / stretch) ** 2) / (radius * wobble) ** 2
            level = (20 + 50 * v[7]) if mass else (12 + 33 * v[7])
            total += level * (1 - r2).clamp_min(0) ** (0.5 + v[8])
        films[i] = (films[i].float() + total).clamp(0, 255).round().byte()
        made[i] = 2 if mass else 1
    return films, made


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
