#!/usr/bin/env python3
"""Compares our DICOM JSON with pydicom's reading of the same file, attribute by attribute, sequences and private tags
included. Usage: object_json_compare.py LIST, where LIST holds lines "file<TAB>json". Prints what differs; exit 1 then.
Left out: pixel data (compared as frames elsewhere), group lengths, values that pydicom itself cannot read."""
import json
import math
import sys
import warnings

import pydicom
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.valuerep import PersonName

warnings.simplefilter("ignore")
BINARY = {"OB", "OW", "OD", "OF", "OL", "OV", "UN", "OB or OW", "OB/OW"}
# Malformed: dcmdump ends with an error on both, and every reader guesses in its own way.
MALFORMED = ("dcm4che/Tag-0040-A170-VR-CS.dcm", "fo_dicom/GH364.dcm")
LONG = {"ST", "LT", "UT", "UR"}


def plain(value, vr):
    """A value as text or number, free of padding and of types."""
    if value is None:
        return ""
    if isinstance(value, (list, tuple, MultiValue)):
        return [plain(v, vr) for v in value]
    if isinstance(value, PersonName):
        groups = [g.strip() for g in str(value).split("=")][:3]
        while groups and not groups[-1]:
            groups.pop()
        return "=".join(groups)
    if vr in ("DS", "IS", "FL", "FD", "US", "SS", "UL", "SL", "SV", "UV"):
        if value == "":
            return ""
        number = float(value)
        return "nan" if math.isnan(number) else number
    if vr == "AT":
        return int(value) if not isinstance(value, str) else int(value, 16)
    return str(value).rstrip("\0 ") if vr in LONG else str(value).strip("\0 ")


def same(a, b, vr):
    if isinstance(a, list) != isinstance(b, list):
        a = a if isinstance(a, list) else [a]
        b = b if isinstance(b, list) else [b]
    if isinstance(a, list):
        a, b = [x for x in a], [x for x in b]
        if all(x == "" for x in a) and all(x == "" for x in b):
            return True
        return len(a) == len(b) and all(same(x, y, vr) for x, y in zip(a, b))
    if isinstance(a, float) and isinstance(b, float):
        # FL: ours is the shortest decimal text of the 32-bit number, pydicom's its exact value.
        return a == b or math.isclose(a, b, rel_tol=1e-7 if vr == "FL" else 0)
    return a == b


def compare(theirs, ours, where, problems):
    seen = set()
    for tag in theirs.keys():
        if tag.element == 0 or tag.group == 2 or tag in (0x7FE00010, 0x7FE00008, 0x7FE00009, 0x00080005):
            continue
        if tag > 0x7FE00010 and not where:
            continue  # behind the pixels: not read
        seen.add(tag)
        here = f"{where}{tag}"
        raw = theirs.get_item(tag)
        if tag in ours and ours[tag].VR in BINARY and isinstance(raw, RawDataElement):
            # pydicom's private dictionary and its rules for UN know more than the file says: the bytes count.
            if theirs.is_little_endian and (raw.value or b"") != (ours[tag].value or b""):
                problems.append(f"{here} {ours[tag].VR} bytes differ")
            continue
        try:
            element = theirs[tag]
        except Exception:
            continue
        if tag not in ours:
            problems.append(f"{here} {element.VR} is missing")
            continue
        vr = element.VR
        try:
            mine = ours[tag]
            if isinstance(element.value, Sequence):
                if mine.VR != "SQ" or len(mine.value) != len(element.value):
                    problems.append(f"{here} sequence of {len(element.value)}: {mine.VR}")
                    continue
                for i, (x, y) in enumerate(zip(element.value, mine.value)):
                    compare(x, y, f"{here}[{i + 1}]", problems)
                continue
            a, b = plain(element.value, vr), plain(mine.value, mine.VR)
            if not same(a, b, vr):
                problems.append(f"{here} {vr}/{mine.VR}: {str(a)[:60]!r} != {str(b)[:60]!r}")
        except (ValueError, TypeError, AttributeError) as error:
            if vr in ("DS", "IS"):
                continue  # no number: pydicom cannot read it, ours has it as text
            problems.append(f"{here} {element.VR}: {error}")
    for tag in ours.keys():
        if tag not in seen and tag not in theirs:
            problems.append(f"{where}{tag} is only ours")


def without_odd_numbers(item):
    """DS and IS that are no numbers are text in ours, which pydicom's JSON reader does not take."""
    for key in list(item):
        values = item[key].get("Value", [])
        if item[key]["vr"] == "SQ":
            for value in values:
                without_odd_numbers(value)
        elif item[key]["vr"] in ("DS", "IS") and any(isinstance(v, str) for v in values):
            del item[key]["Value"]
            item[key]["odd"] = True
    return item


def main():
    failed = compared = 0
    for line in open(sys.argv[1], encoding="utf-8"):
        file, text = line.rstrip("\n").split("\t")
        if file.endswith(MALFORMED):
            continue
        try:
            theirs = pydicom.dcmread(file, force=True)
        except Exception:
            continue
        document = json.load(open(text, encoding="utf-8"))
        if list(document) != sorted(document) and list(theirs.keys()) == sorted(theirs.keys()):
            print(f"{file}: keys are not in order")
            failed += 1
        ours = Dataset.from_json(without_odd_numbers(document), bulk_data_uri_handler=lambda uri: b"")
        problems = []
        compare(theirs, ours, "", problems)
        compared += 1
        for problem in problems[:5]:
            print(f"{file}: {problem}")
        failed += bool(problems)
    print(f"{compared} files compared, {failed} differ")
    sys.exit(1 if failed or not compared else 0)


main()
