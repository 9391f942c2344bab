"""Builds the network inputs and sharpness values of every test picture once: WORK/cache/test_fold0.npz + .json.

Sets: NIH and Kermany films of the patients of --fold, with made cases; JSRT, COVID films, MIAS, CT and other pictures that
no training step has seen. Run: test_sets.py --fold 0
"""
import argparse
import csv
import glob
import json
import os

import numpy as np
import pydicom

import outliers
from films import DATA, HERE, WORK, film_to_input, load_films, read_gray
from made_cases import blur_cases, cut_cases, turned_cases
from net import SIZE
from sharpness import MINIMUM_MATRIX_PX, sharpness

LARGEST_PX = 4000


class Builder:
    """Collects rows: input [128,128] float16 and {set, case, file, view, age, sharpness, aspect}."""

    def __init__(self):
        self.inputs, self.rows = [], []

    def add(self, p: np.ndarray, group: str, case: str, file: str, view: str = "", age=None, measure: bool = False):
        """p: picture [rows, columns]; measure: also the sharpness (only where the matrix allows it)."""
        p = np.ascontiguousarray(p, np.float32)
        sharp = sharpness(p) if measure and min(p.shape) >= MINIMUM_MATRIX_PX else None
        self.inputs.append(film_to_input(p, SIZE).astype(np.float16))
        self.rows.append({"set": group, "case": case, "file": file, "view": view, "age": age, "sharpness": sharp,
                          "aspect": round(p.shape[1] / p.shape[0], 4)})

    def add_input(self, x: np.ndarray, group: str, case: str, file: str, view: str = "", age=None):
        """A picture whose network input [128,128] is known already."""
        self.inputs.append(np.ascontiguousarray(x))
        self.rows.append({"set": group, "case": case, "file": file, "view": view, "age": age, "sharpness": None, "aspect": None})

    def save(self, name: str):
        path = WORK / "cache" / name
        np.savez(str(path) + ".tmp.npz", inputs=np.stack(self.inputs))
        os.replace(str(path) + ".tmp.npz", str(path) + ".npz")
        (WORK / "cache" / (name + ".json")).write_text(json.dumps(self.rows))


