"""Films, targets, folds and augmentation.

Targets are float32 [N, K] with NaN where a film does not know the answer (masked loss).
Sources: 'jrzech', 'muhammedtalo', 'nih64', 'effusion', 'kermany' (train); 'jsrt', 'covid', 'actualmed', 'figure1' (tests).
"""
import csv
import gzip
import hashlib
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from preprocess import film_to_input, resize, resize_matrix

CXR = Path(__file__).resolve().parents[3] / "shared" / "data" / "cxr"
CACHE_SIZE = 192
FINDINGS = ["Atelectasis", "Cardiomegaly", "Effusion", "Infiltration", "Mass", "Nodule", "Pneumonia", "Pneumothorax",
            "Consolidation", "Edema", "Emphysema", "Fibrosis", "Pleural_Thickening"]  # Hernia: fewer than 20 positives
OUTPUTS = FINDINGS + ["remarkable", "view_ap", "sex_male", "estimated_age"]
REMARKABLE, VIEW, SEX, AGE = (OUTPUTS.index(n) for n in ("remarkable", "view_ap", "sex_male", "estimated_age"))
AGE_OFFSET, AGE_SCALE = 50.0, 20.0          # the age output is (age - 50 a) / 20 a
NIH = ("jrzech", "muhammedtalo", "nih64")    # sources with patient ids and all labels
FOLDS, CALIBRATION, NEVER = 5, -1, -2        # fold column: 0..4, -1 calibration split, -2 not NIH


def source_of(row: dict) -> str:
    folder = row["file"].split("/")[0]
    return row["source"].split("/")[0] if folder == "nih" else folder


def read_manifest(root: Path = CXR) -> list:
    rows = list(csv.DictReader(open(root / "manifest.csv", newline="")))
    for r in rows:
        r["from"] = source_of(r)
    return rows


def targets_of(rows: list) -> np.ndarray:
    """float32 [N, K]: 0/1 for findings, remarkable, view_ap, sex_male; (age-50)/20; NaN = not known."""
    t = np.full((len(rows), len(OUTPUTS)), np.nan, np.float32)
    for i, r in enumerate(rows):
        labels = r["labels"].split("|")
        if r["from"] in NIH:
            t[i, :len(FINDINGS)] = [f in labels for f in FINDINGS]
            t[i, REMARKABLE] = "No Finding" not in labels
        elif r["from"] == "effusion":
            t[i, FINDINGS.index("Effusion")] = "Effusion" in labels
            t[i, REMARKABLE] = "Effusion" in labels
            if "Effusion" not in labels:
                t[i, :len(FINDINGS)] = 0
        elif r["from"] == "jsrt":
            t[i, FINDINGS.index("Nodule")] = t[i, REMARKABLE] = "Nodule" in labels
        elif r["labels"]:
            t[i, REMARKABLE] = np.nan if {"unknown", "No COVID-19", "Inconclusive"} & set(labels) else "No Finding" not in labels
        if r["view"]:
            t[i, VIEW] = r["view"].startswith("AP") if r["view"][:2] in ("AP", "PA") else np.nan
        if r["sex"] in ("M", "F"):
            t[i, SEX] = r["sex"] == "M"
        try:
            t[i, AGE] = (float(r["age"]) - AGE_OFFSET) / AGE_SCALE
        except ValueError:
            pass
    return t


def soften_by_neighbours(rows: list, target: np.ndarray, root: Path = CXR) -> np.ndarray:
    """Findings softened by the reports of the same patient's previous and next visit (nih_tables), for training only.

    Mined labels forget what was already known. With m = mean label of the neighbouring visits (follow-up number +-1,
    age within 1 a): own 1 -> 0.8 + 0.2 m;  own 0 -> 0.35 m. No neighbours: unchanged. Only a film's own patient is used.
    """
    table: dict = {}
    with gzip.open(root / "nih_tables/Data_Entry_2017_v2020.csv.gz", "rt", newline="") as f:
        for r in csv.DictReader(f):
            patient, visit = r["Image Index"].split(".")[0].split("_")
            table[(patient, int(visit))] = (float(r["Patient Age"]), set(r["Finding Labels"].split("|")))
    out = target.copy()
    for i, r in enumerate(rows):
        if r["from"] not in NIH:
            continue
        patient, visit = r["image_id"].split(".")[0].split("_")
        near = [table[(patient, int(visit) + d)][1] for d in (-1, 1)
                if (patient, int(visit) + d) in table and abs(table[(patient, int(visit) + d)][0] - float(r["age"])) <= 1]
        if near:
            for k, name in enumerate(FINDINGS):
                m = sum(name in labels for labels in near) / len(near)
                out[i, k] = 0.8 + 0.2 * m if target[i, k] == 1 else 0.35 * m
    return out


def _hash01(text: str, seed: int) -> float:
    return int(hashlib.sha256(f"{seed}:{text}".encode()).hexdigest()[:12], 16) / 16.0 ** 12


def folds_of(rows: list, seed: int = 20261124) -> np.ndarray:
    """int [N]: fold 0..4, CALIBRATION or NEVER. By patient, within the set of sources a patient has films of."""
    sources: dict = {}
    for r in rows:
        if r["from"] in NIH:
            sources.setdefault(r["patient"], set()).add(r["from"])
    fold: dict = {}
    for key in sorted({tuple(sorted(s)) for s in sources.values()}):
        people = sorted((p for p in sources if tuple(sorted(sources[p])) == key), key=lambda p: _hash01(p, seed))
        held = round(0.1 * len(people))
        for k, p in enumerate(people):
            fold[p] = CALIBRATION if k < held else (k - held) % FOLDS
    return np.array([fold.get(r["patient"], NEVER) if r["from"] in NIH else NEVER for r in rows])


def read_gray(path: Path) -> np.ndarray:
    """8-bit film -> float32 [rows, columns], 0..255, bright = dense."""
    return np.asarray(Image.open(path).convert("L"), np.float32)


def cached(rows: list, work: Path, size: int, exact: bool) -> np.ndarray:
    """exact: inputs by the contract, float32 [N,size,size]; else resized films uint8 [N,size,size]. Kept in work."""
    path = work / f"films_{'input' if exact else 'u8'}_{size}.npy"
    if path.exists():
        return np.load(path, mmap_mode="r")
    make = (lambda g: film_to_input(g, size)) if exact else (lambda g: np.clip(np.rint(resize(g, size)), 0, 255).astype(np.uint8))
    films = np.stack([make(read_gray(CXR / r["file"])) for r in rows])
    np.save(path, films)
    return films


def shrink_cache(films: np.ndarray, size: int) -> torch.Tensor:
    """uint8 [N,H,H] -> uint8 [N,size,size] by the area rule, for a training phase at about 0.8*size."""
    w = torch.from_numpy(resize_matrix(films.shape[1], size)).float()
    out = [(w @ torch.from_numpy(np.array(films[i:i + 64])).float() @ w.T).round().clamp(0, 255).byte() for i in range(0, len(films), 64)]
    return torch.cat(out)
