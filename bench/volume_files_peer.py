"""The nibabel side of volume_files_bench: one action a call, prints its seconds (imports and start left out).

make FOLDER          ct.nii.gz (int16, smooth with noise) and labels.nii.gz (uint8, 100 balls), 512 x 512 x 200
read FILE float|label
write FILE           labels.nii.gz's voxels (read outside of the time) written to FILE
"""
import pathlib
import sys
import time

import nibabel
import numpy as np


def make(folder):
    rng = np.random.default_rng(5)
    size = np.array([512, 512, 200])
    ct = np.full(size, -1000, np.int16)
    labels = np.zeros(size, np.uint8)
    for label in range(100, 0, -1):
        radius = rng.uniform(15, 60)
        low = (rng.random(3) * (size - 2 * radius - 2)).clip(0).astype(int)
        box = tuple(slice(a, min(a + int(2 * radius), s)) for a, s in zip(low, size))
        x, y, z = (np.arange(s.stop - s.start) - radius for s in box)
        ball = x[:, None, None] ** 2 + y[None, :, None] ** 2 + z[None, None, :] ** 2 < radius**2
        labels[box][ball] = label
        ct[box][ball] = rng.integers(-100, 300)
    ct = (ct + rng.normal(0, 12, size).astype(np.float32)).astype(np.int16)
    affine = np.diag([-0.8, -0.8, 1.5, 1])
    nibabel.save(nibabel.Nifti1Image(ct, affine), folder / "ct.nii.gz")
    nibabel.save(nibabel.Nifti1Image(labels, affine), folder / "labels.nii.gz")


def main():
    action, path = sys.argv[1], pathlib.Path(sys.argv[2])
    if action == "make":
        make(path)
        return
    if action == "read":
        begin = time.perf_counter()
        image = nibabel.load(path)
        if sys.argv[3] == "float":
            image.get_fdata(dtype=np.float32)
        else:
            np.asanyarray(image.dataobj).astype(np.uint16)
    else:
        labels = np.asanyarray(nibabel.load(path.parent / "labels.nii.gz").dataobj)
        image = nibabel.Nifti1Image(labels, np.diag([-0.8, -0.8, 1.5, 1]))
        begin = time.perf_counter()
        nibabel.save(image, path)
    print(time.perf_counter() - begin)


if __name__ == "__main__":
    main()
