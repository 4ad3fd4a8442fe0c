"""Where the reference lesions lie: a release knows their segment only, so a file says it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from schemas.rule_tables import Cells
from tasks.evaluate.cohort import Cohort
from tasks.evaluate.masks import Mask
from tasks.evaluate.problems import Problem, require_none
from tasks.evaluate.run_files import attempt, parse_rows, point

REFERENCE, LIVERS = "reference_lesions.csv", "livers.csv"
_COLUMNS = (
    *("lesion_id", "subject_id", "centroid_lps_x_mm", "centroid_lps_y_mm", "centroid_lps_z_mm"),
)


@dataclass(frozen=True)
class Place:
    """A line of `reference_lesions.csv`; the centroid in LPS, mm; `mask` a path beside it."""

    line: int
    lesion_id: str
    subject_id: str
    centroid: tuple[float, float, float]
    mask: str
    label: int


@dataclass(frozen=True)
class Places:
    """Places of reference lesions by id, their masks where given, and livers by subject."""

    by_lesion: Mapping[str, Place] = field(default_factory=dict)
    masks: Mapping[str, Mask] = field(default_factory=dict)
    livers: Mapping[str, Mask] = field(default_factory=dict)


def parse_places(files: Mapping[str, bytes], cohort: Cohort) -> dict[str, Place]:
    """Return the places by lesion.

    Raises
    ------
    RefusedError
        If a line is malformed, or a lesion is not that subject's in the release.
    """
    problems: list[Problem] = []
    optional = {"mask", "mask_label"}.__contains__
    rows = attempt(
        lambda: parse_rows(
            files, REFERENCE, _COLUMNS, ("lesion_id",), _place, optional=optional, may_be_empty=True
        ),
        problems,
    )
    owner = {one.lesion_id: s.subject_id for s in cohort.subjects.values() for one in s.lesions}
    for row in rows or ():
        if owner.get(row.lesion_id) != row.subject_id:
            problems.append(
                Problem(f"{REFERENCE}:{row.line}", "a lesion that is not that subject's", "one is")
            )
    require_none(problems)
    return {row.lesion_id: row for row in rows or ()}


def parse_livers(files: Mapping[str, bytes]) -> dict[str, str]:
    """Return subject → path of the mask of the liver; {} without the file."""
    if LIVERS not in files:
        return {}
    problems: list[Problem] = []
    rows = attempt(
        lambda: parse_rows(
            files,
            LIVERS,
            ("subject_id", "mask"),
            ("subject_id",),
            lambda cells, _line: (cells["subject_id"], cells["mask"]),
        ),
        problems,
    )
    require_none(problems)
    return dict(rows or ())


def _place(cells: Cells, line: int) -> Place:
    centroid = point(cells, (_COLUMNS[2], _COLUMNS[3], _COLUMNS[4]))
    label = int(cells.get("mask_label") or 1)
    return Place(
        line, cells["lesion_id"], cells["subject_id"], centroid, cells.get("mask", ""), label
    )
