"""Synthetic studies with known UIDs, and what makes two objects equal.

    film(folder, "case-1")            one chest film of a mathematical patient (rouage phantom film)
    ct_series(folder, "ct-1", 30)     evenly spaced axial slices
Everything follows from the name: the same name gives the same bytes.
"""
import functools
import hashlib
import pathlib
import struct
import subprocess

import numpy
import pydicom
import pydicom.dataset
import pydicom.filebase
import pydicom.filewriter
import pydicom.uid

from gateway import ROUAGE, work_folder

CT = "1.2.840.10008.5.1.4.1.1.2"
CR = "1.2.840.10008.5.1.4.1.1.1"


def uid(*parts):
    """2.25.<SHA-256 of the parts>: always 44 characters, so that one template serves for all."""
    number = int.from_bytes(hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:16], "big")
    return "2.25." + str(10**38 + number % (2 * 10**38))


def dataset_bytes(part10):
    """What follows the file meta information: the sender's bytes, whatever header a receiver wrote before them."""
    assert part10[128:132] == b"DICM", "no Part 10 file"
    assert part10[132:140] == b"\x02\x00\x00\x00UL\x04\x00", "no group length"
    return part10[144 + struct.unpack("<I", part10[140:144])[0]:]


def digest(part10):
    return hashlib.sha256(dataset_bytes(part10)).hexdigest()


class Sample:
    """One object on disk, with what a test asks of it."""

    def __init__(self, path, study, series, instance, sop_class, patient):
        self.path, self.study, self.series, self.instance = pathlib.Path(path), study, series, instance
        self.sop_class, self.patient = sop_class, patient
        self.bytes = self.path.read_bytes()

    @property
    def dataset(self):
        return pydicom.dcmread(self.path)

    @property
    def digest(self):
        return digest(self.bytes)


@functools.lru_cache(maxsize=None)
def _phantom(seed, pixels):
    path = work_folder("phantom") / "film.dcm"
    subprocess.run([str(ROUAGE), "phantom", "film", "--out", str(path), "--seed", str(seed), "--columns", str(pixels),
                    "--rows", str(pixels)], check=True, capture_output=True)
    return path.read_bytes()


def film(folder, name, seed=1, pixels=512, **changes):
    """A chest film that the chest cog accepts. changes: DICOM keywords (AccessionNumber="A1"), None removes one."""
    path = pathlib.Path(folder) / f"{name}.dcm"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_phantom(seed, pixels))
    dataset = pydicom.dcmread(path)
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = uid(name, "study"), uid(name, "series")
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid(name, "instance")
    dataset.PatientID, dataset.PatientName = "P-" + name, "TEST^" + name.upper()
    dataset.AccessionNumber = "A-" + name[:12]
    dataset.Manufacturer, dataset.StudyDescription, dataset.SeriesDescription = "Acme", "Chest PA", "PA"
    for keyword, value in changes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path, write_like_original=False)
    return Sample(path, str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID),
                  str(dataset.SOPClassUID), str(dataset.PatientID))


def _ct_dataset(pixels):
    dataset = pydicom.dataset.FileDataset(None, {}, preamble=b"\0" * 128)
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.MediaStorageSOPClassUID = CT
    dataset.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    dataset.is_little_endian, dataset.is_implicit_VR = True, False
    dataset.SpecificCharacterSet, dataset.SOPClassUID, dataset.Modality = "ISO_IR 192", CT, "CT"
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.StudyDate = dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = "20260105"
    dataset.StudyTime = dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = "101500"
    dataset.Manufacturer, dataset.StationName, dataset.InstitutionName = "Acme", "CT1", "Hôpital"
    dataset.StudyDescription, dataset.SeriesDescription, dataset.ProtocolName = "Thorax", "Axial 1 mm", "Thorax"
    dataset.BodyPartExamined, dataset.PatientBirthDate, dataset.PatientSex = "CHEST", "19560203", "F"
    dataset.StudyID, dataset.SeriesNumber, dataset.AcquisitionNumber, dataset.AccessionNumber = "1", 2, 1, ""
    dataset.ReferringPhysicianName, dataset.PatientPosition = "", "HFS"
    dataset.SliceThickness, dataset.KVP = "1", "120"
    dataset.ImageOrientationPatient, dataset.PixelSpacing = [1, 0, 0, 0, 1, 0], [0.7, 0.7]
    dataset.PositionReferenceIndicator = ""
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows = dataset.Columns = pixels
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope, dataset.RescaleType = "0", "1", "HU"
    return dataset


def ct_series(folder, name, slices=20, pixels=64, study=None, first=0):
    """Slices name-000.dcm... in order of position, 1 mm apart. `study`: another name whose study it belongs to."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = _ct_dataset(pixels)
    study_uid = uid(study or name, "study")
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID = study_uid, uid(name, "series")
    dataset.FrameOfReferenceUID = uid(name, "frame")
    dataset.PatientID = "P-" + (study or name)
    dataset.PatientName = "TEST^" + (study or name).upper()
    random = numpy.random.default_rng(int(hashlib.sha256(name.encode()).hexdigest()[:8], 16))
    noise = random.integers(-1000, 1000, pixels * pixels, dtype=numpy.int16)
    made = []
    for i in range(first, first + slices):
        dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = uid(name, "instance", i)
        dataset.InstanceNumber, dataset.SliceLocation = i + 1, str(i)
        dataset.ImagePositionPatient = [-100, -100, i]
        dataset.PixelData = numpy.roll(noise, i * 7).tobytes()
        path = folder / f"{name}-{i:03}.dcm"
        dataset.save_as(path, write_like_original=False)
        made.append(Sample(path, study_uid, str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID), CT,
                           str(dataset.PatientID)))
    return made


def same_dataset(first, second):
    """Equality as DICOM means it: every element but those of the file header."""
    one, two = pydicom.dcmread(first), pydicom.dcmread(second)
    return one == two


def encoded(dataset):
    """A data set alone, explicit VR little endian."""
    stream = pydicom.filebase.DicomBytesIO()
    stream.is_little_endian, stream.is_implicit_VR = True, False
    pydicom.filewriter.write_dataset(stream, dataset)
    return stream.getvalue()


def performed_step(slices, state):
    """An MPPS (PS3.3 B.26.2) that lists a whole series, as N-CREATE (IN PROGRESS) or N-SET (COMPLETED) carries it."""
    step = pydicom.dataset.Dataset()
    step.PerformedProcedureStepStatus = state
    if state == "IN PROGRESS":
        scheduled = pydicom.dataset.Dataset()
        scheduled.StudyInstanceUID, scheduled.AccessionNumber = slices[0].study, ""
        step.ScheduledStepAttributesSequence = [scheduled]
        step.PatientID, step.Modality, step.PerformedProcedureStepID = slices[0].patient, "CT", "1"
        step.PerformedStationAETitle, step.PerformedProcedureStepStartDate = "CT1", "20260105"
        step.PerformedProcedureStepStartTime, step.PerformedSeriesSequence = "101500", []
        return encoded(step)
    series = pydicom.dataset.Dataset()
    series.SeriesInstanceUID, series.SeriesDescription, series.ProtocolName = slices[0].series, "", "Thorax"
    series.ReferencedImageSequence = []
    for sample in slices:
        reference = pydicom.dataset.Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = sample.sop_class, sample.instance
        series.ReferencedImageSequence.append(reference)
    step.PerformedProcedureStepEndDate, step.PerformedProcedureStepEndTime = "20260105", "101900"
    step.PerformedSeriesSequence = [series]
    return encoded(step)
