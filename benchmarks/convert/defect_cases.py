"""Defects of a series, each made from a clean one, and what must be said of it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import pydicom
from pydicom.dataset import Dataset

Slices = list[Dataset]


@dataclass
class Case:
    """A defective series: its slices, files to spoil (place -> change), what must be said."""

    slices: Slices
    codes: tuple[str, ...]
    at_fault: set[str] | None = None
    spoil: dict[int, Callable[[bytes], bytes]] = field(default_factory=dict)
    manifest: int | None = None
    published: int = 0
    verdict: str = "QUARANTINE"


def uid(data: Dataset) -> str:
    """Return the SOPInstanceUID."""
    return str(data.SOPInstanceUID)


def normal_of(data: Dataset) -> np.ndarray:
    """Return the slice normal, DICOM LPS."""
    axes = np.reshape([float(v) for v in data.ImageOrientationPatient], (2, 3))
    return np.cross(*axes)


def height(data: Dataset) -> float:
    """Return where a slice lies along its normal, mm."""
    return float(normal_of(data) @ [float(v) for v in data.ImagePositionPatient])


def moved(data: Dataset, by_mm: np.ndarray) -> None:
    """Move a slice, mm, DICOM LPS."""
    position = np.asarray([float(v) for v in data.ImagePositionPatient]) + by_mm
    data.ImagePositionPatient = [f"{v:.6f}" for v in position]


def twin(data: Dataset, number: int = 1) -> Dataset:
    """Return the same slice under another SOPInstanceUID, with other pixels."""
    other = copy.deepcopy(data)
    other.SOPInstanceUID = f"{uid(data)[:56]}.{number}"
    other.file_meta.MediaStorageSOPInstanceUID = other.SOPInstanceUID
    pixels = np.frombuffer(data.PixelData, dtype="<u2")
    other.PixelData = np.roll(pixels, 7 * number).tobytes()
    return other


def phase(slices: Slices, number: int) -> Slices:
    """Return the slices as another contrast phase of the same series."""
    found = [twin(data, number) for data in slices]
    for place, data in enumerate(found):
        data.AcquisitionNumber = number + 1
        data.AcquisitionTime = f"{110000 + 100 * number:06d}"
        data.InstanceNumber = 1000 * number + place + 1
    return found


def missing_slice(s: Slices) -> Case:
    """One slice is not there."""
    return Case(s[:4] + s[5:], ("MISSING_SLICE",), {uid(s[3]), uid(s[5])})


def empty_file(s: Slices) -> Case:
    """One file has no bytes."""
    return Case(s, ("UNREADABLE",), {uid(s[4])}, spoil={4: lambda _: b""})


def no_pixel_data(s: Slices) -> Case:
    """One file has no PixelData."""
    del s[4].PixelData
    return Case(s, ("NO_PIXEL_DATA",), {uid(s[4])})


def first_slice_missing(s: Slices) -> Case:
    """Leave out the first slice; only the manifest knows."""
    return Case(s[1:], ("COUNT_VS_MANIFEST",), set(), manifest=len(s))


def truncated_file(s: Slices) -> Case:
    """One file ends in the middle of its pixels."""
    return Case(s, ("TRUNCATED",), {uid(s[4])}, spoil={4: lambda raw: raw[: len(raw) * 3 // 4]})


def duplicated_position(s: Slices) -> Case:
    """Two instances lie at one position."""
    double = twin(s[4])
    return Case([*s, double], ("DUPLICATE_POSITION",), {uid(s[4]), uid(double)})


def short_phase(s: Slices) -> Case:
    """Two phases, the second five slices short."""
    second = phase(s[:-5], 1)
    ends = {uid(second[0]), uid(second[-1])}
    return Case([*s, *second], ("UNEQUAL_PHASES",), ends, published=1)


def two_phases(s: Slices) -> Case:
    """Two complete phases: two volumes, none lost."""
    return Case([*s, *phase(s, 1)], (), set(), published=2, verdict="OK")


def z_jitter(s: Slices) -> Case:
    """Move the second slice of either end by 0.04 mm: the spacing must stay the stack's."""
    for data in (s[1], s[-2]):
        moved(data, 0.04 * normal_of(data))
    return Case(s, ("AFFINE_REFITTED", ""), set(), published=1, verdict="REPAIRABLE")


