"""Surface metrics written with scipy and scikit-image, as MedPy, MONAI and Nikolov et al. define them. Arguments: a folder with
case.json, a.raw and b.raw; prints one JSON object."""
import json
import pathlib
import sys

import numpy as np
from scipy import ndimage
from skimage import measure

folder = pathlib.Path(sys.argv[1])
case = json.loads((folder / "case.json").read_text())
size, spacing = case["size"][::-1], np.array(case["spacing"][::-1], float)
a, b = [np.fromfile(folder / name, np.uint8).reshape(size) != 0 for name in ("a.raw", "b.raw")]


def border(mask):
    return mask ^ ndimage.binary_erosion(mask, ndimage.generate_binary_structure(3, 1))


def distances(of, to):
    return ndimage.distance_transform_edt(~to, spacing)[of]


ab, ba = distances(border(a), border(b)), distances(border(b), border(a))
result = {
    "dice": 2 * np.sum(a & b) / (a.sum() + b.sum()),
    "pooled": np.percentile(np.hstack([ab, ba]), 95),
    "largest": max(np.percentile(ab, 95), np.percentile(ba, 95)),
}


def cubes(mask):
    """Number of set voxels in each cube of eight, one cube more than voxels on each axis."""
    padded = np.pad(mask, 1).astype(int)
    total = 0
    for z in (slice(None, -1), slice(1, None)):
        for y in (slice(None, -1), slice(1, None)):
            for x in (slice(None, -1), slice(1, None)):
                total = total + padded[z, y, x]
    return (total > 0) & (total < 8)


ca, cb = cubes(a), cubes(b)
result["hausdorff"] = max(distances(ca, cb).max(), distances(cb, ca).max())
for name, mask in (("area_a", a), ("area_b", b)):
    vertices, faces, _, _ = measure.marching_cubes(np.pad(mask, 1).astype(np.float32), 0.5, spacing=tuple(spacing), method="lorensen")
    result[name] = measure.mesh_surface_area(vertices, faces)
print(json.dumps({key: float(value) for key, value in result.items()}))
