"""Rasterises the expert's lungs of ct_lung1_001 (RTSTRUCT) on the grid of its CT: label 2 left, 3 right. A voxel is inside when
at least half of 4 x 4 points in its slice are (even-odd over all contours of the slice). Arguments: the data folder, the output
.nii.gz."""
import sys

import nibabel
import numpy as np
import pydicom
from skimage.draw import polygon2mask

FINE = 4
folder, output = sys.argv[1:3]
ct = nibabel.load(f"{folder}/ct_2x2mean.nii.gz")
to_index = np.linalg.inv(ct.affine)
labels = np.zeros(ct.shape, np.uint8)
rtstruct = pydicom.dcmread(f"{folder}/rtstruct.dcm")
number = {roi.ROIName: roi.ROINumber for roi in rtstruct.StructureSetROISequence}
for name, label in (("Lung-Left", 2), ("Lung-Right", 3)):
    inside = np.zeros(ct.shape, bool)
    roi = next(r for r in rtstruct.ROIContourSequence if r.ReferencedROINumber == number[name])
    for contour in roi.ContourSequence:
        ras = np.array(contour.ContourData, float).reshape(-1, 3) * [-1, -1, 1]
        index = ras @ to_index[:3, :3].T + to_index[:3, 3]
        k = int(round(index[:, 2].mean()))
        low = np.maximum(np.floor(index[:, :2].min(0)).astype(int) - 1, 0)
        high = np.minimum(np.ceil(index[:, :2].max(0)).astype(int) + 2, ct.shape[:2])
        fine = polygon2mask((high - low) * FINE, (index[:, :2] + 0.5 - low) * FINE - 0.5)
        part = fine.reshape(high[0] - low[0], FINE, high[1] - low[1], FINE).mean((1, 3)) >= 0.5
        inside[low[0] : high[0], low[1] : high[1], k] ^= part
    labels[inside] = label
nibabel.save(nibabel.Nifti1Image(labels, ct.affine), output)
