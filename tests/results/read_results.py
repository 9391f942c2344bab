"""What pydicom reads in the files of the sample film (tests/results/sample.h), against the sample's own numbers."""
import sys
from pathlib import Path

import numpy as np
import pydicom

folder = Path(sys.argv[1])


def items(node, value_type):
    for child in node.get("ContentSequence", []):
        if child.get("ValueType") == value_type:
            yield child
        yield from items(child, value_type)


seg = pydicom.dcmread(folder / "seg.dcm")
masks = seg.pixel_array
assert masks.shape == (2, 96, 128), masks.shape
effusion = np.zeros((96, 128), np.uint8)
effusion[60:90, 80:120] = 1  # centres in [80.25, 120) x [60, 90.5): columns 80..119, rows 60..89
assert np.array_equal(masks[0], effusion), "the box is not where it was said"
assert masks[1][28, 25] == 1 and masks[1][21, 19] == 0 and masks[1].sum() > 100
assert [s.SegmentNumber for s in seg.SegmentSequence] == [1, 2]
side = [s.SegmentedPropertyTypeCodeSequence[0].SegmentedPropertyTypeModifierCodeSequence[0].CodeMeaning
        for s in seg.SegmentSequence]
assert side == ["Left", "Right"], side

sr = pydicom.dcmread(folder / "sr.dcm")
assert sr.CompletionFlag == "PARTIAL" and sr.VerificationFlag == "UNVERIFIED" and sr.PreliminaryFlag == "PRELIMINARY"
assert str(sr.PatientName) == "Lefèvre^Zoé", sr.PatientName
outlines = list(items(sr, "SCOORD"))
assert len(outlines) == 2
assert list(outlines[0].GraphicData) == [80.25, 60, 120, 60, 120, 90.5, 80.25, 90.5, 80.25, 60]
assert outlines[0].ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3.4.1"
numbers = {n.ConceptNameCodeSequence[0].CodeMeaning: float(n.MeasuredValueSequence[0].NumericValue) for n in items(sr, "NUM")}
assert numbers["Probability"] == 0.55, numbers  # the last finding's

state = pydicom.dcmread(folder / "gsps.dcm")
shape = state.GraphicAnnotationSequence[0].GraphicObjectSequence[0]
assert shape.GraphicData[:2] == [80.25, 60] and shape.GraphicType == "POLYLINE"
assert state.SoftcopyVOILUTSequence[0].WindowCenter == 2048 and state.PresentationLUTShape == "IDENTITY"
text = state.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue
assert text == "Épanchement pleural 0.87", text

capture = pydicom.dcmread(folder / "capture.dcm")
assert capture.BurnedInAnnotation == "YES" and capture.PhotometricInterpretation == "RGB"
assert capture.pixel_array.shape == (capture.Rows, capture.Columns, 3)

cad = pydicom.dcmread(folder / "cad-sr.dcm")
found = [c for c in items(cad, "CODE") if c.ConceptNameCodeSequence[0].CodeValue == "111059"]
assert len(found) == 2, len(found)
for name in ("sr", "cad-sr", "seg", "gsps", "capture"):
    assert pydicom.dcmread(folder / f"{name}.dcm").file_meta.ImplementationVersionName == "ROUAGE_0_1"
print("read")
