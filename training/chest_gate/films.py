"""The gate's films: manifest, patient-level folds, and a uint8 cache of squeezed films.

Training sources: nih/, nih64/, effusion/ (no patient ids: training only), kermany/.
Test-only sources (never trained on): jsrt/, covid/, actualmed/, figure1/, nih_1024/.
"""
import csv
import hashlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Optional

import numpy as np
from PIL import Image

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "chest"))
from preprocess import film_to_input, resize  # noqa: E402,F401  the contract shared with rouage-chest; last on the path: modules here win

DATA = Path(os.environ.get("ROUAGE_DATA", HERE.parents[2] / "shared" / "data"))
WORK = Path(os.environ.get("ROUAGE_GATE_WORK", "/tmp/rouage-gate"))
FOLDS = 4
CACHE_PX = 160
TRAIN_SOURCES = ("nih", "nih64", "effusion", "kermany")


@dataclass(frozen=True)
class Film:
    """One row of manifest.csv. age in years, None where not stated; fold 0..FOLDS-1, -1 = no patient id."""

    file: str
    source: str
    patient: str
    view: str
    age: Optional[float]
    fold: int

    @property
    def adult(self) -> bool:
        return self.source != "kermany" and (self.age is None or self.age >= 18)

    def pixels(self) -> np.ndarray:
        """float32 [rows, columns], 0..255, bright = dense."""
        return read_gray(DATA / "cxr" / self.file)


def read_gray(path) -> np.ndarray:
    """Any picture file -> float32 [rows, columns], 0..255."""
    return np.asarray(Image.open(path).convert("L"), dtype=np.float32)


def fold_of(patient: str) -> int:
    """Patient key -> 0..FOLDS-1 by sha256, so that the split needs no list."""
    return int(hashlib.sha256(patient.encode()).hexdigest(), 16) % FOLDS


def load_films(sources) -> list:
    """Films of the given sources in manifest order."""
    out = []
    with open(DATA / "cxr" / "manifest.csv", newline="") as f:
        for row in csv.DictReader(f):
            source = row["file"].split("/")[0]
            if source not in sources:
                continue
            patient = row["patient"]
            fold = -1 if patient in ("", "unknown") else fold_of(patient)
            try:
                age = float(row["age"])
            except ValueError:  # empty, or Kermany's "1-5"
                age = 3.0 if source == "kermany" else None
            out.append(Film(row["file"], source, patient, row["view"], age, fold))
    return out


def cached_films(films) -> np.ndarray:
    """Films squeezed to CACHE_PX by the contract's resize: uint8 [n, CACHE_PX, CACHE_PX]; kept in WORK/cache."""
    key = hashlib.sha256("\n".join(f.file for f in films).encode()).hexdigest()[:12]
    path = WORK / "cache" / f"films_{CACHE_PX}_{key}.npy"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        stack = np.stack([np.clip(np.rint(resize(f.pixels(), CACHE_PX)), 0, 255).astype(np.uint8) for f in films])
        tmp = path.with_suffix(".tmp.npy")
        np.save(tmp, stack)
        os.replace(tmp, path)
    return np.load(path)
