#!/usr/bin/env python3
"""Compares digests of encoded frames with pydicom's reading. Usage: object_frames_compare.py LIST, lines
"file<TAB>sha256<TAB>...". Little-endian native frames are slices of PixelData; encapsulated ones by pydicom.encaps.
Big-endian files are left out (object_frames_test.cpp compares one with its little-endian twin)."""
import hashlib
import sys
import warnings

import pydicom
from pydicom.encaps import generate_pixel_data

warnings.simplefilter("ignore")
compared = failed = 0
for line in open(sys.argv[1], encoding="utf-8"):
    file, *digests = line.rstrip("\n").split("\t")
    try:
        ds = pydicom.dcmread(file, force=True)
        frames = max(1, int(ds.get("NumberOfFrames") or 1))
        syntax = ds.file_meta.TransferSyntaxUID
        data = ds.PixelData
    except Exception:
        continue
    if not ds.is_little_endian:
        continue
    expected = []
    if syntax.is_compressed and not syntax.is_deflated:
        try:
            expected = [b"".join(fragments) for fragments in generate_pixel_data(data, frames)]
        except Exception:
            continue
    else:
        samples = ds.SamplesPerPixel
        if samples == 3 and "422" in ds.PhotometricInterpretation:
            samples = 2
        bits = ds.Rows * ds.Columns * samples * ds.BitsAllocated
        whole = int.from_bytes(data, "little") if bits % 8 else None
        for n in range(len(digests)):
            if bits % 8 == 0:
                expected.append(data[n * bits // 8:(n + 1) * bits // 8])
            else:
                expected.append(((whole >> (n * bits)) & ((1 << bits) - 1)).to_bytes((bits + 7) // 8, "little"))
    compared += 1
    for n, digest in enumerate(digests):
        if n >= len(expected) or hashlib.sha256(expected[n]).hexdigest() != digest:
            print(f"{file}: frame {n + 1} of {frames} differs ({syntax})")
            failed += 1
            break
print(f"{compared} files compared, {failed} differ")
sys.exit(1 if failed or compared < 80 else 0)
