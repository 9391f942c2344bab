"""What bench/seg_writer wrote, read by pydicom frame by frame and compared with the discs that it was made of.
Usage: /usr/bin/python3 seg_writer_peer.py OUT.dcm"""
import sys

import numpy as np
import pydicom

SIDE, SLICES = 512, 800
seg = pydicom.dcmread(sys.argv[1])
raw = np.frombuffer(seg.PixelData, dtype=np.uint8)
i, j = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
label = np.where((i // 40 <= 12) & (j // 57 <= 8), (j // 57) * 13 + i // 40 + 1, 0)
distance = (i % 40 - 19.5) ** 2 + ((j % 57 - 28.0) * 0.7) ** 2


def disc_plane(k):
    radius = 12 + 7 * np.sin(k * 0.03 + np.arange(118))
    return np.where((label > 0) & (distance < radius[label] ** 2), label, 0).astype(np.uint8)


planes = [disc_plane(k) for k in range(SLICES)]
plane_bytes = SIDE * SIDE // (8 if seg.SegmentationType == "BINARY" else 1)
seen = 0
for n, groups in enumerate(seg.PerFrameFunctionalGroupsSequence):
    k = round(float(groups.PlanePositionSequence[0].ImagePositionPatient[2]))
    frame = raw[n * plane_bytes:(n + 1) * plane_bytes]
    if seg.SegmentationType == "BINARY":
        number = groups.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        expected = np.packbits((planes[k] == number).ravel(), bitorder="little")
    else:
        expected = planes[k].ravel()
    if not np.array_equal(frame, expected):
        sys.exit(f"frame {n + 1} differs")
    seen += 1
print("equal:", seen, "frames of", seg.NumberOfFrames)
