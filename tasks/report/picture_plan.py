"""Which volumes get pictures, and which of them share one grey scale: pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from tasks.report.completeness import SLOTS
from tasks.report.model import Cohort
from tasks.report.tables import SeriesRow, StudyRow, VolumeRow

#: What a reviewer compares: the phases of one exam. Other series keep a scale of their own.
_DYNAMIC = ("CT_", "MR_T1_")
_MIN_SLICES = 3
_NO_PICTURE = ("LOCALIZER", "NONIMAGE")
RATED_LABELS = frozenset(label for slot in SLOTS for label in slot.labels)
#: Exams of the image quality rating (E2), and the roles whose series each shows.
EXAM_ROLES = {"ct": ("baseline_ct",), "mri": ("dce_mri", "eob_mri")}


@dataclass(frozen=True)
class PlannedVolume:
    """One volume to draw; `title` is burnt in beside the anatomy.

    `in_hu` says whether its values are Hounsfield units: those of a CT are, whatever its label.
    """

    digest: str
    sha256: str
    rel_path: str
    title: str
    for_rating: bool
    in_hu: bool = False


@dataclass(frozen=True)
class PictureGroup:
    """Volumes that share one grey scale."""

    is_ct: bool
    volumes: tuple[PlannedVolume, ...]


@dataclass(frozen=True)
class PicturePlan:
    """Everything to draw for a release."""

    groups: tuple[PictureGroup, ...]


def plan_pictures(cohort: Cohort) -> PicturePlan:
    """Return the volumes to draw, grouped by exam where their phases are compared."""
    study_of = {study.study_uid: study for study in cohort.studies}
    volume_of = {one.sub_stack_digest: one for one in cohort.volumes}
    groups: dict[tuple[str, str], list[tuple[SeriesRow, VolumeRow]]] = defaultdict(list)
    for series in cohort.series:
        volume = volume_of.get(series.sub_stack_digest)
        if volume is not None and _has_pictures(series, volume):
            groups[series.study_uid, scale_of(series)].append((series, volume))
    return PicturePlan(tuple(_group(groups[key], study_of.get(key[0])) for key in sorted(groups)))


def is_rated(series: SeriesRow, role: str) -> bool:
    """Return whether the rating page of an exam shows this series."""
    return series.label in RATED_LABELS and any(role in roles for roles in EXAM_ROLES.values())


def _has_pictures(series: SeriesRow, volume: VolumeRow) -> bool:
    return volume.dim_z >= _MIN_SLICES and series.label not in _NO_PICTURE


def scale_of(series: SeriesRow) -> str:
    """Return what the series of an exam with one grey scale have in common."""
    prefix = next((one for one in _DYNAMIC if series.label.startswith(one)), "")
    in_phase = series.label in ("MR_T1_IP", "MR_T1_OP")
    return prefix if prefix and not in_phase else series.sub_stack_digest


def _group(members: Iterable[tuple[SeriesRow, VolumeRow]], study: StudyRow | None) -> PictureGroup:
    ordered = sorted(members, key=lambda pair: pair[1].sub_stack_digest)
    return PictureGroup(
        is_ct=all(series.label.startswith("CT_") for series, _ in ordered),
        volumes=tuple(
            PlannedVolume(
                digest=volume.sub_stack_digest,
                sha256=volume.sha256,
                rel_path=volume.rel_path,
                title=title_of(series),
                for_rating=is_rated(series, study.role if study else ""),
                in_hu=study is not None and study.modality == "CT",
            )
            for series, volume in ordered
        ),
    )


def title_of(series: SeriesRow) -> str:
    """Return the short name of a series, such as `T1 ART`."""
    label = series.label.removeprefix("MR_").replace("_", " ")
    thickness = series.slice_thickness_mm
    return label if thickness is None else f"{label}  {thickness:g} mm"
