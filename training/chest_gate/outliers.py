"""Pictures that are no chest film: CT and MR slices and synthetic pictures, as a bank of uint8 [n, 160, 160].

No mammogram, limb or text picture of a real source is used for training: those are drawn here.
Volumes: ../shared/data/ct_totalsegmentator (Apache-2.0).
"""
import gzip
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import ndimage

from films import CACHE_PX, DATA, WORK, resize

FONTS = "/usr/share/fonts/truetype/dejavu/"
WINDOWS = ((40, 400), (-600, 1500), (300, 1500), (50, 350), (-400, 2000), (0, 3000), (80, 200))


def read_nifti(path) -> np.ndarray:
    """Voxels of a .nii.gz as float32 [i, j, k] in stored order (slope and intercept applied)."""
    raw = gzip.open(path).read()
    dim = np.frombuffer(raw, "<i2", 8, 40)
    code = int(np.frombuffer(raw, "<i2", 1, 70)[0])
    offset = int(np.frombuffer(raw, "<f4", 1, 108)[0])
    slope, inter = np.frombuffer(raw, "<f4", 2, 112)
    kind = {2: "u1", 4: "<i2", 8: "<i4", 16: "<f4", 64: "<f8", 256: "i1", 512: "<u2"}[code]
    shape = tuple(int(d) for d in dim[1:1 + dim[0]])[:3]
    v = np.frombuffer(raw, kind, int(np.prod(shape)), offset).reshape(shape, order="F").astype(np.float32)
    return v * slope + inter if slope not in (0.0,) and np.isfinite(slope) else v


def window(hu: np.ndarray, centre: float, width: float) -> np.ndarray:
    """HU -> 0..255 by a linear window."""
    return np.clip((hu - centre) / width + 0.5, 0, 1) * 255


def volume_slices(rng) -> list:
    """Windowed CT and MR slices in the three planes, single, thick, and sagittal projections; 0..255 float arrays.

    Coronal mean projections are left out: they look like a frontal film and shall not be refused as such.
    """
    base, out = DATA / "ct_totalsegmentator", []
    for name, step in (("example_ct.nii.gz", 1), ("pulmonary_report/models/ct_cropped.nii.gz", 1)):
        v = read_nifti(base / name)
        for axis in range(3):
            for at in range(4, v.shape[axis] - 4, step):
                thick = int(rng.choice([1, 1, 1, 5]))
                s = np.take(v, range(at, at + thick), axis).mean(0) if thick > 1 else np.take(v, at, axis)
                for w in rng.choice(len(WINDOWS), 3, replace=False):
                    c, ww = WINDOWS[w]
                    p = window(s, c + rng.normal(0, 40), ww * rng.uniform(0.7, 1.4))
                    out.append(p.T[::-1] if axis != 2 else p.T)
        for _ in range(40):  # sagittal projections: like a lateral film or a scout view
            lo = int(rng.integers(0, v.shape[0] // 2))
            hi = int(rng.integers(v.shape[0] // 2, v.shape[0]))
            p = np.maximum(v[lo:hi], -1000).mean(0)
            p = (p - p.min()) / (np.ptp(p) + 1e-6)
            out.append((p ** rng.uniform(0.5, 1.5) * 255).T[::-1])
    mr = read_nifti(base / "example_mr_sm.nii.gz")
    for axis in range(3):
        for at in range(mr.shape[axis]):
            s = np.take(mr, at, axis)
            out.append((np.clip(s / (np.percentile(mr, 99) + 1), 0, 1) * 255).T[::-1])
    return out


def spectrum_noise(rng, n: int, power: float) -> np.ndarray:
    """Random field [n, n] with amplitude spectrum f^-power, mean 0, standard deviation 1."""
    f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None]) * n
    f[0, 0] = 1
    a = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(n, n))) / np.maximum(f, 1) ** power, (n, n))
    return (a - a.mean()) / (a.std() + 1e-9)