def localizer_inside(s: Slices) -> Case:
    """Put a localizer into the series."""
    scout = twin(s[0])
    axes = [float(v) for v in s[0].ImageOrientationPatient]
    scout.ImageOrientationPatient = [*axes[:3], *(-normal_of(s[0])).tolist()]
    return Case([*s, scout], ("SINGLE_SLICE",), {uid(scout)}, published=2, verdict="OK")


def alternating_orientation(s: Slices) -> Case:
    """Every other slice is turned by one degree."""
    for data in s[::2]:
        axes = np.reshape([float(v) for v in data.ImageOrientationPatient], (2, 3))
        turned = math.cos(math.radians(1)) * axes[1] + math.sin(math.radians(1)) * normal_of(data)
        data.ImageOrientationPatient = [*axes[0].tolist(), *(f"{v:.9f}" for v in turned)]
    return Case(s, ("MIXED_ORIENTATION",), {uid(data) for data in s})


def no_position(s: Slices) -> Case:
    """No slice has an ImagePositionPatient."""
    for data in s:
        del data.ImagePositionPatient
    return Case(s, ("NO_GEOMETRY",), {uid(data) for data in s})


def no_orientation(s: Slices) -> Case:
    """No slice has an ImageOrientationPatient."""
    for data in s:
        del data.ImageOrientationPatient
    return Case(s, ("NO_GEOMETRY",), {uid(data) for data in s})


def uid_per_slice(s: Slices) -> Case:
    """Every slice has a SeriesInstanceUID of its own."""
    for number, data in enumerate(s):
        data.SeriesInstanceUID = f"{str(data.SeriesInstanceUID)[:56]}.{number + 1}"
    everyone = {uid(data) for data in s}
    return Case(s, ("UID_PER_SLICE",), everyone, published=1, verdict="REPAIRABLE")


def gantry_tilt(s: Slices) -> Case:
    """Slices are sheared against their normal by 18.5 degrees."""
    along = np.asarray([float(v) for v in s[0].ImageOrientationPatient][3:])
    start = np.asarray([float(v) for v in s[0].ImagePositionPatient])
    for data in s:
        here = np.asarray([float(v) for v in data.ImagePositionPatient])
        height = float((here - start) @ normal_of(data))
        moved(data, along * height * math.tan(math.radians(18.5)))
    return Case(s, ("GANTRY_TILT",), {uid(data) for data in s})


def variable_spacing(s: Slices) -> Case:
    """From the middle on slices lie 1.37 times as far apart."""
    middle = len(s) // 2
    start = np.asarray([float(v) for v in s[middle].ImagePositionPatient])
    for data in s[middle:]:
        here = np.asarray([float(v) for v in data.ImagePositionPatient])
        moved(data, 0.37 * (here - start))
    return Case(s, ("UNEVEN_SPACING",))


def shifted_slice(s: Slices) -> Case:
    """One slice is shifted by 3 mm in its plane."""
    moved(s[4], 3.0 * np.asarray([float(v) for v in s[4].ImageOrientationPatient][:3]))
    return Case(s, ("SHIFTED_SLICE",), {uid(s[4])})


def unknown_syntax(s: Slices) -> Case:
    """One file says a transfer syntax that nothing can decode."""
    s[4].file_meta.TransferSyntaxUID = pydicom.uid.HTJ2KLossless
    s[4].PixelData = pydicom.encaps.encapsulate([s[4].PixelData])
    s[4]["PixelData"].is_undefined_length = True
    return Case(s, ("UNSUPPORTED_TRANSFER_SYNTAX",), {uid(s[4])})


def clean(s: Slices) -> Case:
    """Nothing is wrong."""
    return Case(s, (), set(), published=1, verdict="OK")


DEFECTS = (
    missing_slice, empty_file, no_pixel_data, first_slice_missing, truncated_file,
    duplicated_position, short_phase, two_phases, z_jitter, localizer_inside,
    alternating_orientation, no_position, no_orientation, uid_per_slice, gantry_tilt,
    variable_spacing, shifted_slice, unknown_syntax, clean,
)  # fmt: skip
