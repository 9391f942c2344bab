"""A segmentation seen by pydicom: every frame put where its ImagePositionPatient says, compared with the labels that were
written. Usage: seg_pydicom.py SEG.dcm TRUTH.json (size, origin, step, values by segment number, labels as a flat list)."""
import json
import sys

import numpy as np
import pydicom

seg = pydicom.dcmread(sys.argv[1])
truth = json.load(open(sys.argv[2]))
columns, rows, slices = truth["size"]
labels = np.array(truth["labels"], dtype=np.uint16).reshape(slices, rows, columns)
origin, step = np.array(truth["origin"]), np.array(truth["step"])

pixels = seg.pixel_array.reshape(int(seg.NumberOfFrames), rows, columns)
orientation = np.array(seg.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0].ImageOrientationPatient, dtype=float)
spacing = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0].PixelSpacing
assert np.allclose(orientation[:3] * float(spacing[1]), step[0], atol=1e-9), "columns run elsewhere"
assert np.allclose(orientation[3:] * float(spacing[0]), step[1], atol=1e-9), "rows run elsewhere"

binary = seg.SegmentationType == "BINARY"
found = np.zeros_like(labels)
for frame, groups in zip(pixels, seg.PerFrameFunctionalGroupsSequence, strict=True):
    position = np.array(groups.PlanePositionSequence[0].ImagePositionPatient, dtype=float)
    k = int(np.argmin([np.linalg.norm(origin + n * step[2] - position) for n in range(slices)]))
    assert np.linalg.norm(origin + k * step[2] - position) < 1e-6, f"no slice at {position}"
    index = groups.FrameContentSequence[0].DimensionIndexValues
    index = list(index) if binary else [index]
    source = groups.DerivationImageSequence[0].SourceImageSequence[0]
    assert source.ReferencedSOPInstanceUID == f"1.2.3.4.{k + 1}", "refers to another slice"
    assert index[-1] == k + 1, "the dimension index is not that of the slice"
    if binary:
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        assert index[0] == number
        assert frame.any() or truth["empty_frames"], "an empty frame was written"
        assert not found[k][frame > 0].any(), "segments overlap"
        found[k][frame > 0] = truth["values"][str(number)]
    else:
        found[k] = frame
assert (found == labels).all(), f"{(found != labels).sum()} voxels differ"
named = [int(s.SegmentNumber) for s in seg.SegmentSequence]
assert sorted(named) == sorted(int(n) for n in truth["values"]), "segments are missing"
if not binary:
    assert seg.PixelPaddingValue == 0 and seg.PhotometricInterpretation == "MONOCHROME2"
    assert "SegmentIdentificationSequence" not in seg.PerFrameFunctionalGroupsSequence[0]
for uid in ["FrameOfReferenceUID", "StudyInstanceUID", "SeriesInstanceUID"]:
    assert getattr(seg, uid)
print("equal", len(pixels), "frames")
