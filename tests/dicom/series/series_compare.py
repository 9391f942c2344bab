#!/usr/bin/env python3
"""Compares volumes with pydicom and numpy. Usage: series_compare.py FOLDER of N.json, N.raw as series_real_test.cpp writes.
Voxels: float32 of slope * stored + intercept, exactly. Places: each slice's Image Position within 0.05 mm or 1 % of the
slice step (the tolerance of the reader); its rows and columns within 1e-6 mm a pixel. Order: rising along the normal."""
import json
import pathlib
import sys
import warnings

import numpy as np
import pydicom

warnings.simplefilter("ignore")


def frame_facts(ds, frame):
    """position, orientation, spacing, slope, intercept, pixels of one frame."""
    pixels = ds.pixel_array
    if "PerFrameFunctionalGroupsSequence" not in ds:
        return (ds.ImagePositionPatient, ds.ImageOrientationPatient, ds.PixelSpacing, ds.RescaleSlope, ds.RescaleIntercept, pixels)
    own, shared = ds.PerFrameFunctionalGroupsSequence[frame - 1], ds.SharedFunctionalGroupsSequence[0]

    def macro(name):
        return (own if name in own else shared)[name].value[0]

    value = macro("PixelValueTransformationSequence")
    return (macro("PlanePositionSequence").ImagePositionPatient, macro("PlaneOrientationSequence").ImageOrientationPatient,
            macro("PixelMeasuresSequence").PixelSpacing, value.RescaleSlope, value.RescaleIntercept, pixels[frame - 1])


failed = slices = 0
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.json")):
    said = json.loads(path.read_text())
    i, j, k = said["size"]
    volume = np.fromfile(said["raw"], np.float32).reshape(k, j, i)
    origin, step = np.array(said["origin"]), np.array(said["step"])
    tolerance = max(0.05, 0.01 * np.linalg.norm(step[2]))
    last = -np.inf
    padded = 0
    for number, (file, frame) in enumerate(said["slices"]):
        ds = pydicom.dcmread(file, force=True)
        position, orientation, spacing, slope, intercept, pixels = frame_facts(ds, frame)
        row, column = np.array(orientation[:3], float), np.array(orientation[3:], float)
        along = np.dot(np.cross(row, column), np.array(position, float))
        problems = []
        if not along > last:
            problems.append("order")
        last = along
        if np.linalg.norm(origin + number * step[2] - np.array(position, float)) > tolerance:
            problems.append("position")
        if np.abs(step[0] - row * float(spacing[1])).max() > 1e-6 or np.abs(step[1] - column * float(spacing[0])).max() > 1e-6:
            problems.append("rows and columns")
        expected = (pixels.astype(np.float64) * float(slope) + float(intercept)).astype(np.float32)
        if "PixelPaddingValue" in ds:
            mask = pixels == ds.PixelPaddingValue
            padded += int(mask.sum())
            expected[mask] = -1024
        if not np.array_equal(expected, volume[number]):
            problems.append("values")
        slices += 1
        for problem in problems:
            print(f"{file} frame {frame}: {problem} differs")
            failed += 1
    if padded != said["padded"]:
        print(f"{path}: {said['padded']} padded voxels, numpy counts {padded}")
        failed += 1
print(f"{slices} slices compared, {failed} differ")
sys.exit(1 if failed or slices < 600 else 0)
