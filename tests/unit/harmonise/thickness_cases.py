"""Constructed cases of slice thickness and field strength, with the decision each must get."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydicom.dataset import Dataset

from schemas.dicom.features import InstanceFeatures, read_features
from schemas.states import Verdict
from tests.builders import make_instance
from tests.unit.harmonise.exams import series

MET, NOT_MET, OPEN = Verdict.MET, Verdict.NOT_MET, Verdict.UNDETERMINED
T1, T2, MRCP = "t1_vibe_fs_tra_art", "t2_tse_fs_tra", "t2_space_mrcp_cor"
_SE: dict[str, Any] = {
    "ScanningSequence": "SE",
    "RepetitionTime": 3000.0,
    "EchoTime": 90.0,
    "EchoTrainLength": 20,
}


@dataclass(frozen=True)
class Case:
    """One part of a series, its name, and the verdicts in the order of its parts."""

    name: str
    instances: Sequence[InstanceFeatures]
    verdicts: tuple[Verdict | None, ...]


def thickness_cases() -> list[Case]:
    """Return the cases of the specification's table, and their borders."""
    return [
        _case("T1 of 5 mm", T1, MET, SliceThickness=5.0),
        _case("T1 of 5.05 mm", T1, MET, SliceThickness=5.05),
        _case("T1 of 5.06 mm", T1, NOT_MET, SliceThickness=5.06),
        _case("T2 of 8 mm", T2, MET, SliceThickness=8.0, **_SE),
        _case("T2 of 8.06 mm", T2, NOT_MET, SliceThickness=8.06, **_SE),
        _case("interpolated: 5 mm shown every 2.5", T1, MET, SliceThickness=5.0, every_mm=2.5),
        _case("interpolated: 6 mm shown every 3", T1, NOT_MET, SliceThickness=6.0, every_mm=3.0),
        _case("overlapping: spacing below thickness", T1, MET, SliceThickness=4.4, every_mm=2.2),
        _case("gap: 3 mm every 6", T1, MET, SliceThickness=3.0, every_mm=6.0),
        _case("missing, spacing known", T1, OPEN, SliceThickness=None, every_mm=3.0),
        _case("zero", T1, OPEN, SliceThickness=0.0, every_mm=3.0),
        _case("negative", T1, OPEN, SliceThickness=-4.0),
        _case("thick-slab MRCP", MRCP, None, SliceThickness=40.0, **_SE),
        _case("computed from others", T1, None, ImageType=["DERIVED", "SECONDARY"]),
        _case("Dixon water", f"{T1}_W", MET, ImageType=["DERIVED", "PRIMARY", "W"]),
        Case("several thicknesses in one stack", _mixed(), (OPEN,)),
        Case("thin and thick reconstruction", _thin_and_thick(), (None, None)),
        Case("enhanced, shared 4 mm", _enhanced([4.0] * 4), (MET,)),
        Case("enhanced, shared 6 mm", _enhanced([6.0] * 4), (NOT_MET,)),
        Case("enhanced, frames differ", _enhanced([4.0, 4.0, 6.0, 4.0]), (OPEN,)),
        Case("enhanced, no thickness", _enhanced([None] * 4), (OPEN,)),
    ]


#: MagneticFieldStrength as headers have it, tesla, verdict.
FIELD_CASES: tuple[tuple[float | None, float | None, Verdict], ...] = (
    (1.5, 1.5, MET),
    (3.0, 3.0, MET),
    (1.494, 1.494, MET),
    (1.45, 1.45, MET),
    (1.44, 1.44, NOT_MET),
    (1.0, 1.0, NOT_MET),
    (0.35, 0.35, NOT_MET),
    (15000.0, 1.5, MET),
    (30000.0, 3.0, MET),
    (10000.0, 1.0, NOT_MET),
    (0.0, None, OPEN),
    (-1.5, None, OPEN),
    (None, None, OPEN),
)


def _case(
    name: str,
    description: str,
    verdict: Verdict | None,
    *,
    every_mm: float | None = None,
    **elements: Any,
) -> Case:
    if every_mm is not None:
        elements["SpacingBetweenSlices"] = every_mm
    part = series(1, description, **elements)
    if every_mm is not None:
        part = [replace(m, position_lps=(0.0, 0.0, every_mm * k)) for k, m in enumerate(part)]
    return Case(name, part, (verdict,))


def _mixed() -> list[InstanceFeatures]:
    part = series(1, T1, SliceThickness=4.0)
    return [replace(part[0], slice_thickness_mm=6.0), *part[1:]]


def _thin_and_thick() -> list[InstanceFeatures]:
    thin = series(1, "Arterial 1.0", modality="CT", SliceThickness=1.0)
    return [*thin, *series(2, "Arterial 5.0", modality="CT", SliceThickness=5.0)]


def _enhanced(thicknesses: Sequence[float | None]) -> list[InstanceFeatures]:
    header = make_instance(modality="MR", SeriesDescription=T1, SliceThickness=None)
    for keyword in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"):
        del header[keyword]
    header.NumberOfFrames = len(thicknesses)
    header.PerFrameFunctionalGroupsSequence = [
        _frame(k, thickness) for k, thickness in enumerate(thicknesses)
    ]
    return [read_features(header, subject_id="S91-AAAAAAAA")]


def _frame(k: int, thickness_mm: float | None) -> Dataset:
    frame, position, orientation, measures = Dataset(), Dataset(), Dataset(), Dataset()
    position.ImagePositionPatient = [0.0, 0.0, 3.0 * k]
    orientation.ImageOrientationPatient = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    measures.PixelSpacing = [1.0, 1.0]
    if thickness_mm is not None:
        measures.SliceThickness = thickness_mm
    frame.PlanePositionSequence = [position]
    frame.PlaneOrientationSequence = [orientation]
    frame.PixelMeasuresSequence = [measures]
    return frame
