"""scipy.ndimage on the masks that peer_test.cpp wrote; what it finds goes back as raw files. Argument: the folder."""
import json
import pathlib
import sys

import numpy as np
from scipy import ndimage

folder = pathlib.Path(sys.argv[1])
case = json.loads((folder / "case.json").read_text())
size, spacing, radius = case["size"], case["spacing"], case["radius"]
mask = np.fromfile(folder / "mask.raw", np.uint8).reshape(size[::-1]) != 0  # [k][j][i]
sampling = spacing[::-1]


def save(name, array, kind):
    np.ascontiguousarray(array).astype(kind).tofile(folder / name)


for connectivity, rank in ((6, 1), (18, 2), (26, 3)):
    labels, _ = ndimage.label(mask, ndimage.generate_binary_structure(3, rank))
    save(f"labels{connectivity}.raw", labels, np.uint32)
save("filled.raw", ndimage.binary_fill_holes(mask), np.uint8)
save("filled_k.raw", np.stack([ndimage.binary_fill_holes(s) for s in mask]), np.uint8)
save("filled_i.raw", np.stack([ndimage.binary_fill_holes(mask[:, :, i]) for i in range(mask.shape[2])], axis=2), np.uint8)
save("distance.raw", ndimage.distance_transform_edt(~mask, sampling), np.float32)
reach = [int(radius / s) for s in sampling]
grids = np.meshgrid(*[np.arange(-r, r + 1) * s for r, s in zip(reach, sampling)], indexing="ij")
ball = sum(g**2 for g in grids) <= (radius * (1 + 1e-6)) ** 2
save("dilated.raw", ndimage.binary_dilation(mask, ball), np.uint8)
save("eroded.raw", ndimage.binary_erosion(mask, ball, border_value=1), np.uint8)
wide = np.pad(mask, [(2 * r + 2, 2 * r + 2) for r in reach])
inner = tuple(slice(2 * r + 2, 2 * r + 2 + n) for r, n in zip(reach, mask.shape))
save("closed.raw", ndimage.binary_closing(wide, ball)[inner], np.uint8)
