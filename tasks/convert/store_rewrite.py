"""Files the converter can read as one series, where the delivered ones are not such.

Frames of a multi-frame object, deflated files, slices with a series UID each and slices that
their instance numbers do not tell apart are written anew in the scratch folder. The proof
compares the result with the delivered files, so nothing rests on what is written here.
"""

from __future__ import annotations

import hashlib
import warnings
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pydicom
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.frames import member_key
from schemas.dicom.sub_stacks import SubStack, distinct_positions, slice_positions_mm
from tasks.convert.handover import has_unusable_numbers, is_torn, is_written_anew
from tasks.convert.proof import ReadPlane
from tasks.convert.source import PixelFacts

_PHYSICS = {
    "echo_time_ms": "EchoTime",
    "repetition_time_ms": "RepetitionTime",
    "inversion_time_ms": "InversionTime",
    "flip_angle_deg": "FlipAngle",
    "field_strength_raw": "MagneticFieldStrength",
    "slice_thickness_mm": "SliceThickness",
    "spacing_between_slices_mm": "SpacingBetweenSlices",
    "mr_acquisition_type": "MRAcquisitionType",
    "b_value": "DiffusionBValue",
}


def prepare_sources(
    stack: SubStack,
    facts: Mapping[str, PixelFacts],
    paths: Mapping[str, Path],
    folder: Path,
    read_plane: ReadPlane,
) -> list[Path]:
    """Return the files for the converter; delivered ones wherever they will do.

    Parameters
    ----------
    folder : Path
        Takes what is written anew; made when needed.
    read_plane : callable
        Gives the stored values of a frame.
    """
    with warnings.catch_warnings():
        # Odd values of delivered headers are copied with the rest; the proof reads its own.
        warnings.simplefilter("ignore")
        return _written(stack, facts, paths, folder, read_plane)


def _written(
    stack: SubStack,
    facts: Mapping[str, PixelFacts],
    paths: Mapping[str, Path],
    folder: Path,
    read_plane: ReadPlane,
) -> list[Path]:
    everything = is_torn(stack) or has_unusable_numbers(stack)
    turns = _turns(stack) if everything or not _is_plain(stack) else []
    is_diffusion = any(m.b_value for m in stack.members)
    sources: dict[Path, None] = {}
    for number, m in enumerate(stack.members):
        fact, path = facts[member_key(m)], paths[m.sop_uid or ""]
        if not (everything or is_written_anew(m, facts)):
            sources[path] = None
            continue
        folder.mkdir(exist_ok=True)
        if m.grid_across is not None:
            # Once for all tiles.
            target = folder / f"{m.sop_uid}.dcm"
            if target in sources:
                continue
            header = _plain(path, stack.series_uid)
        elif m.frame_number is None:
            target = folder / f"{number:06d}.dcm"
            header = _plain(path, stack.series_uid)
            if has_unusable_numbers(stack):
                header.InstanceNumber = _number(turns, number)
        else:
            target = folder / f"{number:06d}.dcm"
            header = _classic_slice(m, fact, read_plane(number, 0), stack.series_uid)
            header.AcquisitionNumber = header.TemporalPositionIdentifier = turns[number] + 1
            header.InstanceNumber = _number(turns, number)
            if is_diffusion:
                # With a value on some slices only, the converter takes two vendors.
                header.DiffusionBValue = m.b_value or 0.0
        header.save_as(target, enforce_file_format=True)
        sources[target] = None
    return list(sources)


def _is_plain(stack: SubStack) -> bool:
    return all(m.frame_number is None for m in stack.members)


def _number(turns: list[int], number: int) -> int:
    """Return an instance number: the converter orders volumes by it, slices by position."""
    return turns[number] * len(turns) + number + 1


def _turns(stack: SubStack) -> list[int]:
    _, places = distinct_positions(slice_positions_mm(stack.members))
    seen: Counter[int] = Counter()
    turns = []
    for place in places.tolist():
        turns.append(seen[place])
        seen[place] += 1
    return turns


def _plain(path: Path, series_uid: str) -> Dataset:
    header = pydicom.dcmread(path)
    header.SeriesInstanceUID = series_uid
    if header.file_meta.TransferSyntaxUID.is_deflated:
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return header


def _classic_slice(
    m: InstanceFeatures, fact: PixelFacts, stored: NDArray[np.generic], series_uid: str
) -> Dataset:
    """Return a single-frame object with what the converter needs of a frame, and no more."""
    data = Dataset()
    data.SOPClassUID = CTImageStorage if m.modality == "CT" else MRImageStorage
    data.SOPInstanceUID = _frame_uid(m)
    data.SeriesInstanceUID, data.StudyInstanceUID = series_uid, m.study_uid
    data.FrameOfReferenceUID = m.frame_of_reference_uid or m.study_uid
    data.Modality = m.modality or "MR"
    data.SeriesNumber = 1
    data.ImageType = list(m.image_type) or ["ORIGINAL", "PRIMARY"]
    if m.scanning_sequence:
        data.ScanningSequence = list(m.scanning_sequence)
    for name, keyword in _PHYSICS.items():
        value = getattr(m, name)
        if value is not None:
            setattr(data, keyword, value)
    data.ImagePositionPatient = [_decimal(v) for v in m.position_lps]
    data.ImageOrientationPatient = [_decimal(v) for v in m.orientation_lps]
    data.PixelSpacing = [_decimal(v) for v in m.pixel_spacing_mm]
    data.RescaleSlope, data.RescaleIntercept = _decimal(fact.slope), _decimal(fact.intercept)
    data.SamplesPerPixel, data.PhotometricInterpretation = 1, "MONOCHROME2"
    data.Rows, data.Columns = stored.shape
    data.BitsAllocated = 8 * stored.dtype.itemsize
    data.BitsStored, data.HighBit = fact.bits_stored, fact.bits_stored - 1
    data.PixelRepresentation = int(stored.dtype.kind == "i")
    data.PixelData = stored.astype(stored.dtype.newbyteorder("<"), copy=False).tobytes()
    data.file_meta = FileMetaDataset()
    data.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return data


def _frame_uid(m: InstanceFeatures) -> str:
    digest = hashlib.sha256(member_key(m).encode()).digest()
    return f"2.25.{int.from_bytes(digest[:15], 'big')}"


def _decimal(value: float) -> str:
    # A decimal string has 16 characters at most (PS3.5 6.2).
    return f"{value:.10g}"[:16]
