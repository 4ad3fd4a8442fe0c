"""Multi-frame objects and UIH grids, made of the ordinary slices of a test."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence as SqItems
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage

from tests.builders import make_instance


def item(macro: str, **elements: Any) -> tuple[str, SqItems]:
    """Return a functional group macro with one item."""
    data = Dataset()
    for keyword, value in elements.items():
        setattr(data, keyword, value)
    return macro, SqItems([data])


def enhanced(slices: Sequence[Dataset], *, number: int = 1) -> Dataset:
    """Return one multi-frame object with the slices as frames, in their order."""
    first = slices[0]
    is_ct = first.Modality == "CT"
    data = make_instance(instance=number, modality=str(first.Modality))
    data.SOPInstanceUID += ".77"
    for keyword in (
        *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SliceThickness"),
        *("RescaleSlope", "RescaleIntercept", "EchoTime", "ScanningSequence", "AcquisitionNumber"),
    ):
        if keyword in data:
            delattr(data, keyword)
    data.SOPClassUID = EnhancedCTImageStorage if is_ct else EnhancedMRImageStorage
    data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID
    data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID
    data.NumberOfFrames = len(slices)
    if "EP" in str(first.get("ScanningSequence", "")):
        data.EchoPlanarPulseSequence = "YES"
    shared = Dataset()
    for macro, items in (
        item(
            "PixelMeasuresSequence",
            PixelSpacing=first.PixelSpacing,
            SliceThickness=first.SliceThickness,
        ),
        item("PlaneOrientationSequence", ImageOrientationPatient=first.ImageOrientationPatient),
    ):
        setattr(shared, macro, items)
    data.SharedFunctionalGroupsSequence = SqItems([shared])
    data.PerFrameFunctionalGroupsSequence = SqItems([frame_groups(s) for s in slices])
    data.PixelData = b"".join(s.PixelData for s in slices)
    return data


def frame_groups(data: Dataset) -> Dataset:
    """Return the functional groups of one frame."""
    groups = Dataset()
    macros = [
        item("PlanePositionSequence", ImagePositionPatient=data.ImagePositionPatient),
        item(
            "FrameContentSequence",
            FrameAcquisitionNumber=int(data.get("AcquisitionNumber") or 1),
            FrameAcquisitionDateTime=f"{data.AcquisitionDate}{data.AcquisitionTime}",
        ),
        item(
            "PixelValueTransformationSequence",
            RescaleSlope=data.get("RescaleSlope", 1.0),
            RescaleIntercept=data.get("RescaleIntercept", 0.0),
            RescaleType="US",
        ),
    ]
    if "EchoTime" in data:
        macros.append(item("MREchoSequence", EffectiveEchoTime=float(data.EchoTime)))
    if "DiffusionBValue" in data:
        macros.append(item("MRDiffusionSequence", DiffusionBValue=float(data.DiffusionBValue)))
    if data.Modality == "MR":
        macros.append(item("MRImageFrameTypeSequence", FrameType=data.ImageType))
    for macro, items in macros:
        setattr(groups, macro, items)
    return groups


def uih_grid(slices: Sequence[Dataset], *, number: int = 1) -> Dataset:
    """Return one UIH image whose tiles are the slices, in their order: 20 in 4 rows of 5."""
    across = math.ceil(math.sqrt(len(slices)))
    rows, columns = slices[0].Rows, slices[0].Columns
    sheet = np.zeros((rows * math.ceil(len(slices) / across), columns * across), dtype="<u2")
    for k, data in enumerate(slices):
        down, right = divmod(k, across)
        tile = np.frombuffer(data.PixelData, "<u2").reshape(rows, columns)
        sheet[down * rows : (down + 1) * rows, right * columns : (right + 1) * columns] = tile
    grid = make_instance(instance=number, modality="MR", Manufacturer="UIH")
    grid.ScanningSequence = "EP"
    grid.ImageType = ["ORIGINAL", "PRIMARY", "M", "NONE"]
    # Only the items say where a slice lies; the orientation is that of all.
    del grid.ImagePositionPatient
    grid.ImageOrientationPatient = slices[0].ImageOrientationPatient
    if "SpacingBetweenSlices" in slices[0]:
        grid.SpacingBetweenSlices = slices[0].SpacingBetweenSlices
    grid.Rows, grid.Columns = sheet.shape
    grid.PixelData = sheet.tobytes()
    if "DiffusionBValue" in slices[0]:
        grid.DiffusionBValue = slices[0].DiffusionBValue
    items = []
    for data in slices:
        one = Dataset()
        one.ImagePositionPatient = data.ImagePositionPatient
        items.append(one)
    block = grid.private_block(0x0065, "Image Private Header", create=True)
    block.add_new(0x50, "DS", str(len(slices)))
    block.add_new(0x51, "SQ", SqItems(items))
    return grid
