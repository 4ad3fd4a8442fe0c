"""What of an exam is measured together, and how each part of it was acquired. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from schemas.dicom.features import InstanceFeatures
from schemas.dicom.sub_stacks import SubStack
from schemas.measurements import Acquisition
from schemas.records import SeriesLabel, VolumeRecord

T = TypeVar("T")

#: Labels that may be, or become, a pass of the dynamic.
_CT_LABELS = frozenset({"CT_NC", "CT_ART", "CT_PVP", "CT_DEL", "CT_CE", "UNCLASSIFIED"})
_MR_LABELS = frozenset(
    {
        *("MR_T1_PRE", "MR_T1_ART", "MR_T1_PVP", "MR_T1_DEL", "MR_T1_TRANS", "MR_T1_HBP"),
        *("MR_T1_POST", "UNCLASSIFIED"),
    }
)
_WATER, _FAT = frozenset({"W", "WATER"}), frozenset({"F", "FAT"})
_SAME_TIME_S = 1.0


@dataclass(frozen=True)
class MeasuredPart:
    """One proven volume of an exam, and what its headers say that measuring needs.

    `is_pass` says that it may be a pass of the dynamic; `dixon` is `water`, `fat` or empty.
    """

    path: Path
    subject_id: str | None
    study_uid: str | None
    series_uid: str
    digest: str
    modality: str | None
    b_values: tuple[float, ...] = ()
    is_pass: bool = False
    dixon: str = ""
    frame_of_reference: str | None = None
    began_s: float | None = None


Key = tuple[str, str]


def exam_parts(
    stacks: Iterable[SubStack],
    labels: Iterable[SeriesLabel],
    volumes: Iterable[VolumeRecord],
    place: Mapping[Key, Path],
) -> list[list[MeasuredPart]]:
    """Return the volumes by exam, sorted; a sub-stack without a file is left out.

    Parameters
    ----------
    stacks : iterable of SubStack
        The parts of every series.
    labels : iterable of SeriesLabel
        Only to choose what may be a pass: what is measured says nothing of labels.
    volumes : iterable of VolumeRecord
        What became of each part; those without a file are left out.
    place : mapping
        (series, digest) to the file of the volume.
    """
    label_of = {(s.series_uid, s.sub_stack_digest): s for s in labels}
    record_of = {(v.series_uid, v.sub_stack_digest): v for v in volumes if v.round_trip_ok}
    exams: dict[str, list[MeasuredPart]] = {}
    for stack in sorted(stacks, key=lambda s: (s.series_uid, str(s.digest))):
        key = (stack.series_uid, str(stack.digest))
        if key not in place or key not in record_of:
            continue
        part = _part(stack, place[key], label_of.get(key), record_of[key])
        exams.setdefault(part.study_uid or stack.series_uid, []).append(part)
    return [exams[name] for name in sorted(exams)]


def partner_of(fat: MeasuredPart, parts: Sequence[MeasuredPart]) -> MeasuredPart | None:
    """Return the water image that was reconstructed from the echoes of a fat image."""
    waters = [
        p
        for p in parts
        if p.dixon == "water"
        and _in_one_place(p, fat)
        and p.began_s is not None
        and fat.began_s is not None
        and abs(p.began_s - fat.began_s) < _SAME_TIME_S
    ]
    of_series = [p for p in waters if p.series_uid == fat.series_uid]
    chosen = of_series or waters
    return chosen[0] if len(chosen) == 1 else None


def _in_one_place(one: MeasuredPart, other: MeasuredPart) -> bool:
    """Return whether positions compare: an unknown frame of reference is like no other series'."""
    if one.frame_of_reference is None or other.frame_of_reference is None:
        return one.series_uid == other.series_uid
    return one.frame_of_reference == other.frame_of_reference


def acquisition_of(stack: SubStack) -> Acquisition:
    """Return the parameters with which a sub-stack was acquired; see `Acquisition`."""
    m, first = stack.members, stack.members[0]
    spacing = _same(one.pixel_spacing_mm for one in m)
    kernel = _same(one.convolution_kernel for one in m)
    return Acquisition(
        subject_id=first.subject_id,
        study_uid=first.study_uid,
        series_uid=stack.series_uid,
        sub_stack_digest=str(stack.digest),
        kvp=_number(one.kvp for one in m),
        kernel="\\".join(kernel) if kernel else None,
        repetition_time_ms=_number(one.repetition_time_ms for one in m),
        echo_time_ms=_number(one.echo_time_ms for one in m),
        inversion_time_ms=_number(one.inversion_time_ms for one in m),
        flip_angle_deg=_number(one.flip_angle_deg for one in m),
        echo_train_length=_number(one.echo_train_length for one in m),
        b_value=_number(one.b_value for one in m),
        mr_acquisition_type=_same(one.mr_acquisition_type for one in m),
        slice_thickness_mm=_number(one.slice_thickness_mm for one in m),
        pixel_spacing_mm=_number([spacing[0]]) if spacing else None,
        rows=_number(one.rows for one in m),
        columns=_number(one.columns for one in m),
        device_id=_same(one.device_id for one in m),
        coil_id=_same(one.coil_id for one in m),
    )


def _part(
    stack: SubStack, path: Path, label: SeriesLabel | None, record: VolumeRecord
) -> MeasuredPart:
    first = stack.members[0]
    times = [m.acquisition_time_s for m in stack.members if m.acquisition_time_s is not None]
    return MeasuredPart(
        path=path,
        subject_id=first.subject_id,
        study_uid=first.study_uid,
        series_uid=stack.series_uid,
        digest=str(stack.digest),
        modality=first.modality,
        b_values=record.b_values,
        is_pass=label is not None and _may_be_pass(label, record),
        dixon=_dixon(first),
        frame_of_reference=_same(m.frame_of_reference_uid for m in stack.members),
        began_s=min(times) if times else None,
    )


def _may_be_pass(label: SeriesLabel, record: VolumeRecord) -> bool:
    if label.orientation != "axial" or record.n_volumes != 1:
        return False
    if label.modality == "CT":
        return label.label in _CT_LABELS
    return label.weighting == "T1" and label.label in _MR_LABELS


def _dixon(first: InstanceFeatures) -> str:
    words = set(first.image_type)
    return "water" if words & _WATER else "fat" if words & _FAT else ""


def _same(values: Iterable[T | None]) -> T | None:
    distinct = set(values)
    return distinct.pop() if len(distinct) == 1 else None


def _number(values: Iterable[float | int | None]) -> float | None:
    found = _same(None if value is None else round(float(value), 4) for value in values)
    return found