def dicom_picture(path: str):
    """First frame of a DICOM file as displayed, float32 0..255 grey, bright = dense; None where there is no picture."""
    try:
        d = pydicom.dcmread(path, force=True)
        if int(d.get("Rows", 0)) < 16 or int(d.Rows) > LARGEST_PX or int(d.Columns) > LARGEST_PX or int(d.get("NumberOfFrames", 1) or 1) > 300:
            return None
        a = d.pixel_array
        if int(d.get("NumberOfFrames", 1) or 1) > 1:
            a = a[len(a) // 2]
        a = a.astype(np.float32)
        if a.ndim == 3:
            a = a[..., :3].mean(2)
        a = a * float(d.get("RescaleSlope", 1) or 1) + float(d.get("RescaleIntercept", 0) or 0)
        if d.get("WindowWidth") not in (None, ""):
            c, w = (float(np.ravel(d[k].value)[0]) for k in ("WindowCenter", "WindowWidth"))
            a = np.clip((a - c) / max(w, 1) + 0.5, 0, 1)
        a = (a - a.min()) / (np.ptp(a) + 1e-6) * 255
        return 255 - a if d.get("PhotometricInterpretation") == "MONOCHROME1" else a
    except Exception:  # a broken test file is no test picture
        return None


def add_films(b: Builder, fold: int, blurred_films: int, share: float):
    """Held-out NIH films with made cases, held-out Kermany films, test-only films."""
    held = [f for f in load_films(("nih", "nih64")) if f.fold == fold]
    held = held[::int(round(1 / share))]
    with open(HERE / "lung_rows.csv", newline="") as table:
        rows = {r["file"]: (float(r["apex"]), float(r["angle"])) for r in csv.DictReader(table)}
    made_blurs = 0
    for f in held:
        p = f.pixels()
        group = f.source if f.adult else f.source + "_minor"
        b.add(p, group, "plain", f.file, f.view, f.age, True)
        if not f.adult:
            continue
        peers = [g for g in held if g.source == f.source and g.patient != f.patient]
        other = peers[len(b.rows) % len(peers)].pixels()
        for case, x in turned_cases(b.inputs[-1]).items():
            b.add_input(x, group, case, f.file, f.view, f.age)
        for case, q in cut_cases(p, other, f.file, rows.get(f.file)).items():
            b.add(q, group, case, f.file, f.view, f.age)
        if f.source == "nih" and made_blurs < blurred_films:
            made_blurs += 1
            for case, q in blur_cases(p, f.file).items():
                b.add(q, group, case, f.file, f.view, f.age, True)
    print(len(held), "held-out NIH films", flush=True)
    for f in load_films(("kermany",)):
        if f.fold == fold:
            b.add(f.pixels(), "kermany", "child", f.file, f.view, f.age, True)
    for source in ("jsrt", "covid", "actualmed", "figure1"):
        for f in load_films((source,)):
            p = f.pixels()
            b.add(p, source, "plain", f.file, f.view, f.age, True)
            b.add_input(b.inputs[-1][:, ::-1], source, "mirrored", f.file, f.view, f.age)
    held_files = {f.file.split("/")[-1].split(".")[0] for f in held}
    for path in sorted(glob.glob(str(DATA / "cxr/nih_1024/*.png"))):
        name = os.path.basename(path)
        known = "nih_1024" if name.split(".")[0] in held_files else "nih_1024_seen"
        b.add(read_gray(path), known, "plain", name, measure=True)


def add_others(b: Builder):
    """Mammograms, CT of other patients, other DICOM content, painted pictures of another seed."""
    for path in sorted(glob.glob(str(DATA / "mammo/mias/*.png"))):
        p = read_gray(path)
        b.add(p, "mias", "mammogram", os.path.basename(path), measure=True)
        b.add_input(b.inputs[-1][:, ::-1], "mias", "mammogram_flipped", os.path.basename(path))
    v = outliers.read_nifti(DATA / "ct_lung1_001/ct_2x2mean.nii.gz")
    for axis, step, case in ((2, 3, "ct_axial"), (1, 6, "ct_coronal"), (0, 8, "ct_sagittal")):
        for at in range(v.shape[axis] // 6, v.shape[axis] * 5 // 6, step):
            s = np.take(v, at, axis)
            for c, w in ((40, 400), (-600, 1500)):
                p = outliers.window(s, c, w)
                b.add(p.T if axis == 2 else p.T[::-1], "ct_lung1", case, f"{case}_{at}_{c}")
    for path in sorted(glob.glob(str(DATA / "ct_totalsegmentator/example_ct_dicom/*"))):
        p = dicom_picture(path)
        if p is not None:
            b.add(p, "ct_dicom", "ct_axial", os.path.basename(path))
    for path in sorted(glob.glob(str(DATA / "dicom/*/**/*"), recursive=True)):
        p = dicom_picture(path) if os.path.isfile(path) and os.path.getsize(path) < 8e6 else None
        if p is not None and np.isfinite(p).all():
            b.add(p, "dicom_samples", "other", os.path.relpath(path, DATA / "dicom"), measure=min(p.shape) >= 200)
    for p in glob.glob(str(DATA / "cxr/dicom/*.dcm")):
        q = dicom_picture(p)
        if q is not None:
            b.add(q, "siim_dicom", "plain", os.path.basename(p), measure=True)
    rng = np.random.default_rng(99)
    for paint, _ in outliers.PAINTERS:
        for i in range(40):
            b.add(paint(rng), "painted", paint.__name__, f"{paint.__name__}_{i}")
    b.add(np.zeros((512, 512)), "painted", "black", "black")
    b.add(rng.uniform(0, 255, (512, 512)), "painted", "noise", "noise")


def main():
    a = argparse.ArgumentParser(description=__doc__)
    a.add_argument("--fold", type=int, default=0)
    a.add_argument("--blurred-films", type=int, default=60)
    a.add_argument("--share", type=float, default=1.0, help="of the held-out NIH films, for a quick look")
    a = a.parse_args()
    b = Builder()
    add_films(b, a.fold, a.blurred_films, a.share)
    add_others(b)
    b.save(f"test_fold{a.fold}")
    print(len(b.rows), "pictures")


if __name__ == "__main__":
    main()