def breast(rng, n: int = CACHE_PX) -> np.ndarray:
    """Synthetic mammogram [n, n]: half-ellipse of textured tissue, bright rim fading to the skin, pectoral muscle, labels."""
    y, x = np.mgrid[0:n, 0:n] / n
    cy, ry, rx = rng.uniform(0.35, 0.65), rng.uniform(0.28, 0.62), rng.uniform(0.3, 0.95)
    edge = rng.uniform(0, 0.2) if rng.random() < 0.6 else 0.0  # film border before the chest wall
    lean = rng.uniform(-0.35, 0.35)
    r = np.sqrt(((y - cy - lean * (x - edge)) / ry) ** 2 + ((x - edge) / rx) ** 2)
    r = r * (1 + 0.06 * spectrum_noise(rng, n, 2.5))
    inside = 1 / (1 + np.exp((r - 1) / rng.uniform(0.01, 0.05)))
    texture = spectrum_noise(rng, n, rng.uniform(1.2, 2.2))
    gland = np.exp(-((r - rng.uniform(0.2, 0.5)) / rng.uniform(0.2, 0.5)) ** 2)
    tissue = rng.uniform(0.25, 0.6) + rng.uniform(0.05, 0.5) * gland * (1 + 0.5 * texture) + 0.06 * texture
    p = inside * tissue * (1 - rng.uniform(0, 0.6) * np.clip(r, 0, 1) ** 3)
    if rng.random() < 0.75:  # pectoral muscle: bright triangle in the upper corner at the chest wall
        top, low = rng.uniform(0.15, 0.55), rng.uniform(0.3, 0.9)
        m = ((x - edge) / top + y / low) - 1
        p = np.maximum(p, rng.uniform(0.5, 0.95) / (1 + np.exp(m / 0.02)) * (x >= edge))
    p = np.where(x < edge, rng.choice([0.0, 0.05, 0.5, 1.0], p=[0.55, 0.2, 0.1, 0.15]), p)
    p = p + rng.uniform(0, 0.15)
    picture = finish(rng, p)
    if rng.random() < 0.6:
        label(rng, picture)
    if rng.random() < 0.35:  # a strip of film border on the far side
        k = int(rng.integers(2, n // 5))
        picture[:, -k:] = rng.choice([0, 10, 90, 200])
    return picture


def label(rng, p: np.ndarray) -> None:
    """Draw a bright or dark marker box with text somewhere at the side of p, in place."""
    n = p.shape[0]
    im = Image.fromarray(np.clip(p, 0, 255).astype(np.uint8))
    d = ImageDraw.Draw(im)
    w, h = int(rng.integers(6, 50)), int(rng.integers(5, 40))
    x0, y0 = int(rng.integers(n // 2, n - 5)), int(rng.integers(0, n - h))
    if rng.random() < 0.7:
        d.rectangle((x0, y0, x0 + w, y0 + h), fill=int(rng.choice([0, 200, 255, 120])))
    d.text((x0 + 1, y0 + 1), "".join(rng.choice(list("RLCCMO0123456789"), 5)), fill=int(rng.choice([0, 255])))
    p[:] = np.asarray(im, np.float32)


def finish(rng, p: np.ndarray) -> np.ndarray:
    """Any range -> 0..255 with random gamma, gain and noise."""
    p = (p - p.min()) / (np.ptp(p) + 1e-9)
    p = p ** rng.uniform(0.5, 1.8) * rng.uniform(0.6, 1.3) + rng.uniform(0, 0.03) * rng.normal(size=p.shape)
    return np.clip(p, 0, 1) * 255


def bone(x, y, a, b, width) -> np.ndarray:
    """Long bone from a to b: bright cortex, darker marrow, rounded ends (all in fractions of the picture)."""
    ax, ay, bx, by = *a, *b
    t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2 + 1e-9)
    d = np.hypot(x - ax - np.clip(t, 0, 1) * (bx - ax), y - ay - np.clip(t, 0, 1) * (by - ay))
    w = width * (1 + 0.7 * (2 * np.clip(t, 0, 1) - 1) ** 4)
    return (d < w) * (0.45 + 0.55 * np.clip(d / w, 0, 1) ** 3)


def limb(rng, n: int = CACHE_PX) -> np.ndarray:
    """Limb or hand: soft tissue round one to five rays of bones."""
    y, x = np.mgrid[0:n, 0:n] / n
    x, y = x + 0.01 * spectrum_noise(rng, n, 2.5), y + 0.01 * spectrum_noise(rng, n, 2.5)
    bones, soft = np.zeros((n, n)), np.zeros((n, n))
    hand, width = rng.random() < 0.5, rng.uniform(0.02, 0.09)
    for i in range(int(rng.integers(4, 6)) if hand else int(rng.integers(1, 3))):
        at = np.array([rng.uniform(0.3, 0.7), 1.0])
        angle = -np.pi / 2 + ((i - 2) * 0.28 if hand else rng.uniform(-0.15, 0.15))
        for k in range(4 if hand else 2):
            length = rng.uniform(0.12, 0.3) if hand else rng.uniform(0.3, 0.8)
            to = at + length * np.array([np.cos(angle), np.sin(angle)])
            w = width * (0.5 if hand else 1) * (1 - 0.12 * k)
            bones = np.maximum(bones, bone(x, y, at, to, w))
            soft = np.maximum(soft, bone(x, y, at, to, w * rng.uniform(1.8, 3.2)) > 0)
            at = to + 0.02 * np.array([np.cos(angle), np.sin(angle)])
    soft = ndimage.gaussian_filter(soft.astype(float), n * 0.01)
    return finish(rng, rng.uniform(0.2, 0.5) * soft + bones * rng.uniform(0.4, 0.7) * (1 + 0.1 * spectrum_noise(rng, n, 1.5)))


def ellipses(rng, n: int = CACHE_PX) -> np.ndarray:
    """Skull-, pelvis- or phantom-like picture: a few ellipses and rings with texture, some mirror-symmetric."""
    y, x = np.mgrid[-1:1:n * 1j, -1:1:n * 1j]
    p = np.zeros((n, n))
    for i in range(int(rng.integers(1, 9))):
        cx, cy, s = rng.uniform(-0.6, 0.6), rng.uniform(-0.6, 0.6), 1.0 if i == 0 else 0.5
        rx, ry, t = s * rng.uniform(0.15, 1), s * rng.uniform(0.15, 1), rng.uniform(0, np.pi)
        for m in ((1, -1) if rng.random() < 0.5 else (1,)):
            u, v = (m * x - cx) * np.cos(t) + (y - cy) * np.sin(t), (y - cy) * np.cos(t) - (m * x - cx) * np.sin(t)
            r = np.hypot(u / rx, v / ry)
            p += rng.uniform(-0.4, 1) * ((r < 1) if rng.random() < 0.5 else np.exp(-((r - 1) / rng.uniform(0.03, 0.2)) ** 2))
    p = ndimage.gaussian_filter(p, rng.uniform(0, 3))
    return finish(rng, p + rng.uniform(0, 0.25) * spectrum_noise(rng, n, rng.uniform(0.5, 2)))


def texture(rng, n: int = CACHE_PX) -> np.ndarray:
    """Noise of any spectrum, alone, in a fan (ultrasound) or a disc, or added to a gradient."""
    p = spectrum_noise(rng, n, rng.choice([0, 0, 0.5, 1, 1.5, 2, 2.5, 3]))
    y, x = np.mgrid[-1:1:n * 1j, -1:1:n * 1j]
    kind = rng.integers(0, 6)
    if kind == 0:
        p = (p - p.min()) * (np.hypot(x, y) < rng.uniform(0.5, 1.2))
    elif kind == 1:
        p = np.abs(p) * (np.hypot(x, y + 1.1) < 2.0) * (np.abs(x) < (y + 1.2) * rng.uniform(0.4, 0.9))
    elif kind == 2:
        p = p * rng.uniform(0, 0.5) + 2 * (x * rng.normal() + y * rng.normal())
    elif kind == 3:
        p = p * rng.uniform(0, 0.5) + 3 * np.exp(-(x ** 2 + y ** 2) / rng.uniform(0.1, 2)) * rng.choice([-1, 1])
    return finish(rng, p)


def page(rng, n: int = CACHE_PX) -> np.ndarray:
    """Text page, form, chart or screen capture, dark on bright or the reverse."""
    im = Image.new("L", (2 * n, 2 * n), 0)
    d = ImageDraw.Draw(im)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789.,:   "))
    y, size = int(rng.integers(2, 60)), int(rng.integers(9, 40))
    font = ImageFont.truetype(FONTS + str(rng.choice(["DejaVuSans.ttf", "DejaVuSerif-Bold.ttf", "DejaVuSansMono.ttf"])), size)
    while y < 2 * n:
        if rng.random() < 0.85:
            d.text((int(rng.integers(2, 40)), y), "".join(rng.choice(letters, int(rng.integers(3, 60)))), 255, font)
        y += int(size * rng.uniform(1.1, 2.5))
    for _ in range(int(rng.integers(0, 5))):
        a = rng.integers(0, 2 * n, 4)
        d.rectangle((min(a[0], a[2]), min(a[1], a[3]), max(a[0], a[2]), max(a[1], a[3])),
                    outline=255, fill=None if rng.random() < 0.5 else int(rng.integers(0, 255)))
        d.line([tuple(map(int, rng.integers(0, 2 * n, 2))) for _ in range(4)], fill=255, width=2)
    p = resize(np.asarray(im, np.float32), n)
    return 255 - p if rng.random() < 0.5 else p


def leaves(rng, n: int = CACHE_PX) -> np.ndarray:
    """Dead-leaves picture: overlapping discs and boxes; edges and spectrum of a photograph."""
    y, x = np.mgrid[0:n, 0:n]
    p = np.full((n, n), float(rng.integers(0, 255)))
    for _ in range(int(rng.integers(5, 80))):
        r, cx, cy = rng.pareto(1.5) * 6 + 3, rng.integers(0, n), rng.integers(0, n)
        m = (np.hypot(x - cx, y - cy) < r) if rng.random() < 0.6 else ((abs(x - cx) < r) & (abs(y - cy) < r * rng.uniform(0.3, 2)))
        p[m] = rng.integers(0, 255)
    return np.clip(p + rng.uniform(0, 25) * spectrum_noise(rng, n, 1.5), 0, 255)


def pattern(rng, n: int = CACHE_PX) -> np.ndarray:
    """Bars, checks, rings, steps, a constant or nearly black picture."""
    y, x = np.mgrid[-1:1:n * 1j, -1:1:n * 1j]
    t, f = rng.uniform(0, np.pi), rng.uniform(1, 30)
    u = x * np.cos(t) + y * np.sin(t)
    v = y * np.cos(t) - x * np.sin(t)
    p = (np.sin(f * u), np.sign(np.sin(f * u) * np.sin(f * v)), np.sin(f * np.hypot(x, y)), np.round(u * 5),
         np.zeros((n, n)), (rng.random((n, n)) < 0.002) * 1.0, np.sin(f * u) + np.sin(f * v))[int(rng.integers(0, 7))]
    return finish(rng, p)


PAINTERS = ((breast, 900), (limb, 350), (ellipses, 450), (texture, 400), (page, 250), (leaves, 200), (pattern, 150))


def bank(seed: int = 5) -> tuple:
    """(uint8 [n, 160, 160], kind index [n]): 0 = CT/MR, 1.. = PAINTERS in order. Cached in WORK."""
    path = WORK / "cache" / f"outliers_{seed}.npz"
    if not path.exists():
        rng = np.random.default_rng(seed)
        pictures = [resize(np.ascontiguousarray(p), CACHE_PX) for p in volume_slices(rng)]
        kinds = [0] * len(pictures)
        for k, (paint, count) in enumerate(PAINTERS, 1):
            pictures += [paint(rng) for _ in range(count)]
            kinds += [k] * count
        stack = np.clip(np.rint(np.stack(pictures)), 0, 255).astype(np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez(path.with_suffix(".tmp.npz"), pictures=stack, kinds=np.array(kinds))
        os.replace(path.with_suffix(".tmp.npz"), path)
    z = np.load(path)
    return z["pictures"], z["kinds"]
