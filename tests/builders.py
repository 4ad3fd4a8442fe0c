"""DICOM for tests: valid CT and MR instances in memory, deterministic UIDs, named defects."""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.datadict import tag_for_keyword
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

ROWS, COLUMNS = 16, 20
SPACING_MM = 2.5


def make_uid(*parts: object) -> str:
    """Return a UID that depends on the parts only."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def make_instance(
    *,
    subject: int = 1,
    study: int = 1,
    series: int = 1,
    instance: int = 1,
    modality: str = "CT",
    **elements: Any,
) -> Dataset:
    """Return one axial slice; `elements` overrides attributes by keyword, None removes one."""
    data = Dataset()
    data.SpecificCharacterSet = "ISO_IR 192"
    data.SOPClassUID = CTImageStorage if modality == "CT" else MRImageStorage
    data.SOPInstanceUID = make_uid(subject, study, series, instance)
    data.SeriesInstanceUID = make_uid(subject, study, series)
    data.StudyInstanceUID = make_uid(subject, study)
    data.FrameOfReferenceUID = make_uid(subject, study, "frame")
    data.PatientID = f"PID{subject:06d}"
    data.PatientName = f"Test^Subject{subject}"
    data.PatientSex = "F"
    data.PatientBirthDate = "19650412"
    data.PatientAge = "060Y"
    data.AccessionNumber = f"ACC{subject:03d}{study:03d}"
    data.StudyID = "1"
    data.StudyDate = data.SeriesDate = data.AcquisitionDate = data.ContentDate = "20250306"
    data.StudyTime = "101500"
    data.SeriesTime = data.AcquisitionTime = data.ContentTime = "102000.000000"
    data.Modality = modality
    data.Manufacturer = "SIEMENS"
    data.ManufacturerModelName = "Somatom" if modality == "CT" else "Aera"
    data.SeriesDescription = "Abdomen 2.5" if modality == "CT" else "t1_vibe_fs_tra_bh"
    data.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    data.SeriesNumber = series
    data.AcquisitionNumber = 1
    data.InstanceNumber = instance
    data.PatientPosition = "HFS"
    data.ImagePositionPatient = [-25.0, -20.0, SPACING_MM * instance]
    data.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    data.PixelSpacing = [1.0, 1.25]
    data.SliceThickness = SPACING_MM
    _add_physics(data, modality)
    _add_pixels(data, seed=instance + 100 * series)
    for keyword, value in elements.items():
        if tag_for_keyword(keyword) is None:
            raise AttributeError(f"no DICOM attribute is called {keyword}")
        if value is None:
            delattr(data, keyword)
        else:
            setattr(data, keyword, value)
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    return data


def make_series(
    *,
    n_slices: int = 6,
    missing_slice: int | None = None,
    duplicated_slice: int | None = None,
    **shared: Any,
) -> list[Dataset]:
    """Return the slices of one series, with at most the defects asked for by name."""
    numbers = [n for n in range(1, n_slices + 1) if n != missing_slice]
    slices = [make_instance(instance=n, **shared) for n in numbers]
    if duplicated_slice is not None:
        twin = make_instance(instance=duplicated_slice, **shared)
        twin.SOPInstanceUID += "9"
        twin.file_meta.MediaStorageSOPInstanceUID = twin.SOPInstanceUID
        slices.append(twin)
    return slices


def to_bytes(data: Dataset) -> bytes:
    """Return the instance as a DICOM file."""
    stream = BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def write_files(folder: Path, slices: list[Dataset]) -> list[Path]:
    """Write the instances below `folder` under neutral names."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for number, data in enumerate(slices, start=1):
        path = folder / f"IM{number:05d}"
        path.write_bytes(to_bytes(data))
        paths.append(path)
    return paths


def _add_physics(data: Dataset, modality: str) -> None:
    if modality == "CT":
        data.KVP = 120.0
        data.RescaleIntercept = -1024.0
        data.RescaleSlope = 1.0
        return
    data.MagneticFieldStrength = 1.5
    data.ScanningSequence = "GR"
    data.SequenceVariant = ["SP", "OSP"]
    data.ScanOptions = "FS"
    data.MRAcquisitionType = "3D"
    data.RepetitionTime = 4.5
    data.EchoTime = 2.1
    data.FlipAngle = 10.0
    data.EchoTrainLength = 1


def _add_pixels(data: Dataset, *, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 4000, size=(ROWS, COLUMNS), dtype=np.uint16)
    data.SamplesPerPixel = 1
    data.PhotometricInterpretation = "MONOCHROME2"
    data.Rows, data.Columns = ROWS, COLUMNS
    data.BitsAllocated = 16
    data.BitsStored, data.HighBit = 12, 11
    data.PixelRepresentation = 0
    data.PixelData = pixels.tobytes()
